/* List and watch against a server that misbehaves as told: refusals, outages, what is no list and no event, streams that are cut or silent. */
#include "tests/integration/kube_script.h"

static const struct step quiet_watch[] = {{200, "", NULL, SILENCE, NULL}, {.status = -1}};

static void s14_429_is_waited_for_and_never_lists(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, plain_list,
		  STEPS({429, STATUS(429, "TooManyRequests"), "Retry-After: 1\r\n", END, NULL},
			FAILS(429, STATUS(429, "TooManyRequests"), NULL),
			STAYS(ERROR(429, "TooManyRequests"), "resourceVersion=5"),
			{429, "<html>", "Retry-After: soon\r\n", END, NULL},
			STAYS(EVENT("ADDED", "b", "6"), "resourceVersion=5")), 0);
	run_until_told(&g, "+b:6 ");
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	assert_int_equal(g.script.list_count, 1);
	assert_true(g.script.watch_mono_ms[1] - g.script.watch_mono_ms[0] >= 1000);
	assert_int_equal(g.told.trouble_count, 4);
	rig_stop(&g);
}

static void s15_bursts_of_5xx_are_waited_out(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g,
		  STEPS(FAILS(500, "boom", NULL), FAILS(503, STATUS(503, "ServiceUnavailable"), NULL), FAILS(504, "", NULL),
			FAILS(429, "", NULL), AWAY, ENDS(LIST("5", POD("a", "3")), NULL)),
		  STEPS(FAILS(500, "", NULL), ENDS(ERROR(500, "InternalError"), NULL), FAILS(504, STATUS(504, "Timeout"), NULL),
			ENDS(EVENT("ADDED", "b", "6") ERROR(503, "ServiceUnavailable"), NULL),
			STAYS("", "resourceVersion=6")), 0);
	run_until_watches(&g, 5);
	assert_string_equal(g.told.text.data, "begin +a:3 end +b:6 ");
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	assert_in_range(g.told.trouble_count, 8, 9);	/* libcurl tries a GET again by itself when a kept connection ends */
	rig_stop(&g);
}

static void an_error_event_that_stays_lists_again(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("5", ""), NULL), ENDS(LIST("8", ""), NULL)),
		  STEPS(ENDS(ERROR(500, "InternalError"), "resourceVersion=5"),
			ENDS(ERROR(500, "InternalError"), "resourceVersion=5"),
			ENDS(ERROR(500, "InternalError"), "resourceVersion=5"), STAYS("", "resourceVersion=8")), 0);
	run_until_watches(&g, 4);
	rig_stop(&g);
}

/* While the server is away there is one list when it is back, and no more. */
static void s9_no_storm_of_lists_when_the_server_comes_back(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(AWAY, AWAY, AWAY, AWAY, AWAY, AWAY, ENDS(LIST("5", POD("a", "3")), NULL)),
		  STEPS(IS_CUT(EVENT("ADDED", "b", "6"), NULL), AWAY, AWAY, AWAY, AWAY, AWAY,
			STAYS(EVENT("ADDED", "c", "7"), "resourceVersion=6")), 0);
	run_until_told(&g, "+c:7 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end +b:6 +c:7 ");
	assert_int_equal(g.script.list_count, 7);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	rig_stop(&g);
}

/* What was missed while the server was away is asked for at once; a server that says 410 again and again is asked less and less often. */
static void s9_after_an_outage_what_is_gone_is_listed_soon(void **state)
{
	static const struct step gone = FAILS(410, STATUS(410, "Expired"), NULL);
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("5", POD("a", "3")), NULL)),
		  STEPS(AWAY, AWAY, AWAY, AWAY, AWAY, gone, gone, gone, STAYS(EVENT("ADDED", "b", "6"), NULL)), 0);
	run_until_told(&g, "+b:6 ");
	assert_int_equal(g.told.gone_count, 3);
	assert_int_equal(g.told.gone_tries[0], 1);
	assert_int_equal(g.told.gone_tries[1], 2);
	assert_int_equal(g.told.gone_tries[2], 3);
	rig_stop(&g);
}

static void s10_401_and_403_wait_and_do_not_list(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(FAILS(401, STATUS(401, "Unauthorized"), NULL), FAILS(403, STATUS(403, "Forbidden"), NULL),
			    ENDS(LIST("5", ""), NULL)),
		  STEPS(FAILS(401, STATUS(401, "Unauthorized"), NULL), FAILS(403, STATUS(403, "Forbidden"), NULL),
			STAYS("", "resourceVersion=5")), 0);
	run_until_watches(&g, 3);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	assert_non_null(strstr(g.told.troubles.data, "/api/v1/pods: list: 403 Forbidden: says the test\n"));
	rig_stop(&g);
}

