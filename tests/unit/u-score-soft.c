/*
 * kube-scheduler's soft scores: preferred node and pod affinity, PreferNoSchedule, soft spreading, images. One by one, and against their rules, looked
 * up pod by pod, on random clusters.
 */
#include "tests/unit/random_terms.h"

#include <math.h>

#include "sched/filter/node_affinity.h"
#include "sched/filter/taints.h"

/* --- examples ------------------------------------------------------------------------------------------------------------------- */

/* Decides, and compares the term's points for nodes n0, n1, ... with `want`, "-" for a term that dropped. */
static void expect(struct world *w, enum score_id term, struct pod *pod, const char *want)
{
	auto_buf struct buf have = {0};
	uint32_t i;
	char name[16];

	world_decide(w, pod);
	for (i = 0; w->decision.score[term] && i < w->in.view->count; i++) {
		float points;

		snprintf(name, sizeof(name), "n%u", i);
		points = w->decision.score[term][cache_find_node(w->cache, name)];
		buf_str(&have, i ? " " : "");
		if (isnan(points))
			buf_str(&have, "x");
		else
			buf_printf(&have, "%g", (double)points);
	}
	assert_string_equal(have.data ? have.data : "-", want);
	pod_free(pod);
}

/* n0 and n1 in zone z0, n2 in zone z1, n3 in none. `status` and `spec` of n1. */
static struct world four_nodes(const char *spec, const char *status)
{
	static const char *const zones[] = {",'zone':'z0'", ",'zone':'z0'", ",'zone':'z1'", ""};
	struct world w = world_new();
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(zones); i++) {
		auto_free char *text = xasprintf("{'metadata':{'name':'n%u','labels':{'kubernetes.io/hostname':'n%u'%s}},'spec':{%s},'status':{%s"
						 "'allocatable':{'cpu':'4','memory':'8Gi','pods':'50'}}}", i, i, zones[i], i == 1 ? spec : "",
						 i == 1 ? status : "");

		cache_put_node(w.cache, node_of_text(text));
	}
	return w;
}

/* With app=x. */
static void put(struct world *w, const char *name, const char *node, const char *affinity)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s','labels':{'app':'x'}},'spec':{'nodeName':'%s',"
					 "'affinity':{%s}}}", name, name, node, affinity);

	cache_put_pod(w->cache, pod_of(text));
}

#define REQUIRED "'requiredDuringSchedulingIgnoredDuringExecution'"
#define PREFERRED "'preferredDuringSchedulingIgnoredDuringExecution'"
#define NODES(terms) "'affinity':{'nodeAffinity':{" PREFERRED ":[" terms "]}}"
#define NODE(weight, zone) "{'weight':" #weight ",'preference':{'matchExpressions':[{'key':'zone','operator':'In','values':['" zone "']}]}}"

static void preferred_nodes(void **state)
{
	struct world w = four_nodes("", "");

	(void)state;
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", "'priority':0"), "-");
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES(NODE(5, "z0"))), "100 100 0 0");
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES(NODE(2, "z0") "," NODE(3, "z1"))), "66 66 100 0");	/* whole points */
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES(NODE(5, "z9"))), "-");				/* the same for all */
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES("{'weight':9,'preference':{}},{'weight':9}")), "-");	/* empty terms: no node */
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES(NODE(5, "z0")) ",'nodeSelector':{'zone':'z0'}"), "-");	/* of the feasible */
	expect(&w, SCORE_NODE_AFFINITY, pod_with("p", NODES("{'weight':1,'preference':{'matchFields':[{'key':'metadata.name','operator':'In',"
							    "'values':['n2']}]}}") ",'nodeSelector':{'zone':'z1'}"), "-");
	world_free(&w);
}

#define WITH(kind, term) "'podAffinity':{" kind ":[" term "]}"
#define WITHOUT(kind, term) "'podAntiAffinity':{" kind ":[" term "]}"
#define TERM(key, app) "{'topologyKey':'" key "','labelSelector':{'matchLabels':{'app':'" app "'}}}"
#define WEIGHTED(weight, key, app) "{'weight':" #weight ",'podAffinityTerm':" TERM(key, app) "}"

