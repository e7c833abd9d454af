/* Who goes where, case by case: chains, circles, affinity and spreading, and nodes that keep nothing. */
#include "tests/unit/reserve_cases.h"

static void a_chain_on_one_node_comes_back_in_order(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=mid<=1ms\"", "1", "");
	covered("mid", "a", "\"app\":\"mid\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "1", "");
	covered("back", "a", "\"app\":\"back\"", "\"latency-mesh.io/within\":\"node/c<=5ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_string_equal(refuge_of("front"), refuge_of("mid"));	/* b and c are 3 ms apart */
	assert_string_equal(refuge_of("mid"), refuge_of("back"));
}

static void what_depends_on_an_uncovered_pod_is_uncovered(void **state)
{
	(void)state;
	covered("front", "a", "\"app\":\"front\"", "\"latency-mesh.io/within\":\"app=back<=1ms\"", "1", "");
	covered("back", "a", "\"app\":\"back\"", "\"latency-mesh.io/within\":\"node/a<=0.5ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 0);
	assert_string_equal(reason_of("back"), "0/4 nodes are available: 3 node(s) exceeded the latency limit to node/a.");
	assert_string_equal(reason_of("front"), "0/4 nodes are available: no pod matches app=back in namespace default (latency-mesh.io/missing: deny).");
}

static void a_circle_waits_in_a_failure_as_ever(void **state)
{
	(void)state;
	covered("x", "a", "\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=y<=50ms\"", "1", "");
	covered("y", "a", "\"app\":\"y\"", "\"latency-mesh.io/within\":\"app=x<=50ms\"", "1", "");
	make();
	assert_int_equal(plan.covers.count, 0);
	covered("x2", "d", "\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=y<=50ms\"", "1", "");
	make();
	assert_string_not_equal(refuge_of("y"), "-");	/* one x is left when a fails */
	assert_string_not_equal(refuge_of("x"), "-");
}

/* Neither of the two is first by right; who limits itself to both knows where it may be when both are there. */
static void who_waits_for_a_circle_comes_after_it(void **state)
{
	(void)state;
	covered("w", "a", "", "\"latency-mesh.io/within\":\"app=c<=4ms\"", "4", "");
	covered("c1", "a", "\"app\":\"c\"", "\"latency-mesh.io/within\":\"app=c<=50ms,node/d<=0.1ms\"", "1", "");
	covered("c2", "a", "\"app\":\"c\"", "\"latency-mesh.io/within\":\"app=c<=50ms,node/d<=0.1ms\"", "1", "");
	covered("c0", "b", "\"app\":\"c\"", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", "");
	make();
	assert_string_equal(refuge_of("c1"), "d");
	assert_string_equal(refuge_of("c2"), "d");
	assert_string_equal(refuge_of("w"), "-");	/* before them it would be near c0, and then far from them */
}

/* x and y wait for each other, v and y, too; x and v have to be on d, and come when y is there. */
static void circle_around(const char *limit_of_y)
{
	covered("x", "a", "\"app\":\"x\"", "\"latency-mesh.io/within\":\"app=y<=50ms,node/d<=0.1ms\"", "3", "");
	covered("v", "a", "\"app\":\"v\"", "\"latency-mesh.io/within\":\"app=y<=50ms,node/d<=0.1ms\"", "1", "");
	covered("y", "a", "\"app\":\"y\"", limit_of_y, "500m", "");
	world_pod_of(&w, "x2", "b", "\"app\":\"x\"", "", "", "");
	world_pod_of(&w, "v2", "b", "\"app\":\"v\"", "", "", "");
	make();
}

static void who_comes_late_and_breaks_a_limit_leaves_no_trace(void **state)
{
	(void)state;
	tenant("t", "d", "5");
	circle_around("\"latency-mesh.io/within\":\"app=x<=5ms,app=v<=50ms\"");
	assert_string_not_equal(refuge_of("y"), "-");
	assert_string_equal(refuge_of("x"), "-");	/* 9 ms from where y can be */
	assert_string_equal(refuge_of("v"), "d");	/* where x would have left no room */
}

static void who_comes_late_finds_the_others_there(void **state)
{
	(void)state;
	circle_around("\"latency-mesh.io/within\":\"app=x<=50ms,app=v<=50ms\"");
	assert_string_not_equal(refuge_of("y"), "-");
	assert_string_equal(refuge_of("x"), "d");
	assert_string_equal(refuge_of("v"), "d");
}

/* By arithmetic alone both of them and `x` would go into the room that is there for node m; then c is full, and one of them is left over. */
static void spreading_is_known_before_others_take_the_room(void **state)
{
	static const char spread[] = ",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/hostname\",\"whenUnsatisfiable\":"
				     "\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}}]";
	static const char c_or_d[] = ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{"
				     "\"matchExpressions\":[{\"key\":\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"c\",\"d\"]}]}]}}}";
	static const char *const names[] = {"a", "b", "c", "d", "m"};
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		auto_free char *label = xasprintf("\"kubernetes.io/hostname\":\"%s\"", names[i]);

		world_node(&w, names[i], label, "");
	}
	covered("q1", "m", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "2", "");
	covered("q2", "m", "", "\"latency-mesh.io/within\":\"node/c<=0.1ms\"", "4", "");
	tenant("t", "c", "4");
	covered("s1", "a", "\"app\":\"s\"", "\"latency-mesh.io/within\":\"node/b<=3.5ms\"", "1", spread);
	covered("s2", "a", "\"app\":\"s\"", "\"latency-mesh.io/within\":\"node/b<=3.5ms\"", "1", spread);
	covered("x", "a", "", EVERYWHERE, "4", c_or_d);
	make();
	assert_string_not_equal(refuge_of("s1"), "-");
	assert_string_not_equal(refuge_of("s2"), "-");
	assert_string_not_equal(refuge_of("s1"), refuge_of("s2"));
	assert_string_equal(refuge_of("x"), "d");
}

static void affinity_and_spreading_of_the_pods_of_one_node_hold(void **state)
{
	static const char spread[] = ",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/hostname\",\"whenUnsatisfiable\":"
				     "\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}}]";
	static const char near[] = ",\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
				   "\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"s\"}}}]}}";
	static const char *const names[] = {"a", "b", "c", "d"};
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		auto_free char *label = xasprintf("\"kubernetes.io/hostname\":\"%s\"", names[i]);

		world_node(&w, names[i], label, "");
	}
	covered("near", "a", "", EVERYWHERE, "1", near);
	covered("s1", "a", "\"app\":\"s\"", EVERYWHERE, "1", spread);
	covered("s2", "a", "\"app\":\"s\"", EVERYWHERE, "1", spread);
	make();
	assert_int_equal(plan.covers.count, 3);
	assert_string_not_equal(refuge_of("s1"), refuge_of("s2"));
	assert_true(STREQ(refuge_of("near"), refuge_of("s1")) || STREQ(refuge_of("near"), refuge_of("s2")));
}

static void load_does_not_count(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", "");
	world_cpu(&w, "b", 0.99);
	world_cpu(&w, "c", 0.1);
	w.profile.strict_cpu = true;
	make();
	assert_string_equal(refuge_of("p"), "b");
}

static void nodes_where_a_placeholder_would_not_stay_keep_none(void **state)
{
	(void)state;
	world_node(&w, "b", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]");
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "1", ",\"tolerations\":[{\"operator\":\"Exists\"}]");
	make();
	assert_string_equal(refuge_of("p"), "-");
	world_node(&w, "b", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]");
	make();
	assert_string_equal(refuge_of("p"), "b");
}

static void nominated_pods_keep_their_room(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "2", "");
	world_pod_of(&w, "n", "", "", "", "", "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"7\"}}}]},\"status\":{\"nominatedNodeName\":\"b\"");
	make();
	assert_string_equal(refuge_of("p"), "-");
	cache_delete_pod(w.cache, "uid-n");
	make();
	assert_string_equal(refuge_of("p"), "b");
}

