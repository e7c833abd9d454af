/* Preferred node affinity: the weights of the terms that match, 100 for the node with most. Drops when no two feasible nodes differ. */
#include "sched/score/score.h"

static int64_t weight_of(const struct pod *pod, const struct node *node)
{
	int64_t sum = 0;
	uint32_t i;

	for (i = 0; i < pod->prefers_nodes_count; i++)
		if (node_selector_matches(&pod->prefers_nodes[i].selector, &node->labels, node->name))
			sum += pod->prefers_nodes[i].weight;
	return sum;
}

static bool score(struct cycle *c, float *out)
{
	int64_t *raw;
	uint32_t i;

	if (!c->pod->prefers_nodes_count)
		return false;
	raw = cycle_alloc(c, (c->view->count + 1) * sizeof(*raw));
	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i))
			raw[i] = weight_of(c->pod, c->view->nodes[i].node);
	score_by_most(c, raw, false);
	return score_write(c, raw, out);
}

const struct score score_node_affinity = {.name = "nodeAffinity", .score = score};
