/* observe.h: posts, figures and their age, medians, limits, the file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "merge/observe.h"
#include "tests/testing/testing.h"

static struct observe *o;
static struct names nodes, clients;
static struct observe_tally tally;

static int begin(void **state)
{
	int i;

	(void)state;
	o = observe_new();
	for (i = 0; i < 200; i++) {
		auto_free char *name = xasprintf("n%d", i);

		names_add(&nodes, name);
	}
	names_add(&clients, "milan");
	observe_expect(o, &nodes, &clients);
	tally = (struct observe_tally){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	observe_free(o);
	names_free(&nodes);
	names_free(&clients);
	return 0;
}

static bool says(const char *reporter, const char *group, const char *node, double ms, int64_t count, int64_t now_ms)
{
	char group_text[64], node_text[64];
	bool taken;

	snprintf(group_text, sizeof(group_text), "%s", group);
	snprintf(node_text, sizeof(node_text), "%s", node);
	taken = observe_post(o, reporter, &(struct observe_item){group_text, node_text, ms, count}, 1, now_ms, &tally);
	return taken;
}

/* NaN when there is none. */
static double value_ms(const char *group, const char *node)
{
	struct observed observed;
	double found = NAN;
	size_t g, c;

	observe_collect(o, &observed);
	for (g = 0; g < observed.count; g++)
		for (c = 0; c < observed.groups[g].count; c++)
			if (STREQ(observed.groups[g].name, group) && STREQ(observed.nodes.items[observed.groups[g].cells[c].node], node))
				found = observed.groups[g].cells[c].rtt_us / 1e3;
	observed_free(&observed);
	return found;
}

