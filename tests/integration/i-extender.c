/* The real latency-sched --mode extender against the stand-in, asked as a kube-scheduler asks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/asker.h"

#define DEADLINE_MS 1000

static const char *const options[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", NULL};
static const char *const strict_options[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", "--extender-late", "error", NULL};

#define NEAR_A "\"annotations\":{\"latency-mesh.io/near\":\"node/a\"}"
#define WITHIN_A "\"labels\":{\"delay_a\":\"5\"}"
#define ABC "\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\"]"
#define OBJECT(name) "{\"metadata\":{\"name\":\"" name "\"},\"status\":{\"images\":[{\"names\":[\"x\"],\"sizeBytes\":1234567890123456789}]}}"
#define PASSED_ABC "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\",\"c\"],\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n"
#define FAR "node(s) exceeded the latency limit to a (label delay_a)"

static void e7_both_forms_of_nodes(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	assert_string_equal(asker_ask(&a, "/filter", "", ABC), PASSED_ABC);
	assert_string_equal(asker_ask(&a, "/filter", WITHIN_A, ABC), "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\"],\"FailedNodes\":{},"
							       "\"FailedAndUnresolvableNodes\":{\"c\":\"" FAR "\"},\"Error\":\"\"}\n");
	assert_string_equal(asker_ask(&a, "/filter", WITHIN_A, "\"Nodes\":{\"metadata\":{},\"items\":[" OBJECT("c") "," OBJECT("b") "]},\"NodeNames\":null"),
			    "{\"Nodes\":{\"metadata\":{},\"items\":[" OBJECT("b") "]},\"NodeNames\":null,\"FailedNodes\":{},"
			    "\"FailedAndUnresolvableNodes\":{\"c\":\"" FAR "\"},\"Error\":\"\"}\n");
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, ABC), "[{\"Host\":\"a\",\"Score\":10},{\"Host\":\"b\",\"Score\":0},{\"Host\":\"c\",\"Score\":0}]\n");
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, "\"NodeNames\":[\"c\",\"b\"]"), "[{\"Host\":\"c\",\"Score\":6},{\"Host\":\"b\",\"Score\":10}]\n");
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, "\"Nodes\":{\"items\":[" OBJECT("c") "," OBJECT("b") "]}"),
			    "[{\"Host\":\"c\",\"Score\":6},{\"Host\":\"b\",\"Score\":10}]\n");
	assert_true(sched_metric(&a.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"decided\"}") >= 3);
	assert_int_equal(sched_log_count(&a.s, "\"prioritized\"", 3), 3);
	assert_string_equal(sched_log_field(&a.s, "\"prioritized\"", "generation"), "1");
	asker_end(&a);
}

static void unknown_nodes_fail_with_a_reason(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	assert_string_equal(asker_ask(&a, "/filter", "", "\"NodeNames\":[\"a\",\"new\"]"),
			    "{\"Nodes\":null,\"NodeNames\":[\"a\"],\"FailedNodes\":{\"new\":\"node(s) were not known to the latency scheduler yet\"},"
			    "\"FailedAndUnresolvableNodes\":{},\"Error\":\"\"}\n");
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, "\"NodeNames\":[\"new\",\"b\"]"), "[{\"Host\":\"new\",\"Score\":0},{\"Host\":\"b\",\"Score\":10}]\n");
	assert_non_null(strstr(asker_ask(&a, "/filter", "", "\"Nodes\":{\"items\":[" OBJECT("new") "]}"), "\"items\":[" OBJECT("new") "]"));
	asker_end(&a);
}

static void a_bad_annotation_fails_all_nodes(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	assert_non_null(strstr(asker_ask(&a, "/filter", "\"annotations\":{\"latency-mesh.io/near\":\"nowhere\"}", ABC), "\"FailedAndUnresolvableNodes\":{\"a\":\"annotation latency-mesh.io/near"));
	asker_end(&a);
}

static void it_writes_nothing_to_the_api(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	sched_pod(&a.s, "ours", "");	/* of the name that the other mode would bind */
	asker_ask(&a, "/filter", "", ABC);
	asker_ask(&a, "/prioritize", "", ABC);
	assert_string_equal(sched_node_now(&a.s, "ours"), "");
	assert_int_equal(sched_bindings(&a.s, NULL), 0);
	assert_int_equal(sched_events(&a.s, "ours", "FailedScheduling", 0), 0);
	assert_true(sched_metric(&a.s, "latency_sched_api_requests_total{method=\"POST\",code=\"2xx\"}") < 0.5);
	assert_true(sched_metric(&a.s, "latency_sched_api_requests_total{method=\"PUT\",code=\"2xx\"}") < 0.5);
	assert_true(sched_metric(&a.s, "latency_sched_api_requests_total{method=\"PATCH\",code=\"2xx\"}") < 0.5);
	asker_end(&a);
}

