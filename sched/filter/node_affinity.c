#include <string.h>

#include "lib/mem.h"
#include "sched/filter/filter.h"

static enum filter_start prefilter(struct cycle *c)
{
	return c->pod->node_selector.count || c->pod->node_affinity.present ? FILTER_RUN : FILTER_SKIP;
}

static bool matches(const struct pod *pod, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < pod->node_selector.count; i++) {
		const char *have = labels_get(&node->labels, pod->node_selector.items[i].key);

		if (!have || !STREQ(have, pod->node_selector.items[i].value))
			return false;
	}
	return node_selector_matches(&pod->node_affinity, &node->labels, node->name);
}

static void filter(struct cycle *c)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && !matches(c->pod, c->view->nodes[i].node))
			cycle_refuse(c, i, 0);
}

static void reason(const struct decision_input *in, uint32_t node, uint8_t detail, struct buf *out)
{
	(void)in, (void)node, (void)detail;
	buf_str(out, "node(s) didn't match Pod's node affinity/selector");
}

const struct filter filter_node_affinity = {
	.name = "NodeAffinity", .unresolvable = true, .wake = WAKE_NODE_ADDED | WAKE_NODE_CHANGED,
	.prefilter = prefilter, .filter = filter, .reason = reason,
};
