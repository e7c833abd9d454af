/* Folding by example: who is silent, how long, and who says so. */
#include "tests/unit/fold_world.h"

/* --- who is silent ------------------------------------------------------------------------------------------------- */

/* What the report of `from` says of `to`. */
static void silent(struct world *w, uint32_t from, uint32_t to, double silent_s)
{
	size_t k;

	for (k = 0; k < w->reports[from].peers.count; k++)
		if (STREQ(w->reports[from].peers.items[k].name, node_names[to]))
			w->reports[from].peers.items[k].silent_s = silent_s;
}

/* Everybody hears everybody, but for node `dead`, whom all lost so long ago. */
static void all_say(struct world *w, int64_t seq, uint32_t dead, double silent_s)
{
	uint32_t i, k;

	all_report(w, seq);
	for (i = 0; i < w->nodes.count; i++) {
		w->reports[i].publish_s = 10;
		for (k = 0; k < w->nodes.count; k++)
			silent(w, i, k, k == dead ? silent_s + i : 1 + i);
	}
	if (dead < w->nodes.count)
		w->there[dead] = false;
}

static void expect_silence(const struct world *w, uint32_t node, double lost_s, uint32_t witnesses)
{
	uint32_t at = names_find(&w->last.nodes, node_names[node]);
	double found_s;

	assert_true(at != NAMES_NONE);
	found_s = w->last.lost_s[at];
	if (isnan(found_s) != isnan(lost_s) || fabs(found_s - lost_s) > 1e-9 || w->last.witnesses[at] != witnesses)
		fail_msg("%s: lost for %g s by the word of %u, not %g by %u", node_names[node], found_s, w->last.witnesses[at], lost_s, witnesses);
}

#define NOBODY NODES_MAX

static void the_least_silence_counts_and_nobody_speaks_of_himself(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	all_say(&w, 1, NOBODY, 0);
	silent(&w, 1, 2, NAN);			/* never heard: nothing to say */
	add_client(&w, 0, "n3", 5);		/* a client of that name is no node */
	w.reports[0].clients.items[0].silent_s = 0;
	run(&w, 0);
	expect_silence(&w, 0, 2, 3);
	expect_silence(&w, 1, 1, 3);
	expect_silence(&w, 2, 1, 2);
	expect_silence(&w, 3, 1, 3);
	report_links_add(&w.reports[0].peers, "n0")->silent_s = 0;	/* of itself */
	report_links_add(&w.reports[0].peers, "stranger")->silent_s = 0;
	w.has_last = false;
	run(&w, 0);
	expect_silence(&w, 0, 2, 3);
	all_report(&w, 2);			/* probes of before silent_s */
	run(&w, 10);
	expect_silence(&w, 0, NAN, 0);
	world_free(&w);
}

static void a_dead_node_is_lost_by_all_others(void **state)
{
	struct world w;
	int seq;

	(void)state;
	world_init(&w, 5);
	for (seq = 1; seq <= 6; seq++) {
		all_say(&w, seq, 2, 10.5 * seq);
		run(&w, 5);
		expect_silence(&w, 2, 10.5 * seq, 4);
		expect_silence(&w, 0, 2, 3);	/* the dead one is no witness */
	}
	all_say(&w, 7, 2, 63);
	silent(&w, 3, 2, 4);			/* one hears it */
	run(&w, 5);
	expect_silence(&w, 2, 4, 4);
	all_say(&w, 8, NOBODY, 0);
	run(&w, 5);
	expect_silence(&w, 2, 1, 4);
	world_free(&w);
}

