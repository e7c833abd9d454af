#include "sched/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/decide.h"

struct resolver {
	const struct decision_input *in;
	const struct matrix *matrix;	/* NULL: no data yet */
	struct arena *arena;
};

/* --- legs ------------------------------------------------------------------------------------------------------------ */

static const char *view_name(const struct resolver *r, int32_t node)
{
	return r->in->view->nodes[node].node->name;
}

/* view_node -1: a node that only the matrix knows. */
static struct leg node_leg(const struct resolver *r, int32_t view_node, const char *name, float weight)
{
	struct leg leg = {.view_node = view_node, .matrix_node = NAMES_NONE, .weight = weight};

	if (r->matrix)
		leg.matrix_node = matrix_find_node(r->matrix, name);
	if (leg.matrix_node != NAMES_NONE)
		leg.row = matrix_node_row(r->matrix, leg.matrix_node);
	return leg;
}

static bool one_leg(const struct resolver *r, struct resolved *out, struct leg leg)
{
	out->legs = arena_alloc(r->arena, sizeof(leg));
	out->legs[0] = leg;
	out->count = 1;
	return true;
}

struct named_leg {
	const char *name;
	struct leg leg;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named_leg *)a)->name, ((const struct named_leg *)b)->name);
}

static bool node_legs(const struct resolver *r, struct resolved *out, const struct node_count *nodes, uint32_t count)
{
	struct named_leg *legs = arena_alloc(r->arena, count * sizeof(*legs));
	uint32_t i;

	for (i = 0; i < count; i++) {
		legs[i].name = view_name(r, (int32_t)nodes[i].node);
		legs[i].leg = node_leg(r, (int32_t)nodes[i].node, legs[i].name, (float)nodes[i].pods);
	}
	if (count > 1)
		qsort(legs, count, sizeof(*legs), by_name);
	out->legs = arena_alloc(r->arena, count * sizeof(*out->legs));
	for (i = 0; i < count; i++)
		out->legs[i] = legs[i].leg;
	out->count = count;
	return count > 0;
}

/* --- one kind of target each; false: there is none now ---------------------------------------------------------------- */

static bool resolve_node(const struct resolver *r, const char *name, struct resolved *out)
{
	int32_t view_node = cache_find_node(r->in->view->cache, name);
	struct leg leg = node_leg(r, view_node, name, 1);

	return (view_node >= 0 || leg.row.rtt_us) && one_leg(r, out, leg);
}

static bool client_leg(const struct resolver *r, const char *name, struct leg *leg)
{
	uint32_t client = r->matrix ? matrix_find_client(r->matrix, name) : NAMES_NONE;

	*leg = (struct leg){.view_node = -1, .matrix_node = NAMES_NONE, .weight = 1};
	if (client != NAMES_NONE)
		leg->row = matrix_client_row(r->matrix, client);
	/* Without a matrix nobody can say which clients there are: it exists, and nothing is known about it. */
	return client != NAMES_NONE || !r->matrix;
}

static bool resolve_client(const struct resolver *r, const char *name, struct resolved *out)
{
	struct leg leg;

	return client_leg(r, name, &leg) && one_leg(r, out, leg);
}

static bool resolve_default_clients(const struct resolver *r, struct resolved *out)
{
	const struct profile *profile = r->in->profile;
	uint32_t i;

	out->legs = arena_alloc(r->arena, profile->default_client_count * sizeof(*out->legs));
	for (i = 0; i < profile->default_client_count; i++)
		out->count += client_leg(r, profile->default_clients[i], &out->legs[out->count]);
	return out->count > 0;
}

