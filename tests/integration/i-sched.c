/* The real latency-sched against the stand-in: placing, refusing, and what happens when things go wrong. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/sched.h"

struct seen {
	struct sched *sched;
	double before;
};

static double node_events(struct sched *s)
{
	return sched_metric(s, "latency_sched_watch_events_total{resource=\"nodes\"}");
}

static bool are_more(void *arg)
{
	const struct seen *seen = arg;

	return node_events(seen->sched) > seen->before;
}

/* Ends when the scheduler has seen it: nodes and pods come by two watches, and a pod that is made after this may be seen before it. */
static void cordon(struct sched *s, const char *node)
{
	auto_free char *path = xasprintf("/api/v1/nodes/%s", node);
	struct seen seen = {s, node_events(s)};

	standin_do(&s->api, 200, "PATCH", path, "{\"spec\":{\"unschedulable\":true}}");
	assert_true(test_wait(are_more, &seen, 10000));
}

/* --- placing --- */

static void a_pod_is_bound_where_it_asks_with_one_event(void **state)
{
	struct sched s;
	cJSON *pod;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/c\"");
	assert_string_equal(sched_where(&s, "web"), "c");
	assert_int_equal(sched_events(&s, "web", "Scheduled", 1), 1);
	assert_int_equal(sched_bindings(&s, "web"), 1);
	assert_int_equal(sched_log_count(&s, "\"pod bound\"", 1), 1);
	assert_string_equal(sched_log_field(&s, "\"pod bound\"", "pod"), "default/web");
	assert_string_equal(sched_log_field(&s, "\"pod bound\"", "node"), "c");
	assert_string_equal(sched_log_field(&s, "\"pod bound\"", "rtt_ms"), "0");
	assert_string_equal(sched_log_field(&s, "\"pod bound\"", "generation"), "1");
	assert_true(*sched_log_field(&s, "\"pod bound\"", "runner_up"));
	pod = sched_get(&s, "web");
	assert_string_equal(text_at(pod, "spec.nodeName"), "c");
	cJSON_Delete(pod);
	sched_finish(&s);
}

static void the_event_of_a_binding_has_the_words_of_kube_scheduler(void **state)
{
	struct sched s;
	cJSON *list;
	const cJSON *event;
	int seen = 0;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	sched_pod(&s, "web", "");
	sched_where(&s, "web");
	sched_events(&s, "web", "Scheduled", 1);
	list = standin_want(&s.api, 200, "GET", "/apis/events.k8s.io/v1/namespaces/default/events", NULL);
	cJSON_ArrayForEach(event, item_at(list, "items")) {
		auto_free char *note = xasprintf("Successfully assigned default/web to %s", s.where);

		seen++;
		assert_string_equal(text_at(event, "note"), note);
		assert_string_equal(text_at(event, "type"), "Normal");
		assert_string_equal(text_at(event, "action"), "Binding");
		assert_string_equal(text_at(event, "reportingController"), "my-latency-scheduler");
		assert_true(*text_at(event, "reportingInstance"));
		assert_int_equal(strlen(text_at(event, "eventTime")), strlen("2026-11-21T21:00:00.000000Z"));
		assert_string_equal(text_at(event, "regarding.kind"), "Pod");
		assert_true(*text_at(event, "regarding.uid"));
	}
	assert_int_equal(seen, 1);
	cJSON_Delete(list);
	sched_finish(&s);
}

static void a_pod_that_fits_nowhere_gets_event_and_condition_once(void **state)
{
	struct sched s;
	const cJSON *condition;
	cJSON *pod;
	int seen = 0;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	sched_pod_of(&s, "my-latency-scheduler", "big", "", "", ",\"nodeSelector\":{\"disk\":\"ssd\"}");
	assert_string_equal(sched_refusal(&s, "big"), "Unschedulable");
	assert_int_equal(sched_events(&s, "big", "FailedScheduling", 1), 1);
	pod = sched_get(&s, "big");
	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions")) {
		seen++;
		assert_string_equal(text_at(condition, "message"), "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.");
		assert_true(*text_at(condition, "lastTransitionTime"));
	}
	assert_int_equal(seen, 1);
	cJSON_Delete(pod);
	/* A node comes that does not help: looked at again, and nothing is said twice. */
	sched_nodes(&s, "d");
	assert_int_equal(sched_log_count(&s, "\"reason\":\"0/4 nodes are available", 1), 1);
	assert_int_equal(sched_bindings(&s, NULL), 0);
	/* Now one that does. */
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/d", "{\"metadata\":{\"labels\":{\"disk\":\"ssd\"}}}");
	assert_string_equal(sched_where(&s, "big"), "d");
	assert_true(sched_events(&s, "big", "FailedScheduling", 1) <= 2); /* of 3 nodes, of 4 nodes */
	sched_finish(&s);
}

