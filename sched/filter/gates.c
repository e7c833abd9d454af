#include "sched/filter/filter.h"

/* The API server has told the user which gates already. */
static enum filter_start prefilter(struct cycle *c)
{
	if (!c->pod->gated)
		return FILTER_SKIP;
	c->pod_reason = "Scheduling is blocked due to non-empty scheduling gates";
	return FILTER_REFUSE;
}

const struct filter filter_gates = {.name = "SchedulingGates", .unresolvable = true, .prefilter = prefilter};
