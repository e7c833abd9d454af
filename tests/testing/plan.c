#include "tests/testing/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

#define FRESH_S 180.0
#define DEAD_S 600.0

const char *plan_node(int i)
{
	static char names[8][16];
	static unsigned next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof(names[0]), "n%02d", i);
	return name;
}

/* --- random -------------------------------------------------------------------------------------------------------------- */

static struct plan_link random_link(struct rng *r, unsigned what)
{
	/* From 10 us to 100 ms, even in the logarithm. */
	struct plan_link link = {.rtt_us = 10 * pow(1e4, rng_unit(r))};

	if ((what & PLAN_UNKNOWN) && rng_chance(r, 0.2))
		return (struct plan_link){NAN, NAN, rng_chance(r, 0.5) ? 1 : NAN};
	if (what & PLAN_JITTER) {
		link.jitter_us = rng_chance(r, 0.5) ? 0 : rng_unit(r) * 2000;
		link.loss = rng_chance(r, 0.7) ? 0 : rng_unit(r) * 0.2;
	}
	return link;
}

static double random_age_s(struct rng *r, unsigned what)
{
	if (!(what & PLAN_AGED) || rng_chance(r, 0.4))
		return rng_unit(r) * 100;
	return rng_unit(r) * 700;
}

static double random_cpu(struct rng *r, unsigned what)
{
	if (!(what & PLAN_LOAD))
		return NAN;
	if (what & PLAN_ALIKE)
		return 0.3;
	return (what & PLAN_UNKNOWN) && rng_chance(r, 0.02) ? NAN : rng_unit(r) * 0.84;
}

void plan_random(struct plan *p, struct rng *r, unsigned what)
{
	int i, j;

	*p = (struct plan){.nodes = 2 + (int)rng_below(r, PLAN_NODES - 1)};
	for (i = 0; i < p->nodes; i++) {
		for (j = 0; j < p->nodes; j++)
			p->link[i][j] = i == j ? (struct plan_link){0, 0, 0} : random_link(r, what);
		for (j = 0; j < PLAN_CLIENTS; j++)
			p->client[i][j] = random_link(r, what);
		p->age_s[i] = random_age_s(r, what);
		p->cpu[i] = random_cpu(r, what);
		p->cores[i] = what & PLAN_ALIKE ? 8 : 2 + (int)rng_below(r, 62);
		p->gib[i] = what & PLAN_ALIKE ? 32 : 4 + (int)rng_below(r, 124);
		for (j = 0; j < PLAN_APPS; j++)
			p->pods[j][i] = rng_chance(r, 0.3) ? 1 + (int)rng_below(r, 3) : 0;
	}
}

/* --- a world ------------------------------------------------------------------------------------------------------------- */

static void shuffle(struct rng *r, int *order, int n)
{
	int i;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i > 0; i--) {
		int j = (int)rng_below(r, (uint32_t)i + 1), kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

static void add_node(const struct plan *p, struct world *w, int i)
{
	auto_free char *allocatable = xasprintf("\"cpu\":\"%d\",\"memory\":\"%dGi\",\"pods\":\"110\"", p->cores[i], p->gib[i]);

	world_node_of(w, plan_node(i), "", "", allocatable);
}

static void add_pods(const struct plan *p, struct world *w, int node)
{
	int app, k;

	for (app = 0; app < PLAN_APPS; app++)
		for (k = 0; k < p->pods[app][node]; k++) {
			auto_free char *name = xasprintf("t%d-%d-%d", app, node, k), *label = xasprintf("\"app\":\"t%d\"", app);

			world_pod(w, name, plan_node(node), label, "");
		}
}

void plan_measure(const struct plan *p, struct world *w)
{
	int i, j;

	for (i = 0; i < p->nodes; i++) {
		uint32_t row = names_find(&w->snapshot.nodes, plan_node(i));

		world_age(w, plan_node(i), p->age_s[i]);
		world_cpu(w, plan_node(i), p->cpu[i]);
		for (j = 0; j < p->nodes; j++)
			world_link(w, plan_node(i), plan_node(j), p->link[i][j].rtt_us, p->link[i][j].jitter_us, p->link[i][j].loss);
		for (j = 0; j < PLAN_CLIENTS; j++) {
			size_t at = row * PLAN_CLIENTS + (uint32_t)j;

			w->snapshot.client.rtt_us[at] = (float)p->client[i][j].rtt_us;
			w->snapshot.client.jitter_us[at] = (float)p->client[i][j].jitter_us;
			w->snapshot.client.loss[at] = (float)p->client[i][j].loss;
		}
	}
	world_take(w);
}

void plan_build(const struct plan *p, struct world *w, struct rng *r)
{
	int order[PLAN_NODES], i;
	char names[PLAN_NODES * 16] = "";

	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++) {
		strcat(names, plan_node(order[i]));
		strcat(names, " ");
	}
	world_begin(w, names, "c0 c1 c2");
	for (i = 0; i < p->nodes; i++)			/* the cache gets its own order */
		cache_delete_node(w->cache, plan_node(i));
	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++)
		add_node(p, w, order[i]);
	shuffle(r, order, p->nodes);
	for (i = 0; i < p->nodes; i++)
		add_pods(p, w, order[i]);
	plan_measure(p, w);
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */

static struct plan_item random_item(const struct plan *p, struct rng *r, int k)
{
	struct plan_item item = {.weight = 1 + (int)rng_below(r, 3), .limit_us = ceil(10 * pow(1e4, rng_unit(r)))};

	/* One kind for each place in the list, so that nothing stands there twice. */
	item.kind = k == 0 ? AT_NODE : k == 1 ? AT_APP : AT_CLIENT;
	item.any = item.kind == AT_APP && rng_chance(r, 0.4);
	item.which = (int)rng_below(r, item.kind == AT_NODE ? (uint32_t)p->nodes : item.kind == AT_APP ? PLAN_APPS : PLAN_CLIENTS);
	return item;
}

void plan_ask(const struct plan *p, struct rng *r, bool limits, struct plan_ask *out)
{
	int first = (int)rng_below(r, PLAN_ITEMS), k;

	*out = (struct plan_ask){.cpu_milli = 1 + (int)rng_below(r, 1000), .mib = 1 + (int)rng_below(r, 1000), .allow = rng_chance(r, 0.3)};
	out->near_count = limits && rng_chance(r, 0.5) ? 0 : 1 + (int)rng_below(r, PLAN_ITEMS);
	for (k = 0; k < out->near_count; k++)
		out->near[k] = random_item(p, r, (first + k) % PLAN_ITEMS);
	out->within_count = limits ? 1 + (int)rng_below(r, PLAN_ITEMS) : 0;
	for (k = 0; k < out->within_count; k++)
		out->within[k] = random_item(p, r, (first + k) % PLAN_ITEMS);
}

static void print_target(const struct plan_item *item, struct buf *out)
{
	static const char *const prefixes[] = {"node/n", "client/c", "app=t"};

	if (item->any)
		buf_str(out, "any:");
	if (item->kind == AT_MESH)
		buf_str(out, "mesh");
	else
		buf_printf(out, item->kind == AT_NODE ? "%s%02d" : "%s%d", prefixes[item->kind], item->which);
}

static void print_list(const char *key, const struct plan_item *items, int count, bool limits, struct buf *out)
{
	int k;

	buf_printf(out, ",\"latency-mesh.io/%s\":\"", key);
	for (k = 0; k < count; k++) {
		buf_str(out, k ? ", " : "");
		print_target(&items[k], out);
		if (limits)
			buf_printf(out, "<=%.0fus", items[k].limit_us);
		else
			buf_printf(out, "*%d", items[k].weight);
	}
	buf_char(out, '"');
}

const struct decision *plan_decide(struct world *w, const char *pod, const struct plan_ask *ask)
{
	auto_buf struct buf annotations = {0};
	auto_free char *spec = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%dMi\"}}}]", ask->cpu_milli,
					 ask->mib);

	buf_printf(&annotations, "\"latency-mesh.io/missing\":\"%s\"", ask->allow ? "allow" : "deny");
	if (ask->near_count)
		print_list("near", ask->near, ask->near_count, false, &annotations);
	if (ask->within_count)
		print_list("within", ask->within, ask->within_count, true, &annotations);
	world_pod_of(w, pod, "", "", annotations.data, "", spec);
	return world_again(w, pod);
}

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
