/*
 * The cache, example by example. u-cache-model.c compares it with a naive model under random events.
 */
#include "tests/unit/objects.h"

#include <unistd.h>

#include "lib/clock.h"
#include "sched/cache/cache.h"

static struct cache *with_nodes(const char *const *names)
{
	struct cache *c = cache_new();

	for (; *names; names++)
		assert_int_equal(cache_put_node(c, node_with(*names, "%s", "")), WAKE_NODE_ADDED);
	return c;
}

static const char *const two_nodes[] = {"a", "b", NULL};

#define REQUEST "'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}}}]"

static void an_assumption_holds_until_the_watch_or_forget(void **state)
{
	struct cache *c = with_nodes(two_nodes);

	(void)state;
	assert_int_equal(cache_put_pod(c, pod_with("p", REQUEST)), 0);
	assert_true(cache_assume(c, "uid-p", 0));
	assert_false(cache_assume(c, "uid-p", 1));
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000);
	assert_int_equal(cache_put_pod(c, pod_with("p", REQUEST)), 0); /* an update without a node changes nothing */
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000);
	assert_int_equal(cache_forget(c, "uid-p"), WAKE_POD_FREED);
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 4000);
	assert_int_equal(cache_forget(c, "uid-p"), 0);
	assert_true(cache_assume(c, "uid-p", 0));
	assert_int_equal(cache_put_pod(c, pod_with("p", REQUEST ",'nodeName':'a'")), WAKE_POD_ADDED);
	assert_int_equal(cache_assumed(c), 0);
	assert_int_equal(cache_forget(c, "uid-p"), 0);
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000);
	cache_free(c);
}

static uint32_t placements_of(struct cache *c, const char *namespace_, const char *label)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'r','namespace':'%s','uid':'r','labels':{'%s':'placeholder'}},'spec':{'nodeName':'a'," REQUEST "}}",
					 namespace_, label);
	uint32_t count;

	cache_put_pod(c, pod_of(text));
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000); /* it holds what it asks for all the same */
	count = cache_view(c)->nodes[0].placement_count;
	cache_delete_pod(c, "r");
	assert_int_equal(cache_view(c)->nodes[0].placement_count, 0);
	return count;
}

static void no_load_is_expected_of_what_only_keeps_room(void **state)
{
	struct cache *c = with_nodes(two_nodes);

	(void)state;
	cache_set_reserve(c, "mesh");
	cache_replace_pods_begin(c);
	cache_replace_pods_end(c, NULL, NULL);
	assert_int_equal(placements_of(c, "mesh", "latency-mesh.io/role"), 0);
	assert_int_equal(placements_of(c, "default", "latency-mesh.io/role"), 1);
	assert_int_equal(placements_of(c, "mesh", "app"), 1);
	cache_free(c);
}

/* What it is for: an alarm on promises that nobody confirms. */
static void an_assumption_ages_from_its_beginning_whatever_is_updated(void **state)
{
	struct cache *c = with_nodes(two_nodes);
	int64_t first, before;

	(void)state;
	cache_put_pod(c, pod_with("p", REQUEST));
	cache_put_pod(c, pod_with("q", REQUEST));
	assert_int_equal(cache_assumed_since_ms(c), -1);
	before = clock_mono_ms();
	assert_true(cache_assume(c, "uid-p", 0));
	first = cache_assumed_since_ms(c);
	assert_true(first >= before && first <= clock_mono_ms());
	usleep(3000);
	assert_true(cache_assume(c, "uid-q", 1));
	cache_put_pod(c, pod_with("p", REQUEST));
	assert_int_equal(cache_assumed_since_ms(c), first);
	cache_put_pod(c, pod_with("p", REQUEST ",'nodeName':'a'"));
	assert_true(cache_assumed_since_ms(c) >= first + 3);
	cache_forget(c, "uid-q");
	assert_int_equal(cache_assumed_since_ms(c), -1);
	cache_free(c);
}

