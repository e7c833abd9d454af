/* What users are told of the reserve of a real latency-sched: /reserve, metrics, events on pods; and not again after a restart. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/shelter.h"

#define PATIENCE_MS 30000
#define OPTED ",\"labels\":{\"latency-mesh.io/reserve\":\"true\"}"
#define OWNED ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"db\",\"uid\":\"rs-db\",\"controller\":true}]"

static cJSON *shown(struct shelter *h)
{
	int status;
	auto_free char *text = sched_fetch(&h->s, "/reserve", &status);
	struct lm_err err = {0};
	cJSON *object;

	assert_int_equal(status, 200);
	object = json_parse(text, strlen(text), 8, &err);
	if (!object)
		fail_msg("%s: %s", err.msg, text);
	return object;
}

static cJSON *list_of(const cJSON *object, const char *key)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_true(cJSON_IsArray(list));
	return list;
}

static int count_of(const cJSON *object, const char *key)
{
	return cJSON_GetArraySize(list_of(object, key));
}

static const cJSON *entry_of(const cJSON *object, const char *key, const char *member, const char *value)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, list_of(object, key))
		if (STREQ(cJSON_GetStringValue(json_get(entry, member)), value))
			return entry;
	return NULL;
}

/* Waits until so many are covered, owed and uncovered. The caller deletes. */
static cJSON *until_shown(struct shelter *h, int covered, int owed, int uncovered)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	cJSON *object = shown(h);

	while (count_of(object, "covered") != covered || count_of(object, "owed") != owed || count_of(object, "uncovered") != uncovered) {
		if (clock_mono_ms() > until)
			fail_msg("not %d, %d, %d: %s", covered, owed, uncovered, cJSON_PrintUnformatted(object));
		cJSON_Delete(object);
		usleep(50000);
		object = shown(h);
	}
	return object;
}

static double pods_metric(struct shelter *h, const char *state)
{
	auto_free char *name = xasprintf("latency_sched_reserve_pods{state=\"%s\"}", state);

	return sched_metric(&h->s, name);
}

static void begin(struct shelter *h)
{
	shelter_begin(h, "a b c");
	shelter_pod(h, "web-0", "web", "a", 600);
	shelter_pod(h, "web-1", "web", "a", 600);
	shelter_work(h);
}

static void expect_refuge(struct shelter *h, const cJSON *object, const char *pod)
{
	auto_free char *key = xasprintf("default/%s", pod);
	const cJSON *entry = entry_of(object, "covered", "pod", key), *node;
	const char *refuge;

	assert_non_null(entry);
	refuge = cJSON_GetStringValue(json_get(entry, "refuge"));
	assert_string_equal(refuge, shelter_refuge(h, pod));
	assert_string_equal(cJSON_GetStringValue(json_get(entry, "node")), sched_node_now(&h->s, pod));
	node = entry_of(object, "nodes", "node", refuge);
	assert_non_null(node);
	assert_string_equal(cJSON_GetStringValue(json_get(node, "state")), "steady");
	assert_string_equal(cJSON_GetStringValue(json_get(json_get(node, "room"), "for_failure")), "a");
}

static void covered_and_uncovered_are_shown_as_they_are(void **state)
{
	struct shelter h;
	cJSON *object;
	const cJSON *entry;
	int status;

	(void)state;
	begin(&h);
	/* each may be on that node alone; nobody would make the second one anew */
	sched_pod_of(&h.s, "my-latency-scheduler", "db-0", "\"latency-mesh.io/within\":\"node/b<=1ms\"", OPTED OWNED, "");
	sched_pod_of(&h.s, "my-latency-scheduler", "db-1", "\"latency-mesh.io/within\":\"node/c<=1ms\"", OPTED, "");
	shelter_placed(&h);
	object = until_shown(&h, 2, 0, 2);
	assert_true(cJSON_IsTrue(json_get(object, "leading")));
	assert_true(json_get(json_get(object, "plan"), "took_ms")->valuedouble >= 0);
	assert_true(cJSON_IsNull(json_get(json_get(object, "plan"), "error")));
	assert_true(json_get(json_get(object, "overhead_percent"), "cpu")->valuedouble >= 10);	/* 1200m of 12000m */
	expect_refuge(&h, object, "web-0");
	expect_refuge(&h, object, "web-1");
	entry = entry_of(object, "uncovered", "pod", "default/db-0");
	assert_non_null(strstr(cJSON_GetStringValue(json_get(entry, "reason")), "node(s) exceeded the latency limit to node/b"));
	assert_string_equal(cJSON_GetStringValue(json_get(entry, "node")), "b");
	entry = entry_of(object, "uncovered", "pod", "default/db-1");
	assert_string_equal(cJSON_GetStringValue(json_get(entry, "reason")), "no controller would recreate it");
	cJSON_Delete(object);
	assert_true(pods_metric(&h, "covered") == 2 && pods_metric(&h, "uncovered") == 2 && pods_metric(&h, "owed") == 0);
	assert_true(sched_metric(&h.s, "latency_sched_reserve_plans_total{result=\"made\"}") >= 1);
	assert_true(sched_metric(&h.s, "latency_sched_reserve_plans_total{result=\"failed\"}") == 0);
	free(sched_fetch(&h.s, "/reserve?format=text", &status));
	assert_int_equal(status, 400);
	shelter_finish(&h);
}

