/*
 * A burst of 200 pods on 20 equal nodes of 4 CPUs, whose load is that of a minute ago all the time: no node gets more than twice the mean. By
 * decide and assume, and by judge beside a kube-scheduler that takes one of the best at random and whose bindings are seen some pods later. Beside
 * each figure stands that of the same burst without the load that is expected. Where the judge singles out one node (`alone`), nodes may be of any
 * size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/extender/judge.h"
#include "tests/testing/world.h"

#define NODES 20
#define PODS 200
#define MOST (2 * PODS / NODES)
#define SEEDS 12
#define LAG_MAX 20
#define REQUEST "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"}}}]"

struct burst {
	const char *name;
	double cpu, calm;		/* +- 0.01; of the first node */
	bool near, request, owners;	/* 200 owners; else one */
	int lag;			/* pods that are decided on before a binding is seen; extender alone */
	int cpus;			/* of a node; 0: 4 */
	bool alone;			/* the judge singles out one node */
};

static struct world w;
static int taken[NODES];

static void node_name(int i, char name[16])
{
	snprintf(name, 16, "n%02d", i);
}

static void begin(const struct burst *b, struct rng *r, bool expect)
{
	auto_free char *resources = xasprintf("\"cpu\":\"%d\",\"memory\":\"8Gi\",\"pods\":\"110\"", b->cpus ? b->cpus : 4);
	char names[NODES * 4 + 1] = "", name[16], other[16];
	int i, k;

	for (i = 0; i < NODES; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%sn%02d", i ? " " : "", i);
	world_begin(&w, names, "milan");
	for (i = 0; i < NODES; i++) {
		node_name(i, name);
		world_node_of(&w, name, "", "", resources);
		world_client(&w, name, "milan", 5000);
		world_cpu(&w, name, (i ? b->cpu : b->calm) + rng_unit(r) * 0.02 - 0.01);
		for (k = 0; k < i; k++) {
			node_name(k, other);
			world_rtt(&w, name, other, 1000);
		}
	}
	world_take(&w);
	cache_set_time(w.cache, expect ? 1 : PLACED_LONG_AGO);
	cache_replace_pods_begin(w.cache);
	cache_replace_pods_end(w.cache, NULL, NULL);
	memset(taken, 0, sizeof(taken));
}

static const char *near_of(const struct burst *b)
{
	return b->near ? "\"latency-mesh.io/near\":\"client/milan\"" : "";
}

static char *owner_of(const struct burst *b, int i)
{
	return xasprintf("\"ownerReferences\":[{\"kind\":\"Job\",\"name\":\"job\",\"uid\":\"job-%d\",\"controller\":true}]", b->owners ? i : 0);
}

static void put(const struct burst *b, const char *seed, int i, const char *node)
{
	auto_free char *owner = owner_of(b, i);
	auto_free char *name = xasprintf("p-%s-%d", seed, i);

	world_pod_of(&w, name, node, "", near_of(b), owner, b->request ? REQUEST : "");
}

static int most(void)
{
	int i, max = 0;

	for (i = 0; i < NODES; i++)
		max = taken[i] > max ? taken[i] : max;
	return max;
}

/* --- standalone ----------------------------------------------------------------------------------------------------------- */

static int alone(const struct burst *b, uint64_t seed, bool expect)
{
	struct rng r = rng_make(seed);
	auto_free char *tag = xasprintf("%llx", (unsigned long long)rng_next(&r));
	int i, max;

	begin(b, &r, expect);
	for (i = 0; i < PODS; i++) {
		auto_free char *name = xasprintf("p-%s-%d", tag, i), *uid = xasprintf("uid-p-%s-%d", tag, i);

		put(b, tag, i, "");
		world_again(&w, name);
		assert_true(w.decision.node >= 0);
		taken[atoi(world_chosen(&w) + 1)]++;
		assert_true(cache_assume(w.cache, uid, (uint32_t)w.decision.node));
	}
	max = most();
	world_end(&w);
	return max;
}

/* --- extender ------------------------------------------------------------------------------------------------------------- */

static struct wire_answer ask(struct judge *j, enum judge_verb verb, const struct burst *b, const char *tag, int i, const bool *offered)
{
	auto_buf struct buf text = {0};
	struct wire_request request;
	struct judge_input in = world_judge_input(&w, b->alone);
	auto_free char *owner = owner_of(b, i);
	struct wire_answer answer;
	const char *separator = "";
	struct lm_err err;
	int n;

	buf_printf(&text, "{\"Pod\":{\"metadata\":{\"name\":\"p-%s-%d\",\"namespace\":\"default\",\"uid\":\"uid-p-%s-%d\",\"annotations\":{%s},%s},\"spec\":{%s}},"
		   "\"NodeNames\":[", tag, i, tag, i, near_of(b), owner, b->request ? REQUEST : "");
	for (n = 0; n < NODES; n++)
		if (offered[n]) {
			buf_printf(&text, "%s\"n%02d\"", separator, n);
			separator = ",";
		}
	buf_str(&text, "]}");
	if (wire_parse(text.data, text.len, &request, &err) < 0)
		fail_msg("%s", err.msg);
	answer = judge_request(j, &in, verb, &request);
	wire_free(&request);
	return answer;
}

/* As a kube-scheduler where nothing else ranks: one of the best of those that pass. */
static int choose(struct judge *j, const struct burst *b, const char *tag, int i, struct rng *r)
{
	bool offered[NODES];
	struct wire_answer answer;
	int n, best = -1, count = 0, chosen = -1;
	uint32_t at;

	memset(offered, true, sizeof(offered));
	answer = ask(j, JUDGE_FILTER, b, tag, i, offered);
	for (n = 0; n < NODES; n++)
		offered[n] = answer.nodes[n].verdict == WIRE_PASSED;
	wire_answer_free(&answer);
	answer = ask(j, JUDGE_PRIORITIZE, b, tag, i, offered);
	for (at = 0; at < answer.count; at++)
		best = answer.nodes[at].score > best ? answer.nodes[at].score : best;
	for (n = 0, at = 0; n < NODES; n++)
		if (offered[n] && answer.nodes[at++].score == best && rng_below(r, (uint32_t)++count) == 0)
			chosen = n;
	assert_true(chosen >= 0 && (!b->alone || count == 1));
	wire_answer_free(&answer);
	return chosen;
}

static void see(struct judge *j, const struct burst *b, const char *tag, int i, const int *where)
{
	auto_free char *uid = xasprintf("uid-p-%s-%d", tag, i);
	char node[16];

	if (i < 0)
		return;
	node_name(where[i], node);
	put(b, tag, i, node);
	judge_seen(j, w.cache, uid);
}

enum with { WITH_NOTHING, WITH_SEEN_PODS, WITH_PLEDGES };

static int beside(const struct burst *b, uint64_t seed, enum with with)
{
	struct rng r = rng_make(seed);
	auto_free char *tag = xasprintf("%llx", (unsigned long long)rng_next(&r));
	struct judge *j = judge_new();
	int i, max, where[PODS];

	begin(b, &r, with != WITH_NOTHING);
	for (i = 0; i < PODS; i++) {
		auto_free char *uid = xasprintf("uid-p-%s-%d", tag, i);

		w.mono_ms += 5;
		where[i] = choose(j, b, tag, i, &r);
		taken[where[i]]++;
		if (with != WITH_PLEDGES)
			judge_seen(j, w.cache, uid);	/* as one that is gone: its pledge goes */
		see(j, b, tag, i - b->lag, where);
	}
	max = most();
	judge_free(j);
	world_end(&w);
	return max;
}

/* --- the bursts ----------------------------------------------------------------------------------------------------------- */

static const struct burst equal[] = {
	{"ask nothing, one owner", 0.30, 0.30, false, false, false, 0, 0, false},
	{"ask nothing, 200 owners", 0.30, 0.30, false, false, true, 0, 0, false},
	{"250m each, one owner", 0.30, 0.30, false, true, false, 5, 0, false},
	{"250m each, 200 owners", 0.30, 0.30, false, true, true, 10, 0, false},
	{"near milan, one owner", 0.30, 0.30, true, false, false, 5, 0, false},
	{"near milan, 200 owners", 0.30, 0.30, true, false, true, LAG_MAX, 0, false},
	{"near milan, 250m each", 0.30, 0.30, true, true, true, LAG_MAX, 0, false},
	{"between two scores", 0.1667, 0.1667, true, false, true, 10, 0, false},
};
static const struct burst calm[] = {
	{"one is calmer", 0.30, 0.25, true, false, true, 5, 0, false},
};

static int worse(int a, int b)
{
	return a > b ? a : b;
}

static void each_alone(const struct burst *bursts, size_t count, bool herds)
{
	uint64_t seed = test_seed();
	size_t k;

	for (k = 0; k < count; k++) {
		int i, with = 0, without = 0;

		for (i = 0; i < SEEDS; i++) {
			with = worse(with, alone(&bursts[k], seed + (uint64_t)i, true));
			without = worse(without, alone(&bursts[k], seed + (uint64_t)i, false));
		}
		printf("# standalone, %s: at most %d on one node, %d without the expected load\n", bursts[k].name, with, without);
		assert_true(with <= MOST);
		assert_true(!herds || without > MOST);
	}
}

static void standalone_spreads_a_burst(void **state)
{
	(void)state;
	each_alone(equal, ARRAY_SIZE(equal), false);
}

static void standalone_does_not_herd_on_a_calmer_node(void **state)
{
	(void)state;
	each_alone(calm, ARRAY_SIZE(calm), true);
}

static void the_extender_spreads_a_burst(void **state)
{
	uint64_t seed = test_seed();
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(equal); k++) {
		int i, pledged = 0, seen = 0, none = 0;

		for (i = 0; i < SEEDS; i++) {
			pledged = worse(pledged, beside(&equal[k], seed + (uint64_t)i, WITH_PLEDGES));
			seen = worse(seen, beside(&equal[k], seed + (uint64_t)i, WITH_SEEN_PODS));
			none = worse(none, beside(&equal[k], seed + (uint64_t)i, WITH_NOTHING));
		}
		printf("# extender, %s, bindings seen %d pods later: at most %d on one node, %d without pledges, %d without the expected load\n",
		       equal[k].name, equal[k].lag, pledged, seen, none);
		assert_true(pledged <= MOST);
		assert_true(k != ARRAY_SIZE(equal) - 1 || none > MOST);	/* half of the nodes are a point better */
	}
}

