/* Where traffic enters: shares with hysteresis, and their age. */
#include "tests/testing/world.h"

#include <math.h>
#include <string.h>

#include "lib/mem.h"

static struct world w;

static int begin(void **state)
{
	*state = &w;
	world_begin(&w, "a b c d", "milan");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 4000, a-d 5000, b-d 6000, c-d 8000");
	return 0;
}

static void clear(void)
{
	snapshot_entry_free(&w.snapshot.entry);
}

static void add(const char *node, double rate)
{
	assert_true(snapshot_entry_add(&w.snapshot.entry, node, rate));
}

/* The traffic of a and of b. */
static void flows(double a, double b)
{
	clear();
	add("b", b);
	add("a", a);
	world_take(&w);
}

static double share(const char *node)
{
	uint32_t i;

	for (i = 0; i < w.mesh->entry.count; i++)
		if (STREQ(w.mesh->entry.shares[i].node, node))
			return (double)w.mesh->entry.shares[i].share;
	return 0;
}

static void assert_shares(double a, double b)
{
	if (!(fabs(share("a") - a) < 1e-6 && fabs(share("b") - b) < 1e-6))
		fail_msg("shares of a and b: %g and %g, not %g and %g", share("a"), share("b"), a, b);
}

/* --- hysteresis ------------------------------------------------------------------------------------------------------ */

/* Which of them is the busiest changes again and again; the shares in use never do. */
static void equal_traffic_with_noise_moves_nothing(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct rng r = rng_make(test_seed());
	int nodes, round, i, turns = 0;

	(void)state;
	for (nodes = 2; nodes <= 4; nodes++) {
		double first[4] = {0};
		int busiest = -1;

		for (round = 0; round < 100; round++) {
			double most = 0;
			int now = 0;

			clear();
			for (i = 0; i < nodes; i++) {
				double rate = 1000 * (0.91 + 0.18 * rng_unit(&r));

				add(names[i], rate);
				now = rate > most ? i : now;
				most = fmax(most, rate);
			}
			turns += now != busiest;
			busiest = now;
			world_take(&w);
			for (i = 0; i < nodes; i++) {
				first[i] = round ? first[i] : share(names[i]);
				assert_true(share(names[i]) <= first[i] && share(names[i]) >= first[i]);
			}
		}
		clear();
		world_take(&w);
		assert_int_equal(w.mesh->entry.count, 0);
	}
	assert_true(turns > 50);
}

static void both_sides_of_the_threshold(void **state)
{
	(void)state;
	flows(500, 500);
	assert_shares(0.5, 0.5);
	flows(600, 400);
	assert_shares(0.5, 0.5);
	flows(399.9, 600);
	assert_shares(399.9 / 999.9, 600 / 999.9);
	flows(300, 700);
	assert_shares(399.9 / 999.9, 600 / 999.9);	/* 0.09994 away */
	flows(299, 701);
	assert_shares(0.299, 0.701);
	flows(0, 5);
	assert_shares(0, 1);
}

/* A traffic that moves slowly is followed in steps: what is in use is never more than the threshold away. */
static void a_slow_move_is_followed(void **state)
{
	int percent, changes = 0;
	double before = -1;

	(void)state;
	for (percent = 0; percent <= 100; percent++) {
		flows(100 - percent, percent);
		assert_true(fabs(share("b") - percent / 100.0) <= ENTRIES_HYSTERESIS + 1e-5);
		changes += fabs(share("b") - before) > 1e-6;
		before = share("b");
	}
	assert_in_range(changes, 8, 11);
}

/* Random traffic after random traffic, against the definition. */
static void what_is_in_use_is_by_the_distance(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct rng r = rng_make(test_seed() + 1);
	double used[4] = {0}, next[4];
	int round, i, kept = 0;

	(void)state;
	for (round = 0; round < 3000; round++) {
		double sum = 0, apart = 0;

		clear();
		for (i = 0; i < 4; i++) {
			next[i] = round && rng_chance(&r, 0.7) ? fmax(0.15, used[i] + 0.05 * rng_unit(&r)) : 0.2 + rng_unit(&r);
			sum += next[i];
		}
		for (i = 0; i < 4; i++) {
			add(names[i], 700 * next[i]);
			next[i] /= sum;
			apart += fabs(next[i] - used[i]) / 2;
		}
		if (fabs(apart - ENTRIES_HYSTERESIS) < 1e-4)
			continue;
		world_take(&w);
		kept += round && apart < ENTRIES_HYSTERESIS;
		for (i = 0; i < 4; i++) {
			if (!round || apart > ENTRIES_HYSTERESIS)
				used[i] = next[i];
			assert_float_equal(share(names[i]), used[i], 1e-5);
		}
	}
	assert_in_range(kept, 300, 2900);
}

