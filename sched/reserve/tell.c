#include "sched/reserve/tell.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* What a pod may be told: an enum stat_reserve_pod, and of the words a hash. */
struct news {
	bool any;
	enum stat_reserve_pod state;
	uint64_t words;
};

struct heard {
	char *uid;
	struct news now, told;
	int64_t since_ms, told_ms;	/* of `now`; of what was told by this process, else told_here is false */
	bool told_here;
};

struct tell {
	struct events *events;
	const struct cache *cache;
	struct limit limit;
	struct heard *items;		/* by uid */
	size_t count;
	bool looked;
};

struct tell *tell_new(struct events *e, const struct cache *cache)
{
	struct tell *t = xcalloc(1, sizeof(*t));

	t->events = e;
	t->cache = cache;
	return t;
}

static void free_items(struct heard *items, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(items[i].uid);
	free(items);
}

void tell_free(struct tell *t)
{
	if (!t)
		return;
	free_items(t->items, t->count);
	free(t);
}

/* --- what there is to tell ------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;
}

static struct news news_of(const struct standing_pod *p)
{
	uint64_t h = 0xcbf29ce484222325u;

	if (p->state == RESERVE_POD_UNCOVERED)
		return (struct news){true, p->state, mix(h, p->reason)};
	return (struct news){true, p->state, mix(mix(h, p->node), p->refuge)};
}

static bool same(const struct news *a, const struct news *b)
{
	return a->any == b->any && a->state == b->state && a->words == b->words;
}

static void hear(struct tell *t, struct heard *h, const struct standing_pod *p, int64_t mono_ms)
{
	struct news now = news_of(p);

	if (p->state == RESERVE_POD_OWED)
		return;
	if (!same(&h->now, &now)) {
		h->now = now;
		h->since_ms = mono_ms;
	}
	if (!t->looked && p->state == RESERVE_POD_COVERED)
		h->told = now;
}

/* Both are sorted: who is there still keeps what is known of him. */
static void hear_all(struct tell *t, const struct standing *s, int64_t mono_ms)
{
	struct heard *items = xcalloc(s->pod_count + 1, sizeof(*items));
	size_t old = 0, i;

	for (i = 0; i < s->pod_count; i++) {
		const struct standing_pod *p = &s->pods[i];

		while (old < t->count && strcmp(t->items[old].uid, p->uid) < 0)
			free(t->items[old++].uid);
		if (old < t->count && STREQ(t->items[old].uid, p->uid))
			items[i] = t->items[old++];
		else
			items[i].uid = xstrdup(p->uid);
		hear(t, &items[i], p, mono_ms);
	}
	while (old < t->count)
		free(t->items[old++].uid);
	free(t->items);
	t->items = items;
	t->count = s->pod_count;
	t->looked = true;
}

/* --- telling --------------------------------------------------------------------------------------------------------- */

/* When this one may be told, if it is as it is until then; INT64_MAX: there is nothing to tell. */
static int64_t due_ms(const struct heard *h)
{
	bool uncovered = h->now.state == RESERVE_POD_UNCOVERED;
	int64_t lasts_ms = h->since_ms + (uncovered ? TELL_UNCOVERED_MS : TELL_COVERED_MS), gap_ms;

	if (!h->now.any || same(&h->now, &h->told))
		return INT64_MAX;
	if (!h->told_here)
		return lasts_ms;
	gap_ms = h->told_ms + (uncovered && h->told.state == RESERVE_POD_UNCOVERED ? TELL_REASON_MS : TELL_GAP_MS);
	return lasts_ms > gap_ms ? lasts_ms : gap_ms;
}

static void tell(struct tell *t, struct heard *h, const struct standing_pod *p, int64_t mono_ms)
{
	const struct cached_pod *seen = cache_find_pod(t->cache, p->uid);
	bool covered = p->state == RESERVE_POD_COVERED;
	auto_free char *note = covered ? xasprintf("room on %s if %s fails", p->refuge, p->node) : xstrdup(p->reason);

	if (seen && !seen->pod->terminating && !seen->pod->terminal)
		events_cover(t->events, seen->pod, covered, note, h->told.any);
	h->told = h->now;
	h->told_ms = mono_ms;
	h->told_here = true;
}

/* Those of a state that are due; the earliest of the others goes to *next_ms. */
static void tell_all(struct tell *t, const struct standing *s, enum stat_reserve_pod state, int64_t mono_ms, int64_t *next_ms)
{
	size_t i;

	for (i = 0; i < s->pod_count; i++) {
		int64_t due = s->pods[i].state == state ? due_ms(&t->items[i]) : INT64_MAX;

		if (due <= mono_ms && limit_take(&t->limit, 0, mono_ms))
			tell(t, &t->items[i], &s->pods[i], mono_ms);
		else if (due <= mono_ms)
			due = mono_ms + limit_wait_ms(&t->limit, 0, mono_ms) + 1;
		if (due > mono_ms && due < *next_ms)
			*next_ms = due;
	}
}

int64_t tell_now(struct tell *t, const struct standing *s, int64_t mono_ms, int64_t most)
{
	int64_t next_ms = mono_ms + most;

	limit_set(&t->limit, TELL_A_SECOND, TELL_AT_ONCE, mono_ms);
	hear_all(t, s, mono_ms);
	tell_all(t, s, RESERVE_POD_UNCOVERED, mono_ms, &next_ms);
	tell_all(t, s, RESERVE_POD_COVERED, mono_ms, &next_ms);
	return next_ms - mono_ms;
}
