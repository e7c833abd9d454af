/* List and watch against a server that misbehaves as told (tests/testing/scripted.h). */
#include "lib/kube/watch.c"

#include <pthread.h>
#include <unistd.h>

#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000
#define POD(name, rv) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv "\"}}"
#define EVENT(type, name, rv) "{\"type\":\"" type "\",\"object\":" POD(name, rv) "}\n"
#define BOOKMARK(rv) "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" rv "\"}}}\n"
#define LIST(rv, items) "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" rv "\"},\"items\":[" items "]}"
#define PAGE(rv, token, items) \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" rv "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define STATUS(code, reason) \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason "\",\"message\":\"says the test\",\"code\":" #code "}"
#define ERROR(code, reason) "{\"type\":\"ERROR\",\"object\":" STATUS(code, reason) "}\n"
/* Steps of a script: an answer in full, a stream that stays open, one that is cut, a refusal, a connection that just ends. */
#define ENDS(body, must_have) {200, body, NULL, END, must_have}
#define STAYS(body, must_have) {200, body, NULL, SILENCE, must_have}
#define IS_CUT(body, must_have) {200, body, NULL, RESET, must_have}
#define FAILS(status, body, must_have) {status, body, NULL, END, must_have}
#define AWAY {0, NULL, NULL, END, NULL}

/* --- a server with a numbered script for lists and one for watches ---------------------------------------------------- */

struct step {
	int status;		/* 0: the connection just ends */
	const char *body;	/* of a list, or the stream of a watch; NULL: "" */
	const char *headers;
	enum { END, SILENCE, RESET } then;	/* after the stream of a watch */
	const char *must_have;	/* in the request's target; NULL: anything */
};

struct script {
	const struct step *lists, *watches;	/* the last step is repeated; each array ends with status -1 */
	pthread_mutex_t lock;
	int list_count, watch_count;
	int64_t watch_mono_ms[64];
	char fault[512];	/* the first request that was not as it must be */
	char last_watch[1024];
	size_t piece;		/* the stream is sent in chunks of so many bytes; 0: whole */
};

static const struct step *step_at(const struct step *steps, int index)
{
	int i;

	for (i = 0; i < index && steps[i + 1].status >= 0; i++)
		;
	return &steps[i];
}

static void stream(struct scripted_request *r, const struct step *step, size_t piece)
{
	const char *at = step->body ? step->body : "";
	size_t left = strlen(at), len;

	scripted_begin(r, step->status);
	for (; left > 0; at += len, left -= len) {
		len = piece && piece < left ? piece : left;
		if (!scripted_chunk(r, at, len))
			return;
	}
	if (step->then == END)
		scripted_end(r);
	else if (step->then == RESET)
		scripted_reset(r);
	else
		scripted_silence(r);
}

static void follow_script(struct scripted_request *r)
{
	struct script *s = r->arg;
	bool is_watch = strstr(r->target, "watch=true") != NULL;
	const struct step *step;
	int index;

	pthread_mutex_lock(&s->lock);
	index = is_watch ? s->watch_count++ : s->list_count++;
	step = step_at(is_watch ? s->watches : s->lists, index);
	if (is_watch) {
		snprintf(s->last_watch, sizeof(s->last_watch), "%.1000s", r->target);
		s->watch_mono_ms[index % 64] = clock_mono_ms();
	}
	if (step->must_have && !strstr(r->target, step->must_have) && !s->fault[0])
		snprintf(s->fault, sizeof(s->fault), "%s %d: `%s` is not in %.300s", is_watch ? "watch" : "list", index,
			 step->must_have, r->target);
	pthread_mutex_unlock(&s->lock);
	if (step->status == 0)
		r->close = true;
	else if (is_watch && step->status == 200)
		stream(r, step, s->piece);
	else
		scripted_reply(r, step->status, step->headers, step->body ? step->body : "");
}

/* --- the receiving side: everything that is told, as a text ----------------------------------------------------------- */

struct told {
	struct buf text;	/* "begin a:1 end ADDED:b:2 " */
	struct buf troubles;	/* a line each */
	int trouble_count;
	int gone_tries[4];	/* failures in a row, by which the back-off goes, at each 410 */
	int gone_count;
	struct kube_watch *watch;
	int free_at, calls;	/* frees the watch at this call; 0: never */
};

static void count_call(struct told *t)
{
	if (++t->calls == t->free_at)
		kube_watch_free(steal(&t->watch));
}

