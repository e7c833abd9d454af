/* Which pod may go where: who comes for a room, when it is opened, and when it is closed again. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define YOUNG_MS 10000		/* rights_adopt: a second of the API's times, and what controllers and watches take */

/* --- who may still come ----------------------------------------------------------------------------------------------- */

/* A pod that went from a node that lives is as a rule replaced where it is best; its room waits only until it has been looked at. */
static bool is_owed(const struct held *h, int64_t mono_ms)
{
	int64_t ms = reserve_node_is_dead(h->keeper->reserve, h->cover.node) ? RESERVE_OWED_MS : RESERVE_GONE_MS;

	return !h->used && h->gone_ms >= 0 && (h->taken_by || mono_ms - h->gone_ms < ms);
}

/* Of an open node. */
static bool is_awaited(const struct held *h, int64_t mono_ms)
{
	const struct reserve *r = h->keeper->reserve;

	if (h->used || h->taken_by)
		return !h->used;
	return failed_find(r, h->cover.node) || (reserve_node_is_dead(r, h->cover.node) && is_owed(h, mono_ms));
}

/* Its pod has still to go from there. */
static bool is_on_dead_node(const struct held *h)
{
	return !h->used && h->gone_ms < 0 && reserve_node_is_dead(h->keeper->reserve, h->cover.node);
}

bool keeper_frozen(const struct keeper *k, int64_t mono_ms)
{
	size_t i;

	if (k->open || keeper_guarded(k))
		return k->open;
	for (i = 0; i < k->held_count; i++)
		if (is_owed(k->held[i], mono_ms) || is_on_dead_node(k->held[i]))
			return true;
	return false;
}

static void open_keeper(struct keeper *k, int64_t mono_ms)
{
	k->came_ms = mono_ms;
	if (k->open)
		return;
	log_info("the room of a node is opened", FIELDS(LS("node", k->node), LI("covers", k->held_count)));
	k->open = true;
	k->opened_ms = mono_ms;
	k->look_ms = 0;
}

static bool is_denied(const struct reserve *r, const char *uid)
{
	size_t i;

	for (i = 0; i < r->denied_count; i++)
		if (STREQ(r->denied[i], uid))
			return true;
	return false;
}

static void deny(struct reserve *r, const char *uid)
{
	grow(&r->denied, &r->denied_room, r->denied_count + 1, sizeof(char *));
	r->denied[r->denied_count++] = xstrdup(uid);
}

static void undeny(struct reserve *r, const char *uid)
{
	size_t i;

	for (i = 0; i < r->denied_count; i++)
		if (STREQ(r->denied[i], uid)) {
			free(r->denied[i]);
			r->denied[i] = r->denied[--r->denied_count];
			return;
		}
}

/*
 * Who was offered the room and did not get in by now is decided on as always; where it never was empty he may ask again, and opens it anew. Plans that
 * were begun while it was open say nothing about it.
 */
static void close_keeper(struct keeper *k, int64_t mono_ms)
{
	struct reserve *r = k->reserve;
	size_t i;

	log_info("the room of a node is closed", FIELDS(LS("node", k->node), LI("open_ms", mono_ms - k->opened_ms)));
	for (i = 0; i < k->held_count; i++)
		if (k->held[i]->taken_by && !k->held[i]->used) {
			if (k->was_open)
				deny(r, k->held[i]->taken_by);
			held_untake(k->held[i]);
		}
	k->open = k->planned = false;
	k->closed_ms = mono_ms;
	k->plan_from = r->plan_serial + 1;
	k->look_ms = 0;
	r->dirty = true;
	if (r->plan_next_ms > mono_ms + RESERVE_PLAN_MS) /* the guard keeps everybody off until then */
		r->plan_next_ms = mono_ms + RESERVE_PLAN_MS;
	r->hooks.wake(r->hooks.arg, WAKE_RESERVE);
}

static bool is_any_awaited(const struct keeper *k, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < k->held_count; i++)
		if (is_awaited(k->held[i], mono_ms))
			return true;
	return false;
}

