/* Who is dead: judge() by example and against its rules said once more, and the ages of Leases. */
#include "tests/unit/judge_world.h"

/* --- by example ------------------------------------------------------------------------------------------------------ */

struct bench {
	struct testimony said[NODES_MAX];
	struct judge_node nodes[NODES_MAX];
	struct finding found[NODES_MAX];
	struct judge_input in;
	struct mesh *mesh;
	int count;
};

/* All well, all seen just now. */
static void set(struct bench *b, int count)
{
	int i;

	*b = (struct bench){.count = count, .in = {.nodes = b->nodes, .count = (uint32_t)count, .after_ms = AFTER_MS, .mono_ms = 1000000,
						   .mesh_since_ms = 995000}};
	for (i = 0; i < count; i++) {
		b->nodes[i] = (struct judge_node){name_of(i), 3, 40, false};
		b->said[i] = (struct testimony){4, 1, (uint32_t)count - 1};
	}
}

static void kill_node(struct bench *b, int i)
{
	b->nodes[i].lease_age_s = 25;
	b->said[i] = (struct testimony){30, 24, (uint32_t)b->count - 1};
}

static enum life ask(struct bench *b, int i)
{
	mesh_free(b->mesh);
	b->mesh = take(b->said, b->count, 1, NULL, false, b->in.mono_ms);
	b->in.mesh = b->mesh;
	judge(&b->in, b->found);
	mesh_free(b->mesh);
	b->mesh = NULL;
	return b->found[i].life;
}

static void both_witnesses_are_needed(void **state)
{
	struct bench b;

	(void)state;
	set(&b, 4);
	kill_node(&b, 2);
	assert_int_equal(ask(&b, 2), LIFE_DEAD);
	assert_int_equal(b.found[0].life, LIFE_ALIVE);
	assert_float_equal(b.found[2].lost_s, 24, 1e-3);
	assert_float_equal(b.found[2].silent_s, 30, 1e-3);
	assert_int_equal(b.found[2].witnesses, 3);
	b.nodes[2].lease_age_s = 19;
	assert_int_equal(ask(&b, 2), LIFE_LOST);
	b.nodes[2].lease_age_s = NAN;
	assert_int_equal(ask(&b, 2), LIFE_UNKNOWN);
	kill_node(&b, 2);
	b.said[2].lost_s = 19;
	assert_int_equal(ask(&b, 2), LIFE_LEASE_LATE);
	kill_node(&b, 2);
	b.said[2].age_s = 19;
	assert_int_equal(ask(&b, 2), LIFE_LEASE_LATE);
}

static void what_nobody_knows_kills_nobody(void **state)
{
	struct bench b;

	(void)state;
	set(&b, 4);
	kill_node(&b, 2);
	b.said[2].lost_s = NAN;
	assert_int_equal(ask(&b, 2), LIFE_UNSURE);
	b.nodes[2].lease_age_s = 3;
	assert_int_equal(ask(&b, 2), LIFE_ALIVE);
	kill_node(&b, 2);
	b.said[2].age_s = NAN; /* no report that is young enough to be kept */
	assert_int_equal(ask(&b, 2), LIFE_DEAD);
	b.nodes[2].name = "not-in-the-matrix";
	assert_int_equal(ask(&b, 2), LIFE_UNKNOWN);
}

static void a_lease_is_not_late_before_half_its_duration(void **state)
{
	struct bench b;

	(void)state;
	set(&b, 4);
	kill_node(&b, 2);
	b.nodes[2].lease_duration_s = 60;
	assert_int_equal(ask(&b, 2), LIFE_LOST);
	b.nodes[2].lease_age_s = 30;
	assert_int_equal(ask(&b, 2), LIFE_DEAD);
	b.nodes[2].lease_duration_s = NAN;
	b.nodes[2].lease_age_s = 19.9;
	assert_int_equal(ask(&b, 2), LIFE_LOST);
}

static void witnesses_are_more_than_half(void **state)
{
	struct bench b;
	int n;

	(void)state;
	for (n = 2; n <= NODES_MAX; n++) {
		set(&b, n);
		kill_node(&b, 0);
		b.said[0].witnesses = (uint32_t)n / 2;
		assert_int_equal(ask(&b, 0), LIFE_UNSURE);
		if (n < 3) /* of two nodes the other one is no majority */
			continue;
		b.said[0].witnesses++;
		assert_int_equal(ask(&b, 0), LIFE_DEAD);
	}
}

static void no_more_than_a_third(void **state)
{
	static const int may[] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3};
	struct bench b;
	int n, i, k;

	(void)state;
	for (n = 3; n <= NODES_MAX; n++)
		for (k = 1; k < n; k++) {
			set(&b, n);
			for (i = 0; i < k; i++)
				kill_node(&b, i);
			assert_int_equal(ask(&b, 0), k <= may[n] ? LIFE_DEAD : LIFE_UNSURE);
		}
}

