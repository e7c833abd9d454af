/* 100 x best / this x age factor, both at least 50 us; unknown is 0. Drops when no feasible node has a score above 0. */
#include <math.h>

#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/score/score.h"

/* The least known cost among the feasible nodes; INFINITY when there is none. Four at a time: a chain of minimums is slow. */
static float least(const float *cost_us, const float *gate, uint32_t n)
{
	float low[4] = {INFINITY, INFINITY, INFINITY, INFINITY}, value;
	uint32_t i, k;

	for (i = 0; i + 4 <= n; i += 4)
		for (k = 0; k < 4; k++) {
			value = cost_us[i + k] + gate[i + k];
			low[k] = value < low[k] ? value : low[k];
		}
	for (; i < n; i++) {
		value = cost_us[i] + gate[i];
		low[0] = value < low[0] ? value : low[0];
	}
	low[0] = fminf(low[0], low[1]);
	return fminf(low[0], fminf(low[2], low[3]));
}

static float above_noise(float us)
{
	return us > DISTANCE_FLOOR_US ? us : DISTANCE_FLOOR_US;
}

static bool score(struct cycle *c, float *out)
{
	const float *gate = c->decider->gate;
	struct distance distance;
	uint32_t i, n = c->view->count;
	float best, top = 0;

	if (!c->in->mesh || !distance_rank(c, &distance))
		return false;
	best = 100 * above_noise(least(distance.cost_us, gate, n));
	for (i = 0; i < n; i++) {
		float cost_us = distance.cost_us[i], value = best / above_noise(cost_us);

		if (distance.factor)
			value *= distance.factor[i];
		out[i] = (isnan(cost_us) ? 0 : value) + gate[i];
		top = out[i] > top ? out[i] : top;
	}
	c->decider->cost_us = distance.cost_us;
	return top > 0;
}

const struct score score_latency = {.name = "latency", .score = score};
