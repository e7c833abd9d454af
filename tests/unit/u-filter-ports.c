#include "tests/unit/world.h"

#define TAKEN "node(s) didn't have free ports for the requested pod ports"

static void ports_that_clash(void **state)
{
	static const struct {
		const char *there, *ours;
		bool fits;
	} examples[] = {
		{"{'hostPort':80}", "{'hostPort':80}", false},
		{"{'hostPort':80}", "{'hostPort':81}", true},
		{"{'hostPort':80}", "{'containerPort':80}", true},
		{"{'containerPort':80}", "{'hostPort':80}", true},
		{"{'hostPort':80,'protocol':'TCP'}", "{'hostPort':80}", false},			/* TCP is the default */
		{"{'hostPort':80,'protocol':'UDP'}", "{'hostPort':80}", true},
		{"{'hostPort':80,'hostIP':'10.0.0.1'}", "{'hostPort':80,'hostIP':'10.0.0.2'}", true},
		{"{'hostPort':80,'hostIP':'10.0.0.1'}", "{'hostPort':80,'hostIP':'10.0.0.1'}", false},
		{"{'hostPort':80,'hostIP':'10.0.0.1'}", "{'hostPort':80}", false},
		{"{'hostPort':80,'hostIP':'10.0.0.1'}", "{'hostPort':80,'hostIP':'0.0.0.0'}", false},
		{"{'hostPort':80,'hostIP':'0.0.0.0'}", "{'hostPort':80,'hostIP':'127.0.0.1'}", false},
		{"{'hostPort':80,'hostIP':'0.0.0.0','protocol':'UDP'}", "{'hostPort':80,'hostIP':'127.0.0.1'}", true},
		{"{'hostPort':1},{'hostPort':2}", "{'hostPort':3},{'hostPort':2}", false},
		{"{'hostPort':1},{'hostPort':2}", "{'hostPort':3},{'hostPort':4}", true},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", "'containers':[{'ports':[%s]}]", examples[i].ours);

		cache_put_node(w.cache, node_with("n", "%s", ""));
		cache_put_pod(w.cache, pod_with("q", "'nodeName':'n','containers':[{'ports':[%s]}]", examples[i].there));
		world_decide(&w, pod);
		if ((w.decision.feasible == 1) != examples[i].fits)
			fail_msg("%s beside %s", examples[i].ours, examples[i].there);
		assert_string_equal(world_reason(&w, "n"), examples[i].fits ? "" : TAKEN);
		pod_free(pod);
		world_free(&w);
	}
}

static void ports_of_sidecars_and_assumed_pods_count(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	cache_put_pod(w.cache, pod_with("q", "'initContainers':[{'restartPolicy':'Always','ports':[{'hostPort':80}]},"
					     "{'ports':[{'hostPort':90}]}]"));
	world_expect(&w, pod_with("p", "'containers':[{'ports':[{'hostPort':80}]}]"), "n", "");
	assert_true(cache_assume(w.cache, "uid-q", 0));
	world_expect(&w, pod_with("p", "'containers':[{'ports':[{'hostPort':80}]}]"), "n", TAKEN);
	world_expect(&w, pod_with("p", "'initContainers':[{'restartPolicy':'Always','ports':[{'hostPort':80}]}]"), "n", TAKEN);
	world_expect(&w, pod_with("p", "'containers':[{'ports':[{'hostPort':90}]}]"), "n", "");
	cache_forget(w.cache, "uid-q");
	world_expect(&w, pod_with("p", "'containers':[{'ports':[{'hostPort':80}]}]"), "n", "");
	world_free(&w);
}

static void a_nominated_pod_keeps_its_ports(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	cache_put_node(w.cache, node_with("m", "%s", ""));
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'q','namespace':'d','uid':'q'},'spec':{'priority':5,"
				      "'containers':[{'ports':[{'hostPort':80}]}]},'status':{'nominatedNodeName':'n'}}"));
	world_expect(&w, pod_with("p", "'priority':5,'containers':[{'ports':[{'hostPort':80}]}]"), "n", TAKEN);
	world_expect(&w, pod_with("p", "'priority':5,'containers':[{'ports':[{'hostPort':80}]}]"), "m", "");
	world_expect(&w, pod_with("p", "'priority':6,'containers':[{'ports':[{'hostPort':80}]}]"), "n", "");
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_that_clash),
		cmocka_unit_test(ports_of_sidecars_and_assumed_pods_count),
		cmocka_unit_test(a_nominated_pod_keeps_its_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
