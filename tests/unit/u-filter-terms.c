/*
 * PodTopologySpread and InterPodAffinity against their rules, looked up pod by pod, on random clusters: the same nodes, and the same reasons, with
 * kube-scheduler's two looks at nodes that have nominated pods.
 */
#include "tests/unit/random_terms.h"

#include "sched/filter/node_affinity.h"
#include "sched/filter/taints.h"

#define ROUNDS test_rounds(20000)

#define SPREAD "node(s) didn't match pod topology spread constraints"
#define AFFINITY "node(s) didn't match pod affinity rules"
#define ANTI "node(s) didn't match pod anti-affinity rules"
#define OTHERS "node(s) didn't satisfy existing pods anti-affinity rules"

static struct world w;
static const struct pod *ours;

/* --- pods, with the nominated ones of a node beside them ---------------------------------------------------------------------- */

struct somewhere {
	const struct pod *pod;
	uint32_t node;
	bool nominated;
};
static struct somewhere all[RANDOM_PODS];
static unsigned count;
static bool any_nominated;

static void add(const struct pod *pod, uint32_t node, bool nominated)
{
	all[count++] = (struct somewhere){pod, node, nominated};
	any_nominated |= nominated;
}

/* beside < 0: without any. */
static void collect(int beside)
{
	const struct view *v = w.in.view;
	uint32_t i, k;

	count = 0;
	any_nominated = false;
	for (i = 0; i < v->count; i++)
		for (k = 0; k < v->nodes[i].pod_count; k++)
			add(v->nodes[i].pods[k]->pod, i, false);
	for (i = 0; beside >= 0 && i < v->nominated_count; i++)
		if (v->nominated[i]->pod->priority >= ours->priority &&
		    cache_find_node(w.cache, v->nominated[i]->pod->nominated_node) == beside)
			add(v->nominated[i]->pod, (uint32_t)beside, true);
}

/* --- spreading ------------------------------------------------------------------------------------------------------------------ */

static bool included(const struct spread *s, uint32_t node)
{
	const struct node *n = w.in.view->nodes[node].node;
	uint32_t i;

	for (i = 0; i < ours->spread_count; i++)
		if (ours->spreads[i].hard && !label_of(&w, node, ours->spreads[i].topology_key))
			return false;
	return (!s->honor_affinity || pod_selects_node(ours, n)) && (!s->honor_taints || pod_tolerates_node(ours, n));
}

static int pods_in(const struct spread *s, uint32_t node)
{
	int pods = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		const struct pod *p = all[i].pod;
		bool counts = all[i].nominated || (!p->terminating && s->selector.count);

		pods += included(s, all[i].node) && same_place(&w, node, all[i].node, s->topology_key) && counts &&
			STREQ(p->namespace_, ours->namespace_) && selector_matches(&s->selector, &p->labels);
	}
	return pods;
}

static bool first_of_its_domain(const struct spread *s, uint32_t node)
{
	uint32_t i;

	for (i = 0; i < node; i++)
		if (included(s, i) && same_place(&w, i, node, s->topology_key))
			return false;
	return true;
}

static const char *spread_trouble(uint32_t node)
{
	uint32_t i, k;

	for (i = 0; i < ours->spread_count; i++) {
		const struct spread *s = &ours->spreads[i];
		int least = INT32_MAX, domains = 0;

		if (!s->hard)
			continue;
		if (!label_of(&w, node, s->topology_key))
			return SPREAD " (missing required label)";
		for (k = 0; k < w.in.view->count; k++)
			if (included(s, k)) {
				domains += first_of_its_domain(s, k);
				least = pods_in(s, k) < least ? pods_in(s, k) : least;
			}
		if (domains < s->min_domains)
			least = 0;
		if (pods_in(s, node) + selector_matches(&s->selector, &ours->labels) - least > s->max_skew)
			return SPREAD;
	}
	return "";
}

/* --- affinity ------------------------------------------------------------------------------------------------------------------- */

static bool means_all(const struct pod *p)
{
	uint32_t i;

	for (i = 0; i < ours->affinity_count; i++)
		if (!naive_means(&w, &ours->affinity[i], p, true))
			return false;
	return ours->affinity_count > 0;
}

