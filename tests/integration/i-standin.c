/*
 * What only the stand-in has: faults on demand, its log, compaction, cut watches, a token, https, its state file; and that it is fast enough for
 * what is tested with it. What it shares with a real server is in i-client.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/standin.h"

static struct standin api;
static const char ns[] = "default";

#include "tests/integration/client/helpers.c"

static int begin(void **state)
{
	(void)state;
	standin_start(&api, (const char *const[]){"--bookmark-interval", "200ms", "--history", "500", NULL});
	return 0;
}

static int end(void **state)
{
	(void)state;
	standin_stop(&api);
	return 0;
}

/* One rule with count 1 for bindings. */
static void one_fault(const char *action)
{
	auto_free char *rules = xasprintf("{\"rules\":[{\"path\":\"*/binding\",\"count\":1,%s}]}", action);

	standin_faults(&api, rules);
}

struct outcome {
	bool done;
	int status;
	int64_t retry_after_ms;
};

static void on_outcome(void *arg, const struct kube_response *response)
{
	struct outcome *o = arg;

	o->done = true;
	o->status = response->status;
	o->retry_after_ms = response->retry_after_ms;
}

/* Binds a new pod under a fault; the status that was seen (0: no answer), and whether it was done. */
static int bind_under(const char *pod, bool *bound, int64_t *retry_after_ms)
{
	auto_free char *rest = xasprintf("%s/binding", pod), *path = pods(rest);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"target\":{\"name\":\"n\"}}", pod);
	struct outcome o = {.done = false};
	auto_json cJSON *after = NULL;

	new_pod(pod, "");
	kube_send(api.kube, &(struct kube_request){.method = "POST", .path = path, .body = body, .timeout_ms = 10000}, on_outcome, &o);
	while (!o.done)
		kube_run(api.kube, 100, NULL, 0);
	after = get_pod(pod);
	*bound = *text_at(after, "spec.nodeName");
	*retry_after_ms = o.retry_after_ms;
	drop_pod(pod);
	return o.status;
}

