/* Verdicts where a target is missing: pods that wait for others, for each other, or for themselves. */
#include "tests/unit/decide_world.h"

static void no_pod_matches(void **state)
{
	(void)state;
	world_decide(&w, "web", "", WITHIN("app=redis<=1ms"));
	assert_true(w.decision.refused_by_pod);
	assert_refused(&w, "0/4 nodes are available: no pod matches app=redis in namespace default (latency-mesh.io/missing: deny).");
	assert_true(w.decision.wake & WAKE_POD_ADDED);
	assert_string_equal(world_reason(&w, "a"), "no pod matches app=redis in namespace default (latency-mesh.io/missing: deny)");
	world_decide(&w, "web", "", WITHIN("prod:app=redis<=1ms") ALLOW);
	assert_feasible(&w, "a b c d");
}

static void other_missing_targets_are_named_too(void **state)
{
	(void)state;
	world_decide(&w, "web", "", WITHIN("node/nowhere<=1ms"));
	assert_refused(&w, "0/4 nodes are available: no node is named nowhere (latency-mesh.io/missing: deny).");
	world_decide(&w, "web", "", WITHIN("zone/mars<=1ms"));
	assert_refused(&w, "0/4 nodes are available: no node is in the zone mars (latency-mesh.io/missing: deny).");
	world_decide(&w, "web", "", WITHIN("client/paris<=1ms"));
	assert_refused(&w, "0/4 nodes are available: no client is named paris in the latency data (latency-mesh.io/missing: deny).");
	world_decide(&w, "web", "\"delay_ghost\":\"5\"", "");
	assert_refused(&w, "0/4 nodes are available: label delay_ghost: no node, client or controller is named ghost and no pod matches "
			   "app=ghost in namespace default (latency-mesh.io/missing: deny).");
}

static void the_first_pod_of_its_own_target_goes_anywhere(void **state)
{
	(void)state;
	world_decide(&w, "x1", "\"app\":\"x\"", WITHIN("app=x<=1ms"));
	assert_feasible(&w, "a b c d");
	assert_string_equal(world_note(&w), "limit to app=x: this pod is the first");
	world_pod(&w, "x0", "b", "\"app\":\"x\"", "");
	world_again(&w, "x1");
	assert_feasible(&w, "a b");				/* the second one does not */
	world_decide(&w, "y1", "\"app\":\"y\",\"delay_y\":\"1\"", "");
	assert_feasible(&w, "a b c d");
}

static void the_first_pod_of_its_own_controller_goes_anywhere(void **state)
{
	(void)state;
	world_pod_of(&w, "cart-1", "", "\"pod-template-hash\":\"6d4f\",\"delay_cart\":\"1\"", "",
		     "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"cart-6d4f\",\"uid\":\"o\",\"controller\":true}]", "");
	world_again(&w, "cart-1");
	assert_feasible(&w, "a b c d");
	assert_string_equal(world_note(&w), "limit to delay_cart: this pod is the first");
}

/* As for a pod that is explained after it was placed. */
static void a_pod_is_never_its_own_target(void **state)
{
	(void)state;
	world_pod(&w, "x1", "c", "\"app\":\"x\"", NEAR("app=x"));
	world_again(&w, "x1");
	assert_string_equal(world_note(&w), "near app=x: this pod is the first");
	assert_null(w.decision.score[SCORE_LATENCY]);
}

static void pods_that_wait_for_each_other_are_named(void **state)
{
	(void)state;
	world_pod(&w, "b-1", "", "\"app\":\"b\"", WITHIN("app=a<=5ms"));
	world_decide(&w, "a-1", "\"app\":\"a\"", WITHIN("app=b<=5ms"));
	assert_refused(&w, "0/4 nodes are available: no pod matches app=b in namespace default (latency-mesh.io/missing: deny); "
			   "pods wait for each other in a cycle: this pod -> default/b-1 -> this pod.");
	world_pod(&w, "b-1", "", "\"app\":\"b\"", WITHIN("app=a<=5ms") ALLOW);
	world_again(&w, "a-1");
	assert_refused(&w, "0/4 nodes are available: no pod matches app=b in namespace default (latency-mesh.io/missing: deny).");
}

static void a_cycle_of_three_by_label(void **state)
{
	(void)state;
	world_pod(&w, "c-1", "", "\"app\":\"cc\",\"delay_aa\":\"5\"", "");
	world_pod(&w, "b-1", "", "\"app\":\"bb\",\"delay_cc\":\"5\"", "");
	world_decide(&w, "a-1", "\"app\":\"aa\",\"delay_bb\":\"5\"", "");
	assert_non_null(strstr(world_message(&w), "cycle: this pod -> default/b-1 -> default/c-1 -> this pod."));
	world_pod(&w, "c-0", "b", "\"app\":\"cc\"", "");	/* now b-1 can go, and then this one */
	world_again(&w, "a-1");
	assert_null(strstr(world_message(&w), "cycle"));
}

/* The search is bounded in all: pods with thousands of limits may wait, and this scheduler must not wait with them. */
static void a_cycle_behind_thousands_of_limits_is_not_sought(void **state)
{
	auto_buf struct buf labels = {0};
	uint32_t i;

	(void)state;
	buf_str(&labels, "\"app\":\"bb\"");
	for (i = 0; i < 5000; i++)
		buf_printf(&labels, ",\"delay_x%u\":\"1\"", i);
	buf_str(&labels, ",\"delay_aa\":\"1\"");
	world_pod(&w, "b-1", "", labels.data, "");
	world_decide(&w, "a-1", "\"app\":\"aa\",\"delay_bb\":\"1\"", "");
	assert_null(strstr(world_message(&w), "cycle"));
	world_pod(&w, "b-0", "", "\"app\":\"bb\",\"delay_cc\":\"1\",\"delay_aa\":\"1\"", "");
	world_again(&w, "a-1");
	assert_non_null(strstr(world_message(&w), "cycle: this pod -> default/b-0 -> this pod"));
}

static void a_pod_that_only_waits_for_a_cycle_is_in_none(void **state)
{
	(void)state;
	world_pod(&w, "p-1", "", "\"app\":\"p\"", WITHIN("app=q<=5ms"));
	world_pod(&w, "q-1", "", "\"app\":\"q\"", WITHIN("app=p<=5ms"));
	world_decide(&w, "a-1", "\"app\":\"aa\"", WITHIN("app=p<=5ms"));
	assert_refused(&w, "0/4 nodes are available: no pod matches app=p in namespace default (latency-mesh.io/missing: deny).");
}

static void near_without_pods_drops(void **state)
{
	(void)state;
	world_decide(&w, "web", "", NEAR("app=redis,node/c"));
	assert_string_equal(world_chosen(&w), "c");
	assert_true(world_score(&w, SCORE_LATENCY, "a") > 0);
	assert_string_equal(world_note(&w), "near app=redis: nothing is there yet, so it does not count");
	world_decide(&w, "web", "", NEAR("app=redis"));
	assert_null(w.decision.score[SCORE_LATENCY]);
	assert_feasible(&w, "a b c d");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(no_pod_matches),
		T(other_missing_targets_are_named_too),
		T(the_first_pod_of_its_own_target_goes_anywhere), T(the_first_pod_of_its_own_controller_goes_anywhere),
		T(a_pod_is_never_its_own_target),
		T(pods_that_wait_for_each_other_are_named), T(a_cycle_of_three_by_label),
		T(a_cycle_behind_thousands_of_limits_is_not_sought),
		T(a_pod_that_only_waits_for_a_cycle_is_in_none), T(near_without_pods_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
