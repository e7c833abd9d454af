/* List and watch against a server that misbehaves as told (tests/testing/scripted.h): the usual way, and resourceVersions. */
#include "tests/integration/kube_script.h"

/* --- the usual way ---------------------------------------------------------------------------------------------------- */

static void list_in_pages_then_watch(void **state)
{
	struct rig g;
	const char *timeout;
	struct kube_watch_stats stats;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS(PAGE("9", "a+b/c==", POD("a", "3") "," POD("b", "7")), "/api/v1/pods?fieldSelector=x&limit=500"),
			ENDS(LIST("9", POD("c", "8")), "fieldSelector=x&limit=500&continue=a%2Bb%2Fc%3D%3D")),
		  STEPS(STAYS(EVENT("ADDED", "d", "10") EVENT("MODIFIED", "a", "11") EVENT("DELETED", "b", "12"),
			      "?fieldSelector=x&watch=true&allowWatchBookmarks=true&timeoutSeconds=")), 0);
	assert_false(kube_watch_synced(g.told.watch));
	run_until_told(&g, "-b:12 ");
	assert_string_equal(g.told.text.data, "begin +a:3 +b:7 +c:8 end +d:10 ~a:11 -b:12 ");
	assert_true(kube_watch_synced(g.told.watch));
	assert_int_equal(g.told.trouble_count, 0);
	stats = kube_watch_stats(g.told.watch);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(stats.watches, 1);
	assert_int_equal(stats.events, 3);
	assert_true(stats.last_heard_mono_ms > 0);
	assert_non_null(strstr(g.script.last_watch, "&resourceVersion=9"));
	timeout = strstr(g.script.last_watch, "timeoutSeconds=");
	assert_in_range(atoi(timeout + strlen("timeoutSeconds=")), 300, 600);
	rig_stop(&g);
}

static void s21_chunks_of_any_size_give_the_same_events(void **state)
{
	static const char events[] = EVENT("ADDED", "d", "10")
		"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"d\xc3\xa4\xf0\x9f\x98\x80\\u00e4\",\"resourceVersion\":\"11\"}}}\r\n\n"
		BOOKMARK("12") EVENT("DELETED", "d", "13") EVENT("ADDED", "z", "14");
	size_t piece;

	(void)state;
	for (piece = 1; piece < 80; piece += piece < 12 ? 1 : 17) {
		struct rig g;

		rig_start(&g, plain_list, STEPS(STAYS(events, NULL)), piece);
		run_until_told(&g, "+z:14 ");
		assert_string_equal(g.told.text.data, "begin +a:3 end +d:10 ~d\xc3\xa4\xf0\x9f\x98\x80\xc3\xa4:11 -d:13 +z:14 ");
		assert_int_equal(g.told.trouble_count, 0);
		rig_stop(&g);
	}
}

static void s19_bookmarks_move_the_watch_on_without_a_list(void **state)
{
	struct rig g;
	struct kube_watch_stats stats;

	(void)state;
	rig_start(&g, plain_list,
		  STEPS(ENDS(BOOKMARK("20") BOOKMARK("30"), "resourceVersion=5"), ENDS(BOOKMARK("40"), "resourceVersion=30"),
			STAYS(EVENT("ADDED", "b", "41"), "resourceVersion=40")), 0);
	run_until_told(&g, "+b:41 ");
	stats = kube_watch_stats(g.told.watch);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(stats.watches, 3);
	assert_int_equal(stats.bookmarks, 3);
	assert_int_equal(g.told.trouble_count, 0);
	rig_stop(&g);
}

static void a_list_is_made_anew_when_its_owner_says_so(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS(LIST("5", POD("a", "3")), "pods?fieldSelector=x&limit=500"),
			ENDS(PAGE("20", "more", POD("b", "9")), "pods?fieldSelector=x&limit=500"), ENDS(LIST("20", POD("c", "8")), "continue=more"),
			ENDS(LIST("30", POD("d", "25")), "pods?fieldSelector=x&limit=500")),
		  STEPS(STAYS(EVENT("ADDED", "x", "6"), "resourceVersion=5"), STAYS(EVENT("ADDED", "y", "21"), "resourceVersion=20"),
			STAYS(EVENT("ADDED", "z", "31"), "resourceVersion=30")), 0);
	run_until_told(&g, "+x:6 ");
	kube_watch_relist(g.told.watch); /* of a watch */
	assert_true(kube_watch_synced(g.told.watch));
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 1);
	run_until_told(&g, "+y:21 ");
	kube_watch_relist(g.told.watch);
	kube_watch_relist(g.told.watch); /* of a list that has just begun */
	run_until_told(&g, "+z:31 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end +x:6 begin +b:9 +c:8 end +y:21 begin +d:25 end +z:31 ");
	assert_int_equal(kube_watch_stats(g.told.watch).lists, 3);
	assert_int_equal(g.told.trouble_count, 0);
	rig_stop(&g);
}

/* --- resourceVersions ------------------------------------------------------------------------------------------------- */