static void faults_come_before_or_after_the_commit(void **state)
{
	static const struct {
		const char *rule;
		int status;
		bool done;
		int64_t retry_after_ms;
	} cases[] = {
		{"\"action\":\"drop\"", 0, false, -1}, {"\"action\":\"drop\",\"when\":\"after\"", 0, true, -1},
		{"\"action\":\"reset\"", 0, false, -1}, {"\"action\":\"reset\",\"when\":\"after\"", 0, true, -1},
		{"\"action\":\"status\",\"status\":409", 409, false, -1},
		{"\"action\":\"status\",\"status\":429,\"retryAfter\":\"2\"", 429, false, 2000},
		{"\"action\":\"status\",\"status\":500", 500, false, -1},
		{"\"action\":\"status\",\"status\":500,\"when\":\"after\"", 500, true, -1},
		{"\"action\":\"status\",\"status\":503,\"retryAfter\":\"soon\"", 503, false, -1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *pod = xasprintf("fault-%zu", i);
		int64_t retry_after_ms;
		bool done;

		one_fault(cases[i].rule);
		assert_int_equal(bind_under(pod, &done, &retry_after_ms), cases[i].status);
		assert_int_equal(done, cases[i].done);
		assert_int_equal(retry_after_ms, cases[i].retry_after_ms);
	}
}

static void on_status_text(void *arg, const struct kube_response *response)
{
	kube_status_text(response, arg, 128);
}

/* As a real server says it (--max-requests-inflight), and priority and fairness do: no Status object. */
static void too_many_requests_is_plain_text(void **state)
{
	char said[128] = "";

	(void)state;
	standin_faults(&api, "{\"rules\":[{\"verb\":\"list\",\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\",\"count\":1}]}");
	kube_send(api.kube, &(struct kube_request){.method = "GET", .path = "/api/v1/nodes", .timeout_ms = 10000}, on_status_text, said);
	while (!*said)
		kube_run(api.kube, 100, NULL, 0);
	assert_string_equal(said, "429: Too many requests, please try again later.");
}

static void a_delay_delays_and_a_rule_ends_after_its_count(void **state)
{
	int64_t began, retry_after_ms;
	bool done;

	(void)state;
	one_fault("\"action\":\"delay\",\"delay_ms\":300");
	began = clock_mono_ms();
	assert_int_equal(bind_under("delay-1", &done, &retry_after_ms), 201);
	assert_true(clock_mono_ms() - began >= 300);
	one_fault("\"action\":\"drop\"");
	assert_int_equal(bind_under("delay-2", &done, &retry_after_ms), 0);
	assert_int_equal(bind_under("delay-2", &done, &retry_after_ms), 201);
}

static void rules_choose_by_method_path_and_verb(void **state)
{
	auto_free char *collection = pods("");
	int status;

	(void)state;
	standin_faults(&api, "{\"rules\":[{\"verb\":\"list\",\"path\":\"*/pods\",\"action\":\"status\",\"status\":503}]}");
	pod_do(404, "GET", "nobody", NULL);
	cJSON_Delete(standin_call(&api, "GET", collection, NULL, &status));
	assert_int_equal(status, 503);
	cJSON_Delete(standin_call(&api, "GET", "/api/v1/nodes", NULL, &status));
	assert_int_equal(status, 200);
	standin_faults(&api, "{\"rules\":[{\"method\":\"DELETE\",\"action\":\"status\",\"status\":403}]}");
	pod_do(200, "GET", "", NULL);
	pod_do(403, "DELETE", "nobody", NULL);
	standin_faults(&api, "{\"rules\":[]}");
	pod_do(404, "DELETE", "nobody", NULL);
}

static void the_dice_fall_as_they_are_told(void **state)
{
	int i, round, hits[2] = {0};

	(void)state;
	for (round = 0; round < 2; round++) {
		standin_faults(&api, "{\"seed\":7,\"rules\":[{\"verb\":\"get\",\"action\":\"status\",\"status\":500,\"probability\":0.3}]}");
		for (i = 0; i < 200; i++) {
			auto_free char *path = pods("nobody");
			int status;

			cJSON_Delete(standin_call(&api, "GET", path, NULL, &status));
			hits[round] += status == 500;
		}
	}
	standin_faults(&api, "{\"rules\":[]}");
	assert_int_equal(hits[0], hits[1]);
	assert_in_range(hits[0], 30, 90);
}

static void bad_rules_are_refused_and_the_old_ones_stay(void **state)
{
	static const char *const bad[] = {"", "{}", "{\"rules\":1}", "{\"rules\":[1]}", "{\"rules\":[{\"action\":\"explode\"}]}",
					  "{\"rules\":[{\"action\":\"status\"}]}", "{\"rules\":[{\"action\":\"drop\",\"when\":\"never\"}]}",
					  "{\"rules\":[{\"action\":\"drop\",\"probability\":2}]}", "{\"rules\":[{\"action\":\"drop\",\"verb\":\"x\"}]}"};
	size_t i;

	(void)state;
	standin_faults(&api, "{\"rules\":[{\"path\":\"*/nodes\",\"action\":\"status\",\"status\":503}]}");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		standin_do(&api, 400, "POST", "/standin/faults", bad[i]);
	standin_do(&api, 503, "GET", "/api/v1/nodes", NULL);
	standin_faults(&api, "{\"rules\":[]}");
	standin_do(&api, 200, "GET", "/api/v1/nodes", NULL);
}

static void the_log_has_every_write_and_its_outcome(void **state)
{
	auto_json cJSON *line = NULL;
	auto_free char *before = NULL, *log = NULL, *since = NULL;
	size_t lines = 0;
	char *at;

	(void)state;
	new_pod("logged", "");
	before = standin_text(&api, "/standin/log");
	for (at = before; (at = strchr(at, '\n')); at++)
		lines++;
	one_fault("\"action\":\"drop\",\"when\":\"after\"");
	drop_pod("logged");
	new_pod("logged", "");
	{
		auto_free char *rest = xasprintf("logged/binding"), *path = pods(rest);
		struct outcome o = {.done = false};

		kube_send(api.kube, &(struct kube_request){.method = "POST", .path = path, .timeout_ms = 10000,
							   .body = "{\"metadata\":{\"name\":\"logged\"},\"target\":{\"name\":\"edge\"}}"}, on_outcome, &o);
		while (!o.done)
			kube_run(api.kube, 100, NULL, 0);
	}
	since = xasprintf("/standin/log?since=%zu", lines + 2);
	log = standin_text(&api, since);
	line = cJSON_Parse(log);
	assert_int_equal(cJSON_GetNumberValue(item_at(line, "seq")), lines + 3);
	assert_string_equal(text_at(line, "method"), "POST");
	assert_string_equal(text_at(line, "path"), "/api/v1/namespaces/default/pods/logged/binding");
	assert_int_equal(cJSON_GetNumberValue(item_at(line, "code")), 0);
	assert_true(cJSON_IsTrue(item_at(line, "committed")));
	assert_string_equal(text_at(line, "fault"), "drop");
	assert_string_equal(text_at(line, "pod"), "default/logged");
	assert_string_equal(text_at(line, "node"), "edge");
	assert_int_equal(strlen(text_at(line, "uid")), 36);
	drop_pod("logged");
}

static void compaction_ends_old_versions(void **state)
{
	auto_free char *old = NULL, *rest = NULL, *path = NULL, *page_path = NULL, *more = NULL;
	auto_json cJSON *event = NULL, *page = NULL, *expired = NULL, *others = NULL;
	struct stream s;

	(void)state;
	new_pod("old-1", "");
	new_pod("old-2", "");
	old = version_now();
	page = pod_call(200, "GET", "?limit=1", NULL);
	new_pod("old-3", "");
	standin_do(&api, 200, "POST", "/standin/compact", NULL);
	rest = xasprintf("?watch=1&resourceVersion=%s", old);
	path = pods(rest);
	stream_open(&s, path);
	event = stream_next(&s);
	assert_string_equal(text_at(event, "type"), "ERROR");
	assert_int_equal(cJSON_GetNumberValue(item_at(event, "object.code")), 410);
	assert_null(stream_next(&s));
	stream_close(&s);
	page_path = xasprintf("?limit=1&continue=%s", text_at(page, "metadata.continue"));
	expired = pod_call(410, "GET", page_path, NULL);
	assert_string_equal(text_at(expired, "reason"), "Expired");
	more = xasprintf("?continue=%s", text_at(expired, "metadata.continue"));	/* the rest, as it is now */
	others = pod_call(200, "GET", more, NULL);
	assert_int_equal(cJSON_GetArraySize(item_at(others, "items")), 2);
	drop_pod("old-1");
	drop_pod("old-2");
	drop_pod("old-3");
}

static void the_history_is_bounded(void **state)
{
	auto_free char *old = version_now(), *rest = xasprintf("?watch=1&resourceVersion=%s", old), *path = pods(rest);
	auto_json cJSON *event = NULL;
	struct stream s;
	int i;

	(void)state;
	new_pod("many", "");
	for (i = 0; i < 520; i++) {
		auto_free char *body = xasprintf("{\"metadata\":{\"labels\":{\"n\":\"%d\"}}}", i);

		pod_do(200, "PATCH", "many", body);
	}
	stream_open(&s, path);
	event = stream_next(&s);
	assert_string_equal(text_at(event, "type"), "ERROR");
	stream_close(&s);
	drop_pod("many");
}

static void watches_can_be_ended_and_cut(void **state)
{
	auto_free char *path = pods("?watch=1");
	struct stream ended, cut;

	(void)state;
	new_pod("cut", "");
	stream_open(&ended, path);
	stream_expect(&ended, "ADDED", "cut");
	standin_do(&api, 200, "POST", "/standin/close", NULL);
	assert_null(stream_next(&ended));
	assert_int_equal(ended.status, 200);
	stream_open(&cut, path);
	stream_expect(&cut, "ADDED", "cut");
	standin_do(&api, 200, "POST", "/standin/close?cut=1", NULL);
	assert_null(stream_next(&cut));
	assert_int_equal(cut.status, 0);
	stream_close(&ended);
	stream_close(&cut);
	drop_pod("cut");
}

/* Twenty-five watchers see the same thousand pods bound, in the same order. The figure is printed; about half a second is usual. */
static void a_thousand_bindings_before_many_watchers(void **state)
{
	enum { WATCHERS = 25, COUNT = 1000, AT_ONCE = 16 };
	auto_free char *now = NULL, *path = NULL;
	struct stream watchers[WATCHERS];
	struct outcome *outcomes = xcalloc(COUNT, sizeof(*outcomes));
	int64_t began;
	int i, k;

	(void)state;
	for (i = 0; i < COUNT; i++) {
		auto_free char *name = xasprintf("load-%04d", i);

		new_pod(name, "");
	}
	now = version_now();
	path = xasprintf("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%%21%%3D&resourceVersion=%s", now);
	for (i = 0; i < WATCHERS; i++)
		stream_open(&watchers[i], path);
	began = clock_mono_us();
	for (i = 0; i < COUNT || kube_in_flight(api.kube) > WATCHERS;) {
		if (i < COUNT && kube_in_flight(api.kube) < WATCHERS + AT_ONCE) {
			auto_free char *rest = xasprintf("load-%04d/binding", i), *to = pods(rest);
			auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"load-%04d\"},\"target\":{\"name\":\"n\"}}", i);

			kube_send(api.kube, &(struct kube_request){.method = "POST", .path = to, .body = body, .timeout_ms = 30000}, on_outcome,
				  &outcomes[i++]);
		} else {
			kube_run(api.kube, 100, NULL, 0);
		}
	}
	printf("# 1,000 bindings before 25 watchers: %.3f s\n", (double)(clock_mono_us() - began) / 1e6);
	for (k = 0; k < COUNT; k++)
		assert_int_equal(outcomes[k].status, 201);
	for (k = 0; k < COUNT; k++) {
		auto_json cJSON *first = stream_next(&watchers[0]);

		while (STREQ(text_at(first, "type"), "BOOKMARK")) {
			cJSON_Delete(first);
			first = stream_next(&watchers[0]);
		}
		assert_string_equal(text_at(first, "type"), "ADDED");
		for (i = 1; i < WATCHERS; i++)
			stream_expect(&watchers[i], "ADDED", text_at(first, "object.metadata.name"));
	}
	for (i = 0; i < WATCHERS; i++)
		stream_close(&watchers[i]);
	free(outcomes);
	pod_do(200, "DELETE", "?gracePeriodSeconds=0", NULL);
}

