/*
 * /bind of the real latency-sched --mode extender --extender-bind against the stand-in: case E16, with the outcomes of S27 to S31. The whole table is in
 * u-bind.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/asker.h"

#define DEADLINE_MS 1000
#define BINDING_RULE(more) "{\"method\":\"POST\",\"path\":\"*/binding\"," more "}"
#define BOUND "{\"Error\":\"\"}\n"
#define UNKNOWN "outcome of the binding is unknown"

static const char *const options[] = {"--mode", "extender", "--extender-bind", "--extender-listen", "127.0.0.1:0", NULL};

/* --- asking ------------------------------------------------------------------------------------------------------------ */

static void on_answer(void *arg, const struct kube_response *response)
{
	struct asker *a = arg;

	a->took_ms = clock_mono_ms() - a->sent_ms;
	a->status = response->status;
	a->text = xstrdup(response->body ? response->body : "");
}

static void send_body(struct asker *a, const char *path, const char *body)
{
	free(a->text);
	a->text = NULL;
	a->sent_ms = clock_mono_ms();
	kube_send(a->kube, &(struct kube_request){.method = "POST", .path = path, .body = body, .timeout_ms = 20000}, on_answer, a);
	kube_run(a->kube, 0, NULL, 0);
}

static const char *await(struct asker *a)
{
	while (!a->text)
		kube_run(a->kube, 100, NULL, 0);
	assert_int_equal(a->status, 200);
	return a->text;
}

static void send_bind(struct asker *a, const char *pod, const char *uid, const char *node)
{
	auto_free char *body = xasprintf("{\"PodName\":\"%s\",\"PodNamespace\":\"default\",\"PodUID\":\"%s\",\"Node\":\"%s\"}", pod, uid, node);

	send_body(a, "/bind", body);
}

static char *uid_of(struct asker *a, const char *pod)
{
	auto_json cJSON *object = sched_get(&a->s, pod);

	return xstrdup(text_at(object, "metadata.uid"));
}

static void send_bind_of(struct asker *a, const char *pod, const char *node)
{
	auto_free char *uid = uid_of(a, pod);

	send_bind(a, pod, uid, node);
}

static const char *bind_pod(struct asker *a, const char *pod, const char *node)
{
	send_bind_of(a, pod, node);
	return await(a);
}

static void assert_says(struct asker *a, const char *words)
{
	if (!strstr(await(a), words))
		fail_msg("no \"%s\" in: %s", words, a->text);
	assert_true(strncmp(a->text, "{\"Error\":\"latency-sched", 23) == 0);
}

/* Of a kube-scheduler's name, waiting for its node. */
static void post_pod(struct asker *a, const char *name)
{
	sched_pod_of(&a->s, "default-scheduler", name, "", ",\"labels\":{\"app\":\"redis\"}", "");
}

static void bind_by_hand(struct asker *a, const char *pod, const char *node)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/default/pods/%s/binding", pod);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"target\":{\"kind\":\"Node\",\"name\":\"%s\"}}", pod, node);

	standin_do(&a->s.api, 201, "POST", path, body);
}

static void faults(struct asker *a, const char *rule)
{
	auto_free char *rules = xasprintf("{\"rules\":[%s]}", rule);

	standin_faults(&a->s.api, rules);
}

/* Requests for a binding that reached the server, whatever came of them. */
static int requests(struct asker *a)
{
	auto_free char *log = standin_text(&a->s.api, "/standin/log");
	const char *at = log;
	int count = 0;

	while ((at = strstr(at, "/binding\"")) != NULL) {
		count++;
		at++;
	}
	return count;
}

static double assumed(struct asker *a)
{
	return sched_metric(&a->s, "latency_sched_assumed_pods");
}

static void until_one_is_assumed(struct asker *a)
{
	int64_t end_ms = clock_mono_ms() + 5000;

	while (assumed(a) < 0.5) {
		if (clock_mono_ms() > end_ms)
			fail_msg("no pod is assumed");
		kube_run(a->kube, 1, NULL, 0);
	}
}

static bool is_none_assumed(void *arg)
{
	return assumed(arg) < 0.5;
}

/* --- what is answered ---------------------------------------------------------------------------------------------------- */

static void a_pod_is_bound_once_and_without_an_event_of_ours(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	assert_string_equal(bind_pod(&a, "web", "c"), BOUND);
	assert_string_equal(sched_node_now(&a.s, "web"), "c");
	assert_int_equal(sched_bindings(&a.s, "web"), 1);
	assert_string_equal(bind_pod(&a, "web", "c"), BOUND);	/* once more: it is there */
	assert_int_equal(sched_bindings(&a.s, "web"), 1);
	assert_int_equal(sched_events(&a.s, "web", "Scheduled", 0), 0);	/* kube-scheduler's to tell */
	assert_int_equal(sched_log_count(&a.s, "\"pod bound\"", 2), 2);
	assert_true(sched_metric(&a.s, "latency_sched_extender_requests_total{verb=\"bind\",result=\"decided\"}") >= 2);
	assert_true(sched_metric(&a.s, "latency_sched_bindings_total{outcome=\"bound\"}") >= 2);
	assert_true(test_wait(is_none_assumed, &a, 5000));	/* the watch has confirmed it */
	asker_end(&a);
}

