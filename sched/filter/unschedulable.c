#include "sched/filter/filter.h"
#include "sched/filter/marked.h"
#include "sched/filter/taints.h"

/* `kubectl cordon` counts as this taint. */
static enum filter_start prefilter(struct cycle *c)
{
	static char key[] = "node.kubernetes.io/unschedulable", value[] = "";
	static const struct taint cordon = {key, value, TAINT_NO_SCHEDULE};
	const struct view *v = c->view;

	if (next_marked(v->has_taints, v->count, NODE_UNSCHEDULABLE, 0) == v->count || pod_tolerates(c->pod, &cordon))
		return FILTER_SKIP;
	return FILTER_RUN;
}

static void filter(struct cycle *c)
{
	const struct view *v = c->view;
	uint32_t i;

	for (i = 0; (i = next_marked(v->has_taints, v->count, NODE_UNSCHEDULABLE, i)) < v->count; i++)
		if (cycle_feasible(c, i))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) were unschedulable");
}

const struct filter filter_unschedulable = {
	.name = "NodeUnschedulable", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