static void an_event_comes_at_once(void **state)
{
	auto_free char *path = pods("?watch=1&resourceVersion=0");
	int64_t began;
	struct stream s;

	(void)state;
	new_pod("first", "");
	stream_open(&s, path);
	stream_expect(&s, "ADDED", "first");
	new_pod("second", "");
	began = clock_mono_us();
	stream_expect(&s, "ADDED", "second");
	printf("# from a create's answer to its event: %.3f ms\n", (double)(clock_mono_us() - began) / 1000);
	stream_close(&s);
	drop_pod("first");
	drop_pod("second");
}

/* A certificate of its own for 127.0.0.1, by the openssl program. */
static void https_is_served(void **state)
{
	const char *folder = test_folder();
	auto_free char *command = xasprintf("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=standin -days 2 "
					    "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null", folder);
	auto_free char *cert = xasprintf("%s/cert.pem", folder), *key = xasprintf("%s/key.pem", folder), *config = xasprintf("%s/config", folder);
	auto_free char *yaml = NULL;
	struct standin secure, client;

	(void)state;
	assert_int_equal(system(command), 0);
	standin_start(&secure, (const char *const[]){"--tls-cert", cert, "--tls-key", key, "--token", "secret", NULL});
	yaml = xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: s, cluster: {server: \"https%s\", certificate-authority: "
			 "cert.pem}}]\ncontexts: [{name: c, context: {cluster: s, user: u}}]\nusers: [{name: u, user: {token: secret}}]\n", secure.url + 4);
	test_write(config, yaml);
	standin_connect(&client, config);
	standin_do(&client, 200, "GET", "/api/v1/nodes", NULL);
	standin_stop(&client);
	standin_stop(&secure);
}

