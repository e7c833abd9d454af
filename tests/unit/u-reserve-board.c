/* What /reserve and the metrics say of a reserve, and that nobody sees half of it. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/reserve/board.h"
#include "tests/testing/testing.h"

static char empty[] = "", tcp[] = "TCP", udp[] = "UDP", any[] = "0.0.0.0", local[] = "10.0.0.7", gpu[] = "example.com/gpu", edge_1[] = "edge-1";
static struct host_port ports[] = {{empty, tcp, 80}, {any, udp, 53}, {local, tcp, 8080}};
static struct scalar scalars[] = {{gpu, 2}};
static const struct plan_room room = {.need = {.cpu_milli = 1500, .memory_bytes = 1073741824, .scalars = scalars, .scalar_count = 1},
				      .pods = 3, .ports = ports, .port_count = 3, .for_failure = edge_1};

static const struct standing_pod pods[] = {
	{RESERVE_POD_COVERED, "uid-1", "default", "web-1", "edge-1", "edge-2", NULL},
	{RESERVE_POD_OWED, "uid-2", "default", "web-2", "edge-3", "edge-2", NULL},
	{RESERVE_POD_UNCOVERED, "uid-3", "shop", "db-0", "edge-1", NULL, "0/3 nodes are available: 3 \"Insufficient\" cpu."},
	{RESERVE_POD_COVERED, "uid-4", "shop", "db-1", "edge-1", "edge-3", NULL},
};
static const struct standing_node nodes[] = {
	{"edge-2", RESERVE_NODE_OPEN, &room, 0, NULL, true, 1, NULL},
	{"edge-3", RESERVE_NODE_STEADY, NULL, 2, &room.need, false, 0, "pods is forbidden"},
};
static const struct standing whole = {.leading = true, .planned = true, .plan_wall_ms = 1764453600000, .plan_took_ms = 12, .overhead = 0.0425,
				      .overhead_cpu = 0.031, .overhead_memory = 0.054, .pods = pods, .pod_count = ARRAY_SIZE(pods), .nodes = nodes,
				      .node_count = ARRAY_SIZE(nodes)};

static cJSON *shown(struct board *b)
{
	auto_buf struct buf text = {0};
	struct lm_err err = {0};
	cJSON *object;

	board_print(b, &text);
	object = json_parse(text.data, text.len, 8, &err);
	if (!object)
		fail_msg("%s: %s", err.msg, text.data);
	return object;
}

/* The value at "nodes.0.room.pods" is this, as JSON has it. */
static void expect(const cJSON *object, const char *path, const char *text)
{
	auto_free char *copy = xstrdup(path), *found = NULL;
	char *rest = NULL, *key;

	for (key = strtok_r(copy, ".", &rest); key && object; key = strtok_r(NULL, ".", &rest))
		object = cJSON_IsArray(object) ? cJSON_GetArrayItem(object, atoi(key)) : cJSON_GetObjectItemCaseSensitive(object, key);
	found = object ? cJSON_PrintUnformatted(object) : NULL;
	if (!found || !STREQ(found, text))
		fail_msg("%s: %s, not %s", path, found ? found : "nothing", text);
}

static double gauge(const struct metrics *m, enum stat which, int value)
{
	return metrics_get(m, (int)which, value);
}

static bool is_shown(const struct metrics *m)
{
	auto_buf struct buf text = {0};

	metrics_print(m, &text);
	return strstr(text.data, "\nlatency_sched_reserve_pods{") != NULL;
}

static void before_all_there_is_nothing(void **state)
{
	struct metrics *m = stats_new();
	struct board *b;
	cJSON *object;

	(void)state;
	assert_false(is_shown(m));
	b = board_new(m);
	assert_true(is_shown(m));
	object = shown(b);
	expect(object, "version", "1");
	expect(object, "leading", "false");
	expect(object, "plan", "null");
	expect(object, "overhead_percent", "null");
	expect(object, "covered", "[]");
	expect(object, "owed", "[]");
	expect(object, "uncovered", "[]");
	expect(object, "nodes", "[]");
	cJSON_Delete(object);
	assert_true(isnan(gauge(m, STAT_RESERVE_PLAN_SECONDS, 0)));
	board_free(b);
	board_free(NULL);
	metrics_free(m);
}

