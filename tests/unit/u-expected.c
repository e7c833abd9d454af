/* expected.h: the load of pods that were just placed counts until the telemetry knows of them; incremental sums are those of a recount. */
#include "sched/expected.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/report.h"
#include "sched/decider.h"
#include "tests/testing/world.h"

#define TAU_MS ((int64_t)(REPORT_LOAD_TAU_S * 1000))
#define CPU(text) "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"" text "\"}}}]"
#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""
#define CLOSE 1e-5

static struct world w;

static void expect_near(double got, double want, double within)
{
	if (!(fabs(got - want) <= within))
		fail_msg("%.9g, not %.9g", got, want);
}

/* Nodes of 8 CPUs whose load was measured at 0; the first list of pods was whole. */
static int begin(void **state)
{
	const char *name = "abc";

	(void)state;
	world_begin(&w, "a b c", "");
	world_rtts(&w, "a-b 1000, a-c 1000, b-c 1000");
	for (; *name; name++)
		world_cpu(&w, (char[]){*name, '\0'}, 0.30);
	cache_set_time(w.cache, 0);
	cache_replace_pods_begin(w.cache);
	cache_replace_pods_end(w.cache, NULL, NULL);
	world_pod(&w, "asks", "", "", NEAR("node/a"));
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static uint32_t index_of(const char *node)
{
	return (uint32_t)cache_find_node(w.cache, node);
}

/* What a new decision expects on a node, in thousandths of a CPU. */
static double expected_on_node(const char *node)
{
	world_again(&w, "asks");
	return (double)w.decision.expected[index_of(node)] * 8000;
}

#define expect_milli(node, milli) expect_near(expected_on_node(node), milli, 8000 * CLOSE)

static const struct pod *put(const char *name, const char *node, const char *spec)
{
	return world_pod_of(&w, name, node, "", "", "", spec);
}

/* --- the share -------------------------------------------------------------------------------------------------------------- */

static void the_share_falls_once_the_load_was_measured_later(void **state)
{
	(void)state;
	expect_near(expected_share(1000, -5e6), 1, 0);
	expect_near(expected_share(1000, 999), 1, 0);
	expect_near(expected_share(1000, 1000), 1, 0);
	expect_near(expected_share(1000, 1000 + (double)TAU_MS), exp(-1), 1e-12);
	expect_near(expected_share(1000, 1000 + 5.0 * (double)TAU_MS), exp(-5), 1e-12);
	expect_near(expected_share(1000, 1001 + 5.0 * (double)TAU_MS), 0, 0);
	expect_near(expected_share(1000, NAN), 0, 0);
	expect_near(expected_share(PLACED_LONG_AGO, -1e15), 0, 0);
	assert_int_equal(expected_units(0, 1), 100 * EXPECTED_UNITS);
	assert_int_equal(expected_units(250, 0.5), 125 * EXPECTED_UNITS);
	assert_true(expected_units(INT64_MAX, 1) > 0);
}

static void sums_are_bounded(void **state)
{
	static struct placement many[3000];
	struct node_state node = {.placements = many, .placement_count = ARRAY_SIZE(many)};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i].cpu_milli = INT64_MAX;
	assert_int_equal(expected_on(&node, -1), EXPECTED_MOST);
	assert_true(expected_part(EXPECTED_MOST, 1) > 0);
}

/* --- when a pod was placed ---------------------------------------------------------------------------------------------------- */

static void a_pod_counts_from_when_it_is_seen_on_a_node(void **state)
{
	(void)state;
	expect_milli("a", 0);
	put("p", "a", CPU("2"));
	put("q", "a", "");
	expect_milli("a", 2100);
	expect_milli("b", 0);
	world_again(&w, "asks");
	expect_near(world_score(&w, SCORE_CPU, "a"), 100 * (1 - 0.30 - 2.1 / 8), 1e-3);
	w.mono_ms = TAU_MS;
	expect_milli("a", 2100);	/* time alone changes nothing */
	world_take(&w);
	expect_milli("a", 2100 * exp(-1));
	w.mono_ms = 6 * TAU_MS;
	world_take(&w);
	expect_milli("a", 0);
}

