/*
 * The rules of the ranking on random matrices, loads and pods, on totals before ties. ROUNDS pods for each property; the first property also
 * compares everything with the oracle of plan.h.
 */
#include "tests/testing/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS test_rounds(10000)
#define PODS_A_WORLD 25
#define CLOSE 1e-2			/* points: floats against doubles */

static struct plan plan;
static struct world w;
static struct plan_ask ask;

static double total_of(int node)
{
	return world_total(&w, plan_node(node));
}

/* --- against the oracle ------------------------------------------------------------------------------------------------------ */

/* Hard limits are never violated, every score lies in 0..100, and totals are those of DESIGN. */
static void check_against_oracle(void)
{
	double totals[PLAN_NODES];
	int i, feasible = 0;
	unsigned t;

	plan_totals(&plan, &ask, totals);
	for (i = 0; i < plan.nodes; i++)
		feasible += !isnan(totals[i]);
	assert_int_equal(w.decision.feasible, feasible);
	assert_int_equal(w.decision.node >= 0, feasible > 0);
	for (i = 0; feasible && i < plan.nodes; i++) {
		double total = total_of(i);

		assert_int_equal(isnan(total), isnan(totals[i]));
		if (isnan(total))
			continue;
		if (fabs(total - totals[i]) > CLOSE)
			fail_msg("%s: total %g, not %g", plan_node(i), total, totals[i]);
		assert_true(total >= 0 && total <= 100);
		for (t = 0; t < SCORE_COUNT; t++)
			assert_true(!w.decision.score[t] || (world_score(&w, t, plan_node(i)) >= 0 && world_score(&w, t, plan_node(i)) <= 100.001));
	}
	if (feasible)
		assert_true(plan_feasible(&plan, &ask, atoi(world_chosen(&w) + 1)));
}

static void totals_and_limits_are_those_of_the_oracle(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, k;

	(void)state;
	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		unsigned what = rng_below(&r, 16);

		plan_random(&plan, &r, what);
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_ask(&plan, &r, rng_chance(&r, 0.5), &ask);
			plan_decide(&w, "web", &ask);
			check_against_oracle();
		}
		world_end(&w);
	}
}

/* --- what nobody ranks by ------------------------------------------------------------------------------------------------------ */

/* An offer of some of the nodes: verdicts are the same without scores, and whether one has a say. */
static int check_verdicts_only(struct rng *r)
{
	bool offered[PLAN_NODES];
	struct decision_input in = w.in;
	struct decision ranked, unranked;
	struct verdict verdicts[PLAN_NODES];
	uint32_t i, n = in.view->count;
	double part = rng_unit(r);

	assert_true(n <= PLAN_NODES);
	for (i = 0; i < n; i++)
		offered[i] = rng_chance(r, part);
	in.offered = offered;
	decide(w.decider, &in, &ranked);
	if (ranked.refused_by_pod)
		return 0;
	memcpy(verdicts, ranked.verdicts, n * sizeof(*verdicts));
	in.verdicts_only = true;
	decide(w.decider, &in, &unranked);
	assert_int_equal(unranked.feasible, ranked.feasible);
	assert_memory_equal(unranked.verdicts, verdicts, n * sizeof(*verdicts));
	assert_null(unranked.total);
	assert_int_equal(unranked.has_say, ranked.total && (ranked.score[SCORE_LATENCY] || ranked.score[SCORE_CPU]));
	return unranked.has_say ? 1 : ranked.feasible ? 2 : 0;
}

static void verdicts_are_the_same_without_ranking(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, k, count[3] = {0};

	(void)state;
	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		plan_random(&plan, &r, rng_below(&r, 16));
		plan_build(&plan, &w, &r);
		if (rng_chance(&r, 0.2))
			w.mono_ms += 60000 * (int64_t)rng_below(&r, 12);	/* all rows get older */
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_ask(&plan, &r, rng_chance(&r, 0.5), &ask);
			plan_decide(&w, "web", &ask);
			count[check_verdicts_only(&r)]++;
		}
		world_end(&w);
	}
	printf("# %d had a say, %d had none\n", count[1], count[2]);
	assert_true(count[1] > 0 && count[2] > 0);
}

/* --- nearer, and unknown ------------------------------------------------------------------------------------------------------ */

