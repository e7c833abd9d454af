/* InterPodAffinity: what the required anti-affinity of other pods keeps away. */
#include "tests/unit/world.h"

#define KEPT_AWAY "node(s) didn't satisfy existing pods anti-affinity rules"
#define NO_NAMESPACES " (with a namespaceSelector, but no namespaces are known)"
#define UNKNOWN KEPT_AWAY NO_NAMESPACES

/* Nodes a and b in zone 1, c in zone 2, d in none. */
static struct world zones(void)
{
	struct world w = world_new();

	cache_put_node(w.cache, node_with("a", "%s", ",'zone':'1'"));
	cache_put_node(w.cache, node_with("b", "%s", ",'zone':'1'"));
	cache_put_node(w.cache, node_with("c", "%s", ",'zone':'2'"));
	cache_put_node(w.cache, node_with("d", "%s", ""));
	return w;
}

/* A pod of namespace "default" that keeps others away. `where` is more of the spec, `rest` what follows it. */
static struct pod *loner(const char *name, const char *where, const char *terms, const char *rest)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s'},'spec':{%s'affinity':"
					 "{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[%s]}}}%s}", name, name, where,
					 terms, rest);

	return pod_of(text);
}

static struct pod *labelled(const char *namespace_, const char *labels)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'%s','uid':'uid-p','labels':{%s}}}", namespace_, labels);

	return pod_of(text);
}

/* Refused nodes as letters, e.g. "ab". Fails when a reason is another than `reason`. */
static void expect_refused(struct world *w, struct pod *pod, const char *nodes, const char *reason)
{
	static const char *const all[] = {"a", "b", "c", "d"};
	unsigned i;

	world_decide(w, pod);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		assert_string_equal(world_reason(w, all[i]), strstr(nodes, all[i]) ? reason : "");
	pod_free(pod);
}

static void terms_and_domains(void **state)
{
	static const struct {
		const char *node, *terms, *namespace_, *labels, *refused, *reason;
	} examples[] = {
		{"a", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'x'}}}", "default", "'app':'x'", "ab", KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'x'}}}", "default", "'app':'y'", "", ""},
		{"c", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'x'}}}", "default", "'app':'x'", "c", KEPT_AWAY},
		{"d", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'x'}}}", "default", "'app':'x'", "", ""}, /* in no zone */
		{"a", "{'topologyKey':'kubernetes.io/hostname','labelSelector':{'matchLabels':{'app':'x'}}}", "default", "'app':'x'", "a",
		 KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{}}", "default", "", "ab", KEPT_AWAY},		/* an empty selector: all */
		{"a", "{'topologyKey':'zone'}", "default", "'app':'x'", "", ""},				/* none: nobody */
		{"a", "{'topologyKey':'zone','labelSelector':{}}", "other", "'app':'x'", "", ""},		/* its own namespace */
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaces':['other']}", "other", "'app':'x'", "ab", KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaces':['other']}", "default", "'app':'x'", "", ""},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{}}", "other", "'app':'x'", "ab", KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchLabels':{'team':'t'}}}", "other", "'app':'x'", "ab",
		 UNKNOWN},
		{"a", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'y'}},'namespaceSelector':{'matchLabels':{'team':'t'}}}",
		 "other", "'app':'x'", "", ""},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaces':['other'],'namespaceSelector':{'matchLabels':{'team':'t'}}}", "other",
		 "'app':'x'", "ab", KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchLabels':{'kubernetes.io/metadata.name':'other'}}}",
		 "other", "'app':'x'", "ab", KEPT_AWAY},
		{"a", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchLabels':{'kubernetes.io/metadata.name':'other',"
		      "'team':'t'}}}", "third", "'app':'x'", "", ""},
		{"a", "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'y'}}},{'topologyKey':'kubernetes.io/hostname','labelSelector':{}}",
		 "default", "'app':'x'", "a", KEPT_AWAY},							/* each term by itself */
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = zones();
		auto_free char *where = xasprintf("'nodeName':'%s',", examples[i].node);

		cache_put_pod(w.cache, loner("q", where, examples[i].terms, ""));
		expect_refused(&w, labelled(examples[i].namespace_, examples[i].labels), examples[i].refused, examples[i].reason);
		world_free(&w);
	}
}