static void the_watch_wins_over_an_assumption(void **state)
{
	struct cache *c = with_nodes(two_nodes);

	(void)state;
	cache_put_pod(c, pod_with("p", REQUEST));
	cache_assume(c, "uid-p", 0);
	assert_int_equal(cache_put_pod(c, pod_with("p", REQUEST ",'nodeName':'b'")), WAKE_POD_ADDED | WAKE_POD_FREED);
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 4000);
	assert_int_equal(cache_view(c)->free_cpu_milli[1], 3000);
	assert_int_equal(cache_delete_pod(c, "uid-p"), WAKE_POD_FREED);
	assert_int_equal(cache_view(c)->free_cpu_milli[1], 4000);
	cache_free(c);
}

static void pods_count_when_their_node_appears(void **state)
{
	struct cache *c = cache_new();
	const struct view *v;

	(void)state;
	assert_int_equal(cache_put_pod(c, pod_with("p", REQUEST ",'nodeName':'late'")), WAKE_POD_ADDED);
	assert_int_equal(cache_find_pod(c, "uid-p")->node, -1);
	cache_put_node(c, node_with("late", "%s", ""));
	v = cache_view(c);
	assert_int_equal(v->free_cpu_milli[0], 3000);
	assert_int_equal(v->free_pods[0], 9);
	assert_int_equal(cache_delete_node(c, "late"), WAKE_NODE_CHANGED | WAKE_POD_FREED);
	assert_int_equal(cache_view(c)->count, 0);
	assert_int_equal(cache_delete_node(c, "late"), 0);
	cache_put_node(c, node_with("late", "%s", ""));
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000);
	cache_free(c);
}

static void a_heartbeat_wakes_nobody(void **state)
{
	struct cache *c = with_nodes(two_nodes);
	uint64_t epoch = cache_view(c)->node_epoch;

	(void)state;
	assert_int_equal(cache_put_node(c, node_with("a", "%s", "")), 0);
	assert_int_equal(cache_put_node(c, node_with("a", "%s", ",'disk':'ssd'")), WAKE_NODE_CHANGED);
	assert_int_equal(cache_view(c)->node_epoch, epoch);
	cache_delete_node(c, "a");
	assert_int_not_equal(cache_view(c)->node_epoch, epoch);
	cache_free(c);
}

/* A sum that hit INT64_MAX goes back to what is true when its cause goes. */
static void a_saturated_sum_recovers(void **state)
{
	struct cache *c = with_nodes(two_nodes);

	(void)state;
	cache_put_pod(c, pod_with("p", REQUEST ",'nodeName':'a'"));
	cache_put_pod(c, pod_with("q", "'nodeName':'a','containers':[{'resources':{'requests':{'cpu':'9E','memory':'9E'}}}]"));
	cache_put_pod(c, pod_with("r", "'nodeName':'a','containers':[{'resources':{'requests':{'cpu':'9E','memory':'9E'}}}]"));
	assert_true(cache_view(c)->free_memory_bytes[0] < 0);
	cache_delete_pod(c, "uid-q");
	cache_delete_pod(c, "uid-r");
	assert_int_equal(cache_view(c)->free_cpu_milli[0], 3000);
	assert_int_equal(cache_view(c)->free_memory_bytes[0], INT64_C(8) << 30);
	cache_free(c);
}

static void a_terminating_pod_holds_its_resources_but_is_no_target(void **state)
{
	struct cache *c = with_nodes(two_nodes);
	struct node_count out[2];
	static const char text[] = "{'metadata':{'name':'p','namespace':'default','uid':'u','labels':{'app':'redis'}%s},"
				   "'spec':{'nodeName':'b'," REQUEST "}}";
	auto_free char *running = xasprintf(text, ""), *leaving = xasprintf(text, ",'deletionTimestamp':'2026-01-01T00:00:00Z'");

	(void)state;
	cache_put_pod(c, pod_of(running));
	assert_int_equal(view_pods_matching(cache_view(c), "default", "app", "redis", NULL, out, 2), 1);
	assert_int_equal(out[0].node, 1);
	assert_int_equal(out[0].pods, 1);
	assert_int_equal(view_pods_matching(cache_view(c), "default", "app", "redis", "u", out, 2), 0);
	assert_int_equal(view_pods_matching(cache_view(c), "other", "app", "redis", NULL, out, 2), 0);
	assert_int_equal(cache_put_pod(c, pod_of(leaving)), WAKE_POD_ADDED);
	assert_int_equal(view_pods_matching(cache_view(c), "default", "app", "redis", NULL, out, 2), 0);
	assert_int_equal(cache_view(c)->free_cpu_milli[1], 3000);
	cache_free(c);
}