static void s25_a_watch_that_is_refused_as_invalid_lists_again(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("5", ""), NULL), ENDS(LIST("6", ""), NULL)),
		  STEPS(FAILS(400, STATUS(400, "BadRequest"), NULL), STAYS("", "resourceVersion=6")), 0);
	run_until_watches(&g, 2);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 2);
	rig_stop(&g);
}

#define PAGE1 PAGE("5", "t1", POD("a", "3"))

static void an_expired_continue_starts_over_and_a_failed_page_does_not(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS(PAGE1, NULL), FAILS(410, STATUS(410, "Expired"), "continue=t1"), ENDS(PAGE1, "limit=500"),
			FAILS(500, "", "continue=t1"), ENDS(LIST("5", POD("b", "4")), "continue=t1")), quiet_watch, 0);
	run_until_told(&g, "end ");
	assert_string_equal(g.told.text.data, "begin +a:3 begin +a:3 +b:4 end ");
	rig_stop(&g);
}

static void s22_what_is_no_list(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS("<html><title>Bad gateway</title></html>", NULL),
			ENDS("{\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":\"5\"},\"rows\":[]}", NULL),
			ENDS("", NULL),
			ENDS(STATUS(500, "InternalError"), NULL), ENDS(LIST("5", POD("a", "3") ",7"), NULL),
			ENDS(PAGE("5", "t1", ""), NULL),
			ENDS(PAGE("5", "t1", ""), "continue=t1"),
			ENDS(LIST("5", POD("a", "3")), NULL)), quiet_watch, 0);
	run_until_told(&g, "end ");
	assert_string_equal(g.told.text.data, "begin +a:3 begin begin +a:3 end ");
	assert_non_null(strstr(g.told.troubles.data, "not a list: its kind is `Table`"));
	assert_non_null(strstr(g.told.troubles.data, "metadata.continue: is that of the page before"));
	assert_int_equal(g.told.trouble_count, 6);
	rig_stop(&g);
}

static void s22_what_is_no_event(void **state)
{
	static const char *const lines[] = {
		"<html><title>Bad gateway</title></html>\n", "[]\n", "{\"type\":\"ADDED\"}\n", "{\"type\":7,\"object\":{}}\n",
		"{\"type\":\"ADDED\",\"object\":{}}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"\"}}}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":7}}}\n",
		"{\"type\":\"ADDED\",\"type\":\"ADDED\",\"object\":{}}\n",
		"{\"type\":\"ADDED\",\"object\":\"\x01\"}\n", "{\"type\":\"ERROR\",\"object\":[]}\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		struct rig g;
		auto_free char *text = xasprintf("%s%s%s", EVENT("ADDED", "b", "6"), lines[i], EVENT("ADDED", "never", "7"));

		rig_start(&g, STEPS(ENDS(LIST("5", ""), NULL), ENDS(LIST("9", ""), NULL)),
			  STEPS(STAYS(text, NULL), STAYS("", "resourceVersion=9")), 0);
		run_until_watches(&g, 2);
		assert_string_equal(g.told.text.data, "begin end +b:6 begin end ");
		assert_int_equal(kube_watch_stats(g.told.watch).bad_lines, 1);
		rig_stop(&g);
	}
}

static void s22_unknown_types_and_members_are_ignored(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, plain_list,
		  STEPS(STAYS(EVENT("RENAMED", "q", "6")
			      "{\"more\":[1],\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"7\","
			      "\"x\":{}},\"kind\":\"Pod\",\"future\":null}}\n", NULL)), 0);
	run_until_told(&g, "+b:7 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end +b:7 ");
	assert_int_equal(kube_watch_stats(g.told.watch).unknown, 1);
	assert_int_equal(g.told.trouble_count, 0);
	rig_stop(&g);
}

static void a_line_without_end_is_dropped(void **state)
{
	struct rig g;
	auto_free char *text = xmalloc(70001);

	(void)state;
	memset(text, 'x', 70000);
	text[70000] = '\0';
	rig_start(&g, STEPS(ENDS(LIST("5", ""), NULL), ENDS(LIST("9", ""), NULL)),
		  STEPS(STAYS(text, NULL), STAYS("", "resourceVersion=9")), 1000);
	g.told.watch->lines.max_bytes = 65536;
	run_until_watches(&g, 2);
	assert_non_null(strstr(g.told.troubles.data, "a line is longer than"));
	rig_stop(&g);
}

