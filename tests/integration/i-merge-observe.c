/* POST /observations of the program itself: what becomes of it, who is refused, a restart, lies, and very many posts (OBSERVE_POSTS for more than 3,000). */
#include <curl/curl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "merge/observer.h"
#include "tests/testing/fetch.h"
#include "tests/testing/testing.h"

#define NODES 3
#define WAIT_MS 30000

static char *dir, *output;
static int port;
static pid_t pid;

static void put(const char *name, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	test_write(path, text);
}

static char *get(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	return test_read(path);
}

/* A chain: 10 ms from one to the next. */
static void put_report(int node)
{
	auto_free char *name = xasprintf("nodes/edge-%d.json", node);
	auto_buf struct buf text = {0};
	int i, first = 1;

	buf_printf(&text, "{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"b\",\"seq\":1,\"interval_s\":10,\"peers\":{", node);
	for (i = 1; i <= NODES; i++)
		if (i != node) {
			buf_printf(&text, "%s\"edge-%d\":{\"rtt_us\":%d,\"jitter_us\":1,\"loss\":0}", first ? "" : ",", i, abs(i - node) * 10000);
			first = 0;
		}
	buf_str(&text, "}}");
	put(name, text.data);
}

static int new_volume(void **state)
{
	auto_free char *nodes = NULL;
	int i;

	(void)state;
	dir = xstrdup(test_folder());
	nodes = xasprintf("%s/nodes", dir);
	output = xasprintf("%s/output", dir);
	assert_int_equal(mkdir(nodes, 0755), 0);
	for (i = 1; i <= NODES; i++)
		put_report(i);
	return 0;
}

static int drop_volume(void **state)
{
	(void)state;
	free(dir);
	free(output);
	return 0;
}

static bool listens(void *unused)
{
	(void)unused;
	port = fetch_port(output);
	return port > 0 && test_count(output, "INFO merged");
}

static void start(const char *more, const char *value)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", dir, "--watch", "--interval", "1s", "--listen", "127.0.0.1:0", more, value, NULL, NULL};

	if (more && !STREQ(more, "--observations"))
		argv[10] = "--observations";
	remove(output);
	pid = test_spawn(argv, NULL, output);
	assert_true(test_wait(listens, NULL, WAIT_MS));
}

static void stop(void)
{
	assert_int_equal(test_stop(pid, SIGTERM), 0);
}

static size_t keep(char *data, size_t size, size_t count, void *arg)
{
	buf_add(arg, data, size * count);
	return size * count;
}

/* The status; *answer (may be NULL) is freed by the caller. from: the address that the connection comes from. */
static long post(const char *from, const char *header, const char *more_header, const char *body, char **answer)
{
	auto_free char *url = xasprintf("http://127.0.0.1:%d/observations", port);
	struct curl_slist *headers = curl_slist_append(NULL, header);
	CURL *curl = curl_easy_init();
	struct buf got = {0};
	long status = 0;

	headers = curl_slist_append(headers, "Expect:");
	if (more_header)
		headers = curl_slist_append(headers, more_header);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_INTERFACE, from);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (answer)
		*answer = steal(&got.data);
	buf_free(&got);
	return status;
}

#define JSON "Content-Type: application/json"

static void says(const char *from, const char *node, double ms)
{
	auto_free char *body = xasprintf("{\"observations\":[{\"group\":\"milan\",\"node\":\"%s\",\"ms\":%g,\"count\":10}]}", node, ms);
	auto_free char *answer = NULL;

	assert_int_equal(post(from, JSON, NULL, body, &answer), 200);
	assert_string_equal(answer, "{\"accepted\":1,\"refused\":0,\"reasons\":{}}\n");
}

static bool takes_the_new_token(void *unused)
{
	(void)unused;
	return post("127.0.0.9", JSON, "Authorization: Bearer 0ther", "{\"observations\":[]}", NULL) != 401;
}

static void contains(const char *text, const char *words)
{
	if (!text || !strstr(text, words))
		fail_msg("\"%s\" is not in: %s", words, text ? text : "nothing");
}

static bool is_in_metrics(void *words)
{
	auto_free char *text = fetch_ok(port, "/metrics");

	return strstr(text, words) != NULL;
}

/* A merge counts after it has written. */
static void metrics_say(const char *words)
{
	auto_free char *copy = xstrdup(words);

	if (!test_wait(is_in_metrics, copy, WAIT_MS))
		fail_msg("the metrics never said: %s", words);
}

