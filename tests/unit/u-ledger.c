/* The record of evictions that outlives its leader, case by case: what stands there, what becomes of a write, what is charged and not used. */
#include "tests/unit/ledger_world.h"

#define ANSWER_MS 5

static bool covered(struct ledger *l, int64_t waiting)
{
	return ledger_cover_ms(l, (size_t)waiting, world_mono()) == 0;
}

/* Until nothing is on its way. */
static void settle(struct ledger *l)
{
	int i;

	for (i = 0; i < 10; i++) {
		ledger_tick(l, world_mono(), 1000);
		world_pass(ANSWER_MS);
	}
}

static struct ledger *leader(int64_t per_minute, int64_t per_hour)
{
	struct ledger *l = world_ledger(per_minute, per_hour);

	settle(l);
	return l;
}

/* Evicts as many as it gets, at most so many. */
static int evict(struct ledger *l, int most)
{
	int i, done = 0;

	for (i = 0; i < 10 * most && done < most; i++) {
		if (ledger_wait_ms(l, world_mono()) > 0)
			break;
		if (covered(l, most - done)) {
			ledger_spend(l, world_mono());
			done++;
		} else {
			settle(l);
		}
	}
	return done;
}

/* "MINUTES:COUNT ...": of each line, whole minutes from the one that begins before BEGIN_MS. */
static const char *stored(void)
{
	static char text[1000];
	auto_free char *json = object();
	char version[RECORD_VERSION];
	struct lm_err err;
	struct record r;
	size_t i, used = 0;

	assert_int_equal(record_parse(json, strlen(json), &r, version, &err), 0);
	text[0] = '\0';
	for (i = 0; i < r.count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%lld:%lld", i ? " " : "",
					 (long long)(r.lines[i].until_ms - (BEGIN_MS - 20000)) / 60000, (long long)r.lines[i].count);
	return text;
}

static void store(const int64_t (*lines)[2], size_t count)
{
	auto_buf struct buf data = {0};
	struct record r = {.by = "another-1", .count = count};
	size_t i;

	for (i = 0; i < count; i++)
		r.lines[i] = (struct record_line){.until_ms = BEGIN_MS - 20000 + lines[i][0] * 60000, .count = lines[i][1]};
	record_print(&r, &data);
	server_put(data.data);
}

static void finish(struct ledger *l)
{
	ledger_free(l);
	world_end();
}

/* --- what stands there ----------------------------------------------------------------------------------------------- */

static void absent_nothing_was_spent_and_one_write_covers_many(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	w.leads = false;
	l = leader(1000, 1000);
	assert_int_equal(w.gets, 0);
	assert_true(isnan(ledger_left(l, world_mono())));
	w.leads = true;
	settle(l);
	assert_int_equal(w.gets, 1);
	assert_float_equal(ledger_left(l, world_mono()), 1000, 0);
	assert_int_equal(w.posts + w.patches, 0);	/* nothing is to be evicted */
	assert_int_equal(evict(l, 45), 45);
	assert_int_equal(w.posts, 1);
	assert_int_equal(w.patches, 2);
	assert_string_equal(stored(), "2:45");
	assert_int_equal(w.warnings, 0);
	finish(l);
}

static void the_next_leader_has_what_the_last_one_left(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(10, 15);
	assert_int_equal(evict(l, 20), 10);
	ledger_free(l);
	l = leader(10, 15);
	assert_int_equal(evict(l, 20), 0);
	assert_float_equal(ledger_left(l, world_mono()), 5, 0);
	world_pass(59000);
	assert_int_equal(evict(l, 20), 0);
	world_pass(62000);
	assert_int_equal(evict(l, 20), 5);
	assert_string_equal(stored(), "2:10 4:5");
	world_pass(3600000);
	ledger_free(l);
	l = leader(10, 15);
	assert_int_equal(evict(l, 20), 10);
	assert_string_equal(stored(), "4:5 64:10");
	finish(l);
}

static void times_to_come_are_now_and_old_ones_are_left_out(void **state)
{
	static const int64_t lines[][2] = {{-70, 1000}, {-60, 500}, {-59, 1}, {-2, 2}, {0, 3}, {500, 4}};
	struct ledger *l;

	(void)state;
	world_begin();
	store(lines, 6);
	l = leader(10, 20);
	assert_float_equal(ledger_left(l, world_mono()), 10, 0);
	assert_int_equal(budget_room(&l->budget, world_mono()), 3);
	assert_int_equal(evict(l, 20), 3);
	assert_string_equal(stored(), "-59:1 -2:2 0:3 2:7");
	finish(l);
}

