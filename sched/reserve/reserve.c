#include "sched/reserve/reserve.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define PLAN_TIMES 5			/* what a plan took, before the next one */
#define PLAN_POLL_MS 100		/* while one is made; its end is readable (reserve_fd) */
#define SAY_AGAIN_MS 60000

/* --- start and end ---------------------------------------------------------------------------------------------------- */

static void take_settings(struct reserve *r, const struct settings *settings)
{
	r->all = settings;
	r->settings = settings->reserve;
	r->settings.namespace_ = r->namespace_;
	owner_set(r, settings->reserve.owner);
	r->dirty = true;
}

struct reserve *reserve_new(struct kube *k, struct cache *cache, const struct settings *settings, const char *namespace_, struct limit *limit,
			    struct events *events, struct metrics *stats, const struct reserve_hooks *hooks)
{
	struct reserve *r;

	if (!settings->reserve.enabled)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	*r = (struct reserve){.kube = k, .cache = cache, .limit = limit, .events = events, .stats = stats, .hooks = *hooks, .planned_ms = -1};
	r->namespace_ = xstrdup(settings->reserve.namespace_ ? settings->reserve.namespace_ : namespace_ ? namespace_ : "default");
	take_settings(r, settings);
	cache_set_reserve(cache, r->namespace_);
	r->planner = planner_new();
	standing_open(r);
	return r;
}

void reserve_set_settings(struct reserve *r, const struct settings *settings)
{
	if (r)
		take_settings(r, settings);
}

void reserve_free(struct reserve *r)
{
	if (!r)
		return;
	planner_free(r->planner);
	standing_close(r);
	calls_free(r);
	owner_free(r);
	held_free(r);
	failed_free(r);
	rights_free(r);
	keepers_free(r);
	plan_free(&r->plan);
	free(r->closed);
	free(r->lifted);
	free(r->namespace_);
	free(r);
}

/* --- plans ------------------------------------------------------------------------------------------------------------ */

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	return settings_profile(((const struct reserve *)arg)->all, scheduler_name);
}

/* Borrowed from what is held; only the arrays are the caller's. */
static void promised(const struct reserve *r, struct covers *out, int64_t mono_ms)
{
	size_t i, j;

	for (i = 0; i < r->keeper_count; i++)
		for (j = 0; j < r->keepers[i]->held_count; j++) {
			const struct held *h = r->keepers[i]->held[j];

			if (!held_stands(h, mono_ms))
				continue;
			grow(&out->items, &out->room, out->count + 1, sizeof(*out->items));
			out->items[out->count++] = h->cover;
		}
}

static size_t mark_frozen(struct reserve *r, const char **names, int64_t mono_ms)
{
	size_t count = 0, i;

	for (i = 0; i < r->keeper_count; i++) {
		struct keeper *k = r->keepers[i];

		k->frozen = keeper_frozen(k, mono_ms);
		if (k->frozen)
			names[count++] = k->node;
	}
	return count;
}

/* Nothing is kept, and nobody asks for room: then there is nothing to plan, and no process is worth it. */
static bool is_idle(const struct reserve *r)
{
	const struct view *view = cache_view(r->cache);
	uint32_t node, i;

	if (r->kept.count || r->held.count)
		return false;
	for (node = 0; node < view->count; node++)
		for (i = 0; i < view->nodes[node].pod_count; i++)
			if (!view->nodes[node].pods[i]->pod->terminating && reserve_wants(&r->settings, view->nodes[node].pods[i]->pod))
				return false;
	return true;
}

static int by_refuge(const void *a, const void *b)
{
	return strcmp(((const struct cover *)a)->refuge, ((const struct cover *)b)->refuge);
}

/* Borrowed from the covers; the array is the caller's. */
static struct cover *sort_by_refuge(const struct covers *c)
{
	struct cover *items = xcalloc(c->count + 1, sizeof(*items));

	if (!c->count)
		return items;
	memcpy(items, c->items, c->count * sizeof(*items));
	qsort(items, c->count, sizeof(*items), by_refuge);
	return items;
}

/* Those of the node, which are in a row. */
static struct covers part_of(struct cover *sorted, size_t count, char *node)
{
	const struct cover key = {.refuge = node};
	struct cover *found = count ? bsearch(&key, sorted, count, sizeof(*sorted), by_refuge) : NULL, *last = found;

