/*
 * The judge of placements (tests/testing/fit.h) is judged: the server takes any binding, so each kind of wrong one is made through it, and
 * must be found, and nothing else.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/fit.h"
#include "tests/testing/room.h"
#include "tests/testing/standin.h"

#define SCHEDULER "my-latency-scheduler"
#define POD_PATH "/api/v1/namespaces/default/pods"

/* Nodes stand in a row of five zones; the farther, the slower. */
static double rtt_us(void *arg, const char *from, const char *to)
{
	int a, b;

	(void)arg;
	if (sscanf(from, "node-%d", &a) != 1 || sscanf(to, "node-%d", &b) != 1)
		return NAN;
	return a == b ? 0 : 200 + 100 * abs(a - b);
}

static int judge(struct standin *api, struct buf *faults)
{
	auto_free char *state_text = standin_text(api, "/standin/state"), *log = standin_text(api, "/standin/log");
	auto_json cJSON *state = cJSON_Parse(state_text);

	assert_non_null(state);
	return fit_check(&(struct fit_input){.state = state, .log = log, .scheduler = SCHEDULER, .rtt_us = rtt_us}, faults);
}

static void put_pod(struct standin *api, const char *name, const char *labels, const char *spec, const char *cpu, const char *more)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}},\"spec\":{\"schedulerName\":\"" SCHEDULER "\"%s,\"containers\":"
					 "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%s\",\"memory\":\"1Gi\"}}%s}]}}",
					 name, labels, spec, cpu, more);

	standin_do(api, 201, "POST", POD_PATH, body);
}

static void bind(struct standin *api, const char *pod, const char *node)
{
	auto_free char *path = xasprintf(POD_PATH "/%s/binding", pod);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"target\":{\"kind\":\"Node\",\"name\":\"%s\"}}", pod, node);

	standin_do(api, 201, "POST", path, body);
}

/* Three nodes: node-0 is plain, node-1 tainted and of zone b, node-2 cordoned; 2 cpu and 8 GiB each. */
static void small_cluster(struct standin *api)
{
	standin_start(api, NULL);
	standin_node(api, "node-0", "2", "8Gi", "");
	standin_node(api, "node-1", "2", "8Gi", ",\"spec\":{\"taints\":[{\"key\":\"for\",\"value\":\"gpu\",\"effect\":\"NoSchedule\"}]}");
	standin_node(api, "node-2", "2", "8Gi", ",\"spec\":{\"unschedulable\":true}");
	standin_do(api, 200, "PATCH", "/api/v1/nodes/node-1", "{\"metadata\":{\"labels\":{\"zone\":\"b\"}}}");
}

static void expect(struct standin *api, const char *faults)
{
	auto_buf struct buf found = {0};

	buf_str(&found, "");
	judge(api, &found);
	assert_string_equal(found.data, faults);
	standin_stop(api);
}

static void right_bindings_are_right(void **state)
{
	struct standin api;

	(void)state;
	small_cluster(&api);
	put_pod(&api, "plain", "\"delay_node-0\":\"0.5\"", "", "1", "");
	put_pod(&api, "gpu", "\"delay_node-0\":\"0.3\"", ",\"tolerations\":[{\"key\":\"for\",\"value\":\"gpu\"}],\"nodeSelector\":{\"zone\":\"b\"}", "2", "");
	put_pod(&api, "port", "", "", "1", ",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]");
	bind(&api, "plain", "node-0");
	bind(&api, "gpu", "node-1");
	bind(&api, "port", "node-0");
	expect(&api, "");
}

static void an_unbound_pod_and_a_node_that_is_not_there_are_found(void **state)
{
	struct standin api;

	(void)state;
	small_cluster(&api);
	put_pod(&api, "lost", "", "", "1", "");
	put_pod(&api, "waiting", "", "", "1", "");
	bind(&api, "lost", "node-9");
	expect(&api, "lost: is on a node that does not exist: node-9\nwaiting: is not bound\n");
}