static void preferred_pods(void **state)
{
	struct world w = four_nodes("", "");

	(void)state;
	put(&w, "q", "n0", "");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'priority':0"), "-");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'affinity':{" WITH(PREFERRED, WEIGHTED(10, "zone", "x")) "}"), "100 100 0 0");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'affinity':{" WITHOUT(PREFERRED, WEIGHTED(10, "zone", "x")) "}"), "0 0 100 100");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'affinity':{" WITH(PREFERRED, WEIGHTED(10, "zone", "y")) "}"), "-");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'affinity':{" WITH(PREFERRED, WEIGHTED(10, "zone", "x")) ","
						     WITHOUT(PREFERRED, WEIGHTED(4, "kubernetes.io/hostname", "x")) "}"), "60 100 0 0");
	put(&w, "r", "n2", "");
	put(&w, "s", "n2", "");
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'affinity':{" WITH(PREFERRED, WEIGHTED(10, "zone", "x")) "}"), "50 50 100 0");	/* each pod counts */
	world_free(&w);
}

static void pods_that_prefer_ours(void **state)
{
	struct world w = four_nodes("", "");
	struct pod *pod = pod_of("{'metadata':{'name':'p','namespace':'default','uid':'u','labels':{'app':'y'}}}");

	(void)state;
	put(&w, "q", "n0", WITH(PREFERRED, WEIGHTED(10, "zone", "y")));
	expect(&w, SCORE_POD_AFFINITY, pod_with("p", "'priority':0"), "-");	/* has no such label */
	put(&w, "r", "n2", WITHOUT(PREFERRED, WEIGHTED(10, "zone", "y")));
	expect(&w, SCORE_POD_AFFINITY, pod, "100 100 0 50");
	put(&w, "q", "n0", WITH(REQUIRED, TERM("zone", "y")));			/* weight 1 */
	pod = pod_of("{'metadata':{'name':'p','namespace':'default','uid':'u','labels':{'app':'y'}}}");
	expect(&w, SCORE_POD_AFFINITY, pod, "100 100 0 90");
	world_free(&w);
}

static void taints_that_ask_to_stay_away(void **state)
{
	struct world w = four_nodes("'taints':[{'key':'a','effect':'PreferNoSchedule'},{'key':'b','effect':'PreferNoSchedule'}]", "");

	(void)state;
	expect(&w, SCORE_TAINTS, pod_with("p", "'priority':0"), "100 0 100 100");
	expect(&w, SCORE_TAINTS, pod_with("p", "'tolerations':[{'key':'a','operator':'Exists'}]"), "100 0 100 100");
	expect(&w, SCORE_TAINTS, pod_with("p", "'tolerations':[{'operator':'Exists'}]"), "-");
	expect(&w, SCORE_TAINTS, pod_with("p", "'tolerations':[{'operator':'Exists','effect':'NoSchedule'}]"), "100 0 100 100");
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n2'},'spec':{'taints':[{'key':'a','effect':'PreferNoSchedule'}]},'status':"
					     "{'allocatable':{'cpu':'4','memory':'8Gi','pods':'50'}}}"));
	expect(&w, SCORE_TAINTS, pod_with("p", "'priority':0"), "100 0 50 100");
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n1'},'spec':{'taints':[{'key':'a','effect':'NoSchedule'}]},'status':"
					     "{'allocatable':{'cpu':'4','memory':'8Gi','pods':'50'}}}"));
	expect(&w, SCORE_TAINTS, pod_with("p", "'priority':0"), "100 x 0 100");	/* of the feasible nodes */
	world_free(&w);
}

#define SOFT(key, skew) "{'topologyKey':'" key "','maxSkew':" #skew ",'whenUnsatisfiable':'ScheduleAnyway','labelSelector':{'matchLabels':{'app':'x'}}}"
#define SPREAD(constraints) "'topologySpreadConstraints':[" constraints "]"

