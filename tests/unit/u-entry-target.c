/* The target `entry`: the mean weighted by traffic, against arithmetic of its own; what is missing, too old, or known in part. */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"

#define NEAR "\"latency-mesh.io/near\":\"entry\""
#define WITHIN(limit) "\"latency-mesh.io/within\":\"entry<=" limit "\""
#define ALLOW ",\"latency-mesh.io/missing\":\"allow\""
#define NODES 8

static struct world w;

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "milan");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 4000, a-d 5000, b-d 6000, c-d 8000");
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static void add(const char *node, double rate)
{
	assert_true(snapshot_entry_add(&w.snapshot.entry, node, rate));
}

static void without_data_it_is_missing(void **state)
{
	(void)state;
	world_decide(&w, "web", "", NEAR);
	assert_true(w.decision.node >= 0 && isnan(world_score(&w, SCORE_LATENCY, "a")));
	assert_string_equal(world_note(&w), "near entry: nothing is there yet, so it does not count");
	world_decide(&w, "limit", "", WITHIN("5ms"));
	assert_refused(&w, "0/4 nodes are available: there are no data of where traffic enters (latency-mesh.io/missing: deny).");
	world_decide(&w, "lenient", "", WITHIN("5ms") ALLOW);
	assert_int_equal(w.decision.feasible, 4);
	w.without_mesh = true;
	world_decide(&w, "early", "", WITHIN("5ms"));
	assert_refused(&w, "0/4 nodes are available: there are no data of where traffic enters (latency-mesh.io/missing: deny).");
}

static void what_is_too_old_is_missing(void **state)
{
	int i;

	(void)state;
	w.snapshot.entry.age_s = 30;
	add("c", 1);
	world_decide(&w, "web", "", NEAR);
	assert_string_equal(world_chosen(&w), "c");
	for (i = 0; i < 4; i++)
		w.snapshot.age_s[i] = 0;
	w.mono_ms = 570000;
	world_again(&w, "web");
	assert_string_equal(world_chosen(&w), "c");
	w.mono_ms = 570001;				/* the links are 570 s old, and still of some worth */
	world_again(&w, "web");
	assert_true(isnan(world_score(&w, SCORE_LATENCY, "a")));
	world_decide(&w, "limit", "", WITHIN("5ms"));
	assert_refused(&w, "0/4 nodes are available: the data of where traffic enters are too old (latency-mesh.io/missing: deny).");
}

/* Three quarters at a, one at b: c is 2 x 0.75 + 4 x 0.25 away. */
static void a_limit_is_for_the_mean(void **state)
{
	(void)state;
	add("a", 75);
	add("b", 25);
	world_decide(&w, "web", "", WITHIN("2.5ms"));
	assert_string_equal(world_chosen(&w), "a");
	assert_string_equal(world_reason(&w, "c"), "");
	assert_string_equal(world_reason(&w, "d"), "node(s) exceeded the latency limit to entry");
	world_decide(&w, "less", "", WITHIN("2.499ms"));
	assert_string_equal(world_reason(&w, "c"), "node(s) exceeded the latency limit to entry");
	world_decide(&w, "any", "", "\"latency-mesh.io/within\":\"any:entry<=2ms\"");
	assert_string_equal(world_reason(&w, "c"), "");
	add("far", 25);					/* nobody knows the way to it */
	world_take(&w);
	world_again(&w, "web");
	assert_refused(&w, "0/4 nodes are available: 4 node(s) had no latency data to entry.");
	world_again(&w, "any");
	assert_string_equal(world_reason(&w, "c"), "");
}

/* --- against arithmetic of its own ---------------------------------------------------------------------------------- */

struct truth {
	int nodes;
	double rtt_us[NODES][NODES];	/* NaN unknown */
	double weight[NODES];		/* 0: no entry */
};

static const char *node_name(int node)
{
	static const char *const names[NODES] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"};

	return names[node];
}