void rights_tick(struct reserve *r, int64_t mono_ms)
{
	size_t i;

	failed_tick(r, mono_ms);
	keepers_tidy(r);
	for (i = 0; i < r->keeper_count; i++) {
		struct keeper *k = r->keepers[i];

		if (k->open && (mono_ms - k->came_ms > RESERVE_OPEN_MS || !is_any_awaited(k, mono_ms) || !reserve_node_is_usable(r, k->node)))
			close_keeper(k, mono_ms);
		if (k->frozen && !r->dirty)
			r->dirty = !keeper_frozen(k, mono_ms);
	}
}

/* --- a new process ---------------------------------------------------------------------------------------------------- */

static const struct pod *guard_pod(const struct keeper *k)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		if (k->kept[i]->role == RESERVE_GUARD && kept_pod(k->kept[i]))
			return kept_pod(k->kept[i]);
	return NULL;
}

/* Pods of that owner on the refuge that are hardly older than the guard: they came for their room. */
static size_t came_already(const struct reserve *r, const char *refuge, const char *owner, int64_t since_ms)
{
	int32_t at = cache_find_node(r->cache, refuge);
	const struct node_state *state = at < 0 ? NULL : &cache_view(r->cache)->nodes[at];
	size_t count = 0;
	uint32_t i;

	for (i = 0; state && i < state->pod_count; i++)
		count += STREQ(state->pods[i]->pod->owner_uid, owner) && state->pods[i]->pod->created_ms >= since_ms;
	return count;
}

static size_t used_of(const struct keeper *k, const char *owner)
{
	size_t count = 0, i;

	for (i = 0; i < k->held_count; i++)
		count += k->held[i]->used && STREQ(k->held[i]->cover.owner_uid, owner);
	return count;
}

static void adopt(struct keeper *k, int64_t mono_ms)
{
	const struct pod *guard = guard_pod(k);
	size_t i;

	if (!guard)
		return;
	for (i = 0; i < k->held_count; i++) {
		struct held *h = k->held[i];

		h->used = h->gone_ms >= 0 && used_of(k, h->cover.owner_uid) < came_already(k->reserve, k->node, h->cover.owner_uid, guard->created_ms - YOUNG_MS);
	}
	if (is_any_awaited(k, mono_ms))
		open_keeper(k, mono_ms);
}

/* A guard without a process: what it was made for goes on. */
void rights_adopt(struct reserve *r, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < r->keeper_count; i++)
		adopt(r->keepers[i], mono_ms);
}

/* --- pods that come --------------------------------------------------------------------------------------------------- */

static struct held *taken_by(const struct reserve *r, const char *uid)
{
	size_t i, j;

	for (i = 0; r->taken && i < r->keeper_count; i++)
		for (j = 0; j < r->keepers[i]->held_count; j++) {
			struct held *h = r->keepers[i]->held[j];

			if (h->taken_by && !h->used && STREQ(h->taken_by, uid))
				return h;
		}
	return NULL;
}

static void look_at_taker(struct reserve *r, const char *uid)
{
	const struct cached_pod *cached = cache_find_pod(r->cache, uid);
	struct held *h;

	if (cached && !cached->pod->node[0])
		return;
	undeny(r, uid);
	h = taken_by(r, uid);
	if (!h)
		return;
	if (cached) {
		h->used = true;
		metrics_add(r->stats, STAT_RESERVE_HANDOVERS, HANDOVER_PLACED, 1);
		r->taken--;
		h->keeper->look_ms = 0;
		h->keeper->came_ms = clock_mono_ms();
	} else {
		held_untake(h);
	}
}

void rights_seen(struct reserve *r, const char *uid)
{
	struct held *h = held_find(r, uid);

	if (h) {
		held_look(r, h, clock_mono_ms());
		h->keeper->look_ms = 0;
	}
	look_at_taker(r, uid);
}

/* A cover for it: of a node that has failed, or (`lives`) of one that has not. The room that is open already first. */
static struct held *cover_for(const struct reserve *r, const struct pod *pod, bool lives, int64_t mono_ms)
{
	struct held *best = NULL;
	size_t i, j;

	for (i = 0; i < r->keeper_count; i++)
		for (j = 0; j < r->keepers[i]->held_count; j++) {
			struct held *h = r->keepers[i]->held[j];

			if (!STREQ(h->cover.owner_uid, pod->owner_uid) || !STREQ(h->cover.namespace_, pod->namespace_) || h->taken_by ||
			    !is_owed(h, mono_ms) || reserve_node_is_dead(r, h->cover.node) == lives || !reserve_node_is_usable(r, h->keeper->node))
				continue;
			if (!best || (h->keeper->open && !best->keeper->open))
				best = h;
		}
	return best;
}