static void e16_a_pod_on_another_node_or_of_another_uid_or_gone(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "taken");
	bind_by_hand(&a, "taken", "a");
	send_bind_of(&a, "taken", "b");
	assert_says(&a, "default/taken was not bound to b: it is on node a");
	post_pod(&a, "again");
	send_bind(&a, "again", "11111111-2222-3333-4444-555555555555", "b");
	assert_says(&a, "another pod has its name now");
	send_bind(&a, "nobody", "11111111-2222-3333-4444-555555555555", "b");
	assert_says(&a, "not found");
	assert_string_equal(sched_node_now(&a.s, "taken"), "a");
	assert_string_equal(sched_node_now(&a.s, "again"), "");
	assert_true(test_wait(is_none_assumed, &a, 5000));
	assert_true(sched_metric(&a.s, "latency_sched_bindings_total{outcome=\"lost\"}") >= 3);
	asker_end(&a);
}

static void e16_a_lost_answer_and_a_passing_500_are_no_errors(void **state)
{
	static const char *const rules[] = {
		BINDING_RULE("\"action\":\"drop\",\"when\":\"after\",\"count\":1"),
		BINDING_RULE("\"action\":\"status\",\"status\":500,\"when\":\"after\",\"count\":1"),
		BINDING_RULE("\"action\":\"status\",\"status\":500,\"when\":\"before\",\"count\":1"),
		BINDING_RULE("\"action\":\"reset\",\"when\":\"before\",\"count\":1"),
	};
	struct asker a;
	char name[16];
	size_t i;

	(void)state;
	asker_begin(&a, options);
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		snprintf(name, sizeof(name), "web-%zu", i);
		post_pod(&a, name);
		faults(&a, rules[i]);
		assert_string_equal(bind_pod(&a, name, "b"), BOUND);
		assert_string_equal(sched_node_now(&a.s, name), "b");
		assert_int_equal(sched_bindings(&a.s, name), 1);
	}
	asker_end(&a);
}

static void a_refusal_is_said_at_once(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	faults(&a, BINDING_RULE("\"action\":\"status\",\"status\":403,\"when\":\"before\""));
	send_bind_of(&a, "web", "b");
	assert_says(&a, "403");
	faults(&a, "");
	assert_string_equal(bind_pod(&a, "web", "b"), BOUND);
	asker_end(&a);
}

/* --- the deadline --------------------------------------------------------------------------------------------------------- */

static void assert_unknown_in_time(struct asker *a)
{
	assert_says(a, UNKNOWN);
	test_deadline("/bind without an answer of the API", (double)a->took_ms, DEADLINE_MS, "ms");
	assert_true(sched_metric(&a->s, "latency_sched_extender_requests_total{verb=\"bind\",result=\"late\"}") >= 1);
}

static void e16_too_late_and_done(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	faults(&a, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":2000,\"count\":1"));
	send_bind_of(&a, "web", "b");
	assert_unknown_in_time(&a);
	assert_string_equal(sched_where(&a.s, "web"), "b");	/* the call goes on to its end, and that is logged */
	assert_int_equal(sched_log_count(&a.s, "\"in_time\":false", 1), 1);
	assert_int_equal(requests(&a), 1);
	assert_string_equal(bind_pod(&a, "web", "b"), BOUND);	/* as a kube-scheduler would try again */
	assert_int_equal(sched_bindings(&a.s, "web"), 1);
	asker_end(&a);
}

/* Nothing more is sent after the answer, for kube-scheduler may choose another node now. */
static void e16_too_late_and_not_done(void **state)
{
	struct asker a;
	int sent;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	faults(&a, BINDING_RULE("\"action\":\"status\",\"status\":500,\"when\":\"before\""));
	send_bind_of(&a, "web", "b");
	assert_unknown_in_time(&a);
	faults(&a, "");
	sent = requests(&a);
	assert_true(sent >= 1);
	usleep(2000000);
	assert_int_equal(requests(&a), sent);
	assert_string_equal(sched_node_now(&a.s, "web"), "");
	assert_string_equal(bind_pod(&a, "web", "c"), BOUND);	/* another node, while the first one is not certain */
	assert_int_equal(sched_log_count(&a.s, "\"binding lost\"", 1), 1);	/* the first one */
	assert_int_equal(sched_bindings(&a.s, "web"), 1);
	assert_true(test_wait(is_none_assumed, &a, 5000));
	asker_end(&a);
}

