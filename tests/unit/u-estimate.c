/*
 * estimate.h: what users saw and what follows for the other nodes; on real latencies between 30 zones of 10 regions (tests/data/regions-30.json: round trips
 * that IBM Cloud published, February 2024), decided by the scheduler itself.
 */
#include "merge/estimate.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "tests/testing/world.h"

#define REGIONS "tests/data/regions-30.json"
#define ZONES 30
#define ZONES_EACH 3			/* of a region, one after the other in the file */
#define NOISE 0.03
#define WITHIN 1.15			/* of the best, on average: the promise */
#define ROUNDS 300			/* a client of a far region that one distant node saw costs 150 ms: few rounds have one too many of them */

static struct snapshot regions;

static int load_regions(void **state)
{
	auto_file_text struct file_text text = {0};
	struct lm_err err;

	(void)state;
	if (file_read(AT_FDCWD, REGIONS, (size_t)1 << 20, FILE_FOLLOW, &text, &err) < 0 || snapshot_parse(text.data, text.len, &regions, &err) < 0)
		fail_msg("%s: %s", REGIONS, err.msg);
	assert_int_equal(regions.nodes.count, ZONES);
	return 0;
}

static int drop_regions(void **state)
{
	(void)state;
	snapshot_free(&regions);
	return 0;
}

/* --- by example -------------------------------------------------------------------------------------------------------- */

static struct world w;
static struct observe *seen;
static struct estimate_summary summary;

static int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "milan rome");
	seen = observe_new();
	observe_expect(seen, &w.snapshot.nodes, NULL);
	world_rtts(&w, "a-b 1000, a-c 9000, b-c 10000, a-d 50000, b-d 51000, c-d 42000");
	return 0;
}

static int end(void **state)
{
	(void)state;
	observe_free(seen);
	world_end(&w);
	return 0;
}

static void says(const char *reporter, const char *group, const char *node, double ms)
{
	char group_text[NAME_MAX_BYTES + 1], node_text[NAME_MAX_BYTES + 1];
	struct observe_tally tally = {0};

	snprintf(group_text, sizeof(group_text), "%s", group);
	snprintf(node_text, sizeof(node_text), "%s", node);
	assert_true(observe_post(seen, reporter, &(struct observe_item){group_text, node_text, ms, 10}, 1, 0, &tally));
	assert_int_equal(tally.accepted, 1);
}

static void fill(void)
{
	struct observed observed;

	observe_collect(seen, &observed);
	estimate_clients(&w.snapshot, &observed, &summary);
	observed_free(&observed);
}

static size_t at(const char *node, const char *client)
{
	return (size_t)names_find(&w.snapshot.nodes, node) * w.snapshot.clients.count + names_find(&w.snapshot.clients, client);
}

static double rtt(const char *node, const char *client)
{
	return w.snapshot.client.rtt_us[at(node, client)];
}

static double estimate(const char *node, const char *client)
{
	return w.snapshot.client_estimate_us ? (double)w.snapshot.client_estimate_us[at(node, client)] : (double)NAN;
}

static void users_near_a_landmark(void **state)
{
	(void)state;
	says("10.0.0.1", "milan", "a", 4);
	says("10.0.0.1", "milan", "c", 13);
	says("10.0.0.1", "milan", "d", 54);
	fill();
	assert_int_equal(summary.observed, 3);
	assert_int_equal(summary.estimated, 1);
	assert_true(rtt("a", "milan") == 4000 && isnan(estimate("a", "milan")) && isnan(w.snapshot.client.loss[at("a", "milan")]));
	assert_float_equal(rtt("b", "milan"), 5000, 0.2);	/* by way of a */
	assert_true(estimate("b", "milan") > 3500 && estimate("b", "milan") <= 5000);
	assert_true(isnan(rtt("a", "rome")) && isnan(estimate("a", "rome")));
}

static void a_probe_is_believed_first(void **state)
{
	(void)state;
	world_client(&w, "a", "milan", 7000);
	w.snapshot.client.loss[at("c", "milan")] = 1;
	w.snapshot.client.loss[at("d", "milan")] = 1;
	says("10.0.0.1", "milan", "a", 1);
	says("10.0.0.1", "milan", "b", 1);
	says("10.0.0.1", "milan", "c", 20);
	fill();
	assert_true(rtt("a", "milan") == 7000 && w.snapshot.client.loss[at("a", "milan")] == 0);
	assert_true(estimate("b", "milan") > 2000);		/* one word against a measurement cannot make it nearer */
	assert_float_equal(rtt("b", "milan"), 8000, 0.2);
	assert_float_equal(estimate("c", "milan"), 20000, 0.2);	/* but farther */
	assert_true(isnan(rtt("d", "milan")) && w.snapshot.client.loss[at("d", "milan")] == 1);	/* lost stays lost */
}

