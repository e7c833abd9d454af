/*
 * The cloud role over random clusters, checked from outside: which nodes are feasible and what their totals are is taken from the decision that
 * knows no cloud; what must follow is worked out here from that and from which nodes the test itself gave which labels.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/testing/plan.h"

#define ROUNDS 600
#define DECISIONS 8			/* in a world, by the same decider, with other labels each time */
#define NEAR_TIE 1e-3			/* the margin in which float and this test may differ about who is within a point of the best */

static struct plan plan;
static struct world w;

/* --- labels ------------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *configured[3], *labels;
	bool cloud;
} cases[] = {
	{{"kubernetes.io/role=cloud", "node-role.kubernetes.io/cloud"}, "\"kubernetes.io/role\":\"cloud\"", true},
	{{"kubernetes.io/role=cloud", "node-role.kubernetes.io/cloud"}, "\"node-role.kubernetes.io/cloud\":\"\"", true},
	{{"kubernetes.io/role=cloud", "node-role.kubernetes.io/cloud"}, "\"a\":\"b\",\"node-role.kubernetes.io/cloud\":\"true\",\"z\":\"y\"", true},
	{{"kubernetes.io/role=cloud", "node-role.kubernetes.io/cloud"}, "\"kubernetes.io/role\":\"edge\"", false},
	{{"kubernetes.io/role=cloud", "node-role.kubernetes.io/cloud"}, "\"kubernetes.io/role\":\"cloudy\",\"role\":\"cloud\"", false},
	{{"tier="}, "\"tier\":\"\"", true},
	{{"tier="}, "\"tier\":\"any\"", false},
	{{"tier"}, "\"tier\":\"any\"", true},
	{{"example.com/where=far"}, "\"example.com/where\":\"far\",\"kubernetes.io/role\":\"edge\"", true},
	{{"example.com/where=far"}, "\"kubernetes.io/role\":\"cloud\"", false},
	{{NULL}, "\"kubernetes.io/role\":\"cloud\"", false},
};

static void configure(size_t k)
{
	struct lm_err err;
	int i;

	cloud_free(&w.profile.cloud);
	for (i = 0; i < 2 && cases[k].configured[i]; i++)
		assert_int_equal(cloud_add(&w.profile.cloud, "cloudLabels", cases[k].configured[i], &err), 0);
}

/* Gives each node labels of the case, or none, and closes some. Which are of the cloud? */
static void label_nodes(struct rng *r, size_t k, bool cloud[PLAN_NODES])
{
	double part = rng_chance(r, 0.2) ? 0 : rng_unit(r);
	int i;

	for (i = 0; i < plan.nodes; i++) {
		bool has = rng_chance(r, part);
		auto_free char *allocatable = xasprintf("\"cpu\":\"%d\",\"memory\":\"%dGi\",\"pods\":\"110\"", plan.cores[i], plan.gib[i]);

		world_node_of(&w, plan_node(i), has ? cases[k].labels : "", rng_chance(r, 0.3) ? "\"unschedulable\":true" : "", allocatable);
		cloud[i] = has && cases[k].cloud;
	}
}

/* --- one decision twice -------------------------------------------------------------------------------------------------- */

/* What a decision says of each node, by the plan's numbers. */
struct said {
	int node, runner_up;		/* -1: none */
	bool feasible[PLAN_NODES], any;
	float total[PLAN_NODES], score[SCORE_COUNT][PLAN_NODES];
};

static int number_of(int32_t node)
{
	int i;

	for (i = 0; node >= 0 && i < plan.nodes; i++)
		if (STREQ(w.in.view->nodes[node].node->name, plan_node(i)))
			return i;
	return -1;
}

static struct said listen(void)
{
	const struct decision *d = &w.decision;
	struct said s;
	int i, t;

	memset(&s, 0, sizeof(s));
	s.node = number_of(d->node);
	s.runner_up = number_of(d->runner_up);
	for (i = 0; i < plan.nodes; i++) {
		int32_t row = cache_find_node(w.cache, plan_node(i));

		s.feasible[i] = d->verdicts && !d->verdicts[row].filter;
		s.any |= s.feasible[i];
		s.total[i] = d->total && s.feasible[i] ? d->total[row] : -1;
		for (t = 0; t < SCORE_COUNT; t++)
			s.score[t][i] = d->score[t] && s.feasible[i] ? d->score[t][row] : -1;
	}
	return s;
}

