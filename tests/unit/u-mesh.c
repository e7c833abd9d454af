/* A matrix in use: ages, generations, load classes with hysteresis, means over the mesh. */
#include "tests/testing/testing.h"

#include <math.h>
#include <stdio.h>

#include "lib/mem.h"
#include "sched/mesh.h"

#define MINUTE_MS 60000

static struct snapshot snapshot;
static struct mesh *mesh;

static int begin(void **state)
{
	struct names nodes = {0}, clients = {0};
	uint32_t i;

	(void)state;
	names_add(&nodes, "a");
	names_add(&nodes, "b");
	names_add(&nodes, "c");
	names_add(&clients, "milan");
	snapshot_init(&snapshot, &nodes, &clients);
	names_free(&nodes);
	names_free(&clients);
	snprintf(snapshot.epoch, sizeof(snapshot.epoch), "one");
	snapshot.generation = 10;
	snapshot.period_s = 60;
	snapshot.written_ms = 1000000;
	for (i = 0; i < 3; i++)
		snapshot.age_s[i] = i;
	mesh = NULL;
	return 0;
}

static int end(void **state)
{
	(void)state;
	snapshot_free(&snapshot);
	mesh_free(mesh);
	return 0;
}

static void rtt(uint32_t from, uint32_t to, double us)
{
	snapshot.link.rtt_us[from * 3 + to] = (float)us;
	snapshot.link.jitter_us[from * 3 + to] = 0;
	snapshot.link.loss[from * 3 + to] = 0;
}

static enum mesh_verdict take_at(int64_t mono_ms, int64_t wall_ms, bool hold, bool accept_any)
{
	struct mesh *next = NULL;
	enum mesh_verdict verdict = mesh_take(matrix_build(&snapshot), mesh, hold, accept_any, mono_ms, wall_ms, &next);

	if (verdict == MESH_TAKEN) {
		mesh_free(mesh);
		mesh = next;
	} else {
		assert_null(next);
	}
	return verdict;
}

static void assert_age(uint32_t node, int64_t mono_ms, double age_s)
{
	assert_float_equal(mesh_row_age_s(mesh, node, mono_ms), age_s, 1e-3);
}

/* --- ages -------------------------------------------------------------------------------------------------------------- */

static void the_first_file_is_as_old_as_it_says(void **state)
{
	(void)state;
	assert_int_equal(take_at(5000, 1000000 + 30000, false, false), MESH_TAKEN);
	assert_age(2, 5000, 2 + 30);
	assert_age(2, 15000, 2 + 30 + 10);
}

static void a_writer_from_the_future_makes_nothing_younger(void **state)
{
	(void)state;
	take_at(5000, 1000000 - 3600000, false, false);
	assert_age(1, 5000, 1);
}

static void later_files_count_from_when_they_are_seen(void **state)
{
	(void)state;
	take_at(0, 1000000 + 99000, false, false);
	snapshot.generation = 11;
	assert_int_equal(take_at(MINUTE_MS, 1000000 + 99000, false, false), MESH_TAKEN);
	assert_age(1, MINUTE_MS, 1);
	assert_age(1, MINUTE_MS + 7000, 8);
}

static void an_edit_keeps_the_time_of_its_generation(void **state)
{
	(void)state;
	take_at(0, 1000000 + 30000, false, false);
	rtt(0, 1, 700);
	assert_int_equal(take_at(20000, 1000000, false, false), MESH_TAKEN);
	assert_age(1, 20000, 1 + 30 + 20);
}

static void the_same_again_changes_nothing(void **state)
{
	(void)state;
	take_at(0, 1000000, false, false);
	assert_int_equal(take_at(20000, 1000000, false, false), MESH_SAME);
}

static void a_clock_that_goes_back_makes_nothing_younger(void **state)
{
	(void)state;
	take_at(50000, 1000000, false, false);
	assert_age(1, 40000, 1);
}

static void age_factor_falls_from_3_to_10_periods(void **state)
{
	(void)state;
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh_age_factor(mesh, 0), 1, 0);
	assert_float_equal(mesh_age_factor(mesh, 180), 1, 0);
	assert_float_equal(mesh_age_factor(mesh, 390), 0.5, 1e-9);
	assert_float_equal(mesh_age_factor(mesh, 600), 0, 0);
	assert_float_equal(mesh_age_factor(mesh, 1e9), 0, 0);
	assert_float_equal(mesh_age_factor(mesh, NAN), 0, 0);
}

static void a_period_is_at_least_a_minute(void **state)
{
	(void)state;
	snapshot.period_s = 1;
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh_fresh_s(mesh), 180, 0);
	assert_float_equal(mesh_dead_s(mesh), 600, 0);
}