static void of_two_the_larger_of_three_the_middle(void **state)
{
	(void)state;
	says("10.0.0.1", "milan", "a", 4);
	says("10.0.0.2", "milan", "a", 5);
	fill();
	assert_float_equal(rtt("a", "milan"), 5000, 0.2);
	says("10.0.0.3", "milan", "a", 0.05);
	w.snapshot.client.rtt_us[at("a", "milan")] = NAN;
	snapshot_want_estimates(&w.snapshot);
	fill();
	assert_float_equal(rtt("a", "milan"), 4000, 0.2);
}

/* Two speak of a group and never of the same node: each is held to what the other's words allow. */
static void words_that_nowhere_meet_cannot_draw(void **state)
{
	(void)state;
	says("10.0.0.1", "milan", "a", 4);
	says("10.0.0.2", "milan", "d", 0.05);
	fill();
	assert_float_equal(rtt("d", "milan"), 54000, 0.2);
	assert_float_equal(estimate("d", "milan"), 54000, 0.2);
	assert_float_equal(estimate("a", "milan"), 50050, 0.2);
	assert_float_equal(estimate("b", "milan"), 51050, 0.2);
}

/* A node whose probe is silent has no age: its users' word must not be as old as that. */
static void what_users_saw_of_a_silent_node(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		size_t cell = (size_t)names_find(&w.snapshot.nodes, "d") * 4 + (size_t)i;

		w.snapshot.link.rtt_us[cell] = w.snapshot.link.jitter_us[cell] = w.snapshot.link.loss[cell] = i == 3 ? 0 : NAN;
	}
	w.snapshot.age_s[3] = NAN;
	says("10.0.0.1", "milan", "d", 2);
	fill();
	assert_true(rtt("d", "milan") == 2000 && estimate("d", "milan") == 2000);
	world_decide(&w, "web", "", "\"latency-mesh.io/near\":\"client/milan\"");
	assert_string_equal(world_chosen(&w), "d");
	world_decide(&w, "limit", "", "\"latency-mesh.io/within\":\"client/milan<=3ms\"");
	assert_string_equal(world_chosen(&w), "d");
}

static void no_way_to_the_measure_is_no_estimate(void **state)
{
	(void)state;
	world_link(&w, "a", "b", (double)NAN, (double)NAN, 1);
	says("10.0.0.1", "milan", "a", 4);
	fill();
	assert_true(isnan(rtt("b", "milan")) && isnan(estimate("b", "milan")) && !isnan(rtt("c", "milan")));
}

/* --- real latencies ---------------------------------------------------------------------------------------------------- */

enum users {
	OF_REGIONS,			/* somewhere in the region: as far from its zones as these are from each other on average */
	OF_ZONES,			/* behind one of the three data centres, whose neighbours are 2 ms away */
};

struct outcome {
	double chosen_us, best_us, best_seen_us, worst_round;	/* sums over clients; the last a ratio */
	uint64_t worst_seed;
	int clients, bound_broken, lost_to_optimism, decided_by_estimate;
};

static double true_us(const struct world *world, enum users users, int home, int node, double access_us)
{
	const float *links = world->snapshot.link.rtt_us;
	double sum = 0;
	int i, first = home / ZONES_EACH * ZONES_EACH;

	if (users == OF_ZONES)
		return access_us + (double)links[home * ZONES + node];
	for (i = first; i < first + ZONES_EACH; i++)
		sum += (double)links[i * ZONES + node] / ZONES_EACH;
	return access_us + sum;
}

static void copy_mesh(struct world *to)
{
	size_t i;

	for (i = 0; i < (size_t)ZONES * ZONES; i++) {
		to->snapshot.link.rtt_us[i] = regions.link.rtt_us[i];
		to->snapshot.link.jitter_us[i] = to->snapshot.link.loss[i] = 0;
	}
}

static double normal(struct rng *r)
{
	return sqrt(-2 * log(1 - rng_unit(r))) * cos(2 * M_PI * rng_unit(r));
}