/* NaN is equal to itself. */
static bool same_bytes(const struct said *a, const struct said *b)
{
	return memcmp(a->feasible, b->feasible, sizeof(a->feasible)) == 0 && memcmp(a->total, b->total, sizeof(a->total)) == 0 &&
	       memcmp(a->score, b->score, sizeof(a->score)) == 0;
}

/* As decide() would without any cloud; the configuration stays. */
static struct said without_cloud(void)
{
	struct cloud kept = w.profile.cloud;
	struct said s;

	w.profile.cloud = (struct cloud){0};
	world_again(&w, "web");
	s = listen();
	w.profile.cloud = kept;
	return s;
}

/* --- what must follow ---------------------------------------------------------------------------------------------------- */

/* The best total of those but one; NaN: none is left. */
static double best_total(const struct said *s, const bool among[PLAN_NODES], int but)
{
	double best = NAN;
	int i;

	for (i = 0; i < plan.nodes; i++)
		if (among[i] && i != but && (isnan(best) || (double)s->total[i] > best))
			best = (double)s->total[i];
	return best;
}

/* Pods of the plan ask for nothing: what is free with this one on the node follows from its size. */
static double free_on(const struct plan_ask *ask, int i)
{
	return 100 - 50 * (ask->cpu_milli / (plan.cores[i] * 1e3) + ask->mib / (plan.gib[i] * 1024.0));
}

/* Of those within a point of the best it has the most free: no pod here has an owner, and no load is expected. */
static void assert_best_of(const struct said *s, const struct plan_ask *ask, const bool among[PLAN_NODES])
{
	double best = best_total(s, among, -1);
	int i;

	assert_true(among[s->node]);
	assert_true((double)s->total[s->node] >= best - 1 - NEAR_TIE);
	for (i = 0; i < plan.nodes; i++)
		if (among[i] && (double)s->total[i] >= best - 1 + NEAR_TIE)
			assert_true(free_on(ask, s->node) >= free_on(ask, i) - NEAR_TIE);
}

/* The best of the others of the cloud; where it has no other, of all others. */
static void assert_runner_up(const struct said *s, const bool cloud[PLAN_NODES])
{
	double best = best_total(s, cloud, s->node);
	const bool *among = isnan(best) ? s->feasible : cloud;

	best = best_total(s, among, s->node);
	assert_int_equal(s->runner_up < 0, isnan(best));
	if (s->runner_up >= 0) {
		assert_true(among[s->runner_up] && s->runner_up != s->node);
		assert_true((double)s->total[s->runner_up] >= best);
	}
}

struct seen {
	int clouds, overruled, full, asking;
};

static void check(const struct plan_ask *ask, const bool labelled[PLAN_NODES], struct seen *seen)
{
	bool asks = ask->near_count || ask->within_count, cloud[PLAN_NODES] = {false}, some = false, any = false;
	const struct said before = without_cloud();
	struct said now;
	int i;

	world_again(&w, "web");
	now = listen();
	assert_true(same_bytes(&before, &now));
	for (i = 0; i < plan.nodes; i++) {
		any |= labelled[i];
		cloud[i] = labelled[i] && now.feasible[i];
		some |= cloud[i];
	}
	assert_int_equal(w.decision.cloud != NULL, !asks && some);
	assert_int_equal(w.decision.cloud_nodes > 0, !asks && any && now.any);
	assert_int_equal(strstr(world_note(&w), "to the cloud") != NULL, !asks && some);
	assert_int_equal(strstr(world_note(&w), "none of the cloud's nodes") != NULL, !asks && any && !some && now.any);
	if (asks || !some) {
		assert_int_equal(now.node, before.node);
		assert_int_equal(now.runner_up, before.runner_up);
	} else {
		assert_best_of(&now, ask, cloud);
		assert_runner_up(&now, cloud);
	}
	seen->clouds += !asks && some;
	seen->overruled += !asks && some && !cloud[before.node];
	seen->full += !asks && any && !some && now.any;
	seen->asking += asks && some && !cloud[now.node] && now.node >= 0;
}

