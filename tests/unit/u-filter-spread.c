/* PodTopologySpread, constraint by constraint. Random clusters are in u-filter-terms. */
#include "tests/unit/world.h"

#define UNEVEN "node(s) didn't match pod topology spread constraints"
#define NO_LABEL UNEVEN " (missing required label)"

/* Nodes a and b in zone 1, c in zone 2, d in none; all of one rack. */
static struct world zones(void)
{
	struct world w = world_new();

	cache_put_node(w.cache, node_with("a", "%s", ",'zone':'1','rack':'r'"));
	cache_put_node(w.cache, node_with("b", "%s", ",'zone':'1','rack':'r'"));
	cache_put_node(w.cache, node_with("c", "%s", ",'zone':'2','rack':'r'"));
	cache_put_node(w.cache, node_with("d", "%s", ",'rack':'r'"));
	return w;
}

/* With app=x. */
static void put(struct world *w, const char *name, const char *namespace_, const char *node, const char *more)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'%s','uid':'uid-%s','labels':{'app':'x'}%s},'spec':{'nodeName':'%s'}}",
					 name, namespace_, name, more, node);

	cache_put_pod(w->cache, pod_of(text));
}

static void put_nominated(struct world *w, const char *name, const char *labels, int priority, const char *node)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'default','uid':'uid-%s','labels':{%s}},'spec':{'priority':%d},"
					 "'status':{'nominatedNodeName':'%s'}}", name, name, labels, priority, node);

	cache_put_pod(w->cache, pod_of(text));
}

static struct pod *spreader(const char *labels, const char *constraints, const char *spec)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'p','namespace':'default','uid':'uid-p','labels':{%s}},'spec':{%s"
					 "'topologySpreadConstraints':[%s]}}", labels, spec, constraints);

	return pod_of(text);
}

#define HARD(key, skew, more) "{'topologyKey':'" key "','maxSkew':" #skew ",'whenUnsatisfiable':'DoNotSchedule'" more "}"
#define X ",'labelSelector':{'matchLabels':{'app':'x'}}"

/* Why each of a, b, c and d is refused: '-' not, 's' by the skew, 'l' by the label. */
static void expect(struct world *w, struct pod *pod, const char *want)
{
	char have[5] = "----";
	unsigned i;

	world_decide(w, pod);
	for (i = 0; i < 4; i++) {
		const char *reason = world_reason(w, (const char[]){(char)('a' + i), '\0'});

		if (STREQ(reason, UNEVEN))
			have[i] = 's';
		else if (STREQ(reason, NO_LABEL))
			have[i] = 'l';
		else
			assert_string_equal(reason, "");
	}
	assert_string_equal(have, want);
	pod_free(pod);
}

static void skew_against_the_emptiest_domain(void **state)
{
	struct world w = zones();

	(void)state;
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	put(&w, "q1", "default", "a", "");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "ss-l");
	expect(&w, spreader("'app':'x'", HARD("zone", 2, X), ""), "---l");
	expect(&w, spreader("'app':'y'", HARD("zone", 1, X), ""), "---l");	/* it does not count itself */
	put(&w, "q2", "default", "b", "");
	expect(&w, spreader("'app':'y'", HARD("zone", 1, X), ""), "ss-l");
	expect(&w, spreader("'app':'x'", HARD("zone", 2, X), ""), "ss-l");
	put(&w, "q3", "default", "c", "");
	expect(&w, spreader("'app':'x'", HARD("zone", 2, X), ""), "---l");
	expect(&w, spreader("'app':'x'", HARD("kubernetes.io/hostname", 1, X), ""), "sss-");
	world_free(&w);
}

static void which_pods_count(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q1", "other", "a", "");
	put(&w, "q2", "default", "a", ",'deletionTimestamp':'2026-01-01T00:00:00Z'");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	put(&w, "q3", "default", "a", "");
	put(&w, "q4", "default", "a", "");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "ss-l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, ""), ""), "---l");		/* no selector: nobody, not even itself */
	expect(&w, spreader("'app':'x'", HARD("zone", 1, ",'labelSelector':{}"), ""), "---l");	/* an empty one counts no pod */
	expect(&w, spreader("'app':'x'", HARD("zone", 0, ",'labelSelector':{}"), ""), "sssl");	/* but itself */
	expect(&w, spreader("", HARD("zone", 1, ",'labelSelector':{'matchExpressions':[{'key':'app','operator':'Exists'}]}"), ""), "ss-l");
	expect(&w, spreader("'app':'x','v':'2'", HARD("zone", 1, X ",'matchLabelKeys':['v']"), ""), "---l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'matchLabelKeys':['v']"), ""), "ss-l");	/* a label that it has not */
	expect(&w, spreader("'app':'x'", HARD("zone", 1, ",'labelSelector':{},'matchLabelKeys':['app']"), ""), "ss-l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, ",'matchLabelKeys':['app']"), ""), "---l");	/* nil stays nil */
	world_free(&w);
}

static void few_domains_count_as_an_empty_one(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q1", "default", "a", "");
	put(&w, "q2", "default", "c", "");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'minDomains':2"), ""), "---l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'minDomains':3"), ""), "sssl");
	expect(&w, spreader("'app':'x'", HARD("nowhere", 1, X), ""), "llll");
	world_free(&w);
}

