/*
 * Explain and simulate against decide() in this process, on random clusters: 1,000 pods each. What is compared with is made by the parsers of the cache and
 * mesh_take alone, without files.
 */
#include "tests/unit/explain_world.h"

#define NOW "2026-11-21T21:00:00.000Z"

static cJSON *run(int (*command)(int, char **, FILE *), const char *option, const char *value, int *code)
{
	const char *const words[] = {"x", "--cluster", w.cluster, "--matrix", w.matrix, "--now", NOW, "--format", "json", "--config", w.config, option, value};
	char *argv[ARRAY_SIZE(words) + 1] = {NULL}, *text = NULL;
	size_t size, i;
	FILE *to = open_memstream(&text, &size);
	struct lm_err err;
	cJSON *json;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		argv[i] = xstrdup(words[i]);
	*code = command((int)ARRAY_SIZE(words), argv, to);
	fclose(to);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		free(argv[i]);
	json = json_parse(text, size, JSON_DEPTH, &err);
	if (!json)
		fail_msg("%s: %s", err.msg, text);
	free(text);
	return json;
}

static void expect_text(const cJSON *object, const char *key, const char *want)
{
	const char *got = cJSON_GetStringValue(json_get(object, key));

	if (!want || !got ? want != got : !STREQ(want, got))
		fail_msg("%s: %s, not %s", key, got ? got : "null", want ? want : "null");
}

static void expect_number(const cJSON *object, const char *key, double want, double within)
{
	const cJSON *item = json_get(object, key);

	assert_non_null(item);
	if (isnan(want) ? !cJSON_IsNull(item) : !cJSON_IsNumber(item) || fabs(item->valuedouble - want) > within)
		fail_msg("%s: %g, not %g", key, cJSON_GetNumberValue(item), want);
}

static double at(const float *column, int32_t node)
{
	return column && node >= 0 ? (double)column[node] : NAN;
}

/* Of the decision that was made last. */
static void expect_verdict(const cJSON *verdict)
{
	auto_buf struct buf message = {0};

	if (w.decision.node < 0)
		decision_message(w.decider, &w.in, &w.decision, &message);
	expect_text(verdict, "node", name_at(w.decision.node));
	expect_text(verdict, "runner_up", name_at(w.decision.runner_up));
	expect_text(verdict, "message", message.data);
	expect_number(verdict, "total", w.decision.node < 0 ? NAN : at(w.decision.total, w.decision.node), 1e-3);
	assert_int_equal(cJSON_IsTrue(json_get(verdict, "estimate")), decision_is_estimate(&w.in, &w.decision));
	expect_number(verdict, "rtt_us", w.decision.node < 0 ? NAN : at(w.decision.rtt_us, w.decision.node), 0.1);
}

static void expect_nodes(const cJSON *nodes)
{
	const cJSON *item;
	bool cloud, in_cloud = false;
	double before = INFINITY;
	uint32_t seen = 0;

	cJSON_ArrayForEach(item, nodes) {
		int32_t node = cache_find_node(w.cache, cJSON_GetStringValue(json_get(item, "node")));
		uint8_t filter;

		assert_true(node >= 0 && w.decision.verdicts);
		filter = w.decision.verdicts[node].filter;
		assert_int_equal(cJSON_IsTrue(json_get(item, "feasible")), filter == 0);
		expect_text(item, "filter", filter ? filter_table[filter - 1]->name : NULL);
		expect_number(item, "total", filter ? NAN : at(w.decision.total, node), 1e-3);
		cloud = w.decision.cloud && !isnan(w.decision.cloud[node]);
		assert_int_equal(cJSON_IsNull(json_get(item, "cloud")), !w.decision.cloud);
		assert_int_equal(cJSON_IsTrue(json_get(item, "cloud")), cloud);
		expect_number(item, "rank", filter ? NAN : (double)++seen, 0);
		if (!filter && !cloud && in_cloud)
			before = INFINITY;	/* the edges come after it */
		assert_true(filter || !cloud || in_cloud || seen == 1);
		if (!filter && seen > 1)	/* the first may have won a tie */
			assert_true(at(w.decision.total, node) <= before);
		in_cloud = cloud;
		if (!filter && seen > 1)
			before = at(w.decision.total, node);
	}
	assert_int_equal(seen, w.decision.feasible);
	assert_int_equal(cJSON_GetArraySize(nodes), NODES);
}