static void leases_of_which_half_are_late_say_nothing(void **state)
{
	struct bench b;

	(void)state;
	set(&b, 4);
	kill_node(&b, 0);
	b.nodes[1].lease_age_s = 25;
	assert_int_equal(ask(&b, 0), LIFE_UNSURE);
	assert_int_equal(b.found[1].life, LIFE_LEASE_LATE);
	b.nodes[1].lease_age_s = NAN;
	assert_int_equal(ask(&b, 0), LIFE_DEAD);
}

static void expect(struct bench *b, const struct mesh *mesh, int64_t since_ms, enum life life)
{
	b->in.mesh = mesh;
	b->in.mesh_since_ms = since_ms;
	judge(&b->in, b->found);
	assert_int_equal(b->found[0].life, life);
}

static void a_matrix_that_is_old_held_or_plain_says_nothing(void **state)
{
	static const char plain[] = "{\"n-0\":{\"n-1\":1,\"n-2\":1},\"n-1\":{\"n-0\":1},\"n-2\":{\"n-0\":1}}";
	struct mesh *held, *mesh;
	struct snapshot s;
	struct lm_err err;
	struct bench b;

	(void)state;
	set(&b, 3);
	kill_node(&b, 0);
	expect(&b, NULL, b.in.mono_ms, LIFE_UNSURE);
	assert_int_equal(b.found[1].life, LIFE_ALIVE);
	mesh = take(b.said, 3, 1, NULL, false, b.in.mono_ms);
	expect(&b, mesh, b.in.mono_ms - AFTER_MS, LIFE_DEAD);
	expect(&b, mesh, b.in.mono_ms - AFTER_MS - 1, LIFE_UNSURE);
	expect(&b, mesh, INT64_MIN, LIFE_UNSURE);
	held = take(b.said, 3, 2, mesh, true, b.in.mono_ms);
	expect(&b, held, b.in.mono_ms, LIFE_UNSURE);
	mesh_free(held);
	mesh_free(mesh);
	assert_int_equal(snapshot_parse(plain, strlen(plain), &s, &err), 0);
	assert_int_equal(mesh_take(matrix_build(&s), NULL, false, false, b.in.mono_ms, 0, &mesh), MESH_TAKEN);
	expect(&b, mesh, b.in.mono_ms, LIFE_UNSURE);
	mesh_free(mesh);
	snapshot_free(&s);
}

static void a_matrix_is_no_older_than_the_one_before_it(void **state)
{
	struct judge_series series = {0};
	struct mesh *first, *edit, *next;
	struct bench b;

	(void)state;
	set(&b, 3);
	judge_follow(&series, NULL);
	first = take(b.said, 3, 1, NULL, false, 1000);
	judge_follow(&series, first);
	assert_true(series.since_ms == INT64_MIN);
	b.said[0].lost_s = 50;
	edit = take(b.said, 3, 1, first, false, 4000); /* of the same generation */
	judge_follow(&series, edit);
	assert_true(series.since_ms == INT64_MIN);
	next = take(b.said, 3, 7, edit, false, 9000);
	judge_follow(&series, next);
	assert_int_equal(series.since_ms, 1000);
	judge_follow(&series, next);
	assert_int_equal(series.since_ms, 1000);
	judge_follow(&series, first); /* another series of numbers, or a file after `hold` */
	assert_int_equal(series.since_ms, 9000);
	judge_series_free(&series);
	mesh_free(first);
	mesh_free(edit);
	mesh_free(next);
}

/* --- against the rules, said once more -------------------------------------------------------------------------------- */

/* About the limit, on it, or nothing. */
static double near(struct rng *r, double limit)
{
	static const double shift[] = {-15, -5, -0.5, 0, 0.5, 5, 30};

	return rng_chance(r, 0.1) ? NAN : limit + shift[rng_below(r, ARRAY_SIZE(shift))];
}

static void random_bench(struct bench *b, struct rng *r)
{
	int i, bad = (int)rng_below(r, 4);

	set(b, 2 + (int)rng_below(r, NODES_MAX - 1));
	for (i = 0; i < b->count; i++) {
		if (rng_below(r, (uint32_t)b->count) < (uint32_t)bad) {
			b->nodes[i].lease_age_s = near(r, AFTER_S);
			b->said[i] = (struct testimony){near(r, AFTER_S), near(r, AFTER_S), rng_below(r, (uint32_t)b->count)};
		} else if (rng_chance(r, 0.1)) {
			b->nodes[i].lease_age_s = near(r, AFTER_S);
		}
		b->nodes[i].unproven = rng_chance(r, 0.2);
	}
}

