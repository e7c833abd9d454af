/* From what a pod asks to nodes and clients: which reading of delay_<from>, whose pods count, what is missing. */
#include "tests/testing/world.h"

#include <stdio.h>
#include <string.h>

#include "sched/target.h"

static struct world w;
static struct arena arena;
static struct targets targets;

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c", "milan rome");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 3000");
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(&arena);
	world_end(&w);
	return 0;
}

static const char *name_of(const struct leg *leg)
{
	return leg->view_node < 0 ? "-" : w.in.view->nodes[leg->view_node].node->name;
}

static void resolve(const char *labels, const char *annotations)
{
	world_decide(&w, "web", labels, annotations);
	targets_resolve(&w.in, &arena, &targets);
}

static void assert_from(const char *taken_as, bool ambiguous)
{
	assert_int_equal(targets.within_count, 1);
	if (taken_as)
		assert_string_equal(targets.within[0].taken_as, taken_as);
	else
		assert_null(targets.within[0].taken_as);
	assert_int_equal(targets.within[0].ambiguous, ambiguous);
}

static void a_pod_that_asks_nothing_gets_the_default(void **state)
{
	(void)state;
	resolve("", "");
	assert_false(targets.asking);
	assert_int_equal(targets.near_count, 1);
	assert_true(targets.near[0].is_mesh);
}

static void limits_alone_are_ranked_by_their_targets(void **state)
{
	(void)state;
	resolve("\"delay_a\":\"5\"", "\"latency-mesh.io/within\":\"node/b<=7ms\"");
	assert_true(targets.asking);
	assert_int_equal(targets.near_count, 2);
	assert_ptr_equal(targets.near, targets.within);
	assert_true(targets.near[0].item->weight == 1);
}

static void near_wins_over_limits_for_the_ranking(void **state)
{
	(void)state;
	resolve("\"delay_a\":\"5\"", "\"latency-mesh.io/near\":\"node/c\"");
	assert_int_equal(targets.near_count, 1);
	assert_string_equal(name_of(targets.near[0].legs), "c");
	assert_int_equal(targets.within_count, 1);
}

static void from_is_a_node_first(void **state)
{
	(void)state;
	world_pod(&w, "p", "b", "\"app\":\"a\"", "");
	resolve("\"delay_a\":\"5\"", "");
	assert_from("node", true);
	assert_string_equal(name_of(targets.within[0].legs), "a");
	assert_string_equal(world_note(&w), "delay_a: taken as node/a");
}

static void from_is_a_client_before_pods(void **state)
{
	(void)state;
	world_pod(&w, "p", "b", "\"app\":\"milan\"", "");
	resolve("\"delay_milan\":\"5\"", "");
	assert_from("client", true);
	assert_int_equal(targets.within[0].legs[0].view_node, -1);
	assert_non_null(targets.within[0].legs[0].row.rtt_us);
	assert_string_equal(world_note(&w), "delay_milan: taken as client/milan");
}

static void from_is_an_app_before_a_controller(void **state)
{
	(void)state;
	world_pod(&w, "p", "b", "\"app\":\"redis\"", "");
	world_pod_of(&w, "q", "c", "", "", "\"ownerReferences\":[{\"kind\":\"StatefulSet\",\"name\":\"redis\",\"uid\":\"o\",\"controller\":true}]", "");
	resolve("\"delay_redis\":\"5\"", "");
	assert_from("app", true);
	assert_string_equal(name_of(targets.within[0].legs), "b");
	assert_string_equal(world_note(&w), "delay_redis: taken as app=redis");
}

static void from_is_the_exact_name_of_a_controller(void **state)
{
	(void)state;
	world_pod_of(&w, "q", "c", "\"pod-template-hash\":\"6d4f\"", "",
		     "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"cart-6d4f\",\"uid\":\"o\",\"controller\":true}]", "");
	resolve("\"delay_cart\":\"5\"", "");
	assert_from("controller", false);
	assert_string_equal(name_of(targets.within[0].legs), "c");
	assert_string_equal(world_note(&w), "");
	resolve("\"delay_car\":\"5\"", "");
	assert_from(NULL, false);
	assert_true(targets.within[0].missing);
}

static void an_app_of_another_namespace_is_not_meant(void **state)
{
	(void)state;
	world_pod(&w, "p", "b", "\"app\":\"redis\"", "");
	resolve("", "\"latency-mesh.io/near\":\"prod:app=redis,default:app=redis\"");
	assert_true(targets.near[0].missing);
	assert_false(targets.near[1].missing);
}