static void bindings_in_flight_are_limited(void **state)
{
	static const char *const one[] = {"--mode", "extender", "--extender-bind", "--bindings", "1", "--extender-listen", "127.0.0.1:0", NULL};
	struct asker a;
	int tries = 0;

	(void)state;
	asker_begin(&a, one);
	post_pod(&a, "slow");
	post_pod(&a, "next");
	faults(&a, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":4000,\"count\":1"));
	send_bind_of(&a, "slow", "b");
	assert_unknown_in_time(&a);
	do				/* on a busy machine it may be late to say so */
		bind_pod(&a, "next", "c");
	while (strstr(a.text, UNKNOWN) && ++tries < 3);
	assert_says(&a, "too many bindings are in flight");
	assert_string_equal(sched_where(&a.s, "slow"), "b");
	assert_string_equal(sched_node_now(&a.s, "next"), "");
	assert_int_equal(requests(&a), 1);
	assert_string_equal(bind_pod(&a, "next", "c"), BOUND);
	asker_end(&a);
}

static void e16_without_an_api(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	standin_stop(&a.s.api);
	send_bind(&a, "web", "11111111-2222-3333-4444-555555555555", "b");
	assert_says(&a, "default/web was not bound to b");
	test_deadline("/bind without an API", (double)a.took_ms, DEADLINE_MS, "ms");
	assert_int_equal(sched_http(&a.s, "/readyz"), 200);
	assert_int_equal(sched_stop(&a.s, SIGTERM), 0);
	a.s.joined = true;		/* the stand-in has ended already */
	free(a.s.file);
	asker_leave(&a);
}

/* --- what counts ---------------------------------------------------------------------------------------------------------- */

#define NEAR_REDIS "{\"Pod\":{\"metadata\":{\"name\":\"app\",\"namespace\":\"default\",\"uid\":\"app-1\",\"annotations\":{\"latency-mesh.io/near\":\"app=redis\"}}," \
		   "\"spec\":{\"containers\":[]}},\"NodeNames\":[\"a\",\"b\",\"c\"]}"

static bool has_one_pod(void *arg)
{
	return sched_metric(arg, "latency_sched_pods") > 0.5;
}

static void a_pod_counts_while_it_is_being_bound(void **state)
{
	struct asker a, second;

	(void)state;
	asker_begin(&a, options);
	second = a;			/* the same program by another connection */
	second.text = NULL;
	post_pod(&a, "redis");
	assert_true(test_wait(has_one_pod, &a.s, 5000));
	faults(&a, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":3000,\"count\":1"));
	send_bind_of(&a, "redis", "c");
	until_one_is_assumed(&a);
	send_body(&second, "/prioritize", NEAR_REDIS);
	await(&second);
	assert_string_equal(sched_node_now(&a.s, "redis"), "");
	assert_non_null(strstr(second.text, "{\"Host\":\"c\",\"Score\":10}"));
	assert_says(&a, UNKNOWN);
	assert_string_equal(sched_where(&a.s, "redis"), "c");
	faults(&a, BINDING_RULE("\"action\":\"status\",\"status\":403,\"when\":\"before\""));
	post_pod(&a, "refused");
	send_bind_of(&a, "refused", "a");
	assert_says(&a, "403");
	assert_true(test_wait(is_none_assumed, &a, 5000));	/* and no more when it was refused */
	free(second.text);
	asker_end(&a);
}

static void e15_open_bindings_are_answered_before_the_end(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	assert_true(test_wait(has_one_pod, &a.s, 5000));
	faults(&a, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":600,\"count\":1"));
	send_bind_of(&a, "web", "b");
	until_one_is_assumed(&a);
	assert_int_equal(kill(a.s.pid, SIGTERM), 0);
	assert_string_equal(await(&a), BOUND);
	asker_end(&a);
}

static void e15_told_twice_it_ends_at_once_and_says_what_it_left(void **state)
{
	struct asker a;

	(void)state;
	asker_begin(&a, options);
	post_pod(&a, "web");
	assert_true(test_wait(has_one_pod, &a.s, 5000));
	faults(&a, BINDING_RULE("\"action\":\"delay\",\"delay_ms\":3000,\"count\":1"));
	send_bind_of(&a, "web", "b");
	until_one_is_assumed(&a);
	assert_int_equal(kill(a.s.pid, SIGTERM), 0);
	assert_int_equal(sched_log_count(&a.s, "\"draining\"", 1), 1);
	assert_int_equal(kill(a.s.pid, SIGTERM), 0);
	assert_true(strstr(await(&a), "latency-sched ends; the outcome is unknown") || strstr(a.text, UNKNOWN));
	assert_int_equal(sched_log_count(&a.s, "\"a binding is left, its outcome is unknown\"", 1), 1);
	asker_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_bound_once_and_without_an_event_of_ours),
		cmocka_unit_test(e16_a_pod_on_another_node_or_of_another_uid_or_gone),
		cmocka_unit_test(e16_a_lost_answer_and_a_passing_500_are_no_errors),
		cmocka_unit_test(a_refusal_is_said_at_once),
		cmocka_unit_test(e16_too_late_and_done),
		cmocka_unit_test(e16_too_late_and_not_done),
		cmocka_unit_test(bindings_in_flight_are_limited),
		cmocka_unit_test(e16_without_an_api),
		cmocka_unit_test(a_pod_counts_while_it_is_being_bound),
		cmocka_unit_test(e15_open_bindings_are_answered_before_the_end),
		cmocka_unit_test(e15_told_twice_it_ends_at_once_and_says_what_it_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
