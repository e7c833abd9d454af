/* The score terms and the total, number by number. */
#include "tests/testing/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""

static struct world w;

static int begin(void **state)
{
	*state = &w;
	world_begin(&w, "a b c d", "milan rome");
	world_rtts(&w, "a-b 1000, a-c 4000, b-c 2000");
	return 0;
}

static void assert_latency(const char *node, double score)
{
	assert_float_equal(world_score(&w, SCORE_LATENCY, node), score, 1e-3);
}

static void assert_total(const char *node, double total)
{
	assert_float_equal(world_total(&w, node), total, 1e-3);
}

/* The target's own node cannot be taken, so that the best is not 0. */
static void close_node(const char *name)
{
	world_node(&w, name, "", "\"unschedulable\":true");
}

static void load(double a, double b, double c, double d)
{
	world_cpu(&w, "a", a);
	world_cpu(&w, "b", b);
	world_cpu(&w, "c", c);
	world_cpu(&w, "d", d);
}

/* --- latency ------------------------------------------------------------------------------------------------------------- */

static void best_over_this(void **state)
{
	(void)state;
	close_node("a");
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_latency("b", 100);
	assert_latency("c", 25);
	assert_latency("d", 0);				/* unknown */
	assert_true(isnan(world_score(&w, SCORE_LATENCY, "a")));
}

static void both_are_at_least_50_us(void **state)
{
	(void)state;
	world_rtt(&w, "a", "b", 49);
	world_rtt(&w, "a", "c", 100);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_latency("a", 100);			/* the same node: 0 */
	assert_latency("b", 100);
	assert_latency("c", 50);
}

static void jitter_and_loss_cost_beyond_what_is_free(void **state)
{
	(void)state;
	close_node("a");
	world_link(&w, "b", "a", 1000, 50, 0.01);	/* free */
	world_link(&w, "c", "a", 1000, 550, 0);		/* 500 us more */
	world_link(&w, "a", "c", 1000, 0, 0);
	world_link(&w, "d", "a", 1000, 0, 0.06);	/* 5 % x 200 ms = 10 ms */
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_latency("b", 100);
	assert_latency("c", 100 / 1.5);
	assert_latency("d", 100 / 11.0);
}

static void several_nodes_are_a_mean_by_pods(void **state)
{
	(void)state;
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "c", "\"app\":\"x\"", "");
	world_pod(&w, "x3", "c", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", NEAR("app=x"));
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "a")], 2666.667f, 0.01);
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "b")], 1666.667f, 0.01);
	assert_latency("c", 100);			/* 4000 / 3 */
	assert_latency("b", 80);
	assert_latency("a", 50);
	world_decide(&w, "web", "", NEAR("any:app=x"));
	assert_latency("a", 100);
	assert_latency("c", 100);
	assert_latency("b", 5);				/* 1000 against 0, which counts 50 */
}

static void an_unknown_leg_counts_a_second(void **state)
{
	(void)state;
	world_rtt(&w, "a", "d", 1000);			/* d: known to a alone */
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "d", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", NEAR("app=x"));
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "b")], (1000 + 1e6) / 2, 1);
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "a")], 500, 0.01);
	world_rtt(&w, "b", "c", 3e6);			/* the worst is more than a second */
	world_take(&w);
	world_again(&w, "web");
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "b")], (1000 + 3e6) / 2, 1);
}

/* A bad known leg costs no more than an unknown one: else a node would gain by losing it. */
static void a_known_leg_never_costs_more_than_an_unknown_one(void **state)
{
	(void)state;
	world_link(&w, "b", "d", 990e3, 0, 0.9);	/* loss makes it 1.168 s */
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "d", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", NEAR("app=x"));
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "b")], (1000 + 1e6) / 2, 1);
	world_decide(&w, "plain", "", "");		/* in the mean over the mesh too */
	assert_float_equal(w.decision.cost_us[cache_find_node(w.cache, "b")], (1000 + 2000 + 1e6) / 3, 1);
}

/* A replica on a node that nobody measures would make all nodes look alike. */
static void a_leg_that_is_unknown_everywhere_drops(void **state)
{
	(void)state;
	world_node(&w, "e", "", "\"unschedulable\":true");
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "e", "\"app\":\"x\"", "");
	close_node("a");
	world_decide(&w, "web", "", NEAR("app=x"));
	assert_latency("b", 100);
	assert_latency("c", 25);
}

static void several_items_are_one_weighted_mean(void **state)
{
	(void)state;
	world_client(&w, "a", "milan", 10000);
	world_client(&w, "b", "milan", 4000);
	world_client(&w, "c", "milan", 1000);
	close_node("a");
	world_decide(&w, "web", "", NEAR("node/a*3,client/milan"));
	/* b: (3 x 1 + 4) / 4 = 1.75 ms, c: (3 x 4 + 1) / 4 = 3.25 ms */
	assert_latency("b", 100);
	assert_latency("c", 100 * 1.75 / 3.25);
}

