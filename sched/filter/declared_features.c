#include "sched/filter/filter.h"

static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->features & FEATURES_DECLARED ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	unsigned need = c->pod->features & FEATURES_DECLARED;
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && (need & ~c->view->nodes[i].node->features))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't match Pod's required features");
}

const struct filter filter_declared_features = {
	.name = "NodeDeclaredFeatures", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
