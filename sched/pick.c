#include "sched/pick.h"

#include <string.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/lanes.h"

/* --- total ----------------------------------------------------------------------------------------------------------- */

/* The terms that are left, with weights of sum 1. A term that dropped stands there with weight 0 over the gate. */
static const float *make_total(struct cycle *c, const double *weights, const struct decision *decision)
{
	const lanes *gate = lanes_in(c->decider->gate), *term[SCORE_COUNT], zero = lanes_all(0), full = lanes_all(100);
	const lanes *minus = lanes_in(c->decider->minus);
	lanes weight[SCORE_COUNT];
	float *total = column(c);
	uint32_t i, n = lanes_count(c->view->count);
	double sum = 0;
	unsigned t;

	for (t = 0; t < SCORE_COUNT; t++)
		sum += decision->score[t] ? weights[t] : 0;
	for (t = 0; t < SCORE_COUNT; t++) {
		term[t] = decision->score[t] ? lanes_in(decision->score[t]) : gate;
		weight[t] = lanes_all(decision->score[t] ? (float)(weights[t] / sum) : 0);
	}
	for (i = 0; i < n; i++) {
		lanes points = gate[i];

		for (t = 0; t < SCORE_COUNT; t++)
			points += weight[t] * term[t][i];
		if (minus)
			points -= minus[i];
		lanes_of(total)[i] = lanes_at_most(lanes_at_least(points, zero), full);
	}
	return total;
}

/* --- ties ------------------------------------------------------------------------------------------------------------ */

/* FNV-1a, then a mix, so that names that differ in their last letter are far apart. */
static uint64_t hash(const char *uid, const char *node)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *uid; uid++)
		h = (h ^ (unsigned char)*uid) * 0x100000001b3u;
	h *= 0x100000001b3u;
	for (; *node; node++)
		h = (h ^ (unsigned char)*node) * 0x100000001b3u;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	return h ^ (h >> 31);
}

static const char *node_name(const struct cycle *c, uint32_t node)
{
	return c->view->nodes[node].node->name;
}

struct claim {
	uint32_t owner_pods;		/* fewer wins */
	float free;			/* more wins */
	uint64_t hash;			/* more wins */
};

static struct claim claim_of(const struct cycle *c, uint32_t node)
{
	const struct pod *pod = c->pod;

	return (struct claim){
		.owner_pods = pod->owner_uid[0] ? view_owner_pods(c->view, node, pod->owner_uid) : 0,
		.free = free_score_of(c->view, pod, node),
		.hash = hash(pod->uid, node_name(c, node)),
	};
}

static bool stronger(const struct claim *a, const struct claim *b)
{
	if (a->owner_pods != b->owner_pods)
		return a->owner_pods < b->owner_pods;
	if (a->free < b->free || a->free > b->free)
		return a->free > b->free;
	return a->hash > b->hash;
}

static float top_of(const float *total, uint32_t n, int32_t without)
{
	float top = -1;
	uint32_t i;

	for (i = 0; i < n; i++)
		if (total[i] > top && (int32_t)i != without)
			top = total[i];
	return top;
}

static int32_t winner(const struct cycle *c, const float *total)
{
	uint32_t i, n = c->view->count;
	float low = top_of(total, n, -1) - TIE_POINTS;
	struct claim claim, best = {0};
	int32_t found = -1;

	for (i = 0; i < n; i++) {
		if (!(total[i] >= low))
			continue;
		claim = claim_of(c, i);
		if (found < 0 || stronger(&claim, &best)) {
			found = (int32_t)i;
			best = claim;
		}
	}
	return found;
}

/* For tables and events: the highest total of the others; of equal ones the most free, then the first by name. */
static int32_t second(const struct cycle *c, const float *total, int32_t first)
{
	uint32_t i, n = c->view->count;
	float top = top_of(total, n, first), free, most = -1;
	int32_t found = -1;

	for (i = 0; i < n; i++) {
		if (!(total[i] >= top) || (int32_t)i == first)
			continue;
		free = free_score_of(c->view, c->pod, i);
		if (free > most || (!(free < most) && strcmp(node_name(c, i), node_name(c, (uint32_t)found)) < 0)) {
			found = (int32_t)i;
			most = free;
		}
	}
	return found;
}

void pick(struct cycle *c, const double *weights, struct decision *out)
{
	out->total = make_total(c, weights, out);
	out->node = winner(c, out->total);
	out->runner_up = second(c, out->total, out->node);
}