static void an_item_unknown_on_every_node_drops(void **state)
{
	(void)state;
	close_node("a");
	world_decide(&w, "web", "", NEAR("node/a,client/rome*1000"));
	assert_latency("b", 100);
	assert_latency("c", 25);
	world_decide(&w, "web", "", NEAR("client/rome"));
	assert_null(w.decision.score[SCORE_LATENCY]);
}

static void soft_max_latency_is_full_marks_up_to_its_value(void **state)
{
	static const char *clients[] = {"milan"};

	(void)state;
	w.profile.default_clients = clients;
	w.profile.default_client_count = 1;
	world_client(&w, "a", "milan", 5000);
	world_client(&w, "b", "milan", 40000);
	world_client(&w, "c", "milan", 80000);
	world_decide(&w, "web", "", "\"soft_max_latency\":\"40\"");
	assert_latency("a", 100);
	assert_latency("b", 100);
	assert_latency("c", 50);
	assert_latency("d", 0);
	w.profile.default_clients = NULL;
	w.profile.default_client_count = 0;
}

static void the_default_is_the_mean_over_the_mesh(void **state)
{
	(void)state;
	world_decide(&w, "web", "", "");		/* means: a 2.5, b 1.5, c 3 ms; nobody knows d */
	assert_latency("b", 100);
	assert_latency("a", 60);
	assert_latency("c", 50);
	assert_latency("d", 0);
}

static void limits_alone_rank_by_their_targets(void **state)
{
	(void)state;
	close_node("a");
	world_decide(&w, "web", "\"delay_a\":\"100\"", "");
	assert_latency("b", 100);
	assert_latency("c", 25);
}

static void the_age_factor_is_of_the_older_row(void **state)
{
	(void)state;
	close_node("a");
	world_age(&w, "b", 390);			/* half between 3 and 10 periods */
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_latency("b", 50);
	assert_latency("c", 25);
	w.mono_ms = 300000;				/* 5 minutes later: b is dead, the others are at 5 periods */
	world_again(&w, "web");
	assert_latency("b", 0);
	assert_latency("c", 100 * 5 / 7.0);
}

static void the_mesh_ages_by_the_own_row(void **state)
{
	(void)state;
	world_age(&w, "b", 390);
	world_decide(&w, "web", "", "");
	assert_latency("b", 50);
	assert_latency("a", 60);
	world_link(&w, "c", "a", NAN, NAN, NAN);	/* c reports nothing: the mean of the rows of a and b counts */
	world_link(&w, "c", "b", NAN, NAN, NAN);
	world_take(&w);
	world_again(&w, "web");
	assert_latency("c", 50 * 0.75);
}

static void s2_old_data_decay_to_neutral(void **state)
{
	(void)state;
	load(0.1, 0.2, 0.3, 0.4);
	close_node("a");
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_true(w.decision.score[SCORE_LATENCY] && w.decision.score[SCORE_CPU]);
	w.mono_ms = 599000;
	world_again(&w, "web");
	assert_true(world_score(&w, SCORE_LATENCY, "b") < 1);
	w.mono_ms = 601000;
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_LATENCY]);
	assert_null(w.decision.score[SCORE_CPU]);
	assert_total("b", 0);
	assert_true(w.decision.node >= 0);
}

/* --- cpu ------------------------------------------------------------------------------------------------------------------ */

/* At 10 periods data are known still, and worth nothing. */
static void scores_of_0_alone_drop(void **state)
{
	(void)state;
	world_age(&w, "a", 600);
	world_age(&w, "b", 600);
	world_age(&w, "c", 600);
	close_node("a");
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_null(w.decision.score[SCORE_LATENCY]);
	assert_float_equal(w.decision.rtt_us[cache_find_node(w.cache, "b")], 1000, 0.01);
}

static void cpu_is_what_is_left(void **state)
{
	(void)state;
	load(0.25, 0, 0.5, 0.1);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_float_equal(world_score(&w, SCORE_CPU, "a"), 75, 1e-3);
	assert_float_equal(world_score(&w, SCORE_CPU, "b"), 100, 1e-3);
	assert_total("a", 0.7 * 100 + 0.3 * 75);
	assert_total("b", 0.7 * 5 + 0.3 * 100);
}

static void a_busy_node_loses_15_points(void **state)
{
	(void)state;
	load(0.7, 0.69, 0, 0);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_total("a", 70 + 0.3 * 30 - 15);
	assert_total("b", 0.7 * 5 + 0.3 * 31);
}

static void the_cpu_term_drops_when_a_feasible_node_lacks_it(void **state)
{
	(void)state;
	load(0.7, 0.2, 0.1, NAN);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_null(w.decision.score[SCORE_CPU]);
	assert_total("a", 100);
	assert_total("b", 5);
	close_node("d");				/* it is not feasible any more */
	world_again(&w, "web");
	assert_non_null(w.decision.score[SCORE_CPU]);
}

/* Ageing must not lift a node, and neither must a term that drops with it. */
static void dead_load_counts_as_the_worst(void **state)
{
	(void)state;
	load(0.1, 0.2, 0.1, 0.1);
	world_age(&w, "b", 601);
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_float_equal(world_score(&w, SCORE_CPU, "b"), 0, 1e-6);
	assert_total("b", 0);
	assert_float_equal(world_score(&w, SCORE_CPU, "a"), 90, 1e-3);
}