static void a_target_pod_and_a_new_matrix_count_at_once(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	sched_pod_of(&a.s, "default-scheduler", "redis", "", ",\"labels\":{\"app\":\"redis\"}", ",\"nodeName\":\"c\"");
	while (!strstr(asker_ask(&a, "/prioritize", "\"annotations\":{\"latency-mesh.io/near\":\"app=redis\"}", ABC), "{\"Host\":\"c\",\"Score\":10}"))
		usleep(5000);
	sched_matrix(&a.s, 2, "0 4 6  4 0 4  6 4 0");
	assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"b\"]"));
	sched_matrix(&a.s, 3, "0 9 3  9 0 4  3 4 0");
	assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"c\"]"));
	asker_end(&a);
}

#define SCORE(node, latency) "{\"hostname\":\"" node "\",\"cpuEwmaScore\":null,\"latencyEwmaScore\":" latency ",\"better\":\"lower\"}"

static void scores_are_of_all_nodes_and_the_limit_of_all_pods(void **state)
{
	auto_free char *path = xasprintf("%s/limits.yaml", test_folder());
	const char *const with[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", "--config", path, NULL};
	struct asker a;

	(void)state;
	test_write(path, "defaultNear: node/a\nmaxLatency: 5ms\n");
	asker_begin(&a, with);
	assert_string_equal(asker_ask(&a, "/filter", "", ABC), "{\"Nodes\":null,\"NodeNames\":[\"a\",\"b\"],\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":"
			    "{\"c\":\"node(s) exceeded the latency limit to node/a\"},\"Error\":\"\"}\n");
	asker_send(&a, "GET", "/scores", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.text, "[" SCORE("a", "0") ",\n " SCORE("b", "0.01") ",\n " SCORE("c", "0.018") "]\n");
	asker_send(&a, "GET", "/scores?from=node%2Fc", NULL);
	assert_string_equal(a.text, "[" SCORE("a", "0.018") ",\n " SCORE("b", "0.018") ",\n " SCORE("c", "0") "]\n");
	asker_send(&a, "GET", "/scores?from=client/oslo", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.text, "[" SCORE("a", "null") ",\n " SCORE("b", "null") ",\n " SCORE("c", "null") "]\n");
	asker_send(&a, "GET", "/scores?from=nowhere", NULL);
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.text, "nowhere"));
	asker_send(&a, "POST", "/scores", "{}");
	assert_int_equal(a.status, 405);
	asker_end(&a);
}

static void e1_refusals_have_their_status(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	asker_send(&a, "POST", "/filter", "{\"Pod\":");
	assert_int_equal(a.status, 400);
	asker_send(&a, "POST", "/prioritize", "{}");
	assert_int_equal(a.status, 400);
	assert_string_equal(a.text, "Pod is missing\n");
	asker_send(&a, "GET", "/filter", NULL);
	assert_int_equal(a.status, 405);
	asker_send(&a, "POST", "/bind", "{}");
	assert_int_equal(a.status, 404);
	assert_int_equal(sched_http(&a.s, "/filter"), 404);	/* not on the other port */
	assert_string_equal(asker_ask(&a, "/filter", "", ABC), PASSED_ABC);
	asker_end(&a);
}

static void e2_a_body_over_the_limit_is_413(void **state)
{
	size_t len = ((size_t)16 << 20) + 1000;
	auto_free char *body = xmalloc(len + 1);
	struct asker a;

	(void)state;
	memset(body, ' ', len);
	body[len] = '\0';
	asker_begin(&a, options);
	asker_send(&a, "POST", "/filter", body);
	assert_int_equal(a.status, 413);
	assert_string_equal(asker_ask(&a, "/filter", "", ABC), PASSED_ABC);
	asker_end(&a);
}

