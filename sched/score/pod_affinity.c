/*
 * Preferred pod affinity and anti-affinity, the pod's own and those of the pods that are there, and their required affinity with weight 1
 * (kube-scheduler's hardPodAffinityWeight): a term that matches adds its weight to all nodes of the domain, an anti-affinity takes it off. 0 for
 * the least sum, 100 for the greatest. Drops when no two feasible nodes differ. What depends on namespaces that are not known does not count.
 */
#include <string.h>

#include "lib/mem.h"
#include "sched/filter/domains.h"
#include "sched/filter/terms.h"
#include "sched/score/score.h"

#define HARD_WEIGHT 1

struct sums {
	const struct domains *domains;
	int64_t *of_domain;
	struct sums *next;
};

static struct sums *sums_of(struct cycle *c, struct sums **all, const char *key)
{
	struct sums *s;

	for (s = *all; s; s = s->next)
		if (STREQ(s->domains->key, key))
			return s;
	s = cycle_alloc(c, sizeof(*s));
	s->domains = domains_of(c, key);
	s->of_domain = cycle_alloc(c, (s->domains->count + 1) * sizeof(*s->of_domain));
	s->next = *all;
	*all = s;
	return s;
}

/* Keys that the node lacks are not looked at, so that there are never many. */
static void add(struct cycle *c, struct sums **all, const struct affinity_term *term, int32_t node, int64_t weight)
{
	struct sums *s;

	if (!labels_get(&c->view->nodes[node].node->labels, term->topology_key))
		return;
	s = sums_of(c, all, term->topology_key);
	s->of_domain[s->domains->of_node[node]] += weight;
}

static void add_own(struct cycle *c, struct sums **all, const struct cached_pod *other)
{
	const struct pod *pod = c->pod;
	uint32_t i;

	for (i = 0; i < pod->prefers_count; i++)
		if (own_term_matches(c, &pod->prefers[i].term, other->pod) == TERM_YES)
			add(c, all, &pod->prefers[i].term, other->node, pod->prefers[i].weight);
	for (i = 0; i < pod->avoids_count; i++)
		if (own_term_matches(c, &pod->avoids[i].term, other->pod) == TERM_YES)
			add(c, all, &pod->avoids[i].term, other->node, -(int64_t)pod->avoids[i].weight);
}

static void add_theirs(struct cycle *c, struct sums **all, const struct cached_pod *other)
{
	const struct pod *pod = other->pod;
	uint32_t i;

	for (i = 0; i < pod->affinity_count; i++)
		if (their_term_matches(c, &pod->affinity[i]) == TERM_YES)
			add(c, all, &pod->affinity[i], other->node, HARD_WEIGHT);
	for (i = 0; i < pod->prefers_count; i++)
		if (their_term_matches(c, &pod->prefers[i].term) == TERM_YES)
			add(c, all, &pod->prefers[i].term, other->node, pod->prefers[i].weight);
	for (i = 0; i < pod->avoids_count; i++)
		if (their_term_matches(c, &pod->avoids[i].term) == TERM_YES)
			add(c, all, &pod->avoids[i].term, other->node, -(int64_t)pod->avoids[i].weight);
}

static bool is_self(const struct cycle *c, const struct cached_pod *other)
{
	return STREQ(other->pod->uid, c->pod->uid);
}

static void look_for_own(struct cycle *c, struct sums **all)
{
	const struct view *v = c->view;
	struct reach reach = reach_new(c);
	uint32_t i, k;

	for (i = 0; i < c->pod->prefers_count; i++)
		reach_add(c, &reach, &c->pod->prefers[i].term);
	for (i = 0; i < c->pod->avoids_count; i++)
		reach_add(c, &reach, &c->pod->avoids[i].term);
	for (i = 0; i < v->count; i++)
		for (k = 0; reaches(&reach, i) && k < v->nodes[i].pod_count; k++)
			if (!is_self(c, v->nodes[i].pods[k]))
				add_own(c, all, v->nodes[i].pods[k]);
}

static struct sums *look_at_pods(struct cycle *c)
{
	const struct view *v = c->view;
	struct sums *all = NULL;
	uint32_t i;

	for (i = 0; i < v->affinity_count; i++)
		if (!is_self(c, v->affinity[i]))
			add_theirs(c, &all, v->affinity[i]);
	if (c->pod->prefers_count || c->pod->avoids_count)
		look_for_own(c, &all);
	return all;
}

static void scale(const struct cycle *c, int64_t *raw)
{
	int64_t least = INT64_MAX, most = INT64_MIN;
	uint32_t i;

	for (i = 0; i < c->view->count; i++)
		if (cycle_feasible(c, i)) {
			least = raw[i] < least ? raw[i] : least;
			most = raw[i] > most ? raw[i] : most;
		}
	for (i = 0; i < c->view->count; i++)
		raw[i] = most > least ? (int64_t)(100 * ((double)(raw[i] - least) / (double)(most - least))) : 0;
}

static bool score(struct cycle *c, float *out)
{
	const struct sums *all, *s;
	int64_t *raw;
	uint32_t i;

	if (!c->view->affinity_count && !c->pod->prefers_count && !c->pod->avoids_count)
		return false;
	all = look_at_pods(c);
	if (!all)
		return false;
	raw = cycle_alloc(c, (c->view->count + 1) * sizeof(*raw));
	for (s = all; s; s = s->next)
		for (i = 0; i < c->view->count; i++)
			if (s->domains->of_node[i] != DOMAIN_NONE)
				raw[i] += s->of_domain[s->domains->of_node[i]];
	scale(c, raw);
	return score_write(c, raw, out);
}

const struct score score_pod_affinity = {.name = "podAffinity", .score = score};