static void soft_spreading(void **state)
{
	struct world w = four_nodes("", "");
	unsigned i;

	(void)state;
	expect(&w, SCORE_SPREAD, pod_with("p", "'priority':0"), "-");
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("kubernetes.io/hostname", 1))), "-");	/* nobody is there */
	put(&w, "q", "n0", "");
	put(&w, "r", "n0", "");
	/* log(6) = 1.79: 4 for n0 (3.58 rounded), 0 for the others */
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("kubernetes.io/hostname", 1))), "0 100 100 100");
	/* maxSkew - 1 is added: 2 to each */
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("kubernetes.io/hostname", 3))), "33 100 100 100");
	/* log(4) = 1.39: 3 for zone z0, 0 for z1; n3 has no zone */
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("zone", 1))), "0 0 100 0");
	/* n3 lacks a key and has no part: log(5) x 2 + log(4) x 2 = 5.99 for n0 */
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("zone", 1) "," SOFT("kubernetes.io/hostname", 1))), "0 50 100 0");
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD("{'topologyKey':'zone','maxSkew':9,'whenUnsatisfiable':'DoNotSchedule'}")), "-");
	for (i = 0; i < 2; i++)
		put(&w, i ? "s" : "t", "n2", "");
	expect(&w, SCORE_SPREAD, pod_with("p", SPREAD(SOFT("zone", 1)) ",'nodeSelector':{'kubernetes.io/hostname':'n0'}"), "-");
	world_free(&w);
}

#define IMAGE(name, bytes) "'images':[{'names':['" name "'],'sizeBytes':" #bytes "}],"

static void images_that_are_there(void **state)
{
	struct world w = four_nodes("", IMAGE("reg:5000/a:1", 2097152000));	/* 2000 MiB on one of four: 500 */

	(void)state;
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'reg:5000/a:1'}]"), "0 48 0 0");	/* 100 x (500 - 23) / (1000 - 23) */
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'reg:5000/a'}]"), "-");		/* is a:latest */
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'b'},{'image':'reg:5000/a:1'}]"), "0 24 0 0");	/* of two containers */
	expect(&w, SCORE_IMAGES, pod_with("p", "'initContainers':[{'image':'reg:5000/a:1'}],'containers':[{'image':'reg:5000/a:1'}]"), "0 49 0 0");
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'b'}],'volumes':[{'name':'v','image':{'reference':'reg:5000/a:1'}}]"), "0 48 0 0");
	expect(&w, SCORE_IMAGES, pod_with("p", "'priority':0"), "-");
	world_free(&w);
	w = four_nodes("", IMAGE("a:latest", 2097152));
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'a'}]"), "-");			/* less than 23 MiB */
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'n1'},'status':{" IMAGE("a:latest", 2097152000) "'allocatable':{'cpu':'4','pods':'9'}}}"));
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'a'}]"), "0 48 0 0");		/* grew */
	cache_delete_node(w.cache, "n1");
	expect(&w, SCORE_IMAGES, pod_with("p", "'containers':[{'image':'a'}]"), "-");
	world_free(&w);
}

/* --- against the rules ------------------------------------------------------------------------------------------------------------ */

static struct world w;
static const struct pod *ours;

static bool feasible(uint32_t node)
{
	return !w.decision.verdicts[node].filter;
}

static const struct node *node_at(uint32_t i)
{
	return w.in.view->nodes[i].node;
}

/* 100 x raw / most, or 100 less that. */
static void by_most(int64_t *raw, bool reverse)
{
	int64_t most = 0;
	uint32_t i;

	for (i = 0; i < w.in.view->count; i++)
		most = feasible(i) && raw[i] > most ? raw[i] : most;
	for (i = 0; i < w.in.view->count; i++)
		raw[i] = !most ? (reverse ? 100 : 0) : reverse ? 100 - 100 * raw[i] / most : 100 * raw[i] / most;
}

static void naive_node_affinity(int64_t *raw)
{
	uint32_t i, k;

	for (i = 0; i < w.in.view->count; i++)
		for (k = 0; k < ours->prefers_nodes_count; k++)
			if (node_selector_matches(&ours->prefers_nodes[k].selector, &node_at(i)->labels, node_at(i)->name))
				raw[i] += ours->prefers_nodes[k].weight;
	by_most(raw, false);
}