static void what_cannot_be_understood_stops_all_until_it_is_deleted(void **state)
{
#define TIME "2026-11-18T10:00:00Z"
#define LATER "2026-11-18T10:01:00Z"
	static const char *const bad[][2] = {
		{"{}", "evictions"}, {"null", "data"}, {"[]", "data"}, {"{\"evictions\":7}", "evictions"},
		{"{\"evictions\":\"\",\"by\":7}", "by"}, {"{\"evictions\":\"soon\\n\"}", "no time and count"},
		{"{\"evictions\":\"" TIME " 1\"}", "has no end"}, {"{\"evictions\":\"" TIME " 1\\n\\n\"}", "no time and count"},
		{"{\"evictions\":\"" TIME "\\n\"}", "no time and count"}, {"{\"evictions\":\"" TIME " \\n\"}", "no count"},
		{"{\"evictions\":\"" TIME " 0\\n\"}", "no count"}, {"{\"evictions\":\"" TIME " 01\\n\"}", "no count"},
		{"{\"evictions\":\"" TIME " -1\\n\"}", "no count"}, {"{\"evictions\":\"" TIME " +1\\n\"}", "no count"},
		{"{\"evictions\":\"" TIME " 1.5\\n\"}", "no count"}, {"{\"evictions\":\"" TIME " 1000001\\n\"}", "no count"},
		{"{\"evictions\":\"" TIME " 99999999999999999999\\n\"}", "no count"}, {"{\"evictions\":\"" TIME "  1\\n\"}", "no count"},
		{"{\"evictions\":\"2026-11-18T10:00:01Z 1\\n\"}", "whole minute"}, {"{\"evictions\":\"2026-11-31T10:00:00Z 1\\n\"}", "whole minute"},
		{"{\"evictions\":\"" TIME " 1\\n" TIME " 1\\n\"}", "not later"}, {"{\"evictions\":\"" LATER " 1\\n" TIME " 1\\n\"}", "not later"},
		{"{\"evictions\":\"2026-11-18T10:00:00Z 1000000\\n2026-11-18T10:01:00Z 1000000\\n2026-11-18T10:02:00Z 1\\n\"}", "in all"},
		{"{\"evictions\":\"\",\"evictions\":\"\"}", "evictions"}, {"{\"evictions\":\"\"", ""},
		{"{\"evictions\":\"\",\"by\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", "by"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ledger *l;

		world_begin();
		server_put(bad[i][0]);
		l = leader(10, 20);
		assert_int_equal(evict(l, 3), 0);
		world_pass(30000);
		assert_int_equal(evict(l, 3), 0);
		assert_int_equal(w.warnings, 1);
		if (!strstr(w.said, "deleting it begins anew: n/l-evictions: ") || !strstr(w.said, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], w.said);
		assert_int_equal(w.posts + w.patches, 0);
		w.there = false;
		world_pass(10000);
		assert_int_equal(evict(l, 3), 3);
		finish(l);
	}
}

/* --- rights and trouble ---------------------------------------------------------------------------------------------- */

/* Each request of a method is answered so. */
static void refuse(struct ledger *l, const char *method, int status)
{
	int i;

	for (i = 0; i < 40; i++) {
		w.next = (struct fate){0};
		if (STREQ(method, "GET") ? !l->read : l->read)
			w.next.status = status;
		if (ledger_tick(l, world_mono(), 1000) && l->read)
			assert_false(covered(l, 1));
		world_pass(i < 20 ? ANSWER_MS : 1000);
	}
	w.next = (struct fate){0};
}

static void without_rights_or_with_a_server_in_trouble_nothing_is_evicted(void **state)
{
	static const int statuses[] = {401, 403, 400, 422, 429, 500, 503};
	static const char *const methods[] = {"GET", "POST", "PATCH"}, *const words[] = {"cannot be read", "cannot be written", "cannot be written"};
	static const int64_t lines[][2] = {{0, 1}};
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(statuses); i++)
		for (j = 0; j < ARRAY_SIZE(methods); j++) {
			auto_free char *reason = xasprintf("the server said %d", statuses[i]);
			struct ledger *l;

			world_begin();
			if (j == 2)
				store(lines, 1);
			l = world_ledger(10, 20);
			refuse(l, methods[j], statuses[i]);
			assert_int_equal(w.warnings, 1);
			assert_non_null(strstr(w.said, words[j]));
			assert_non_null(strstr(w.said, "n/l-evictions"));
			assert_non_null(strstr(w.said, reason));
			assert_true(j == 0 ? isnan(ledger_left(l, world_mono())) : ledger_left(l, world_mono()) > 18);
			world_pass(BACKOFF_MAX_MS);
			settle(l);
			assert_int_equal(evict(l, 2), 2);
			finish(l);
		}
}