static void a_token_is_asked_for(void **state)
{
	struct standin closed, open;
	struct lm_err err;
	int status;

	(void)state;
	standin_start(&closed, (const char *const[]){"--token", "secret", NULL});
	cJSON_Delete(standin_call(&closed, "GET", "/api/v1/nodes", NULL, &status));
	assert_int_equal(status, 403);
	open = closed;
	open.config.token = xstrdup("secret");
	open.kube = kube_new(&open.config, "latency-test", &err);
	standin_do(&open, 200, "GET", "/api/v1/nodes", NULL);
	kube_free(open.kube);
	closed.config.token = open.config.token;
	standin_stop(&closed);
}

static void the_state_survives_in_a_file(void **state)
{
	auto_free char *path = xasprintf("%s/state.json", test_folder()), *uid = NULL;
	const char *const options[] = {"--state", path, NULL};
	struct standin s;
	cJSON *pod;

	(void)state;
	standin_start(&s, options);
	standin_node(&s, "edge-1", "4", "8Gi", "");
	pod = standin_want(&s, 201, "POST", "/api/v1/namespaces/default/pods", "{\"metadata\":{\"name\":\"kept\"}," POD_SPEC "}");
	uid = xstrdup(text_at(pod, "metadata.uid"));
	cJSON_Delete(pod);
	standin_stop(&s);
	standin_start(&s, options);
	standin_do(&s, 200, "GET", "/api/v1/nodes/edge-1", NULL);
	pod = standin_want(&s, 200, "GET", "/api/v1/namespaces/default/pods/kept", NULL);
	assert_string_equal(text_at(pod, "metadata.uid"), uid);
	cJSON_Delete(pod);
	standin_stop(&s);
}

