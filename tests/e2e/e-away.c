/*
 * What becomes of pods while the extender of a kube-scheduler is away, hangs, answers with errors, with half an answer, with no JSON, or late; with
 * `ignorable` true and false, as README has it. And what it says to a kube-scheduler that sends it some pods only, and to one that evicts.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/e2e/beside.h"

#define WITHIN_A "\"latency-mesh.io/within\":\"node/a<=1ms\""
#define NEAR_A "\"latency-mesh.io/near\":\"node/a\""
#define ON_B ",\"nodeSelector\":{\"kubernetes.io/hostname\":\"b\"}"
#define TOO_FAR "node(s) exceeded the latency limit to node/a"

/* A pod that may go to b alone by kube-scheduler and to a alone by us. */
static void post_torn(struct beside *b, const char *name)
{
	sched_pod_of(&b->s, WISHES_NAME, name, WITHIN_A, "", ON_B);
}

static void post_near(struct beside *b, const char *name)
{
	sched_pod_of(&b->s, WISHES_NAME, name, WITHIN_A, "", "");
}

static void begin(struct beside *b, bool tapped, bool ignorable)
{
	beside_begin(b, ignorable ? beside_lenient : beside_strict);
	if (tapped)
		b->tap = tap_start(BESIDE_URL);
	beside_start_rival(b, true, ignorable);
}

/* --- away, and hanging --------------------------------------------------------------------------------------------------- */

static void e18_ignorable_pods_go_on_without_their_limits(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, false, true);
	post_torn(&b, "asked");
	beside_waits(&b, "asked", TOO_FAR);
	assert_int_equal(sched_stop(&b.s, SIGKILL), 128 + SIGKILL);
	post_torn(&b, "killed");
	beside_goes_to(&b, "killed", "b");
	sched_start(&b.s, beside_lenient);
	post_torn(&b, "back");
	beside_waits(&b, "back", TOO_FAR);
	assert_int_equal(kill(b.s.pid, SIGSTOP), 0);
	post_torn(&b, "hangs");
	beside_goes_to(&b, "hangs", "b");
	assert_int_equal(kill(b.s.pid, SIGCONT), 0);
	post_torn(&b, "goes-on");
	beside_waits(&b, "goes-on", TOO_FAR);
	beside_end(&b);
}

static void e18_others_wait_and_keep_their_limits(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, false, false);
	assert_int_equal(sched_stop(&b.s, SIGKILL), 128 + SIGKILL);
	post_near(&b, "killed");
	post_torn(&b, "killed-torn");
	beside_waits(&b, "killed", "127.0.0.1:8080");
	beside_waits(&b, "killed-torn", "127.0.0.1:8080");
	sched_start(&b.s, beside_strict);
	beside_goes_to(&b, "killed", "a");
	beside_waits(&b, "killed-torn", TOO_FAR);
	assert_int_equal(kill(b.s.pid, SIGSTOP), 0);
	post_near(&b, "hangs");
	beside_waits(&b, "hangs", "127.0.0.1:8080");
	assert_int_equal(kill(b.s.pid, SIGCONT), 0);
	beside_goes_to(&b, "hangs", "a");
	beside_end(&b);
}

/* --- answers that are of no use ------------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	struct tap_rule rule;
	const char *says;		/* in the condition of a pod that waits for it */
} spoils[] = {
	{"error-500", {.way = TAP_500}, "code 500"},
	{"half", {.way = TAP_HALF}, "unexpected EOF"},
	{"no-json", {.way = TAP_NO_JSON}, "invalid character '<'"},
	{"later", {.delay_ms = 3000}, "Client.Timeout exceeded"},
};

/* 300 ms are within kube-scheduler's patience: pods are only slower. */
static void assert_slow_answers_count(struct beside *b)
{
	tap_set(b->tap, &(struct tap_rule){.delay_ms = 300});
	post_near(b, "slow");
	beside_goes_to(b, "slow", "a");
	post_torn(b, "slow-torn");
	beside_waits(b, "slow-torn", TOO_FAR);
	tap_set(b->tap, &(struct tap_rule){0});
}

/* The limit holds, the rank does not: kube-scheduler passes over /prioritize whatever `ignorable` is. */
static void assert_prioritize_holds_nobody_up(struct beside *b)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spoils); i++) {
		struct tap_rule rule = spoils[i].rule;
		auto_free char *name = xasprintf("unranked-%s", spoils[i].name);

		rule.verb = "prioritize";
		tap_set(b->tap, &rule);
		sched_pod_of(&b->s, WISHES_NAME, name, "\"latency-mesh.io/within\":\"node/a<=6ms\"", "", "");
		beside_goes_to(b, name, "a b");
	}
}