static void s16_gone_as_status_or_event_lists_again(void **state)
{
	struct rig g;
	struct kube_watch_stats stats;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS(LIST("5", POD("a", "3")), "pods?fieldSelector=x&limit=500"), ENDS(LIST("20", POD("b", "9")), NULL),
			ENDS(LIST("30", POD("c", "25")), NULL)),
		  STEPS(FAILS(410, STATUS(410, "Expired"), "resourceVersion=5"),
			STAYS(EVENT("ADDED", "x", "21") ERROR(410, "Expired"), "resourceVersion=20"),
			STAYS(EVENT("ADDED", "y", "31"), "resourceVersion=30")), 0);
	run_until_told(&g, "+y:31 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end begin +b:9 end +x:21 begin +c:25 end +y:31 ");
	stats = kube_watch_stats(g.told.watch);
	assert_int_equal(stats.gone, 2);
	assert_int_equal(stats.lists, 3);
	assert_non_null(strstr(g.told.troubles.data, "/api/v1/pods: watch: 410 Expired: says the test\n"));
	rig_stop(&g);
}

#define TOO_LARGE \
	"{\"kind\":\"Status\",\"reason\":\"Timeout\",\"message\":\"Too large resource version: 5, current: 4\",\"code\":504," \
	"\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}]}}"

static void s16_too_large_a_resource_version_lists_again(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("5", POD("a", "3")), NULL), ENDS(LIST("6", POD("b", "6")), NULL),
			    ENDS(LIST("7", POD("c", "7")), NULL)),
		  STEPS(FAILS(504, TOO_LARGE, NULL),
			STAYS("{\"type\":\"ERROR\",\"object\":" TOO_LARGE "}\n", "resourceVersion=6"),
			STAYS("", "resourceVersion=7")), 0);
	run_until_watches(&g, 3);
	assert_string_equal(g.told.text.data, "begin +a:3 end begin +b:6 end begin +c:7 end ");
	rig_stop(&g);
}

static void s26_a_list_from_the_past_is_refused(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g,
		  STEPS(ENDS(LIST("90", POD("a", "3")), NULL), ENDS(LIST("89", POD("old", "3")), NULL),
			ENDS(LIST("99", POD("old", "4")), NULL), ENDS(LIST("100", POD("b", "95")), NULL)),
		  STEPS(ENDS(BOOKMARK("100") ERROR(410, "Expired"), NULL), STAYS("", "resourceVersion=100")), 0);
	run_until_watches(&g, 2);
	assert_string_equal(g.told.text.data, "begin +a:3 end begin +b:95 end ");
	assert_non_null(strstr(g.told.troubles.data,
			       "list of /api/v1/pods: the list is of resourceVersion 89, but 100 was seen: this server lags behind\n"));
	assert_non_null(strstr(g.told.troubles.data, "resourceVersion 99, but 100"));
	rig_stop(&g);
}

static void s26_a_past_that_stays_is_believed_in_the_end(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("90", POD("a", "3")), NULL), ENDS(LIST("50", POD("b", "40")), NULL)),
		  STEPS(FAILS(410, STATUS(410, "Expired"), NULL), STAYS(EVENT("ADDED", "c", "51"), "resourceVersion=50")), 0);
	run_until_told(&g, "+c:51 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end begin +b:40 end +c:51 ");
	assert_int_equal(g.told.trouble_count, 1 + OLDER_MAX);
	rig_stop(&g);
}

static void s23_duplicates_pass_and_older_events_are_dropped(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, plain_list,
		  STEPS(STAYS(EVENT("ADDED", "a", "6") EVENT("ADDED", "a", "6") EVENT("MODIFIED", "nobody", "7")
			      EVENT("DELETED", "nobody2", "8") EVENT("MODIFIED", "a", "4") EVENT("DELETED", "a", "7") BOOKMARK("3")
			      EVENT("MODIFIED", "a", "9"), NULL)), 0);
	run_until_told(&g, "~a:9 ");
	assert_string_equal(g.told.text.data, "begin +a:3 end +a:6 +a:6 ~nobody:7 -nobody2:8 ~a:9 ");
	assert_int_equal(kube_watch_stats(g.told.watch).stale, 2);
	rig_stop(&g);
}

static void resource_versions_that_are_no_numbers_pass(void **state)
{
	struct rig g;

	(void)state;
	rig_start(&g, STEPS(ENDS(LIST("v/5 b", ""), NULL)),
		  STEPS(ENDS(EVENT("ADDED", "a", "zz") EVENT("ADDED", "b", "aa"), "resourceVersion=v%2F5%20b"),
			STAYS("", "resourceVersion=aa")), 0);
	run_until_watches(&g, 2);
	assert_string_equal(g.told.text.data, "begin end +a:zz +b:aa ");
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_in_pages_then_watch),
		cmocka_unit_test(s21_chunks_of_any_size_give_the_same_events),
		cmocka_unit_test(s19_bookmarks_move_the_watch_on_without_a_list),
		cmocka_unit_test(a_list_is_made_anew_when_its_owner_says_so),
		cmocka_unit_test(s16_gone_as_status_or_event_lists_again),
		cmocka_unit_test(s16_too_large_a_resource_version_lists_again),
		cmocka_unit_test(s26_a_list_from_the_past_is_refused),
		cmocka_unit_test(s26_a_past_that_stays_is_believed_in_the_end),
		cmocka_unit_test(s23_duplicates_pass_and_older_events_are_dropped),
		cmocka_unit_test(resource_versions_that_are_no_numbers_pass),
	};

	return cmocka_run_group_tests_name("kube-watch", tests, short_waits, NULL);
}
