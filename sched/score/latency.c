/* 100 x best / this x age factor, both at least 50 us; unknown is 0. Drops when no feasible node has a score above 0. */
#include <math.h>

#include "sched/decider.h"
#include "sched/distance.h"
#include "sched/lanes.h"
#include "sched/score/score.h"

static float least_of(lanes v)
{
	return fminf(fminf(v[0], v[1]), fminf(v[2], v[3]));
}

/* The least known cost among the feasible nodes; INFINITY when there is none. */
static float least(const float *cost_us, const float *gate, uint32_t n)
{
	lanes low = lanes_all(INFINITY);
	uint32_t i, whole = n / LANES;

	for (i = 0; i < whole; i++) {
		lanes value = lanes_in(cost_us)[i] + lanes_in(gate)[i];

		low = lanes_select((lane_mask)(value < low), value, low);
	}
	for (i = whole * LANES; i < n; i++)
		low[0] = cost_us[i] + gate[i] < low[0] ? cost_us[i] + gate[i] : low[0];
	return least_of(low);
}

static bool any_above_zero(const float *score, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (score[i] > 0)
			return true;
	return false;
}

static bool score(struct cycle *c, float *out)
{
	const float *gate = c->decider->gate;
	struct distance distance;
	uint32_t i, n = c->view->count;
	lanes floor_us = lanes_all(DISTANCE_FLOOR_US), zero = lanes_all(0), best;

	if (!c->in->mesh || !distance_rank(c, &distance))
		return false;
	best = lanes_at_least(lanes_all(least(distance.cost_us, gate, n)), floor_us);
	for (i = 0; i < lanes_count(n); i++) {
		/* The quotient first: of the best it is 1 exactly, whatever its cost, so that no rounding makes a nearer one worse. */
		lanes cost_us = lanes_in(distance.cost_us)[i], value = 100 * (best / lanes_at_least(cost_us, floor_us));

		if (distance.factor)
			value *= lanes_in(distance.factor)[i];
		lanes_of(out)[i] = lanes_select((lane_mask)(cost_us == cost_us), value, zero) + lanes_in(gate)[i];
	}
	c->decider->cost_us = distance.cost_us;
	return any_above_zero(out, n);
}

/* A cost that is known is finite: its score is above zero, if age has left it any worth. */
static bool has_say(struct cycle *c)
{
	const float *gate = c->decider->gate;
	struct distance distance;
	uint32_t i, n = c->view->count;

	if (!c->in->mesh || !distance_rank(c, &distance))
		return false;
	for (i = 0; i < n; i++)
		if (!isnan(distance.cost_us[i] + gate[i]) && (!distance.factor || distance.factor[i] > 0))
			return true;
	return false;
}

const struct score score_latency = {.name = "latency", .ours = true, .score = score, .has_say = has_say};