static void little_traffic_is_left_out(void **state)
{
	uint32_t i;

	(void)state;
	flows(1000, 9);
	assert_shares(1, 0);
	flows(1, 1000);
	flows(11, 989);
	assert_shares(0, 1);				/* in use, though 1.1 % would do now */
	clear();
	for (i = 0; i < 200; i++) {			/* half a percent each: no node has 1 % */
		auto_free char *name = xasprintf("edge-%u", i);

		add(name, i ? 5 : 0.1);
	}
	world_take(&w);
	assert_int_equal(w.mesh->entry.count, 199);
	assert_float_equal(share("edge-7"), 1.0 / 199, 1e-6);
	flows(11, 989);
	assert_shares(0.011, 0.989);
}

static void no_traffic_is_no_data(void **state)
{
	(void)state;
	flows(0, 0);
	assert_int_equal(w.mesh->entry.count, 0);
	assert_true(isnan(mesh_entry_age_s(w.mesh, 0)) && !mesh_entry_usable(w.mesh, 0));
	clear();
	world_take(&w);
	assert_int_equal(w.mesh->entry.count, 0);
}

/* A node that is gone from the cluster: with its share kept nobody would be within a limit any more. */
static void a_node_that_is_gone_does_not_stay(void **state)
{
	(void)state;
	clear();
	add("a", 92);
	add("gone", 8);
	world_take(&w);
	assert_float_equal(share("gone"), 0.08, 1e-6);
	flows(100, 0);
	assert_shares(1, 0);
	flows(0, 0);
	flows(92, 8);
	flows(100, 0);
	assert_shares(0.92, 0.08);			/* it has a row: only its traffic went, and 8 % are noise */
}

static void what_is_written_by_hand_is_taken_as_it_is(void **state)
{
	struct mesh *next = NULL;

	(void)state;
	flows(500, 500);
	w.snapshot.generation--;
	flows(510, 490);				/* the same generation: an edit */
	assert_shares(0.51, 0.49);
	flows(520, 480);
	assert_shares(0.51, 0.49);
	assert_int_equal(mesh_take(matrix_build(&w.snapshot), w.mesh, true, false, 0, 0, &next), MESH_TAKEN);
	mesh_free(w.mesh);
	w.mesh = next;					/* hold */
	assert_shares(0.52, 0.48);
}

/* --- ages -------------------------------------------------------------------------------------------------------------- */

static void it_ages_from_what_the_file_says(void **state)
{
	struct mesh *held = NULL;

	(void)state;
	w.snapshot.entry.age_s = 12;
	add("a", 1);
	world_take(&w);
	assert_float_equal(mesh_entry_age_s(w.mesh, 30000), 42, 1e-6);
	assert_true(mesh_entry_usable(w.mesh, 588000) && !mesh_entry_usable(w.mesh, 588001));
	w.snapshot.entry.age_s = 601;
	world_take(&w);
	assert_false(mesh_entry_usable(w.mesh, 0));
	assert_int_equal(mesh_take(matrix_build(&w.snapshot), NULL, true, false, 0, 0, &held), MESH_TAKEN);
	assert_true(mesh_entry_usable(held, 9000000) && mesh_entry_age_s(held, 9000000) <= 0);
	mesh_free(held);
	w.snapshot.entry.age_s = NAN;			/* by hand: as old as the file */
	world_take(&w);
	assert_float_equal(mesh_entry_age_s(w.mesh, 30000), 30, 1e-6);
	w.snapshot.written_ms = 1000;
	w.snapshot.entry.age_s = 5;
	assert_int_equal(mesh_take(matrix_build(&w.snapshot), NULL, false, false, 0, 101000, &held), MESH_TAKEN);
	assert_float_equal(mesh_entry_age_s(held, 0), 105, 1e-6);	/* the first after a start: since it was written */
	mesh_free(held);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, world_teardown)
	const struct CMUnitTest tests[] = {
		T(equal_traffic_with_noise_moves_nothing), T(both_sides_of_the_threshold), T(a_slow_move_is_followed),
		T(what_is_in_use_is_by_the_distance), T(little_traffic_is_left_out), T(no_traffic_is_no_data), T(a_node_that_is_gone_does_not_stay),
		T(what_is_written_by_hand_is_taken_as_it_is), T(it_ages_from_what_the_file_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
