/* How the reserve stands, put together for /reserve, the metrics and the pods' events: what is there, not what is planned. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define STANDING_MS 1000
#define STANDING_TIMES 50		/* what it took, before the next time */

/* What is known of a pod; of one that is known twice the lesser counts. */
enum source { FROM_OWED, FROM_PLAN_AGAINST, FROM_HELD, FROM_PLAN };

struct item {
	enum source source;
	struct standing_pod pod;
};

struct gathering {
	const struct reserve *r;
	int64_t mono_ms;
	struct item *items;
	size_t count, room;
	struct standing_node *nodes;	/* one for each keeper at most */
	size_t node_count;
	struct resources *kept;		/* by item of nodes */
	char **texts;			/* that items borrow */
	size_t text_count, text_room;
};

static const char *keep_text(struct gathering *g, char *text)
{
	grow(&g->texts, &g->text_room, g->text_count + 1, sizeof(char *));
	return g->texts[g->text_count++] = text;
}

static void add(struct gathering *g, enum source source, struct standing_pod pod)
{
	grow(&g->items, &g->room, g->count + 1, sizeof(*g->items));
	g->items[g->count++] = (struct item){source, pod};
}

/* --- pods ------------------------------------------------------------------------------------------------------------- */

static struct standing_pod pod_of_cover(const struct cover *c, enum stat_reserve_pod state, const char *reason)
{
	return (struct standing_pod){.state = state, .uid = c->uid, .namespace_ = c->namespace_, .name = c->name, .node = c->node,
				     .refuge = reason ? NULL : c->refuge, .reason = reason};
}

/* Why the room of a node is none for who has it by an annotation; NULL: it is there. The caller frees. */
static char *why_not_held(const struct keeper *k, const struct keeper_facts *f)
{
	if (reserve_node_is_dead(k->reserve, k->node))
		return xasprintf("its room is on %s, which has failed", k->node);
	if (k->open)
		return xasprintf("the room on %s is being handed over", k->node);
	if (f->guard && !f->planned)
		return xasprintf("the room on %s was handed over and is planned anew", k->node);
	if (k->tries && f->planned && f->step == ROOM_ADD)
		return xasprintf("the room on %s cannot be kept whole: %s", k->node, k->error ? k->error : "the API server is not reached");
	return NULL;
}

static char *why_not_made(const struct keeper *k, const char *node)
{
	if (k && k->tries)
		return xasprintf("room on %s cannot be made: %s", node, k->error ? k->error : "the API server is not reached");
	return xasprintf("room on %s is being made", node);
}

static void gather_held(struct gathering *g, const struct keeper *k, const char *why)
{
	size_t i;

	for (i = 0; i < k->held_count; i++) {
		const struct held *h = k->held[i];

		if (h->used)
			continue;
		if (reserve_node_is_dead(g->r, h->cover.node) && (h->gone_ms < 0 || h->taken_by || g->mono_ms - h->gone_ms < RESERVE_OWED_MS))
			add(g, FROM_OWED, pod_of_cover(&h->cover, RESERVE_POD_OWED, NULL));
		else if (h->gone_ms < 0)
			add(g, FROM_HELD, pod_of_cover(&h->cover, why ? RESERVE_POD_UNCOVERED : RESERVE_POD_COVERED, why));
	}
}

/* A plan is a moment old. */
static bool is_there(const struct reserve *r, const char *uid)
{
	const struct cached_pod *cached = cache_find_pod(r->cache, uid);

	return cached && !cached->pod->terminating && !cached->pod->terminal;
}

static void gather_plan(struct gathering *g)
{
	const struct plan *p = &g->r->plan;
	size_t i;

	for (i = 0; i < p->uncovered_count; i++) {
		const struct uncovered *u = &p->uncovered[i];

		if (is_there(g->r, u->uid))
			add(g, FROM_PLAN_AGAINST, (struct standing_pod){RESERVE_POD_UNCOVERED, u->uid, u->namespace_, u->name, u->node, NULL, u->reason});
	}
	for (i = 0; i < p->covers.count; i++) {
		const struct cover *c = &p->covers.items[i];

		if (!held_find(g->r, c->uid) && is_there(g->r, c->uid))
			add(g, FROM_PLAN, pod_of_cover(c, RESERVE_POD_UNCOVERED, keep_text(g, why_not_made(keeper_find(g->r, c->refuge), c->refuge))));
	}
}

static int by_uid_and_source(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->pod.uid, y->pod.uid);

	return order ? order : (int)x->source - (int)y->source;
}

/* Sorted, each once. The caller frees. */
static struct standing_pod *pods_of(const struct gathering *g, size_t *count)
{
	struct standing_pod *pods = xcalloc(g->count + 1, sizeof(*pods));
	size_t i;

	*count = 0;
	if (g->count)
		qsort(g->items, g->count, sizeof(*g->items), by_uid_and_source);
	for (i = 0; i < g->count; i++)
		if (!*count || !STREQ(pods[*count - 1].uid, g->items[i].pod.uid))
			pods[(*count)++] = g->items[i].pod;
	return pods;
}

