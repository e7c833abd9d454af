/* `latency-sched selftest`: who placed this pod, by its event. What `helm test` runs. */
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/sched.h"

#define EVENTS "/apis/events.k8s.io/v1/namespaces/default/events"

/* The exit code; *output is freed by the caller. */
static int selftest(const struct sched *s, const char *uid, const char *timeout, char **output)
{
	const char *argv[] = {test_program("latency-sched"), "selftest", "--pod-uid", uid, "--timeout", timeout, "--server", s->api.url, NULL};

	return test_run(argv, 20, output);
}

static void ends(const struct sched *s, const char *uid, int code, const char *text)
{
	auto_free char *output = NULL;

	assert_int_equal(selftest(s, uid, "200ms", &output), code);
	if (!strstr(output, text))
		fail_msg("\"%s\" is not in: %s", text, output);
}

static void post_event(struct sched *s, const char *uid, const char *controller, const char *reason)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s.1\"},\"eventTime\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"Normal\","
		"\"reportingController\":\"%s\",\"reportingInstance\":\"one\",\"action\":\"Binding\",\"reason\":\"%s\",\"note\":\"text of the event\","
		"\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"%s\"}}", uid, controller, reason, uid);

	standin_do(&s->api, 201, "POST", EVENTS, body);
}

static void a_pod_that_we_placed_has_our_event(void **state)
{
	auto_free char *output = NULL;
	auto_json cJSON *pod = NULL;
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a b");
	sched_matrix(&s, 1, "0 5  5 0");
	sched_start(&s, NULL);
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/a\"");
	assert_string_equal(sched_where(&s, "web"), "a");
	pod = sched_get(&s, "web");
	assert_int_equal(selftest(&s, text_at(pod, "metadata.uid"), "10s", &output), 0); /* the event follows the binding */
	assert_non_null(strstr(output, "my-latency-scheduler: Successfully assigned default/web to a"));
	sched_finish(&s);
}

static void another_scheduler_is_named(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	post_event(&s, "uid-1", "default-scheduler", "Scheduled");
	ends(&s, "uid-1", 65, "placed by default-scheduler: text of the event");
	sched_end(&s);
}

static void other_events_and_other_pods_do_not_count(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	post_event(&s, "uid-1", "my-latency-scheduler", "Scheduled");
	post_event(&s, "uid-2", "my-latency-scheduler", "FailedScheduling");
	ends(&s, "uid-2", 65, "no event Scheduled of the pod with uid uid-2");
	sched_end(&s);
}

static void what_cannot_be_used_is_said(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	ends(&s, "../pods", 64, "--pod-uid: \"../pods\" is no uid");
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"GET\",\"path\":\"" EVENTS "\",\"action\":\"status\",\"status\":403}]}");
	ends(&s, "uid-1", 69, "list events: 403");
	sched_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_that_we_placed_has_our_event),
		cmocka_unit_test(another_scheduler_is_named),
		cmocka_unit_test(other_events_and_other_pods_do_not_count),
		cmocka_unit_test(what_cannot_be_used_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