static void fresh_means_every_row_that_holds_data(void **state)
{
	(void)state;
	rtt(0, 1, 100);
	rtt(1, 0, 100);
	snapshot.age_s[2] = 5000;		/* c says nothing and nobody says anything of it */
	take_at(0, 1000000, false, false);
	assert_true(mesh_all_fresh(mesh, 0));
	assert_true(mesh_all_fresh(mesh, 179000));
	assert_false(mesh_all_fresh(mesh, 179500));
	snapshot.generation++;
	snapshot.client.rtt_us[2] = 1000;	/* now it does */
	take_at(0, 1000000, false, false);
	assert_false(mesh_all_fresh(mesh, 0));
	snapshot.generation++;
	snapshot.age_s[2] = NAN;		/* data without an age, by hand */
	take_at(0, 1000000, false, false);
	assert_false(mesh_all_fresh(mesh, 0));
}

static void row_ages_in_one_go(void **state)
{
	struct row_age ages[3];

	(void)state;
	rtt(0, 1, 100);
	rtt(1, 0, 100);
	snapshot.age_s[1] = 390;
	snapshot.age_s[2] = NAN;
	take_at(0, 1000000, false, false);
	mesh_row_ages(mesh, 0, ages);
	assert_true(ages[0].fresh && !ages[0].dead && ages[0].linked);
	assert_true(!ages[1].fresh && !ages[1].dead && ages[1].linked);
	assert_float_equal(ages[1].factor, 0.5, 1e-6);
	assert_true(!ages[2].fresh && ages[2].dead && !ages[2].linked);
	mesh_row_ages(mesh, 601000, ages);
	assert_true(ages[0].dead);
}

/* --- hold, generations, epochs ------------------------------------------------------------------------------------------ */

static void hold_stops_ages_and_generations(void **state)
{
	(void)state;
	take_at(0, 1000000, false, false);
	snapshot.generation = 3;
	snapshot.age_s[0] = NAN;
	assert_int_equal(take_at(1000, 1000000, true, false), MESH_TAKEN);
	assert_age(0, 9999000, 0);
	assert_age(2, 9999000, 0);
	assert_true(mesh_all_fresh(mesh, 9999000));
}

static void hold_on_an_unchanged_file_is_a_change(void **state)
{
	(void)state;
	take_at(0, 1000000, false, false);
	assert_int_equal(take_at(1000, 1000000, true, false), MESH_TAKEN);
	assert_int_equal(take_at(2000, 1000000, true, false), MESH_SAME);
	assert_int_equal(take_at(50000, 1000000, false, false), MESH_TAKEN);
	assert_age(1, 50000, 1 + 50);		/* it was first seen at 0 */
}

static void after_hold_any_generation_is_taken_once(void **state)
{
	(void)state;
	take_at(0, 1000000, true, false);
	snapshot.generation = 4;
	assert_int_equal(take_at(1000, 1000000, false, true), MESH_TAKEN);
	assert_age(1, 1000, 1);
	snapshot.generation = 3;
	assert_int_equal(take_at(2000, 1000000, false, false), MESH_OLDER);
}

static void s3_a_lower_generation_is_refused_and_another_epoch_taken(void **state)
{
	(void)state;
	take_at(0, 1000000, false, false);
	snapshot.generation = 9;
	rtt(0, 1, 5);
	assert_int_equal(take_at(1000, 1000000, false, false), MESH_OLDER);
	assert_int_equal(matrix_generation(mesh->matrix), 10);
	snprintf(snapshot.epoch, sizeof(snapshot.epoch), "two");
	snapshot.generation = 1;
	assert_int_equal(take_at(1000, 1000000, false, false), MESH_TAKEN);
	assert_int_equal(matrix_generation(mesh->matrix), 1);
}

static void the_plain_form_does_not_age(void **state)
{
	(void)state;
	snapshot.is_plain = true;
	snapshot.epoch[0] = '\0';
	snapshot.generation = 0;
	snapshot.written_ms = -1;
	snapshot.age_s[0] = snapshot.age_s[1] = snapshot.age_s[2] = NAN;
	rtt(0, 1, 100);
	assert_int_equal(take_at(0, 99999999, false, false), MESH_TAKEN);
	assert_age(0, 99999000, 0);
	assert_true(mesh_all_fresh(mesh, 99999000));
	rtt(0, 1, 200);
	assert_int_equal(take_at(1, 0, false, false), MESH_TAKEN);
}

static void each_mesh_has_its_own_serial(void **state)
{
	uint64_t first;

	(void)state;
	take_at(0, 1000000, false, false);
	first = mesh->serial;
	snapshot.generation++;
	take_at(0, 1000000, false, false);
	assert_true(mesh->serial != first && first != 0);
}

/* --- load classes -------------------------------------------------------------------------------------------------------- */

static enum load_class load_after(double cpu)
{
	snapshot.load[0].cpu = cpu;
	snapshot.generation++;
	take_at(0, 1000000, false, false);
	return (enum load_class)mesh->load[0];
}