static void pods_that_ask_for_nothing_go_to_the_cloud_and_no_others_do(void **state)
{
	struct rng r = rng_make(test_seed());
	struct seen seen = {0};
	struct plan_ask ask;
	int round, k;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		bool labelled[PLAN_NODES];

		plan_random(&plan, &r, rng_below(&r, 32));
		plan_build(&plan, &w, &r);
		for (k = 0; k < DECISIONS; k++) {
			size_t which = rng_below(&r, ARRAY_SIZE(cases));

			configure(which);
			label_nodes(&r, which, labelled);
			plan_ask(&plan, &r, rng_chance(&r, 0.5), &ask);
			if (rng_chance(&r, 0.6))
				ask.near_count = ask.within_count = 0;
			w.profile.max_latency_us = rng_chance(&r, 0.2) ? 20000 : INFINITY;	/* of the configuration: no pod has asked for it */
			plan_decide(&w, "web", &ask);
			check(&ask, labelled, &seen);
		}
		world_end(&w);
	}
	print_message("# %d decisions: %d to the cloud, %d of them against a better edge or tie, %d with no room there; %d that asked stayed on an edge\n",
		      ROUNDS * DECISIONS, seen.clouds, seen.overruled, seen.full, seen.asking);
	assert_true(seen.clouds > ROUNDS / 2 && seen.overruled > ROUNDS / 5 && seen.full > ROUNDS / 15 && seen.asking > ROUNDS / 10);
}

/* What a decider remembers of labels is that of now: another one, new for each decision, says the same. */
static void labels_and_configuration_are_those_of_now(void **state)
{
	struct rng r = rng_make(test_seed() + 1);
	struct decider *used;
	int round, k;

	(void)state;
	for (round = 0; round < ROUNDS / 4; round++) {
		bool labelled[PLAN_NODES];
		struct said first, second;

		plan_random(&plan, &r, rng_below(&r, 32));
		plan_build(&plan, &w, &r);
		world_pod(&w, "web", "", "", "");
		for (k = 0; k < DECISIONS; k++) {
			size_t which = rng_below(&r, ARRAY_SIZE(cases));

			if (rng_chance(&r, 0.5))
				configure(which);
			if (rng_chance(&r, 0.5))
				label_nodes(&r, which, labelled);
			if (rng_chance(&r, 0.2))
				cache_delete_node(w.cache, plan_node((int)rng_below(&r, (uint32_t)plan.nodes)));
			if (rng_chance(&r, 0.2))
				world_take(&w);
			if (!cache_view(w.cache)->count)
				label_nodes(&r, which, labelled);
			world_again(&w, "web");
			first = (struct said){.node = number_of(w.decision.node), .runner_up = number_of(w.decision.runner_up)};
			used = w.decider;
			w.decider = decider_new();
			world_again(&w, "web");
			second = (struct said){.node = number_of(w.decision.node), .runner_up = number_of(w.decision.runner_up)};
			decider_free(w.decider);
			w.decider = used;
			assert_int_equal(first.node, second.node);
			assert_int_equal(first.runner_up, second.runner_up);
		}
		world_end(&w);
	}
}

/* --- what counts as asking ------------------------------------------------------------------------------------------------ */