/* A GET of its port, as the kubelet asks it; with head and all. The caller frees. */
static char *get(struct asker *a, const char *path)
{
	auto_free char *command = xasprintf("exec 3<>/dev/tcp/127.0.0.1/%s; printf 'GET %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
					    strrchr(a->url, ':') + 1, path);
	char *output = NULL;

	assert_int_equal(test_run((const char *const[]){"/bin/bash", "-c", command, NULL}, 20, &output), 0);
	return output;
}

static void health_and_metrics_are_on_its_port_too(void **state)
{
	static const char *const fine[] = {"/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/informer-sync", "/healthz?verbose", "/metrics"};
	struct asker a;
	size_t i;

	(void)state;
	asker_begin(&a, options);
	for (i = 0; i < ARRAY_SIZE(fine); i++) {
		auto_free char *answer = get(&a, fine[i]);

		if (!strstr(answer, "HTTP/1.1 200 OK"))
			fail_msg("%s: %s", fine[i], answer);
		assert_true(!STREQ(fine[i], "/metrics") || strstr(answer, "\nlatency_sched_extender_requests_total{"));
	}
	asker_send(&a, "GET", "/livez/nothing", NULL);
	assert_int_equal(a.status, 404);
	asker_send(&a, "POST", "/metrics", "{}");
	assert_int_equal(a.status, 405);
	asker_end(&a);
}

/* No file: all pass, all 5; a limit follows `missing`. */
static void e5_without_a_matrix(void **state)
{
	struct asker a = {0};

	(void)state;
	sched_begin(&a.s, NULL);
	sched_nodes(&a.s, "a b c");
	sched_start(&a.s, options);
	asker_find(&a);
	assert_string_equal(asker_ask(&a, "/filter", NEAR_A, ABC), PASSED_ABC);
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, ABC), "[{\"Host\":\"a\",\"Score\":5},{\"Host\":\"b\",\"Score\":5},{\"Host\":\"c\",\"Score\":5}]\n");
	assert_non_null(strstr(asker_ask(&a, "/filter", "\"annotations\":{\"latency-mesh.io/within\":\"node/a<=5ms\"}", "\"NodeNames\":[\"b\",\"c\"]"), "\"NodeNames\":[]"));
	assert_non_null(strstr(asker_ask(&a, "/filter", "\"annotations\":{\"latency-mesh.io/within\":\"node/a<=5ms\",\"latency-mesh.io/missing\":\"allow\"}",
				   "\"NodeNames\":[\"b\",\"c\"]"), "\"NodeNames\":[\"b\",\"c\"]"));
	asker_end(&a);
}

/* Each answer is of one matrix or of the other, never of both: from a, b is near and c far in one, and c near and b far in the other. */
static void e13_a_request_is_answered_from_one_generation(void **state)
{
	int seen[2] = {0}, generation = 2, i;
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	for (i = 0; i < 400 || (!seen[1] && i < 4000); i++) {
		const char *text;
		int which;

		generation += i % 20 == 10;
		if (i % 20 == 10)
			sched_matrix(&a.s, generation, generation % 2 ? "0 5 9  5 0 9  9 9 0" : "0 9 5  9 0 9  5 9 0");
		text = asker_ask(&a, "/filter", WITHIN_A, ABC);
		which = strstr(text, "\"NodeNames\":[\"a\",\"c\"]") != NULL;
		if (!which && !strstr(text, "\"NodeNames\":[\"a\",\"b\"]"))
			fail_msg("of two generations: %s", text);
		seen[which]++;
	}
	assert_true(seen[0] && seen[1]);
	asker_end(&a);
}

/* The process that reads the volume: a child of it. */
static pid_t reader_of(pid_t scheduler)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", (int)scheduler, (int)scheduler);
	auto_free char *text = test_read(path);

	return text ? (pid_t)atoi(text) : 0;
}

static void a_hanging_reader_holds_up_nobody(void **state)
{
	struct asker a;
	pid_t reader;
	int i;

	(void)state;
	asker_begin(&a, options);
	reader = reader_of(a.s.pid);
	assert_true(reader > 0);
	assert_int_equal(kill(reader, SIGSTOP), 0);
	sched_matrix(&a.s, 2, "0 9 3  9 0 4  3 4 0");	/* that nobody reads now */
	for (i = 0; i < 5; i++) {
		assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"b\"]"));
		test_deadline("/filter beside a hanging reader", (double)a.took_ms, DEADLINE_MS, "ms");
	}
	kill(reader, SIGCONT);
	while (!strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"c\"]"))
		usleep(5000);
	asker_end(&a);
}