/* The first constraint that refuses tells why; a node counts only with all keys. */
static void several_constraints(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q1", "default", "d", "");
	expect(&w, spreader("'app':'x'", HARD("rack", 1, X), ""), "----");
	expect(&w, spreader("'app':'x'", HARD("kubernetes.io/hostname", 1, X) "," HARD("zone", 1, X), ""), "---l");	/* d does not count, nor its pod */
	put(&w, "q2", "default", "a", "");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X) "," HARD("nowhere", 1, X), ""), "llll");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X) "," HARD("kubernetes.io/hostname", 1, X), ""), "ss-l");
	expect(&w, spreader("'app':'x'", HARD("zone", 5, X) "," HARD("kubernetes.io/hostname", 1, X), ""), "s--l");
	expect(&w, spreader("'app':'x'", "{'topologyKey':'zone','maxSkew':1,'whenUnsatisfiable':'ScheduleAnyway'" X "}", ""), "----");
	world_free(&w);
}

static void inclusion_policies(void **state)
{
	static const char *const in_zone_1 = "'nodeSelector':{'zone':'1'},";
	struct world w = zones();

	(void)state;
	put(&w, "q1", "default", "a", "");
	/* Zone 2 is out of reach: it is no emptier domain, unless the constraint ignores the selector. */
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X), in_zone_1), "a", "");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'nodeAffinityPolicy':'Honor'"), in_zone_1), "a", "");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'nodeAffinityPolicy':'Ignore'"), in_zone_1), "a", UNEVEN);
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'c','labels':{'zone':'2'}},'spec':{'taints':[{'key':'k','effect':'NoSchedule'}]},"
					     "'status':{'allocatable':{'cpu':'4','memory':'8Gi','pods':'9'}}}"));
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "a", UNEVEN);
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'nodeTaintsPolicy':'Ignore'"), ""), "a", UNEVEN);
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'nodeTaintsPolicy':'Honor'"), ""), "a", "");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X ",'nodeTaintsPolicy':'Honor'"), "'tolerations':[{'operator':'Exists'}],"), "a", UNEVEN);
	world_free(&w);
}

static void nominated_pods_count_on_their_node(void **state)
{
	struct world w = zones();

	(void)state;
	put_nominated(&w, "q", "'app':'x'", 0, "a");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "s--l");	/* on a, and not for b in the same zone */
	put_nominated(&w, "q", "'app':'x'", -1, "a");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	put_nominated(&w, "q", "'app':'y'", 0, "a");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, ",'labelSelector':{}"), ""), "s--l");	/* an empty selector counts nominated pods */
	put_nominated(&w, "q", "'app':'x'", 0, "d");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "---l");
	world_free(&w);
}

/* The domain that a nominated pod makes fuller may have been the emptiest, and the only one. */
static void a_nominated_pod_in_the_emptiest_domain(void **state)
{
	struct world w = zones();

	(void)state;
	put(&w, "q1", "default", "a", "");
	put(&w, "q2", "default", "a", "");
	put_nominated(&w, "q3", "'app':'x'", 0, "c");
	put_nominated(&w, "q4", "'app':'x'", 0, "c");
	expect(&w, spreader("'app':'x'", HARD("zone", 2, X), ""), "ss-l");
	put_nominated(&w, "q5", "'app':'x'", 0, "c");
	expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "sssl");	/* 3 and itself against 2 */
	world_free(&w);
	w = world_new();
	cache_put_node(w.cache, node_with("a", "%s", ",'zone':'1'"));
	put_nominated(&w, "q1", "'app':'x'", 0, "a");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "a", "");
	world_free(&w);
}

static void an_empty_value_is_a_domain(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("a", "%s", ",'zone':''"));
	cache_put_node(w.cache, node_with("b", "%s", ",'zone':'1'"));
	put(&w, "q", "default", "b", "");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "a", "");
	world_expect(&w, spreader("'app':'x'", HARD("zone", 1, X), ""), "b", UNEVEN);
	world_free(&w);
}

static void it_wakes_by_pods_and_nodes(void **state)
{
	struct world w = zones();
	struct pod *pod = spreader("'app':'x'", HARD("nowhere", 1, X), "");

	(void)state;
	world_decide(&w, pod);
	assert_int_equal(w.decision.wake, WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_POD_FREED | WAKE_POD_ADDED);
	assert_string_equal(world_filter(&w, "a")->name, "PodTopologySpread");
	pod_free(pod);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(skew_against_the_emptiest_domain),
		cmocka_unit_test(which_pods_count),
		cmocka_unit_test(few_domains_count_as_an_empty_one),
		cmocka_unit_test(several_constraints),
		cmocka_unit_test(inclusion_policies),
		cmocka_unit_test(nominated_pods_count_on_their_node),
		cmocka_unit_test(a_nominated_pod_in_the_emptiest_domain),
		cmocka_unit_test(an_empty_value_is_a_domain),
		cmocka_unit_test(it_wakes_by_pods_and_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
