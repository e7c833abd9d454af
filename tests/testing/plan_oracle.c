#include "tests/testing/plan.h"

#include <math.h>

#define FRESH_S 180.0
#define DEAD_S 600.0

/* --- the oracle: pairs ------------------------------------------------------------------------------------------------------ */

static double age_factor(double age_s)
{
	return age_s <= FRESH_S ? 1 : age_s >= DEAD_S ? 0 : (DEAD_S - age_s) / (DEAD_S - FRESH_S);
}

static bool lost(const struct plan_link *link)
{
	return isnan(link->rtt_us) && link->loss >= 1;
}

static double effective(double rtt_us, double jitter_us, double loss)
{
	return rtt_us + (jitter_us > 50 ? jitter_us - 50 : 0) + (loss > 0.01 ? (loss - 0.01) * 200e3 : 0);
}

/* The age of a row as far as it says anything. */
static double row_age_s(const struct plan *p, int node)
{
	int i;

	for (i = 0; i < p->nodes; i++)
		if (i != node && (!isnan(p->link[node][i].rtt_us) || lost(&p->link[node][i])))
			return p->age_s[node];
	for (i = 0; i < PLAN_CLIENTS; i++)
		if (!isnan(p->client[node][i].rtt_us) || lost(&p->client[node][i]))
			return p->age_s[node];
	return 0;
}

/* Nothing is known, from rows of these ages. */
static struct plan_leg unknown_leg(double older_s)
{
	return (struct plan_leg){NAN, NAN, age_factor(older_s)};
}

struct plan_leg plan_pair(const struct plan *p, int here, int there)
{
	const struct plan_link *out = &p->link[here][there], *back = &p->link[there][here];
	double age_s = 0, older_s = fmax(row_age_s(p, here), row_age_s(p, there));

	if (here == there)
		return (struct plan_leg){0, 0, 1};
	if ((lost(out) && p->age_s[here] <= FRESH_S) || (lost(back) && p->age_s[there] <= FRESH_S))
		return unknown_leg(older_s);
	if (!isnan(out->rtt_us))
		age_s = fmax(age_s, p->age_s[here]);
	if (!isnan(back->rtt_us))
		age_s = fmax(age_s, p->age_s[there]);
	if ((isnan(out->rtt_us) && isnan(back->rtt_us)) || age_s > DEAD_S)
		return unknown_leg(older_s);
	return (struct plan_leg){fmax(out->rtt_us, back->rtt_us),
				 effective(fmax(out->rtt_us, back->rtt_us), fmax(out->jitter_us, back->jitter_us), fmax(out->loss, back->loss)),
				 age_factor(age_s)};
}

struct plan_leg plan_client(const struct plan *p, int node, int client)
{
	const struct plan_link *link = &p->client[node][client];

	if (isnan(link->rtt_us) || p->age_s[node] > DEAD_S)
		return unknown_leg(row_age_s(p, node));
	return (struct plan_leg){link->rtt_us, effective(link->rtt_us, link->jitter_us, link->loss), age_factor(p->age_s[node])};
}

int plan_legs(const struct plan *p, const struct plan_item *item, int node, struct plan_leg out[PLAN_NODES], double weight[PLAN_NODES])
{
	int i, count = 0;

	weight[0] = 1;
	switch (item->kind) {
	case AT_NODE:
		out[0] = plan_pair(p, item->which, node);
		return 1;
	case AT_CLIENT:
		out[0] = plan_client(p, node, item->which);
		return 1;
	case AT_APP:
		for (i = 0; i < p->nodes; i++)
			if (p->pods[item->which][i]) {
				out[count] = plan_pair(p, i, node);
				weight[count++] = p->pods[item->which][i];
			}
		return count;
	case AT_MESH:
		break;
	}
	fail_msg("the oracle does not know the mesh");
	return 0;
}

/* --- the oracle: limits ------------------------------------------------------------------------------------------------------ */

static bool item_holds(const struct plan *p, const struct plan_item *item, bool allow, int node)
{
	struct plan_leg legs[PLAN_NODES];
	double weight[PLAN_NODES], nearest = NAN;
	int k, count = plan_legs(p, item, node, legs, weight);
	bool all = true;

	for (k = 0; k < count; k++) {
		nearest = fmin(nearest, legs[k].rtt_us);
		all = all && (isnan(legs[k].rtt_us) ? allow : (float)legs[k].rtt_us <= (float)item->limit_us);
	}
	if (!count)
		return allow;
	if (item->any)
		return isnan(nearest) ? allow : (float)nearest <= (float)item->limit_us;
	return all;
}

bool plan_feasible(const struct plan *p, const struct plan_ask *ask, int node)
{
	int k;

	for (k = 0; k < ask->within_count; k++)
		if (!item_holds(p, &ask->within[k], ask->allow, node))
			return false;
	return true;
}

/* --- the oracle: ranking ------------------------------------------------------------------------------------------------------ */

static double at_least_50(double us)
{
	return us > 50 ? us : 50;
}

/* A part of a mean for every node, and the mean itself. */
struct part {
	double cost_us[PLAN_NODES], factor[PLAN_NODES];
};

struct sum {
	double weight, factor_weight, cost[PLAN_NODES], factor[PLAN_NODES];
	bool known[PLAN_NODES];
};

