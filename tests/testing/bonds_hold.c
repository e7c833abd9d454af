/* May a pod be on a node? In the words of Kubernetes, of the model alone. `at`: where all pods are, NONE: nowhere. */
#include "tests/testing/bonds.h"

static int domain(const struct bonds *b, int key, int node)
{
	return key == KEY_HOST ? node : b->zone[node];
}

static bool beside(const struct bonds *b, int key, int node, int other)
{
	return other != NONE && domain(b, key, node) == domain(b, key, other);
}

/* Some pod of that app but `i`, anywhere (node NONE) or in the node's domain. */
static bool has_app(const struct bonds *b, const struct bond *bond, int i, int node, const int *at)
{
	int k;

	for (k = 0; k < BONDS_PODS; k++)
		if (k != i && at[k] != NONE && b->pods[k].app == bond->app && (node == NONE || beside(b, bond->key, node, at[k])))
			return true;
	return false;
}

bool bonds_near_holds(const struct bonds *b, int i, int node, const int *at)
{
	const struct bound_pod *p = &b->pods[i];

	return p->near.app == NONE || has_app(b, &p->near, i, node, at) || (p->near.app == p->app && !has_app(b, &p->near, i, NONE, at));
}

bool bonds_anti_holds(const struct bonds *b, int i, int node, const int *at)
{
	const struct bound_pod *p = &b->pods[i];
	int k;

	for (k = 0; k < BONDS_PODS; k++)
		if (k != i && at[k] != NONE && b->pods[k].anti.app == p->app && beside(b, b->pods[k].anti.key, node, at[k]))
			return false;
	return p->anti.app == NONE || !has_app(b, &p->anti, i, node, at);
}

/* A failed or cordoned node counts as long as its object is there. */
static bool spread_holds(const struct bonds *b, int i, int node, const int *at)
{
	const struct bound_pod *p = &b->pods[i];
	int count[BONDS_NODES] = {0}, domains = 0, least = BONDS_PODS, k;
	bool there[BONDS_NODES] = {false};

	if (p->spread.app == NONE)
		return true;
	for (k = 0; k < b->nodes; k++)
		there[domain(b, p->spread.key, k)] = true;
	for (k = 0; k < BONDS_PODS; k++)
		if (k != i && at[k] != NONE && b->pods[k].app == p->spread.app)
			count[domain(b, p->spread.key, at[k])]++;
	for (k = 0; k < BONDS_NODES; k++) {
		domains += there[k];
		least = there[k] && count[k] < least ? count[k] : least;
	}
	least = domains < p->min_domains ? 0 : least;
	return count[domain(b, p->spread.key, node)] + (p->spread.app == p->app) - least <= p->skew;
}

bool bonds_limit_holds(const struct bonds *b, int i, int node, const int *at)
{
	const struct bound_pod *p = &b->pods[i];
	bool any = p->limit_app == p->app;	/* the first of them */
	int k;

	for (k = 0; k < BONDS_PODS && p->limit_app != NONE; k++)
		if (k != i && at[k] != NONE && b->pods[k].app == p->limit_app) {
			any = true;
			if (b->rtt_ms[node][at[k]] > p->limit_ms)
				return false;
		}
	return any || p->limit_app == NONE;
}

bool bonds_volume_holds(const struct bonds *b, int i, int node, const int *at)
{
	int claim = b->pods[i].claim, attached = 0, k;
	bool there[BONDS_CLAIMS] = {false};

	if (claim == NONE)
		return true;
	for (k = 0; k < BONDS_PODS; k++)
		if (k != i && at[k] != NONE && b->pods[k].claim != NONE) {
			if (b->claim_once[claim] && b->pods[k].claim == claim)
				return false;
			if (at[k] == node)
				there[b->pods[k].claim] = true;
		}
	for (k = 0; k < BONDS_CLAIMS; k++)
		attached += there[k];
	return (b->claim_zone[claim] == NONE || b->claim_zone[claim] == b->zone[node]) &&
	       (there[claim] || b->attach[node] == NONE || attached < b->attach[node]);
}

bool bonds_has_cpu(const struct bonds *b, int i, int node, const int *at)
{
	int left = b->cpu_milli[node] - b->pods[i].cpu_milli, k;

	for (k = 0; k < BONDS_PODS; k++)
		left -= k != i && at[k] == node ? b->pods[k].cpu_milli : 0;
	return left >= 0;
}

bool bonds_may_be(const struct bonds *b, int i, int node, const int *at)
{
	return node != b->pods[i].node && node != b->frozen && !b->cordoned[node] && bonds_has_cpu(b, i, node, at) &&
	       bonds_near_holds(b, i, node, at) && bonds_anti_holds(b, i, node, at) && spread_holds(b, i, node, at) &&
	       bonds_limit_holds(b, i, node, at) && bonds_volume_holds(b, i, node, at);
}
