/*
 * Client cells that nobody measured: limits look at the bound alone, the ranking at the estimate, and what was measured is decided as if there were
 * no estimates.
 */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"

#define NEAR "\"latency-mesh.io/near\":\"client/milan\""
#define WITHIN(limit) "\"latency-mesh.io/within\":\"client/milan<=" limit "\""
#define NODES 6
#define ROUNDS 2000

static struct world w;

static int begin(void **state)
{
	int i, k;

	*state = &w;
	world_begin(&w, "n0 n1 n2 n3 n4 n5", "milan");
	for (i = 0; i < NODES; i++)
		for (k = 0; k < i; k++)
			world_rtt(&w, world_nth(i), world_nth(k), 1000);
	return 0;
}

static void measured(int node, double rtt_us)
{
	world_client(&w, world_nth(node), "milan", rtt_us);
}

static void estimated(int node, double estimate_us, double bound_us)
{
	snapshot_want_estimates(&w.snapshot);
	w.snapshot.client_estimate_us[node] = (float)estimate_us;
	w.snapshot.client.rtt_us[node] = (float)bound_us;
	w.snapshot.client.jitter_us[node] = w.snapshot.client.loss[node] = NAN;
}

static double cost_us(int node)
{
	return (double)w.decision.cost_us[cache_find_node(w.cache, world_nth(node))];
}

static void limits_look_at_the_bound_and_ranking_at_the_estimate(void **state)
{
	(void)state;
	measured(0, 6000);
	estimated(1, 4000, 9000);
	world_decide(&w, "web", "", NEAR);
	assert_string_equal(world_chosen(&w), "n1");
	assert_float_equal(cost_us(1), 4000, 1e-3);
	assert_float_equal((double)w.decision.rtt_us[w.decision.node], 9000, 1e-3);
	assert_true(decision_is_estimate(&w.in, &w.decision));
	world_decide(&w, "limit", "", WITHIN("7ms"));
	assert_string_equal(world_chosen(&w), "n0");
	assert_false(decision_is_estimate(&w.in, &w.decision));
	assert_string_equal(world_reason(&w, "n1"), "node(s) exceeded the latency limit to client/milan");
	assert_string_equal(world_reason(&w, "n2"), "node(s) had no latency data to client/milan");
	world_decide(&w, "loose", "", WITHIN("9ms"));
	assert_string_equal(world_reason(&w, "n1"), "");
	world_decide(&w, "any", "", "\"latency-mesh.io/within\":\"any:client/milan<=8.999ms\"");
	assert_string_equal(world_reason(&w, "n1"), "node(s) exceeded the latency limit to any:client/milan");
}

static void an_estimate_above_its_bound_counts_as_the_bound(void **state)
{
	(void)state;
	estimated(1, 20000, 9000);
	world_decide(&w, "web", "", NEAR);
	assert_float_equal(cost_us(1), 9000, 1e-3);
	estimated(2, 20, NAN);				/* and without a bound it is none */
	world_take(&w);
	world_again(&w, "web");
	assert_true(isnan(cost_us(2)));
}

/* It was made of what other rows hold: it goes with them, not with a row that nobody fills. */
static void a_node_without_a_report_has_estimates_as_old_as_the_others(void **state)
{
	int i;

	(void)state;
	measured(0, 6000);
	estimated(5, 4000, 9000);
	w.snapshot.age_s[5] = NAN;
	for (i = 0; i < NODES; i++) {			/* n5 reports nothing */
		size_t at = (size_t)5 * NODES + (size_t)i;

		w.snapshot.link.rtt_us[at] = w.snapshot.link.jitter_us[at] = w.snapshot.link.loss[at] = i == 5 ? 0 : NAN;
	}
	world_decide(&w, "web", "", NEAR);
	assert_true(mesh_all_fresh(w.mesh, 0));		/* one silent node does not slow every decision down */
	assert_float_equal(cost_us(5), 4000, 1e-3);
	w.mono_ms = 390000;
	world_again(&w, "web");
	assert_float_equal(cost_us(5), 4000, 1e-3);
	assert_float_equal(world_score(&w, SCORE_LATENCY, "n5"), 50, 0.1);	/* half way from 3 to 10 periods */
	w.mono_ms = 700000;
	world_again(&w, "web");
	assert_null(w.decision.cost_us);
}

