#include "tests/unit/world.h"

#include "sched/filter/fit.h"

#define ASKS(list) "'containers':[{'resources':{'requests':{" list "}}}]"

static struct node *sized(const char *name, const char *allocatable)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s'},'status':{'allocatable':{%s}}}", name, allocatable);

	return node_of_text(text);
}

static void requests_against_what_is_free(void **state)
{
	static const struct {
		const char *asks, *reason;
	} examples[] = {	/* on 4 cores, 8 GiB, 10 GiB and 10 pods, of which 3 cores, 6 GiB, 1 GiB and 1 pod are used */
		{"", ""},
		{"'cpu':'1'", ""},
		{"'cpu':'1001m'", "Insufficient cpu"},
		{"'cpu':'1','memory':'2Gi','ephemeral-storage':'9Gi'", ""},
		{"'memory':'2147483649'", "Insufficient memory"},
		{"'ephemeral-storage':'9.1Gi'", "Insufficient ephemeral-storage"},
		{"'cpu':'2','memory':'3Gi','ephemeral-storage':'99Gi'", "Insufficient cpu, Insufficient memory, Insufficient ephemeral-storage"},
		{"'cpu':'2','example.com/gpu':'1'", "Insufficient cpu, Insufficient example.com/gpu"},
		{"'example.com/gpu':'1','hugepages-2Mi':'2Mi'", "Insufficient example.com/gpu, Insufficient hugepages-2Mi"},
		{"'example.com/gpu':'0'", ""},
		{"'example.com/fpga':'1'", ""},
		{"'example.com/fpga':'2'", "Insufficient example.com/fpga"},
		{"'storage':'99'", ""},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();

		cache_put_node(w.cache, sized("n", "'cpu':'4','memory':'8Gi','ephemeral-storage':'10Gi','pods':'10','example.com/fpga':'2'"));
		cache_put_pod(w.cache, pod_with("q", "'nodeName':'n'," ASKS("'cpu':'3','memory':'6Gi','ephemeral-storage':'1Gi',"
									     "'example.com/fpga':'1'")));
		world_expect(&w, pod_with("p", ASKS("%s"), examples[i].asks), "n", examples[i].reason);
		world_free(&w);
	}
}

static void the_number_of_pods(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, sized("two", "'pods':'2'"));
	cache_put_node(w.cache, sized("unsaid", "'cpu':'4'"));
	cache_put_pod(w.cache, pod_with("q", "'nodeName':'two'"));
	world_expect(&w, pod_with("p", "%s", ""), "two", "");
	world_expect(&w, pod_with("p", "%s", ""), "unsaid", "Too many pods");
	cache_put_pod(w.cache, pod_with("r", "'nodeName':'two'"));
	world_expect(&w, pod_with("p", "%s", ""), "two", "Too many pods");
	world_expect(&w, pod_with("p", ASKS("'cpu':'1'")), "two", "Too many pods, Insufficient cpu");
	world_free(&w);
}

/* A node that is overcommitted (another scheduler's doing, or a node that shrank) still takes a pod that asks for nothing. */
static void zero_fits_an_overcommitted_node(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	cache_put_pod(w.cache, pod_with("q", "'nodeName':'n'," ASKS("'cpu':'9','memory':'99Gi','example.com/gpu':'5'")));
	world_expect(&w, pod_with("p", "%s", ""), "n", "");
	world_expect(&w, pod_with("p", ASKS("'cpu':'1m'")), "n", "Insufficient cpu");
	world_expect(&w, pod_with("p", ASKS("'example.com/gpu':'0'")), "n", "");
	world_free(&w);
}

static void more_than_the_node_has_is_unresolvable(void **state)
{
	static const struct {
		const char *asks;
		unsigned detail;
	} examples[] = {
		{"'cpu':'2'", FIT_CPU},
		{"'cpu':'5'", FIT_CPU | FIT_UNRESOLVABLE},
		{"'cpu':'4'", FIT_CPU},
		{"'cpu':'2','memory':'9Gi'", FIT_CPU | FIT_MEMORY | FIT_UNRESOLVABLE},
		{"'ephemeral-storage':'11Gi'", FIT_EPHEMERAL | FIT_UNRESOLVABLE},
		{"'example.com/gpu':'1'", FIT_SCALAR | FIT_UNRESOLVABLE},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(examples); i++) {
		struct world w = world_new();
		struct pod *pod = pod_with("p", ASKS("%s"), examples[i].asks);

		cache_put_node(w.cache, node_with("n", "%s", ""));
		cache_put_pod(w.cache, pod_with("q", "'nodeName':'n'," ASKS("'cpu':'3'")));
		world_decide(&w, pod);
		assert_string_equal(world_filter(&w, "n")->name, "NodeResourcesFit");
		assert_int_equal(w.decision.verdicts[0].detail, examples[i].detail);
		pod_free(pod);
		world_free(&w);
	}
}

