/* NodeUnschedulable, TaintToleration and the walk over marked nodes. */
#include "tests/unit/world.h"

#include "sched/filter/marked.h"

#define UNTOLERATED "node(s) had untolerated taint(s)"
#define CORDONED "node(s) were unschedulable"

static struct node *tainted(const char *name, const char *spec)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s'},'spec':{%s},'status':{'allocatable':{'pods':'10'}}}", name, spec);

	return node_of_text(text);
}

static void tolerations_against_taints(void **state)
{
	static const struct {
		const char *taint, *toleration;
		bool fits;
	} examples[] = {
		{"'key':'a','value':'1','effect':'NoSchedule'", "", false},
		{"'key':'a','value':'1','effect':'NoExecute'", "", false},
		{"'key':'a','value':'1','effect':'PreferNoSchedule'", "", true},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','value':'1','effect':'NoSchedule'", true},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','operator':'Equal','value':'1','effect':'NoSchedule'", true},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','value':'2','effect':'NoSchedule'", false},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'b','value':'1','effect':'NoSchedule'", false},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','value':'1','effect':'NoExecute'", false},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','value':'1','effect':'PreferNoSchedule'", false},
		{"'key':'a','value':'1','effect':'NoSchedule'", "'key':'a','value':'1'", true},			/* every effect */
		{"'key':'a','value':'1','effect':'NoExecute'", "'key':'a','operator':'Exists'", true},
		{"'key':'a','value':'1','effect':'NoExecute'", "'operator':'Exists'", true},			/* every key */
		{"'key':'a','value':'1','effect':'NoExecute'", "'operator':'Exists','effect':'NoSchedule'", false},
		{"'key':'a','effect':'NoSchedule'", "'key':'a'", true},						/* empty values are equal */
		{"'key':'a','effect':'NoSchedule'", "'value':''", false},					/* an empty key needs Exists */
		{"'key':'a','value':'5','effect':'NoSchedule'", "'key':'a','operator':'Gt','value':'3'", false},	/* alpha, off */
		{"'key':'a','value':'5','effect':'NoSchedule'", "'key':'a','operator':'Lt','value':'9'", false},
		{"'key':'a','value':'5','effect':'NoSchedule'", "'key':'a','operator':'Any','value':'5'", false},
		{"'key':'a','value':'1','effect':'NoExecute'", "'key':'a','operator':'Exists','tolerationSeconds':5", true},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		auto_free char *taints = xasprintf("'taints':[{%s}]", examples[i].taint);
		struct pod *pod = pod_with("p", "'tolerations':[%s%s%s]", examples[i].toleration[0] ? "{" : "", examples[i].toleration,
					   examples[i].toleration[0] ? "}" : "");

		cache_put_node(w.cache, tainted("n", taints));
		world_decide(&w, pod);
		if ((w.decision.feasible == 1) != examples[i].fits)
			fail_msg("taint %s, toleration %s", examples[i].taint, examples[i].toleration);
		assert_string_equal(world_reason(&w, "n"), examples[i].fits ? "" : UNTOLERATED);
		pod_free(pod);
		world_free(&w);
	}
}

static void each_taint_needs_a_toleration(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, tainted("n", "'taints':[{'key':'a','effect':'NoSchedule'},{'key':'b','effect':'NoExecute'},"
					     "{'key':'c','effect':'PreferNoSchedule'}]"));
	world_expect(&w, pod_with("p", "'tolerations':[{'key':'a'}]"), "n", UNTOLERATED);
	world_expect(&w, pod_with("p", "'tolerations':[{'key':'a'},{'key':'b'}]"), "n", "");
	world_free(&w);
}

static void a_cordoned_node_takes_who_tolerates_it(void **state)
{
	struct world w = world_new();

	(void)state;
	/* `kubectl cordon` sets both; the first filter's reason stands. */
	cache_put_node(w.cache, tainted("n", "'unschedulable':true,'taints':[{'key':'node.kubernetes.io/unschedulable','effect':'NoSchedule'}]"));
	world_expect(&w, pod_with("p", "%s", ""), "n", CORDONED);
	world_expect(&w, pod_with("p", "'tolerations':[{'key':'node.kubernetes.io/unschedulable','effect':'NoExecute'}]"), "n", CORDONED);
	world_expect(&w, pod_with("p", "'tolerations':[{'key':'node.kubernetes.io/unschedulable','operator':'Exists'}]"), "n", "");
	world_expect(&w, pod_with("p", "'tolerations':[{'operator':'Exists'}]"), "n", "");
	world_free(&w);
}

static void no_preemption_helps(void **state)
{
	struct world w = world_new();
	struct pod *pod = pod_with("p", "%s", "");

	(void)state;
	cache_put_node(w.cache, tainted("c", "'unschedulable':true"));
	cache_put_node(w.cache, tainted("t", "'taints':[{'key':'a','effect':'NoSchedule'}]"));
	world_decide(&w, pod);
	assert_string_equal(world_filter(&w, "c")->name, "NodeUnschedulable");
	assert_string_equal(world_filter(&w, "t")->name, "TaintToleration");
	assert_true(world_filter(&w, "c")->unresolvable && world_filter(&w, "t")->unresolvable);
	assert_int_equal(w.decision.wake, WAKE_NODE_ADDED | WAKE_NODE_CHANGED);
	pod_free(pod);
	world_free(&w);
}

static void marked_nodes_are_found_one_by_one(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		uint32_t count = rng_below(&rng, 70), i, at = 0;
		uint8_t *column = xcalloc(count, 1), bits = (uint8_t)(1 + rng_below(&rng, 3));
		double density = rng_unit(&rng);

		for (i = 0; i < count; i++)
			column[i] = rng_chance(&rng, density) ? (uint8_t)rng_below(&rng, 4) : 0;
		for (i = 0; i < count; i++)
			if (column[i] & bits) {
				at = next_marked(column, count, bits, at);
				assert_int_equal(at, i);
				at++;
			}
		assert_int_equal(next_marked(column, count, bits, at), count);
		free(column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tolerations_against_taints),
		cmocka_unit_test(each_taint_needs_a_toleration),
		cmocka_unit_test(a_cordoned_node_takes_who_tolerates_it),
		cmocka_unit_test(no_preemption_helps),
		cmocka_unit_test(marked_nodes_are_found_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