/* --- what is waited for ---------------------------------------------------------------------------------------------- */

struct wanted {
	const char *node;
	double rtt_us, estimate_least_us;	/* NaN: no estimate */
};

static bool holds(void *arg)
{
	const struct wanted *wanted = arg;
	auto_free char *text = get("cluster-latency.json");
	struct snapshot s;
	struct lm_err err;
	bool good = false;

	if (!text || snapshot_parse(text, strlen(text), &s, &err) < 0)
		return false;
	if (s.clients.count == 1 && STREQ(s.clients.items[0], "milan")) {
		uint32_t node = names_find(&s.nodes, wanted->node);
		double estimate_us = s.client_estimate_us ? (double)s.client_estimate_us[node] : (double)NAN;

		good = fabs((double)s.client.rtt_us[node] - wanted->rtt_us) < 0.2 &&
		       (isnan(wanted->estimate_least_us) ? isnan(estimate_us) : estimate_us >= wanted->estimate_least_us);
	}
	snapshot_free(&s);
	return good;
}

static void becomes(const char *node, double rtt_us, double estimate_least_us)
{
	struct wanted wanted = {node, rtt_us, estimate_least_us};

	if (!test_wait(holds, &wanted, WAIT_MS)) {
		auto_free char *text = get("cluster-latency.json");

		fail_msg("%s is not %g: %s", node, rtt_us, text);
	}
}

/* --- tests ------------------------------------------------------------------------------------------------------------ */

static void what_users_saw_is_in_the_matrix_and_survives_a_restart(void **state)
{
	auto_free char *answer = NULL, *said = NULL, *file = NULL;
	const char *check[] = {test_program("latency-merge"), "--check", NULL, NULL};
	auto_free char *path = xasprintf("%s/observations.json", dir);

	(void)state;
	start("--observations", NULL);
	assert_int_equal(post("127.0.0.1", JSON "; charset=utf-8", NULL,
			      "{\"observations\":[{\"group\":\"milan\",\"node\":\"edge-1\",\"ms\":5,\"count\":40},{\"group\":\"milan\",\"node\":\"edge-9\",\"ms\":5},"
			      "{\"group\":\"milan\",\"node\":\"edge-2\",\"ms\":0},{\"group\":\"milan\",\"ms\":5}]}", &answer), 200);
	assert_string_equal(answer, "{\"accepted\":1,\"refused\":3,\"reasons\":{\"malformed\":1,\"range\":1,\"unknown_node\":1}}\n");
	becomes("edge-1", 5000, (double)NAN);
	becomes("edge-2", 15000, 5000);
	metrics_say("latency_merge_observations_accepted_total 1\n");
	metrics_say("latency_merge_observations_refused_total{reason=\"range\"} 1\n");
	metrics_say("latency_merge_client_cells{kind=\"estimated\"} 2\n");
	says("127.0.0.1", "edge-3", 25);			/* since the last merge, perhaps */
	stop();
	check[2] = path;
	assert_int_equal(test_run(check, 10, &said), 0);
	contains(said, "ok (observations of 1 reporters, 2 figures)");
	put("cluster-latency.json", "{}");
	start("--observations", NULL);
	becomes("edge-1", 5000, (double)NAN);
	becomes("edge-3", 25000, (double)NAN);
	stop();
	put("observations.json", "{\"version\":1,\"reporters\":{\"10.0.0.1\":{\"milan\":{\"edge-1\":[12,40,0]}},\"nobody\":{}}}");
	start("--observations", NULL);
	says("127.0.0.1", "edge-2", 7);
	becomes("edge-2", 7000, (double)NAN);
	becomes("edge-1", 17000, 1);
	stop();
	file = test_read(output);
	contains(file, "earlier observations are lost");
	contains(file, "nobody");
	assert_null(strstr(strstr(file, "observations are lost") + 1, "observations are lost"));
}

