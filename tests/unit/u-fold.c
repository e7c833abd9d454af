/*
 * Folding by example: rows, their ages, nodes that vanish, the period. Clients are in u-fold-clients.c, silence in u-fold-silence.c, where traffic enters in
 * u-fold-inflow.c; what holds for any reports in u-fold-random.c.
 */
#include "tests/unit/fold_world.h"

static double age(const struct world *w, uint32_t node)
{
	uint32_t row = names_find(&w->last.nodes, node_names[node]);

	return row == NAMES_NONE ? (double)NAN : w->last.age_s[row];
}

static void fresh_reports_become_rows(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 2, "boot", 1, 300);
	w.age_s[2] = 7;
	run(&w, 0);
	assert_int_equal(w.summary.fresh, 2);
	assert_int_equal(w.summary.unknown, 1);
	assert_true(rtt(&w, 0, 1) == 101 && rtt(&w, 0, 2) == 102 && rtt(&w, 2, 0) == 300 && rtt(&w, 0, 0) == 0);
	assert_true(isnan(rtt(&w, 1, 0)) && isnan(age(&w, 1)) && age(&w, 0) == 0 && age(&w, 2) == 7);
	assert_string_equal(w.last.seen[1].boot_id, "");
	world_free(&w);
}

static void m12_replay_conflict_and_a_new_boot(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 42, 100);
	reports(&w, 1, "boot", 10, 200);
	run(&w, 0);
	reports(&w, 0, "boot", 41, 900);		/* seq goes back */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_REPLAYED);
	assert_int_equal(w.summary.replayed, 1);
	assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 30);
	reports(&w, 0, "boot", 42, 900);		/* the same seq, other content */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_CONFLICT);
	assert_int_equal(w.summary.conflicts, 1);
	assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 60);
	reports(&w, 0, "boot", 42, 100);		/* the same again, truly unchanged */
	w.age_s[0] = 90;
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_FRESH);
	assert_true(age(&w, 0) == 90);
	reports(&w, 0, "boot2", 1, 900);		/* a probe that was started anew */
	run(&w, 30);
	assert_int_equal(w.verdicts[0], FOLD_FRESH);
	assert_true(rtt(&w, 0, 1) == 901 && age(&w, 0) == 0);
	world_free(&w);
}

static void m13_a_writers_clock_does_not_matter(void **state)
{
	static const int64_t ten_years_ms = INT64_C(315360000000);
	struct world w;
	int round;

	(void)state;
	world_init(&w, 2);
	for (round = 0; round < 4; round++) {
		reports(&w, 0, "boot", 1 + round, 100);
		reports(&w, 1, "boot", 1 + round, 200);
		w.reports[0].written_ms = (round - 2) * ten_years_ms;
		run(&w, 60);
		assert_int_equal(w.summary.fresh, 2);
		assert_true(age(&w, 0) == 0);
	}
	world_free(&w);
}

/* M32: the file server's clock went back an hour: files seem to come from the future. New ones are taken, unchanged ones age. */
static void m32_clock_jumps(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, 2);
	w.age_s[0] = -3600;
	w.age_s[1] = -1; /* within the granularity of one clock */
	run(&w, 60);
	assert_int_equal(w.verdicts[0], FOLD_STALE);
	assert_int_equal(w.verdicts[1], FOLD_FRESH);
	assert_true(age(&w, 0) == 60 && age(&w, 1) == 0);
	reports(&w, 0, "boot", 2, 500);
	w.age_s[0] = -3600;
	run(&w, 60);
	assert_true(age(&w, 0) == 0 && rtt(&w, 0, 1) == 501);
	run(&w, -3600); /* time since the last merge cannot be negative */
	assert_true(age(&w, 0) == 0);
	world_free(&w);
}

static void a_row_ages_and_becomes_unknown_at_ten_periods(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_begin(&w, 4);
	for (round = 1; round <= 12; round++) {
		all_report(&w, 1 + round);
		w.there[0] = false;
		run(&w, 60);
		if (round < 10)
			assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 60 * round);
		else
			assert_true(isnan(rtt(&w, 0, 1)) && isnan(age(&w, 0)));
		assert_true(rtt(&w, 1, 0) == 200 && w.last.degraded_runs == 0);
	}
	assert_string_equal(w.last.seen[0].boot_id, "boot"); /* so that the old file stays old */
	world_free(&w);
}

/* Unchanged and older than three periods is no news, though the file is there. */
static void an_unchanged_report_is_fresh_for_three_periods(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_begin(&w, 4);
	for (round = 1; round <= 11; round++) {
		all_report(&w, 1 + round);
		reports(&w, 0, "boot", 1, 100);
		w.age_s[0] = 60 * round;
		run(&w, 60);
		assert_int_equal(w.verdicts[0], round <= 3 ? FOLD_FRESH : FOLD_STALE);
		assert_true(round < 10 ? age(&w, 0) == 60 * round : isnan(age(&w, 0)));
	}
	world_free(&w);
}

/* Nobody could report: the rows are kept twice, aged, and the third time it is believed. */
static void m18_no_valid_report_at_all(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	world_begin(&w, 5);
	memset(w.there, 0, sizeof(w.there));
	run(&w, 300); /* not yet anything to hold back: they are 5 periods old */
	assert_int_equal(w.last.degraded_runs, 0);
	for (i = 1; i <= 2; i++) {
		run(&w, 300);
		assert_int_equal(w.last.degraded_runs, i);
		assert_true(w.summary.held_back && w.summary.lost == 5 && w.summary.aged == 5);
		assert_true(rtt(&w, 0, 1) == 101 && age(&w, 0) == 300 + 300 * i);
	}
	run(&w, 300);
	assert_int_equal(w.last.degraded_runs, 0);
	assert_true(!w.summary.held_back && w.summary.unknown == 5 && isnan(rtt(&w, 0, 1)));
	world_free(&w);
}

