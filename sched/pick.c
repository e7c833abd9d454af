#include "sched/pick.h"

#include <math.h>
#include <string.h>

#include "sched/decider.h"
#include "sched/lanes.h"

/* --- total ----------------------------------------------------------------------------------------------------------- */

/* The terms that are left, with weights of sum 1. */
static uint32_t present_terms(const double *weights, const struct decision *decision, const lanes **term, lanes *weight)
{
	uint32_t count = 0;
	double sum = 0;
	unsigned t;

	for (t = 0; t < SCORE_COUNT; t++)
		sum += decision->score[t] ? weights[t] : 0;
	for (t = 0; t < SCORE_COUNT; t++)
		if (decision->score[t]) {
			term[count] = lanes_in(decision->score[t]);
			weight[count++] = lanes_all((float)(weights[t] / sum));
		}
	return count;
}

static float *make_total(struct cycle *c, const double *weights, const struct decision *decision)
{
	const lanes *gate = lanes_in(c->decider->gate), *term[SCORE_COUNT], zero = lanes_all(0), full = lanes_all(100);
	const lanes *minus = lanes_in(c->decider->minus);
	lanes weight[SCORE_COUNT];
	float *total = column(c);
	uint32_t i, t, n = lanes_count(c->view->count), terms = present_terms(weights, decision, term, weight);

	for (i = 0; i < n; i++) {
		lanes points = gate[i];

		for (t = 0; t < terms; t++)
			points += weight[t] * term[t][i];
		if (minus)
			points -= minus[i];
		lanes_of(total)[i] = lanes_at_most(lanes_at_least(points, zero), full);
	}
	return total;
}

/* --- ties ------------------------------------------------------------------------------------------------------------ */

