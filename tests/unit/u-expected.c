/* expected.h: the load of pods that were just placed counts until the telemetry knows of them. u-expected-sums.c has what holds for any history. */
#include "lib/mem.h"
#include "tests/unit/expected_world.h"

#define CLOSE 1e-5

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
	};
#undef T

	return cmocka_run_group_tests_name("expected", tests, NULL, NULL);
}
