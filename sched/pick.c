#include "sched/pick.h"

#include <math.h>
#include <string.h>

#include "sched/decider.h"

/* --- total ----------------------------------------------------------------------------------------------------------- */

static float clamp(float points)
{
	points = points < 0 ? 0 : points;
	return points > 100 ? 100 : points;
}

static const float *make_total(struct cycle *c, const double *weights, const struct decision *decision)
{
	const float *gate = c->decider->gate, *minus = c->decider->minus;
	float *total = column(c);
	uint32_t i, n = c->view->count;
	double sum = 0;
	unsigned t;

	for (t = 0; t < SCORE_COUNT; t++)
		sum += decision->score[t] ? weights[t] : 0;
	memcpy(total, gate, n * sizeof(*total));
	for (t = 0; t < SCORE_COUNT; t++) {
		const float *score = decision->score[t];
		float weight = (float)(weights[t] / sum);

		for (i = 0; score && i < n; i++)
			total[i] += weight * score[i];
	}
	for (i = 0; minus && i < n; i++)
		total[i] -= minus[i];
	for (i = 0; i < n; i++)
		total[i] = clamp(total[i]);
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
		.hash = hash(pod->uid, c->view->nodes[node].node->name),
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

/* The best of all feasible nodes but `without`. -1: there is none. */
static int32_t best_of(const struct cycle *c, const float *total, int32_t without)
{
	uint32_t i, n = c->view->count;
	struct claim claim, best = {0};
	int32_t found = -1;
	float top = -1;

	for (i = 0; i < n; i++)
		if (total[i] > top && (int32_t)i != without)
			top = total[i];
	for (i = 0; i < n; i++) {
		if (!(total[i] >= top - TIE_POINTS) || (int32_t)i == without)
			continue;
		claim = claim_of(c, i);
		if (found < 0 || stronger(&claim, &best)) {
			found = (int32_t)i;
			best = claim;
		}
	}
	return found;
}

void pick(struct cycle *c, const double *weights, struct decision *out)
{
	out->total = make_total(c, weights, out);
	out->node = best_of(c, out->total, -1);
	out->runner_up = best_of(c, out->total, out->node);
}
