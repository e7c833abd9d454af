#include "sched/filter/filter.h"

/* What we can't read or don't check yet is refused by name. Only a change of the pod helps. */
static enum filter_start prefilter(struct cycle *c)
{
	const char *reason = c->pod->broken ? c->pod->broken : c->pod->unsupported;

	if (!reason)
		return FILTER_SKIP;
	c->pod_reason = reason;
	return FILTER_REFUSE;
}

const struct filter filter_supported = {.name = "SupportedFields", .unresolvable = true, .prefilter = prefilter};
