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
#define ROUNDS 30

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
	world_rtt(&w, "a", "b", 1000);
	world_rtt(&w, "a", "c", 9000);
	world_rtt(&w, "b", "c", 10000);
	world_rtt(&w, "a", "d", 50000);
	world_rtt(&w, "b", "d", 51000);
	world_rtt(&w, "c", "d", 42000);
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
	sum->lost_to_optimism += !said[chosen] && truth[chosen] > truth[best_seen];
}

static void one_round(enum users users, uint64_t seed, struct outcome *sum)
{
	struct rng r = rng_make(seed);
	double truth[ZONES][ZONES];
	bool said[ZONES][ZONES];
	auto_buf struct buf names = {0}, nodes = {0};
	int home, node;
	double chosen_before = sum->chosen_us, best_before = sum->best_us;

	for (node = 0; node < ZONES; node++) {
		buf_printf(&names, "users-%d ", node);
		buf_printf(&nodes, "%s ", regions.nodes.items[node]);
	}
	world_begin(&w, nodes.data, names.data);
	copy_mesh(&w);
	seen = observe_new();
	observe_expect(seen, &w.snapshot.nodes, NULL);
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

static double print(const char *what, const struct outcome *o)
{
	printf("# %s: chosen %.3f of the best on average, worst round %.3f (seed %llu); best observed node alone: %.3f\n", what, o->chosen_us / o->best_us,
	       o->worst_round, (unsigned long long)o->worst_seed, o->best_seen_us / o->best_us);
	printf("# %s: %d clients, %d decided by an estimate, %d of them worse than the best observed, %d bounds broken\n", what, o->clients,
	       o->decided_by_estimate, o->lost_to_optimism, o->bound_broken);
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
	ratio = print("users of regions", &of_regions);
	assert_true(ratio <= 1.15);
	ratio = print("users of zones", &of_zones);
	assert_true(ratio <= 1.35);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(users_near_a_landmark), T(a_probe_is_believed_first), T(of_two_the_larger_of_three_the_middle),
		T(words_that_nowhere_meet_cannot_draw), T(what_users_saw_of_a_silent_node), T(no_way_to_the_measure_is_no_estimate),
		cmocka_unit_test(the_chosen_node_is_near_the_best),
	};

	return cmocka_run_group_tests(tests, load_regions, drop_regions);
}
