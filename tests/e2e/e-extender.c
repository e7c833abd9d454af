/* A real kube-scheduler that asks --mode extender, with names and with whole nodes: it places by our scores, and tells our reasons in its words. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"

#define THEIRS "default-scheduler"
#define PODS_EACH 3

static const char *const options[] = {"--mode", "extender", "--extender-listen", "127.0.0.1:0", NULL};

static void start_rival(struct sched *s, struct rival *r, const char *capable)
{
	auto_free char *extenders = NULL;

	sched_log_count(s, "\"extender listening\"", 1);
	extenders = xasprintf("extenders:\n- {urlPrefix: \"http://127.0.0.1:%s\", filterVerb: filter, prioritizeVerb: prioritize, weight: 12, "
			      "nodeCacheCapable: %s, httpTimeout: 5s, ignorable: false}\n", sched_log_field(s, "\"extender listening\"", "port"), capable);
	rival_start(r, extenders);
}

static void pod(struct sched *s, const char *name, const char *annotations)
{
	sched_pod_of(s, THEIRS, name, annotations, "", "");
}

static bool is_refused(void *arg)
{
	return *sched_refusal(arg, "refused");
}

/* The message of its condition holds the text. */
static void expect_refusal(struct sched *s, const char *annotations, const char *reason, const char *text)
{
	const cJSON *condition;
	cJSON *object;

	pod(s, "refused", annotations);
	assert_true(test_wait(is_refused, s, 30000));
	object = sched_get(s, "refused");
	cJSON_ArrayForEach(condition, item_at(object, "status.conditions"))
		if (STREQ(text_at(condition, "status"), "False") &&
		    (!STREQ(text_at(condition, "reason"), reason) || !strstr(text_at(condition, "message"), text)))
			fail_msg("%s: %s", text_at(condition, "reason"), text_at(condition, "message"));
	cJSON_Delete(object);
	standin_do(&s->api, 200, "DELETE", "/api/v1/namespaces/default/pods/refused?gracePeriodSeconds=0", NULL);
}

static void place_by(const char *capable)
{
	static const char *const nodes[] = {"a", "b", "c"};
	struct sched s;
	struct rival r;
	int i;

	e2e_begin(&s);
	sched_nodes(&s, "a b c");
	sched_matrix(&s, 1, "0 5 9  5 0 9  9 9 0");
	sched_start(&s, options);
	start_rival(&s, &r, capable);
	for (i = 0; i < 3 * PODS_EACH; i++) {
		auto_free char *name = xasprintf("near-%d", i), *near = xasprintf("\"latency-mesh.io/near\":\"node/%s\"", nodes[i % 3]);

		pod(&s, name, near);
		assert_string_equal(sched_where(&s, name), nodes[i % 3]);
	}
	for (i = 0; i < PODS_EACH; i++) {	/* the limit wins over all that kube-scheduler likes better */
		auto_free char *name = xasprintf("within-%d", i);

		pod(&s, name, "\"latency-mesh.io/within\":\"node/c<=1ms\"");
		assert_string_equal(sched_where(&s, name), "c");
	}
	expect_refusal(&s, "\"latency-mesh.io/within\":\"node/a<=1ms,node/c<=1ms\"", "Unschedulable",
		       "0/3 nodes are available: 1 node(s) exceeded the latency limit to node/c, 2 node(s) exceeded the latency limit to node/a.");
	expect_refusal(&s, "\"latency-mesh.io/near\":\"nowhere\"", "SchedulerError", "annotation latency-mesh.io/near");
	assert_true(sched_metric(&s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"bad\"}") < 0.5);
	assert_true(sched_metric(&s, "latency_sched_extender_requests_total{verb=\"prioritize\",result=\"decided\"}") >= 3 * PODS_EACH);
	rival_stop(&r);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
}

static void e7_names_alone(void **state)
{
	(void)state;
	place_by("true");
}

static void e7_whole_nodes(void **state)
{
	(void)state;
	place_by("false");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e7_names_alone),
		cmocka_unit_test(e7_whole_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