static struct pod *nominated(const char *name, const char *node, int priority, const char *asks)
{
	auto_free char *text = xasprintf("{'metadata':{'name':'%s','namespace':'d','uid':'uid-%s'},'spec':{'priority':%d," ASKS("%s")
					 "},'status':{'nominatedNodeName':'%s'}}", name, name, priority, asks, node);

	return pod_of(text);
}

static void nominated_pods_hold_their_place(void **state)
{
	struct world w = world_new();
	struct pod *self;

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	cache_put_pod(w.cache, nominated("v", "n", 5, "'cpu':'2'"));
	cache_put_pod(w.cache, nominated("u", "n", 9, "'cpu':'1','example.com/gpu':'1'"));
	cache_put_pod(w.cache, nominated("t", "elsewhere", 9, "'cpu':'4'"));
	world_expect(&w, pod_with("p", "'priority':5," ASKS("'cpu':'1'")), "n", "");
	world_expect(&w, pod_with("p", "'priority':5," ASKS("'cpu':'2'")), "n", "Insufficient cpu");
	world_expect(&w, pod_with("p", "'priority':6," ASKS("'cpu':'2'")), "n", "");
	world_expect(&w, pod_with("p", "'priority':9," ASKS("'cpu':'4'")), "n", "Insufficient cpu");
	world_expect(&w, pod_with("p", "'priority':10," ASKS("'cpu':'4'")), "n", "");
	world_expect(&w, pod_with("p", "'priority':5," ASKS("'cpu':'5','example.com/gpu':'1'")), "n",
		     "Insufficient cpu, Insufficient example.com/gpu");
	self = nominated("v", "n", 5, "'cpu':'3'"); /* its own nomination is not in its way */
	world_expect(&w, self, "n", "");
	assert_true(cache_assume(w.cache, "uid-v", 0)); /* now it holds it as a pod, not twice */
	world_expect(&w, pod_with("p", "'priority':5," ASKS("'cpu':'1'")), "n", "");
	world_free(&w);
}

/* kube-scheduler looks with the nominated pods first, and tells what that look found, also where the pod would not fit without them. */
static void what_is_told_is_short_beside_nominated_pods(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("n", "%s", ""));
	cache_put_pod(w.cache, pod_with("q", "'nodeName':'n','containers':[{'resources':{'requests':{'cpu':'3'}}}]"));
	world_expect(&w, pod_with("p", "'containers':[{'resources':{'requests':{'cpu':'2','memory':'6Gi'}}}]"), "n", "Insufficient cpu");
	cache_put_pod(w.cache, nominated("u", "n", 0, "'memory':'4Gi'"));
	world_expect(&w, pod_with("p", "'containers':[{'resources':{'requests':{'cpu':'2','memory':'6Gi'}}}]"), "n",
		     "Insufficient cpu, Insufficient memory");
	world_free(&w);
}

static void nominated_pods_count_as_pods(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, sized("n", "'pods':'2','example.com/gpu':'2'"));
	cache_put_pod(w.cache, nominated("a", "n", 0, "'example.com/gpu':'1'"));
	world_expect(&w, pod_with("p", ASKS("'example.com/gpu':'1'")), "n", "");
	world_expect(&w, pod_with("p", ASKS("'example.com/gpu':'2'")), "n", "Insufficient example.com/gpu");
	cache_put_pod(w.cache, nominated("b", "n", 0, ""));
	world_expect(&w, pod_with("p", "%s", ""), "n", "Too many pods");
	world_free(&w);
}

/* All that is short beside the nominated pods is said, also on a node that is full without them. */
static void nominated_pods_add_to_the_reasons(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, sized("n", "'cpu':'2','memory':'1Gi','pods':'0','example.com/gpu':'1'"));
	cache_put_pod(w.cache, nominated("v", "n", 0, "'cpu':'1'"));
	world_expect(&w, pod_with("p", ASKS("'cpu':'1500m'")), "n", "Too many pods, Insufficient cpu");
	world_expect(&w, pod_with("p", ASKS("'memory':'2Gi','cpu':'1'")), "n", "Too many pods, Insufficient memory");
	cache_put_pod(w.cache, nominated("u", "n", 0, "'example.com/gpu':'1'"));
	world_expect(&w, pod_with("p", ASKS("'memory':'2Gi','example.com/gpu':'1'")), "n",
		     "Too many pods, Insufficient memory, Insufficient example.com/gpu");
	world_free(&w);
}

/* --- against the rule written down again ------------------------------------------------------------------------------------------ */

#define NODES 12

struct demand {
	int64_t cpu, memory, gpus, pods;
};

