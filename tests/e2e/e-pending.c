/*
 * What a user sees of a pod that fits nowhere: the condition PodScheduled and the event FailedScheduling, word for word those of a real
 * kube-scheduler that gets the same pod on the same nodes; and nothing is written again while nothing changes for the pod.
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
#include "tests/e2e/rival.h"
#include "tests/e2e/twins.h"

#define ACCOUNT "system:serviceaccount:" E2E_NAMESPACE ":latency-sched"
#define PODS "/api/v1/namespaces/default/pods"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/default/events"
#define SEEN_S 30
#define RANDOM_TWINS 40

/* --- the words ----------------------------------------------------------------------------------------------------------- */

static const cJSON *named(const cJSON *list, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, item_at(list, "items"))
		if (STREQ(text_at(item, "metadata.name"), name))
			return item;
	fail_msg("no pod %s", name);
	return NULL;
}

static const cJSON *condition_of(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled"))
			return condition;
	return NULL;
}

static const cJSON *failure_of(const cJSON *events, const char *pod)
{
	const cJSON *event;

	cJSON_ArrayForEach(event, item_at(events, "items"))
		if (STREQ(text_at(event, "regarding.name"), pod) && STREQ(text_at(event, "reason"), "FailedScheduling"))
			return event;
	return NULL;
}

static int refused(const cJSON *pods, const cJSON *events)
{
	const cJSON *pod;
	int count = 0;

	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		count += condition_of(pod) && failure_of(events, text_at(pod, "metadata.name"));
	return count;
}

/* Ours knows no preemption, so what kube-scheduler says of it is not compared. */
static char *without_preemption(const char *message)
{
	static const char *const beginnings[] = {" no new claims to deallocate, preemption:", " preemption:"};
	char *copy = xstrdup(message), *end;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(beginnings); i++)
		if ((end = strstr(copy, beginnings[i])) != NULL)
			*end = '\0';
	return copy;
}

static void differ(struct buf *out, const char *pod, const char *what, const char *ours, const char *theirs)
{
	if (!STREQ(ours, theirs))
		buf_printf(out, "%s: %s\n  ours:   %s\n  theirs: %s\n", pod, what, ours, theirs);
}

static void differ_text(struct buf *out, const char *pod, const char *member, const cJSON *ours, const cJSON *theirs)
{
	auto_free char *mine = without_preemption(text_at(ours, member)), *other = without_preemption(text_at(theirs, member));

	differ(out, pod, member, mine, other);
}

/* Its members by name, with what kind of value each has. */
static char *shape_of(const cJSON *object)
{
	static const char *const wanted[] = {
		"metadata.name", "metadata.namespace", "eventTime", "series.count", "reportingController", "reportingInstance", "action", "reason",
		"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion", "regarding.resourceVersion",
		"regarding.fieldPath", "related", "note", "type", "deprecatedSource.component", "deprecatedCount",
		"status", "message", "lastProbeTime", "lastTransitionTime", "observedGeneration",
	};
	struct buf shape = {0};
	size_t i;

	buf_str(&shape, "");
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		const cJSON *item = item_at(object, wanted[i]);

		if (item)
			buf_printf(&shape, "%s:%s ", wanted[i], json_kind(item));
	}
	return shape.data;
}

static void differ_shape(struct buf *out, const char *pod, const char *what, const cJSON *ours, const cJSON *theirs)
{
	auto_free char *mine = shape_of(ours), *other = shape_of(theirs);

	differ(out, pod, what, mine, other);
}

static void compare_conditions(struct buf *out, const char *name, const cJSON *our_pod, const cJSON *their_pod)
{
	static const char *const members[] = {"type", "status", "reason", "message"};
	const cJSON *ours = condition_of(our_pod), *theirs = condition_of(their_pod);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		differ_text(out, name, members[i], ours, theirs);
	differ_shape(out, name, "condition's members", ours, theirs);
	if (cJSON_GetNumberValue(item_at(ours, "observedGeneration")) != cJSON_GetNumberValue(item_at(our_pod, "metadata.generation")))
		buf_printf(out, "%s: observedGeneration is not the pod's generation\n", name);
}