static void naive_taints(int64_t *raw)
{
	uint32_t i, k;

	for (i = 0; i < w.in.view->count; i++)
		for (k = 0; k < node_at(i)->taint_count; k++)
			raw[i] += node_at(i)->taints[k].effect == TAINT_PREFER_NO_SCHEDULE && !pod_tolerates(ours, &node_at(i)->taints[k]);
	by_most(raw, true);
}

static int64_t weight_between(const struct pod *there, uint32_t at, uint32_t node)
{
	int64_t sum = 0;
	uint32_t k;

#define EACH(pod, list, count, term_of, weight, own, whom)							\
	for (k = 0; k < (pod)->count; k++)									\
		if (naive_means(&w, &(pod)->list[k] term_of, whom, own) &&					\
		    same_place(&w, at, node, ((pod)->list[k] term_of).topology_key))				\
			sum += weight;
	EACH(ours, prefers, prefers_count, .term, ours->prefers[k].weight, true, there)
	EACH(ours, avoids, avoids_count, .term, -ours->avoids[k].weight, true, there)
	EACH(there, prefers, prefers_count, .term, there->prefers[k].weight, false, ours)
	EACH(there, avoids, avoids_count, .term, -there->avoids[k].weight, false, ours)
	EACH(there, affinity, affinity_count, , 1, false, ours)
	return sum;
}

static void naive_pod_affinity(int64_t *raw)
{
	int64_t least = INT64_MAX, most = INT64_MIN;
	uint32_t i, k, p;

	for (i = 0; i < w.in.view->count; i++) {
		for (k = 0; k < w.in.view->count; k++)
			for (p = 0; p < w.in.view->nodes[k].pod_count; p++)
				raw[i] += weight_between(w.in.view->nodes[k].pods[p]->pod, k, i);
		if (feasible(i)) {
			least = raw[i] < least ? raw[i] : least;
			most = raw[i] > most ? raw[i] : most;
		}
	}
	for (i = 0; i < w.in.view->count; i++)
		raw[i] = most > least ? (int64_t)(100 * ((double)(raw[i] - least) / (double)(most - least))) : 0;
}

static bool has_soft_keys(uint32_t node)
{
	uint32_t i;

	for (i = 0; i < ours->spread_count; i++)
		if (!ours->spreads[i].hard && !label_of(&w, node, ours->spreads[i].topology_key))
			return false;
	return true;
}

static int64_t matching_on(const struct spread *s, uint32_t node)
{
	const struct node_state *state = &w.in.view->nodes[node];
	int64_t pods = 0;
	uint32_t i;

	for (i = 0; s->selector.count && i < state->pod_count; i++)
		pods += !state->pods[i]->pod->terminating && STREQ(state->pods[i]->pod->namespace_, ours->namespace_) &&
			selector_matches(&s->selector, &state->pods[i]->pod->labels);
	return pods;
}

static double crowd_of(const struct spread *s, uint32_t node)
{
	bool by_host = STREQ(s->topology_key, "kubernetes.io/hostname");
	int64_t pods = by_host ? matching_on(s, node) : 0;
	uint32_t i, k, domains = 0;

	for (i = 0; i < w.in.view->count; i++) {
		bool first = feasible(i) && has_soft_keys(i);

		for (k = 0; k < i && !by_host; k++)
			first = first && !(feasible(k) && has_soft_keys(k) && same_place(&w, i, k, s->topology_key));
		domains += first;
		if (!by_host && has_soft_keys(i) && same_place(&w, i, node, s->topology_key) &&
		    (!s->honor_affinity || pod_selects_node(ours, node_at(i))) && (!s->honor_taints || pod_tolerates_node(ours, node_at(i))))
			pods += matching_on(s, i);
	}
	return (double)pods * log(domains + 2.0) + s->max_skew - 1;
}

