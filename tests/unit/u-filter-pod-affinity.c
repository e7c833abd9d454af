/* InterPodAffinity: what the pod wants and avoids, and what the required anti-affinity of other pods keeps away. */
#include "tests/unit/world.h"

#define KEPT_AWAY "node(s) didn't satisfy existing pods anti-affinity rules"
#define NOT_WANTED "node(s) didn't match pod affinity rules"
#define AVOIDED "node(s) didn't match pod anti-affinity rules"
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

/* --- the pod's own terms --- */

/* Of namespace "default", with app=x and these members of its affinity. */
static struct pod *wisher(const char *affinity)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'default','uid':'uid-p','labels':{'app':'x'}},'spec':{'affinity':{%s}}}",
					 affinity);

	return pod_of(text);
}

static void put(struct world *w, const char *name, const char *namespace_, const char *app, const char *node, const char *more)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'%s','uid':'uid-%s','labels':{'app':'%s'}%s},'spec':{'nodeName':'%s'}}",
					 name, namespace_, name, app, more, node);

	cache_put_pod(w->cache, pod_of(text));
}

static void put_nominated(struct world *w, const char *name, const char *app, int priority, const char *node)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s','labels':{'app':'%s'}},'spec':{'priority':%d},"
					 "'status':{'nominatedNodeName':'%s'}}", name, name, app, priority, node);

	cache_put_pod(w->cache, pod_of(text));
}

static void put_namespace(struct world *w, const char *name, const char *labels)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','labels':{%s}}}", name, labels);
	cJSON *json = object_of(text);
	struct lm_err err;

	cache_put_object(w->cache, object_parse(OBJECT_NAMESPACE, json, &err));
	cJSON_Delete(json);
}

#define REQUIRED "'requiredDuringSchedulingIgnoredDuringExecution'"
#define WITH(terms) "'podAffinity':{" REQUIRED ":[" terms "]}"
#define WITHOUT(terms) "'podAntiAffinity':{" REQUIRED ":[" terms "]}"
#define TERM(key, app, more) "{'topologyKey':'" key "','labelSelector':{'matchLabels':{'app':'" app "'}}" more "}"

static void near_a_pod_that_matches(void **state)
{
	struct world w = zones();

	(void)state;
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ""))), "abcd", NOT_WANTED);
	put(&w, "q", "default", "y", "a", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ""))), "cd", NOT_WANTED);
	expect_refused(&w, wisher(WITH(TERM("kubernetes.io/hostname", "y", ""))), "bcd", NOT_WANTED);
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ",'namespaces':['other']"))), "abcd", NOT_WANTED);
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ",'namespaces':['other','default']"))), "cd", NOT_WANTED);
	put(&w, "q", "default", "y", "a", ",'deletionTimestamp':'2026-01-01T00:00:00Z'");
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ""))), "cd", NOT_WANTED);		/* terminating pods count */
	world_free(&w);
}

/* One pod has to match all terms; each term's domain has to have one such pod. */
static void several_terms(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q", "default", "y", "a", "");
	put(&w, "r", "default", "z", "a", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "y", "") "," TERM("zone", "z", ""))), "abcd", NOT_WANTED);
	expect_refused(&w, wisher(WITH(TERM("zone", "y", "") "," TERM("kubernetes.io/hostname", "y", ""))), "bcd", NOT_WANTED);
	world_free(&w);
}

static void the_first_of_many(void **state)
{
	struct world w = zones();

	(void)state;
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ""))), "d", NOT_WANTED);	/* which has no zone */
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ",'namespaces':['other']"))), "abcd", NOT_WANTED);	/* it does not mean itself */
	put(&w, "q", "other", "x", "a", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ""))), "d", NOT_WANTED);	/* of another namespace: no second */
	put(&w, "r", "default", "x", "d", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ""))), "d", NOT_WANTED);	/* in no zone: counts nowhere */
	put(&w, "s", "default", "x", "c", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ""))), "abd", NOT_WANTED);
	world_free(&w);
}

static void away_from_a_pod_that_matches(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q", "default", "y", "a", "");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ""))), "ab", AVOIDED);
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "x", ""))), "", "");		/* itself it does not avoid */
	put(&w, "r", "default", "z", "c", "");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", "") "," TERM("zone", "z", ""))), "abc", AVOIDED);	/* each term by itself */
	expect_refused(&w, wisher(WITHOUT("{'topologyKey':'zone'}")), "", "");		/* no selector: nobody */
	world_free(&w);
}

