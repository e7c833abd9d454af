#include "sched/filter/filter.h"

/*
 * Nodes that the caller closes (decision_input.closed): while room that was kept there is handed over to the pods that it was kept for. And those that are
 * dead (decision_input.dead), before Kubernetes says so by a taint.
 */
enum { KEPT, DEAD };

static enum filter_start prefilter(struct cycle *c)
{
	return c->in->closed || c->in->dead ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (!cycle_feasible(c, i))
			continue;
		else if (c->in->dead && c->in->dead[i])
			cycle_refuse(c, i, DEAD);
		else if (c->in->closed && c->in->closed[i])
			cycle_refuse(c, i, KEPT);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node;
	buf_str(out, detail == DEAD ? "node(s) were dead" : "node(s) kept room for the pods of a failed node");
}

const struct filter filter_closed = {
	.name = "Reserve", .ours = true, .unresolvable = true, .wake = WAKE_RESERVE,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
