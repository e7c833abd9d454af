/*
 * The law that an earlier extender broke: lower latency or lower CPU, all else equal, never makes a node worse. From the JSON that a kube-scheduler sends to the
 * JSON that it is answered, for both verbs, with and without a node that is singled out (judge_input.alone), over random clusters: ages, lost links, limits
 * of pods and of the configuration, full CPU and its memory, nodes of the cloud.
 *
 * Loads are (k + 0.4) / 1000 and ages multiples of 42 s: then no total comes so near to the half of a score that the rounding of floats could tip it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/extender/judge.h"
#include "tests/testing/world.h"

#define NODES 5
#define ROUNDS 10000

static const char *const names[NODES] = {"n0", "n1", "n2", "n3", "n4"};
static struct world w;
static struct judge *judge;
static bool alone;
static bool is_cloud[NODES];		/* as the nodes are labelled now */

/* Links go to the client milan and to the node t, which is not on offer: so each is of one node alone. */
struct cluster {
	double client_us[NODES], here_us[NODES], there_us[NODES], jitter_us[NODES];
	bool here_lost[NODES], there_lost[NODES];
	double cpu_before[NODES], cpu[NODES];
	double age_s[NODES], age_of_t;
	double max_latency_us;
	bool deny, strict;
	bool cloud[NODES], asks;
	char metadata[256];
};

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "n0 n1 n2 n3 n4 t", "milan");
	world_near_by_default(&w, "client/milan");
	judge = judge_new();
	memset(is_cloud, 0, sizeof(is_cloud));
	return 0;
}

static int end(void **state)
{
	(void)state;
	judge_free(judge);
	world_end(&w);
	return 0;
}

/* --- random clusters --------------------------------------------------------------------------------------------------- */

static double random_rtt(struct rng *r)
{
	return rng_chance(r, 0.1) ? NAN : 20 + rng_unit(r) * (rng_chance(r, 0.5) ? 1000 : 300000);
}

static double random_cpu(struct rng *r)
{
	return ((double)rng_below(r, rng_chance(r, 0.5) ? 1000 : 200) + 0.4) / 1000;
}

/* Two in three above 0.6, where the thresholds are. */
static double high_cpu(struct rng *r)
{
	double cpu = random_cpu(r);

	return rng_chance(r, 0.67) ? (floor(600 + cpu * 399) + 0.4) / 1000 : cpu;
}

static double random_age(struct rng *r)
{
	return rng_chance(r, 0.3) ? 42.0 * (double)rng_below(r, 18) : 0;
}

/* Does it ask for latency? */
static bool random_pod(struct rng *r, char *metadata, size_t size)
{
	static const char *const asks[] = {
		"", "", "", "\"latency-mesh.io/near\":\"client/milan\"", "\"latency-mesh.io/near\":\"node/t\"", "\"latency-mesh.io/near\":\"client/milan*3, node/t\"",
		"\"latency-mesh.io/within\":\"client/milan<=50ms\"", "\"latency-mesh.io/within\":\"node/t<=1ms, client/milan<=250ms\"", "\"hard_max_latency\":\"50\"",
		"\"soft_max_latency\":\"1\"",
	};
	static const char *const missing[] = {"", "", "\"latency-mesh.io/missing\":\"allow\"", "\"latency-mesh.io/missing\":\"deny\""};
	const char *ask = asks[rng_below(r, ARRAY_SIZE(asks))], *word = missing[rng_below(r, ARRAY_SIZE(missing))];

	snprintf(metadata, size, ",\"annotations\":{%s%s%s}", ask, *ask && *word ? "," : "", word);
	return *ask;
}

