/*
 * How soon a pod that waited is bound, in a quiet cluster and in one where pods come and go all the time (which wakes it again and again and
 * makes its back-off long); and that nothing is written while nothing changes for it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"

#define ACCOUNT "system:serviceaccount:" E2E_NAMESPACE ":latency-sched"
#define OURS "my-latency-scheduler"
#define PODS "/api/v1/namespaces/default/pods"
#define WAITING 20
#define NOISE_S 20		/* back-offs of 1, 2, 4, 8 s are behind them then, and the next one is 10 s */
#define NOISE_MS 100

/* --- the cluster: nodes n-0 .. n-2 of 4 cpu, the last one may be cordoned, and pods that do not fit there ------------------------------------------------- */

static void begin(struct sched *s, bool cordoned)
{
	e2e_begin(s);
	sched_nodes(s, "n-0 n-1 n-2");
	if (cordoned)
		standin_do(&s->api, 200, "PATCH", "/api/v1/nodes/n-2", "{\"spec\":{\"unschedulable\":true}}");
	sched_matrix(s, 1, "0 5 9  5 0 9  9 9 0");
	sched_start(s, NULL);
}

static void end(struct sched *s)
{
	assert_int_equal(sched_stop(s, SIGTERM), 0);
	e2e_end(s);
}

struct waiters {
	const char *metadata, *cpu;
};

static void make_waiter(void *arg, int i, char **path, char **body)
{
	const struct waiters *w = arg;

	*path = xstrdup(PODS);
	*body = xasprintf("{\"metadata\":{\"name\":\"wait-%d\"%s},\"spec\":{\"schedulerName\":\"" OURS "\",\"containers\":[{\"name\":\"c\",\"image\":\"i\","
			  "\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}", i, w->metadata, w->cpu);
}

static int told(struct sched *s)
{
	auto_json cJSON *pods = standin_want(&s->api, 200, "GET", PODS "?fieldSelector=spec.nodeName%3D", NULL);
	const cJSON *pod, *condition;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
			count += STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "reason"), "Unschedulable");
	return count;
}

static void wait_until_told(struct sched *s)
{
	int64_t end = clock_mono_ms() + 30000;

	while (told(s) < WAITING) {
		if (clock_mono_ms() > end)
			fail_msg("%d of %d pods have the condition", told(s), WAITING);
		usleep(50000);
	}
}

/* A pod comes onto a node by hand, and goes; it leaves no room that would help anybody. */
static void pod_comes_and_goes(struct sched *s, int i)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"noise-%d\"},\"spec\":{\"nodeName\":\"n-%d\",\"schedulerName\":\"hand\",\"containers\":[{\"name\":"
					 "\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]}}", i, i % 3);
	auto_free char *path = xasprintf(PODS "/noise-%d?gracePeriodSeconds=0", i);

	standin_do(&s->api, 201, "POST", PODS, body);
	standin_do(&s->api, 200, "DELETE", path, NULL);
}

static double refusals(struct sched *s)
{
	double count = sched_metric(s, "latency_sched_decisions_total{result=\"no_node\"}");

	assert_true(count >= 0);	/* not NaN */
	return count;
}

static void noise(struct sched *s, int for_s)
{
	int64_t end = clock_mono_ms() + for_s * 1000;
	int i;

	for (i = 0; clock_mono_ms() < end; i++) {
		pod_comes_and_goes(s, i);
		usleep(NOISE_MS * 1000);
	}
}

/* Looks while the noise goes on. */
static double bound_after_s(struct sched *s, int64_t since_ms, bool noisy)
{
	int i = 1000000;

	while (e2e_bound(s, OURS) < WAITING) {
		if (clock_mono_ms() - since_ms > 60000)
			fail_msg("%d of %d pods bound after a minute", e2e_bound(s, OURS), WAITING);
		if (noisy)
			pod_comes_and_goes(s, i++);
		usleep(20000);
	}
	return (double)(clock_mono_ms() - since_ms) / 1e3;
}

/* --- bound soon ------------------------------------------------------------------------------------------------------------- */

static void node_appears(bool noisy)
{
	auto_free char *title = xasprintf("from a new node to the last of %d bindings%s", WAITING, noisy ? ", in a busy cluster" : "");
	struct sched s;
	int64_t since_ms;

	begin(&s, false);
	e2e_all(&s, "POST", WAITING, make_waiter, &(struct waiters){"", "5"});
	wait_until_told(&s);
	if (noisy)
		noise(&s, NOISE_S);
	since_ms = clock_mono_ms();
	standin_node(&s.api, "large", "200", "64Gi", "");
	test_deadline(title, bound_after_s(&s, since_ms, noisy), 5, "s");
	end(&s);
}