static void an_assumption_counts_and_its_confirmation_is_no_news(void **state)
{
	(void)state;
	put("p", "", CPU("1"));
	assert_true(cache_assume(w.cache, "uid-p", index_of("b")));
	expect_milli("b", 1000);
	cache_set_time(w.cache, 2 * TAU_MS);
	put("p", "b", CPU("1"));
	w.mono_ms = TAU_MS;
	world_take(&w);
	expect_milli("b", 1000 * exp(-1));
	cache_set_time(w.cache, 2 * TAU_MS);
	put("p", "c", CPU("1"));	/* the watch wins: it is there from now on */
	expect_milli("b", 0);
	expect_milli("c", 1000);
}

static void who_goes_takes_its_share_back(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		put("p", "", CPU("1"));
		assert_true(cache_assume(w.cache, "uid-p", index_of("a")));
		put("q", "a", CPU("2"));
		expect_milli("a", 3000);
		if (i == 0)
			cache_forget(w.cache, "uid-p");
		else if (i == 1)
			cache_delete_pod(w.cache, "uid-p");
		else if (i == 2)
			world_pod_of(&w, "p", "a", "", "", "\"deletionTimestamp\":\"2026-11-21T21:00:00Z\"", CPU("1"));
		else if (i == 3)
			put("p", "c", CPU("1"));
		else
			put("p", "a", CPU("0"));
		expect_milli("a", i == 4 ? 2100 : 2000);
		cache_delete_pod(w.cache, "uid-p");
	}
}

static void lists_keep_times(void **state)
{
	(void)state;
	put("p", "a", CPU("1"));
	put("gone", "a", CPU("4"));
	cache_set_time(w.cache, 10 * TAU_MS);
	cache_replace_pods_begin(w.cache);
	put("p", "a", CPU("1"));
	put("asks", "", "");
	put("new", "b", CPU("3"));
	cache_replace_pods_end(w.cache, NULL, NULL);
	w.mono_ms = TAU_MS;
	world_take(&w);
	expect_milli("a", 1000 * exp(-1));
	expect_milli("b", 3000);
}

static void what_came_with_the_first_list_is_known(void **state)
{
	struct cache *listed = w.cache;

	(void)state;
	w.cache = cache_new();
	cache_set_time(w.cache, 0);
	world_node(&w, "a", "", "");
	cache_replace_pods_begin(w.cache);
	put("p", "a", CPU("1"));
	put("asks", "", "");
	cache_replace_pods_end(w.cache, NULL, NULL);
	expect_milli("a", 0);
	put("p", "a", CPU("2"));	/* news of it, but not where it is */
	expect_milli("a", 0);
	put("q", "a", CPU("2"));
	expect_milli("a", 2000);
	cache_free(w.cache);
	w.cache = listed;
}

static void a_node_that_comes_later_has_its_pods(void **state)
{
	(void)state;
	put("p", "c", CPU("1"));
	cache_delete_node(w.cache, "c");
	expect_milli("a", 0);
	put("q", "c", CPU("1"));
	world_node(&w, "c", "", "");
	expect_milli("c", 2000);
	world_node_of(&w, "c", "", "", "\"cpu\":\"4\",\"memory\":\"16Gi\",\"pods\":\"110\"");
	expect_milli("c", 4000);	/* 2 of 4 CPUs is half of it, too */
}

/* --- when the load was measured ----------------------------------------------------------------------------------------------- */

static void take(bool hold, int64_t wall_ms)
{
	struct mesh *next;

	w.snapshot.generation++;
	assert_int_equal(mesh_take(matrix_build(&w.snapshot), w.mesh, hold, false, w.mono_ms, wall_ms, &next), MESH_TAKEN);
	mesh_free(w.mesh);
	w.mesh = next;
}

static void the_age_of_the_row_and_the_first_files_count(void **state)
{
	(void)state;
	put("p", "a", CPU("1"));
	w.mono_ms = 2 * TAU_MS;
	world_age(&w, "a", REPORT_LOAD_TAU_S);
	world_age(&w, "b", 3 * REPORT_LOAD_TAU_S);
	put("q", "b", CPU("1"));
	take(false, TAU_MS / 2);	/* after a start: written TAU / 2 before */
	expect_near(mesh_load_ms(w.mesh, 0), (double)TAU_MS / 2, 0);
	expect_milli("a", 1000 * exp(-0.5));
	expect_milli("b", 1000);
}

