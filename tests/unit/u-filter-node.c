/* SchedulingGates, NodeName, NodeAffinity, the operating system, and the order of the table. */
#include "tests/unit/world.h"

#define AFFINITY "node(s) didn't match Pod's node affinity/selector"

static void a_gated_pod_is_never_placed(void **state)
{
	struct world w = world_new();
	struct pod *pod = pod_with("p", "'schedulingGates':[{'name':'example.com/hold'}]");

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	world_decide(&w, pod);
	assert_true(w.decision.refused_by_pod);
	assert_int_equal(w.decision.node, -1);
	assert_string_equal(w.decision.pod_reason, "Scheduling is blocked due to non-empty scheduling gates");
	pod_free(pod);
	world_free(&w);
}

static void what_is_not_understood_is_never_placed(void **state)
{
	static const struct {
		const char *spec, *says;
	} examples[] = {
		{"'resourceClaims':[{'name':'c'}]", "spec.resourceClaims"},
		{"'topologySpreadConstraints':[{'labelSelector':{'matchExpressions':[{'key':'k','operator':'Gt','values':['1']}]}}]",
		 "spec.topologySpreadConstraints[0].labelSelector: is no label selector"},
		{"'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]", "spec.volumes[0].persistentVolumeClaim"},
		{"'containers':[{'resources':{'requests':{'cpu':'x'}}}]", "spec.containers[0].resources.requests: cpu: \"x\""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", "%s", examples[i].spec);

		cache_put_node(w.cache, node_with("n", "%s", ""));
		world_decide(&w, pod);
		assert_true(w.decision.refused_by_pod);
		assert_non_null(strstr(w.decision.pod_reason, examples[i].says));
		pod_free(pod);
		world_free(&w);
	}
}

static void the_requested_node_name(void **state)
{
	struct world w = world_new();
	struct pod *pod = pod_with("p", "'nodeName':'b'");

	(void)state;
	cache_put_node(w.cache, node_with("a", "%s", ""));
	cache_put_node(w.cache, node_with("b", "%s", ""));
	world_decide(&w, pod);
	assert_string_equal(world_reason(&w, "a"), "node(s) didn't match the requested node name");
	assert_string_equal(world_reason(&w, "b"), "");
	pod_free(pod);
	world_expect(&w, pod_with("p", "'nodeName':'c'"), "b", "node(s) didn't match the requested node name");
	world_free(&w);
}

#define TERMS(terms) "'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[" terms "]}}}"
#define IN(key, value) "{'matchExpressions':[{'key':'" key "','operator':'In','values':['" value "']}]}"

static void selector_and_required_terms(void **state)
{
	static const struct {
		const char *spec;
		bool ssd, hdd;		/* whether it fits on the node "ssd" (disk=ssd, cores=16), "hdd" (disk=hdd) */
	} examples[] = {
		{"'nodeSelector':{'disk':'ssd'}", true, false},
		{"'nodeSelector':{}", true, true},
		{"'nodeSelector':{'disk':'ssd','gpu':'yes'}", false, false},
		{TERMS(IN("disk", "ssd")), true, false},
		{TERMS(IN("disk", "tape") "," IN("disk", "hdd")), false, true},
		{TERMS(IN("disk", "ssd")) ",'nodeSelector':{'disk':'hdd'}", false, false},			/* both must hold */
		{TERMS(""), false, false},
		{TERMS("{}"), false, false},
		{TERMS("{}," IN("disk", "hdd")), false, true},
		{TERMS("{'matchExpressions':[{'key':'disk','operator':'NotIn','values':['ssd']}]}"), false, true},
		{TERMS("{'matchExpressions':[{'key':'gpu','operator':'NotIn','values':['yes']}]}"), true, true},
		{TERMS("{'matchExpressions':[{'key':'cores','operator':'Gt','values':['8']}]}"), true, false},
		{TERMS("{'matchExpressions':[{'key':'cores','operator':'Lt','values':['8']}]}"), false, false},
		{TERMS("{'matchFields':[{'key':'metadata.name','operator':'NotIn','values':['hdd']}]}"), true, false},
		{"'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':1,'preference':" IN("disk", "x")
		 "}]}}", true, true},										/* a wish */
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", "%s", examples[i].spec);

		cache_put_node(w.cache, node_with("ssd", "%s", ",'disk':'ssd','cores':'16'"));
		cache_put_node(w.cache, node_with("hdd", "%s", ",'disk':'hdd'"));
		world_decide(&w, pod);
		if (!STREQ(world_reason(&w, "ssd"), examples[i].ssd ? "" : AFFINITY))
			fail_msg("%s on ssd", examples[i].spec);
		if (!STREQ(world_reason(&w, "hdd"), examples[i].hdd ? "" : AFFINITY))
			fail_msg("%s on hdd", examples[i].spec);
		pod_free(pod);
		world_free(&w);
	}
}

#define NAMED "node(s) didn't satisfy plugin(s) [NodeAffinity]"
#define NAME(node) "{'matchFields':[{'key':'metadata.name','operator':'In','values':['" node "']}]}"

/* As a DaemonSet's pods: what they do not name is out before any other filter speaks. */
static void terms_that_name_nodes(void **state)
{
	static const struct {
		const char *spec, *a, *b;	/* the reasons on the nodes a (cordoned) and b */
	} examples[] = {
		{TERMS(NAME("b")), NAMED, ""},
		{TERMS(NAME("a")), "node(s) were unschedulable", NAMED},
		{TERMS(NAME("gone")), NAMED, NAMED},
		{TERMS(NAME("gone") "," NAME("b")), NAMED, ""},
		{TERMS(NAME("gone") "," IN("disk", "ssd")), "node(s) were unschedulable", AFFINITY},
		{TERMS("{'matchExpressions':[{'key':'disk','operator':'Exists'}],'matchFields':[{'key':'metadata.name','operator':'In','values':['b']}]}"),
		 NAMED, AFFINITY},
		{TERMS("{'matchFields':[{'key':'metadata.name','operator':'In','values':['b']},{'key':'metadata.name','operator':'In','values':['a']}]}"),
		 "pod affinity terms conflict", "pod affinity terms conflict"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", "%s", examples[i].spec);

		cache_put_node(w.cache, node_of_text("{'metadata':{'name':'a'},'spec':{'unschedulable':true}}"));
		cache_put_node(w.cache, node_with("b", "%s", ""));
		world_decide(&w, pod);
		if (!STREQ(world_reason(&w, "a"), examples[i].a))
			fail_msg("%s on a: %s", examples[i].spec, world_reason(&w, "a"));
		if (!STREQ(world_reason(&w, "b"), examples[i].b))
			fail_msg("%s on b: %s", examples[i].spec, world_reason(&w, "b"));
		pod_free(pod);
		world_free(&w);
	}
}

/* The node that the pod itself is nominated to is tried with all filters, whatever the terms name. */
static void a_nominated_node_that_is_not_named(void **state)
{
	struct world w = world_new();
	struct pod *pod = pod_of("{'metadata':{'name':'p','namespace':'d','uid':'u'},'status':{'nominatedNodeName':'b'},'spec':{" TERMS(NAME("c")) "}}");

	(void)state;
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'a'},'spec':{'unschedulable':true}}"));
	cache_put_node(w.cache, node_with("b", "%s", ""));
	world_decide(&w, pod);
	assert_string_equal(world_reason(&w, "a"), NAMED);
	assert_string_equal(world_reason(&w, "b"), AFFINITY);
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'b'},'spec':{'unschedulable':true}}"));
	world_decide(&w, pod);
	assert_string_equal(world_reason(&w, "a"), "node(s) didn't satisfy plugin(s) [NodeAffinity NodeUnschedulable]");
	assert_string_equal(world_reason(&w, "b"), "node(s) were unschedulable");
	pod_free(pod);
	world_free(&w);
}