	if (!found)
		return (struct covers){0};
	while (found > sorted && STREQ(found[-1].refuge, node))
		found--;
	while (last < sorted + count && STREQ(last->refuge, node))
		last++;
	return (struct covers){.items = found, .count = (size_t)(last - found)};
}

/* Of all the plan's covers only its own are looked at: there may be a thousand keepers, and 20,000 covers. */
static void take_want(struct keeper *k, struct cover *sorted)
{
	struct covers mine = part_of(sorted, k->reserve->plan.covers.count, k->node);
	struct buf text = {0};

	k->planned = !k->frozen && k->reserve->plan_serial >= k->plan_from;
	k->look_ms = 0;
	if (!k->planned)
		return;
	covers_print(&mine, k->node, &text);
	free(k->want_covers);
	k->want_covers = text.data;
}

static void take_plan(struct reserve *r, struct plan *plan, int64_t took_ms, int64_t mono_ms)
{
	auto_free struct cover *sorted = sort_by_refuge(&plan->covers);
	size_t i;

	plan_free(&r->plan);
	r->plan = *plan;
	r->has_plan = true;
	r->planned_ms = mono_ms;
	for (i = 0; i < r->plan.room_count; i++)
		keeper_need(r, r->plan.rooms[i].node);
	for (i = 0; i < r->keeper_count; i++)
		take_want(r->keepers[i], sorted);
	for (i = 0; r->torn && i < r->keeper_count; i++)
		held_read(r->keepers[i]);
	r->torn = false;
	standing_planned(r, took_ms, NULL);
	log_debug("the reserve is planned", FIELDS(LI("covered", r->plan.covers.count), LI("uncovered", r->plan.uncovered_count),
						   LF("overhead", r->plan.overhead), LI("took_ms", r->plan_took_ms)));
}

static void begin_plan(struct reserve *r, const struct mesh *mesh, int64_t mono_ms)
{
	auto_free const char **frozen = xcalloc(r->keeper_count + 1, sizeof(*frozen));
	struct covers previous = {0};
	auto_free void *items = NULL;
	struct lm_err err;
	struct plan_input in = {.cache = r->cache, .mesh = mesh, .profile = profile_of, .profile_arg = r, .settings = &r->settings,
				.previous = &previous, .frozen = frozen, .mono_ms = mono_ms};

	promised(r, &previous, mono_ms);
	items = previous.items;
	in.frozen_count = mark_frozen(r, frozen, mono_ms);
	r->plan_serial++;
	r->dirty = false;
	r->plan_next_ms = mono_ms + RESERVE_PLAN_MS;
	if (is_idle(r)) {
		take_plan(r, &(struct plan){0}, 0, mono_ms);
		return;
	}
	if (planner_start(r->planner, &in, &err))
		return;
	r->dirty = true;
	standing_planned(r, 0, &err);
	if (log_gate_open(&r->plan_gate, SAY_AGAIN_MS, NULL))
		log_warn("no plan of the reserve can be made", FIELDS(LS("error", err.msg)));
}

/* A guard keeps everybody off its node until a plan says what is to be there: no time for a pause. */
static bool is_any_waiting(const struct reserve *r)
{
	size_t i;

	for (i = 0; i < r->keeper_count; i++)
		if (!r->keepers[i]->open && !r->keepers[i]->planned && keeper_guarded(r->keepers[i]))
			return true;
	return false;
}

static void poll_plan(struct reserve *r, int64_t mono_ms)
{
	struct plan plan = {0};
	struct lm_err err;
	int64_t rest_ms;

	switch (planner_poll(r->planner, mono_ms, &plan, &err)) {
	case PLANNER_DONE:
		take_plan(r, &plan, planner_took_ms(r->planner), mono_ms);
		rest_ms = PLAN_TIMES * planner_took_ms(r->planner);
		if (r->plan_next_ms < mono_ms + rest_ms && !is_any_waiting(r))
			r->plan_next_ms = mono_ms + rest_ms;
		break;
	case PLANNER_FAILED:
		r->dirty = true;
		r->plan_next_ms = mono_ms + RESERVE_PLAN_MS;
		standing_planned(r, 0, &err);
		if (log_gate_open(&r->plan_gate, SAY_AGAIN_MS, NULL))
			log_warn("a plan of the reserve failed", FIELDS(LS("error", err.msg)));
		break;
	case PLANNER_IDLE:
	case PLANNER_BUSY: break;
	}
}