static void random_cluster(struct rng *r, struct cluster *c)
{
	static const double limits_us[] = {INFINITY, 500, 50e3, 250e3};
	bool loads = rng_chance(r, 0.7), crowded = rng_chance(r, 0.5), clouds = rng_chance(r, 0.4);
	int i;

	for (i = 0; i < NODES; i++) {
		c->client_us[i] = random_rtt(r);
		c->here_us[i] = random_rtt(r);
		c->there_us[i] = random_rtt(r);
		c->jitter_us[i] = rng_chance(r, 0.3) ? rng_unit(r) * 1000 : 0;
		c->here_lost[i] = rng_chance(r, 0.1);
		c->there_lost[i] = rng_chance(r, 0.1);
		c->cpu_before[i] = loads ? high_cpu(r) : NAN;
		c->cpu[i] = !loads ? NAN : crowded ? high_cpu(r) : random_cpu(r);
		c->age_s[i] = random_age(r);
		c->cloud[i] = clouds && rng_chance(r, 0.4);
	}
	c->age_of_t = random_age(r);
	c->max_latency_us = limits_us[rng_below(r, ARRAY_SIZE(limits_us))];
	c->deny = rng_chance(r, 0.4);
	c->strict = rng_chance(r, 0.3);
	c->asks = random_pod(r, c->metadata, sizeof(c->metadata));
}

/* One of the node's round trips, or its load, becomes lower; false: it knows nothing that could. */
static bool improve(struct rng *r, struct cluster *c, int node)
{
	double *const values[] = {&c->client_us[node], &c->here_us[node], &c->there_us[node], &c->cpu[node]};
	size_t which = rng_chance(r, 0.4) ? 3 : rng_below(r, 3);
	double *value = values[which];

	if (isnan(*value) || (which == 1 && c->here_lost[node]) || (which == 2 && c->there_lost[node]))
		return false;
	*value = which == 3 ? (floor(*value * 1000 * rng_unit(r)) + 0.4) / 1000 : *value * rng_unit(r);
	return true;
}

/* --- what a kube-scheduler hears --------------------------------------------------------------------------------------- */

struct outcome {
	bool kept[NODES];
	int score[NODES];
	int single;		/* alone: the one that has 10; else, and when all have 5, -1 */
};

static void link(const char *from, const char *to, double rtt_us, double jitter_us, bool lost)
{
	bool known = !lost && !isnan(rtt_us);

	world_link(&w, from, to, known ? rtt_us : (double)NAN, known ? jitter_us : (double)NAN, lost ? 1 : known ? 0 : (double)NAN);
}

/* A mesh for the load before, so that its classes are remembered, then the one in use. */
static void take(const struct cluster *c)
{
	int i;

	mesh_free(w.mesh);
	w.mesh = NULL;
	for (i = 0; i < NODES; i++) {
		world_client(&w, names[i], "milan", c->client_us[i]);
		link(names[i], "t", c->here_us[i], c->jitter_us[i], c->here_lost[i]);
		link("t", names[i], c->there_us[i], c->jitter_us[i], c->there_lost[i]);
		world_age(&w, names[i], c->age_s[i]);
		world_cpu(&w, names[i], c->cpu_before[i]);
		if (c->cloud[i] != is_cloud[i])
			world_node(&w, names[i], c->cloud[i] ? "\"kubernetes.io/role\":\"cloud\"" : "", "");
		is_cloud[i] = c->cloud[i];
	}
	world_age(&w, "t", c->age_of_t);
	world_take(&w);
	for (i = 0; i < NODES; i++)
		world_cpu(&w, names[i], c->cpu[i]);
	world_take(&w);
	w.profile.max_latency_us = c->max_latency_us;
	w.profile.deny_no_data = c->deny;
	w.profile.strict_cpu = c->strict;
}

static cJSON *ask(enum judge_verb verb, const struct cluster *c)
{
	auto_free char *text = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"web\"%s}},"
					 "\"NodeNames\":[\"n0\",\"n1\",\"n2\",\"n3\",\"n4\"]}", c->metadata);

	return world_ask(&w, judge, verb, alone, text);
}

static int index_of(const char *name)
{
	int i;

	for (i = 0; i < NODES && !STREQ(names[i], name); i++)
		;
	return i;
}

static void outcome_of(const struct cluster *c, struct outcome *out)
{
	auto_json cJSON *filtered = NULL, *priorities = NULL;
	const cJSON *item;
	int i, scored = 0;

	*out = (struct outcome){.single = -1};
	take(c);
	filtered = ask(JUDGE_FILTER, c);
	priorities = ask(JUDGE_PRIORITIZE, c);
	cJSON_ArrayForEach(item, json_get(filtered, "NodeNames"))
		out->kept[index_of(item->valuestring)] = true;
	for (i = 0; i < NODES; i++) {
		bool failed = json_get(json_get(filtered, "FailedNodes"), names[i]) || json_get(json_get(filtered, "FailedAndUnresolvableNodes"), names[i]);

		assert_true(failed != out->kept[i]);
	}
	cJSON_ArrayForEach(item, priorities) {
		double score = cJSON_GetNumberValue(json_get(item, "Score"));

		assert_true(score >= 0 && score <= 10);
		i = index_of(cJSON_GetStringValue(json_get(item, "Host")));
		out->score[i] = (int)score;
		out->single = alone && score > 9.5 ? i : out->single;
		scored++;
	}
	assert_int_equal(scored, NODES);
}

