#include "sched/filter/reserved.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static int node_of(const struct view *view, const struct pod *ours, const struct pod *other)
{
	if (other->priority < ours->priority || STREQ(other->uid, ours->uid))
		return -1;
	return cache_find_node(view->cache, other->nominated_node);
}

static int by_node(const void *a, const void *b)
{
	const struct reservation *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

struct reservations reservations_of(struct cycle *c)
{
	const struct view *v = c->view;
	struct reservation *items;
	uint32_t count = 0, i;

	if (!v->nominated_count)
		return (struct reservations){0};
	items = cycle_alloc(c, v->nominated_count * sizeof(*items));
	for (i = 0; i < v->nominated_count; i++) {
		int node = node_of(v, c->pod, v->nominated[i]->pod);

		if (node >= 0)
			items[count++] = (struct reservation){(uint32_t)node, v->nominated[i]->pod};
	}
	if (count > 1)
		qsort(items, count, sizeof(*items), by_node);
	return (struct reservations){items, count};
}

bool is_reserved(const struct decision_input *in, const struct pod *other, uint32_t node)
{
	return node_of(in->view, in->pod, other) == (int)node;
}

uint32_t reservations_run(const struct reservations *r, uint32_t at)
{
	uint32_t end = at;

	while (end < r->count && r->items[end].node == r->items[at].node)
		end++;
	return end;
}