static void pods_that_do_not_count(void **state)
{
	(void)state;
	world_pod(&w, "pending", "", "\"app\":\"x\"", "");
	world_pod_of(&w, "going", "a", "\"app\":\"x\"", "", "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "");
	world_pod(&w, "other-label", "b", "\"app\":\"y\"", "");
	resolve("", "\"latency-mesh.io/near\":\"app=x\"");
	assert_true(targets.near[0].missing);
	assert_false(targets.near[0].first);
}

static void an_assumed_pod_counts(void **state)
{
	(void)state;
	world_pod(&w, "soon", "", "\"app\":\"x\"", "");
	assert_true(cache_assume(w.cache, "uid-soon", (uint32_t)cache_find_node(w.cache, "c")));
	resolve("", "\"latency-mesh.io/near\":\"app=x\"");
	assert_false(targets.near[0].missing);
	assert_string_equal(name_of(targets.near[0].legs), "c");
}

static void a_pod_that_matches_its_own_target_may_be_the_first(void **state)
{
	(void)state;
	resolve("\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=x<=1ms,app=y<=1ms\"");
	assert_true(targets.within[0].missing && targets.within[0].first);
	assert_true(targets.within[1].missing && !targets.within[1].first);
	resolve("\"app\":\"x\"", "\"latency-mesh.io/within\":\"prod:app=x<=1ms\"");
	assert_false(targets.within[0].first);
}

static void legs_are_weighted_by_pods_and_sorted_by_name(void **state)
{
	(void)state;
	world_pod(&w, "p1", "c", "\"app\":\"x\"", "");
	world_pod(&w, "p2", "a", "\"app\":\"x\"", "");
	world_pod(&w, "p3", "c", "\"app\":\"x\"", "");
	resolve("", "\"latency-mesh.io/near\":\"app=x\"");
	assert_int_equal(targets.near[0].count, 2);
	assert_string_equal(name_of(&targets.near[0].legs[0]), "a");
	assert_string_equal(name_of(&targets.near[0].legs[1]), "c");
	assert_true(targets.near[0].legs[0].weight == 1 && targets.near[0].legs[1].weight == 2);
}

static void many_nodes_of_one_selector(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 40; i++) {
		char node[16], pod[16];

		snprintf(node, sizeof(node), "n%02u", i);
		snprintf(pod, sizeof(pod), "x%02u", i);
		world_node(&w, node, "", "");
		world_pod(&w, pod, node, "\"app\":\"x\"", "");
	}
	resolve("", "\"latency-mesh.io/near\":\"app=x\"");
	assert_int_equal(targets.near[0].count, 40);
	assert_string_equal(name_of(&targets.near[0].legs[39]), "n39");
	assert_null(targets.near[0].legs[39].row.rtt_us);	/* not in the matrix */
}

static void a_zone_is_its_nodes(void **state)
{
	(void)state;
	world_node(&w, "a", "\"topology.kubernetes.io/zone\":\"eu\"", "");
	world_node(&w, "c", "\"topology.kubernetes.io/zone\":\"eu\"", "");
	resolve("", "\"latency-mesh.io/near\":\"any:zone/eu,zone/us\"");
	assert_int_equal(targets.near[0].count, 2);
	assert_true(targets.near[0].any);
	assert_true(targets.near[1].missing);
}

static void default_clients_are_those_of_the_configuration(void **state)
{
	static const char *clients[] = {"rome", "nowhere", "milan"};

	(void)state;
	w.profile.default_clients = clients;
	w.profile.default_client_count = 3;
	resolve("", "\"hard_max_latency\":\"40\"");
	w.profile.default_clients = NULL;
	assert_int_equal(targets.within[0].count, 2);
	assert_true(targets.within[0].any);
}

static void without_a_matrix_a_client_may_exist(void **state)
{
	(void)state;
	w.without_mesh = true;
	resolve("", "\"latency-mesh.io/within\":\"client/paris<=1ms,node/a<=1ms,node/nowhere<=1ms\"");
	assert_false(targets.within[0].missing);
	assert_null(targets.within[0].legs[0].row.rtt_us);
	assert_false(targets.within[1].missing);
	assert_true(targets.within[2].missing);
}

static void a_node_that_left_the_cluster_but_not_the_matrix_is_a_target(void **state)
{
	(void)state;
	cache_delete_node(w.cache, "c");
	resolve("", "\"latency-mesh.io/near\":\"node/c\"");
	assert_false(targets.near[0].missing);
	assert_int_equal(targets.near[0].legs[0].view_node, -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_pod_that_asks_nothing_gets_the_default), T(limits_alone_are_ranked_by_their_targets),
		T(near_wins_over_limits_for_the_ranking), T(from_is_a_node_first), T(from_is_a_client_before_pods),
		T(from_is_an_app_before_a_controller), T(from_is_the_exact_name_of_a_controller), T(an_app_of_another_namespace_is_not_meant),
		T(pods_that_do_not_count), T(an_assumed_pod_counts), T(a_pod_that_matches_its_own_target_may_be_the_first),
		T(legs_are_weighted_by_pods_and_sorted_by_name), T(many_nodes_of_one_selector), T(a_zone_is_its_nodes),
		T(default_clients_are_those_of_the_configuration), T(without_a_matrix_a_client_may_exist),
		T(a_node_that_left_the_cluster_but_not_the_matrix_is_a_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