static void explain_says_what_decide_does(void **state)
{
	int world, i, code, placed = 0;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		world_begin(test_seed() + (uint64_t)world);
		take_matrix(0, NOW_MS);
		for (i = 0; i < PENDING; i++) {
			const struct pod *pod = pending_pod(i);
			auto_free char *key = xasprintf("default/%s", pod->name);
			auto_json cJSON *json = run(explain_run, "--pod", key, &code);

			decide_pod(pod, 0);
			assert_int_equal(code, w.decision.node < 0 ? 1 : 0);
			expect_verdict(json_get(json, "verdict"));
			expect_nodes(json_get(json, "nodes"));
			placed += w.decision.node >= 0;
		}
		world_end();
	}
	printf("# %d pods, %d have a place\n", WORLDS * PENDING, placed);
	assert_true(placed > WORLDS * PENDING / 2);
}

/* A pod that runs is explained as if it did not: the same as when it was decided on. */
static void a_pod_that_runs_is_taken_off_its_node(void **state)
{
	int i, code;

	(void)state;
	world_begin(test_seed() + 1000);
	take_matrix(0, NOW_MS);
	for (i = 0; i < RUNNING; i++) {
		auto_free char *key = xasprintf("default/running-%04d", i), *uid = xasprintf("uid-running-%04d", i);
		auto_json cJSON *json = run(explain_run, "--pod", key, &code);
		const struct pod *pod = cache_find_pod(w.cache, uid)->pod;
		auto_free char *node = xstrdup(pod->node);
		auto_json cJSON *object = NULL;
		size_t count, k;
		auto_free struct archived **items = archive_sorted(w.archive, &count);
		struct lm_err err;

		for (k = 0; k < count && !STREQ(items[k]->uid, uid); k++)
			;
		object = json_parse(items[k]->text, strlen(items[k]->text), JSON_DEPTH_API, &err);
		expect_text(json_get(json, "pod"), "was_on", node);
		cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, "spec"), "nodeName");
		assert_int_equal(cluster_put(w.cache, object, &err), 1);
		decide_pod(cache_find_pod(w.cache, uid)->pod, 0);
		expect_verdict(json_get(json, "verdict"));
		cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(object, "spec"), "nodeName", node);
		assert_int_equal(cluster_put(w.cache, object, &err), 1);
	}
	world_end();
}

static void simulate_places_as_decide_and_assume_do(void **state)
{
	int world, i, code, pending;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		auto_json cJSON *json = NULL;
		const cJSON *item;

		world_begin(test_seed() + (uint64_t)world);
		take_matrix(0, NOW_MS);
		cache_set_time(w.cache, 0);
		json = run(simulate_run, "--pods", w.pods, &code);
		item = json_get(json, "pods")->child;
		for (i = 0, pending = 0; i < PENDING; i++, item = item->next) {
			const struct pod *pod = pending_pod(i);

			assert_non_null(item);
			decide_pod(pod, 0);
			expect_text(item, "name", pod->name);
			expect_verdict(item);
			pending += w.decision.node < 0;
			if (w.decision.node >= 0)
				assert_true(cache_assume(w.cache, pod->uid, (uint32_t)w.decision.node));
		}
		assert_null(item);
		expect_number(json, "pending", pending, 0);
		assert_int_equal(code, pending ? 1 : 0);
		world_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(explain_says_what_decide_does),
		cmocka_unit_test(a_pod_that_runs_is_taken_off_its_node),
		cmocka_unit_test(simulate_places_as_decide_and_assume_do),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