static void a_handover_is_counted(void **state)
{
	struct shelter h;
	cJSON *object;

	(void)state;
	begin(&h);
	assert_int_equal(shelter_kill(&h, "a"), 2);
	shelter_placed(&h);
	object = until_shown(&h, 2, 0, 0);		/* where they are now, for the next failure */
	assert_null(entry_of(object, "covered", "node", "a"));
	cJSON_Delete(object);
	assert_true(sched_metric(&h.s, "latency_sched_reserve_handovers_total{result=\"placed\"}") == 2);
	assert_true(sched_metric(&h.s, "latency_sched_reserve_handovers_total{result=\"misfit\"}") == 0);
	assert_true(sched_metric(&h.s, "latency_sched_reserve_handovers_total{result=\"expired\"}") == 0);
	shelter_finish(&h);
}

/* A placeholder that the server refuses is no room, whatever was planned; the words are the server's. */
static void what_the_server_refuses_is_said(void **state)
{
	struct shelter h;
	cJSON *object;
	const cJSON *entry;

	(void)state;
	shelter_begin(&h, "a b c");
	standin_faults(&h.s.api, "{\"rules\":[{\"method\":\"POST\",\"path\":\"/api/v1/namespaces/" SHELTER_NAMESPACE "/pods\",\"action\":\"status\",\"status\":403}]}");
	shelter_pod(&h, "web-0", "web", "a", 600);
	sched_start(&h.s, h.options);
	shelter_placed(&h);
	object = until_shown(&h, 0, 0, 1);
	cJSON_Delete(object);
	for (int64_t until = clock_mono_ms() + PATIENCE_MS;;) {
		object = shown(&h);
		entry = cJSON_GetArrayItem(list_of(object, "uncovered"), 0);
		if (strstr(cJSON_GetStringValue(json_get(entry, "reason")), " cannot be made: "))
			break;
		assert_true(clock_mono_ms() < until);
		cJSON_Delete(object);
		usleep(50000);
	}
	assert_true(cJSON_IsString(json_get(cJSON_GetArrayItem(list_of(object, "nodes"), 0), "error")));
	cJSON_Delete(object);
	shelter_finish(&h);
}

static void each_pod_hears_it_once(void **state)
{
	struct shelter h;

	(void)state;
	begin(&h);
	assert_int_equal(sched_events(&h.s, "web-0", "Covered", 1), 1);
	assert_int_equal(sched_events(&h.s, "web-1", "Covered", 1), 1);
	assert_int_equal(sched_stop(&h.s, SIGTERM), 0);
	sched_start(&h.s, h.options);
	cJSON_Delete(until_shown(&h, 2, 0, 0));
	sleep(6);	/* as long as the first one took */
	assert_int_equal(sched_events(&h.s, "web-0", "Covered", 1), 1);
	assert_int_equal(sched_events(&h.s, "web-0", "Uncovered", 0), 0);
	shelter_finish(&h);
}

static void without_a_reserve_there_is_none(void **state)
{
	struct sched s;
	int status;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a b");
	sched_matrix(&s, 1, "0 5  5 0");
	sched_start(&s, NULL);
	free(sched_fetch(&s, "/reserve", &status));
	assert_int_equal(status, 404);
	assert_true(isnan(sched_metric(&s, "latency_sched_reserve_pods{state=\"covered\"}")));
	assert_true(isnan(sched_metric(&s, "latency_sched_reserve_plans_total{result=\"made\"}")));
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	sched_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covered_and_uncovered_are_shown_as_they_are),
		cmocka_unit_test(a_handover_is_counted),
		cmocka_unit_test(what_the_server_refuses_is_said),
		cmocka_unit_test(each_pod_hears_it_once),
		cmocka_unit_test(without_a_reserve_there_is_none),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
