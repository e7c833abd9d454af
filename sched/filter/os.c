#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"

/* The kubelet fails such a pod for good; kube-scheduler does not look. A node that does not say is taken as fitting. */
static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->os[0] ? FILTER_RUN : FILTER_SKIP;
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		const char *os = cycle_feasible(c, i) ? labels_get(&c->view->nodes[i].node->labels, "kubernetes.io/os") : NULL;

		if (os && !STREQ(os, c->pod->os))
			cycle_refuse(c, i, 0);
	}
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't match the pod's operating system");
}

const struct filter filter_os = {
	.name = "PodOS", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