/* The cluster cannot be listed: not ready, and answered as the option says. */
static void before_the_cluster_is_listed(const char *const *with, const char *wanted)
{
	struct asker a = {0};

	sched_begin(&a.s, NULL);
	standin_faults(&a.s.api, "{\"rules\":[{\"path\":\"/api/v1/nodes\",\"action\":\"status\",\"status\":503}]}");
	sched_launch(&a.s, with);
	asker_find(&a);
	assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), wanted));
	assert_true(a.took_ms < 3 * DEADLINE_MS);
	assert_string_equal(asker_ask(&a, "/prioritize", NEAR_A, ABC), "[{\"Host\":\"a\",\"Score\":5},{\"Host\":\"b\",\"Score\":5},{\"Host\":\"c\",\"Score\":5}]\n");
	assert_int_equal(sched_http(&a.s, "/readyz"), 500);
	assert_int_equal(sched_http(&a.s, "/livez"), 200);
	assert_true(sched_metric(&a.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"declined\"}") >= 1);
	asker_end(&a);
}

static void e14_before_the_cluster_is_listed_all_pass(void **state)
{
	(void)state;
	before_the_cluster_is_listed(options, "\"NodeNames\":[\"a\",\"b\",\"c\"]");
}

static void e14_or_it_is_an_error_by_option(void **state)
{
	(void)state;
	before_the_cluster_is_listed(strict_options, "\"Error\":\"latency-sched is not ready to decide\"");
}

static void the_api_may_go_away(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	standin_stop(&a.s.api);
	assert_non_null(strstr(asker_ask(&a, "/filter", WITHIN_A, ABC), "\"NodeNames\":[\"a\",\"b\"]"));
	assert_int_equal(sched_http(&a.s, "/readyz"), 200);
	assert_int_equal(sched_stop(&a.s, SIGTERM), 0);
	a.s.joined = true;	/* the stand-in has ended already */
	free(a.s.file);
	asker_leave(&a);
}

static void e15_sigterm_ends_it_at_once(void **state)
{
	struct asker a;
	int64_t start_ms;

	(void)state;
	asker_begin(&a, options);
	asker_ask(&a, "/filter", "", ABC);	/* the connection stays open */
	start_ms = clock_mono_ms();
	assert_int_equal(sched_stop(&a.s, SIGTERM), 0);
	test_deadline("SIGTERM to the end", (double)(clock_mono_ms() - start_ms), 2000, "ms");
	assert_int_equal(sched_log_count(&a.s, "\"stopped\"", 1), 1);
	asker_leave(&a);
}

static void a_port_in_use_is_said(void **state)
{
	struct asker a;
	auto_free char *listen = NULL, *output = NULL;

	(void)state;
	asker_begin(&a, options);
	listen = xasprintf("--extender-listen=127.0.0.1:%s", strrchr(a.url, ':') + 1);
	assert_int_equal(test_run((const char *const[]){test_program("latency-sched"), "--mode=extender", "--latency-file", a.s.file, "--server", a.s.api.url, listen, NULL},
				  20, &output), LM_UNAVAILABLE);
	assert_non_null(strstr(output, "in use"));
	asker_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e7_both_forms_of_nodes),
		cmocka_unit_test(unknown_nodes_fail_with_a_reason),
		cmocka_unit_test(a_bad_annotation_fails_all_nodes),
		cmocka_unit_test(it_writes_nothing_to_the_api),
		cmocka_unit_test(a_target_pod_and_a_new_matrix_count_at_once),
		cmocka_unit_test(scores_are_of_all_nodes_and_the_limit_of_all_pods),
		cmocka_unit_test(e1_refusals_have_their_status),
		cmocka_unit_test(e2_a_body_over_the_limit_is_413),
		cmocka_unit_test(health_and_metrics_are_on_its_port_too),
		cmocka_unit_test(e5_without_a_matrix),
		cmocka_unit_test(e13_a_request_is_answered_from_one_generation),
		cmocka_unit_test(a_hanging_reader_holds_up_nobody),
		cmocka_unit_test(e14_before_the_cluster_is_listed_all_pass),
		cmocka_unit_test(e14_or_it_is_an_error_by_option),
		cmocka_unit_test(the_api_may_go_away),
		cmocka_unit_test(e15_sigterm_ends_it_at_once),
		cmocka_unit_test(a_port_in_use_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
