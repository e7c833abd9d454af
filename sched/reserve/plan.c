#include "sched/reserve/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/reserve/plan_private.h"

#define PODS_WEIGHT 1e-6		/* of their number, where another resource is asked for: it breaks ties */

/* --- what counts ----------------------------------------------------------------------------------------------------------- */

static void weigh(struct work *w)
{
	uint32_t asked = 0, r, f, i;

	for (i = 0; i < w->want_count; i++)
		for (r = 0; r < w->dims && (w->wants[i].tied || w->wants[i].allowed_count); r++)
			if (w->wants[i].needs[r] > 0 && w->total[r] > 0)
				w->weight[r] = 1 / w->total[r];
	for (r = 0; r < w->dims; r++)
		asked += r != DIM_PODS && w->weight[r] > 0;
	for (r = 0; r < w->dims && asked; r++)
		w->weight[r] *= r == DIM_PODS ? PODS_WEIGHT : 1.0 / asked;
	for (f = 0; f < w->failure_count; f++)
		for (i = w->failures[f].first; i < w->failures[f].first + w->failures[f].count; i++)
			for (r = 0; r < w->dims; r++)
				w->failures[f].size += w->weight[r] * (double)w->wants[i].needs[r];
}

/* --- covers ---------------------------------------------------------------------------------------------------------------- */

static int by_uid(const void *a, const void *b)
{
	return strcmp(((const struct cover *)a)->uid, ((const struct cover *)b)->uid);
}

static int uncovered_by_uid(const void *a, const void *b)
{
	return strcmp(((const struct uncovered *)a)->uid, ((const struct uncovered *)b)->uid);
}

static void tell_covers(const struct work *w, struct plan *out)
{
	size_t i;

	for (i = 0; i < w->want_count; i++) {
		const struct want *want = &w->wants[i];
		const struct cover cover = {
			.uid = want->pod->uid, .namespace_ = want->pod->namespace_, .name = want->pod->name, .owner_uid = want->pod->owner_uid,
			.node = w->view->nodes[want->node].node->name,
			.refuge = want->refuge >= 0 ? w->view->nodes[want->refuge].node->name : NULL,
		};

		if (want->refuge >= 0)
			covers_add(&out->covers, &cover);
	}
	if (out->covers.count)
		qsort(out->covers.items, out->covers.count, sizeof(*out->covers.items), by_uid);
	if (out->uncovered_count)
		qsort(out->uncovered, out->uncovered_count, sizeof(*out->uncovered), uncovered_by_uid);
}

/* --- rooms ------------------------------------------------------------------------------------------------------------------ */

static bool is_any(const char *ip)
{
	return !ip[0] || STREQ(ip, "0.0.0.0");
}

static void port_free(struct host_port *port)
{
	free(port->ip);
	free(port->protocol);
}

/* Every address holds each of them, and two that meet cannot be on one node together. */
static void port_add(struct plan_room *room, const struct host_port *port)
{
	uint32_t i;

	for (i = room->port_count; i-- > 0;) {
		struct host_port *have = &room->ports[i];

		if (have->port != port->port || !STREQ(have->protocol, port->protocol))
			continue;
		if (is_any(have->ip) || STREQ(have->ip, port->ip))
			return;
		if (is_any(port->ip)) {
			port_free(have);
			room->ports[i] = room->ports[--room->port_count];
		}
	}
	room->ports = xrealloc(room->ports, room->port_count + 1, sizeof(*room->ports));
	room->ports[room->port_count++] = (struct host_port){xstrdup(is_any(port->ip) ? "" : port->ip), xstrdup(port->protocol), port->port};
}

static int by_port(const void *a, const void *b)
{
	const struct host_port *x = a, *y = b;
	int order = strcmp(x->protocol, y->protocol);

	if (order == 0)
		order = (x->port > y->port) - (x->port < y->port);
	return order ? order : strcmp(x->ip, y->ip);
}