static bool resolve_entry(const struct resolver *r, struct resolved *out)
{
	const struct mesh *mesh = r->in->mesh;
	uint32_t i;

	if (!mesh || !mesh_entry_usable(mesh, r->in->mono_ms))
		return false;
	out->is_entry = true;
	out->legs = arena_alloc(r->arena, mesh->entry.count * sizeof(*out->legs));
	for (i = 0; i < mesh->entry.count; i++) {
		const struct entry_share *from = &mesh->entry.shares[i];

		out->legs[i] = node_leg(r, cache_find_node(r->in->view->cache, from->node), from->node, from->share);
	}
	out->count = mesh->entry.count;
	return true;
}

static bool resolve_zone(const struct resolver *r, const char *zone, struct resolved *out)
{
	const struct view *view = r->in->view;
	struct node_count *nodes = arena_alloc(r->arena, view->count * sizeof(*nodes));
	uint32_t i, count = 0;

	for (i = 0; i < view->count; i++)
		if (STREQ(view->nodes[i].node->zone, zone))
			nodes[count++] = (struct node_count){.node = i, .pods = 1};
	return node_legs(r, out, nodes, count);
}

static bool resolve_selector(const struct resolver *r, const char *namespace_, const char *key, const char *value, struct resolved *out)
{
	const struct pod *pod = r->in->pod;
	uint32_t room = 16, count;
	struct node_count *nodes;

	do {
		nodes = arena_alloc(r->arena, room * sizeof(*nodes));
		count = view_pods_matching(r->in->view, namespace_, key, value, pod->uid, nodes, room);
	} while (count > room && (room = count));
	return node_legs(r, out, nodes, count);
}

static bool resolve_controller(const struct resolver *r, const char *controller, struct resolved *out)
{
	const struct pod *pod = r->in->pod;
	uint32_t room = 16, count;
	struct node_count *nodes;

	do {
		nodes = arena_alloc(r->arena, room * sizeof(*nodes));
		count = view_pods_of_controller(r->in->view, pod->namespace_, controller, pod->uid, nodes, room);
	} while (count > room && (room = count));
	return node_legs(r, out, nodes, count);
}

static bool own_label_is(const struct pod *pod, const char *key, const char *value)
{
	const char *own = labels_get(&pod->labels, key);

	return own && STREQ(own, value);
}

/* Takes the first reading that exists, and looks at the others only to know whether there was a choice. */
static bool resolve_from(const struct resolver *r, const char *from, struct resolved *out)
{
	static const char *const readings[] = {"node", "client", "app", "controller"};
	const struct pod *pod = r->in->pod;
	struct resolved found[4] = {{0}};
	bool there[4] = {
		resolve_node(r, from, &found[0]),
		r->matrix && resolve_client(r, from, &found[1]),
		resolve_selector(r, pod->namespace_, "app", from, &found[2]),
		resolve_controller(r, from, &found[3]),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(there); i++) {
		if (!there[i])
			continue;
		if (out->taken_as) {
			out->ambiguous = true;
			break;
		}
		out->taken_as = readings[i];
		out->legs = found[i].legs;
		out->count = found[i].count;
	}
	if (out->taken_as)
		return true;
	out->first = !r->in->no_objects && (own_label_is(pod, "app", from) || STREQ(pod->controller, from));
	/* It may be a client of a matrix that is still to come. */
	return !r->matrix && !out->first && resolve_client(r, from, out);
}

static bool resolve_pods(const struct resolver *r, const struct target *t, struct resolved *out)
{
	const struct pod *pod = r->in->pod;
	const char *namespace_ = t->namespace_ ? t->namespace_ : pod->namespace_;

	if (resolve_selector(r, namespace_, t->key, t->value, out))
		return true;
	out->first = !r->in->no_objects && STREQ(namespace_, pod->namespace_) && own_label_is(pod, t->key, t->value);
	return false;
}