/* Is x as near as y or nearer, in each leg, with data as young or younger? Unknown is farther than all. */
static bool dominates(int x, int y)
{
	struct plan_leg a[PLAN_NODES], b[PLAN_NODES];
	double weight[PLAN_NODES];
	int k, l, count;

	for (k = 0; k < ask.near_count; k++) {
		count = plan_legs(&plan, &ask.near[k], x, a, weight);
		plan_legs(&plan, &ask.near[k], y, b, weight);
		for (l = 0; l < count; l++)
			if (!(isnan(b[l].cost_us) || a[l].cost_us <= b[l].cost_us) || a[l].factor < b[l].factor)
				return false;
	}
	return true;
}

static void check_dominance(int *pairs)
{
	int x, y;

	for (x = 0; x < plan.nodes; x++)
		for (y = 0; y < plan.nodes; y++) {
			if (x == y || !dominates(x, y))
				continue;
			(*pairs)++;
			if (total_of(x) < total_of(y) - 1e-3)
				fail_msg("%s is nearer than %s and has %g points, not %g", plan_node(x), plan_node(y), total_of(x), total_of(y));
		}
}

static void dominance(unsigned what)
{
	struct rng r = rng_make(test_seed() + what);
	int round, k, pairs = 0;

	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		plan_random(&plan, &r, what);
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_ask(&plan, &r, false, &ask);
			plan_decide(&w, "web", &ask);
			check_dominance(&pairs);
		}
		world_end(&w);
	}
	printf("# %d pods, %d pairs of nodes of which one is nearer\n", ROUNDS, pairs);
	assert_true(pairs > ROUNDS);
}

static void nearer_never_ranks_lower(void **state)
{
	(void)state;
	dominance(PLAN_ALIKE | PLAN_LOAD | PLAN_JITTER);
}

static void unknown_never_beats_known(void **state)
{
	(void)state;
	dominance(PLAN_ALIKE | PLAN_UNKNOWN);
}

static void neither_do_they_with_old_data(void **state)
{
	(void)state;
	dominance(PLAN_ALIKE | PLAN_UNKNOWN | PLAN_AGED | PLAN_JITTER);
}

/* --- worse loss, jitter, age --------------------------------------------------------------------------------------------------- */

/* A world for some rounds, each of which begins with it as it was made, which is *kept. */
static void next_world(struct rng *r, int round, struct plan *kept)
{
	if (round % PODS_A_WORLD) {
		plan = *kept;
		plan_measure(&plan, &w);
		return;
	}
	if (round)
		world_end(&w);
	plan_random(&plan, r, rng_below(r, 16));
	*kept = plan;
	plan_build(&plan, &w, r);
}

static bool is_target(int node)
{
	int k;

	for (k = 0; k < ask.near_count; k++)
		if ((ask.near[k].kind == AT_NODE && ask.near[k].which == node) ||
		    (ask.near[k].kind == AT_APP && plan.pods[ask.near[k].which][node]))
			return true;
	return false;
}

static void worsen_link(struct rng *r, struct plan_link *link)
{
	if (isnan(link->rtt_us))
		return;
	switch (rng_below(r, 3)) {
	case 0:
		link->loss = fmin(0.99, link->loss + rng_unit(r) * 0.5);
		break;
	case 1:
		link->jitter_us += rng_unit(r) * 5000;
		break;
	default:			/* nothing comes back any more */
		*link = (struct plan_link){NAN, NAN, 1};
	}
}

/* Makes everything that is measured from or to one node worse, or its row older. */
static void worsen(struct rng *r, int node)
{
	int i;

	if (rng_chance(r, 0.4)) {
		plan.age_s[node] += rng_unit(r) * 700;
		return;
	}
	for (i = 0; i < plan.nodes; i++) {
		if (i == node)
			continue;
		worsen_link(r, rng_chance(r, 0.5) ? &plan.link[node][i] : &plan.link[i][node]);
	}
	for (i = 0; i < PLAN_CLIENTS; i++)
		worsen_link(r, &plan.client[node][i]);
}

/*
 * A null can uncover the other direction: when the row that says it is old (its silence is no proof then), or when the measurement that goes was
 * the older one. Then the pair did get nearer or younger, and the rule has nothing to say.
 */
static bool uncovered(const struct plan *before, int node)
{
	int i;

	for (i = 0; i < plan.nodes; i++) {
		struct plan_leg now = plan_pair(&plan, i, node), was = plan_pair(before, i, node);

		if (!isnan(now.cost_us) && (isnan(was.cost_us) || now.cost_us < was.cost_us || now.factor > was.factor))
			return true;
	}
	return false;
}

