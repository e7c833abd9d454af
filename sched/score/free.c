/* 100 x mean over cpu and memory of (allocatable - requested) / allocatable, the pod included. */
#include "sched/decider.h"
#include "sched/score/score.h"

static float share(int64_t left, float per_unit)
{
	float value = (float)left * per_unit;

	return value < 0 ? 0 : value;
}

float free_score_of(const struct view *view, const struct pod *pod, uint32_t node)
{
	return 50 * (share(view->free_cpu_milli[node] - pod->requests.cpu_milli, view->per_cpu_milli[node]) +
		     share(view->free_memory_bytes[node] - pod->requests.memory_bytes, view->per_memory_byte[node]));
}

static int64_t less(int64_t left, int64_t amount)
{
	int64_t rest;

	return __builtin_sub_overflow(left, amount, &rest) ? INT64_MIN : rest;
}

float free_score_beside(const struct view *view, const struct pod *pod, uint32_t node, const struct expected_load *beside)
{
	int64_t cpu_milli = less(less(view->free_cpu_milli[node], pod->requests.cpu_milli), beside->cpu_milli);
	int64_t memory_bytes = less(less(view->free_memory_bytes[node], pod->requests.memory_bytes), beside->memory_bytes);

	return 50 * (share(cpu_milli, view->per_cpu_milli[node]) + share(memory_bytes, view->per_memory_byte[node]));
}

static bool score(struct cycle *c, float *out)
{
	const float *gate = c->decider->gate;
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++)
		out[i] = free_score_of(c->view, c->pod, i) + gate[i];
	return true;
}

const struct score score_free = {.name = "free", .score = score};