static void a_pod_is_looked_at_again_when_its_user_changes_it(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"nowhere\"");
	assert_string_equal(sched_refusal(&s, "web"), "Unschedulable");
	assert_true(sched_metric(&s, "latency_sched_bad_requests_total") >= 1);
	standin_do(&s.api, 200, "PATCH", "/api/v1/namespaces/default/pods/web",
		   "{\"metadata\":{\"annotations\":{\"latency-mesh.io/near\":\"node/b\"}}}");
	assert_string_equal(sched_where(&s, "web"), "b");
	sched_finish(&s);
}

static void a_gated_pod_waits_for_its_gates(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	sched_pod_of(&s, "my-latency-scheduler", "gated", "", "", ",\"schedulingGates\":[{\"name\":\"wait\"}]");
	sched_pod(&s, "free", "");
	assert_true(*sched_where(&s, "free"));
	assert_string_equal(sched_node_now(&s, "gated"), "");
	assert_int_equal(sched_events(&s, "gated", "FailedScheduling", 0), 0);
	standin_do(&s.api, 200, "PATCH", "/api/v1/namespaces/default/pods/gated", "{\"spec\":{\"schedulingGates\":null}}");
	assert_true(*sched_where(&s, "gated"));
	sched_finish(&s);
}

static void a_higher_priority_goes_first(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	standin_node(&s.api, "only", "150m", "8Gi", ""); /* holds one */
	sched_pod_of(&s, "my-latency-scheduler", "low", "", "", ",\"priority\":1");
	sched_pod_of(&s, "my-latency-scheduler", "high", "", "", ",\"priority\":100");
	sched_start(&s, NULL);
	assert_string_equal(sched_where(&s, "high"), "only");
	assert_string_equal(sched_refusal(&s, "low"), "Unschedulable");
	standin_do(&s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/high?gracePeriodSeconds=0", NULL);
	assert_string_equal(sched_where(&s, "low"), "only");
	sched_finish(&s);
}

/* --- latency data --- */

static void s1_matrix_absent_at_start(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a b t");
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/t", "{\"spec\":{\"unschedulable\":true}}");
	sched_start(&s, NULL);
	assert_int_equal(sched_http(&s, "/readyz"), 200);
	assert_int_equal(sched_http(&s, "/livez"), 200);
	assert_int_equal(sched_log_count(&s, "no latency data: pods are placed without it", 1), 1);
	sched_pod(&s, "neutral", "\"latency-mesh.io/near\":\"node/t\"");
	assert_true(*sched_where(&s, "neutral"));
	sched_pod(&s, "strict", "\"latency-mesh.io/within\":\"node/t<=1ms\"");
	assert_string_equal(sched_refusal(&s, "strict"), "Unschedulable"); /* missing: deny */
	sched_pod(&s, "lenient", "\"latency-mesh.io/within\":\"node/t<=1ms\",\"latency-mesh.io/missing\":\"allow\"");
	assert_true(*sched_where(&s, "lenient"));
	assert_true(sched_metric(&s, "latency_sched_latency_file_usable") == 0);
	sched_matrix(&s, 1, "0 5 0.5  5 0 7  0.5 7 0");
	assert_string_equal(sched_where(&s, "strict"), "a");
	assert_true(sched_metric(&s, "latency_sched_latency_file_usable") == 1);
	sched_finish(&s);
}

static void s2_matrix_corrupt_after_good(void **state)
{
	struct sched s;
	auto_free char *good = NULL;
	size_t i, len;
	static const char *const bad[] = {"", "{", "[]", "null", "{\"version\":1}",
					  "{\"version\":1,\"nodes\":[\"a\"],\"rtt_us\":[[0,1]]}",
					  "{\"version\":99,\"nodes\":[],\"rtt_us\":[]}", "\xff\xfe", "{\"a\":{\"b\":-1}}"};

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		char name[32];

		snprintf(name, sizeof(name), "pod-%zu", i);
		test_write(s.file, bad[i]);
		sched_pod(&s, name, "\"latency-mesh.io/near\":\"node/c\"");
		assert_string_equal(sched_where(&s, name), "c");
	}
	assert_true(sched_log_count(&s, "the last good one stays", 1) >= 1);
	/* Torn in the middle: the same. Then whole: used at once. */
	good = sched_matrix_text(&s, "e1", 2, "0 5 1  5 0 9  1 9 0");
	len = strlen(good);
	for (i = len / 4; i < len; i += len / 4) {
		auto_free char *torn = xstrndup(good, i);
		char name[32];

		snprintf(name, sizeof(name), "torn-%zu", i);
		test_write(s.file, torn);
		sched_pod(&s, name, "\"latency-mesh.io/within\":\"node/c<=2ms\"");
		assert_string_equal(sched_where(&s, name), "c");
		assert_string_equal(sched_log_field(&s, "\"pod bound\"", "generation"), "1");
	}
	cordon(&s, "c");
	test_write(s.file, good);
	sched_pod(&s, "whole", "\"latency-mesh.io/within\":\"node/c<=2ms\"");
	assert_string_equal(sched_where(&s, "whole"), "a");
	assert_int_equal(sched_http(&s, "/readyz"), 200);
	sched_finish(&s);
}