static void the_operating_system(void **state)
{
	static const char other[] = "node(s) didn't match the pod's operating system";
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("l", "%s", ",'kubernetes.io/os':'linux'"));
	cache_put_node(w.cache, node_with("silent", "%s", ""));
	world_expect(&w, pod_with("p", "%s", ""), "l", "");
	world_expect(&w, pod_with("p", "'os':{'name':'linux'}"), "l", "");
	world_expect(&w, pod_with("p", "'os':{'name':'windows'}"), "l", other);
	world_expect(&w, pod_with("p", "'os':{'name':'windows'}"), "silent", "");
	world_free(&w);
}

/* The order is kube-scheduler's: it decides which reason a user reads. */
static void the_table_is_in_order(void **state)
{
	static const char *const order[] = {"SchedulingGates", "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts",
					    "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone",
					    "PodTopologySpread", "InterPodAffinity", "NodeDeclaredFeatures"};
	unsigned i, at = 0;

	(void)state;
	assert_true(filter_count < 255);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (STREQ(filter_table[at]->name, order[i]))
			at++;
	assert_int_equal(at, ARRAY_SIZE(order));
	assert_string_equal(filter_table[at]->name, "PodOS"); /* all before were in order; ours follow */
	for (i = 0; i < filter_count; i++) {
		assert_true(filter_table[i]->prefilter || filter_table[i]->filter);
		assert_true((filter_table[i]->filter == NULL) == (filter_table[i]->reason == NULL));
	}
}

static void the_histogram_is_kube_schedulers(void **state)
{
	struct world w = world_new();
	auto_buf struct buf text = {0};
	struct pod *pod = pod_with("p", "'nodeSelector':{'disk':'ssd'},'containers':[{'resources':{'requests':{'cpu':'5'}}}]");

	(void)state;
	cache_put_node(w.cache, node_with("a", "%s", ",'disk':'ssd'"));
	cache_put_node(w.cache, node_with("b", "%s", ",'disk':'ssd'"));
	cache_put_node(w.cache, node_with("c", "%s", ",'disk':'hdd'"));
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'d'},'spec':{'unschedulable':true}}"));
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'e'},'spec':{'taints':[{'key':'k','effect':'NoSchedule'}]}}"));
	world_decide(&w, pod);
	decision_message(w.decider, &w.in, &w.decision, &text);
	assert_string_equal(text.data, "0/5 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated "
				       "taint(s), 1 node(s) were unschedulable, 2 Insufficient cpu.");
	pod_free(pod);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gated_pod_is_never_placed),
		cmocka_unit_test(what_is_not_understood_is_never_placed),
		cmocka_unit_test(the_requested_node_name),
		cmocka_unit_test(selector_and_required_terms),
		cmocka_unit_test(terms_that_name_nodes),
		cmocka_unit_test(a_nominated_node_that_is_not_named),
		cmocka_unit_test(the_operating_system),
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(the_histogram_is_kube_schedulers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