static void a_held_file_says_nothing_about_later_pods(void **state)
{
	(void)state;
	world_age(&w, "a", 10);
	take(true, 0);
	w.mono_ms = 100 * TAU_MS;
	cache_set_time(w.cache, 90 * TAU_MS);
	put("p", "a", CPU("1"));
	expect_milli("a", 1000);
	expect_near(mesh_load_ms(w.mesh, 0), -10000, 0);
}

/* --- where it counts ---------------------------------------------------------------------------------------------------------- */

static void unknown_load_stays_unknown(void **state)
{
	(void)state;
	world_cpu(&w, "a", NAN);
	put("p", "a", CPU("8"));
	world_again(&w, "asks");
	expect_near((double)w.decision.expected[index_of("a")], 0, 0);
	assert_int_equal(w.decision.load[index_of("a")], LOAD_UNKNOWN);
	assert_null(w.decision.score[SCORE_CPU]);	/* as ever when a node lacks it */
	assert_int_equal(w.decision.feasible, 3);
}

static const char *class_of(const char *node)
{
	world_again(&w, "asks");
	return load_class_name((enum load_class)w.decision.load[index_of(node)]);
}

static void thresholds_see_it(void **state)
{
	(void)state;
	world_cpu(&w, "a", 0.60);
	put("p", "a", CPU("792m"));
	assert_string_equal(class_of("a"), "easy");
	expect_near(world_total(&w, "a"), 70 + 30 * (1 - 0.699), 1e-2);
	put("p", "a", CPU("808m"));
	assert_string_equal(class_of("a"), "busy");
	expect_near(world_total(&w, "a"), 70 + 30 * (1 - 0.701) - CPU_BUSY_POINTS, 1e-2);
	put("p", "a", CPU("1992m"));
	assert_string_equal(class_of("a"), "busy");
	assert_int_equal(w.decision.feasible, 3);
	put("p", "a", CPU("2008m"));
	assert_string_equal(class_of("a"), "full");
	assert_string_equal(world_reason(&w, "a"), "node(s) had no CPU headroom");
	assert_string_not_equal(world_chosen(&w), "a");
	cache_delete_pod(w.cache, "uid-p");
	assert_string_equal(class_of("a"), "easy");
	assert_int_equal(w.decision.feasible, 3);
}

static void all_full_refuses_none_and_no_more_than_all_is_used(void **state)
{
	(void)state;
	put("p", "a", CPU("50"));
	put("q", "b", CPU("5"));
	put("r", "c", CPU("5"));
	world_again(&w, "asks");
	assert_int_equal(w.decision.feasible, 3);
	expect_near(world_score(&w, SCORE_CPU, "a"), 0, 0);
	assert_string_equal(class_of("a"), "full");
}

static void a_class_is_never_below_that_of_the_mesh(void **state)
{
	(void)state;
	world_cpu(&w, "a", 0.86);
	world_take(&w);
	world_cpu(&w, "a", 0.82);
	world_take(&w);
	assert_string_equal(class_of("a"), "full");	/* by hysteresis */
	put("p", "a", CPU("10m"));
	assert_string_equal(class_of("a"), "full");
	world_cpu(&w, "a", 0.60);
	world_take(&w);
	put("p", "a", CPU("500m"));
	assert_string_equal(class_of("a"), "easy");	/* 0.6625, and its own hysteresis it has not */
}

static void what_stands_beside_counts_for_one_decision(void **state)
{
	struct expected_load beside[] = {{.node = 1, .units = 800 * EXPECTED_UNITS}};

	(void)state;
	put("p", "b", CPU("400m"));
	expect_milli("b", 400);
	w.in.beside = beside;
	w.in.beside_count = 1;
	beside[0].node = index_of("b");
	decide(w.decider, &w.in, &w.decision);
	expect_near((double)w.decision.expected[index_of("b")], 1200.0 / 8000, CLOSE);
	expect_milli("b", 400);
}

/* --- properties --------------------------------------------------------------------------------------------------------------- */

#define NODES 7
#define PODS 60
#define STEPS 4000

static struct {
	bool there, terminating, assumed;
	int node;			/* -1: none */
	int64_t placed_ms, milli;
} model[PODS];