static void reporters_are_addresses(void **state)
{
	static const struct {
		const char *peer, *reporter;
	} cases[] = {{"10.0.0.7", "10.0.0.7"}, {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"}, {"::1", "::/64"}, {"", NULL}, {"x", NULL}, {"10.0.0.7:80", NULL}};
	char got[OBSERVE_REPORTER_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(observe_reporter(cases[i].peer, got), cases[i].reporter != NULL);
		if (cases[i].reporter)
			assert_string_equal(got, cases[i].reporter);
	}
}

static void posts_are_read_strictly(void **state)
{
	static const char *const bad[] = {"", "[]", "{}", "{\"observations\":{}}", "{\"observations\":[]", "{\"observations\":[{\"ms\":NaN}]}",
					  "{\"observations\":[{\"ms\":1e999}]}", "{\"observations\":[],\"observations\":[]}", "\xff"};
	static const char *const good = "{\"observations\":[{\"group\":\"milan\",\"node\":\"n1\",\"ms\":12.5,\"count\":40},{\"group\":\"milan\",\"node\":\"n2\",\"ms\":3,"
					"\"more\":1},[],{},{\"group\":1,\"node\":\"n1\",\"ms\":1},{\"group\":\"milan\",\"node\":\"n1\",\"ms\":\"1\"},"
					"{\"group\":\"milan\",\"node\":\"n1\",\"ms\":1,\"count\":1.5}]}";
	struct observe_post post;
	struct lm_err err;
	auto_buf struct buf many = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(observe_post_parse(bad[i], strlen(bad[i]), &post, &tally, &err), -1);
		assert_int_equal(err.code, LM_DATA);
		observe_post_free(&post);
	}
	assert_int_equal(observe_post_parse(good, strlen(good), &post, &tally, &err), 0);
	assert_int_equal(post.count, 2);
	assert_int_equal(tally.refused[OBSERVE_MALFORMED], 5);
	assert_true(post.items[0].ms == 12.5 && post.items[0].count == 40 && post.items[1].count == 1);
	observe_post_free(&post);
	buf_str(&many, "{\"observations\":[");
	for (i = 0; i <= OBSERVE_ITEMS_MAX; i++)
		buf_str(&many, i ? ",0" : "0");
	buf_str(&many, "]}");
	assert_int_equal(observe_post_parse(many.data, many.len, &post, &tally, &err), -1);
	assert_non_null(strstr(err.msg, "10001 are more than 10000"));
	observe_post_free(&post);
}

static void what_cannot_be_is_refused_and_counted(void **state)
{
	(void)state;
	says("10.0.0.1", "milan", "n1", (double)NAN, 1, 0);
	says("10.0.0.1", "milan", "n1", 0, 1, 0);
	says("10.0.0.1", "milan", "n1", 60001, 1, 0);
	says("10.0.0.1", "milan", "n1", 5, 0, 0);
	says("10.0.0.1", "milan", "strange", 5, 1, 0);
	says("10.0.0.1", "Milan/..", "n1", 5, 1, 0);
	assert_int_equal(tally.accepted, 0);
	assert_int_equal(tally.refused[OBSERVE_RANGE], 4);
	assert_int_equal(tally.refused[OBSERVE_NODE], 1);
	assert_int_equal(tally.refused[OBSERVE_GROUP], 1);
	assert_int_equal(observe_cells(o), 0);
}

static void a_figure_is_weighed_by_count_and_age(void **state)
{
	(void)state;
	says("10.0.0.1", "milan", "n1", 4, 30, 0);
	says("10.0.0.1", "milan", "n1", 16, 10, 0);
	assert_float_equal(value_ms("milan", "n1"), 5.656854f, 1e-5);
	says("10.0.0.1", "rome", "n1", 4, 40, 0);
	says("10.0.0.1", "rome", "n1", 16, 10, 240000);		/* 40 are 10 after 4 minutes */
	assert_float_equal(value_ms("rome", "n1"), 8, 1e-5);
	says("10.0.0.1", "turin", "n1", 4, 1000000000, 0);	/* no more than 1000 */
	says("10.0.0.1", "turin", "n1", 16, 1000, 0);
	assert_float_equal(value_ms("turin", "n1"), 8, 1e-5);
}

static void what_is_not_said_again_is_forgotten(void **state)
{
	struct names fewer = {0};

	(void)state;
	says("10.0.0.1", "milan", "n1", 4, 1, 0);
	says("10.0.0.1", "milan", "n2", 4, 1, 300000);
	says("10.0.0.2", "rome", "n1", 4, 1, 0);
	observe_prune(o, 600001, 600000);
	assert_true(isnan(value_ms("milan", "n1")) && !isnan(value_ms("milan", "n2")) && isnan(value_ms("rome", "n1")));
	assert_int_equal(observe_reporters(o), 1);
	assert_int_equal(observe_cells(o), 1);
	says("10.0.0.1", "milan", "n7", 9, 1, 600001);
	names_add(&fewer, "n7");
	observe_expect(o, &fewer, NULL);
	assert_int_equal(observe_cells(o), 1);
	assert_float_equal(value_ms("milan", "n7"), 9, 1e-5);
	names_free(&fewer);
}

/* --- limits -------------------------------------------------------------------------------------------------------------- */

static void a_reporter_has_a_share_of_everything(void **state)
{
	struct observed observed;
	int i, k, honest = 0;

	(void)state;
	for (i = 0; i < 60; i++) {
		auto_free char *group = xasprintf("a%d", i);

		says("10.0.0.66", group, "n1", 1, 1, 0);
	}
	assert_int_equal(tally.refused[OBSERVE_TOO_MANY_GROUPS], 10);
	for (k = 0; k < 5; k++)
		for (i = 0; i < OBSERVE_GROUPS_EACH; i++) {
			auto_free char *reporter = xasprintf("10.0.1.%d", k), *group = xasprintf("z%d-%d", k, i);

			says(reporter, group, "n1", 1, 1, 0);
		}
	observe_collect(o, &observed);
	assert_int_equal(observed.count, OBSERVE_GROUPS_MAX);
	for (i = 0; i < (int)observed.count; i++)
		honest += observed.groups[i].name[0] == 'z';
	assert_in_range(honest, OBSERVE_GROUPS_MAX * 5 / 6 - 1, OBSERVE_GROUPS_MAX * 5 / 6 + 1);
	observed_free(&observed);
}

static void cells_and_reporters_are_bounded(void **state)
{
	int i, k;

	(void)state;
	for (i = 0; i < 200; i++)
		for (k = 0; k < 25; k++) {
			auto_free char *node = xasprintf("n%d", i), *group = xasprintf("g%d", k);

			says("10.0.0.1", group, node, 1, 1, 0);
		}
	assert_int_equal(observe_cells(o), OBSERVE_CELLS_EACH);
	assert_int_equal(tally.refused[OBSERVE_TOO_MANY_CELLS], 200 * 25 - OBSERVE_CELLS_EACH);
	for (i = 0; i < OBSERVE_REPORTERS_MAX - 1; i++) {
		auto_free char *reporter = xasprintf("10.1.%d.%d", i / 200, i % 200);

		assert_true(says(reporter, "milan", "n1", 1, 1, 0));
	}
	assert_false(says("10.9.9.9", "milan", "n1", 1, 1, 0));
	assert_int_equal(observe_reporters(o), OBSERVE_REPORTERS_MAX);
	says("10.0.0.1", "g0", "n0", 1, 1, 700000);
	observe_prune(o, 700000, 600000);
	assert_true(says("10.9.9.9", "milan", "n1", 1, 1, 700000));
}

/* Who never said anything that is kept gives way. */
static void an_idle_reporter_gives_way(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < OBSERVE_REPORTERS_MAX * 3; i++) {
		auto_free char *reporter = xasprintf("10.1.%d.%d", i / 200, i % 200);

		assert_true(says(reporter, "milan", "strange", 1, 1, i));
	}
	assert_int_equal(observe_reporters(o), OBSERVE_REPORTERS_MAX);
	assert_true(says("10.9.9.9", "milan", "n1", 1, 1, i));
}