static void who_is_refused(void **state)
{
	auto_free char *token = xasprintf("%s/token", dir), *large = xcalloc(1, OBSERVE_POST_BYTES + 2), *answer = NULL, *said = NULL;
	static const char good[] = "{\"observations\":[]}";
	const char *no_listen[] = {test_program("latency-merge"), "--dir", dir, "--watch", "--observations", NULL};
	const char *no_token[] = {test_program("latency-merge"), "--dir", dir, "--watch", "--listen", "127.0.0.1:0", "--observations",
				  "--observations-token-file", token, NULL};

	(void)state;
	assert_int_equal(test_run(no_listen, 10, &said), 64);
	contains(said, "--observations: needs --watch and --listen");
	assert_int_equal(test_run(no_token, 10, NULL), 66);
	put("token", " \n");
	assert_int_equal(test_run(no_token, 10, NULL), 65);
	put("token", "s3cret\n");
	start("--observations-token-file", token);
	assert_int_equal(post("127.0.0.1", JSON, NULL, good, NULL), 401);
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: Bearer s3cres", good, NULL), 401);
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: Basic s3cret", good, NULL), 401);
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: bearer s3cret", good, &answer), 200);
	assert_string_equal(answer, "{\"accepted\":0,\"refused\":0,\"reasons\":{}}\n");
	assert_int_equal(post("127.0.0.1", "Content-Type: text/plain", "Authorization: Bearer s3cret", good, NULL), 415);
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: Bearer s3cret", "{\"observations\":[NaN]}", NULL), 400);
	put("token", "0ther");
	assert_true(test_wait(takes_the_new_token, NULL, WAIT_MS));
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: Bearer s3cret", good, NULL), 401);
	memset(large, ' ', OBSERVE_POST_BYTES + 1);
	assert_int_equal(post("127.0.0.1", JSON, "Authorization: Bearer 0ther", large, NULL), 413);
	stop();
	start(NULL, NULL);
	assert_int_equal(post("127.0.0.1", JSON, NULL, good, NULL), 413);	/* no body is taken for anything */
	assert_int_equal(post("127.0.0.1", JSON, NULL, "", NULL), 404);
	stop();
}

/* Two honest ones, and one that says 50 us and a minute by turns. */
static void a_liar_among_three(void **state)
{
	(void)state;
	start("--observations", NULL);
	says("127.0.0.1", "edge-1", 5);
	says("127.0.0.2", "edge-1", 5.5);
	says("127.0.0.66", "edge-1", 0.05);
	says("127.0.0.66", "edge-3", 0.05);
	becomes("edge-1", 5000, (double)NAN);
	becomes("edge-3", 25000, 5000);			/* one word among three cannot make it nearer than edge-1's users allow */
	says("127.0.0.66", "edge-3", 60000);
	says("127.0.0.1", "edge-3", 25);
	says("127.0.0.2", "edge-3", 25.5);
	becomes("edge-3", 25500, (double)NAN);
	stop();
}

/* One connection, as fast as it goes. What is over the rate is refused, moves nothing, and the others are served. */
static void very_many_posts(void **state)
{
	const char *more = getenv("OBSERVE_POSTS");
	int count = more ? atoi(more) : 3000, i, accepted = 0, limited = 0;
	auto_free char *url = NULL, *limited_words = NULL;
	struct curl_slist *headers = curl_slist_append(NULL, JSON);
	CURL *curl = curl_easy_init();
	int64_t begun_ms;
	double seconds;

	(void)state;
	start("--observations", NULL);
	says("127.0.0.1", "edge-2", 9);
	url = xasprintf("http://127.0.0.1:%d/observations", port);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_INTERFACE, "127.0.0.66");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{\"observations\":[{\"group\":\"milan\",\"node\":\"edge-1\",\"ms\":0.05,\"count\":1000000000}]}");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	begun_ms = clock_mono_ms();
	for (i = 0; i < count; i++) {
		struct buf got = {0};
		long status = 0;

		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
		assert_int_equal(curl_easy_perform(curl), CURLE_OK);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		accepted += status == 200;
		limited += status == 429;
		buf_free(&got);
	}
	seconds = (double)(clock_mono_ms() - begun_ms) / 1e3;
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	printf("# %d posts in %.2f s, %d taken, %d refused\n", count, seconds, accepted, limited);
	assert_int_equal(accepted + limited, count);
	assert_true(accepted >= (int)OBSERVER_BURST && accepted <= OBSERVER_BURST + OBSERVER_RATE * seconds + 1);
	says("127.0.0.2", "edge-2", 9.5);
	becomes("edge-2", 9500, (double)NAN);
	becomes("edge-1", 19500, 1);
	limited_words = xasprintf("latency_merge_observations_posts_total{result=\"limited\"} %d\n", limited);
	metrics_say(limited_words);
	stop();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, new_volume, drop_volume)
	const struct CMUnitTest tests[] = {
		T(what_users_saw_is_in_the_matrix_and_survives_a_restart), T(who_is_refused), T(a_liar_among_three), T(very_many_posts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