static void a_dead_row_has_no_estimate_of_worth(void **state)
{
	(void)state;
	measured(0, 6000);
	estimated(5, 4000, 9000);
	world_age(&w, "n5", 601);
	world_decide(&w, "web", "", NEAR);
	assert_true(isnan(cost_us(5)) && !isnan(cost_us(0)));
	assert_string_equal(world_chosen(&w), "n0");
}

/* --- random ---------------------------------------------------------------------------------------------------------- */

enum cell { UNKNOWN, MEASURED, LOST, ESTIMATED };

static void random_cells(struct rng *r, enum cell *cells)
{
	int i;

	for (i = 0; i < NODES; i++) {
		double bound_us = 500 + rng_below(r, 20000);

		estimated(i, NAN, NAN);
		cells[i] = rng_below(r, 4);
		if (cells[i] == MEASURED)
			measured(i, bound_us);
		else if (cells[i] == LOST)
			w.snapshot.client.loss[i] = 1;
		else if (cells[i] == ESTIMATED)
			estimated(i, rng_chance(r, 0.1) ? bound_us * 2 : bound_us * rng_unit(r), bound_us);
		if (rng_chance(r, 0.2))
			w.snapshot.client_estimate_us[i] = cells[i] == LOST || cells[i] == UNKNOWN ? 100 : w.snapshot.client_estimate_us[i];
		world_age(&w, world_nth(i), rng_chance(r, 0.2) ? 800 * rng_unit(r) : 0);
	}
}

/* Without the estimates the bounds would be measurements: the same limits hold, and what was measured costs the same. */
static void a_limit_never_rests_on_an_estimate(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, i, refused = 0, cheaper = 0;

	(void)state;
	world_decide(&w, "web", "", NEAR);
	for (round = 0; round < ROUNDS; round++) {
		auto_free char *limit = xasprintf("\"latency-mesh.io/within\":\"client/milan<=%uus\"", 500 + rng_below(&r, 20000));
		double cost_with[NODES];
		bool feasible[NODES];
		enum cell cells[NODES];
		float *estimates;

		random_cells(&r, cells);
		world_take(&w);
		world_again(&w, "web");
		for (i = 0; i < NODES; i++) {
			cost_with[i] = w.decision.cost_us ? cost_us(i) : (double)NAN;
			assert_true(cells[i] == MEASURED || cells[i] == ESTIMATED || isnan(cost_with[i]));
			assert_true(isnan(cost_with[i]) || cost_with[i] <= (double)w.snapshot.client.rtt_us[i]);
			cheaper += cost_with[i] < (double)w.snapshot.client.rtt_us[i];
		}
		world_decide(&w, "limit", "", limit);
		for (i = 0; i < NODES; i++)
			feasible[i] = !world_reason(&w, world_nth(i))[0];
		estimates = steal(&w.snapshot.client_estimate_us);
		world_take(&w);
		world_again(&w, "limit");
		for (i = 0; i < NODES; i++) {
			assert_int_equal(!world_reason(&w, world_nth(i))[0], feasible[i]);
			refused += cells[i] == ESTIMATED && !feasible[i];
		}
		world_again(&w, "web");
		for (i = 0; i < NODES; i++)
			if (cells[i] == MEASURED && w.decision.cost_us)
				assert_true(isnan(cost_us(i)) ? isnan(cost_with[i]) : cost_us(i) <= cost_with[i] && cost_us(i) >= cost_with[i]);
		w.snapshot.client_estimate_us = estimates;
	}
	assert_true(refused > 300 && cheaper > 300);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(limits_look_at_the_bound_and_ranking_at_the_estimate), T(an_estimate_above_its_bound_counts_as_the_bound),
		T(a_node_without_a_report_has_estimates_as_old_as_the_others), T(a_dead_row_has_no_estimate_of_worth),
		T(a_limit_never_rests_on_an_estimate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