static void each_way_to_ask_is_one_and_defaults_are_none(void **state)
{
	static const struct {
		const char *labels, *annotations, *node;
	} pods[] = {
		{"", "", "cloud-1"},
		{"\"app\":\"web\"", "\"latency-mesh.io/missing\":\"allow\"", "cloud-1"},
		{"\"delay_edge-1\":\"10\"", "", "edge-1"},
		{"", "\"latency-mesh.io/near\":\"node/edge-1\"", "edge-1"},
		{"", "\"latency-mesh.io/near\":\"mesh\"", "edge-1"},
		{"", "\"latency-mesh.io/within\":\"node/edge-1<=60ms\"", "edge-1"},
		{"", "\"hard_max_latency\":\"60\"", "edge-1"},
		{"", "\"soft_max_latency\":\"1\"", "edge-1"},
	};
	const char *clients[] = {"milan"};
	struct lm_err err;
	size_t i;

	(void)state;
	world_begin(&w, "edge-1 edge-2 cloud-1", "milan");
	world_node(&w, "cloud-1", "\"node-role.kubernetes.io/cloud\":\"\"", "");
	world_rtt(&w, "edge-1", "edge-2", 1000);
	world_rtt(&w, "edge-1", "cloud-1", 50000);
	world_rtt(&w, "edge-2", "cloud-1", 52000);
	world_client(&w, "edge-1", "milan", 500);
	world_client(&w, "edge-2", "milan", 5000);
	world_client(&w, "cloud-1", "milan", 50000);
	ask_free(&w.profile.default_near);
	assert_int_equal(ask_parse_near("defaultNear", "client/milan", &w.profile.default_near, &err), 0);
	w.profile.default_clients = xrealloc(NULL, 1, sizeof(char *));
	w.profile.default_clients[0] = clients[0];
	w.profile.default_client_count = 1;
	for (i = 0; i < ARRAY_SIZE(pods); i++) {
		world_decide(&w, "web", pods[i].labels, pods[i].annotations);
		assert_string_equal(world_chosen(&w), pods[i].node);
	}
	w.profile.max_latency_us = 10000;		/* it may refuse the cloud, but is no wish of the pod's */
	world_decide(&w, "web", "", "");
	assert_string_equal(world_chosen(&w), "edge-1");
	assert_string_equal(world_note(&w), "asks for no latency, but none of the cloud's nodes (1) is feasible");
	w.profile.max_latency_us = 60000;
	world_decide(&w, "web", "", "");
	assert_string_equal(world_chosen(&w), "cloud-1");
	assert_string_equal(world_note(&w), "asks for no latency: to the cloud");
	world_end(&w);
}

/* A DaemonSet's pod is for one node alone, and goes there. */
static void a_pod_of_a_daemon_set_goes_to_its_node(void **state)
{
	static const char *const nodes[] = {"edge-1", "cloud-1"};
	size_t i;

	(void)state;
	world_begin(&w, "edge-1 cloud-1", "");
	world_node(&w, "cloud-1", "\"kubernetes.io/role\":\"cloud\"", "");
	world_rtt(&w, "edge-1", "cloud-1", 1000);
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		auto_free char *spec = xasprintf("\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchFields\":"
						 "[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"%s\"]}]}]}}}", nodes[i]);

		world_pod_of(&w, "agent", "", "", "", "\"ownerReferences\":[{\"controller\":true,\"kind\":\"DaemonSet\",\"name\":\"agent\",\"uid\":\"d\"}]", spec);
		world_again(&w, "agent");
		assert_string_equal(world_chosen(&w), nodes[i]);
	}
	world_end(&w);
}

static void bad_labels_are_refused(void **state)
{
	static const char *const bad[] = {"", " ", "=", "=cloud", "a b", "role=a b", "role=cloud=far", "-role", "x/y/z", "role=-", "kubernetes.io/", "r*le"};
	struct cloud cloud = {0};
	struct lm_err err;
	uint32_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (cloud_add(&cloud, "cloudLabels", bad[i], &err) == 0 || err.code != LM_CONFIG || !strstr(err.msg, "cloudLabels: ") || cloud.count)
			fail_msg("\"%s\": taken, or %s", bad[i], err.msg);
	for (i = 0; i < CLOUD_MAX_LABELS; i++) {
		auto_free char *label = xasprintf("a%u", i);

		assert_int_equal(cloud_add(&cloud, "cloudLabels", label, &err), 0);
		assert_int_equal(cloud_add(&cloud, "cloudLabels", label, &err), -1);
	}
	assert_int_equal(cloud_add(&cloud, "cloudLabels", "more", &err), -1);
	assert_string_equal(err.msg, "cloudLabels: more than 16 labels");
	cloud_free(&cloud);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_that_ask_for_nothing_go_to_the_cloud_and_no_others_do),
		cmocka_unit_test(labels_and_configuration_are_those_of_now),
		cmocka_unit_test(each_way_to_ask_is_one_and_defaults_are_none),
		cmocka_unit_test(a_pod_of_a_daemon_set_goes_to_its_node),
		cmocka_unit_test(bad_labels_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