static void naive_spread(int64_t *raw)
{
	int64_t least = INT64_MAX, most = 0;
	uint32_t i, k;

	for (i = 0; i < w.in.view->count; i++) {
		double sum = 0;

		if (!feasible(i) || !has_soft_keys(i))
			continue;
		for (k = 0; k < ours->spread_count; k++)
			sum += ours->spreads[k].hard ? 0 : crowd_of(&ours->spreads[k], i);
		raw[i] = llround(sum);
		least = raw[i] < least ? raw[i] : least;
		most = raw[i] > most ? raw[i] : most;
	}
	for (i = 0; i < w.in.view->count; i++)
		raw[i] = !feasible(i) || !has_soft_keys(i) ? 0 : most ? 100 * (most + least - raw[i]) / most : 100;
}

static const struct node_image *image_on(uint32_t node, uint64_t name)
{
	uint32_t i;

	for (i = 0; i < node_at(node)->image_count; i++)
		if (node_at(node)->images[i].name == name)
			return &node_at(node)->images[i];
	return NULL;
}

static void naive_images(int64_t *raw)
{
	const int64_t mib = 1048576, most = 1000 * mib * ours->container_count;
	uint32_t i, k, n, count = w.in.view->count;

	for (i = 0; i < count; i++) {
		for (k = 0; k < ours->image_count; k++) {
			const struct node_image *image = image_on(i, ours->images[k]);
			int with = 0;

			for (n = 0; n < count; n++)
				with += image_on(n, ours->images[k]) != NULL;
			raw[i] += image ? (int64_t)((double)image->size_bytes * ((double)with / (double)count)) : 0;
		}
		raw[i] = raw[i] < 23 * mib ? 23 * mib : raw[i] > most ? most : raw[i];
		raw[i] = 100 * (raw[i] - 23 * mib) / (most - 23 * mib);
	}
}

static bool differ(const int64_t *raw)
{
	uint32_t i, k;

	for (i = 0; i < w.in.view->count; i++)
		for (k = 0; k < i; k++)
			if (feasible(i) && feasible(k) && raw[i] != raw[k])
				return true;
	return false;
}

static bool check(enum score_id term, void (*naive)(int64_t *raw))
{
	int64_t raw[RANDOM_NODES] = {0};
	const float *score = w.decision.score[term];
	uint32_t i;

	naive(raw);
	if (differ(raw) != (score != NULL))
		fail_msg("term %u %s", term, score ? "did not drop" : "dropped");
	for (i = 0; score && i < w.in.view->count; i++)
		if (feasible(i))
			assert_int_equal((int64_t)score[i], raw[i]);
		else
			assert_true(isnan(score[i]));
	return score;
}

static void equal_the_rules_on_random_clusters(void **state)
{
	struct rng rng = rng_make(test_seed());
	unsigned told[5] = {0}, i;
	int round, rounds = test_rounds(20000);

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct pod *pod;

		if (round % 10 == 0) {
			if (round)
				world_free(&w);
			w = random_world(&rng);
		}
		ours = pod = random_pod(&rng, "p", "", true);
		world_decide(&w, pod);
		if (w.decision.feasible) {
			told[0] += check(SCORE_NODE_AFFINITY, naive_node_affinity);
			told[1] += check(SCORE_POD_AFFINITY, naive_pod_affinity);
			told[2] += check(SCORE_TAINTS, naive_taints);
			told[3] += check(SCORE_SPREAD, naive_spread);
			told[4] += check(SCORE_IMAGES, naive_images);
		}
		pod_free(pod);
	}
	world_free(&w);
	printf("# terms that told nodes apart: %u %u %u %u %u\n", told[0], told[1], told[2], told[3], told[4]);
	for (i = 0; i < ARRAY_SIZE(told); i++)
		assert_true(told[i] > (unsigned)rounds / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preferred_nodes),
		cmocka_unit_test(preferred_pods),
		cmocka_unit_test(pods_that_prefer_ours),
		cmocka_unit_test(taints_that_ask_to_stay_away),
		cmocka_unit_test(soft_spreading),
		cmocka_unit_test(images_that_are_there),
		cmocka_unit_test(equal_the_rules_on_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
