/* The traffic score: its arithmetic, when it drops, and that more traffic never helps. */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#define NODES 6
#define ROUNDS 5000

static struct world w;

static int begin(void **state)
{
	int i, k;

	*state = &w;
	world_begin(&w, "n0 n1 n2 n3 n4 n5", "");
	for (i = 0; i < NODES; i++)
		for (k = 0; k < i; k++)
			world_rtt(&w, world_nth(i), world_nth(k), 1000 + 100 * k);
	w.profile.weight_plain[SCORE_TRAFFIC] = w.profile.weight_asking[SCORE_TRAFFIC] = 0.5;
	return 0;
}

static void traffic(int node, double rx, double tx)
{
	w.snapshot.load[node].rx_bytes_per_s = rx;
	w.snapshot.load[node].tx_bytes_per_s = tx;
}

static void all_traffic(double a, double b, double c)
{
	int i;

	for (i = 0; i < NODES; i++)
		traffic(i, i % 3 == 0 ? a : i % 3 == 1 ? b : c, 0);
	world_take(&w);
}

static double score(int node)
{
	return world_score(&w, SCORE_TRAFFIC, world_nth(node));
}

static void received_and_sent_against_the_busiest(void **state)
{
	(void)state;
	all_traffic(4e6, 1e6, 0);
	traffic(1, 1e6, 1e6);
	world_take(&w);
	world_decide(&w, "web", "", "");
	assert_float_equal(score(0), 0, 1e-3);
	assert_float_equal(score(1), 50, 1e-3);
	assert_float_equal(score(4), 75, 1e-3);
	assert_float_equal(score(2), 100, 1e-3);
	all_traffic(4e5, 1e5, 0);			/* idle: against 1 MB/s */
	world_again(&w, "web");
	assert_float_equal(score(0), 60, 1e-3);
	assert_float_equal(score(1), 90, 1e-3);
}

static void only_feasible_nodes_count(void **state)
{
	(void)state;
	all_traffic(1e6, 1e6, 2e6);
	traffic(0, 9e9, 0);
	traffic(1, NAN, 1);
	world_take(&w);
	world_node(&w, "n0", "", "\"unschedulable\":true");
	world_node(&w, "n1", "", "\"unschedulable\":true");
	world_decide(&w, "web", "", "");
	assert_float_equal(score(2), 0, 1e-3);
	assert_float_equal(score(3), 50, 1e-3);
	assert_true(isnan(score(0)) && isnan(score(1)));
}

static void it_drops_when_a_feasible_node_lacks_it(void **state)
{
	double total;

	(void)state;
	all_traffic(1e6, 1e6, 2e6);
	world_decide(&w, "web", "", "");
	assert_non_null(w.decision.score[SCORE_TRAFFIC]);
	traffic(3, 1e6, NAN);
	world_take(&w);
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_TRAFFIC]);
	total = world_total(&w, "n2");
	w.profile.weight_plain[SCORE_TRAFFIC] = 0;	/* dropped is as if it had no weight */
	world_again(&w, "web");
	assert_true(world_total(&w, "n2") <= total && world_total(&w, "n2") >= total);
	all_traffic(1e6, 1e6, 2e6);
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_TRAFFIC]);	/* and by default it has none */
	w.profile.weight_plain[SCORE_TRAFFIC] = 1;
	world_node(&w, "new", "", "");			/* not in the matrix */
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_TRAFFIC]);
}

static void old_data_count_as_the_worst(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		world_age(&w, world_nth(i), i ? 0 : 590);
	all_traffic(0, 1e6, 2e6);
	w.mono_ms = 20000;
	world_decide(&w, "web", "", "");
	assert_float_equal(score(0), 0, 1e-3);
	assert_float_equal(score(3), 100, 1e-3);
	assert_float_equal(score(2), 0, 1e-3);
	w.mono_ms = 700000;
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_TRAFFIC]);	/* all are */
	w.without_mesh = true;
	world_again(&w, "web");
	assert_null(w.decision.score[SCORE_TRAFFIC]);
}

/* An extender's request is ranked by latency and load, and so by traffic; only what is offered counts. */
static void an_extender_ranks_by_it_too(void **state)
{
	bool offered[NODES] = {false};
	int i;

	(void)state;
	all_traffic(4e6, 1e6, 0);
	world_decide(&w, "web", "", "");
	for (i = 1; i < NODES; i++)
		offered[cache_find_node(w.cache, world_nth(i))] = i != 3;
	w.in.offered = offered;			/* without the two that have the most */
	decide(w.decider, &w.in, &w.decision);
	assert_float_equal(score(1), 0, 1e-3);
	assert_float_equal(score(2), 100, 1e-3);
	assert_true(isnan(score(0)) && isnan(score(3)));
}

/* More of it, or older data: no other node that was before this one falls behind it. */
static void more_traffic_never_helps(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, i, compared = 0;

	(void)state;
	world_decide(&w, "web", "", "");
	for (round = 0; round < ROUNDS; round++) {
		int x = (int)rng_below(&r, NODES);
		double before[NODES], scale = rng_chance(&r, 0.2) ? 1e5 : 1e8;

		for (i = 0; i < NODES; i++) {
			traffic(i, rng_unit(&r) * scale, rng_unit(&r) * scale);
			world_age(&w, world_nth(i), rng_chance(&r, 0.2) ? 700 * rng_unit(&r) : 0);
		}
		world_take(&w);
		world_again(&w, "web");
		for (i = 0; i < NODES; i++)
			before[i] = world_total(&w, world_nth(i));
		if (rng_chance(&r, 0.2))
			world_age(&w, world_nth(x), w.snapshot.age_s[x] + 700 * rng_unit(&r));
		else if (rng_chance(&r, 0.5))
			w.snapshot.load[x].rx_bytes_per_s += rng_unit(&r) * scale;
		else
			w.snapshot.load[x].tx_bytes_per_s *= 1 + rng_unit(&r);
		world_take(&w);
		world_again(&w, "web");
		for (i = 0; i < NODES; i++) {
			if (!(before[x] < before[i] - 1e-2))
				continue;
			compared++;
			if (world_total(&w, world_nth(x)) > world_total(&w, world_nth(i)) + 1e-2)
				fail_msg("round %d: %s was behind %s and is before it", round, world_nth(x), world_nth(i));
		}
	}
	assert_true(compared > ROUNDS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(received_and_sent_against_the_busiest), T(only_feasible_nodes_count), T(it_drops_when_a_feasible_node_lacks_it),
		T(old_data_count_as_the_worst), T(an_extender_ranks_by_it_too), T(more_traffic_never_helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
