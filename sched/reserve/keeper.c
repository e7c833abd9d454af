/* Which requests bring the placeholders and the guard of a node to what keeper_step.h says. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define UNSHOWN_MS 10000	/* what an answer made, and the watch does not show: asked for */
#define IDLE_MS 60000
#define SAY_AGAIN_MS 60000

/* --- what is there ---------------------------------------------------------------------------------------------------- */

static bool is_well(const struct pod *pod)
{
	return pod && !pod->terminal && !pod->terminating;
}

static struct kept *guard_of(const struct keeper *k)
{
	size_t i;

	for (i = 0; k->guards && i < k->count; i++)
		if (k->kept[i]->role == RESERVE_GUARD && is_well(kept_pod(k->kept[i])))
			return k->kept[i];
	return NULL;
}

bool keeper_guarded(const struct keeper *k)
{
	return guard_of(k) != NULL;
}

bool keeper_closed(const struct keeper *k)
{
	return k->open || k->closing_calls || guard_of(k);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct pod *const *)a)->name, (*(const struct pod *const *)b)->name);
}

/* Placeholders that are neither ended nor ending, by name. The caller frees. */
static const struct pod **placeholders_of(const struct keeper *k, size_t *count)
{
	const struct pod **pods = xcalloc(k->count + 1, sizeof(*pods)), *pod;
	size_t i;

	*count = 0;
	for (i = 0; i < k->count; i++)
		if (k->kept[i]->role == RESERVE_PLACEHOLDER && is_well(pod = kept_pod(k->kept[i])))
			pods[(*count)++] = pod;
	if (*count)
		qsort(pods, *count, sizeof(*pods), by_name);
	return pods;
}

static size_t placeholders_left(const struct keeper *k)
{
	size_t left = 0, i;

	for (i = 0; i < k->count; i++)
		left += k->kept[i]->role == RESERVE_PLACEHOLDER && kept_pod(k->kept[i]);
	return left;
}

/* No annotation says as little as an empty list. */
static bool same_covers(const char *has, const char *want)
{
	const char *none = "[]";

	return STREQ(has && *has ? has : none, want && *want ? want : none);
}

/* Which of the placeholders says for whom the room is: one that does so already, else the first by name. */
static size_t carrier_of(const struct pod *const *pods, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!same_covers(pods[i]->covers, NULL))
			return i;
	return 0;
}

/* The first whose annotation is not what it is to be, and what that is; NULL: all are right. */
static const struct pod *wrong_covers(const struct keeper *k, const struct pod *const *pods, size_t count, const char **text)
{
	size_t carrier = carrier_of(pods, count), i;

	for (i = 0; i < count; i++) {
		*text = i == carrier && k->want_covers ? k->want_covers : "[]";
		if (!same_covers(pods[i]->covers, *text))
			return pods[i];
	}
	return NULL;
}

/* What the guard has to say before the placeholders go. */
static void guard_covers(const struct keeper *k, struct buf *out)
{
	if (k->open)
		held_print(k, out);
	else
		buf_str(out, k->want_covers ? k->want_covers : "[]");
}

static bool guard_says(const struct keeper *k, const struct kept *guard)
{
	auto_buf struct buf text = {0};

	if (!guard)
		return false;
	guard_covers(k, &text);
	return same_covers(kept_pod(guard)->covers, text.data);
}

static int room_by_node(const void *key, const void *room)
{
	return strcmp(key, ((const struct plan_room *)room)->node);
}

const struct plan_room *keeper_wanted(const struct keeper *k)
{
	const struct plan *p = &k->reserve->plan;

	return p->room_count ? bsearch(k->node, p->rooms, p->room_count, sizeof(*p->rooms), room_by_node) : NULL;
}

/* Since it was made, or since its room was handed over. */
static bool is_stale(const struct keeper *k, const struct kept *guard, int64_t mono_ms)
{
	return guard && mono_ms - (guard->put_ms > k->closed_ms ? guard->put_ms : k->closed_ms) > RESERVE_GUARD_MS;
}

struct keeper_facts keeper_facts(const struct keeper *k, int64_t mono_ms, struct room_change *change)
{
	size_t count;
	auto_free const struct pod **pods = placeholders_of(k, &count);
	const struct kept *guard = guard_of(k);
	const char *ignored;
	bool planned = k->planned && !keeper_frozen(k, mono_ms);

	*change = (struct room_change){0};
	if (planned)
		room_change_of(keeper_wanted(k), pods, count, change);
	return (struct keeper_facts){
		.guard = guard != NULL, .placeholders = placeholders_left(k), .open = k->open, .planned = planned, .step = change->step,
		.stale = is_stale(k, guard, mono_ms), .resting = mono_ms < k->rest_ms,
		.covers_right = !wrong_covers(k, pods, count, &ignored), .guard_covers_right = guard_says(k, guard),
	};
}

/* --- what is to be done ----------------------------------------------------------------------------------------------- */

static int64_t free_of(const struct view *v, uint32_t node, const char *name)
{
	return resources_scalar(&v->nodes[node].node->allocatable, name) - resources_scalar(&v->nodes[node].requested, name);
}