/* --- free ------------------------------------------------------------------------------------------------------------------ */

static void free_counts_the_pod(void **state)
{
	static const char request[] = "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"4Gi\"}}}]";

	(void)state;
	world_node_of(&w, "a", "", "", "\"cpu\":\"4\",\"memory\":\"16Gi\",\"pods\":\"110\"");
	world_pod_of(&w, "there", "a", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"8Gi\"}}}]");
	world_pod_of(&w, "web", "", "", "", "", request);
	world_again(&w, "web");
	assert_float_equal(world_score(&w, SCORE_FREE, "a"), 100 * (0.25 + 0.25) / 2, 1e-3);
	assert_float_equal(world_score(&w, SCORE_FREE, "b"), 100 * (0.75 + 0.75) / 2, 1e-3);
	assert_float_equal(world_total(&w, "b"), (0.5 * 100 + 0.3 * 75) / 0.8, 1e-2);
}

static void nothing_is_free_where_nothing_is_allocatable(void **state)
{
	(void)state;
	world_node_of(&w, "a", "", "", "\"pods\":\"110\"");
	world_decide(&w, "web", "", "");
	assert_float_equal(world_score(&w, SCORE_FREE, "a"), 0, 1e-6);
}

/* --- totals and ties ---------------------------------------------------------------------------------------------------------- */

static void weights_of_the_profile(void **state)
{
	(void)state;
	load(0.25, 0, 0.5, 0.1);
	w.profile.weight_asking[SCORE_LATENCY] = 0;
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_null(w.decision.score[SCORE_LATENCY]);
	assert_total("c", 50);
	w.profile.weight_asking[SCORE_CPU] = 0;
	world_again(&w, "web");
	assert_total("c", 0);				/* no term is left, and ties decide */
	assert_true(w.decision.node >= 0);
}

static const char *owned(const char *name, const char *node)
{
	world_pod_of(&w, name, node, "", NEAR("client/rome"), "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"rs-1\","
		     "\"controller\":true}]", "");
	return name;
}

static void ties_go_to_the_fewest_pods_of_the_owner(void **state)
{
	(void)state;
	owned("r1", "a");
	owned("r2", "b");
	owned("r3", "d");
	owned("r4", "");
	world_again(&w, "r4");
	assert_string_equal(world_chosen(&w), "c");
}

static void then_to_the_most_free(void **state)
{
	(void)state;
	world_pod_of(&w, "there", "a", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]");
	world_pod_of(&w, "there2", "b", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]");
	world_pod_of(&w, "there3", "d", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]");
	world_decide(&w, "web", "", NEAR("client/rome"));
	assert_string_equal(world_chosen(&w), "c");
}

static void then_to_a_hash_that_spreads(void **state)
{
	uint32_t hits[4] = {0}, i;

	(void)state;
	for (i = 0; i < 400; i++) {
		char name[16];

		snprintf(name, sizeof(name), "web-%u", i);
		world_decide(&w, name, "", NEAR("client/rome"));
		hits[w.decision.node]++;
		cache_delete_pod(w.cache, w.in.pod->uid);
	}
	for (i = 0; i < 4; i++)
		assert_in_range(hits[i], 50, 150);
}

static void a_point_is_a_tie_and_more_is_none(void **state)
{
	(void)state;
	close_node("a");
	close_node("d");
	world_rtt(&w, "a", "b", 10000);
	world_rtt(&w, "a", "c", 10090);			/* 99.1 points */
	world_pod_of(&w, "there", "b", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]");
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_string_equal(world_chosen(&w), "c");
	assert_string_equal(w.in.view->nodes[w.decision.runner_up].node->name, "b");
	world_rtt(&w, "a", "c", 10110);			/* 98.9 */
	world_take(&w);
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "b");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(best_over_this), T(both_are_at_least_50_us), T(jitter_and_loss_cost_beyond_what_is_free),
		T(several_nodes_are_a_mean_by_pods), T(an_unknown_leg_counts_a_second), T(a_leg_that_is_unknown_everywhere_drops),
		T(a_known_leg_never_costs_more_than_an_unknown_one),
		T(several_items_are_one_weighted_mean), T(an_item_unknown_on_every_node_drops),
		T(soft_max_latency_is_full_marks_up_to_its_value), T(the_default_is_the_mean_over_the_mesh),
		T(limits_alone_rank_by_their_targets), T(the_age_factor_is_of_the_older_row), T(the_mesh_ages_by_the_own_row),
		T(s2_old_data_decay_to_neutral), T(scores_of_0_alone_drop), T(cpu_is_what_is_left), T(a_busy_node_loses_15_points),
		T(the_cpu_term_drops_when_a_feasible_node_lacks_it), T(dead_load_counts_as_the_worst), T(free_counts_the_pod),
		T(nothing_is_free_where_nothing_is_allocatable), T(weights_of_the_profile), T(ties_go_to_the_fewest_pods_of_the_owner),
		T(then_to_the_most_free), T(then_to_a_hash_that_spreads), T(a_point_is_a_tie_and_more_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