static void all_is_there(void **state)
{
	struct metrics *m = stats_new();
	struct board *b = board_new(m);
	cJSON *object;

	(void)state;
	board_give(b, &whole, 1764453601000);
	object = shown(b);
	expect(object, "now", "\"2025-11-29T22:00:01.000Z\"");
	expect(object, "leading", "true");
	expect(object, "plan", "{\"made\":\"2025-11-29T22:00:00.000Z\",\"took_ms\":12,\"error\":null}");
	expect(object, "overhead_percent", "{\"mean\":4.25,\"cpu\":3.1,\"memory\":5.4}");
	expect(object, "covered", "[{\"pod\":\"default/web-1\",\"uid\":\"uid-1\",\"node\":\"edge-1\",\"refuge\":\"edge-2\"},"
				  "{\"pod\":\"shop/db-1\",\"uid\":\"uid-4\",\"node\":\"edge-1\",\"refuge\":\"edge-3\"}]");
	expect(object, "owed", "[{\"pod\":\"default/web-2\",\"uid\":\"uid-2\",\"node\":\"edge-3\",\"refuge\":\"edge-2\"}]");
	expect(object, "uncovered", "[{\"pod\":\"shop/db-0\",\"uid\":\"uid-3\",\"node\":\"edge-1\","
				    "\"reason\":\"0/3 nodes are available: 3 \\\"Insufficient\\\" cpu.\"}]");
	expect(object, "nodes.0.state", "\"open\"");
	expect(object, "nodes.0.guard", "true");
	expect(object, "nodes.0.owed", "1");
	expect(object, "nodes.0.room", "{\"for_failure\":\"edge-1\",\"pods\":3,\"requests\":{\"cpu\":\"1500m\",\"memory\":\"1073741824\",\"example.com/gpu\":\"2\"},"
				       "\"ports\":[\"TCP/80\",\"UDP/53\",\"10.0.0.7 TCP/8080\"]}");
	expect(object, "nodes.1", "{\"node\":\"edge-3\",\"state\":\"steady\",\"placeholders\":2,"
				  "\"kept\":{\"cpu\":\"1500m\",\"memory\":\"1073741824\",\"example.com/gpu\":\"2\"},\"guard\":false,\"owed\":0,\"error\":\"pods is forbidden\","
				  "\"room\":null}");
	cJSON_Delete(object);
	board_free(b);
	metrics_free(m);
}

static void a_plan_that_failed_is_said(void **state)
{
	struct metrics *m = stats_new();
	struct board *b = board_new(m);
	struct standing s = {.leading = true, .plan_error = "the plan took too long"};
	cJSON *object;

	(void)state;
	board_give(b, &s, 0);
	object = shown(b);
	expect(object, "plan", "{\"made\":null,\"took_ms\":null,\"error\":\"the plan took too long\"}");
	expect(object, "overhead_percent", "null");
	cJSON_Delete(object);
	board_free(b);
	metrics_free(m);
}

static void gauges_say_the_same(void **state)
{
	struct metrics *m = stats_new();
	struct board *b = board_new(m);

	(void)state;
	board_give(b, &whole, 0);
	assert_true(gauge(m, STAT_RESERVE_PODS, RESERVE_POD_COVERED) == 2);
	assert_true(gauge(m, STAT_RESERVE_PODS, RESERVE_POD_UNCOVERED) == 1);
	assert_true(gauge(m, STAT_RESERVE_PODS, RESERVE_POD_OWED) == 1);
	assert_true(gauge(m, STAT_RESERVE_NODES, RESERVE_NODE_STEADY) == 1);
	assert_true(gauge(m, STAT_RESERVE_NODES, RESERVE_NODE_OPEN) == 1);
	assert_true(gauge(m, STAT_RESERVE_NODES, RESERVE_NODE_OPENING) == 0);
	assert_true(fabs(gauge(m, STAT_RESERVE_OVERHEAD, 0) - 0.0425) < 1e-12);
	assert_true(fabs(gauge(m, STAT_RESERVE_PLAN_SECONDS, 0) - 0.012) < 1e-12);
	board_give(b, &(struct standing){.leading = true, .planned = true}, 0);
	assert_true(gauge(m, STAT_RESERVE_PODS, RESERVE_POD_COVERED) == 0);
	assert_true(gauge(m, STAT_RESERVE_NODES, RESERVE_NODE_OPEN) == 0);
	board_free(b);
	metrics_free(m);
}

static atomic_bool stop;

static void *look(void *arg)
{
	while (!atomic_load(&stop)) {
		auto_buf struct buf text = {0};

		board_print(arg, &text);
		if (text.len < 3 || strcmp(text.data + text.len - 3, "]}\n") != 0)
			return arg;
	}
	return NULL;
}

static void who_looks_while_it_changes_sees_a_whole_one(void **state)
{
	struct metrics *m = stats_new();
	struct board *b = board_new(m);
	pthread_t threads[2];
	int i;

	(void)state;
	atomic_store(&stop, false);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, b), 0);
	for (i = 0; i < test_rounds(2000); i++)
		board_give(b, i % 2 ? &whole : &(struct standing){.leading = true}, i);
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++) {
		void *torn;

		pthread_join(threads[i], &torn);
		assert_null(torn);
	}
	board_free(b);
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_all_there_is_nothing),
		cmocka_unit_test(all_is_there),
		cmocka_unit_test(a_plan_that_failed_is_said),
		cmocka_unit_test(gauges_say_the_same),
		cmocka_unit_test(who_looks_while_it_changes_sees_a_whole_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
