/* Verdicts: hard limits with and without data, switches, and the words that a user reads. u-decide-targets.c has targets that are missing. */
#include <math.h>
#include <stdio.h>

#include "tests/unit/decide_world.h"

/* --- limits -------------------------------------------------------------------------------------------------------------- */

static void a_limit_holds_up_to_its_value(void **state)
{
	(void)state;
	world_decide(&w, "web", "\"delay_a\":\"2\"", "");
	assert_feasible(&w, "a b c");
	world_decide(&w, "web", "\"delay_a\":\"1.999\"", "");
	assert_feasible(&w, "a b");
	assert_string_equal(world_reason(&w, "c"), "node(s) exceeded the latency limit to a (label delay_a)");
	assert_string_equal(world_reason(&w, "d"), "node(s) had no latency data to a (label delay_a)");
	world_decide(&w, "web", "\"delay_a\":\"0\"", "");
	assert_feasible(&w, "a");				/* the same node */
}

static void limits_compare_the_median_without_jitter_and_loss(void **state)
{
	(void)state;
	world_link(&w, "a", "b", 1000, 5000, 0.5);
	world_decide(&w, "web", "", WITHIN("node/a<=1ms"));
	assert_feasible(&w, "a b");
}

static void all_delay_labels_have_to_hold(void **state)
{
	(void)state;
	world_decide(&w, "web", "\"delay_a\":\"1\",\"delay_c\":\"2\"", "");
	assert_feasible(&w, "a");
	assert_string_equal(world_chosen(&w), "a");
	assert_string_equal(world_message(&w),
			    "1/4 nodes are available: 1 node(s) exceeded the latency limit to a (label delay_a), "
			    "1 node(s) exceeded the latency limit to c (label delay_c), 1 node(s) had no latency data to a (label delay_a).");
}

static void of_two_directions_the_larger_counts(void **state)
{
	(void)state;
	world_link(&w, "b", "a", 1500, 0, 0);
	world_decide(&w, "web", "", WITHIN("node/a<=1.2ms"));
	assert_feasible(&w, "a");
	world_link(&w, "a", "b", NAN, NAN, 0);		/* one is known */
	world_take(&w);
	world_decide(&w, "web", "", WITHIN("node/a<=1.5ms"));
	assert_feasible(&w, "a b");
}

static void missing_allow_lets_unknown_nodes_pass(void **state)
{
	(void)state;
	world_decide(&w, "web", "", WITHIN("node/a<=1ms") ALLOW);
	assert_feasible(&w, "a b d");
	assert_string_equal(world_chosen(&w), "a");
}

static void to_several_nodes_every_known_one_has_to_hold(void **state)
{
	(void)state;
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "c", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", WITHIN("app=x<=2ms"));
	assert_feasible(&w, "a c");
	assert_string_equal(world_reason(&w, "b"), "node(s) exceeded the latency limit to app=x");
	world_decide(&w, "web", "", WITHIN("any:app=x<=1ms"));
	assert_feasible(&w, "a b c");
}