static void observe_some(struct rng *r, const char *client, const double *truth, bool *said)
{
	bool any = false;
	int node, must = (int)rng_below(r, ZONES);

	for (node = 0; node < ZONES; node++)
		any |= said[node] = rng_chance(r, 0.2);
	said[must] |= !any;
	for (node = 0; node < ZONES; node++)
		if (said[node])
			says("10.0.0.1", client, w.snapshot.nodes.items[node], truth[node] * (1 + NOISE * normal(r)) / 1e3);
}

static void judge(struct outcome *sum, const double *truth, const bool *said, const char *client)
{
	int chosen = (int)names_find(&w.snapshot.nodes, world_chosen(&w)), best = 0, best_seen = -1, node;

	for (node = 0; node < ZONES; node++) {
		best = truth[node] < truth[best] ? node : best;
		if (said[node] && (best_seen < 0 || truth[node] < truth[best_seen]))
			best_seen = node;
		/* noise and what real networks do to triangles */
		sum->bound_broken += rtt(w.snapshot.nodes.items[node], client) < truth[node] * (1 - 4 * NOISE) - 3000;
	}
	sum->clients++;
	sum->chosen_us += truth[chosen];
	sum->best_us += truth[best];
	sum->best_seen_us += truth[best_seen];
	sum->decided_by_estimate += !said[chosen];
	sum->lost_to_optimism += !said[chosen] && truth[chosen] > truth[best_seen] * WITHIN;
}

static void begin_regions(void)
{
	auto_buf struct buf names = {0}, nodes = {0};
	int node;

	for (node = 0; node < ZONES; node++) {
		buf_printf(&names, "users-%d ", node);
		buf_printf(&nodes, "%s ", regions.nodes.items[node]);
	}
	world_begin(&w, nodes.data, names.data);
	copy_mesh(&w);
	seen = observe_new();
	observe_expect(seen, &w.snapshot.nodes, NULL);
}

static void one_round(enum users users, uint64_t seed, struct outcome *sum)
{
	struct rng r = rng_make(seed);
	double truth[ZONES][ZONES];
	bool said[ZONES][ZONES];
	int home, node;
	double chosen_before = sum->chosen_us, best_before = sum->best_us;

	begin_regions();
	for (home = 0; home < ZONES; home++) {
		double access_us = 1000 + 9000 * rng_unit(&r);

		for (node = 0; node < ZONES; node++)
			truth[home][node] = true_us(&w, users, home, node, access_us);
		observe_some(&r, w.snapshot.clients.items[home], truth[home], said[home]);
	}
	fill();
	for (home = 0; home < ZONES; home++) {
		auto_free char *near = xasprintf("\"latency-mesh.io/near\":\"client/%s\"", w.snapshot.clients.items[home]);

		world_decide(&w, w.snapshot.clients.items[home], "", near);
		judge(sum, truth[home], said[home], w.snapshot.clients.items[home]);
	}
	observe_free(seen);
	world_end(&w);
	if ((sum->chosen_us - chosen_before) / (sum->best_us - best_before) > sum->worst_round) {
		sum->worst_round = (sum->chosen_us - chosen_before) / (sum->best_us - best_before);
		sum->worst_seed = seed;
	}
}

static double print(const char *what, const struct outcome *o, double optimism)
{
	printf("# %s: chosen %.3f of the best on average, worst round %.3f (seed %llu); best observed node alone: %.3f\n", what, o->chosen_us / o->best_us,
	       o->worst_round, (unsigned long long)o->worst_seed, o->best_seen_us / o->best_us);
	printf("# %s: %d clients, %d decided by an estimate, %d of them more than 15 %% worse than the best observed, %d bounds broken of %d\n", what,
	       o->clients, o->decided_by_estimate, o->lost_to_optimism, o->bound_broken, o->clients * ZONES);
	assert_true(o->lost_to_optimism <= o->clients * optimism && o->bound_broken <= o->clients * ZONES * 0.002);
	return o->chosen_us / o->best_us;
}

static void the_chosen_node_is_near_the_best(void **state)
{
	const char *more = getenv("ESTIMATE_ROUNDS");
	int rounds = more ? atoi(more) : ROUNDS, i;
	struct outcome of_regions = {0}, of_zones = {0};
	double ratio;

	(void)state;
	for (i = 0; i < rounds; i++) {
		one_round(OF_REGIONS, test_seed() + (uint64_t)i, &of_regions);
		one_round(OF_ZONES, test_seed() + (uint64_t)i, &of_zones);
	}
	ratio = print("users of regions", &of_regions, 0.02);
	assert_true(ratio <= WITHIN);
	/*
	 * Which of three zones 2 ms apart is theirs, only one of them can tell when the other two, or it, were seen: in 0.9 of the cases it is a
	 * guess that is wrong twice in three times, 1.2 ms on average, where the best is 5.5. So 1.22 is what anyone can reach here.
	 */
	ratio = print("users of zones", &of_zones, 0.1);
	assert_true(ratio <= 1.32);
}

