#include "sched/filter/filter.h"

/* The kubelet rejects such a pod for good; kube-scheduler does not look. A node that does not say has it not. */
static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->features & FEATURE_GROUPS_POLICY ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && !(c->view->nodes[i].node->features & FEATURE_GROUPS_POLICY))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't support supplementalGroupsPolicy Strict");
}

const struct filter filter_groups_policy = {
	.name = "SupplementalGroupsPolicy", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