static void an_unknown_leg_of_several_follows_missing(void **state)
{
	(void)state;
	world_pod(&w, "x1", "a", "\"app\":\"x\"", "");
	world_pod(&w, "x2", "d", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", WITHIN("app=x<=1ms"));
	assert_string_equal(world_chosen(&w), "-");
	assert_string_equal(world_message(&w),
			    "0/4 nodes are available: 1 node(s) exceeded the latency limit to app=x, 3 node(s) had no latency data to app=x.");
	world_decide(&w, "web", "", WITHIN("app=x<=1ms") ALLOW);
	assert_feasible(&w, "a b d");
	world_decide(&w, "web", "", WITHIN("any:app=x<=1ms"));
	assert_feasible(&w, "a b d");			/* the nearest known one is enough */
}

static void a_zone_and_the_mesh_can_be_limited(void **state)
{
	(void)state;
	world_node(&w, "b", "\"topology.kubernetes.io/zone\":\"eu\"", "");
	world_decide(&w, "web", "", WITHIN("zone/eu<=1ms"));
	assert_feasible(&w, "a b");
	world_decide(&w, "web", "", WITHIN("mesh<=1.5ms"));
	assert_feasible(&w, "a");				/* means: a 1.5, b 2, c 2.5, d unknown */
	world_decide(&w, "web", "", WITHIN("any:mesh<=1.5ms"));
	assert_feasible(&w, "a b");
}

static void a_client_can_be_limited(void **state)
{
	(void)state;
	world_decide(&w, "web", "\"delay_milan\":\"20\"", "");
	assert_feasible(&w, "a b");
	world_decide(&w, "web", "", WITHIN("client/rome<=1s"));
	assert_string_equal(world_message(&w), "0/4 nodes are available: 4 node(s) had no latency data to client/rome.");
}

static void hard_max_latency_is_to_the_nearest_default_client(void **state)
{
	static const char *clients[] = {"rome", "milan"};

	(void)state;
	world_client(&w, "c", "rome", 5000);
	w.profile.default_clients = clients;
	w.profile.default_client_count = 2;
	world_decide(&w, "web", "", "\"hard_max_latency\":\"10\"");
	assert_feasible(&w, "a c");
	assert_string_equal(world_reason(&w, "b"), "node(s) exceeded the latency limit to the default clients (annotation hard_max_latency)");
	w.profile.default_clients = NULL;
	w.profile.default_client_count = 0;
	world_decide(&w, "web", "", "\"hard_max_latency\":\"10\"");
	assert_refused(&w, "0/4 nodes are available: annotation hard_max_latency: none of the configured default clients is in the latency "
			   "data (latency-mesh.io/missing: deny).");
}

static void data_older_than_10_periods_follow_missing(void **state)
{
	(void)state;
	world_decide(&w, "web", "", WITHIN("node/a<=1ms"));
	w.mono_ms = 599000;
	world_again(&w, "web");
	assert_feasible(&w, "a b");
	w.mono_ms = 601000;
	world_again(&w, "web");
	assert_feasible(&w, "a");				/* the same node needs no data */
	assert_string_equal(world_reason(&w, "b"), "node(s) had no latency data to node/a");
	world_decide(&w, "web", "", WITHIN("node/a<=1ms") ALLOW);
	assert_feasible(&w, "a b c d");
}

static void the_older_row_that_is_used_counts(void **state)
{
	(void)state;
	world_age(&w, "b", 601);
	world_link(&w, "b", "c", NAN, NAN, NAN);	/* b-c is known from c alone, which is fresh */
	world_decide(&w, "web", "", WITHIN("node/b<=3ms"));
	assert_feasible(&w, "b c");				/* a-b uses b's dead row too */
}

static void a_lost_pair_is_unknown_while_its_row_is_fresh(void **state)
{
	(void)state;
	world_link(&w, "b", "a", NAN, NAN, 1);		/* b says that a does not answer; a has heard b */
	world_decide(&w, "web", "", WITHIN("node/a<=2ms"));
	assert_feasible(&w, "a c");
	assert_string_equal(world_reason(&w, "b"), "node(s) had no latency data to node/a");
	world_age(&w, "b", 181);			/* b's word is old now */
	world_take(&w);
	world_again(&w, "web");
	assert_feasible(&w, "a b c");
}

static void without_any_latency_data_only_the_same_node_holds(void **state)
{
	(void)state;
	w.without_mesh = true;
	world_decide(&w, "web", "", WITHIN("node/a<=1ms"));
	assert_feasible(&w, "a");
	world_decide(&w, "web", "", WITHIN("client/milan<=1ms"));
	assert_string_equal(world_message(&w), "0/4 nodes are available: 4 node(s) had no latency data to client/milan.");
}

static void s1_without_a_matrix_pods_are_placed_by_the_rest(void **state)
{
	(void)state;
	w.without_mesh = true;
	world_node_of(&w, "c", "", "", "\"cpu\":\"64\",\"memory\":\"256Gi\",\"pods\":\"110\"");
	world_pod_of(&w, "web", "", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]");
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "c");
	assert_null(w.decision.score[SCORE_LATENCY]);
	assert_null(w.decision.score[SCORE_CPU]);
}

static void s8_a_node_without_data_is_placed_last_and_a_row_without_node_is_ignored(void **state)
{
	(void)state;
	world_node(&w, "e", "", "");			/* in the API, not in the matrix */
	cache_delete_node(w.cache, "b");		/* in the matrix, not in the API */
	world_decide(&w, "web", "", NEAR("node/a"));
	assert_string_equal(world_chosen(&w), "a");
	assert_true(world_score(&w, SCORE_LATENCY, "e") == 0);
	assert_int_equal(w.decision.count, 4);
}