/* --- nodes ------------------------------------------------------------------------------------------------------------ */

static enum stat_reserve_node state_of(const struct keeper_facts *f)
{
	static const enum stat_reserve_node states[] = {
		[KEEPER_STEADY] = RESERVE_NODE_STEADY, [KEEPER_GUARDING] = RESERVE_NODE_OPENING, [KEEPER_EMPTYING] = RESERVE_NODE_OPENING,
		[KEEPER_OPEN] = RESERVE_NODE_OPEN, [KEEPER_REFILLING] = RESERVE_NODE_REFILLING,
	};

	return states[keeper_state_of(f)];
}

static void sum_kept(const struct keeper *k, struct standing_node *out, struct resources *kept)
{
	size_t i;

	for (i = 0; i < k->count; i++) {
		const struct pod *pod = k->kept[i]->role == RESERVE_PLACEHOLDER ? kept_pod(k->kept[i]) : NULL;

		if (!pod || pod->terminal)
			continue;
		out->placeholders++;
		resources_add(kept, &pod->requests);
	}
}

static void gather_node(struct gathering *g, const struct keeper *k)
{
	auto_room_change struct room_change change = {0};
	struct keeper_facts facts = keeper_facts(k, g->mono_ms, &change);
	struct standing_node n = {.node = k->node, .state = state_of(&facts), .room = keeper_wanted(k), .guard = facts.guard,
				  .kept = &g->kept[g->node_count], .error = k->tries ? k->error : NULL};
	char *why = why_not_held(k, &facts);
	size_t i, before = g->count;

	if (why)
		keep_text(g, why);
	gather_held(g, k, why);
	for (i = before; i < g->count; i++)
		n.owed += g->items[i].source == FROM_OWED;
	sum_kept(k, &n, &g->kept[g->node_count]);
	if (n.placeholders || n.guard || n.room || n.owed || k->open)
		g->nodes[g->node_count++] = n;
}

/* --- telling ---------------------------------------------------------------------------------------------------------- */

static void release(struct gathering *g)
{
	size_t i;

	for (i = 0; i < g->text_count; i++)
		free(g->texts[i]);
	for (i = 0; i < g->r->keeper_count; i++)
		resources_free(&g->kept[i]);
	free(g->texts);
	free(g->items);
	free(g->nodes);
	free(g->kept);
}

/* Returns how long nothing more is to be told. */
static int64_t tell_people(struct reserve *r, int64_t mono_ms)
{
	struct gathering g = {.r = r, .mono_ms = mono_ms};
	int64_t wall_ms = clock_wall_ms(), wait_ms;
	struct standing s = {.leading = true, .planned = r->has_plan, .plan_error = r->plan_error, .plan_wall_ms = wall_ms - (mono_ms - r->planned_ms),
			     .plan_took_ms = r->plan_took_ms, .overhead = r->plan.overhead, .overhead_cpu = r->plan.overhead_cpu,
			     .overhead_memory = r->plan.overhead_memory};
	auto_free void *pods = NULL;
	size_t i;

	g.nodes = xcalloc(r->keeper_count + 1, sizeof(*g.nodes));
	g.kept = xcalloc(r->keeper_count + 1, sizeof(*g.kept));
	for (i = 0; i < r->keeper_count; i++)
		gather_node(&g, r->keepers[i]);
	gather_plan(&g);
	s.pods = pods = pods_of(&g, &s.pod_count);
	s.nodes = g.nodes;
	s.node_count = g.node_count;
	board_give(r->board, &s, wall_ms);
	wait_ms = tell_now(r->tell, &s, mono_ms, STANDING_MS);
	release(&g);
	return wait_ms;
}

int64_t standing_tick(struct reserve *r, int64_t mono_ms)
{
	int64_t took_ms;

	if (mono_ms < r->standing_ms)
		return r->standing_ms;
	r->standing_ms = mono_ms + tell_people(r, mono_ms);
	took_ms = clock_mono_ms() - mono_ms;
	if (r->standing_ms < mono_ms + STANDING_TIMES * took_ms)
		r->standing_ms = mono_ms + STANDING_TIMES * took_ms;
	return r->standing_ms;
}

/* --- from outside ----------------------------------------------------------------------------------------------------- */

void standing_open(struct reserve *r)
{
	r->board = board_new(r->stats);
	r->tell = tell_new(r->events, r->cache);
}

void standing_close(struct reserve *r)
{
	board_free(r->board);
	tell_free(r->tell);
	free(r->plan_error);
}

void standing_planned(struct reserve *r, int64_t took_ms, const struct lm_err *err)
{
	metrics_add(r->stats, STAT_RESERVE_PLANS, err ? RESERVE_PLAN_FAILED : RESERVE_PLAN_MADE, 1);
	free(r->plan_error);
	r->plan_error = err ? xstrdup(err->msg) : NULL;
	if (!err)
		r->plan_took_ms = took_ms;
}

void reserve_print(struct reserve *r, struct buf *out)
{
	board_print(r->board, out);
}