static void it_refuses_what_it_cannot_do(void **state)
{
	static const struct {
		const char *argv[4];
		int code;
	} cases[] = {{{"--nonsense"}, 64}, {{"--listen", "nowhere"}, 64}, {{"--listen", "127.0.0.1:99999"}, 64}, {{"--listen", "host:1"}, 64},
		     {{"--tls-cert", "/dev/null"}, 64}, {{"--history", "0"}, 64}, {{"--tls-cert", "/none", "--tls-key", "/none"}, 66}};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *argv[6] = {test_program("standin")};
		auto_free char *output = NULL;

		memcpy(argv + 1, cases[i].argv, sizeof(cases[i].argv));
		assert_int_equal(test_run(argv, 10, &output), cases[i].code);
		assert_non_null(strstr(output, "standin: "));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(faults_come_before_or_after_the_commit), CASE(too_many_requests_is_plain_text), CASE(a_delay_delays_and_a_rule_ends_after_its_count),
		CASE(rules_choose_by_method_path_and_verb), CASE(the_dice_fall_as_they_are_told),
		CASE(bad_rules_are_refused_and_the_old_ones_stay), CASE(the_log_has_every_write_and_its_outcome),
		CASE(compaction_ends_old_versions), CASE(the_history_is_bounded),
		CASE(watches_can_be_ended_and_cut), CASE(a_thousand_bindings_before_many_watchers),
		CASE(an_event_comes_at_once), CASE(https_is_served), CASE(a_token_is_asked_for), CASE(the_state_survives_in_a_file),
		CASE(it_refuses_what_it_cannot_do),
	};

	return cmocka_run_group_tests_name("standin", tests, begin, end);
}