static void the_latency_refusal_can_be_switched_off(void **state)
{
	(void)state;
	w.profile.refuse_latency = false;
	world_decide(&w, "web", "\"delay_a\":\"0.1\"", WITHIN("app=nothing<=1ms"));
	assert_feasible(&w, "a b c d");
	assert_string_equal(world_chosen(&w), "a");	/* it still ranks */
}

static void more_limits_than_a_verdict_can_name(void **state)
{
	static char labels[16384];
	size_t used = 0;
	uint32_t i;

	(void)state;
	for (i = 0; i < 200; i++)
		used += (size_t)snprintf(labels + used, sizeof(labels) - used, "\"delay_n%u\":\"1\",", i);
	snprintf(labels + used, sizeof(labels) - used, "\"delay_a\":\"1\"");
	for (i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		world_node(&w, name, "", "");
	}
	world_decide(&w, "web", labels, "\"latency-mesh.io/missing\":\"allow\"");
	assert_string_equal(world_reason(&w, "c"), "node(s) exceeded the latency limit to one of the many targets");
}

/* Four targets on each of 5,000 nodes would hold up all other pods for a second and more. */
static void a_pod_whose_targets_cost_too_much_is_refused(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 5010; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		world_node(&w, name, "\"topology.kubernetes.io/zone\":\"z\"", "");
	}
	world_decide(&w, "four", "", WITHIN("zone/z<=1ms, any:zone/z<=1ms") "," NEAR("zone/z, any:zone/z") ALLOW);
	assert_refused(&w, "0/5014 nodes are available: its latency targets make 100480560 pairs with the nodes, more than this scheduler looks at "
			   "for one pod (100000000).");
	assert_true(w.decision.wake & WAKE_POD_FREED);	/* there may be fewer then */
	world_decide(&w, "one", "", NEAR("zone/z"));
	assert_int_equal(w.decision.feasible, 5014);
}

/* --- the pod itself --------------------------------------------------------------------------------------------------------- */

static void a_bad_annotation_is_the_reason(void **state)
{
	(void)state;
	world_decide(&w, "web", "", NEAR("redis*0"));
	assert_true(w.decision.refused_by_pod);
	assert_int_equal(w.decision.feasible, 0);
	assert_refused(&w, "0/4 nodes are available: annotation latency-mesh.io/near, item 1 \"redis*0\": the weight `0` is not in (0,1000].");
	assert_string_equal(world_note(&w), "");
}

static void entry_without_data_drops(void **state)
{
	(void)state;
	world_decide(&w, "web", "", NEAR("entry"));
	assert_int_equal(w.decision.feasible, 4);
	assert_null(w.decision.score[SCORE_LATENCY]);
	world_decide(&w, "redis", "", NEAR("entry,node/b"));
	assert_string_equal(world_chosen(&w), "b");
}

static void an_unsupported_field_is_named(void **state)
{
	(void)state;
	world_pod_of(&w, "web", "", "", "", "", "\"resourceClaims\":[{\"name\":\"gpu\"}]");
	world_again(&w, "web");
	assert_refused(&w, "0/4 nodes are available: the pod uses spec.resourceClaims, which this scheduler does not support yet.");
}

static void no_nodes_at_all(void **state)
{
	(void)state;
	cache_delete_node(w.cache, "a");
	cache_delete_node(w.cache, "b");
	cache_delete_node(w.cache, "c");
	cache_delete_node(w.cache, "d");
	world_decide(&w, "web", "", NEAR("mesh"));
	assert_refused(&w, "no nodes available to schedule pods");
	assert_int_equal(w.decision.wake, WAKE_NODE_ADDED);
	world_pod_of(&w, "named", "", "", "", "",
		     "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":"
		     "[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"a\"]},"
		     "{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"b\"]}]}]}}}");
	world_again(&w, "named");
	assert_refused(&w, "no nodes available to schedule pods");
}

static void reasons_are_counted_and_sorted_as_text(void **state)
{
	(void)state;
	world_node(&w, "a", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]");
	world_node(&w, "b", "", "\"unschedulable\":true");
	world_pod_of(&w, "web", "", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100\",\"memory\":\"100Gi\"}}}]");
	world_again(&w, "web");
	assert_non_null(strstr(world_message(&w), "0/4 nodes are available: 1 node(s) "));
	assert_non_null(strstr(world_message(&w), "2 Insufficient cpu, 2 Insufficient memory."));
	assert_string_equal(world_reason(&w, "c"), "Insufficient cpu, Insufficient memory");
	assert_true(w.decision.wake & WAKE_POD_FREED);
}