/* FNV-1a, then a mix, so that names that differ in their last letter are far apart. The pod's part is the same for all nodes. */
static uint64_t fnv(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

static uint64_t hash_pod(const char *uid)
{
	return fnv(0xcbf29ce484222325u, uid) * 0x100000001b3u;
}

static uint64_t hash_with(uint64_t pod, const char *node)
{
	uint64_t h = fnv(pod, node);

	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	return h ^ (h >> 31);
}

static const char *node_name(const struct cycle *c, uint32_t node)
{
	return c->view->nodes[node].node->name;
}

#define FREE_UNKNOWN -1.0f		/* less than any that is known */

struct claim {
	uint32_t node;
	uint32_t owner_pods;		/* fewer wins */
	float free;			/* more wins; FREE_UNKNOWN */
	float expected;			/* less wins: of pods that ask for nothing a burst would else be spread by chance alone */
	bool hashed;			/* only where those above do not tell */
	uint64_t hash;			/* more wins */
};

/* `beside`: by node, what of the input's there is; NULL: nothing at all. */
static struct claim claim_of(const struct cycle *c, uint32_t node, const struct expected_load *const *beside)
{
	static const struct expected_load nothing;
	const struct expected_load *more = beside && beside[node] ? beside[node] : &nothing;
	struct claim claim = {.node = node, .free = FREE_UNKNOWN, .expected = c->decider->lookup.expected[node]};
	const struct pod *pod = c->pod;

	if (node >= c->view->count - c->view->guests)
		return claim;
	claim.owner_pods = pod->owner_uid[0] ? view_owner_pods(c->view, node, pod->owner_uid) : 0;
	claim.owner_pods += more->owner_pods;
	claim.free = free_score_beside(c->view, pod, node, more);
	return claim;
}

static const struct expected_load *const *beside_by_node(struct cycle *c)
{
	const struct decision_input *in = c->in;
	const struct expected_load **by_node;
	uint32_t i;

	if (!in->beside_count)
		return NULL;
	by_node = cycle_alloc(c, c->view->count * sizeof(struct expected_load *));
	for (i = 0; i < in->beside_count; i++)
		by_node[in->beside[i].node] = &in->beside[i];
	return by_node;
}

static uint64_t claim_hash(const struct cycle *c, struct claim *claim, uint64_t pod)
{
	if (!claim->hashed)
		claim->hash = hash_with(pod, node_name(c, claim->node));
	claim->hashed = true;
	return claim->hash;
}

static bool stronger(const struct cycle *c, struct claim *a, struct claim *b, uint64_t pod)
{
	if (a->owner_pods != b->owner_pods)
		return a->owner_pods < b->owner_pods;
	if (a->free < b->free || a->free > b->free)
		return a->free > b->free;
	if (a->expected < b->expected || a->expected > b->expected)
		return a->expected < b->expected;
	return claim_hash(c, a, pod) > claim_hash(c, b, pod);
}

static float top_of(const float *total, uint32_t n)
{
	lanes top = lanes_all(-1);
	uint32_t i;

	for (i = 0; i < lanes_count(n); i++)
		top = lanes_select((lane_mask)(lanes_in(total)[i] > top), lanes_in(total)[i], top);
	top[0] = top[1] > top[0] ? top[1] : top[0];
	top[2] = top[3] > top[2] ? top[3] : top[2];
	return top[2] > top[0] ? top[2] : top[0];
}

/* The first node from `i` on with at least `low`; n: none. */
static uint32_t next_of(const float *total, uint32_t n, float low, uint32_t i)
{
	for (; i < n; i++) {
		if (i % LANES == 0 && !lanes_any((lane_mask)(lanes_in(total)[i / LANES] >= lanes_all(low))))
			i += LANES - 1;
		else if (total[i] >= low)
			return i;
	}
	return n;
}

static int32_t winner(struct cycle *c, const float *total)
{
	const struct expected_load *const *beside = beside_by_node(c);
	uint32_t i, n = c->view->count;
	float low = top_of(total, n) - TIE_POINTS;
	uint64_t pod = hash_pod(c->pod->uid);
	struct claim claim, best = {0};
	int32_t found = -1;

	for (i = next_of(total, n, low, 0); i < n; i = next_of(total, n, low, i + 1)) {
		claim = claim_of(c, i, beside);
		if (found < 0 || stronger(c, &claim, &best, pod)) {
			found = (int32_t)i;
			best = claim;
		}
	}
	return found;
}

/* For tables and events: the highest total; of equal ones the most free, then the first by name. */
static int32_t highest(const struct cycle *c, const float *total)
{
	uint32_t i, n = c->view->count;
	float top = top_of(total, n), free, most = -1;
	int32_t found = -1;

	for (i = top < 0 ? n : next_of(total, n, top, 0); i < n; i = next_of(total, n, top, i + 1)) {
		free = free_score_of(c->view, c->pod, i);
		if (free > most || (!(free < most) && strcmp(node_name(c, i), node_name(c, (uint32_t)found)) < 0)) {
			found = (int32_t)i;
			most = free;
		}
	}
	return found;
}

/* --- the cloud ------------------------------------------------------------------------------------------------------- */

/* The totals of the nodes that may win: of the cloud's where one of them is feasible and the pod is theirs, else of all (`total` itself). */
static float *eligible(struct cycle *c, float *total, struct decision *out)
{
	const float *cloud = c->decider->lookup.cloud;
	uint32_t i, n = c->view->count;
	float *of_cloud;

	if (!out->cloud_nodes)
		return total;
	of_cloud = column(c);
	for (i = 0; i < lanes_count(n); i++)
		lanes_of(of_cloud)[i] = lanes_in(total)[i] + lanes_in(cloud)[i];
	if (top_of(of_cloud, n) < 0)
		return total;
	out->cloud = cloud;
	return of_cloud;
}

static int32_t best_but(const struct cycle *c, float *total, int32_t node)
{
	float kept = total[node];
	int32_t best;

	total[node] = NAN;
	best = highest(c, total);
	total[node] = kept;
	return best;
}

void pick(struct cycle *c, const double *weights, struct decision *out)
{
	float *total = make_total(c, weights, out), *among = eligible(c, total, out);

	out->total = total;
	if (!c->in->offered || c->in->choose)
		out->node = winner(c, among);
	if (c->in->offered)
		return;
	out->runner_up = best_but(c, among, out->node);
	if (out->runner_up < 0 && among != total)
		out->runner_up = best_but(c, total, out->node);
}