static double unknown_us(const struct plan *p)
{
	double worst = 1e6;
	int i, j;

	for (i = 0; i < p->nodes; i++) {
		for (j = 0; j < p->nodes; j++)
			worst = fmax(worst, p->link[i][j].rtt_us);
		for (j = 0; j < PLAN_CLIENTS; j++)
			worst = fmax(worst, p->client[i][j].rtt_us);
	}
	return worst;
}

static bool known_on(const struct plan *p, const bool *feasible, const struct part *part)
{
	int i;

	for (i = 0; i < p->nodes; i++)
		if (feasible[i] && !isnan(part->cost_us[i]))
			return true;
	return false;
}

static void sum_add(const struct plan *p, const bool *feasible, struct sum *s, const struct part *part, double weight)
{
	double unknown = unknown_us(p);
	int i;

	s->factor_weight += weight;
	for (i = 0; i < p->nodes; i++)
		s->factor[i] += weight * part->factor[i];
	if (!known_on(p, feasible, part))
		return;
	s->weight += weight;
	for (i = 0; i < p->nodes; i++) {
		bool known = !isnan(part->cost_us[i]);

		s->known[i] |= known;
		s->cost[i] += weight * (known ? fmin(part->cost_us[i], unknown) : unknown);
	}
}

static void sum_end(const struct plan *p, const struct sum *s, struct part *out)
{
	int i;

	for (i = 0; i < p->nodes; i++) {
		out->cost_us[i] = s->known[i] ? s->cost[i] / s->weight : NAN;
		out->factor[i] = s->factor[i] / s->factor_weight;
	}
}

/* Returns the number of legs; 0: the item drops. */
static int item_part(const struct plan *p, const bool *feasible, const struct plan_item *item, struct part *out)
{
	struct plan_leg legs[PLAN_NODES][PLAN_NODES];
	double weight[PLAN_NODES];
	struct sum sum = {0};
	int i, k, count = 0;

	for (i = 0; i < p->nodes; i++) {
		count = plan_legs(p, item, i, legs[i], weight);
		out->cost_us[i] = count ? legs[i][0].cost_us : NAN;
		out->factor[i] = count ? legs[i][0].factor : 1;
	}
	if (count < 2)
		return count;
	for (k = 0; k < count; k++) {
		struct part part;

		for (i = 0; i < p->nodes; i++) {
			part.cost_us[i] = legs[i][k].cost_us;
			part.factor[i] = legs[i][k].factor;
		}
		sum_add(p, feasible, &sum, &part, weight[k]);
	}
	sum_end(p, &sum, out);
	for (i = 0; item->any && i < p->nodes; i++)
		for (k = 0, out->cost_us[i] = NAN; k < count; k++)
			out->cost_us[i] = fmin(out->cost_us[i], legs[i][k].cost_us);
	return count;
}

static void latency_scores(const struct plan *p, const struct plan_ask *ask, const bool *feasible, double *out)
{
	const struct plan_item *items = ask->near_count ? ask->near : ask->within;
	int count = ask->near_count ? ask->near_count : ask->within_count, k, i;
	struct sum sum = {0};
	struct part part = {0};
	double best = INFINITY;

	for (k = 0; k < count; k++) {
		if (item_part(p, feasible, &items[k], &part))
			sum_add(p, feasible, &sum, &part, ask->near_count ? items[k].weight : 1);
	}
	if (count > 1)
		sum_end(p, &sum, &part);
	for (i = 0; i < p->nodes; i++)
		if (feasible[i])
			best = fmin(best, part.cost_us[i]);
	for (i = 0; i < p->nodes; i++)
		out[i] = isnan(part.cost_us[i]) ? 0 : 100 * at_least_50(best) / at_least_50(part.cost_us[i]) * part.factor[i];
}

void plan_totals(const struct plan *p, const struct plan_ask *ask, double out[PLAN_NODES])
{
	double latency[PLAN_NODES], weight_latency = 0, weight_cpu = 0.3;
	bool feasible[PLAN_NODES], alive = false;
	int i;

	for (i = 0; i < p->nodes; i++)
		feasible[i] = plan_feasible(p, ask, i);
	latency_scores(p, ask, feasible, latency);
	for (i = 0; i < p->nodes; i++) {
		if (feasible[i] && latency[i] > 0)
			weight_latency = 0.7;
		if (feasible[i] && isnan(p->cpu[i]))
			weight_cpu = 0;
		alive |= feasible[i] && p->age_s[i] <= DEAD_S;
	}
	weight_cpu = alive ? weight_cpu : 0;
	for (i = 0; i < p->nodes; i++) {
		bool dead = p->age_s[i] > DEAD_S;
		double sum = 0;

		if (weight_latency > 0)
			sum += weight_latency * latency[i];
		if (weight_cpu > 0 && !dead)
			sum += weight_cpu * 100 * (1 - p->cpu[i]);
		if (weight_latency + weight_cpu > 0)
			sum /= weight_latency + weight_cpu;
		if (weight_cpu > 0 && (dead || p->cpu[i] >= 0.7))
			sum -= 15;
		out[i] = feasible[i] ? fmax(0, fmin(100, sum)) : NAN;
	}
}