/* A cell is within what the honest say while liars are fewer than half; of two it is the larger. */
static void medians_withstand_a_minority(void **state)
{
	struct rng r = rng_make(test_seed());
	int round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		int all = 2 + (int)rng_below(&r, 8), liars = (int)rng_below(&r, (uint32_t)(all + 1) / 2);
		double least = INFINITY, most = 0, got;

		observe_prune(o, INT64_MAX, 0);
		for (i = 0; i < all; i++) {
			auto_free char *reporter = xasprintf("10.0.%u.%d", rng_below(&r, 250), i);
			bool honest = i >= liars;
			double ms = honest ? 5 + 5 * rng_unit(&r) : rng_chance(&r, 0.5) ? OBSERVE_MS_MIN : OBSERVE_MS_MAX;

			least = honest ? fmin(least, ms) : least;
			most = honest ? fmax(most, ms) : most;
			says(reporter, "milan", "n1", ms, 1, 0);
		}
		got = value_ms("milan", "n1");
		assert_true(got >= least * (1 - 1e-9) && got <= most * (1 + 1e-9));
	}
	observe_prune(o, INT64_MAX, 0);
	says("10.0.0.1", "milan", "n1", 5, 1, 0);
	says("10.0.0.66", "milan", "n1", OBSERVE_MS_MIN, 1, 0);
	assert_float_equal(value_ms("milan", "n1"), 5, 1e-5);
}

/* --- the file -------------------------------------------------------------------------------------------------------------- */

static void random_posts(struct rng *r, int64_t *now_ms)
{
	int i;

	for (i = (int)rng_below(r, 60); i--;) {
		auto_free char *reporter = rng_chance(r, 0.3) ? xasprintf("2001:db8:0:%u::/64", 1 + rng_below(r, 5)) : xasprintf("10.0.0.%u", rng_below(r, 5));
		auto_free char *group = xasprintf("g%u", rng_below(r, 6)), *node = xasprintf("n%u", rng_below(r, 10));

		*now_ms += rng_below(r, 5000);
		says(reporter, group, node, OBSERVE_MS_MIN + rng_unit(r) * 1000, 1 + rng_below(r, 2000), *now_ms);
	}
}