/* No edge comes near the cloud for a pod that asks for nothing; how many decisions this was about. */
static bool assert_cloud(const struct cluster *c, const struct outcome *o)
{
	int i, most = -1, least = 11;

	for (i = 0; i < NODES; i++) {
		if (c->cloud[i])
			least = o->score[i] < least ? o->score[i] : least;
		else
			most = o->score[i] > most ? o->score[i] : most;
	}
	if (c->asks || least > 10)
		return false;
	assert_true(least >= JUDGE_CLOUD_LEAST && most <= JUDGE_EDGE_MOST);
	return true;
}

static void print_node(const struct cluster *c, int i)
{
	print_message("n%d%s: milan %g us, t %g%s / %g%s us, jitter %g, cpu %g (was %g), age %g s\n", i, c->cloud[i] ? " (cloud)" : "", c->client_us[i], c->here_us[i], c->here_lost[i] ? " lost" : "",
		      c->there_us[i], c->there_lost[i] ? " lost" : "", c->jitter_us[i], c->cpu[i], c->cpu_before[i], c->age_s[i]);
}

static void fail_with(int round, const struct cluster *before, const struct cluster *after, int x, const char *what)
{
	int i;

	print_message("before, limit %g us, deny %d, strict %d, t %g s old, %s\n", before->max_latency_us, before->deny, before->strict, before->age_of_t, before->metadata);
	for (i = 0; i < NODES; i++)
		print_node(before, i);
	print_message("after\n");
	print_node(after, x);
	fail_msg("round %d, n%d: %s", round, x, what);
}

static void assert_law(void)
{
	struct rng r = rng_make(test_seed());
	int round, i, raised = 0, admitted = 0, refused = 0, clouds = 0;

	for (round = 0; round < ROUNDS; round++) {
		int x = (int)rng_below(&r, NODES);
		struct cluster before, after;
		struct outcome was, is;

		do {
			random_cluster(&r, &before);
			after = before;
		} while (!improve(&r, &after, x));
		outcome_of(&before, &was);
		outcome_of(&after, &is);
		clouds += assert_cloud(&before, &was);
		raised += is.score[x] > was.score[x];
		admitted += is.kept[x] && !was.kept[x];
		refused += !is.kept[x];
		if (was.kept[x] && !is.kept[x])
			fail_with(round, &before, &after, x, "refused, and was kept when it was worse");
		if (is.score[x] < was.score[x])
			fail_with(round, &before, &after, x, xasprintf("score %d, and %d when it was worse", is.score[x], was.score[x]));
		if (was.single == x && is.single != x)
			fail_with(round, &before, &after, x, "not singled out, and was when it was worse");
		for (i = 0; i < NODES; i++)
			if (i != is.single && was.score[x] >= was.score[i] && is.score[x] < is.score[i])
				fail_with(round, &before, &after, x, xasprintf("behind n%d, and was not when it was worse", i));
	}
	print_message("# %d rounds: %d raised, %d admitted, %d refused, %d with a cloud that comes first\n", ROUNDS, raised, admitted, refused, clouds);
	assert_true(clouds > ROUNDS / 20 && raised > ROUNDS / 20 && admitted > ROUNDS / 50 && refused > ROUNDS / 10);	/* it was about something */
}

static void lower_latency_or_cpu_never_makes_a_node_worse(void **state)
{
	(void)state;
	alone = false;
	assert_law();
}

static void nor_where_one_is_singled_out(void **state)
{
	(void)state;
	alone = true;
	assert_law();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lower_latency_or_cpu_never_makes_a_node_worse, begin, end),
		cmocka_unit_test_setup_teardown(nor_where_one_is_singled_out, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