static void compare_events(struct buf *out, const char *name, const cJSON *ours, const cJSON *theirs, const cJSON *our_pod)
{
	static const char *const members[] = {"type", "reason", "action", "note", "regarding.kind", "regarding.apiVersion", "regarding.namespace"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		differ_text(out, name, members[i], ours, theirs);
	differ_shape(out, name, "event's members", ours, theirs);
	differ(out, name, "reportingController", text_at(ours, "reportingController"), TWINS_OURS);
	differ(out, name, "reportingInstance", text_at(ours, "reportingInstance") + strlen(TWINS_OURS),
	       text_at(theirs, "reportingInstance") + strlen(TWINS_THEIRS));
	differ(out, name, "regarding.uid", text_at(ours, "regarding.uid"), text_at(our_pod, "metadata.uid"));
	differ(out, name, "beginning of its name", strncmp(text_at(ours, "metadata.name"), text_at(ours, "regarding.name"), strlen(name)) ? "another" : "the pod's",
	       "the pod's");
}

static void compare_twin(struct buf *out, const cJSON *pods, const cJSON *events, const cJSON *our_pod)
{
	const char *our_name = text_at(our_pod, "metadata.name");
	auto_free char *name = xstrndup(our_name, strlen(our_name) - strlen("-ours")), *their_name = xasprintf("%s-theirs", name);
	const cJSON *their_pod = named(pods, their_name);

	compare_conditions(out, name, our_pod, their_pod);
	compare_events(out, name, failure_of(events, our_name), failure_of(events, their_name), our_pod);
}

/* Both schedulers have said no to all of them. */
static void compare_twins(struct sched *s, int twins)
{
	int64_t end = clock_mono_ms() + SEEN_S * 1000;
	auto_json cJSON *pods = NULL, *events = NULL;
	auto_buf struct buf differences = {0};
	const cJSON *pod;

	while (!pods || refused(pods, events) < 2 * twins) {
		if (clock_mono_ms() > end)
			fail_msg("%d of %d pods have condition and event", refused(pods, events), 2 * twins);
		usleep(100000);
		cJSON_Delete(pods);
		cJSON_Delete(events);
		pods = standin_want(&s->api, 200, "GET", PODS "?fieldSelector=spec.nodeName%3D", NULL);
		events = standin_want(&s->api, 200, "GET", EVENTS, NULL);
	}
	cJSON_ArrayForEach(pod, item_at(pods, "items"))
		if (STREQ(text_at(pod, "spec.schedulerName"), TWINS_OURS))
			compare_twin(&differences, pods, events, pod);
	if (differences.len) {
		printf("# differences from kube-scheduler:\n%s", differences.data);
		fail_msg("not kube-scheduler's words");
	}
}

static void until_nodes_known(struct sched *s, const struct rival *r, int nodes)
{
	int64_t end = clock_mono_ms() + SEEN_S * 1000;

	while ((int)rival_metric(r, "scheduler_cache_size{type=\"nodes\"}") != nodes || (int)sched_metric(s, "latency_sched_nodes") != nodes) {
		if (clock_mono_ms() > end)
			fail_msg("the schedulers know %.0f and %.0f nodes instead of %d", rival_metric(r, "scheduler_cache_size{type=\"nodes\"}"),
				 sched_metric(s, "latency_sched_nodes"), nodes);
		usleep(100000);
	}
}

static void condition_and_event_are_those_of_kube_scheduler(void **state)
{
	struct rng rng = rng_make(test_seed());
	struct sched s;
	struct rival rival;
	int twins;

	(void)state;
	e2e_begin(&s);
	sched_start(&s, NULL);
	rival_start(&rival, NULL);
	twins_post_plain(&s);
	compare_twins(&s, 1);
	e2e_clean(&s);
	twins_cluster(&s, &rng);
	until_nodes_known(&s, &rival, TWINS_NODES);
	twins = twins_post(&s, &rng, RANDOM_TWINS);
	compare_twins(&s, twins);
	printf("# %d pods for each, the same words\n", twins);
	rival_stop(&rival);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition_and_event_are_those_of_kube_scheduler),
	};

	return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
