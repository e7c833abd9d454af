/*
 * 100 x (1 - bytes a second / the most of the feasible nodes), received and sent together. Below TRAFFIC_LEAST the most counts as that: what idle nodes
 * have is noise. Drops when a feasible node lacks it.
 *
 * Data of no worth (older than 10 periods) count as the worst, so that ageing never helps a node; when all are, the term drops.
 */
#include <math.h>

#include "sched/decider.h"
#include "sched/score/score.h"

#define TRAFFIC_LEAST 1e6f

enum trust { LACKS, DEAD, ALIVE };

static enum trust look_at(const struct cycle *c, uint32_t node, const float *traffic, float *rate)
{
	uint32_t row = c->row_of_node[node];

	*rate = row == NAMES_NONE ? NAN : traffic[row];
	if (isnan(*rate))
		return LACKS;
	return c->decider->ages && c->decider->ages[row].dead ? DEAD : ALIVE;
}

static bool score(struct cycle *c, float *out)
{
	const float *traffic = c->in->mesh ? matrix_traffic(c->in->mesh->matrix) : NULL;
	float most = TRAFFIC_LEAST, rate;
	uint32_t i, n = c->view->count;
	bool alive = false;

	for (i = 0; i < n; i++) {
		enum trust trust;

		if (!cycle_feasible(c, i))
			continue;
		trust = traffic ? look_at(c, i, traffic, &rate) : LACKS;
		if (trust == LACKS)
			return false;
		if (trust == DEAD)
			continue;
		alive = true;
		most = rate > most ? rate : most;
	}
	for (i = 0; alive && i < n; i++)
		out[i] = !cycle_feasible(c, i) ? NAN : look_at(c, i, traffic, &rate) == DEAD ? 0 : 100 * (1 - rate / most);
	return alive;
}

const struct score score_traffic = {.name = "traffic", .ours = true, .score = score};