#define NOMINATED "{'metadata':{'name':'p','namespace':'default','uid':'u'},'spec':{%s},'status':{'phase':'%s','nominatedNodeName':'%s'}}"

static unsigned put_nominated(struct cache *c, const char *spec, const char *phase, const char *nominated)
{
	auto_free char *text = xasprintf(NOMINATED, spec, phase, nominated);

	return cache_put_pod(c, pod_of(text));
}

/* A node that was kept for a pod is free for those that wait, when the pod goes elsewhere. Before 1.35 a bound pod keeps its nominatedNodeName. */
static void a_nomination_that_ends_wakes_who_waits(void **state)
{
	static const struct {
		const char *spec, *phase, *nominated;
		unsigned wake;
	} examples[] = {
		{"", "Pending", "a", 0},
		{"", "Pending", "b", WAKE_POD_FREED},
		{"", "Pending", "", WAKE_POD_FREED},
		{"", "Failed", "a", WAKE_POD_FREED},
		{"'nodeName':'a'", "Pending", "a", WAKE_POD_ADDED},	/* it takes what was kept for it */
		{"'nodeName':'a'", "Pending", "", WAKE_POD_ADDED},
		{"'nodeName':'b'", "Pending", "a", WAKE_POD_ADDED | WAKE_POD_FREED},
		{"'nodeName':'b'", "Pending", "", WAKE_POD_ADDED | WAKE_POD_FREED},
	};
	unsigned i, assumed;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++)
		for (assumed = 0; assumed < 2; assumed++) {
			struct cache *c = with_nodes(two_nodes);
			unsigned wake;

			assert_int_equal(put_nominated(c, "", "Pending", "a"), 0);
			if (assumed)	/* elsewhere: nobody has been told of that yet */
				assert_true(cache_assume(c, "u", 1));
			wake = put_nominated(c, examples[i].spec, examples[i].phase, examples[i].nominated);
			if (!assumed)
				assert_int_equal(wake, examples[i].wake);
			else if (strstr(examples[i].spec, "'b'"))
				assert_int_equal(wake, WAKE_POD_ADDED | WAKE_POD_FREED);
			cache_free(c);
		}
}

/* 30,000 pods come and go on 5,000 nodes; work in proportion to the cluster for each event would be minutes. */
static void a_large_cluster_comes_and_goes(void **state)
{
	struct cache *c = cache_new();
	char name[32], node[128];
	unsigned i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "node-%u", i);
		cache_put_node(c, node_with(name, "%s", ""));
	}
	for (i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "pod-%u", i);
		snprintf(node, sizeof(node), "'nodeName':'node-%u'," REQUEST, i % 5000);
		cache_put_pod(c, pod_with(name, "%s", node));
	}
	assert_int_equal(cache_pods(c), 30000);
	assert_int_equal(cache_view(c)->free_cpu_milli[4999], 4000 - 6 * 1000);
	for (i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "uid-pod-%u", i);
		assert_int_equal(cache_delete_pod(c, name), WAKE_POD_FREED);
	}
	for (i = 0; i < 5000; i++)
		assert_int_equal(cache_view(c)->free_cpu_milli[i], 4000);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_load_is_expected_of_what_only_keeps_room),
		cmocka_unit_test(an_assumption_holds_until_the_watch_or_forget),
		cmocka_unit_test(an_assumption_ages_from_its_beginning_whatever_is_updated),
		cmocka_unit_test(the_watch_wins_over_an_assumption),
		cmocka_unit_test(pods_count_when_their_node_appears),
		cmocka_unit_test(a_heartbeat_wakes_nobody),
		cmocka_unit_test(a_saturated_sum_recovers),
		cmocka_unit_test(a_terminating_pod_holds_its_resources_but_is_no_target),
		cmocka_unit_test(a_nomination_that_ends_wakes_who_waits),
		cmocka_unit_test(a_large_cluster_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