static void what_was_written_is_read_back(void **state)
{
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 300; round++) {
		auto_buf struct buf first = {0}, second = {0};
		struct observe *back = observe_new();
		struct lm_err err;
		uint32_t reporters, cells;
		int64_t now_ms = 0;

		observe_prune(o, INT64_MAX, 0);
		random_posts(&r, &now_ms);
		observe_write(o, now_ms, &first);
		observe_expect(back, &nodes, &clients);
		if (observe_read(back, first.data, first.len, 5000000, 0, &err) < 0)
			fail_msg("%s in %s", err.msg, first.data);
		observe_write(back, 5000000, &second);
		assert_string_equal(first.data, second.data);
		assert_int_equal(observe_cells(back), observe_cells(o));
		assert_int_equal(observe_check(first.data, first.len, &reporters, &cells, &err), 0);
		assert_true(cells == observe_cells(o));
		observe_prune(back, 5000000 + 600001, 600000);
		assert_int_equal(observe_cells(back), 0);
		observe_free(back);
	}
}

static void time_passes_while_nobody_runs(void **state)
{
	static const char text[] = "{\"version\":1,\"reporters\":{\"10.0.0.1\":{\"milan\":{\"n1\":[12.5,40,3],\"gone\":[1,1,1]}}}}";
	struct lm_err err;

	(void)state;
	assert_int_equal(observe_read(o, text, strlen(text), 1000, 500000, &err), 0);
	assert_float_equal(value_ms("milan", "n1"), 12.5, 1e-5);
	assert_int_equal(observe_cells(o), 1);
	observe_prune(o, 1000, 503000);
	assert_int_equal(observe_cells(o), 1);
	observe_prune(o, 1000, 502999);
	assert_int_equal(observe_cells(o), 0);
}

static void a_bad_file_is_none(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"version\":1}", "{\"version\":2,\"reporters\":{}}", "{\"version\":1,\"reporters\":[]}",
		"{\"version\":1,\"reporters\":{\"x\":{}}}", "{\"version\":1,\"reporters\":{\"10.0.0.1/8\":{}}}", "{\"version\":1,\"reporters\":{\"10.0.0.1\":[]}}",
		"{\"version\":1,\"reporters\":{\"10.0.0.1\":{\"milan\":{\"n1\":[12,1,0]}},\"10.0.0.2\":{\"milan\":{\"n1\":[0,1,0]}}}}",
		"{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"milan\":{\"n1\":[1,2000,0]}}}}", "{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"milan\":{\"n1\":[1,2]}}}}",
		"{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"milan\":{\"n1\":[1,2,3,4]}}}}", "{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"milan\":{\"n1\":[1,2,-3]}}}}",
		"{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"Milan\":{}}}}", "{\"version\":1,\"reporters\":{\"10.0.0.2\":{\"milan\":{\"N 1\":[1,2,3]}}}}",
	};
	struct lm_err err;
	uint32_t reporters, cells;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (observe_read(o, bad[i], strlen(bad[i]), 0, 0, &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.code, LM_DATA);
		assert_int_equal(observe_cells(o), 0);
		assert_int_equal(observe_reporters(o), 0);
		assert_int_equal(observe_check(bad[i], strlen(bad[i]), &reporters, &cells, &err), -1);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reporters_are_addresses), T(posts_are_read_strictly), T(what_cannot_be_is_refused_and_counted),
		T(a_figure_is_weighed_by_count_and_age), T(what_is_not_said_again_is_forgotten), T(a_reporter_has_a_share_of_everything),
		T(cells_and_reporters_are_bounded), T(an_idle_reporter_gives_way), T(medians_withstand_a_minority), T(what_was_written_is_read_back),
		T(time_passes_while_nobody_runs), T(a_bad_file_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
