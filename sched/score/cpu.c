/*
 * 100 x (1 - cpu). Drops when a feasible node lacks it. A node of class busy or full loses 15 points of its total.
 *
 * Data of no worth (older than 10 periods) count as the worst load, so that ageing never helps a node; when all are, the term drops.
 */
#include <math.h>
#include <string.h>

#include "sched/decider.h"
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

static bool score(struct cycle *c, float *out)
{
	const struct lookup *lookup = &c->decider->lookup;
	const float *gate = c->decider->gate, *cpu_score = lookup->cpu_score;
	uint32_t i, n = c->view->count, with = 0;
	float *minus = lookup->cpu_minus;

	if (!c->in->mesh)
		return false;
	for (i = 0; i < n; i++) {
		out[i] = cpu_score[i] + gate[i];
		with += isnan(out[i]) ? 0 : 1;
	}
	if (with < c->decider->feasible)
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

const struct score score_cpu = {.name = "cpu", .score = score};
