#include "sched/extender/pledges.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct pledge {
	char *uid, *owner_uid;
	int64_t mono_ms;
	int64_t units;			/* on each node */
	int64_t cpu_milli, memory_bytes;	/* of the pod; on one node alone */
	uint32_t nodes[PLEDGE_NODES];
	uint32_t count;
};

struct pledges {
	struct pledge items[PLEDGES_MAX];	/* in no order */
	uint32_t count;
	uint64_t node_epoch;		/* of the indices */
	uint32_t *place;		/* by node: in `sum`, from 1; 0 outside of pledges_sum */
	size_t place_room;
	struct expected_load *sum;
	size_t sum_room;
};

struct pledges *pledges_new(void)
{
	return xcalloc(1, sizeof(struct pledges));
}

static void remove_at(struct pledges *p, uint32_t i)
{
	free(p->items[i].uid);
	free(p->items[i].owner_uid);
	p->items[i] = p->items[--p->count];
}

void pledges_free(struct pledges *p)
{
	if (!p)
		return;
	while (p->count)
		remove_at(p, p->count - 1);
	free(p->place);
	free(p->sum);
	free(p);
}

void pledges_drop(struct pledges *p, const char *uid)
{
	uint32_t i;

	for (i = 0; i < p->count; i++)
		if (STREQ(p->items[i].uid, uid)) {
			remove_at(p, i);
			return;
		}
}

void pledges_seen(struct pledges *p, const struct cache *cache, const char *uid)
{
	const struct cached_pod *pod = p->count ? cache_find_pod(cache, uid) : NULL;

	if (p->count && (!pod || pod->assumed || pod->pod->node[0] || pod->pod->terminal))
		pledges_drop(p, uid);
}

/* What is too old, or of nodes that had other indices. */
static void expire(struct pledges *p, const struct view *view, int64_t mono_ms)
{
	uint32_t i;

	for (i = p->count; i-- > 0;) /* from the end: what moves into a hole has been looked at */
		if (p->node_epoch != view->node_epoch || mono_ms - p->items[i].mono_ms >= PLEDGE_MS)
			remove_at(p, i);
	p->node_epoch = view->node_epoch;
}

static void make_room(struct pledges *p)
{
	uint32_t i, oldest = 0;

	if (p->count < PLEDGES_MAX)
		return;
	for (i = 1; i < p->count; i++)
		if (p->items[i].mono_ms < p->items[oldest].mono_ms)
			oldest = i;
	remove_at(p, oldest);
}

void pledges_put(struct pledges *p, const struct view *view, const struct pod *pod, const uint32_t *nodes, uint32_t count, int64_t mono_ms)
{
	struct pledge *pledge;

	if (!count || count > PLEDGE_NODES)
		return;
	expire(p, view, mono_ms);
	make_room(p);
	pledge = &p->items[p->count++];
	*pledge = (struct pledge){.uid = xstrdup(pod->uid), .owner_uid = xstrdup(pod->owner_uid), .mono_ms = mono_ms, .count = count,
				  .cpu_milli = pod->requests.cpu_milli, .memory_bytes = pod->requests.memory_bytes};
	pledge->units = expected_units(pod->requests.cpu_milli, 1) / count;
	memcpy(pledge->nodes, nodes, count * sizeof(*nodes));
}

/* Valid until the next one is made. */
static struct expected_load *sum_of(struct pledges *p, uint32_t node, uint32_t *found)
{
	if (!p->place[node]) {
		grow(&p->sum, &p->sum_room, *found + 1u, sizeof(*p->sum));
		p->sum[*found] = (struct expected_load){.node = node};
		p->place[node] = ++*found;
	}
	return &p->sum[p->place[node] - 1];
}

static int64_t more(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_whole(struct expected_load *sum, const struct pledge *pledge, const char *owner_uid)
{
	sum->owner_pods += *owner_uid && STREQ(pledge->owner_uid, owner_uid);
	sum->cpu_milli = more(sum->cpu_milli, pledge->cpu_milli);
	sum->memory_bytes = more(sum->memory_bytes, pledge->memory_bytes);
}

const struct expected_load *pledges_sum(struct pledges *p, const struct view *view, const char *owner_uid, int64_t mono_ms, uint32_t *count)
{
	size_t had = p->place_room;
	uint32_t i, k, found = 0;

	expire(p, view, mono_ms);
	grow(&p->place, &p->place_room, (size_t)view->count + 1, sizeof(*p->place));
	memset(p->place + had, 0, (p->place_room - had) * sizeof(*p->place));
	for (i = 0; i < p->count; i++)
		for (k = 0; k < p->items[i].count; k++) {
			struct expected_load *sum = sum_of(p, p->items[i].nodes[k], &found);

			sum->units += p->items[i].units;
			if (p->items[i].count == 1)
				add_whole(sum, &p->items[i], owner_uid);
		}
	for (i = 0; i < found; i++)
		p->place[p->sum[i].node] = 0;
	*count = found;
	return p->sum;
}