static void load_classes_have_a_hysteresis(void **state)
{
	(void)state;
	assert_int_equal(load_after(NAN), LOAD_UNKNOWN);
	assert_int_equal(load_after(0.69), LOAD_EASY);
	assert_int_equal(load_after(0.70), LOAD_BUSY);
	assert_int_equal(load_after(0.66), LOAD_BUSY);
	assert_int_equal(load_after(0.65), LOAD_EASY);
	assert_int_equal(load_after(0.69), LOAD_EASY);
	assert_int_equal(load_after(0.85), LOAD_BUSY);
	assert_int_equal(load_after(0.86), LOAD_FULL);
	assert_int_equal(load_after(0.81), LOAD_FULL);
	assert_int_equal(load_after(0.79), LOAD_BUSY);
	assert_int_equal(load_after(0.84), LOAD_BUSY);
	assert_int_equal(load_after(1.0), LOAD_FULL);
	assert_int_equal(load_after(0.67), LOAD_BUSY);	/* out of full, not yet out of busy */
	assert_int_equal(load_after(0.1), LOAD_EASY);
}

/* --- means --------------------------------------------------------------------------------------------------------------- */

static void the_mean_is_over_the_other_nodes(void **state)
{
	(void)state;
	rtt(0, 1, 1000);
	rtt(1, 0, 1200);
	rtt(0, 2, 3000);
	rtt(1, 2, 5000);
	snapshot.link.jitter_us[0 * 3 + 2] = 150;	/* 100 beyond what is free */
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh->mean_rtt_us[0], 2100, 1e-3);
	assert_float_equal(mesh->mean_us[0], 2150, 1e-3);
	assert_float_equal(mesh->nearest_us[0], 1200, 1e-3);
	assert_float_equal(mesh->nearest_rtt_us[2], 3000, 1e-3);
	assert_float_equal(mesh->mean_rtt_us[2], 4000, 1e-3);
}

static void an_unknown_leg_counts_a_second_and_a_dead_node_nothing(void **state)
{
	(void)state;
	rtt(0, 1, 1000);
	take_at(0, 1000000, false, false);		/* nobody knows c */
	assert_float_equal(mesh->mean_us[0], 1000, 1e-3);
	assert_true(isnan(mesh->mean_us[2]));
	assert_true(isnan(mesh->nearest_us[2]));
	rtt(1, 2, 500);					/* b does, a does not */
	snapshot.generation++;
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh->mean_us[0], (1000 + 1e6) / 2, 1);
	assert_float_equal(mesh->mean_rtt_us[0], 1000, 1e-3);
	assert_float_equal(mesh->mean_us[1], 750, 1e-3);
	rtt(1, 2, 3e6);					/* now the worst round trip is more than a second */
	snapshot.generation++;
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh->unknown_us, 3e6, 1);
	assert_float_equal(mesh->mean_us[0], (1000 + 3e6) / 2, 1);
}

static void a_lost_pair_of_a_fresh_row_is_unknown(void **state)
{
	(void)state;
	rtt(0, 1, 1000);
	rtt(1, 2, 1000);
	rtt(0, 2, 1000);
	snapshot.link.rtt_us[1 * 3 + 0] = NAN;
	snapshot.link.loss[1 * 3 + 0] = 1;		/* b hears nothing from a */
	take_at(0, 1000000, false, false);
	assert_float_equal(mesh->mean_us[0], (1e6 + 1000) / 2, 1);
	snapshot.age_s[1] = 200;			/* b's word is old: what a measured counts, with the loss */
	snapshot.generation++;
	take_at(0, 1000000, false, false);
	assert_true(mesh->mean_us[0] < 200e3);
}

static void one_node_has_no_mesh(void **state)
{
	struct names nodes = {0}, none = {0};

	(void)state;
	snapshot_free(&snapshot);
	names_add(&nodes, "only");
	snapshot_init(&snapshot, &nodes, &none);
	names_free(&nodes);
	assert_int_equal(take_at(0, 0, false, false), MESH_TAKEN);
	assert_true(isnan(mesh->mean_us[0]));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(the_first_file_is_as_old_as_it_says), T(a_writer_from_the_future_makes_nothing_younger),
		T(later_files_count_from_when_they_are_seen), T(an_edit_keeps_the_time_of_its_generation),
		T(the_same_again_changes_nothing), T(a_clock_that_goes_back_makes_nothing_younger), T(age_factor_falls_from_3_to_10_periods),
		T(a_period_is_at_least_a_minute), T(fresh_means_every_row_that_holds_data), T(row_ages_in_one_go),
		T(hold_stops_ages_and_generations), T(hold_on_an_unchanged_file_is_a_change), T(after_hold_any_generation_is_taken_once),
		T(s3_a_lower_generation_is_refused_and_another_epoch_taken), T(the_plain_form_does_not_age), T(each_mesh_has_its_own_serial),
		T(load_classes_have_a_hysteresis), T(the_mean_is_over_the_other_nodes),
		T(an_unknown_leg_counts_a_second_and_a_dead_node_nothing), T(a_lost_pair_of_a_fresh_row_is_unknown), T(one_node_has_no_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