static void s8_nodes_of_only_one_side(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a b ghost");
	sched_matrix(&s, 1, "0 5 0.1  5 0 0.2  0.1 0.2 0");
	standin_do(&s.api, 200, "DELETE", "/api/v1/nodes/ghost", NULL); /* in the matrix, not in the API */
	standin_node(&s.api, "new", "4", "8Gi", "");			/* in the API, not in the matrix */
	sched_start(&s, NULL);
	sched_pod(&s, "near-ghost", "\"latency-mesh.io/near\":\"node/ghost\"");
	assert_string_not_equal(sched_where(&s, "near-ghost"), "");
	assert_string_not_equal(s.where, "ghost");
	sched_pod(&s, "near-a", "\"latency-mesh.io/near\":\"node/a\"");
	assert_string_equal(sched_where(&s, "near-a"), "a");
	sched_pod_of(&s, "my-latency-scheduler", "on-new", "", "", ",\"nodeSelector\":{\"kubernetes.io/hostname\":\"new\"}");
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/new", "{\"metadata\":{\"labels\":{\"kubernetes.io/hostname\":\"new\"}}}");
	assert_string_equal(sched_where(&s, "on-new"), "new");
	sched_finish(&s);
}

static void a_node_that_cannot_be_read_any_more_gets_no_pod(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/c/status", "{\"status\":{\"allocatable\":{\"cpu\":\"much\"}}}");
	assert_int_equal(sched_log_count(&s, "\"an object of the API cannot be read\"", 1), 1);
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/c\"");
	assert_true(*sched_where(&s, "web"));
	assert_string_not_equal(s.where, "c");
	sched_pod_of(&s, "my-latency-scheduler", "on-c", "", "", ",\"nodeSelector\":{\"is\":\"c\"}");
	assert_string_equal(sched_refusal(&s, "on-c"), "Unschedulable");
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/c",
		   "{\"metadata\":{\"labels\":{\"is\":\"c\"}},\"status\":{\"allocatable\":{\"cpu\":\"4\"}}}");
	standin_do(&s.api, 200, "PATCH", "/api/v1/nodes/c/status", "{\"status\":{\"allocatable\":{\"cpu\":\"4\"}}}");
	assert_string_equal(sched_where(&s, "on-c"), "c");
	sched_finish(&s);
}

static void s42_pods_of_other_schedulers_are_never_touched(void **state)
{
	struct sched s;
	cJSON *pod;

	(void)state;
	sched_begin_abc(&s);
	sched_pod_of(&s, "default-scheduler", "before", "\"latency-mesh.io/near\":\"garbage\"", "", "");
	sched_start(&s, NULL);
	sched_pod_of(&s, "default-scheduler", "foreign", "\"latency-mesh.io/near\":\"node/a\"", "", "");
	sched_pod_of(&s, "my-latency-scheduler-2", "similar", "", "", "");
	sched_pod(&s, "ours", "");
	assert_true(*sched_where(&s, "ours"));
	usleep(300000);
	assert_int_equal(sched_bindings(&s, NULL), 1);
	assert_string_equal(sched_node_now(&s, "foreign"), "");
	pod = sched_get(&s, "foreign");
	assert_null(item_at(pod, "status.conditions"));
	cJSON_Delete(pod);
	assert_int_equal(sched_events(&s, "foreign", "FailedScheduling", 0) + sched_events(&s, "before", "FailedScheduling", 0),
			 0);
	assert_int_equal(sched_events(&s, "similar", "Scheduled", 0), 0);
	sched_finish(&s);
}