static bool attracted(uint32_t node)
{
	bool all_found = true, any_counted = false;
	uint32_t i, k;

	for (i = 0; i < ours->affinity_count; i++) {
		bool found = false;

		if (!label_of(&w, node, ours->affinity[i].topology_key))
			return false;
		for (k = 0; k < count; k++)
			if (means_all(all[k].pod)) {
				found |= same_place(&w, node, all[k].node, ours->affinity[i].topology_key);
				any_counted |= label_of(&w, all[k].node, ours->affinity[i].topology_key) != NULL;
			}
		all_found &= found;
	}
	return all_found || (!any_counted && means_all(ours));
}

static bool avoided(uint32_t node)
{
	uint32_t i, k;

	for (i = 0; i < ours->anti_affinity_count; i++)
		for (k = 0; k < count; k++)
			if (naive_means(&w, &ours->anti_affinity[i], all[k].pod, true) &&
			    same_place(&w, node, all[k].node, ours->anti_affinity[i].topology_key))
				return true;
	return false;
}

/* node < 0: anywhere. */
static bool closed(int node)
{
	uint32_t i, k;

	for (k = 0; k < count; k++)
		for (i = 0; i < all[k].pod->anti_affinity_count; i++) {
			const struct affinity_term *t = &all[k].pod->anti_affinity[i];

			if (naive_means(&w, t, ours, false) &&
			    same_place(&w, node < 0 ? all[k].node : (uint32_t)node, all[k].node, t->topology_key))
				return true;
		}
	return false;
}

static bool affinity_runs(void)
{
	collect(-1);
	return ours->affinity_count || ours->anti_affinity_count || closed(-1);
}

static const char *affinity_trouble(uint32_t node)
{
	if (!attracted(node))
		return AFFINITY;
	if (avoided(node))
		return ANTI;
	return closed((int)node) ? OTHERS : "";
}

/* --- both ----------------------------------------------------------------------------------------------------------------------- */

static const char *trouble(uint32_t node)
{
	bool runs = affinity_runs();
	const char *text;
	int look;

	for (look = 0; look < 2; look++) {
		collect(look == 0 ? (int)node : -1);
		text = spread_trouble(node);
		if (!text[0] && runs)
			text = affinity_trouble(node);
		if (text[0] || (look == 0 && !any_nominated))
			return text;
	}
	return "";
}

/* Of a filter before these two. */
static bool is_other_reason(const char *reason)
{
	return strstr(reason, "taint") || strstr(reason, "selector");
}

static unsigned check_nodes(unsigned *reasons)
{
	static const char *const texts[] = {"", SPREAD, SPREAD " (missing required label)", AFFINITY, ANTI, OTHERS};
	unsigned checked = 0, k;
	uint32_t i;

	for (i = 0; i < w.in.view->count; i++) {
		const char *reason = world_reason(&w, w.in.view->nodes[i].node->name);

		if (is_other_reason(reason))
			continue;
		assert_string_equal(reason, trouble(i));
		for (k = 0; k < ARRAY_SIZE(texts); k++)
			reasons[k] += STREQ(reason, texts[k]);
		checked++;
	}
	return checked;
}

static void equal_the_rules_on_random_clusters(void **state)
{
	struct rng rng = rng_make(test_seed());
	unsigned checked = 0, reasons[6] = {0}, k;
	int round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		struct pod *pod;

		if (round % 10 == 0) {
			if (round)
				world_free(&w);
			w = random_world(&rng);
		}
		pod = random_pod(&rng, "p", "", true);
		ours = pod;
		world_decide(&w, pod);
		assert_null(w.decision.pod_reason);
		checked += check_nodes(reasons);
		pod_free(pod);
	}
	world_free(&w);
	printf("# %u nodes:", checked);
	for (k = 0; k < ARRAY_SIZE(reasons); k++) {
		printf(" %u", reasons[k]);
		assert_true(reasons[k] > (unsigned)ROUNDS / 100);
	}
	puts("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_the_rules_on_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
