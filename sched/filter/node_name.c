#include "sched/filter/filter.h"

/* A pod that has a node never comes here from a watch; in simulations it does. */
static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->node[0] ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	int32_t wanted = cache_find_node(c->view->cache, c->pod->node);
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && (int32_t)i != wanted)
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't match the requested node name");
}

const struct filter filter_node_name = {
	.name = "NodeName", .unresolvable = true, .wake = WAKE_NODE_ADDED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