/* A leg that no node knows any more drops out (DESIGN): all nodes are ranked by another question then. */
static bool vanished(const struct plan *before)
{
	struct plan_leg was[PLAN_NODES], now[PLAN_NODES];
	double weight[PLAN_NODES];
	int known_before[PLAN_ITEMS][PLAN_NODES] = {{0}}, known_now[PLAN_ITEMS][PLAN_NODES] = {{0}}, i, k, l, count;

	for (i = 0; i < plan.nodes; i++)
		for (k = 0; k < ask.near_count; k++) {
			count = plan_legs(before, &ask.near[k], i, was, weight);
			plan_legs(&plan, &ask.near[k], i, now, weight);
			for (l = 0; l < count; l++) {
				known_before[k][l] += !isnan(was[l].cost_us);
				known_now[k][l] += !isnan(now[l].cost_us);
			}
		}
	for (k = 0; k < PLAN_ITEMS; k++)
		for (l = 0; l < PLAN_NODES; l++)
			if (known_before[k][l] && !known_now[k][l])
				return true;
	return false;
}

static void worse_never_helps(void **state)
{
	struct rng r = rng_make(test_seed() + 77);
	struct plan kept;
	int round, y, compared = 0;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		double before[PLAN_NODES];
		int x;

		next_world(&r, round, &kept);
		plan_ask(&plan, &r, false, &ask);
		plan_decide(&w, "web", &ask);
		for (y = 0; y < plan.nodes; y++)
			before[y] = total_of(y);
		x = (int)rng_below(&r, (uint32_t)plan.nodes);
		if (!is_target(x)) {		/* a target's links are the other nodes' links too */
			worsen(&r, x);
			plan_measure(&plan, &w);
			world_again(&w, "web");
			for (y = 0; y < plan.nodes && !uncovered(&kept, x) && !vanished(&kept); y++) {
				compared++;
				/* Where totals are cut off at 0 an order cannot be seen. */
				if (before[x] > 0 && before[x] < before[y] - 1e-2 && total_of(x) > total_of(y) + 1e-2)
					fail_msg("%s got worse: %g against %g before, now %g against %g", plan_node(x), before[x], before[y], total_of(x),
						 total_of(y));
			}
		}
	}
	world_end(&w);
	assert_true(compared > ROUNDS);
}

static bool reached_by_anyone(const struct plan *p, int node)
{
	int i;

	for (i = 0; i < p->nodes; i++)
		if (i != node && !isnan(plan_pair(p, i, node).cost_us))
			return true;
	return false;
}

/* The least cost of the other nodes. */
static double best_without(int node)
{
	double best = INFINITY;
	int i;

	for (i = 0; w.decision.cost_us && i < plan.nodes; i++)
		if (i != node)
			best = fmin(best, (double)w.decision.cost_us[cache_find_node(w.cache, plan_node(i))]);
	return best;
}

/* A pod that asks nothing is ranked by the mean over the mesh, in which a link counts for both its ends. */
static void worse_never_helps_over_the_mesh(void **state)
{
	struct rng r = rng_make(test_seed() + 78);
	struct plan kept;
	int round, y, compared = 0;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		bool comparable = true;
		double before[PLAN_NODES], best;
		int x;

		next_world(&r, round, &kept);
		plan_ask(&plan, &r, false, &ask);
		ask.near_count = 0;
		plan_decide(&w, "web", &ask);
		x = (int)rng_below(&r, (uint32_t)plan.nodes);
		best = best_without(x);
		for (y = 0; y < plan.nodes; y++) {
			before[y] = total_of(y);
			if (y != x && rng_chance(&r, 0.5))
				worsen_link(&r, rng_chance(&r, 0.5) ? &plan.link[x][y] : &plan.link[y][x]);
		}
		if (rng_chance(&r, 0.3))
			plan.age_s[x] += rng_unit(&r) * 700;
		plan_measure(&plan, &w);
		world_again(&w, "web");
		for (y = 0; y < plan.nodes; y++)
			comparable = comparable && reached_by_anyone(&plan, y) == reached_by_anyone(&kept, y);
		/* The other end got worse too: when that was the best, the measure of all is another one. */
		comparable = comparable && best_without(x) <= best && best_without(x) >= best;
		for (y = 0; comparable && y < plan.nodes && !uncovered(&kept, x); y++) {
			double was = plan_pair(&kept, x, y).cost_us, now = plan_pair(&plan, x, y).cost_us;

			if (y == x || !(was <= now && was >= now))	/* that is y's leg too, and got worse or died with x's row */
				continue;
			compared++;
			if (before[x] > 0 && before[x] < before[y] - 1e-2 && total_of(x) > total_of(y) + 1e-2)
				fail_msg("%s got worse: %g against %g before, now %g against %g", plan_node(x), before[x], before[y], total_of(x),
					 total_of(y));
		}
	}
	world_end(&w);
	assert_true(compared > ROUNDS);
}

