#include "sched/filter/filter.h"

/* Nodes that the caller closes (decision_input.closed): while room that was kept there is handed over to the pods that it was kept for. */
static enum filter_start prefilter(struct cycle *c)
{
	return c->in->closed ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && c->in->closed[i])
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) kept room for the pods of a failed node");
}

const struct filter filter_closed = {
	.name = "Reserve", .ours = true, .unresolvable = true, .wake = WAKE_RESERVE,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