/* A plan is a moment old, and others may have taken what it found free. */
static bool fits(const struct view *v, uint32_t node, const struct room_change *change)
{
	const struct resources *r = &change->add[0].requests;
	uint32_t i;

	if (v->free_pods[node] < (int64_t)change->add_count || (r->cpu_milli > 0 && r->cpu_milli > v->free_cpu_milli[node]) ||
	    (r->memory_bytes > 0 && r->memory_bytes > v->free_memory_bytes[node]) ||
	    (r->ephemeral_bytes > 0 && r->ephemeral_bytes > v->free_ephemeral_bytes[node]))
		return false;
	for (i = 0; i < r->scalar_count; i++)
		if (r->scalars[i].amount > free_of(v, node, r->scalars[i].name))
			return false;
	return true;
}

static bool has_name(const struct keeper *k, const char *name)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		if (STREQ(k->kept[i]->name, name))
			return true;
	return false;
}

static bool add_placeholders(struct keeper *k, const struct room_change *change)
{
	int32_t node = cache_find_node(k->reserve->cache, k->node);
	char name[ROOM_NAME_MAX];
	unsigned number = 0;
	size_t i;

	if (node < 0 || !fits(cache_view(k->reserve->cache), (uint32_t)node, change)) {
		k->reserve->dirty = true;
		k->next_ms = clock_mono_ms() + RESERVE_PLAN_MS / 2;
		return true;
	}
	for (i = 0; i < change->add_count; i++) {
		do
			room_placeholder_name(k->node, k->salt, ++number, name);
		while (has_name(k, name));
		if (!call_placeholder(k, name, &change->add[i]))
			return false;
	}
	return true;
}

static bool delete_all(struct keeper *k, enum reserve_role role)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		if (k->kept[i]->role == role && kept_pod(k->kept[i]) && !call_delete(k->kept[i]))
			return false;
	return true;
}

static bool write_covers(struct keeper *k)
{
	size_t count;
	auto_free const struct pod **pods = placeholders_of(k, &count);
	const char *text = NULL;
	const struct pod *wrong = wrong_covers(k, pods, count, &text);

	return !wrong || call_covers(k, wrong, text, false);
}

static bool make_guard(struct keeper *k)
{
	auto_buf struct buf covers = {0};

	guard_covers(k, &covers);
	return call_guard(k, covers.data);
}

static bool write_guard_covers(struct keeper *k)
{
	auto_buf struct buf covers = {0};

	guard_covers(k, &covers);
	return call_covers(k, kept_pod(guard_of(k)), covers.data, true);
}

/* What has ended holds no room and has a name that is needed; what nobody showed may never have been. */
static bool tidy(struct keeper *k, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < k->count; i++) {
		struct kept *kept = k->kept[i];
		const struct pod *pod = kept_pod(kept);

		if (!kept->gone && (kept->lost || (pod && pod->terminal)) && !call_delete(kept))
			return false;
		if (pod && !kept->shown && mono_ms - kept->put_ms > UNSHOWN_MS && !call_ask(k, kept->name))
			return false;
	}
	return true;
}

static void note_stale(struct keeper *k, const struct keeper_facts *f, int64_t mono_ms)
{
	if (!f->guard || !f->stale || f->open)
		return;
	k->rest_ms = mono_ms + RESERVE_REST_MS;
	if (log_gate_open(&k->reserve->guard_gate, SAY_AGAIN_MS, NULL))
		log_warn("a guard has to go, as its room is not made", FIELDS(LS("node", k->node), LB("planned", f->planned), LS("error", k->error)));
}

static bool act(struct keeper *k, enum keeper_do what, const struct room_change *change)
{
	switch (what) {
	case KEEPER_GUARD: return make_guard(k);
	case KEEPER_GUARD_COVERS: return write_guard_covers(k);
	case KEEPER_CLEAR: return delete_all(k, RESERVE_PLACEHOLDER);
	case KEEPER_ADD: return add_placeholders(k, change);
	case KEEPER_COVERS: return write_covers(k);
	case KEEPER_UNGUARD: return delete_all(k, RESERVE_GUARD);
	case KEEPER_NOTHING: break;
	}
	return true;
}

int64_t keeper_tick(struct keeper *k, int64_t mono_ms)
{
	auto_room_change struct room_change change = {0};
	struct keeper_facts facts;

	if (k->calls)
		return mono_ms + IDLE_MS;
	if (k->next_ms > mono_ms && !(k->open && !k->tries))
		return k->next_ms;
	if (!tidy(k, mono_ms))
		return mono_ms + 10;
	if (k->calls)
		return mono_ms + IDLE_MS;
	facts = keeper_facts(k, mono_ms, &change);
	note_stale(k, &facts, mono_ms);
	if (keeper_state_of(&facts) != KEEPER_OPEN)
		k->was_open = false;
	else if (!k->was_open)
		reserve_opened(k);
	if (!act(k, keeper_next(&facts), &change) && !k->calls)
		return mono_ms + 10;
	return k->next_ms > mono_ms ? k->next_ms : mono_ms + UNSHOWN_MS;
}