static void a_stream_that_is_cut_goes_on_where_it_was(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, plain_list,
		  STEPS(IS_CUT(EVENT("ADDED", "b", "6") "{\"type\":\"ADDED\",\"obj", NULL),
			ENDS(EVENT("ADDED", "c", "7") "{\"type\":\"ADDED\",\"obj", "resourceVersion=6"),
			STAYS(EVENT("ADDED", "d", "8"), "resourceVersion=7")), 0);
	run_until_told(&g, "+d:8 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end +b:6 +c:7 +d:8 ");
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	rig_stop(&g);
}

static void s18_a_silent_watch_is_opened_again(void **state)
{
	struct rig g;

	(void)state;
	limits.timeout_s = 0;
	limits.silence_ms = 100;
	rig_start(&g, plain_list, STEPS(STAYS(EVENT("ADDED", "b", "6"), NULL), STAYS("", "resourceVersion=6")), 0);
	run_until_watches(&g, 3);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	assert_non_null(strstr(g.told.troubles.data, "nothing came for 0.1 s"));
	rig_stop(&g);
	short_waits(NULL);
}

static void s18_missing_bookmarks_open_the_watch_again(void **state)
{
	struct rig g;

	(void)state;
	limits.bookmark_ms = 400;	/* an event has to come within it, on a loaded machine too */
	rig_start(&g, plain_list, STEPS(STAYS(BOOKMARK("6"), NULL), STAYS(EVENT("ADDED", "b", "7"), "resourceVersion=6"),
					STAYS("", "resourceVersion=7")), 0);
	run_until_told(&g, "+b:7 ");
	run_until_watches(&g, 3);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	assert_non_null(strstr(g.told.troubles.data, "neither event nor bookmark"));
	rig_stop(&g);
	short_waits(NULL);
}

/* A server that ends each watch at once must not be asked without a pause. */
static void watches_that_end_at_once_are_slowed_down(void **state)
{
	struct rig g;
	int64_t end;

	(void)state;
	limits.backoff_ms = limits.backoff_max_ms = 100;
	rig_start(&g, plain_list, STEPS(ENDS("", NULL)), 0);
	run_until_watches(&g, 2);
	for (end = clock_mono_ms() + 500; clock_mono_ms() < end;)
		rig_step(&g);
	assert_in_range(watches_of(&g), 2, 100);
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	rig_stop(&g);
	short_waits(NULL);
}

static void the_watch_may_be_freed_in_each_of_its_callbacks(void **state)
{
	int at;

	(void)state;
	for (at = 1; at <= 8; at++) {
		struct rig g;
		int64_t end = clock_mono_ms() + WAIT_MS;

		rig_start(&g, STEPS(FAILS(500, "", NULL), ENDS(PAGE1, NULL), ENDS(LIST("5", POD("b", "3")), NULL)),
			  STEPS(ENDS(EVENT("ADDED", "c", "6") EVENT("ADDED", "d", "7") "rubbish\n", NULL), STAYS("", NULL)), 0);
		g.told.free_at = at;
		while (g.told.watch && clock_mono_ms() < end)
			rig_step(&g);
		assert_null(g.told.watch);
		assert_int_equal(g.told.calls, at);
		assert_int_equal(kube_in_flight(g.k), 0);
		rig_step(&g);
		rig_stop(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s14_429_is_waited_for_and_never_lists),
		cmocka_unit_test(s15_bursts_of_5xx_are_waited_out),
		cmocka_unit_test(an_error_event_that_stays_lists_again),
		cmocka_unit_test(s9_no_storm_of_lists_when_the_server_comes_back), cmocka_unit_test(s9_after_an_outage_what_is_gone_is_listed_soon),
		cmocka_unit_test(s10_401_and_403_wait_and_do_not_list),
		cmocka_unit_test(s25_a_watch_that_is_refused_as_invalid_lists_again),
		cmocka_unit_test(an_expired_continue_starts_over_and_a_failed_page_does_not),
		cmocka_unit_test(s22_what_is_no_list),
		cmocka_unit_test(s22_what_is_no_event),
		cmocka_unit_test(s22_unknown_types_and_members_are_ignored),
		cmocka_unit_test(a_line_without_end_is_dropped),
		cmocka_unit_test(a_stream_that_is_cut_goes_on_where_it_was),
		cmocka_unit_test(s18_a_silent_watch_is_opened_again),
		cmocka_unit_test(s18_missing_bookmarks_open_the_watch_again),
		cmocka_unit_test(watches_that_end_at_once_are_slowed_down),
		cmocka_unit_test(the_watch_may_be_freed_in_each_of_its_callbacks),
	};

	return cmocka_run_group_tests_name("kube-watch-trouble", tests, short_waits, NULL);
}
