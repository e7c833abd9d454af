/*
 * PreferNoSchedule: 100 without a taint that the pod does not tolerate, 0 for the node with most of them. Drops when no two feasible nodes
 * differ.
 */
#include "sched/filter/marked.h"
#include "sched/filter/taints.h"
#include "sched/score/score.h"

static int64_t untolerated(const struct pod *pod, const struct node *node)
{
	int64_t count = 0;
	uint32_t i;

	for (i = 0; i < node->taint_count; i++)
		count += node->taints[i].effect == TAINT_PREFER_NO_SCHEDULE && !pod_tolerates(pod, &node->taints[i]);
	return count;
}

static bool score(struct cycle *c, float *out)
{
	const struct view *v = c->view;
	uint32_t i = next_marked(v->has_taints, v->count, NODE_SOFT_TAINTS, 0);
	int64_t *raw;

	if (i == v->count)
		return false;
	raw = cycle_alloc(c, (v->count + 1) * sizeof(*raw));
	for (; i < v->count; i = next_marked(v->has_taints, v->count, NODE_SOFT_TAINTS, i + 1))
		if (cycle_feasible(c, i))
			raw[i] = untolerated(c->pod, v->nodes[i].node);
	score_by_most(c, raw, true);
	return score_write(c, raw, out);
}

const struct score score_taints = {.name = "taints", .score = score};