static void too_much_on_a_node_is_found(void **state)
{
	struct standin api;

	(void)state;
	small_cluster(&api);
	standin_do(&api, 200, "PATCH", "/api/v1/nodes/node-0/status", "{\"status\":{\"allocatable\":{\"pods\":\"1\",\"memory\":\"1500Mi\"}}}");
	put_pod(&api, "one", "", "", "1500m", "");
	put_pod(&api, "two", "", "", "501m", "");
	bind(&api, "one", "node-0");
	bind(&api, "two", "node-0");
	expect(&api, "node-0: cpu 2.001 of 2.000\nnode-0: memory 2147483648.000 of 1572864000.000\nnode-0: pods 2.000 of 1.000\n");
}

static void a_big_init_container_counts(void **state)
{
	struct standin api;

	(void)state;
	small_cluster(&api);
	put_pod(&api, "one", "", ",\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]", "1", "");
	bind(&api, "one", "node-0");
	expect(&api, "node-0: cpu 3.000 of 2.000\n");
}

static void each_wrong_place_is_found(void **state)
{
	struct standin api;

	(void)state;
	small_cluster(&api);
	put_pod(&api, "a-taint", "", "", "100m", "");
	put_pod(&api, "b-cordon", "", "", "100m", "");
	put_pod(&api, "c-select", "", ",\"nodeSelector\":{\"zone\":\"b\"}", "100m", "");
	put_pod(&api, "d-affinity", "", ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":"
		"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"a\",\"b\"]}]}]}}}", "100m", "");
	put_pod(&api, "e-delay", "\"delay_node-2\":\"0.3\"", "", "100m", "");
	put_pod(&api, "f-port", "", "", "100m", ",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]");
	put_pod(&api, "g-port", "", "", "100m", ",\"ports\":[{\"containerPort\":81,\"hostPort\":80}]");
	bind(&api, "a-taint", "node-1");
	bind(&api, "b-cordon", "node-2");
	bind(&api, "c-select", "node-0");
	bind(&api, "d-affinity", "node-0");
	bind(&api, "e-delay", "node-0");
	bind(&api, "f-port", "node-0");
	bind(&api, "g-port", "node-0");
	expect(&api, "a-taint: does not tolerate for of node-1\nb-cordon: node-2 is unschedulable\nc-select: selects zone=b, which node-0 has not\n"
	       "d-affinity: node-0 is not in its node affinity\ne-delay: delay_node-2: 0.3 ms is the limit, 0.400 ms it is to node-0\n"
	       "g-port: host port 80 of node-0 is f-port's\n");
}

static void a_second_binding_in_the_log_is_found(void **state)
{
	const char *log = "{\"seq\":1,\"code\":201,\"committed\":true,\"uid\":\"u1\",\"node\":\"node-0\"}\n"
			  "{\"seq\":2,\"code\":409,\"committed\":false,\"uid\":\"u1\",\"node\":\"node-1\"}\n"
			  "{\"seq\":3,\"code\":0,\"committed\":true,\"uid\":\"u1\",\"node\":\"node-1\"}\n";
	auto_json cJSON *list = cJSON_Parse("{\"items\":[{\"kind\":\"Node\",\"metadata\":{\"name\":\"node-0\"},\"status\":{\"allocatable\":{\"cpu\":\"1\","
					    "\"memory\":\"1\",\"pods\":\"5\"}}},{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u1\"},\"spec\":"
					    "{\"schedulerName\":\"s\",\"nodeName\":\"node-0\"}},{\"kind\":\"Pod\",\"metadata\":{\"name\":\"q\",\"uid\":"
					    "\"u2\"},\"spec\":{\"schedulerName\":\"s\",\"nodeName\":\"node-0\"}}]}");
	auto_buf struct buf found = {0};

	(void)state;
	assert_non_null(list);
	assert_int_equal(fit_check(&(struct fit_input){.state = list, .log = log, .scheduler = "s"}, &found), 3);
	assert_string_equal(found.data, "p: was bound twice, the second time to node-1\np: was bound to node-1 and is on node-0\n"
			    "q: is on a node, and the log has no binding\n");
}