static bool must_be_dead(const struct bench *b, int which)
{
	int i, gone = 0, renewed = 0, leased = 0, known = 0;
	bool certain = false;

	for (i = 0; i < b->count; i++) {
		const struct testimony *t = &b->said[i];
		double lease_s = b->nodes[i].lease_age_s;
		bool late = lease_s >= AFTER_S, heard = t->age_s < AFTER_S || t->lost_s < AFTER_S;

		leased += lease_s >= 0;
		known += lease_s >= 0;
		renewed += lease_s < AFTER_S;
		gone += late && !heard;
		if (i == which)
			certain = late && !heard && t->lost_s >= AFTER_S && t->witnesses > (uint32_t)b->count / 2;
	}
	return certain && renewed > leased - renewed && (gone == 1 || 3 * gone <= known);
}

/* By both, however few the witnesses are and however many are gone; of a Lease that nobody has seen renewed, by the mesh alone. */
static bool must_be_doubted(const struct bench *b, int i)
{
	const struct testimony *t = &b->said[i];

	return !(t->age_s < AFTER_S) && t->lost_s >= AFTER_S && (b->nodes[i].lease_age_s >= AFTER_S || b->nodes[i].unproven);
}

static void dead_is_who_the_rules_say(void **state)
{
	struct rng r = rng_make(test_seed());
	int i, round, rounds = test_rounds(20000), dead = 0;

	(void)state;
	for (round = 0; round < rounds; round++) {
		struct bench b;

		random_bench(&b, &r);
		ask(&b, 0);
		for (i = 0; i < b.count; i++) {
			assert_int_equal(b.found[i].life == LIFE_DEAD, must_be_dead(&b, i));
			assert_int_equal(b.found[i].doubted, must_be_doubted(&b, i));
			dead += b.found[i].life == LIFE_DEAD;
		}
	}
	assert_true(dead > rounds / 50);
}

/* --- Leases ---------------------------------------------------------------------------------------------------------- */

static int64_t at_ms;		/* the time of the last event */

static struct leases_one seen(const struct leases *l, const char *node)
{
	return leases_of(l, node, at_ms);
}

static void event(struct leases *l, int node, int64_t renewed, int64_t mono_ms)
{
	at_ms = mono_ms;
	lease(l, node, renewed, mono_ms);
}

static void a_lease_ages_by_what_the_others_show(void **state)
{
	struct leases *l = leases_new(NULL);

	(void)state;
	assert_true(isnan(seen(l, "n-0").age_s));
	event(l, 0, 1, 0);
	event(l, 1, 1, 5000);
	assert_float_equal(seen(l, "n-0").age_s, 5, 1e-9);
	assert_int_equal(seen(l, "n-0").renewals, 0);
	event(l, 1, 2, 15000);
	assert_float_equal(seen(l, "n-0").age_s, 15, 1e-9);
	assert_float_equal(seen(l, "n-1").age_s, 0, 1e-9);
	assert_int_equal(seen(l, "n-1").renewals, 1);
	event(l, 0, 1, 16000); /* written, but not renewed */
	assert_float_equal(seen(l, "n-0").age_s, 16, 1e-9);
	event(l, 0, -1, 17000);
	assert_true(isnan(seen(l, "n-0").age_s));
	event(l, 0, 2, 18000);
	assert_float_equal(seen(l, "n-0").age_s, 0, 1e-9);
	assert_int_equal(seen(l, "n-0").renewals, 0);
	leases_free(l);
}

static void after_a_pause_all_ages_begin_anew(void **state)
{
	struct leases *l = leases_new(NULL);

	(void)state;
	event(l, 0, 1, 0);
	event(l, 1, 1, 1000);
	event(l, 1, 2, 16000);
	assert_float_equal(leases_of(l, "n-0", 31000).age_s, 16, 1e-9);
	assert_true(isnan(leases_of(l, "n-0", 31001).age_s));
	event(l, 1, 3, 31001);
	assert_float_equal(seen(l, "n-0").age_s, 0, 1e-9);
	leases_free(l);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(both_witnesses_are_needed), T(what_nobody_knows_kills_nobody), T(a_lease_is_not_late_before_half_its_duration),
		T(witnesses_are_more_than_half), T(no_more_than_a_third), T(leases_of_which_half_are_late_say_nothing),
		T(a_matrix_that_is_old_held_or_plain_says_nothing), T(a_matrix_is_no_older_than_the_one_before_it),
		T(dead_is_who_the_rules_say), T(a_lease_ages_by_what_the_others_show), T(after_a_pause_all_ages_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