/* --- the loop's side -------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Whom it was closed to may try again. */
static void note_closed(struct keeper *k)
{
	bool closed = keeper_closed(k);

	if (k->was_closed && !closed)
		k->reserve->hooks.wake(k->reserve->hooks.arg, WAKE_RESERVE);
	k->was_closed = closed;
}

static int64_t tick_keepers(struct reserve *r, int64_t mono_ms, int64_t until)
{
	size_t i;

	for (i = 0; i < r->keeper_count; i++) {
		struct keeper *k = r->keepers[i];

		if (k->look_ms <= mono_ms) {
			k->look_ms = keeper_tick(k, mono_ms);
			note_closed(k);
		}
		until = earlier(until, k->look_ms);
	}
	return until;
}

static int64_t tick_plan(struct reserve *r, const struct mesh *mesh, int64_t mono_ms)
{
	int64_t due = r->plan_next_ms;

	if (planner_fd(r->planner) >= 0)
		return mono_ms + PLAN_POLL_MS;
	if (!r->dirty)
		due += RESERVE_AGAIN_MS;
	if (due > mono_ms)
		return due;
	if (owner_is_awaited(r))
		return mono_ms + PLAN_POLL_MS;
	begin_plan(r, mesh, mono_ms);
	return mono_ms + PLAN_POLL_MS;
}

int64_t reserve_tick(struct reserve *r, const struct mesh *mesh, int64_t mono_ms, int64_t most)
{
	int64_t until = mono_ms + most;

	if (!r || !r->hooks.acts(r->hooks.arg))
		return most;
	if (!r->adopted)
		rights_adopt(r, mono_ms);
	r->adopted = true;
	poll_plan(r, mono_ms);
	rights_tick(r, mono_ms);
	until = tick_keepers(r, mono_ms, until);
	until = owner_tick(r, mono_ms, until);
	until = earlier(until, tick_plan(r, mesh, mono_ms));
	until = earlier(until, standing_tick(r, mono_ms));
	return until > mono_ms ? until - mono_ms : 0;
}

int reserve_fd(const struct reserve *r)
{
	return r ? planner_fd(r->planner) : -1;
}

size_t reserve_open(const struct reserve *r)
{
	return r ? r->call_count : 0;
}

void reserve_changed(struct reserve *r)
{
	if (r)
		r->dirty = true;
}

void reserve_seen(struct reserve *r, const char *uid)
{
	const struct cached_pod *cached;
	enum reserve_role role;
	struct kept *kept;

	if (!r)
		return;
	cached = cache_find_pod(r->cache, uid);
	role = cached ? reserve_role(&r->settings, cached->pod) : RESERVE_NONE;
	kept = cached ? NULL : kept_find(r, uid);
	if (role != RESERVE_NONE)
		keeper_saw(r, cached->pod, role, true);
	else if (kept)
		keeper_lost(kept);
	else
		rights_seen(r, uid);
}

bool reserve_covers(const struct reserve *r, const char *uid)
{
	return r && held_find(r, uid);
}

bool reserve_keeps(const struct reserve *r, const struct pod *pod)
{
	return r && reserve_role(&r->settings, pod) != RESERVE_NONE;
}

void reserve_opened(struct keeper *k)
{
	struct reserve *r = k->reserve;

	k->was_open = true;
	log_debug("the room of a node is empty", FIELDS(LS("node", k->node)));
	r->hooks.wake(r->hooks.arg, WAKE_RESERVE);
}

const bool *reserve_closed(struct reserve *r, const struct view *view)
{
	bool any = false;
	size_t i;

	if (!r)
		return NULL;
	grow(&r->closed, &r->closed_room, view->count + 1u, sizeof(bool));
	for (i = 0; i < r->keeper_count; i++) {
		int32_t node = keeper_closed(r->keepers[i]) ? cache_find_node(r->cache, r->keepers[i]->node) : -1;

		if (node < 0)
			continue;
		if (!any)
			memset(r->closed, false, view->count);
		any = true;
		r->closed[node] = true;
	}
	return any ? r->closed : NULL;
}