static struct held *take_cover(struct reserve *r, const struct pod *pod, bool lives, int64_t mono_ms)
{
	struct held *h = r->gone && pod->owner_uid[0] && !is_denied(r, pod->uid) ? cover_for(r, pod, lives, mono_ms) : NULL;

	if (!h)
		return NULL;
	h->taken_by = xstrdup(pod->uid);
	r->taken++;
	if (!lives)
		open_keeper(h->keeper, mono_ms);
	return h;
}

static bool is_empty(const struct keeper *k)
{
	auto_room_change struct room_change change = {0};
	struct keeper_facts facts = keeper_facts(k, clock_mono_ms(), &change);

	return !k->calls && keeper_state_of(&facts) == KEEPER_OPEN;
}

enum reserve_answer reserve_refuge(struct reserve *r, const struct pod *pod, int64_t mono_ms)
{
	struct held *h;

	if (!r || !r->held.count)
		return RESERVE_NO_RIGHT;
	h = taken_by(r, pod->uid);
	if (!h)
		h = take_cover(r, pod, false, mono_ms);
	if (h && (!h->keeper->open || !reserve_node_is_usable(r, h->keeper->node))) {
		held_untake(h);
		h = NULL;
	}
	if (!h)
		return RESERVE_NO_RIGHT;
	return is_empty(h->keeper) ? RESERVE_GO : RESERVE_WAIT;
}

bool reserve_refused(struct reserve *r, const struct pod *pod, int64_t mono_ms)
{
	return r && r->held.count && take_cover(r, pod, true, mono_ms);
}

const bool *reserve_enter(struct reserve *r, const struct pod *pod)
{
	const struct keeper *k = taken_by(r, pod->uid)->keeper;
	const struct view *view;
	size_t i;

	grow(&r->lifted, &r->lifted_room, k->count + 1, sizeof(*r->lifted));
	for (i = 0; i < k->count; i++)
		r->lifted_count += cache_lift(r->cache, k->kept[i]->uid, &r->lifted[r->lifted_count]);
	view = cache_view(r->cache);
	grow(&r->closed, &r->closed_room, view->count + 1u, sizeof(bool));
	memset(r->closed, true, view->count);
	r->closed[cache_find_node(r->cache, k->node)] = false;
	return r->closed;
}

void reserve_leave(struct reserve *r, const struct pod *pod, bool placed)
{
	struct held *h = taken_by(r, pod->uid);

	while (r->lifted_count)
		cache_put_back(r->cache, &r->lifted[--r->lifted_count]);
	if (placed) {
		if (!h->keeper->open) /* else it stays open for those who come: no longer because a binding fails again and again */
			open_keeper(h->keeper, clock_mono_ms());
		return;
	}
	metrics_add(r->stats, STAT_RESERVE_HANDOVERS, HANDOVER_MISFIT, 1);
	log_info("a pod does not fit into its room", FIELDS(LS("pod", pod->name), LS("node", h->keeper->node)));
	held_untake(h);
	deny(r, pod->uid);
}

/* --- what healing says ------------------------------------------------------------------------------------------------ */

static void open_rooms_of(struct keeper *k, const char *node, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < k->held_count; i++)
		if (STREQ(k->held[i]->cover.node, node) && !k->held[i]->used && reserve_node_is_usable(k->reserve, k->node))
			open_keeper(k, mono_ms);
}

void reserve_node_failed(struct reserve *r, const char *node)
{
	int64_t mono_ms = clock_mono_ms();
	size_t i;

	if (!r || !failed_add(r, node, mono_ms))
		return;
	for (i = 0; i < r->keeper_count; i++)
		open_rooms_of(r->keepers[i], node, mono_ms);
}

void reserve_node_back(struct reserve *r, const char *node)
{
	if (r && failed_remove(r, node))
		r->dirty = true;
}

void rights_free(struct reserve *r)
{
	size_t i;

	for (i = 0; i < r->denied_count; i++)
		free(r->denied[i]);
	free(r->denied);
}