/* The failure that needs most of it, of those that need as much the first by name. */
static const char *worst_failure(const struct work *w, const struct spot *spot)
{
	const char *worst = "";
	double most = -1;
	uint32_t i, r;

	for (i = 0; i < spot->count; i++) {
		const char *name = w->view->nodes[w->failures[spot->loads[i].failure].node].node->name;
		double size = 0;

		for (r = 0; r < w->dims; r++)
			size += w->weight[r] * (double)spot->loads[i].sums[r];
		if (size > most || (size >= most && strcmp(name, worst) < 0)) {
			most = size;
			worst = name;
		}
	}
	return worst;
}

static void tell_room(const struct work *w, uint32_t node, struct plan_room *room)
{
	int64_t *need = w->spare;
	uint32_t i, p, s;

	loads_need(w, node, need);
	*room = (struct plan_room){
		.node = xstrdup(w->view->nodes[node].node->name),
		.need = {.cpu_milli = need[DIM_CPU], .memory_bytes = need[DIM_MEMORY], .ephemeral_bytes = need[DIM_EPHEMERAL]},
		.pods = (uint32_t)need[DIM_PODS], .for_failure = xstrdup(worst_failure(w, &w->spots[node])),
	};
	for (s = 0; s < w->scalar_count; s++)
		if (need[DIM_SCALARS + s])
			resources_set_scalar(&room->need, w->scalars[s], need[DIM_SCALARS + s]);
	for (i = 0; i < w->want_count; i++)
		for (p = 0; p < w->wants[i].pod->port_count && w->wants[i].refuge == (int32_t)node; p++)
			port_add(room, &w->wants[i].pod->ports[p]);
	if (room->port_count)
		qsort(room->ports, room->port_count, sizeof(*room->ports), by_port);
}

static int by_node(const void *a, const void *b)
{
	return strcmp(((const struct plan_room *)a)->node, ((const struct plan_room *)b)->node);
}

static void tell_rooms(const struct work *w, struct plan *out)
{
	uint32_t k;

	out->rooms = xcalloc(w->nodes + 1, sizeof(*out->rooms));
	for (k = 0; k < w->nodes; k++)
		if (w->spots[k].count)
			tell_room(w, k, &out->rooms[out->room_count++]);
	if (out->room_count)
		qsort(out->rooms, out->room_count, sizeof(*out->rooms), by_node);
}

static void tell_overhead(const struct work *w, struct plan *out)
{
	auto_tally struct tally t;

	tally_make(w, &t);
	out->overhead = tally_overhead(w, &t);
	out->overhead_cpu = tally_share(w, &t, DIM_CPU);
	out->overhead_memory = tally_share(w, &t, DIM_MEMORY);
}

/* --- the plan --------------------------------------------------------------------------------------------------------------- */

void plan_make(struct decider *d, const struct plan_input *in, struct plan *out)
{
	struct work w = {.decider = d, .in = in, .out = out};

	*out = (struct plan){0};
	gather(&w);
	gather_capacity(&w);
	seat_alone(&w);
	weigh(&w);
	search(&w);
	seat_check(&w);
	most(&w);
	tell_covers(&w, out);
	tell_rooms(&w, out);
	tell_overhead(&w, out);
	while (w.placeholder_count)
		cache_put_back(in->cache, &w.placeholders[--w.placeholder_count]);
	work_free(&w);
}

static void room_free(struct plan_room *room)
{
	uint32_t i;

	for (i = 0; i < room->port_count; i++)
		port_free(&room->ports[i]);
	free(room->ports);
	free(room->node);
	free(room->for_failure);
	resources_free(&room->need);
}

void plan_free(struct plan *p)
{
	size_t i;

	uncover_back(p, 0);
	for (i = 0; i < p->room_count; i++)
		room_free(&p->rooms[i]);
	free(p->uncovered);
	free(p->rooms);
	covers_free(&p->covers);
	*p = (struct plan){0};
}