static void random_world(struct truth *t, struct rng *r)
{
	auto_buf struct buf names = {0};
	int i, k;

	t->nodes = 2 + (int)rng_below(r, NODES - 1);
	for (i = 0; i < t->nodes; i++)
		buf_printf(&names, "%s%s", i ? " " : "", node_name(i));
	world_begin(&w, names.data, "milan");
	for (i = 0; i < t->nodes; i++) {
		t->rtt_us[i][i] = 0;
		for (k = 0; k < i; k++) {
			t->rtt_us[i][k] = t->rtt_us[k][i] = rng_chance(r, 0.15) ? (double)NAN : 100 + rng_below(r, 20000);
			if (!isnan(t->rtt_us[i][k]))
				world_rtt(&w, node_name(i), node_name(k), t->rtt_us[i][k]);
		}
	}
	for (i = 0; i < t->nodes; i++) {
		t->weight[i] = rng_chance(r, 0.5) ? 0 : 20 + rng_below(r, 400);
		if (t->weight[i] > 0)
			add(node_name(i), t->weight[i]);
	}
}

/* What an entry node counts that this node has no data of: a second; one that nobody has data of counts nothing. */
static double mean_us(const struct truth *t, int node)
{
	double sum = 0, weight = 0;
	bool any_known = false;
	int i, k;

	for (i = 0; i < t->nodes; i++) {
		bool somewhere = false;

		for (k = 0; k < t->nodes; k++)
			somewhere |= !isnan(t->rtt_us[k][i]);
		if (!(t->weight[i] > 0) || !somewhere)
			continue;
		any_known |= !isnan(t->rtt_us[node][i]);
		sum += t->weight[i] * (isnan(t->rtt_us[node][i]) ? 1e6 : t->rtt_us[node][i]);
		weight += t->weight[i];
	}
	return any_known ? sum / weight : (double)NAN;
}

/* NaN: some leg is unknown. */
static double strict_us(const struct truth *t, int node)
{
	double sum = 0, weight = 0;
	int i;

	for (i = 0; i < t->nodes; i++) {
		if (!(t->weight[i] > 0))
			continue;
		sum += t->weight[i] * t->rtt_us[node][i];
		weight += t->weight[i];
	}
	return sum / weight;
}

static void check_world(const struct truth *t, double limit_us)
{
	auto_free char *limit = xasprintf("\"latency-mesh.io/within\":\"entry<=%.1fus\"", limit_us);
	int i;

	world_decide(&w, "web", "", NEAR);
	for (i = 0; i < t->nodes; i++) {
		double got = (double)w.decision.cost_us[cache_find_node(w.cache, node_name(i))], want = mean_us(t, i);

		if (isnan(got) != isnan(want) || fabs(got - want) > 1e-4 * want + 0.01)
			fail_msg("%s: %g us, not %g", node_name(i), got, want);
	}
	world_decide(&w, "limit", "", limit);
	for (i = 0; i < t->nodes; i++) {
		double strict = strict_us(t, i);
		const char *reason = world_reason(&w, node_name(i));

		if (isnan(strict))
			assert_string_equal(reason, "node(s) had no latency data to entry");
		else if (fabs(strict - limit_us) > 1)
			assert_string_equal(reason, strict < limit_us ? "" : "node(s) exceeded the latency limit to entry");
	}
}

static void the_mean_is_weighted_by_traffic(void **state)
{
	struct rng r = rng_make(test_seed() + 2);
	int round, checked = 0, i;

	(void)state;
	world_end(&w);
	for (round = 0; round < 1000; round++) {
		struct truth t = {0};

		random_world(&t, &r);
		for (i = 0; i < t.nodes && !(t.weight[i] > 0); i++)
			;
		if (i < t.nodes && ++checked)
			check_world(&t, 1 + rng_below(&r, 15000));
		world_end(&w);
	}
	assert_true(checked > 500);
	begin(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(without_data_it_is_missing), T(what_is_too_old_is_missing), T(a_limit_is_for_the_mean), T(the_mean_is_weighted_by_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