static void the_order_of_reasons(void **state)
{
	struct world w = zones();

	(void)state;
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", ALONE_IN_ZONE, ""));
	put(&w, "r", "default", "y", "a", "");
	expect_refused(&w, wisher(WITHOUT(TERM("kubernetes.io/hostname", "n", ""))), "ab", KEPT_AWAY);
	world_expect(&w, wisher(WITHOUT(TERM("kubernetes.io/hostname", "y", ""))), "a", AVOIDED);
	world_expect(&w, wisher(WITHOUT(TERM("kubernetes.io/hostname", "y", ""))), "b", KEPT_AWAY);
	world_expect(&w, wisher(WITH(TERM("zone", "n", "")) "," WITHOUT(TERM("kubernetes.io/hostname", "y", ""))), "a", NOT_WANTED);
	world_free(&w);
}

static void namespaces_by_their_labels(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q", "other", "y", "a", "");
	/* Nothing is known of namespaces: what may match does not attract, and keeps away. */
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ",'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "abcd", NOT_WANTED);
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "ab", AVOIDED NO_NAMESPACES);
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{}"))), "ab", AVOIDED);
	put(&w, "q", "other", "x", "a", "");
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ",'namespaces':['default'],'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "abcd",
		       NOT_WANTED);						/* perhaps it is not the first */
	put(&w, "q", "other", "y", "a", "");
	put_namespace(&w, "default", "");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "", "");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{'matchExpressions':[{'key':'team','operator':'DoesNotExist'}]}"))), "ab",
		       AVOIDED);
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{}"))), "ab", AVOIDED);
	put_namespace(&w, "other", "'team':'t'");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "ab", AVOIDED);
	/* Not what the field says, and what kube-scheduler does (terms.h). */
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ",'namespaceSelector':{'matchExpressions':[{'key':'team','operator':'DoesNotExist'}]}"))), "ab",
		       AVOIDED);
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ",'namespaceSelector':{'matchLabels':{'team':'t'}}"))), "cd", NOT_WANTED);
	world_free(&w);
}

static void namespaces_of_others_terms(void **state)
{
	struct world w = zones();

	(void)state;
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchLabels':"
							    "{'team':'t'}}}", ""));
	put_namespace(&w, "default", "");
	expect_refused(&w, labelled("other", ""), "", "");
	put_namespace(&w, "other", "'team':'t'");
	expect_refused(&w, labelled("other", ""), "ab", KEPT_AWAY);
	expect_refused(&w, labelled("default", ""), "", "");
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", "{'topologyKey':'zone','labelSelector':{},'namespaceSelector':{'matchExpressions':"
							    "[{'key':'team','operator':'DoesNotExist'}]}}", ""));
	expect_refused(&w, labelled("default", ""), "ab", KEPT_AWAY);
	expect_refused(&w, labelled("other", ""), "", "");
	expect_refused(&w, labelled("unknown", ""), "ab", KEPT_AWAY);		/* taken as without labels */
	world_free(&w);
}

/* A nominated pod is looked at as if it were there, and as if it were not; both have to be fine. */
static void nominated_pods_and_own_terms(void **state)
{
	struct world w = zones();

	(void)state;
	put_nominated(&w, "q", "y", 0, "a");
	expect_refused(&w, wisher(WITH(TERM("zone", "y", ""))), "abcd", NOT_WANTED);	/* it does not attract */
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ""))), "a", AVOIDED);	/* and keeps away from its node alone */
	put_nominated(&w, "q", "y", -1, "a");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ""))), "", "");
	put_nominated(&w, "q", "x", 0, "a");
	expect_refused(&w, wisher(WITH(TERM("zone", "x", ""))), "d", NOT_WANTED);	/* still the first */
	put_nominated(&w, "q", "y", 0, "d");
	expect_refused(&w, wisher(WITHOUT(TERM("zone", "y", ""))), "", "");		/* in no zone */
	world_free(&w);
}

/* A selector that is none drops its list, as in kube-scheduler, where the pod is there already; a pod to be placed waits. */
static void selectors_that_are_none(void **state)
{
	struct world w = zones();
	struct pod *pod = wisher(WITH("{'topologyKey':'zone','labelSelector':{'matchExpressions':[{'key':'app','operator':'Is'}]}}"));

	(void)state;
	cache_put_pod(w.cache, loner("q", "'nodeName':'a',", ALONE_IN_ZONE ",{'topologyKey':'zone','namespaceSelector':{'matchExpressions':[{}]}}", ""));
	expect_refused(&w, labelled("default", "'app':'x'"), "", "");
	world_decide(&w, pod);
	assert_string_equal(w.decision.pod_reason, "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: is no "
						   "label selector");
	pod_free(pod);
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
		cmocka_unit_test(near_a_pod_that_matches),
		cmocka_unit_test(several_terms),
		cmocka_unit_test(the_first_of_many),
		cmocka_unit_test(away_from_a_pod_that_matches),
		cmocka_unit_test(the_order_of_reasons),
		cmocka_unit_test(namespaces_by_their_labels),
		cmocka_unit_test(namespaces_of_others_terms),
		cmocka_unit_test(nominated_pods_and_own_terms),
		cmocka_unit_test(selectors_that_are_none),
		cmocka_unit_test(many_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
