/* The filter MaxLatency: what maxLatency and noData of the configuration refuse, and whom they leave alone. */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"

#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""
#define WITHIN(list) "\"latency-mesh.io/within\":\"" list "\""
#define MISSING(word) "\"latency-mesh.io/missing\":\"" word "\""

static struct world w;

/* To milan: a 40 ms, b 50 ms, c 60 ms; d is unknown. */
static int begin(void **state)
{
	*state = &w;
	world_begin(&w, "a b c d", "milan rome");
	world_client(&w, "a", "milan", 40000);
	world_client(&w, "b", "milan", 50000);
	world_client(&w, "c", "milan", 60000);
	world_near_by_default(&w, "client/milan");
	w.profile.max_latency_us = 50000;
	return 0;
}

static void beyond_it_is_refused_and_without_data_passes(void **state)
{
	(void)state;
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "a b d");
	assert_string_equal(world_reason(&w, "c"), "node(s) exceeded the latency limit to client/milan");
	assert_true(w.decision.wake & WAKE_MATRIX);
	assert_string_equal(world_chosen(&w), "a");
}

static void no_data_deny_refuses_without_data(void **state)
{
	(void)state;
	w.profile.deny_no_data = true;
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "a b");
	assert_string_equal(world_reason(&w, "d"), "node(s) had no latency data to client/milan");
}

static void the_pods_own_missing_wins(void **state)
{
	(void)state;
	world_decide(&w, "strict", "", MISSING("deny"));
	assert_feasible(&w, "a b");
	w.profile.deny_no_data = true;
	world_decide(&w, "easy", "", MISSING("allow"));
	assert_feasible(&w, "a b d");
	w.profile.max_latency_us = INFINITY;
	world_decide(&w, "easier", "", MISSING("allow"));
	assert_feasible(&w, "a b c d");
	w.profile.deny_no_data = false;
	world_decide(&w, "unlimited", "", MISSING("deny"));	/* `missing` is of limits, and there is none */
	assert_feasible(&w, "a b c d");
}

static void a_pod_with_a_limit_of_its_own_is_left_alone(void **state)
{
	(void)state;
	w.profile.deny_no_data = true;
	world_decide(&w, "within", "", WITHIN("client/milan<=70ms"));
	assert_feasible(&w, "a b c");
	world_decide(&w, "label", "\"delay_milan\":\"70\"", "");
	assert_feasible(&w, "a b c");
	world_decide(&w, "allowed", "\"delay_milan\":\"70\"", MISSING("allow"));
	assert_feasible(&w, "a b c d");
	w.profile.default_clients = xrealloc(NULL, 1, sizeof(*w.profile.default_clients));
	w.profile.default_clients[0] = "milan";
	w.profile.default_client_count = 1;
	world_decide(&w, "hard", "", "\"hard_max_latency\":\"70\"");
	assert_feasible(&w, "a b c");
	world_decide(&w, "soft", "", "\"soft_max_latency\":\"70\"");	/* no limit: ours holds */
	assert_feasible(&w, "a b");
}

static void a_preference_does_not_lift_it(void **state)
{
	(void)state;
	world_rtt(&w, "c", "d", 100);
	world_decide(&w, "web", "", NEAR("node/c"));
	assert_feasible(&w, "a b d");
	w.profile.deny_no_data = true;
	world_decide(&w, "web2", "", NEAR("node/c"));	/* d knows nothing of milan, a and b nothing of c */
	assert_feasible(&w, "");
	assert_string_equal(world_message(&w), "0/4 nodes are available: 1 node(s) exceeded the latency limit to client/milan, "
			    "1 node(s) had no latency data to client/milan, 2 node(s) had no latency data to node/c.");
}

static void no_data_deny_counts_without_a_limit(void **state)
{
	(void)state;
	w.profile.max_latency_us = INFINITY;
	w.profile.deny_no_data = true;
	world_rtt(&w, "c", "d", 100);
	world_decide(&w, "plain", "", "");
	assert_feasible(&w, "a b c");
	world_decide(&w, "near", "", NEAR("node/d"));
	assert_feasible(&w, "c d");			/* d is 0 from itself */
	world_decide(&w, "both", "", NEAR("node/d, client/milan"));
	assert_feasible(&w, "c");
}