/* Its own nomination from before it was bound is no reservation. */
static void a_pods_own_nomination_keeps_nobody_away(void **state)
{
	(void)state;
	covered("p", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms\"", "6", "},\"status\":{\"nominatedNodeName\":\"b\"");
	covered("q", "a", "", "\"latency-mesh.io/within\":\"node/b<=0.1ms,app=p<=50ms\"", "2", "");
	covered("x", "c", "\"app\":\"p\"", EVERYWHERE, "1", "");
	make();
	assert_string_equal(refuge_of("p"), "b");
	assert_string_equal(refuge_of("q"), "b");
}

static void pods_of_others_and_those_nobody_recreates(void **state)
{
	(void)state;
	world_pod_of(&w, "others", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED, "\"schedulerName\":\"default-scheduler\"");
	world_pod_of(&w, "alone", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, "", "\"schedulerName\":\"ours\"");
	world_pod_of(&w, "waits", "", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE, OWNED, "\"schedulerName\":\"ours\"");
	world_pod_of(&w, "odd", "a", "\"latency-mesh.io/reserve\":\"true\"", EVERYWHERE,
		     "\"ownerReferences\":[{\"kind\":\"X\",\"name\":\"x\",\"uid\":\"\\\"},{\",\"controller\":true}]", "\"schedulerName\":\"ours\"");
	make();
	assert_int_equal(plan.covers.count, 0);
	assert_int_equal(plan.uncovered_count, 2);
	assert_string_equal(reason_of("alone"), "no controller would recreate it");
	assert_string_equal(reason_of("odd"), "its controller's uid is none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_chain_on_one_node_comes_back_in_order),
		CASE(what_depends_on_an_uncovered_pod_is_uncovered),
		CASE(a_circle_waits_in_a_failure_as_ever),
		CASE(who_waits_for_a_circle_comes_after_it),
		CASE(who_comes_late_and_breaks_a_limit_leaves_no_trace),
		CASE(who_comes_late_finds_the_others_there),
		CASE(spreading_is_known_before_others_take_the_room),
		CASE(affinity_and_spreading_of_the_pods_of_one_node_hold),
		CASE(load_does_not_count),
		CASE(nodes_where_a_placeholder_would_not_stay_keep_none),
		CASE(nominated_pods_keep_their_room),
		CASE(a_pods_own_nomination_keeps_nobody_away),
		CASE(pods_of_others_and_those_nobody_recreates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