static void what_the_log_cannot_say_is_no_fault(void **state)
{
	const char *log = "{\"committed\":null,\"uid\":\"u1\",\"node\":\"node-0\"}\n" /* where it is */
			  "{\"committed\":null,\"uid\":\"u2\",\"node\":\"node-1\"}\n" /* elsewhere */
			  "{\"committed\":false,\"uid\":\"u3\",\"node\":\"node-0\"}\n";
	auto_json cJSON *list = cJSON_Parse("{\"items\":[{\"kind\":\"Node\",\"metadata\":{\"name\":\"node-0\"},\"status\":{\"allocatable\":{\"cpu\":\"1\","
					    "\"memory\":\"1\",\"pods\":\"5\"}}}]}");
	auto_buf struct buf found = {0}, fewer = {0};
	int i;

	(void)state;
	assert_non_null(list);
	for (i = 1; i <= 3; i++) {
		auto_free char *text = xasprintf("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p%d\",\"uid\":\"u%d\"},\"spec\":{\"schedulerName\":\"s\",\"nodeName\":\"node-0\"}}"
,
						 i, i);

		cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(list, "items"), cJSON_Parse(text));
	}
	fit_check(&(struct fit_input){.state = list, .log = log, .scheduler = "s"}, &found);
	assert_string_equal(found.data, "p2: is on a node, and the log has no binding\np3: is on a node, and the log has no binding\n");
	fit_check(&(struct fit_input){.state = list, .log = log, .scheduler = "s", .unlogged = 1}, &fewer);
	assert_string_equal(fewer.data, "p3: is on a node, and the log has no binding\n");
}

/* Two nodes of 2 cpu and 2 pods; a, b of 1 cpu, c of 1500m, d of nothing. */
static cJSON *walk_state(void)
{
	static const char *const cpus[] = {"1", "1", "1500m", "0"};
	cJSON *list = cJSON_Parse("{\"items\":[{\"kind\":\"Node\",\"metadata\":{\"name\":\"m\"},\"status\":{\"allocatable\":{\"cpu\":\"2\",\"memory\":\"1\","
				  "\"pods\":\"2\"}}},{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{\"cpu\":\"2\",\"memory\":\"1\","
				  "\"pods\":\"2\"}}}]}");
	size_t i;

	assert_non_null(list);
	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		auto_free char *text = xasprintf("{\"kind\":\"Pod\",\"metadata\":{\"uid\":\"%c\"},\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
						 (char)('a' + (int)i), cpus[i]);

		cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(list, "items"), cJSON_Parse(text));
	}
	return list;
}

static void a_binding_onto_taken_room_is_found_whatever_the_order_of_the_steps(void **state)
{
	auto_json cJSON *list = walk_state();
	auto_buf struct buf found = {0};
	struct room_step steps[] = {{30, "c", "m", true}, {20, "b", "m", false}, {10, "a", "n", true}, {40, "d", "m", true}};

	(void)state;
	assert_int_equal(room_walk(list, steps, 4, &found), 2);
	assert_string_equal(found.data, "c came onto m at 30 without room\nd came onto m at 40 without room\n"); /* 2.5 of 2 cpu; the third of 2 pods */
}

static void what_is_not_judged_or_comes_later_is_no_fault(void **state)
{
	auto_json cJSON *list = walk_state();
	struct room_step late[] = {{10, "c", "m", true}, {20, "b", "m", false}}, same[] = {{10, "c", "m", true}, {10, "b", "m", false}};
	struct room_step full[] = {{10, "a", "m", true}, {20, "b", "m", true}};

	(void)state;
	assert_int_equal(room_walk(list, late, 2, NULL), 0);
	assert_int_equal(room_walk(list, same, 2, NULL), 1);
	assert_int_equal(room_walk(list, full, 2, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_bindings_are_right), cmocka_unit_test(an_unbound_pod_and_a_node_that_is_not_there_are_found),
		cmocka_unit_test(too_much_on_a_node_is_found), cmocka_unit_test(a_big_init_container_counts),
		cmocka_unit_test(each_wrong_place_is_found), cmocka_unit_test(a_second_binding_in_the_log_is_found), cmocka_unit_test(what_the_log_cannot_say_is_no_fault),
		cmocka_unit_test(a_binding_onto_taken_room_is_found_whatever_the_order_of_the_steps), cmocka_unit_test(what_is_not_judged_or_comes_later_is_no_fault),
	};

	return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