/* --- what a decision shows ---------------------------------------------------------------------------------------------------- */

static void a_decision_tells_the_round_trip_and_the_runner_up(void **state)
{
	int32_t b = 1;

	(void)state;
	world_pod(&w, "x1", "c", "\"app\":\"x\"", "");
	world_decide(&w, "web", "", NEAR("app=x"));
	assert_string_equal(world_chosen(&w), "c");
	assert_string_equal(w.in.view->nodes[w.decision.runner_up].node->name, "a");
	b = cache_find_node(w.cache, "b");
	assert_float_equal(w.decision.rtt_us[b], 3000, 1e-3);
	assert_float_equal(w.decision.cost_us[b], 3000, 1e-3);
	assert_true(isnan(w.decision.cost_us[cache_find_node(w.cache, "d")]));
	world_pod(&w, "x2", "a", "\"app\":\"x\"", "");
	world_again(&w, "web");
	assert_float_equal(w.decision.rtt_us[b], 2000, 1e-3);
	world_decide(&w, "web", "", NEAR("any:app=x"));
	assert_float_equal(w.decision.rtt_us[b], 1000, 1e-3);
}

static void one_feasible_node_has_no_runner_up(void **state)
{
	(void)state;
	world_decide(&w, "web", "\"delay_a\":\"0\"", "");
	assert_string_equal(world_chosen(&w), "a");
	assert_int_equal(w.decision.runner_up, -1);
}

/* The look-ups of a decider follow what changes under it. */
static void a_decider_is_used_again_after_nodes_and_matrix_changed(void **state)
{
	(void)state;
	world_decide(&w, "web", "", NEAR("node/c"));
	assert_string_equal(world_chosen(&w), "c");
	cache_delete_node(w.cache, "c");
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "a");
	world_node(&w, "c", "", "");
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "c");
	world_node(&w, "c", "", "\"unschedulable\":true");
	world_rtt(&w, "c", "b", 10);
	world_take(&w);
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "b");
}

/* Every filter can say why, whatever pod it is. */
static void filters_have_names_and_reasons(void **state)
{
	unsigned i;

	(void)state;
	assert_true(filter_count > 3);
	assert_string_equal(filter_table[filter_count - 3]->name, "Latency");
	assert_string_equal(filter_table[filter_count - 2]->name, "MaxLatency");
	assert_string_equal(filter_table[filter_count - 1]->name, "CPUHeadroom");
	for (i = 0; i < filter_count; i++) {
		assert_non_null(filter_table[i]->name);
		assert_true(filter_table[i]->filter ? filter_table[i]->reason != NULL : filter_table[i]->prefilter != NULL);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(a_limit_holds_up_to_its_value), T(limits_compare_the_median_without_jitter_and_loss), T(all_delay_labels_have_to_hold),
		T(of_two_directions_the_larger_counts), T(missing_allow_lets_unknown_nodes_pass),
		T(to_several_nodes_every_known_one_has_to_hold), T(an_unknown_leg_of_several_follows_missing),
		T(a_zone_and_the_mesh_can_be_limited), T(a_client_can_be_limited), T(hard_max_latency_is_to_the_nearest_default_client),
		T(data_older_than_10_periods_follow_missing), T(the_older_row_that_is_used_counts),
		T(a_lost_pair_is_unknown_while_its_row_is_fresh), T(without_any_latency_data_only_the_same_node_holds),
		T(s1_without_a_matrix_pods_are_placed_by_the_rest),
		T(s8_a_node_without_data_is_placed_last_and_a_row_without_node_is_ignored), T(the_latency_refusal_can_be_switched_off),
		T(more_limits_than_a_verdict_can_name), T(a_pod_whose_targets_cost_too_much_is_refused),
		T(a_bad_annotation_is_the_reason),
		T(entry_without_data_drops), T(an_unsupported_field_is_named), T(no_nodes_at_all), T(reasons_are_counted_and_sorted_as_text),
		T(a_decision_tells_the_round_trip_and_the_runner_up), T(one_feasible_node_has_no_runner_up),
		T(a_decider_is_used_again_after_nodes_and_matrix_changed), T(filters_have_names_and_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
