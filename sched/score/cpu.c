/*
 * 100 x (1 - cpu), with the load that is expected of pods that were just placed (expected.h).
 * Drops when a feasible node lacks it. A node of class busy or full loses 15 points of its total.
 *
 * Data of no worth (older than 10 periods) count as the worst load, so that ageing never helps a node; when all are, the term drops.
 */
#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/lanes.h"
#include "sched/score/score.h"

/* False: no feasible node has data of worth. */
static bool apply_ages(struct cycle *c, float *out, float *minus)
{
	const struct row_age *ages = c->decider->ages;
	uint32_t i, n = c->view->count;
	bool alive = false;

	for (i = 0; i < n; i++) {
		uint32_t row = c->row_of_node[i];

		if (isnan(out[i]))
			continue;
		if (row == NAMES_NONE || !ages[row].dead) {
			alive = true;
			continue;
		}
		out[i] = 0;
		minus[i] = (float)CPU_BUSY_POINTS;
	}
	return alive;
}

static bool feasible_lacks(const struct cycle *c, const float *score)
{
	uint32_t i, n = c->view->count;

	for (i = 0; i < n; i++) {
		if (eight_others(c, i))
			i += EIGHT - 1;
		else if (isnan(score[i]) && cycle_feasible(c, i))
			return true;
	}
	return false;
}

static bool score(struct cycle *c, float *out)
{
	const struct lookup *lookup = &c->decider->lookup;
	const float *gate = c->decider->gate, *cpu_score = lookup->cpu_score;
	uint32_t i, n = c->view->count;
	float *minus = lookup->cpu_minus;

	if (!c->in->mesh)
		return false;
	for (i = 0; i < lanes_count(n); i++)
		lanes_of(out)[i] = lanes_in(cpu_score)[i] + lanes_in(gate)[i];
	if (lookup->without_cpu && feasible_lacks(c, out))
		return false;
	if (c->decider->ages) {
		minus = column(c);
		memcpy(minus, lookup->cpu_minus, n * sizeof(*minus));
		if (!apply_ages(c, out, minus))
			return false;
	}
	c->decider->minus = minus;
	return true;
}

static bool has_say(struct cycle *c)
{
	const struct lookup *lookup = &c->decider->lookup;
	const struct row_age *ages = c->decider->ages;
	uint32_t i, n = c->view->count;

	if (!c->in->mesh || (lookup->without_cpu && feasible_lacks(c, lookup->cpu_score)))
		return false;
	for (i = 0; ages && i < n; i++)
		if (cycle_feasible(c, i) && (c->row_of_node[i] == NAMES_NONE || !ages[c->row_of_node[i]].dead))
			return true;
	return !ages;
}

const struct score score_cpu = {.name = "cpu", .ours = true, .score = score, .has_say = has_say};