static void e18_ignorable_passes_over_answers_of_no_use(void **state)
{
	struct beside b;
	size_t i;

	(void)state;
	begin(&b, true, true);
	assert_slow_answers_count(&b);
	for (i = 0; i < ARRAY_SIZE(spoils); i++) {
		auto_free char *after = xasprintf("after-%s", spoils[i].name);

		tap_set(b.tap, &spoils[i].rule);
		post_torn(&b, spoils[i].name);
		beside_goes_to(&b, spoils[i].name, "b");
		tap_set(b.tap, &(struct tap_rule){0});
		post_torn(&b, after);
		beside_waits(&b, after, TOO_FAR);
	}
	beside_end(&b);
}

static void e18_without_ignorable_pods_wait_for_good_answers(void **state)
{
	struct beside b;
	size_t i;

	(void)state;
	begin(&b, true, false);
	assert_slow_answers_count(&b);
	for (i = 0; i < ARRAY_SIZE(spoils); i++) {
		tap_set(b.tap, &spoils[i].rule);
		post_near(&b, spoils[i].name);
		beside_waits(&b, spoils[i].name, spoils[i].says);
		tap_set(b.tap, &(struct tap_rule){0});
		beside_goes_to(&b, spoils[i].name, "a");
	}
	assert_prioritize_holds_nobody_up(&b);
	beside_end(&b);
}

/* --- its scheduling thread hangs ----------------------------------------------------------------------------------------- */

/* Is it in a call that waits, with no lock of the allocator in its hands? */
static bool is_waiting(pid_t thread)
{
	static const long calls[] = {SYS_poll, SYS_ppoll, SYS_epoll_wait, SYS_epoll_pwait};
	auto_free char *path = xasprintf("/proc/%d/syscall", (int)thread), *text = test_read(path);
	size_t i;

	for (i = 0; text && i < ARRAY_SIZE(calls); i++)
		if (*text >= '0' && *text <= '9' && strtol(text, NULL, 10) == calls[i])
			return true;
	return false;
}

static void hang_thread(pid_t thread)
{
	int tries = 0;

	assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
	for (;;) {
		assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
		assert_int_equal(waitpid(thread, NULL, __WALL), thread);
		if (is_waiting(thread))
			break;
		assert_true(++tries < 1000);
		assert_int_equal(ptrace(PTRACE_CONT, thread, NULL, NULL), 0);
		usleep(1000);
	}
	sleep(3);	/* until then HTTP's threads decide by themselves, as while it sleeps */
}

static void e14_late_decisions_pass_with_limits_unchecked(void **state)
{
	struct beside b;

	(void)state;
	beside_begin(&b, beside_lenient);
	beside_start_rival(&b, true, false);
	hang_thread(b.s.pid);
	post_torn(&b, "late");
	beside_goes_to(&b, "late", "b");
	assert_int_equal(ptrace(PTRACE_DETACH, b.s.pid, NULL, NULL), 0);
	post_torn(&b, "in-time");
	beside_waits(&b, "in-time", TOO_FAR);
	beside_end(&b);
}

static void e14_or_are_errors_by_option(void **state)
{
	struct beside b;

	(void)state;
	beside_begin(&b, beside_strict);
	beside_start_rival(&b, true, false);
	hang_thread(b.s.pid);
	post_near(&b, "late");
	beside_waits(&b, "late", "latency-sched: there was no decision in time");
	assert_int_equal(ptrace(PTRACE_DETACH, b.s.pid, NULL, NULL), 0);
	beside_goes_to(&b, "late", "a");
	rival_stop(&b.rival);
	beside_start_rival(&b, true, true);
	hang_thread(b.s.pid);
	post_torn(&b, "passed-over");
	beside_goes_to(&b, "passed-over", "b");
	assert_int_equal(ptrace(PTRACE_DETACH, b.s.pid, NULL, NULL), 0);
	beside_end(&b);
}

/* --- a wish that cannot be read, some pods only, evictions ---------------------------------------------------------------- */

