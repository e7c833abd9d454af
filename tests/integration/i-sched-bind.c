/* Bindings that go wrong, by the real latency-sched against the stand-in. The whole table of outcomes is in u-bind.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/sched.h"

#define BINDING_RULE(more) "{\"method\":\"POST\",\"path\":\"*/binding\"," more "}"

static void s27_a_lost_answer_is_resolved_by_reading_the_pod(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"drop\",\"when\":\"after\",\"count\":1") "]}");
	sched_pod(&s, "lost", "");
	assert_true(*sched_where(&s, "lost"));
	assert_int_equal(sched_log_count(&s, "\"pod bound\"", 1), 1);
	assert_int_equal(sched_events(&s, "lost", "Scheduled", 1), 1);
	usleep(300000);
	assert_int_equal(sched_bindings(&s, "lost"), 1);
	assert_int_equal(sched_events(&s, "lost", "Scheduled", 1), 1);
	sched_finish(&s);
}

/* While nobody knows whether the pod is on the nearest node, that node's place stays taken and the pod is never sent elsewhere. */
static void an_unknown_binding_is_repeated_on_the_same_node(void **state)
{
	static const char *const faults[] = {
		BINDING_RULE("\"action\":\"drop\",\"when\":\"before\",\"count\":3"),
		BINDING_RULE("\"action\":\"reset\",\"when\":\"before\",\"count\":3"),
		BINDING_RULE("\"action\":\"status\",\"status\":500,\"when\":\"before\",\"count\":3"),
		BINDING_RULE("\"action\":\"status\",\"status\":503,\"retryAfter\":\"1\",\"when\":\"before\",\"count\":1"),
		BINDING_RULE("\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\",\"when\":\"before\",\"count\":1"),
		BINDING_RULE("\"action\":\"status\",\"status\":500,\"when\":\"after\",\"count\":1"),
	};
	struct sched s;
	size_t i;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		auto_free char *rules = xasprintf("{\"rules\":[%s]}", faults[i]);
		char name[32];

		snprintf(name, sizeof(name), "pod-%zu", i);
		standin_faults(&s.api, rules);
		sched_pod(&s, name, "\"latency-mesh.io/near\":\"node/c\"");
		assert_string_equal(sched_where(&s, name), "c");
		assert_int_equal(sched_events(&s, name, "Scheduled", 1), 1);
		assert_int_equal(sched_bindings(&s, name), 1);
	}
	{
		auto_free char *log = standin_text(&s.api, "/standin/log");

		assert_null(strstr(log, "\"node\":\"a\"")); /* no request named another node */
		assert_null(strstr(log, "\"node\":\"b\""));
	}
	sched_finish(&s);
}

static void s33_a_slow_binding_holds_its_place(void **state)
{
	struct sched s;
	int i;

	(void)state;
	sched_begin(&s, NULL);
	standin_node(&s.api, "small", "250m", "8Gi", ""); /* holds two */
	standin_node(&s.api, "other", "250m", "8Gi", "");
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"delay\",\"delay_ms\":700") "]}");
	for (i = 0; i < 6; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pod-%d", i);
		sched_pod(&s, name, "");
	}
	sched_start(&s, NULL);
	assert_int_equal(sched_log_count(&s, "\"pod bound\"", 4), 4);
	assert_int_equal(sched_bindings(&s, NULL), 4);
	sched_finish(&s);
}

static void s29_a_pod_that_another_scheduler_took_is_dropped(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	/* Ours is delayed on its way; meanwhile somebody else binds the pod. */
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"delay\",\"delay_ms\":600,\"count\":1") "]}");
	sched_start(&s, NULL);
	sched_pod(&s, "wanted", "\"latency-mesh.io/near\":\"node/c\"");
	usleep(150000);
	standin_do(&s.api, 201, "POST", "/api/v1/namespaces/default/pods/wanted/binding",
		   "{\"metadata\":{\"name\":\"wanted\"},\"target\":{\"kind\":\"Node\",\"name\":\"a\"}}");
	assert_int_equal(sched_log_count(&s, "\"binding lost\"", 1), 1);
	assert_string_equal(sched_node_now(&s, "wanted"), "a");
	usleep(300000);
	assert_int_equal(sched_events(&s, "wanted", "Scheduled", 0), 0);
	assert_true(sched_metric(&s, "latency_sched_assumed_pods") == 0);
	assert_true(sched_metric(&s, "latency_sched_pending_pods{queue=\"taken\"}") == 0);
	sched_finish(&s);
}

static void s30_a_pod_that_is_made_again_under_its_name_is_a_new_pod(void **state)
{
	struct sched s;
	auto_free char *first_uid = NULL;
	cJSON *pod;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"delay\",\"delay_ms\":600,\"count\":1") "]}");
	sched_start(&s, NULL);
	sched_pod(&s, "again", "\"latency-mesh.io/near\":\"node/c\"");
	pod = sched_get(&s, "again");
	first_uid = xstrdup(text_at(pod, "metadata.uid"));
	cJSON_Delete(pod);
	usleep(150000);
	standin_do(&s.api, 200, "DELETE", "/api/v1/namespaces/default/pods/again?gracePeriodSeconds=0", NULL);
	sched_pod(&s, "again", "\"latency-mesh.io/near\":\"node/b\"");
	assert_string_equal(sched_where(&s, "again"), "b");
	pod = sched_get(&s, "again");
	assert_string_not_equal(text_at(pod, "metadata.uid"), first_uid);
	cJSON_Delete(pod);
	assert_int_equal(sched_log_count(&s, "\"binding lost\"", 1), 1);
	assert_int_equal(sched_bindings(&s, "again"), 1);
	assert_int_equal(sched_events(&s, "again", "Scheduled", 1), 1);
	assert_true(sched_metric(&s, "latency_sched_assumed_pods") == 0);
	sched_finish(&s);
}

static void s13_a_refused_binding_is_an_event_and_no_hot_loop(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[" BINDING_RULE("\"action\":\"status\",\"status\":403,\"when\":\"before\"") "]}");
	sched_start(&s, NULL);
	sched_pod(&s, "forbidden", "");
	assert_string_equal(sched_refusal(&s, "forbidden"), "SchedulerError");
	assert_int_equal(sched_events(&s, "forbidden", "FailedScheduling", 1), 1);
	usleep(1500000);
	assert_true(sched_metric(&s, "latency_sched_bindings_total{outcome=\"failed\"}") <= 3);
	standin_faults(&s.api, "{\"rules\":[]}");
	assert_true(*sched_where(&s, "forbidden"));
	sched_finish(&s);
}

static void s47_failing_events_hold_nothing_up(void **state)
{
	struct sched s;
	int i;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[{\"path\":\"*/events*\",\"action\":\"status\",\"status\":403}]}");
	sched_start(&s, NULL);
	for (i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pod-%d", i);
		sched_pod(&s, name, "");
		assert_true(*sched_where(&s, name));
	}
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s27_a_lost_answer_is_resolved_by_reading_the_pod),
		cmocka_unit_test(an_unknown_binding_is_repeated_on_the_same_node),
		cmocka_unit_test(s33_a_slow_binding_holds_its_place),
		cmocka_unit_test(s29_a_pod_that_another_scheduler_took_is_dropped),
		cmocka_unit_test(s30_a_pod_that_is_made_again_under_its_name_is_a_new_pod),
		cmocka_unit_test(s13_a_refused_binding_is_an_event_and_no_hot_loop),
		cmocka_unit_test(s47_failing_events_hold_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