static void write_pod(int i, bool with_node)
{
	auto_free char *spec = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%lldm\"}}}]", (long long)model[i].milli);
	char name[16], node[16] = "";

	snprintf(name, sizeof(name), "p%d", i);
	if (with_node && model[i].node >= 0)
		snprintf(node, sizeof(node), "n%d", model[i].node);
	world_pod_of(&w, name, node, "", "", model[i].terminating ? "\"deletionTimestamp\":\"2026-11-21T21:00:00Z\"" : "", spec);
}

static void step_pod(struct rng *r, int i, int64_t now_ms)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "uid-p%d", i);
	if (!model[i].there) {
		memset(&model[i], 0, sizeof(model[i]));
		model[i].there = true;
		model[i].milli = rng_below(r, 4) * 300;
		model[i].node = rng_chance(r, 0.5) ? (int)rng_below(r, NODES) : -1;
		model[i].placed_ms = now_ms;
		write_pod(i, true);
	} else if (model[i].node < 0) {
		int32_t node;

		model[i].node = (int)rng_below(r, NODES);
		snprintf(uid, sizeof(uid), "n%d", model[i].node);
		node = cache_find_node(w.cache, uid);
		snprintf(uid, sizeof(uid), "uid-p%d", i);
		model[i].placed_ms = now_ms;
		model[i].assumed = node >= 0;
		if (node < 0)
			write_pod(i, true);
		else
			assert_true(cache_assume(w.cache, uid, (uint32_t)node));
	} else if (rng_chance(r, 0.3)) {
		cache_delete_pod(w.cache, uid);
		model[i].there = false;
	} else if (model[i].assumed && rng_chance(r, 0.3)) {
		cache_forget(w.cache, uid);
		model[i].node = -1;
		model[i].assumed = false;
	} else {
		int before = model[i].node;

		model[i].assumed = false;
		model[i].terminating |= rng_chance(r, 0.2);
		model[i].milli = rng_below(r, 4) * 300;
		if (rng_chance(r, 0.1))
			model[i].node = (int)rng_below(r, NODES);
		if (model[i].node != before)
			model[i].placed_ms = now_ms;
		write_pod(i, true);
	}
}

static void step(struct rng *r)
{
	int64_t now_ms = w.mono_ms += rng_below(r, 3000);
	char name[16];

	cache_set_time(w.cache, now_ms);
	if (rng_chance(r, 0.03)) {
		snprintf(name, sizeof(name), "n%u", rng_below(r, NODES));
		if (cache_find_node(w.cache, name) < 0)
			world_node(&w, name, "", "");
		else
			cache_delete_node(w.cache, name);
	} else if (rng_chance(r, 0.03)) {
		snprintf(name, sizeof(name), "n%u", rng_below(r, NODES));
		world_age(&w, name, rng_below(r, 200));
		world_take(&w);
	} else {
		step_pod(r, (int)rng_below(r, PODS), now_ms);
	}
}

/* From the model alone. */
static double recount(int node)
{
	char name[16];
	double sum = 0, since;
	int i;

	snprintf(name, sizeof(name), "n%d", node);
	for (i = 0; i < PODS; i++) {
		if (!model[i].there || model[i].node != node || model[i].terminating)
			continue;
		since = mesh_load_ms(w.mesh, matrix_find_node(w.mesh->matrix, name)) - (double)model[i].placed_ms;
		sum += (model[i].milli ? (double)model[i].milli : 100) * (since <= 0 ? 1 : since > 5.0 * (double)TAU_MS ? 0 : exp(-since / (double)TAU_MS));
	}
	return sum;
}

static void check_sums(void)
{
	struct decider *used = w.decider;
	float expected[NODES];
	uint8_t load[NODES];
	char name[16];
	uint32_t count;
	int i;

	world_again(&w, "asks");
	if (!w.decision.expected)	/* no node is there */
		return;
	count = w.in.view->count;
	memcpy(expected, w.decision.expected, count * sizeof(float));
	memcpy(load, w.decision.load, count);
	w.decider = decider_new();	/* one that counts from the beginning */
	world_again(&w, "asks");
	assert_memory_equal(w.decision.expected, expected, count * sizeof(float));
	assert_memory_equal(w.decision.load, load, count);
	assert_int_equal(w.decider->lookup.full_count, used->lookup.full_count);
	decider_free(w.decider);
	w.decider = used;
	for (i = 0; i < NODES; i++) {
		int32_t node;

		snprintf(name, sizeof(name), "n%d", i);
		node = cache_find_node(w.cache, name);
		if (node >= 0)
			expect_near((double)expected[node] * 8000, recount(i), 0.05);
	}
}