static void m19_more_than_half_of_the_rows_vanish(void **state)
{
	struct world w;
	int round;

	(void)state;
	world_begin(&w, 6);
	names_free(&w.nodes);
	names_add(&w.nodes, "n0");
	names_add(&w.nodes, "n1");
	for (round = 1; round <= 2; round++) {
		reports(&w, 0, "boot", 1 + round, 700);
		run(&w, 60);
		assert_int_equal(w.last.nodes.count, 6);
		assert_int_equal(w.last.degraded_runs, round);
		assert_true(rtt(&w, 5, 0) == 600 && age(&w, 5) == 60 * round && rtt(&w, 0, 1) == 701);
	}
	run(&w, 60);
	assert_int_equal(w.last.nodes.count, 2);
	assert_int_equal(w.last.degraded_runs, 0);
	world_free(&w);
}

/* Exactly half is no reason to hold back, and what comes back in time ends the counting. */
static void half_of_the_rows_may_go_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, 6);
	w.there[0] = w.there[1] = w.there[2] = false;
	w.age_s[3] = w.age_s[4] = w.age_s[5] = 100;
	run(&w, 600);
	assert_true(!w.summary.held_back && w.summary.lost == 3 && w.summary.unknown == 3);
	world_free(&w);
	world_begin(&w, 6);
	memset(w.there, 0, sizeof(w.there));
	run(&w, 600);
	assert_int_equal(w.last.degraded_runs, 1);
	all_report(&w, 2);
	run(&w, 60);
	assert_true(w.last.degraded_runs == 0 && w.summary.fresh == 6);
	world_free(&w);
}

static void a_node_gone_from_the_api_loses_row_and_column(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, 4);
	names_free(&w.nodes);
	names_add(&w.nodes, "n3");
	names_add(&w.nodes, "n0");
	names_add(&w.nodes, "n1");
	run(&w, 10);
	assert_int_equal(w.last.nodes.count, 3);
	assert_string_equal(w.last.nodes.items[2], "n3");
	assert_int_equal(w.verdicts[2], FOLD_NONE);
	assert_true(rtt(&w, 0, 3) == 103 && rtt(&w, 3, 1) == 401 && rtt(&w, 1, 1) == 0);
	world_free(&w);
}

static void m11_reports_of_strangers_and_second_ones_are_refused(void **state)
{
	struct world w;
	struct fold *f;
	struct snapshot out;

	(void)state;
	world_init(&w, 2);
	reports(&w, 0, "boot", 1, 100);
	reports(&w, 5, "boot", 1, 100);
	f = fold_new(&(struct fold_settings){.nodes = &w.nodes, .interval_s = 60});
	assert_int_equal(fold_report(f, &w.reports[5], 0), FOLD_UNKNOWN);
	assert_int_equal(fold_report(f, &w.reports[0], 0), FOLD_FRESH);
	assert_int_equal(fold_report(f, &w.reports[0], 0), FOLD_REPEATED);
	fold_finish(f, &out, &w.summary);
	assert_int_equal(out.nodes.count, 2);
	snapshot_free(&out);
	fold_free(f);
	world_free(&w);
}

static void the_period_is_the_longer_of_probe_and_merge_interval(void **state)
{
	struct world w;
	uint32_t i;

	(void)state;
	world_begin(&w, 2);
	assert_true(w.last.period_s == 60);
	for (i = 0; i < 2; i++)
		w.reports[i].interval_s = 90;
	run(&w, 0);
	assert_true(w.last.period_s == 90);
	w.interval_s = 300;
	run(&w, 0);
	assert_true(w.last.period_s == 300);
	world_free(&w);
}

/* Else one forgotten file in nodes/ would keep every dead row of the mesh alive for ten hours. */
static void one_report_does_not_stretch_the_period_of_all(void **state)
{
	struct world w;
	uint32_t nodes;

	(void)state;
	for (nodes = 2; nodes <= 5; nodes++) {
		world_init(&w, nodes);
		all_report(&w, 1);
		w.reports[nodes - 1].interval_s = 3600;
		run(&w, 0);
		assert_true(w.last.period_s == 60);
		w.age_s[0] = 200;
		w.age_s[nodes - 1] = 200; /* its own next round is far away: for itself it is believed */
		run(&w, 60);
		assert_int_equal(w.verdicts[0], FOLD_STALE);
		assert_int_equal(w.verdicts[nodes - 1], FOLD_FRESH);
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_reports_become_rows),
		cmocka_unit_test(m12_replay_conflict_and_a_new_boot),
		cmocka_unit_test(m13_a_writers_clock_does_not_matter),
		cmocka_unit_test(m32_clock_jumps),
		cmocka_unit_test(a_row_ages_and_becomes_unknown_at_ten_periods),
		cmocka_unit_test(an_unchanged_report_is_fresh_for_three_periods),
		cmocka_unit_test(m18_no_valid_report_at_all),
		cmocka_unit_test(m19_more_than_half_of_the_rows_vanish),
		cmocka_unit_test(half_of_the_rows_may_go_at_once),
		cmocka_unit_test(a_node_gone_from_the_api_loses_row_and_column),
		cmocka_unit_test(m11_reports_of_strangers_and_second_ones_are_refused),
		cmocka_unit_test(the_period_is_the_longer_of_probe_and_merge_interval),
		cmocka_unit_test(one_report_does_not_stretch_the_period_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