/* Where a pod runs, users are seen: an estimate that was too good is replaced, and the choice ends on a node that was measured. */
static void optimism_is_found_out(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, node, steps, most = 0;
	double ratios = 0;

	(void)state;
	for (round = 0; round < 60; round++) {
		double truth[ZONES], access_us = 1000 + 9000 * rng_unit(&r), best_us = INFINITY;
		int home = (int)rng_below(&r, ZONES), chosen;
		bool said[ZONES];

		begin_regions();
		for (node = 0; node < ZONES; node++) {
			truth[node] = true_us(&w, OF_ZONES, home, node, access_us);
			best_us = fmin(best_us, truth[node]);
		}
		observe_some(&r, "users-0", truth, said);
		for (steps = 0;; steps++) {
			for (node = 0; node < ZONES; node++)
				w.snapshot.client.rtt_us[node * ZONES] = NAN;
			if (w.snapshot.client_estimate_us)
				for (node = 0; node < ZONES; node++)
					w.snapshot.client_estimate_us[node * ZONES] = NAN;
			fill();
			world_take(&w);
			world_decide(&w, "web", "", "\"latency-mesh.io/near\":\"client/users-0\"");
			chosen = (int)names_find(&w.snapshot.nodes, world_chosen(&w));
			if (said[chosen])
				break;
			said[chosen] = true;
			says("10.0.0.1", "users-0", w.snapshot.nodes.items[chosen], truth[chosen] / 1e3);
		}
		for (node = 0; node < ZONES; node++)
			assert_true(!said[node] || truth[chosen] <= truth[node] * (1 + 12 * NOISE) / 0.97);
		ratios += truth[chosen] / best_us / 60;
		most = steps > most ? steps : most;
		observe_free(seen);
		world_end(&w);
	}
	printf("# found out after %d nodes at most; then %.3f of the best on average\n", most, ratios);
	assert_true(most < ZONES / 2);
}

/* Where the triangle holds and users are seen exactly, no limit passes a node that does not keep it. */
static void limits_rest_on_bounds_that_hold(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct rng r = rng_make(test_seed());
	int round, i, k, passed = 0, refused = 0, estimates = 0;

	for (round = 0; round < 3000; round++) {
		double x[5], y[5], truth_us[4], limit_us = 5000 + 40000 * rng_unit(&r);
		auto_free char *within = xasprintf("\"latency-mesh.io/within\":\"client/milan<=%.0fus\"", limit_us);
		bool any = false;

		begin(state);
		for (i = 0; i < 5; i++)
			x[i] = 30e3 * rng_unit(&r), y[i] = 30e3 * rng_unit(&r);
		for (i = 0; i < 4; i++) {
			truth_us[i] = hypot(x[i] - x[4], y[i] - y[4]) + 3000;
			for (k = 0; k < i; k++)
				world_rtt(&w, names[i], names[k], hypot(x[i] - x[k], y[i] - y[k]));
			if (rng_chance(&r, 0.4) || (i == 3 && !any)) {
				says("10.0.0.1", "milan", names[i], truth_us[i] / 1e3);
				any = true;
			}
		}
		fill();
		world_decide(&w, "limit", "", within);
		for (i = 0; i < 4; i++) {
			bool passes = !world_reason(&w, names[i])[0];

			assert_true(!passes || truth_us[i] <= limit_us + 2);
			assert_true(isnan(estimate(names[i], "milan")) || estimate(names[i], "milan") <= rtt(names[i], "milan"));
			passed += passes;
			refused += !passes;
			estimates += passes && !isnan(estimate(names[i], "milan"));
		}
		end(state);
	}
	assert_true(passed > 1000 && refused > 1000 && estimates > 200);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(users_near_a_landmark), T(a_probe_is_believed_first), T(of_two_the_larger_of_three_the_middle),
		T(words_that_nowhere_meet_cannot_draw), T(what_users_saw_of_a_silent_node), T(no_way_to_the_measure_is_no_estimate),
		cmocka_unit_test(the_chosen_node_is_near_the_best), cmocka_unit_test(optimism_is_found_out),
		cmocka_unit_test(limits_rest_on_bounds_that_hold),
	};

	return cmocka_run_group_tests(tests, load_regions, drop_regions);
}