static void on_begin(void *arg)
{
	struct told *t = arg;

	buf_str(&t->text, "begin ");
	count_call(t);
}

static void on_thing(void *arg, enum kube_event event, const cJSON *object)
{
	static const char *const signs[] = {[KUBE_ADDED] = "+", [KUBE_MODIFIED] = "~", [KUBE_DELETED] = "-"};
	const cJSON *metadata = json_get(object, "metadata");
	struct told *t = arg;

	buf_printf(&t->text, "%s%s:%s ", signs[event], json_get(metadata, "name")->valuestring,
		   json_get(metadata, "resourceVersion")->valuestring);
	count_call(t);
}

static void on_replaced(void *arg)
{
	struct told *t = arg;

	buf_str(&t->text, "end ");
	count_call(t);
}

static void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct told *t = arg;

	assert_true(retry_in_ms > 0);
	buf_printf(&t->troubles, "%s\n", err->msg);
	t->trouble_count++;
	if (strstr(err->msg, "410") && t->gone_count < 4)
		t->gone_tries[t->gone_count++] = t->watch->tries;
	count_call(t);
}

static const struct kube_watch_handlers handlers = {on_begin, on_thing, on_replaced, on_trouble};

struct rig {
	struct script script;
	struct scripted *server;
	struct kube *k;
	struct told told;
};

static void rig_start(struct rig *g, const struct step *lists, const struct step *watches, size_t piece)
{
	struct lm_err err;
	auto_free char *url = NULL;

	*g = (struct rig){.script = {.lists = lists, .watches = watches, .piece = piece}};
	pthread_mutex_init(&g->script.lock, NULL);
	g->server = scripted_start(follow_script, &g->script);
	url = xstrdup(scripted_url(g->server));
	g->k = kube_new(&(struct kube_config){.server = url}, "test", &err);
	g->told.watch = kube_watch_new(g->k, "/api/v1/pods", "fieldSelector=x", &handlers, &g->told);
}

static void rig_step(struct rig *g)
{
	int64_t left = g->told.watch ? kube_watch_tick(g->told.watch, clock_mono_ms()) : 10;

	kube_run(g->k, left > 20 ? 20 : left, NULL, 0);
}

static bool has_told(const struct rig *g, const char *text)
{
	return g->told.text.data && strstr(g->told.text.data, text);
}

static void run_until_told(struct rig *g, const char *text)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!has_told(g, text) && clock_mono_ms() < end)
		rig_step(g);
	if (!has_told(g, text))
		fail_msg("not told `%s` but `%s`; troubles: %s", text, g->told.text.data ? g->told.text.data : "",
			 g->told.troubles.data ? g->told.troubles.data : "");
}

static int watches_of(struct rig *g)
{
	int count;

	pthread_mutex_lock(&g->script.lock);
	count = g->script.watch_count;
	pthread_mutex_unlock(&g->script.lock);
	return count;
}

static void run_until_watches(struct rig *g, int count)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (watches_of(g) < count && clock_mono_ms() < end)
		rig_step(g);
	if (watches_of(g) < count)
		fail_msg("%d watches; troubles: %s", watches_of(g), g->told.troubles.data ? g->told.troubles.data : "");
}

static void rig_stop(struct rig *g)
{
	kube_watch_free(g->told.watch);
	kube_free(g->k);
	scripted_stop(g->server);
	if (g->script.fault[0])
		fail_msg("%s", g->script.fault);
	pthread_mutex_destroy(&g->script.lock);
	buf_free(&g->told.text);
	buf_free(&g->told.troubles);
}

#define STEPS(...) (const struct step[]){__VA_ARGS__, {.status = -1}}

static const struct step plain_list[] = {{200, LIST("5", POD("a", "3")), NULL, END, NULL}, {.status = -1}};
static const struct step quiet_watch[] = {{200, "", NULL, SILENCE, NULL}, {.status = -1}};

static int short_waits(void **state)
{
	(void)state;
	limits.backoff_ms = 10;
	limits.backoff_max_ms = 40;
	limits.timeout_s = 300;
	limits.silence_ms = 60000;
	limits.bookmark_ms = 180000;
	limits.quick_ms = 1000;
	return 0;
}

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

/* --- trouble ---------------------------------------------------------------------------------------------------------- */

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
	limits.bookmark_ms = 100;
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

	return cmocka_run_group_tests_name("kube-watch", tests, short_waits, NULL);
}