static void s9_the_api_server_comes_later_and_goes_for_a_while(void **state)
{
	struct sched s;
	auto_free char *address = NULL;

	(void)state;
	sched_begin(&s, NULL);
	address = xstrdup(strstr(s.api.url, "127.0.0.1:"));
	standin_stop(&s.api);
	s.api.url = xasprintf("http://%s", address);
	sched_launch(&s, NULL);
	assert_int_equal(sched_http(&s, "/livez"), 200);
	assert_int_equal(sched_http(&s, "/readyz"), 500);
	assert_true(sched_log_count(&s, "\"watch interrupted\"", 1) >= 1);
	free(s.api.url);

	standin_start(&s.api, (const char *const[]){"--listen", address, NULL});
	sched_nodes(&s, "a b");
	sched_pod(&s, "first", "");
	assert_true(*sched_where(&s, "first"));
	assert_int_equal(sched_http(&s, "/readyz"), 200);
	standin_do(&s.api, 200, "POST", "/standin/close?cut=1", NULL);
	sched_pod(&s, "second", "");
	assert_true(*sched_where(&s, "second"));
	assert_int_equal(sched_bindings(&s, NULL), 2);
	sched_finish(&s);
}

/* --- names, configuration --- */

static void two_scheduler_names_have_weights_of_their_own(void **state)
{
	struct sched s;
	auto_free char *config = NULL;

	(void)state;
	sched_begin_abc(&s);
	/* b is full of requests, so that free resources speak against it; latency speaks for it. */
	sched_pod_of(&s, "default-scheduler", "load", "", "", ",\"nodeName\":\"b\",\"overhead\":{\"cpu\":\"3\",\"memory\":\"6Gi\"}");
	config = xasprintf("%s/sched.yaml", test_folder());
	test_write(config, "profiles:\n- schedulerName: by-latency\n  weights: {near: {latency: 1, cpu: 0, free: 0}}\n"
			   "- schedulerName: by-room\n  weights:\n    near: {latency: 0, cpu: 0, free: 1}\n");
	sched_start(&s, (const char *const[]){"--config", config, NULL});
	sched_pod_of(&s, "by-latency", "fast", "\"latency-mesh.io/near\":\"node/b\"", "", "");
	assert_string_equal(sched_where(&s, "fast"), "b");
	sched_pod_of(&s, "by-room", "roomy", "\"latency-mesh.io/near\":\"node/b\"", "", "");
	assert_true(*sched_where(&s, "roomy"));
	assert_string_not_equal(s.where, "b");
	sched_pod(&s, "nobody", "");
	usleep(200000);
	assert_string_equal(sched_node_now(&s, "nobody"), "");

	/* A reload is whole or refused. */
	test_write(config, "profiles:\n- schedulerName: by-latency\n  wieghts: {}\n- schedulerName: by-room\n");
	kill(s.pid, SIGHUP);
	assert_int_equal(sched_log_count(&s, "configuration refused", 1), 1);
	assert_non_null(strstr(sched_log_field(&s, "configuration refused", "error"), "profiles[0].wieghts"));
	test_write(config, "profiles:\n- schedulerName: by-latency\n  weights: {near: {latency: 0, cpu: 0, free: 1}}\n- schedulerName: by-room\n");
	kill(s.pid, SIGHUP);
	assert_int_equal(sched_log_count(&s, "configuration loaded", 1), 1);
	sched_pod_of(&s, "by-latency", "roomy-2", "\"latency-mesh.io/near\":\"node/b\"", "", "");
	assert_true(*sched_where(&s, "roomy-2"));
	assert_string_not_equal(s.where, "b");
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_bound_where_it_asks_with_one_event),
		cmocka_unit_test(the_event_of_a_binding_has_the_words_of_kube_scheduler),
		cmocka_unit_test(a_pod_that_fits_nowhere_gets_event_and_condition_once),
		cmocka_unit_test(a_pod_is_looked_at_again_when_its_user_changes_it),
		cmocka_unit_test(a_gated_pod_waits_for_its_gates),
		cmocka_unit_test(a_higher_priority_goes_first),
		cmocka_unit_test(s1_matrix_absent_at_start),
		cmocka_unit_test(s2_matrix_corrupt_after_good),
		cmocka_unit_test(s8_nodes_of_only_one_side),
		cmocka_unit_test(a_node_that_cannot_be_read_any_more_gets_no_pod),
		cmocka_unit_test(s42_pods_of_other_schedulers_are_never_touched),
		cmocka_unit_test(s9_the_api_server_comes_later_and_goes_for_a_while),
		cmocka_unit_test(two_scheduler_names_have_weights_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
