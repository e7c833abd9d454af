#include "sched/score/score.h"

#include "sched/decider.h"

extern const struct score score_latency, score_cpu, score_traffic, score_free, score_node_affinity, score_pod_affinity, score_taints, score_spread, score_images;

const struct score *const score_table[SCORE_COUNT] = {
	[SCORE_LATENCY] = &score_latency,
	[SCORE_CPU] = &score_cpu,
	[SCORE_TRAFFIC] = &score_traffic,
	[SCORE_FREE] = &score_free,
	[SCORE_NODE_AFFINITY] = &score_node_affinity,
	[SCORE_POD_AFFINITY] = &score_pod_affinity,
	[SCORE_TAINTS] = &score_taints,
	[SCORE_SPREAD] = &score_spread,
	[SCORE_IMAGES] = &score_images,
};

void score_by_most(const struct cycle *c, int64_t *raw, bool fewer_is_better)
{
	int64_t most = 0;
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i) && raw[i] > most)
			most = raw[i];
	for (i = 0; i < c->view->count; i++) {
		raw[i] = most ? 100 * raw[i] / most : 0;
		if (fewer_is_better)
			raw[i] = 100 - raw[i];
	}
}

bool score_write(const struct cycle *c, const int64_t *raw, float *out)
{
	const float *gate = c->decider->gate;
	bool differ = false, any = false;
	int64_t first = 0;
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		out[i] = (float)raw[i] + gate[i];
		if (!cycle_feasible(c, i))
			continue;
		differ |= any && raw[i] != first;
		first = raw[i];
		any = true;
	}
	return differ;
}