#define ALONE_IN_ZONE "{'topologyKey':'zone','labelSelector':{'matchLabels':{'app':'x'}}}"

/* What is certain is told before what is not. */
static void the_certain_reason_wins(void **state)
{
	struct world w = zones();

	(void)state;
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchLabels':"
							    "{'team':'t'}}}", ""));
	expect_refused(&w, labelled("other", ""), "ab", UNKNOWN);
	cache_put_pod(w.cache, loner("r", "'nodeName':'b',", "{'topologyKey':'zone','labelSelector':{},'namespaces':['other']}", ""));
	expect_refused(&w, labelled("other", ""), "ab", KEPT_AWAY);
	world_free(&w);
}

static void assumed_and_terminating_pods_count_and_ended_ones_do_not(void **state)
{
	struct world w = zones();

	(void)state;
	cache_put_pod(w.cache, loner("q", "", ALONE_IN_ZONE, ""));
	expect_refused(&w, labelled("default", "'app':'x'"), "", "");
	assert_true(cache_assume(w.cache, "uid-q", (uint32_t)cache_find_node(w.cache, "a")));
	expect_refused(&w, labelled("default", "'app':'x'"), "ab", KEPT_AWAY);
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", ALONE_IN_ZONE, ",'status':{'phase':'Running'}"));
	expect_refused(&w, labelled("default", "'app':'x'"), "ab", KEPT_AWAY);
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", ALONE_IN_ZONE, ",'status':{'phase':'Succeeded'}"));
	expect_refused(&w, labelled("default", "'app':'x'"), "", "");
	world_free(&w);
}

/* Only on its own node, and, as in kube-scheduler, only where there is another reason to look at pod affinity at all. */
static void a_nominated_pod_keeps_others_off_its_node(void **state)
{
	struct world w = zones();

	(void)state;
	cache_put_pod(w.cache, loner("q", "", ALONE_IN_ZONE, ",'status':{'nominatedNodeName':'a'}"));
	expect_refused(&w, labelled("default", "'app':'x'"), "", "");
	cache_put_pod(w.cache, loner("r", "'nodeName':'c',", ALONE_IN_ZONE, ""));
	expect_refused(&w, labelled("default", "'app':'x'"), "ac", KEPT_AWAY);
	cache_put_pod(w.cache, loner("q", "'priority':-1,", ALONE_IN_ZONE, ",'status':{'nominatedNodeName':'a'}"));
	expect_refused(&w, labelled("default", "'app':'x'"), "c", KEPT_AWAY);
	world_free(&w);
}

/* Many domains: each is closed, and no other. */
static void many_domains(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct world w = world_new();
	bool shut[200] = {false};
	struct pod *pod = labelled("default", "'app':'x'");
	char name[16], more[64];
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shut); i++) {
		snprintf(name, sizeof(name), "n%u", i);
		snprintf(more, sizeof(more), ",'zone':'z%u'", i);
		cache_put_node(w.cache, node_with(name, "%s", more));
		shut[i] = rng_chance(&rng, 0.5);
		snprintf(more, sizeof(more), "'nodeName':'n%u',", i);
		snprintf(name, sizeof(name), "q%u", i);
		if (shut[i])
			cache_put_pod(w.cache, loner(name, more, i % 2 ? ALONE_IN_ZONE : "{'topologyKey':'kubernetes.io/hostname',"
										       "'labelSelector':{}}", ""));
	}
	world_decide(&w, pod);
	for (i = 0; i < ARRAY_SIZE(shut); i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_string_equal(world_reason(&w, name), shut[i] ? KEPT_AWAY : "");
	}
	pod_free(pod);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_and_domains),
		cmocka_unit_test(the_certain_reason_wins),
		cmocka_unit_test(assumed_and_terminating_pods_count_and_ended_ones_do_not),
		cmocka_unit_test(a_nominated_pod_keeps_others_off_its_node),
		cmocka_unit_test(many_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