/* What the volume still holds of who cannot write: of who is on the other side of a cut, or died. */
static void a_report_older_than_its_rhythm_is_no_witness(void **state)
{
	static const struct {
		double interval_s, publish_s, age_s;
		bool counts;
	} cases[] = {
		{5, 5, 0, true}, {5, 5, 19.9, true}, {5, 5, 20.1, false}, {10, 30, 54.9, true}, {10, 30, 55.1, false}, {5, 30, 44, true},
		{10, 0, 54.9, true}, {10, 0, 55.1, false}, {10, NAN, 54.9, true}, {10, NAN, 55.1, false},	/* not said: three rounds */
		{10, 3600, 179, true}, {10, 3600, 181, false}, {3600, 3600, 181, false},			/* by its own word only */
		{5, 5, -1.9, true}, {5, 5, -2.1, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w, 3);
		all_say(&w, 1, NOBODY, 0);
		w.reports[0].interval_s = cases[i].interval_s;
		w.reports[0].publish_s = cases[i].publish_s;
		w.age_s[0] = cases[i].age_s;
		run(&w, 0);
		assert_int_equal(w.verdicts[0], FOLD_FRESH);
		expect_silence(&w, 1, cases[i].counts ? 1 : 3, cases[i].counts ? 2 : 1);
		world_free(&w);
	}
}

static void what_is_not_fresh_is_no_witness(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	all_say(&w, 5, NOBODY, 0);
	run(&w, 0);
	all_say(&w, 5, NOBODY, 0);		/* unchanged, and young */
	run(&w, 5);
	expect_silence(&w, 1, 1, 2);
	all_say(&w, 6, NOBODY, 0);
	reports(&w, 0, "boot", 4, 100);		/* a replay */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	assert_int_equal(w.verdicts[0], FOLD_REPLAYED);
	expect_silence(&w, 1, 3, 1);
	reports(&w, 0, "boot", 5, 900);		/* a conflict */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	assert_int_equal(w.verdicts[0], FOLD_CONFLICT);
	expect_silence(&w, 1, 3, 1);
	reports(&w, 0, "boot2", 1, 900);	/* started anew; it heard n1 and not yet n2 */
	silent(&w, 0, 1, 0);
	run(&w, 5);
	expect_silence(&w, 1, 0, 2);
	expect_silence(&w, 2, 2, 1);
	world_free(&w);
}

/* n0 alone reports: the other side of a cut. It is one witness, however long it goes on; the rows of the others are held back or not. */
static void a_probe_alone_is_one_witness(void **state)
{
	struct world w;
	bool held = false;
	uint32_t i;
	int seq;

	(void)state;
	world_init(&w, 5);
	all_say(&w, 1, NOBODY, 0);
	run(&w, 0);
	for (seq = 2; seq < 200; seq++) {
		reports(&w, 0, "boot", seq, 100);
		for (i = 1; i < 5; i++) {
			silent(&w, 0, i, 5.0 * seq);
			w.age_s[i] += 5;
		}
		run(&w, 5);
		held = held || w.summary.held_back;
		for (i = 1; i < 5; i++)
			if (w.age_s[i] > 35)
				expect_silence(&w, i, 5.0 * seq, 1);
			else
				assert_true(w.last.lost_s[i] <= 5);	/* the last words of the others: heard */
		if (w.age_s[1] > 35)
			expect_silence(&w, 0, NAN, 0);
	}
	assert_true(held);
	world_free(&w);
}

static void a_node_that_left_has_no_silence_and_gives_none(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	all_say(&w, 1, NOBODY, 0);
	run(&w, 0);
	names_free(&w.nodes);
	names_add(&w.nodes, "n1");
	names_add(&w.nodes, "n2");
	names_add(&w.nodes, "n3");
	run(&w, 5);
	assert_int_equal(w.last.nodes.count, 3);
	expect_silence(&w, 1, 3, 2);
	expect_silence(&w, 3, 2, 2);
	names_free(&w.nodes);			/* all but one leave: not believed at once, and no witness of the old rows is */
	names_add(&w.nodes, "n3");
	run(&w, 5);
	assert_true(w.summary.held_back && w.last.nodes.count == 3);
	expect_silence(&w, 1, 4, 1);
	expect_silence(&w, 3, NAN, 0);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_silence_counts_and_nobody_speaks_of_himself),
		cmocka_unit_test(a_dead_node_is_lost_by_all_others),
		cmocka_unit_test(a_report_older_than_its_rhythm_is_no_witness),
		cmocka_unit_test(what_is_not_fresh_is_no_witness),
		cmocka_unit_test(a_probe_alone_is_one_witness),
		cmocka_unit_test(a_node_that_left_has_no_silence_and_gives_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