static void it_waits_for_the_limit_of_requests(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = world_ledger(10, 20);
	limit_set(&w.limit, 1, 1, world_mono());
	while (limit_take(&w.limit, 0, world_mono()))
		;
	assert_true(ledger_tick(l, world_mono(), 5000) <= 1000);
	assert_null(l->call);
	world_pass(1000);
	ledger_tick(l, world_mono(), 5000);
	world_pass(ANSWER_MS);
	assert_true(l->read);
	assert_in_range(ledger_cover_ms(l, 1, world_mono()), 1, 1000);
	assert_null(l->call);
	finish(l);
}

/* --- what becomes of a write ----------------------------------------------------------------------------------------- */

static void a_write_of_unknown_fate_is_known_again_by_its_name(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(10, 20);
	w.next = (struct fate){1, -1, 0};		/* carried out, and nobody hears of it */
	assert_false(covered(l, 8));
	world_pass(TIMEOUT_MS);
	assert_int_equal(w.posts, 1);
	assert_int_equal(w.warnings, 1);
	world_pass(1000);
	settle(l);
	assert_int_equal(w.gets, 2);
	assert_int_equal(evict(l, 8), 8);
	assert_int_equal(w.posts + w.patches, 1);	/* no second charge */
	assert_float_equal(ledger_left(l, world_mono()), 12, 0);
	w.next = (struct fate){-1, -1, 0};		/* never there */
	world_pass(61000);
	assert_false(covered(l, 3));
	world_pass(TIMEOUT_MS + 1000);
	settle(l);
	assert_int_equal(evict(l, 3), 3);
	assert_float_equal(ledger_left(l, world_mono()), 9, 0);
	finish(l);
}

static void what_another_leader_wrote_counts_too(void **state)
{
	struct ledger *a, *b;

	(void)state;
	world_begin();
	a = leader(10, 20);
	b = leader(10, 20);
	assert_int_equal(evict(a, 4), 4);
	assert_int_equal(evict(b, 20), 6);		/* its POST is refused: it is there by now */
	assert_float_equal(ledger_left(b, world_mono()), 10, 0);
	assert_int_equal(w.posts, 2);
	assert_int_equal(evict(a, 20), 0);
	assert_string_equal(stored(), "2:10");
	assert_int_equal(w.warnings, 0);
	ledger_free(a);
	finish(b);
}

static void deleted_it_is_written_anew_with_all_that_is_known(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(10, 20);
	assert_int_equal(evict(l, 4), 4);
	w.there = false;
	assert_int_equal(evict(l, 2), 2);
	assert_string_equal(stored(), "2:6");
	finish(l);
}

/* --- what is charged and not used ------------------------------------------------------------------------------------ */

static void it_is_used_first_and_charged_again_in_place_of_the_old_charge(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(30, 100);
	assert_false(covered(l, 12));
	settle(l);
	assert_true(covered(l, 12));
	assert_int_equal(evict(l, 2), 2);
	assert_string_equal(stored(), "2:12");
	world_pass(LEDGER_LIFE_MS - 1000);
	assert_true(covered(l, 1));
	world_pass(20000);
	assert_false(covered(l, 1));			/* too old: it is moved */
	settle(l);
	assert_string_equal(stored(), "2:2 3:10");
	assert_int_equal(evict(l, 10), 10);
	assert_int_equal(w.posts + w.patches, 2);
	finish(l);
}

static void a_successor_has_so_much_less(void **state)
{
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(100, 100);
	assert_false(covered(l, 50));
	settle(l);
	ledger_free(l);
	l = leader(100, 100);
	assert_float_equal(ledger_left(l, world_mono()), 100 - LEDGER_BLOCK, 0);
	finish(l);
}

static void what_was_refused_is_used_again(void **state)
{
	struct ledger_spent spent;
	struct ledger *l;

	(void)state;
	world_begin();
	l = leader(3, 100);
	assert_int_equal(evict(l, 2), 2);
	assert_false(covered(l, 1));
	settle(l);
	spent = ledger_spend(l, world_mono());
	assert_true(ledger_wait_ms(l, world_mono()) > 0);
	ledger_return(l, &spent);
	assert_int_equal(spent.at_ms, 0);
	ledger_return(l, &spent);			/* once only */
	assert_int_equal(evict(l, 5), 1);
	assert_string_equal(stored(), "2:3");
	assert_int_equal(w.posts + w.patches, 2);
	finish(l);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(absent_nothing_was_spent_and_one_write_covers_many), T(the_next_leader_has_what_the_last_one_left),
		T(times_to_come_are_now_and_old_ones_are_left_out), T(what_cannot_be_understood_stops_all_until_it_is_deleted),
		T(without_rights_or_with_a_server_in_trouble_nothing_is_evicted), T(it_waits_for_the_limit_of_requests),
		T(a_write_of_unknown_fate_is_known_again_by_its_name), T(what_another_leader_wrote_counts_too),
		T(deleted_it_is_written_anew_with_all_that_is_known), T(it_is_used_first_and_charged_again_in_place_of_the_old_charge),
		T(a_successor_has_so_much_less), T(what_was_refused_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
