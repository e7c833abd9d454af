/* The covers that stand in the cluster, as annotations say them, and what became of each. */
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define SAY_AGAIN_MS 60000

static bool same_uid(const void *item, const void *key)
{
	return STREQ(((const struct held *)item)->cover.uid, key);
}

struct held *held_find(const struct reserve *r, const char *uid)
{
	return table_find(&r->held, hash_text(HASH_START, uid), same_uid, uid);
}

static void release_cover(struct cover *c)
{
	free(c->uid);
	free(c->namespace_);
	free(c->name);
	free(c->owner_uid);
	free(c->node);
	free(c->refuge);
}

static void copy_cover(const struct cover *from, struct cover *to)
{
	*to = (struct cover){.uid = xstrdup(from->uid), .namespace_ = xstrdup(from->namespace_), .name = xstrdup(from->name),
			     .owner_uid = xstrdup(from->owner_uid), .node = xstrdup(from->node), .refuge = xstrdup(from->refuge)};
}

static void attach(struct keeper *k, struct held *h)
{
	grow(&k->held, &k->held_room, k->held_count + 1, sizeof(struct held *));
	k->held[k->held_count++] = h;
	h->keeper = k;
}

static void detach(struct held *h)
{
	struct keeper *k = h->keeper;
	size_t i;

	for (i = 0; k->held[i] != h; i++)
		;
	k->held[i] = k->held[--k->held_count];
}

void held_untake(struct held *h)
{
	if (!h->taken_by)
		return;
	h->keeper->reserve->taken -= !h->used;
	free(h->taken_by);
	h->taken_by = NULL;
}

static void forget(struct reserve *r, struct held *h)
{
	if (!h->used && h->gone_ms >= 0 && reserve_node_is_dead(r, h->cover.node))
		metrics_add(r->stats, STAT_RESERVE_HANDOVERS, HANDOVER_EXPIRED, 1);
	r->gone -= h->gone_ms >= 0;
	held_untake(h);
	detach(h);
	table_remove(&r->held, hash_text(HASH_START, h->cover.uid), h);
	release_cover(&h->cover);
	free(h);
}

void held_free(struct reserve *r)
{
	size_t i;

	for (i = 0; i < r->keeper_count; i++)
		while (r->keepers[i]->held_count)
			forget(r, r->keepers[i]->held[0]);
	table_free(&r->held);
}

void held_look(struct reserve *r, struct held *h, int64_t mono_ms)
{
	const struct cached_pod *cached = cache_find_pod(r->cache, h->cover.uid);
	bool there = cached && !cached->pod->terminal && STREQ(cached->pod->node, h->cover.node), ended = h->ending && !there;

	h->ending = there && cached->pod->terminating;
	there = there && !h->ending;
	if (ended)
		h->gone_ms = mono_ms; /* some controllers make the next one only now */
	if (there == (h->gone_ms < 0))
		return;
	h->gone_ms = there ? -1 : mono_ms;
	if (there)
		r->gone--;
	else
		r->gone++;
}

bool held_stands(const struct held *h, int64_t mono_ms)
{
	return !h->used && (h->gone_ms < 0 || (reserve_node_is_dead(h->keeper->reserve, h->cover.node) && mono_ms - h->gone_ms < RESERVE_OWED_MS));
}

static int by_uid(const void *key, const void *cover)
{
	return strcmp(key, ((const struct cover *)cover)->uid);
}

static bool plan_says(const struct reserve *r, const struct cover *c)
{
	const struct covers *all = &r->plan.covers;
	const struct cover *found = all->count ? bsearch(c->uid, all->items, all->count, sizeof(*all->items), by_uid) : NULL;

	return found && STREQ(found->refuge, c->refuge);
}

/* A pod whose refuge changes stands in two annotations for a while: the plan knows which is the newer one. */
static void note(struct keeper *k, const struct cover *c)
{
	struct reserve *r = k->reserve;
	struct held *h = held_find(r, c->uid);

	if (h && h->keeper != k && !plan_says(r, c)) {
		r->torn = true;
		return;
	}
	if (!h) {
		h = xcalloc(1, sizeof(*h));
		h->gone_ms = -1;
		copy_cover(c, &h->cover);
		table_put(&r->held, hash_text(HASH_START, c->uid), h);
		attach(k, h);
	} else {
		detach(h);
		release_cover(&h->cover);
		copy_cover(c, &h->cover);
		attach(k, h);
	}
	h->read = true;
	held_look(r, h, clock_mono_ms());
}

static void read_text(struct keeper *k, const struct pod *pod)
{
	auto_covers struct covers covers = {0};
	struct lm_err err;
	size_t i;

	if (!pod || !pod->covers || !*pod->covers)
		return;
	if (covers_parse(pod->covers, k->node, &covers, &err) < 0) {
		if (log_gate_open(&k->reserve->text_gate, SAY_AGAIN_MS, NULL))
			log_warn("an annotation " RESERVE_COVERS " cannot be read", FIELDS(LS("pod", pod->name), LS("error", err.msg)));
		return;
	}
	for (i = 0; i < covers.count; i++)
		note(k, &covers.items[i]);
}

void held_read(struct keeper *k)
{
	size_t i;

	for (i = 0; i < k->held_count; i++)
		k->held[i]->read = false;
	for (i = 0; i < k->count; i++)
		read_text(k, kept_pod(k->kept[i]));
	for (i = k->held_count; i-- > 0;)
		if (!k->held[i]->read)
			forget(k->reserve, k->held[i]);
	k->look_ms = 0;
}

void held_print(const struct keeper *k, struct buf *out)
{
	auto_free struct cover *items = xcalloc(k->held_count + 1, sizeof(*items));
	struct covers covers = {.items = items};
	size_t i;

	for (i = 0; i < k->held_count; i++)
		if (!k->held[i]->used)
			items[covers.count++] = k->held[i]->cover;
	covers_print(&covers, k->node, out);
}