/* One owner and many, with and without a request, near and not: the worst of all that a size and a load have. */
static void the_extender_alone_spreads_a_burst_on_nodes_of_any_size(void **state)
{
	static const int cpus[] = {4, 8, 64};
	static const double loads[] = {0.17, 0.30};
	uint64_t seed = test_seed();
	int size, load, kind, most_of_all;

	(void)state;
	for (size = 0; size < (int)ARRAY_SIZE(cpus); size++)
		for (load = 0; load < (int)ARRAY_SIZE(loads); load++) {
			for (most_of_all = kind = 0; kind < 24; kind++) {
				struct burst b = {"", loads[load], loads[load], kind & 1, kind & 2, kind & 4, kind / 8 * LAG_MAX / 2, cpus[size], true};

				most_of_all = worse(most_of_all, beside(&b, seed + (uint64_t)kind, WITH_PLEDGES));
			}
			printf("# extender alone, %d CPUs of which %.2f are in use: at most %d on one node\n", cpus[size], loads[load], most_of_all);
			assert_true(most_of_all <= MOST);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standalone_spreads_a_burst),
		cmocka_unit_test(standalone_does_not_herd_on_a_calmer_node),
		cmocka_unit_test(the_extender_spreads_a_burst),
		cmocka_unit_test(the_extender_alone_spreads_a_burst_on_nodes_of_any_size),
	};

	return cmocka_run_group_tests_name("herding", tests, NULL, NULL);
}