static struct pod *random_pod(struct rng *rng, unsigned i, const char *place, struct demand *d, int *priority)
{
	auto_free char *text = NULL;

	*d = (struct demand){rng_below(rng, 4) ? rng_below(rng, 2000) : 0, rng_below(rng, 4) ? rng_below(rng, 4000) : 0, rng_below(rng, 3), 1};
	*priority = (int)rng_below(rng, 3);
	text = xasprintf("{'metadata':{'name':'p%u','namespace':'d','uid':'u%u'},'spec':{'priority':%d," ASKS("'cpu':'%lldm','memory':'%lld',"
			 "'x/gpu':'%lld'") "%s", i, i, *priority, (long long)d->cpu, (long long)d->memory, (long long)d->gpus, place);
	return pod_of(text);
}

static void take(struct demand *from, const struct demand *d)
{
	from->cpu -= d->cpu;
	from->memory -= d->memory;
	from->gpus -= d->gpus;
	from->pods -= d->pods;
}

static bool fits(const struct demand *available, const struct demand *d)
{
	return available->pods >= 1 && (!d->cpu || d->cpu <= available->cpu) && (!d->memory || d->memory <= available->memory) &&
	       (!d->gpus || d->gpus <= available->gpus);
}

static void fill(struct world *w, struct rng *rng, struct demand *available, int ours)
{
	uint32_t pods = rng_below(rng, 40), i;
	char place[96];

	for (i = 0; i < NODES; i++) {
		auto_free char *text = NULL;
		char name[8];

		available[i] = (struct demand){rng_below(rng, 8000), rng_below(rng, 16000), rng_below(rng, 8), rng_below(rng, 8)};
		text = xasprintf("'cpu':'%lldm','memory':'%lld','x/gpu':'%lld','pods':'%lld'", (long long)available[i].cpu,
				 (long long)available[i].memory, (long long)available[i].gpus, (long long)available[i].pods);
		snprintf(name, sizeof(name), "n%u", i);
		cache_put_node(w->cache, sized(name, text));
	}
	for (i = 0; i < pods; i++) {
		uint32_t node = rng_below(rng, NODES);
		bool waits = rng_chance(rng, 0.3);
		struct demand d;
		int priority;

		snprintf(place, sizeof(place), waits ? "},'status':{'nominatedNodeName':'n%u'}}" : ",'nodeName':'n%u'}}", node);
		cache_put_pod(w->cache, random_pod(rng, i, place, &d, &priority));
		if (!waits || priority >= ours)
			take(&available[node], &d);
	}
}

static void equals_the_rule_on_random_clusters(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 400; round++) {
		struct world w = world_new();
		struct demand available[NODES], d;
		struct pod *pod;
		int priority;
		char name[8];
		unsigned i;

		pod = random_pod(&rng, 1000, "}}", &d, &priority);
		fill(&w, &rng, available, priority);
		world_decide(&w, pod);
		for (i = 0; i < NODES; i++) {
			snprintf(name, sizeof(name), "n%u", i);
			assert_int_equal(world_reason(&w, name)[0] == '\0', fits(&available[i], &d));
		}
		pod_free(pod);
		world_free(&w);
	}
}

/* A pod that names its node may ask for anything. What is left there is so little that no sum with it may wrap around. */
static void a_node_that_is_owed_everything(void **state)
{
	struct world w = world_new();

	(void)state;
	cache_put_node(w.cache, node_with("a", "%s", ""));
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'b'},'status':{'allocatable':{'pods':'9'}}}"));
	cache_put_pod(w.cache, pod_with("q", "'nodeName':'b','containers':[{'resources':{'requests':{'cpu':'9E','memory':'10E','x/y':'10E'}}}]"));
	world_expect(&w, pod_with("p", "'containers':[{'resources':{'requests':{'cpu':'2','memory':'2Gi','x/y':'1'}}}]"), "b",
		     "Insufficient cpu, Insufficient memory, Insufficient x/y");
	world_expect(&w, pod_with("p", "'containers':[{'resources':{'requests':{'cpu':'2','memory':'2Gi'}}}]"), "b",
		     "Insufficient cpu, Insufficient memory");
	assert_int_equal(w.decision.feasible, 1);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_against_what_is_free),
		cmocka_unit_test(the_number_of_pods),
		cmocka_unit_test(zero_fits_an_overcommitted_node),
		cmocka_unit_test(more_than_the_node_has_is_unresolvable),
		cmocka_unit_test(nominated_pods_hold_their_place),
		cmocka_unit_test(what_is_told_is_short_beside_nominated_pods),
		cmocka_unit_test(nominated_pods_count_as_pods),
		cmocka_unit_test(nominated_pods_add_to_the_reasons),
		cmocka_unit_test(a_node_that_is_owed_everything),
		cmocka_unit_test(equals_the_rule_on_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