/* --- order, repetition, one lost ping ------------------------------------------------------------------------------------------- */

static void results_do_not_depend_on_the_order_of_nodes(void **state)
{
	struct rng r = rng_make(test_seed() + 5);
	int round, k, i;

	(void)state;
	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		struct plan_ask asks[PODS_A_WORLD];
		double totals[PODS_A_WORLD][PLAN_NODES];
		char chosen[PODS_A_WORLD][16];

		plan_random(&plan, &r, rng_below(&r, 32));
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_ask(&plan, &r, rng_chance(&r, 0.5), &asks[k]);
			if (rng_chance(&r, 0.2))
				asks[k].near_count = asks[k].within_count = 0;		/* the default: mesh */
			plan_decide(&w, "web", &asks[k]);
			snprintf(chosen[k], sizeof(chosen[k]), "%s", world_chosen(&w));
			for (i = 0; i < plan.nodes; i++)
				totals[k][i] = total_of(i);
		}
		world_end(&w);
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_decide(&w, "web", &asks[k]);
			assert_string_equal(world_chosen(&w), chosen[k]);
			for (i = 0; i < plan.nodes; i++)
				assert_true(total_of(i) == totals[k][i] || (isnan(total_of(i)) && isnan(totals[k][i])));
		}
		world_end(&w);
	}
}

static void the_same_input_gives_the_same_result(void **state)
{
	struct rng r = rng_make(test_seed() + 6);
	int round, k;

	(void)state;
	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		plan_random(&plan, &r, rng_below(&r, 32));
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			struct decider *used = w.decider;
			struct decision first;
			float totals[PLAN_NODES];

			plan_ask(&plan, &r, rng_chance(&r, 0.5), &ask);
			first = *plan_decide(&w, "web", &ask);
			memset(totals, 0, sizeof(totals));
			if (first.total)
				memcpy(totals, first.total, (size_t)plan.nodes * sizeof(float));
			w.decider = decider_new();	/* one that remembers nothing */
			world_again(&w, "web");
			assert_int_equal(w.decision.node, first.node);
			assert_int_equal(w.decision.runner_up, first.runner_up);
			if (first.total)
				assert_memory_equal(totals, w.decision.total, (size_t)plan.nodes * sizeof(float));
			decider_free(w.decider);
			w.decider = used;
		}
		world_end(&w);
	}
}

/* The loss window is 10 minutes: 18 pings a minute, 180 in it. One of them lost on any of the links: 0.56 %, and 1 % is free. */
static void one_lost_ping_of_a_window_changes_no_rank(void **state)
{
	struct rng r = rng_make(test_seed() + 7);
	int round, k, i, j;

	(void)state;
	for (round = 0; round < ROUNDS; round += PODS_A_WORLD) {
		double totals[PODS_A_WORLD][PLAN_NODES];
		struct plan_ask asks[PODS_A_WORLD];

		plan_random(&plan, &r, 0);
		plan_build(&plan, &w, &r);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_ask(&plan, &r, rng_chance(&r, 0.5), &asks[k]);
			plan_decide(&w, "web", &asks[k]);
			for (i = 0; i < plan.nodes; i++)
				totals[k][i] = total_of(i);
		}
		for (i = 0; i < plan.nodes; i++)
			for (j = 0; j < plan.nodes; j++)
				if (i != j && rng_chance(&r, 0.5))
					plan.link[i][j].loss = 1.0 / 180;
		plan_measure(&plan, &w);
		for (k = 0; k < PODS_A_WORLD; k++) {
			plan_decide(&w, "web", &asks[k]);
			for (i = 0; i < plan.nodes; i++)
				assert_true(total_of(i) == totals[k][i] || (isnan(total_of(i)) && isnan(totals[k][i])));
		}
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_and_limits_are_those_of_the_oracle),
		cmocka_unit_test(verdicts_are_the_same_without_ranking),
		cmocka_unit_test(nearer_never_ranks_lower),
		cmocka_unit_test(unknown_never_beats_known),
		cmocka_unit_test(neither_do_they_with_old_data),
		cmocka_unit_test(worse_never_helps),
		cmocka_unit_test(worse_never_helps_over_the_mesh),
		cmocka_unit_test(results_do_not_depend_on_the_order_of_nodes),
		cmocka_unit_test(the_same_input_gives_the_same_result),
		cmocka_unit_test(one_lost_ping_of_a_window_changes_no_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
