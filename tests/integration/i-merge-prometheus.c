/* latency-merge and a Prometheus that is a script of the test: what is asked, and that nothing it does or fails to do stops or delays a merge. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "merge/prometheus.h"
#include "tests/testing/fetch.h"
#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define VECTOR(result) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" result "]}}"
#define SAMPLE(node, value) "{\"metric\":{\"node\":\"" node "\"},\"value\":[1764443700.781,\"" value "\"]}"
#define TWO VECTOR(SAMPLE("edge-1", "812.5") "," SAMPLE("edge-2", "79.1"))
#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

enum mode { ANSWERS, SILENT, ZEROS, STUCK, TRICKLES, GARBAGE, HUGE_BODY, REDIRECT, BAD_QUERY, PROXY_PAGE, RESETS, STRANGER, NO_NODE };

static struct scripted *prometheus;
static _Atomic int mode;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char asked[2][4096], token[1024];	/* of the last requests, with the lock */
static _Atomic int asked_count;
static const char *dir;

static void trickle(struct scripted_request *r)
{
	scripted_begin(r, 200);
	while (scripted_chunk(r, " ", 1))
		usleep(100000);
	r->close = true;
}

static void huge(struct scripted_request *r)
{
	auto_buf struct buf text = {0};

	buf_str(&text, "{\"status\":\"success\",\"x\":\"");
	while (text.len < PROMETHEUS_MAX_BYTES + 100000)
		buf_str(&text, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	buf_str(&text, "\",\"data\":{\"resultType\":\"vector\",\"result\":[" SAMPLE("edge-1", "1") "]}}");
	scripted_reply(r, 200, NULL, text.data);
}

static void answer(struct scripted_request *r)
{
	int at = atomic_fetch_add(&asked_count, 1) % 2;

	pthread_mutex_lock(&lock);
	snprintf(asked[at], sizeof(asked[at]), "%s", r->target);
	snprintf(token, sizeof(token), "%s", r->token);
	pthread_mutex_unlock(&lock);
	switch ((enum mode)atomic_load(&mode)) {
	case ANSWERS: scripted_reply(r, 200, NULL, TWO); break;
	case SILENT: scripted_reply(r, 200, NULL, VECTOR("")); break;
	case ZEROS: scripted_reply(r, 200, NULL, VECTOR(SAMPLE("edge-1", "0") "," SAMPLE("edge-2", "0"))); break;
	case STUCK: scripted_silence(r); break;
	case TRICKLES: trickle(r); break;
	case GARBAGE: scripted_reply(r, 200, NULL, "\001\377{]"); break;
	case HUGE_BODY: huge(r); break;
	case REDIRECT: scripted_reply(r, 302, "Location: http://127.0.0.1:1/\r\n", ""); break;
	case BAD_QUERY: scripted_reply(r, 422, NULL, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series\"}"); break;
	case PROXY_PAGE: scripted_reply(r, 503, NULL, "<html>no upstream\n</html>"); break;
	case RESETS: scripted_reset(r); break;
	case STRANGER: scripted_reply(r, 200, NULL, VECTOR(SAMPLE("edge-1", "1") "," SAMPLE("edge-9", "5"))); break;
	case NO_NODE: scripted_reply(r, 200, NULL, VECTOR("{\"metric\":{\"instance\":\"10.0.0.1:9100\"},\"value\":[1,\"4\"]}")); break;
	}
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
	auto_free char *path = path_of(name);

	test_write(path, text);
}

static void put_report(int node, int seq)
{
	auto_free char *name = xasprintf("nodes/edge-%d.json", node);
	auto_free char *text = xasprintf("{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"b\",\"seq\":%d,\"interval_s\":10,\"load\":{\"cpu\":0.5,"
					 "\"rx_bytes_per_s\":700,\"tx_bytes_per_s\":300},\"peers\":{\"edge-%d\":{\"rtt_us\":500,\"jitter_us\":1,\"loss\":0}}}",
					 node, seq, node == 1 ? 2 : 1);

	put(name, text);
}

static int begin(void **state)
{
	auto_free char *nodes = NULL;

	(void)state;
	dir = test_folder();
	nodes = path_of("nodes");
	assert_int_equal(mkdir(nodes, 0755), 0);
	put_report(1, 1);
	put_report(2, 1);
	atomic_store(&mode, ANSWERS);
	atomic_store(&asked_count, 0);
	memset(asked, 0, sizeof(asked));
	prometheus = scripted_start(answer, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	scripted_stop(prometheus);
	return 0;
}

static char *merge(const char *const *more)
{
	const char *argv[16] = {test_program("latency-merge"), "--dir", dir};
	int count = 3, code;
	char *said;

	for (; *more; more++)
		argv[count++] = *more;
	code = test_run(argv, 60, &said);
	if (code)
		fail_msg("exit code %d: %s", code, said);
	return said;
}

static void merge_says(const char *words)
{
	auto_free char *said = merge(WORDS("--prometheus-url", scripted_url(prometheus)));

	if (!strstr(said, words) || !strstr(said, " merged"))
		fail_msg("\"%s\" is not in: %s", words, said);
}

static struct snapshot load(void)
{
	auto_free char *path = path_of("cluster-latency.json"), *text = test_read(path);
	struct snapshot s;
	struct lm_err err;

	assert_non_null(text);
	if (snapshot_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

/* By node, NaN: not an entry node. */
static void enters(double edge_1, double edge_2)
{
	const double wanted[] = {edge_1, edge_2};
	auto_snapshot struct snapshot s = load();
	int i;

	for (i = 0; i < 2; i++) {
		auto_free char *name = xasprintf("edge-%d", i + 1);
		uint32_t at = names_find(&s.entry.nodes, name);

		if (isnan(wanted[i]) != (at == NAMES_NONE) || (at != NAMES_NONE && fabs(s.entry.rate[at] - wanted[i]) > 1e-6))
			fail_msg("%s: %g, not %g", name, at == NAMES_NONE ? (double)NAN : s.entry.rate[at], wanted[i]);
	}
}

static double age_s(void)
{
	auto_snapshot struct snapshot s = load();

	return s.entry.age_s;
}

/* The state was written so much earlier. */
static void earlier(int seconds)
{
	auto_free char *path = path_of("merge-state.json");

	test_age(path, seconds);
	assert_int_equal(chmod(path, 0644), 0);
}

/* --- what is asked, and what becomes of the answer -------------------------------------------------------------------- */

static void the_default_query_goes_out_escaped_and_its_rates_are_in_the_file(void **state)
{
	(void)state;
	merge_says("merged");
	enters(812.5, 79.1);
	assert_true(age_s() < 5);
	pthread_mutex_lock(&lock);
	assert_string_equal(asked[0], "/api/v1/query?timeout=5s&query=sum%20by%20%28node%29%20%28rate%28traefik_entrypoint_requests_total%5B1m%5D%29%29");
	assert_string_equal(token, "");
	pthread_mutex_unlock(&lock);
	assert_int_equal(atomic_load(&asked_count), 1);
}

static void path_token_and_queries_are_the_users(void **state)
{
	auto_free char *url = xasprintf("%s/metrics/", scripted_url(prometheus)), *file = path_of("token"), *said = NULL;
	auto_snapshot struct snapshot s = {0};
	const char *one, *two;

	(void)state;
	test_write(file, "secret-1\n");
	said = merge(WORDS("--prometheus-url", url, "--prometheus-token-file", file, "--entry-query", "a{b=\"c&d\"}+1", "--traffic-query", "\xc3\xa4%"));
	pthread_mutex_lock(&lock);
	one = strstr(asked[0], "%C3") ? asked[1] : asked[0];
	two = one == asked[0] ? asked[1] : asked[0];
	assert_string_equal(one, "/metrics/api/v1/query?timeout=5s&query=a%7Bb%3D%22c%26d%22%7D%2B1");
	assert_string_equal(two, "/metrics/api/v1/query?timeout=5s&query=%C3%A4%25");
	assert_string_equal(token, "secret-1");
	pthread_mutex_unlock(&lock);
	s = load();
	assert_true(s.load[0].rx_bytes_per_s == 813 && s.load[0].tx_bytes_per_s == 0 && s.load[1].rx_bytes_per_s == 79);
}

static void without_a_query_nothing_is_asked(void **state)
{
	auto_free char *said = NULL;

	(void)state;
	said = merge(WORDS("--prometheus-url", scripted_url(prometheus), "--entry-query", "none"));
	assert_int_equal(atomic_load(&asked_count), 0);
	enters(NAN, NAN);
}

/* --- what it does wrong ----------------------------------------------------------------------------------------------- */

static void trouble_of_any_kind_changes_nothing(void **state)
{
	static const struct {
		enum mode mode;
		const char *words;
	} each[] = {
		{SILENT, "nothing is there"}, {ZEROS, "nothing is there"}, {GARBAGE, "column 1"}, {HUGE_BODY, "larger than 8388608 bytes"},
		{REDIRECT, "HTTP status 302: redirects are not followed"}, {BAD_QUERY, "HTTP status 422: execution: found duplicate series"},
		{PROXY_PAGE, "HTTP status 503"}, {RESETS, "where traffic enters is not known now"}, {NO_NODE, "without_node=1"},
	};
	size_t i;

	(void)state;
	merge_says("merged");
	for (i = 0; i < ARRAY_SIZE(each); i++) {
		atomic_store(&mode, (int)each[i].mode);
		put_report(1, 2 + (int)i);
		merge_says(each[i].words);
		enters(812.5, 79.1);
	}
	atomic_store(&mode, ANSWERS);
	earlier(30);
	merge_says("merged");
	assert_true(age_s() < 5);
}

static void one_that_is_down_is_kept_aged_and_dropped_with_a_warning(void **state)
{
	auto_free char *down = xstrdup("http://127.0.0.1:1"), *kept = NULL, *dropped = NULL, *later = NULL;

	(void)state;
	merge_says("merged");
	earlier(100);
	kept = merge(WORDS("--prometheus-url", down));
	assert_non_null(strstr(kept, "where traffic enters is not known now: what was known stays for a while error=\"http://127.0.0.1:1: connect: Connection refused\""));
	enters(812.5, 79.1);
	assert_true(age_s() >= 100 && age_s() < 130);
	assert_null(strstr(kept, "dropped"));
	earlier(510);
	dropped = merge(WORDS("--prometheus-url", down));
	assert_non_null(strstr(dropped, "WARN where traffic enters is dropped"));
	enters(NAN, NAN);
	later = merge(WORDS("--prometheus-url", down));
	assert_null(strstr(later, "dropped"));
}

/* Both queries hang, or drip: together they cost the limit, once. */
static void one_that_hangs_costs_five_seconds(void **state)
{
	static const enum mode each[] = {STUCK, TRICKLES};
	size_t i;

	(void)state;
	merge_says("merged");
	for (i = 0; i < ARRAY_SIZE(each); i++) {
		int64_t begin_ms = clock_mono_ms();
		auto_free char *said = NULL;

		atomic_store(&mode, (int)each[i]);
		said = merge(WORDS("--prometheus-url", scripted_url(prometheus), "--traffic-query", "x"));
		test_deadline("a merge beside a Prometheus that hangs", (double)(clock_mono_ms() - begin_ms) / 1e3, 6, "s");
		assert_non_null(strstr(said, "where traffic enters is not known now"));
		assert_non_null(strstr(said, "traffic by node is not known now"));
		assert_non_null(strstr(said, "merged nodes=2"));
		enters(812.5, 79.1);
	}
}

static void a_stranger_is_left_out_and_named(void **state)
{
	(void)state;
	atomic_store(&mode, STRANGER);
	merge_says("traffic of a node that does not belong to the mesh query=\"where traffic enters\" node=edge-9");
	enters(1, NAN);
}

static void a_token_that_is_not_there_is_said(void **state)
{
	auto_free char *file = path_of("no-token"), *said = NULL;

	(void)state;
	said = merge(WORDS("--prometheus-url", scripted_url(prometheus), "--prometheus-token-file", file));
	assert_non_null(strstr(said, "no-token"));
	assert_int_equal(atomic_load(&asked_count), 0);
}

/* --- a file instead --------------------------------------------------------------------------------------------------- */

static void a_file_is_followed_and_a_bad_one_changes_nothing(void **state)
{
	auto_free char *file = path_of("entry.json"), *first = NULL, *second = NULL, *bad = NULL, *gone = NULL;
	const char *const words[] = {"--entry-file", file, NULL};

	(void)state;
	test_write(file, "{\"edge-1\": 3, \"edge-2\": 1}");
	first = merge(words);
	enters(3, 1);
	earlier(1000);
	second = merge(words);
	enters(3, 1);
	assert_true(age_s() < 5);
	test_write(file, "edge-2: 1\n");
	free(steal(&second));
	second = merge(words);
	enters(NAN, 1);
	test_write(file, "{\"edge-1\": -3}");
	bad = merge(words);
	assert_non_null(strstr(bad, "edge-1: -3 is not in 0..1e+13"));
	enters(NAN, 1);
	assert_int_equal(unlink(file), 0);
	gone = merge(words);
	assert_non_null(strstr(gone, "No such file"));
	enters(NAN, 1);
}

/* --- a merger that stays ---------------------------------------------------------------------------------------------- */

static char *output;

static int lines_with(const char *words)
{
	return test_count(output, words);
}

static int wanted_merges;

static bool merged_enough(void *unused)
{
	(void)unused;
	return lines_with(" merged nodes=") >= wanted_merges;
}

static void merges_more(int count)
{
	wanted_merges = lines_with(" merged nodes=") + count;
	assert_true(test_wait(merged_enough, NULL, 60000));
}

/* What /metrics says of one line; NaN: no such line. */
static double metric(const char *line)
{
	auto_free char *body = fetch_ok(fetch_port(output), "/metrics");
	const char *at = strstr(body, line);

	return at ? atof(at + strlen(line)) : (double)NAN;
}

static void going_and_coming_back_is_said_once_each(void **state)
{
	pid_t pid;

	(void)state;
	output = path_of("output");
	pid = test_spawn(WORDS(test_program("latency-merge"), "--dir", dir, "--watch", "--interval", "1s", "--listen", "127.0.0.1:0",
			       "--prometheus-url", scripted_url(prometheus)), NULL, output);
	merges_more(2);
	assert_true(metric("\nlatency_merge_entry_nodes ") == 2);
	atomic_store(&mode, PROXY_PAGE);
	merges_more(2);
	atomic_store(&mode, GARBAGE); /* other words for the same trouble */
	merges_more(2);
	atomic_store(&mode, ANSWERS);
	merges_more(2);
	atomic_store(&mode, STRANGER);
	merges_more(3);
	assert_int_equal(lines_with("where traffic enters is not known now"), 1);
	assert_int_equal(lines_with("where traffic enters is known again"), 1);
	assert_int_equal(lines_with("node=edge-9"), 1);
	assert_true(metric("\nlatency_merge_entry_queries_total{result=\"ok\"} ") >= 7 && metric("\nlatency_merge_entry_queries_total{result=\"failed\"} ") >= 4);
	assert_true(metric("\nlatency_merge_entry_samples_unused_total{reason=\"unknown_node\"} ") >= 3);
	assert_true(metric("\nlatency_merge_entry_age_seconds ") < 5);
	atomic_store(&mode, STUCK);
	test_wait(merged_enough, NULL, 2000); /* so that it hangs now */
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	assert_int_equal(lines_with("ERROR"), 0);
	free(steal(&output));
}

static bool is_asked_again(void *before)
{
	return atomic_load(&asked_count) > *(int *)before;
}

static void the_end_does_not_wait_for_a_prometheus(void **state)
{
	int64_t begin_ms;
	int before = 0;
	pid_t pid;

	(void)state;
	output = path_of("output");
	atomic_store(&mode, STUCK);
	pid = test_spawn(WORDS(test_program("latency-merge"), "--dir", dir, "--watch", "--prometheus-url", scripted_url(prometheus)), NULL, output);
	assert_true(test_wait(is_asked_again, &before, 30000));
	begin_ms = clock_mono_ms();
	assert_int_equal(test_stop(pid, SIGTERM), 0);
	test_deadline("SIGTERM during a query to the end", (double)(clock_mono_ms() - begin_ms), 500, "ms");
	free(steal(&output));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_default_query_goes_out_escaped_and_its_rates_are_in_the_file, begin, end),
		cmocka_unit_test_setup_teardown(path_token_and_queries_are_the_users, begin, end),
		cmocka_unit_test_setup_teardown(without_a_query_nothing_is_asked, begin, end),
		cmocka_unit_test_setup_teardown(trouble_of_any_kind_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_down_is_kept_aged_and_dropped_with_a_warning, begin, end),
		cmocka_unit_test_setup_teardown(one_that_hangs_costs_five_seconds, begin, end),
		cmocka_unit_test_setup_teardown(a_stranger_is_left_out_and_named, begin, end),
		cmocka_unit_test_setup_teardown(a_token_that_is_not_there_is_said, begin, end),
		cmocka_unit_test_setup_teardown(a_file_is_followed_and_a_bad_one_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(going_and_coming_back_is_said_once_each, begin, end),
		cmocka_unit_test_setup_teardown(the_end_does_not_wait_for_a_prometheus, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