static void a_wrong_annotation_waits_for_its_correction(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, false, true);
	sched_pod_of(&b.s, WISHES_NAME, "wrong", "\"latency-mesh.io/near\":\"nowhere\"", "", "");
	beside_waits(&b, "wrong", "annotation latency-mesh.io/near");
	standin_do(&b.s.api, 200, "PATCH", "/api/v1/namespaces/default/pods/wrong", "{\"metadata\":{\"annotations\":{" NEAR_A "}}}");
	beside_goes_to(&b, "wrong", "a");
	beside_end(&b);
}

/* Of managedResources: only pods that request them are sent to us. */
static void other_pods_are_placed_without_us(void **state)
{
	auto_free char *extender = NULL, *config = NULL;
	auto_free struct tap_talk *talks = NULL;
	struct beside b;
	size_t count, i;

	(void)state;
	beside_begin(&b, beside_lenient);
	b.tap = tap_start(BESIDE_URL);
	extender = beside_extender(tap_url(b.tap), true, false, "  managedResources: [{name: latency-mesh.io/asks, ignoredByScheduler: true}]\n");
	config = xasprintf("profiles:\n- schedulerName: " WISHES_NAME "\n%s", extender);
	rival_start(&b.rival, config);
	post_torn(&b, "other");
	beside_goes_to(&b, "other", "b");
	sched_pod_of(&b.s, WISHES_NAME, "asks", WITHIN_A, "", ON_B ",\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{\"limits\":"
		     "{\"latency-mesh.io/asks\":\"1\"}}}]");
	beside_waits(&b, "asks", TOO_FAR);
	talks = tap_talks(b.tap, &count);
	assert_true(count > 0);
	for (i = 0; i < count; i++)
		assert_non_null(strstr(talks[i].asked, "\"name\":\"asks\""));
	beside_end(&b);
}

/* A pod of no priority that fills a node. */
static void fill(struct beside *b, const char *node)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"fills-%s\"},\"spec\":{\"nodeName\":\"%s\",\"terminationGracePeriodSeconds\":0,\"containers\":"
					 "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"3950m\"}}}]}}", node, node);

	standin_do(&b->s.api, 201, "POST", "/api/v1/namespaces/default/pods", body);
}

static bool is_there(struct beside *b, const char *pod)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/default/pods/%s", pod);
	int status;

	cJSON_Delete(standin_call(&b->s.api, "GET", path, NULL, &status));
	return status == 200;
}

/*
 * FailedAndUnresolvableNodes: b has room and is too far, so nobody is evicted there, but on a. A full node is another matter: kube-scheduler does not ask
 * about it before it evicts.
 */
static void nobody_is_evicted_on_a_node_that_latency_refused(void **state)
{
	struct beside b;
	int status;

	(void)state;
	begin(&b, false, true);
	cJSON_Delete(standin_call(&b.s.api, "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", "{\"metadata\":{\"name\":\"high\"},\"value\":1000}", &status));
	assert_true(status == 201 || status == 409);
	fill(&b, "a");
	sched_pod_of(&b.s, "hand", "small", "", "", ",\"nodeName\":\"b\",\"terminationGracePeriodSeconds\":0");
	sched_pod_of(&b.s, WISHES_NAME, "torn", WITHIN_A, "", ON_B ",\"priorityClassName\":\"high\"");
	beside_waits(&b, "torn", TOO_FAR);
	beside_waits(&b, "torn", "3 Preemption is not helpful for scheduling");
	sched_pod_of(&b.s, WISHES_NAME, "high", WITHIN_A, "", ",\"priorityClassName\":\"high\",\"affinity\":{\"nodeAffinity\":"
		     "{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"a\",\"b\"]}]}]}}}");
	beside_goes_to(&b, "high", "a");
	assert_false(is_there(&b, "fills-a"));
	assert_true(is_there(&b, "small"));
	beside_waits(&b, "torn", TOO_FAR);
	beside_end(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(e18_ignorable_pods_go_on_without_their_limits),
		cmocka_unit_test(e18_others_wait_and_keep_their_limits),
		cmocka_unit_test(e18_ignorable_passes_over_answers_of_no_use),
		cmocka_unit_test(e18_without_ignorable_pods_wait_for_good_answers),
		cmocka_unit_test(e14_late_decisions_pass_with_limits_unchecked),
		cmocka_unit_test(e14_or_are_errors_by_option),
		cmocka_unit_test(a_wrong_annotation_waits_for_its_correction),
		cmocka_unit_test(other_pods_are_placed_without_us),
		cmocka_unit_test(nobody_is_evicted_on_a_node_that_latency_refused),
	};

	return cmocka_run_group_tests_name("away", tests, NULL, NULL);
}