static void old_data_are_none(void **state)
{
	(void)state;
	w.profile.deny_no_data = true;
	world_age(&w, "a", 601);
	world_age(&w, "c", 601);
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "b");
	assert_string_equal(world_reason(&w, "c"), "node(s) had no latency data to client/milan");
	w.profile.deny_no_data = false;
	world_decide(&w, "neutral", "", "");
	assert_feasible(&w, "a b c d");		/* what is known of c no longer counts */
	w.mono_ms = 601000;
	w.profile.deny_no_data = true;
	world_decide(&w, "late", "", "");
	assert_refused(&w, "0/4 nodes are available: 4 node(s) had no latency data to client/milan.");
}

static void without_a_matrix_deny_refuses_all_and_neutral_passes_all(void **state)
{
	(void)state;
	w.without_mesh = true;
	world_decide(&w, "neutral", "", "");
	assert_feasible(&w, "a b c d");
	w.profile.deny_no_data = true;
	world_decide(&w, "deny", "", "");
	assert_refused(&w, "0/4 nodes are available: there are no latency data (noData: deny).");
	assert_true(w.decision.wake & WAKE_MATRIX);
	w.profile.max_latency_us = INFINITY;
	world_decide(&w, "unlimited", "", NEAR("app=redis"));
	assert_refused(&w, "0/4 nodes are available: there are no latency data (noData: deny).");
	world_decide(&w, "spared", "", MISSING("allow"));
	assert_feasible(&w, "a b c d");
	w.profile.deny_no_data = false;
	w.profile.max_latency_us = 50000;
	world_decide(&w, "own", "", MISSING("deny"));
	assert_refused(&w, "0/4 nodes are available: there are no latency data (latency-mesh.io/missing: deny).");
}

static void a_target_that_is_not_there_is_no_data(void **state)
{
	(void)state;
	world_near_by_default(&w, "client/oslo");
	world_decide(&w, "neutral", "", "");
	assert_feasible(&w, "a b c d");
	w.profile.deny_no_data = true;
	world_decide(&w, "deny", "", "");
	assert_refused(&w, "0/4 nodes are available: no client is named oslo in the latency data (noData: deny).");
	w.profile.max_latency_us = INFINITY;
	world_decide(&w, "unlimited", "", "");
	assert_refused(&w, "0/4 nodes are available: no client is named oslo in the latency data (noData: deny).");
}

static void a_preference_for_pods_that_do_not_run_drops(void **state)
{
	(void)state;
	w.profile.deny_no_data = true;
	w.profile.max_latency_us = INFINITY;
	world_decide(&w, "web", "", NEAR("app=redis"));
	assert_feasible(&w, "a b c d");
	world_rtt(&w, "a", "b", 100);
	world_take(&w);
	world_pod(&w, "redis", "b", "\"app\":\"redis\"", "");
	world_again(&w, "web");
	assert_feasible(&w, "a b");
}

static void every_target_of_the_default_counts(void **state)
{
	(void)state;
	world_near_by_default(&w, "client/milan*3, client/rome");
	world_client(&w, "a", "rome", 51000);
	world_client(&w, "b", "rome", 10);
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "b d");
	assert_string_equal(world_reason(&w, "a"), "node(s) exceeded the latency limit to client/rome");
}

static void the_mesh_can_be_the_target(void **state)
{
	(void)state;
	world_near_by_default(&w, "mesh");
	world_rtt(&w, "a", "b", 1000);
	world_rtt(&w, "a", "c", 99000);		/* means: a 50, b 1, c 99 ms */
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "a b d");
	assert_string_equal(world_reason(&w, "c"), "node(s) exceeded the latency limit to mesh");
}

static void refusals_of_latency_switch_both_off(void **state)
{
	(void)state;
	w.profile.refuse_latency = false;
	w.profile.deny_no_data = true;
	world_decide(&w, "web", "", "");
	assert_feasible(&w, "a b c d");
	w.without_mesh = true;
	world_again(&w, "web");
	assert_feasible(&w, "a b c d");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(beyond_it_is_refused_and_without_data_passes), T(no_data_deny_refuses_without_data), T(the_pods_own_missing_wins),
		T(a_pod_with_a_limit_of_its_own_is_left_alone), T(a_preference_does_not_lift_it), T(no_data_deny_counts_without_a_limit),
		T(old_data_are_none), T(without_a_matrix_deny_refuses_all_and_neutral_passes_all), T(a_target_that_is_not_there_is_no_data),
		T(a_preference_for_pods_that_do_not_run_drops), T(every_target_of_the_default_counts), T(the_mesh_can_be_the_target),
		T(refusals_of_latency_switch_both_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