static void a_pod_is_bound_soon_after_a_node_that_fits_appears(void **state)
{
	(void)state;
	node_appears(false);
}

static void also_where_pods_come_and_go_all_the_time(void **state)
{
	(void)state;
	node_appears(true);
}

static void matrix_allows_it(bool noisy)
{
	auto_free char *title = xasprintf("from a new matrix to the last of %d bindings%s", WAITING, noisy ? ", with a new one each 0.1 s before" : "");
	struct sched s;
	int64_t since_ms, generation = 2, end_ms;

	begin(&s, true);	/* n-2 is near itself */
	e2e_all(&s, "POST", WAITING, make_waiter, &(struct waiters){",\"labels\":{\"delay_n-2\":\"4\"}", "100m"});
	wait_until_told(&s);
	for (end_ms = clock_mono_ms() + (noisy ? NOISE_S * 1000 : 0); clock_mono_ms() < end_ms; usleep(NOISE_MS * 1000))
		sched_matrix(&s, generation++, "0 5 9  5 0 9  9 9 0");
	since_ms = clock_mono_ms();
	sched_matrix(&s, generation, "0 5 3  5 0 9  3 9 0");
	test_deadline(title, bound_after_s(&s, since_ms, false), 5, "s");
	end(&s);
}

static void a_pod_refused_for_latency_is_bound_soon_after_the_matrix_allows_it(void **state)
{
	(void)state;
	matrix_allows_it(false);
}

static void also_where_the_matrix_changes_all_the_time(void **state)
{
	(void)state;
	matrix_allows_it(true);
}

/* --- quiet ------------------------------------------------------------------------------------------------------------------ */

static char *versions(struct sched *s)
{
	auto_json cJSON *pods = standin_want(&s->api, 200, "GET", PODS "?fieldSelector=spec.nodeName%3D", NULL);
	struct buf text = {0};
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		buf_printf(&text, "%s %s\n", text_at(pod, "metadata.name"), text_at(pod, "metadata.resourceVersion"));
	return text.data;
}

/* What kubelets write all the time. */
static void node_reports(struct sched *s, int i)
{
	auto_free char *path = xasprintf("/api/v1/nodes/n-%d/status", i % 3);
	auto_free char *body = xasprintf("{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"round-%d\"}]}}", i);

	standin_do(&s->api, 200, "PATCH", path, body);
}

static int writes_of(const char *subresource, long from)
{
	struct audit audit;
	int count = 0;
	size_t i;

	audit_read(&audit, from);
	for (i = 0; i < audit.count; i++)
		count += STREQ(audit.entries[i].user, ACCOUNT) && STREQ(audit.entries[i].resource, "pods") &&
			 STREQ(audit.entries[i].subresource, subresource);
	audit_free(&audit);
	return count;
}

/* Each pod is looked at many times, and its condition was written once; no pod has another version than before. */
static void nothing_is_written_while_nothing_changes_for_a_pod(void **state)
{
	auto_free char *before = NULL, *after = NULL;
	double looks;
	struct sched s;
	long from;
	int i;

	(void)state;
	begin(&s, false);
	from = audit_mark();
	e2e_all(&s, "POST", WAITING, make_waiter, &(struct waiters){",\"annotations\":{\"latency-mesh.io/within\":\"node/n-0<=1ms\"}", "5"});
	wait_until_told(&s);
	before = versions(&s);
	looks = refusals(&s);
	for (i = 0; i < 200 || refusals(&s) < looks + 2 * WAITING; i++) {
		pod_comes_and_goes(&s, i);
		node_reports(&s, i);
		sched_matrix(&s, 2 + i, "0 5 9  5 0 9  9 9 0");
		if (i > 2000)
			fail_msg("the pods were looked at %.0f times only", refusals(&s) - looks);
	}
	after = versions(&s);
	assert_string_equal(after, before);
	assert_int_equal(writes_of("status", from), WAITING);
	assert_int_equal(writes_of("binding", from), 0);
	printf("# %d pods, each looked at %.1f times more\n", WAITING, (refusals(&s) - looks) / WAITING);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_bound_soon_after_a_node_that_fits_appears), cmocka_unit_test(also_where_pods_come_and_go_all_the_time),
		cmocka_unit_test(a_pod_refused_for_latency_is_bound_soon_after_the_matrix_allows_it),
		cmocka_unit_test(also_where_the_matrix_changes_all_the_time), cmocka_unit_test(nothing_is_written_while_nothing_changes_for_a_pod),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