static bool resolve_target(const struct resolver *r, const struct target *t, struct resolved *out)
{
	switch (t->kind) {
	case TARGET_NODE:
		return resolve_node(r, t->name, out);
	case TARGET_ZONE:
		return resolve_zone(r, t->name, out);
	case TARGET_CLIENT:
		return resolve_client(r, t->name, out);
	case TARGET_MESH:
		out->is_mesh = true;
		return true;
	case TARGET_SELECTOR:
		return resolve_pods(r, t, out);
	case TARGET_FROM:
		return resolve_from(r, t->name, out);
	case TARGET_DEFAULT_CLIENTS:
		return resolve_default_clients(r, out);
	case TARGET_ENTRY:
		return resolve_entry(r, out);
	}
	return false;
}

static struct resolved *resolve_items(const struct resolver *r, const struct ask_item *items, uint32_t count)
{
	struct resolved *out = arena_alloc(r->arena, count * sizeof(*out));
	uint32_t i;

	for (i = 0; i < count; i++) {
		out[i].item = &items[i];
		out[i].any = items[i].target.any;
		out[i].missing = !resolve_target(r, &items[i].target, &out[i]);
	}
	return out;
}

/* What the configuration demands for pods that do not say it themselves: maxLatency, noData. */
static void resolve_defaults(const struct resolver *r, struct targets *out)
{
	const struct profile *profile = r->in->profile;
	const struct ask *ask = &r->in->pod->ask, *by_default = &profile->default_near;

	if (!profile->refuse_latency)
		return;
	out->must_know = profile->deny_no_data && !ask->allow_missing;
	if (ask->within_count || isinf(profile->max_latency_us))
		return;
	out->capped = ask->near_count ? resolve_items(r, by_default->near, by_default->near_count) : out->near;
	out->capped_count = by_default->near_count;
}

void targets_resolve(const struct decision_input *in, struct arena *arena, struct targets *out)
{
	struct resolver r = {.in = in, .matrix = in->mesh ? in->mesh->matrix : NULL, .arena = arena};
	const struct ask *ask = &in->pod->ask, *by_default = &in->profile->default_near;

	*out = (struct targets){.asking = ask->near_count || ask->within_count, .within_count = ask->within_count};
	out->within = resolve_items(&r, ask->within, ask->within_count);
	if (ask->near_count) {
		out->near = resolve_items(&r, ask->near, ask->near_count);
		out->near_count = ask->near_count;
	} else if (ask->within_count) {
		out->near = out->within;
		out->near_count = out->within_count;
	} else {
		out->near = resolve_items(&r, by_default->near, by_default->near_count);
		out->near_count = by_default->near_count;
	}
	resolve_defaults(&r, out);
}

bool target_selects(const struct target *t, const struct pod *asking, const struct pod *pod)
{
	const char *namespace_ = t->kind == TARGET_SELECTOR && t->namespace_ ? t->namespace_ : asking->namespace_;

	if (!STREQ(namespace_, pod->namespace_))
		return false;
	if (t->kind == TARGET_SELECTOR)
		return own_label_is(pod, t->key, t->value);
	return t->kind == TARGET_FROM && (own_label_is(pod, "app", t->name) || STREQ(pod->controller, t->name));
}

bool target_is_estimate(const struct resolved *r, uint32_t row)
{
	uint32_t k;

	for (k = 0; k < r->count; k++)
		if (r->legs[k].row.pair && (r->legs[k].row.pair[row] & PAIR_ESTIMATE))
			return true;
	return false;
}

const struct resolved *targets_first(const struct targets *targets)
{
	uint32_t k;

	for (k = 0; k < targets->near_count; k++)
		if (!targets->near[k].missing)
			return &targets->near[k];
	return NULL;
}

static uint64_t legs_of(const struct resolved *items, uint32_t count)
{
	uint64_t legs = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		legs += items[i].is_mesh ? 1 : items[i].count;
	return legs;
}

uint64_t targets_pairs(const struct targets *targets, uint32_t nodes)
{
	uint64_t near = legs_of(targets->near, targets->near_count);

	return (near + (targets->must_know && targets->near != targets->capped ? near : 0) + legs_of(targets->within, targets->within_count) +
		legs_of(targets->capped, targets->capped_count)) * nodes;
}
