/*
 * The constraints of the pod with whenUnsatisfiable: ScheduleAnyway. The fewer pods that match are in a node's domains, the better: for each
 * constraint pods x log(domains + 2) + maxSkew - 1; a node that lacks a key has 0. Drops when no two feasible nodes differ.
 *
 * kube-scheduler spreads pods without constraints, too, by hostname and zone, when a Service, ReplicaSet, ReplicationController or StatefulSet
 * selects them. That needs those objects and is left out; the fewest pods of the same owner win a tie here (pick.c).
 */
#include <math.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/domains.h"
#include "sched/filter/spread.h"
#include "sched/score/score.h"

#define HOSTNAME_LABEL "kubernetes.io/hostname"

struct part {
	const struct spread *spread;
	const struct domains *domains;
	const uint32_t *pods;		/* by node */
	uint64_t *in_domain;
	bool *wanted;			/* by domain: of a feasible node that has all keys */
	bool by_node;			/* of the hostname: each node is its own domain, whatever its label and the policies say */
	double weight;
};

struct parts {
	struct part *items;
	uint32_t count;
	const bool *labelled;		/* by node: it has all keys */
};

static void make_part(struct cycle *c, const struct spread *spread, struct part *part)
{
	part->spread = spread;
	part->domains = domains_of(c, spread->topology_key);
	part->pods = spread_pods(c, spread);
	part->in_domain = cycle_alloc(c, (part->domains->count + 1) * sizeof(*part->in_domain));
	part->wanted = cycle_alloc(c, part->domains->count + 1);
	part->by_node = STREQ(spread->topology_key, HOSTNAME_LABEL);
}

static void weigh(const struct cycle *c, const struct parts *parts, struct part *part)
{
	uint32_t domains = 0, nodes = 0, i;

	for (i = 0; i < c->view->count; i++) {
		uint32_t domain = part->domains->of_node[i];

		if (!cycle_feasible(c, i) || !parts->labelled[i])
			continue;
		nodes++;
		domains += !part->wanted[domain];
		part->wanted[domain] = true;
	}
	part->weight = log((double)(part->by_node ? nodes : domains) + 2);
}

static void sum_up(const struct cycle *c, const struct parts *parts, struct part *part)
{
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		uint32_t domain = part->domains->of_node[i];

		if (domain != DOMAIN_NONE && part->wanted[domain] && parts->labelled[i] && spread_includes(c, part->spread, i))
			part->in_domain[domain] += part->pods[i];
	}
}

static int64_t crowd(const struct parts *parts, uint32_t node)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < parts->count; i++) {
		const struct part *part = &parts->items[i];
		uint64_t pods = part->by_node ? part->pods[node] : part->in_domain[part->domains->of_node[node]];

		sum += (double)pods * part->weight + (double)(part->spread->max_skew - 1);
	}
	return (int64_t)round(sum);
}

static void rank(const struct cycle *c, const struct parts *parts, int64_t *raw)
{
	int64_t least = INT64_MAX, most = 0;
	uint32_t i;

	for (i = 0; i < c->view->count; i++) {
		raw[i] = -1;
		if (!cycle_feasible(c, i) || !parts->labelled[i])
			continue;
		raw[i] = crowd(parts, i);
		least = raw[i] < least ? raw[i] : least;
		most = raw[i] > most ? raw[i] : most;
	}
	for (i = 0; i < c->view->count; i++)
		if (raw[i] < 0)
			raw[i] = 0;
		else
			raw[i] = most ? 100 * (most + least - raw[i]) / most : 100;
}

static bool score(struct cycle *c, float *out)
{
	const struct pod *pod = c->pod;
	struct parts parts = {0};
	int64_t *raw;
	uint32_t i;

	for (i = 0; i < pod->spread_count; i++) {
		if (pod->spreads[i].hard)
			continue;
		if (!parts.items)
			parts.items = cycle_alloc(c, pod->spread_count * sizeof(*parts.items));
		make_part(c, &pod->spreads[i], &parts.items[parts.count++]);
	}
	if (!parts.count)
		return false;
	parts.labelled = spread_labelled(c, false);
	for (i = 0; i < parts.count; i++) {
		weigh(c, &parts, &parts.items[i]);
		if (!parts.items[i].by_node)
			sum_up(c, &parts, &parts.items[i]);
	}
	raw = cycle_alloc(c, (c->view->count + 1) * sizeof(*raw));
	rank(c, &parts, raw);
	return score_write(c, raw, out);
}

const struct score score_spread = {.name = "spread", .score = score};
