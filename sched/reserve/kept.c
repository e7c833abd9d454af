/* The keepers, and which placeholders and guards each has. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define LOSS_MS 1000		/* before a placeholder is made that went by itself; doubles to the next */
#define LOSS_MAX_MS 60000

/* Where it is, or belongs. */
static size_t place_of(const struct reserve *r, const char *node)
{
	size_t low = 0, high = r->keeper_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(r->keepers[middle]->node, node) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct keeper *keeper_find(const struct reserve *r, const char *node)
{
	size_t at = place_of(r, node);

	return at < r->keeper_count && STREQ(r->keepers[at]->node, node) ? r->keepers[at] : NULL;
}

struct keeper *keeper_need(struct reserve *r, const char *node)
{
	size_t at = place_of(r, node);
	struct keeper *k;

	if (at < r->keeper_count && STREQ(r->keepers[at]->node, node))
		return r->keepers[at];
	k = xcalloc(1, sizeof(*k));
	*k = (struct keeper){.reserve = r, .node = xstrdup(node)};
	grow(&r->keepers, &r->keeper_room, r->keeper_count + 1, sizeof(struct keeper *));
	memmove(r->keepers + at + 1, r->keepers + at, (r->keeper_count - at) * sizeof(struct keeper *));
	r->keepers[at] = k;
	r->keeper_count++;
	return k;
}

static bool same_uid(const void *item, const void *key)
{
	return STREQ(((const struct kept *)item)->uid, key);
}

struct kept *kept_find(const struct reserve *r, const char *uid)
{
	return table_find(&r->kept, hash_text(HASH_START, uid), same_uid, uid);
}

static struct kept *kept_add(struct keeper *k, const struct pod *pod, enum reserve_role role)
{
	struct kept *kept = xcalloc(1, sizeof(*kept));

	*kept = (struct kept){.keeper = k, .uid = xstrdup(pod->uid), .name = xstrdup(pod->name), .role = role, .put_ms = clock_mono_ms()};
	grow(&k->kept, &k->room, k->count + 1, sizeof(struct kept *));
	k->kept[k->count++] = kept;
	k->guards += role == RESERVE_GUARD;
	table_put(&k->reserve->kept, hash_text(HASH_START, kept->uid), kept);
	return kept;
}

static void kept_forget(struct kept *kept)
{
	struct keeper *k = kept->keeper;
	size_t i;

	for (i = 0; k->kept[i] != kept; i++)
		;
	k->kept[i] = k->kept[--k->count];
	k->guards -= kept->role == RESERVE_GUARD;
	table_remove(&k->reserve->kept, hash_text(HASH_START, kept->uid), kept);
	free(kept->uid);
	free(kept->name);
	free(kept);
}

void keeper_saw(struct reserve *r, const struct pod *pod, enum reserve_role role, bool shown)
{
	struct kept *kept = kept_find(r, pod->uid);

	if (!kept && !*pod->node)
		return; /* nobody of ours: those have a node from the first */
	if (!kept)
		kept = kept_add(keeper_need(r, pod->node), pod, role);
	kept->shown = kept->shown || shown;
	kept->lost = false;
	kept->keeper->look_ms = 0;
	held_read(kept->keeper);
}

/* Nobody of ours told it to go. A guard is made anew at once: the room is open without it. */
static void note_loss(struct kept *kept)
{
	struct keeper *k = kept->keeper;
	int64_t now = clock_mono_ms();

	if (kept->gone || kept->role != RESERVE_PLACEHOLDER || k->calls)
		return;
	owner_doubt(k->reserve);
	k->losses = now - k->lost_ms < 2 * LOSS_MAX_MS ? k->losses + 1 : 0;
	k->lost_ms = now;
	if (k->losses)
		k->next_ms = now + kube_backoff_ms(k->losses - 1, LOSS_MS, LOSS_MAX_MS, -1);
}

void keeper_lost(struct kept *kept)
{
	struct keeper *k = kept->keeper;

	note_loss(kept);
	kept->lost = true;
	k->look_ms = 0;
	if (kept->gone)
		kept_forget(kept);
	held_read(k);
}

void kept_gone(struct kept *kept)
{
	struct keeper *k = kept->keeper;

	kept->gone = true;
	if (kept->lost)
		kept_forget(kept);
	held_read(k);
}

const struct pod *kept_pod(const struct kept *kept)
{
	const struct cached_pod *cached = kept->gone || kept->lost ? NULL : cache_find_pod(kept->keeper->reserve->cache, kept->uid);

	return cached ? cached->pod : NULL;
}

static void keeper_free(struct keeper *k)
{
	while (k->count)
		kept_forget(k->kept[0]);
	free(k->kept);
	free(k->held);
	free(k->node);
	free(k->want_covers);
	free(k->error);
	free(k);
}

/* Its node is gone, and nothing is left to be done or known of it. */
static bool is_over(const struct keeper *k)
{
	return !k->count && !k->held_count && !k->calls && !k->open && cache_find_node(k->reserve->cache, k->node) < 0 && !keeper_wanted(k);
}

void keepers_tidy(struct reserve *r)
{
	size_t left = 0, i;

	for (i = 0; i < r->keeper_count; i++)
		if (is_over(r->keepers[i]))
			keeper_free(r->keepers[i]);
		else
			r->keepers[left++] = r->keepers[i];
	r->keeper_count = left;
}

void keepers_free(struct reserve *r)
{
	size_t i;

	for (i = 0; i < r->keeper_count; i++)
		keeper_free(r->keepers[i]);
	free(r->keepers);
	table_free(&r->kept);
}