static void sums_are_those_of_a_recount(void **state)
{
	struct rng r = rng_make(test_seed());
	int i, steps;

	(void)state;
	world_begin(&w, "n0 n1 n2 n3 n4 n5 n6", "");
	for (i = 0; i < NODES; i++)
		w.snapshot.load[i].cpu = rng_unit(&r);
	cache_replace_pods_begin(w.cache);
	cache_replace_pods_end(w.cache, NULL, NULL);
	world_pod(&w, "asks", "", "", "");
	memset(model, 0, sizeof(model));
	world_again(&w, "asks");
	for (steps = 0; steps < STEPS; steps++) {
		for (i = rng_chance(&r, 0.01) ? 300 : 1; i > 0; i--)	/* more than a view remembers */
			step(&r);
		check_sums();
	}
	world_end(&w);
}

/* With more expected of x it ranks as before or lower. */
static void check_rank(int x)
{
	double before[NODES];
	char name[16], there[16];
	int y;

	world_again(&w, "asks");
	for (y = 0; y < NODES; y++) {
		snprintf(name, sizeof(name), "n%d", y);
		before[y] = world_total(&w, name);
	}
	snprintf(there, sizeof(there), "n%d", x);
	put("more", there, CPU("700m"));
	world_again(&w, "asks");
	for (y = 0; y < NODES; y++) {
		double now;

		snprintf(name, sizeof(name), "n%d", y);
		now = world_total(&w, name);
		if (isnan(before[x]) && !isnan(before[y]))
			assert_true(isnan(world_total(&w, there)));
		if (y != x && before[x] < before[y] - 1e-3 && world_total(&w, there) > now + 1e-3)
			fail_msg("%s got %g against %g of %s, and had %g against %g", there, world_total(&w, there), now, name, before[x], before[y]);
	}
	cache_delete_pod(w.cache, "uid-more");
}

static void more_expected_never_ranks_higher(void **state)
{
	struct rng r = rng_make(test_seed() + 1);
	int round, x, y;
	char a[16], b[16];

	(void)state;
	for (round = 0; round < 500; round++) {
		world_begin(&w, "n0 n1 n2 n3 n4 n5 n6", "");
		cache_replace_pods_begin(w.cache);
		cache_replace_pods_end(w.cache, NULL, NULL);
		cache_set_time(w.cache, 0);
		for (x = 0; x < NODES; x++)
			for (y = 0; y < x; y++) {
				snprintf(a, sizeof(a), "n%d", x);
				snprintf(b, sizeof(b), "n%d", y);
				world_rtt(&w, a, b, 100 + rng_below(&r, 2000));
			}
		for (x = 0; x < NODES; x++)
			w.snapshot.load[x].cpu = rng_unit(&r);
		world_pod(&w, "asks", "", "", rng_chance(&r, 0.5) ? NEAR("node/n0") : "");
		for (x = 0; x < NODES; x++)
			check_rank(x);
		world_end(&w);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_falls_once_the_load_was_measured_later),
		cmocka_unit_test(sums_are_bounded),
		T(a_pod_counts_from_when_it_is_seen_on_a_node),
		T(an_assumption_counts_and_its_confirmation_is_no_news),
		T(who_goes_takes_its_share_back),
		T(lists_keep_times),
		T(what_came_with_the_first_list_is_known),
		T(a_node_that_comes_later_has_its_pods),
		T(the_age_of_the_row_and_the_first_files_count),
		T(a_held_file_says_nothing_about_later_pods),
		T(unknown_load_stays_unknown),
		T(thresholds_see_it),
		T(all_full_refuses_none_and_no_more_than_all_is_used),
		T(a_class_is_never_below_that_of_the_mesh),
		T(what_stands_beside_counts_for_one_decision),
		cmocka_unit_test(sums_are_those_of_a_recount),
		cmocka_unit_test(more_expected_never_ranks_higher),
	};
#undef T

	return cmocka_run_group_tests_name("expected", tests, NULL, NULL);
}
