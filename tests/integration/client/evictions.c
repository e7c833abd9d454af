/* Part of i-client.c: evictions and PodDisruptionBudgets, JSON patch. */

static cJSON *evict(int status, const char *pod, const char *uid)
{
	auto_free char *rest = xasprintf("%s/eviction", pod);
	auto_free char *body = xasprintf("{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\"},"
					 "\"deleteOptions\":{\"preconditions\":{\"uid\":\"%s\"}}}", pod, ns, uid);

	return pod_call(status, "POST", rest, body);
}

static void an_eviction_is_of_one_uid(void **state)
{
	const char *node = make_node("node-evict-a", "");
	auto_json cJSON *pod = NULL, *ending = NULL;

	(void)state;
	new_pod("evict-a", "");
	bind_and_settle("evict-a", strrchr(node, '/') + 1);
	pod = get_pod("evict-a");
	failed(evict(409, "evict-a", "another"), "Conflict", "precondition");
	cJSON_Delete(evict(201, "evict-a", text_at(pod, "metadata.uid")));
	ending = get_pod("evict-a");
	assert_string_not_equal(text_at(ending, "metadata.deletionTimestamp"), "");
	assert_int_equal(cJSON_GetNumberValue(item_at(ending, "metadata.deletionGracePeriodSeconds")), 30);
	failed(evict(404, "nobody", "x"), "NotFound", "nobody");
}

static void a_budget_forbids_evictions(void **state)
{
	const char *node = make_node("node-evict-b", "");
	auto_free char *budgets = xasprintf("/apis/policy/v1/namespaces/%s/poddisruptionbudgets", ns);
	auto_free char *status_path = xasprintf("%s/evict-b/status", budgets);
	auto_json cJSON *pod = NULL, *refusal = NULL;
	const cJSON *causes;

	(void)state;
	new_pod("evict-b", "\"guard\":\"b\"");
	bind_and_settle("evict-b", strrchr(node, '/') + 1);
	pod_do(200, "PATCH", "evict-b/status", "{\"status\":{\"phase\":\"Running\"}}");
	pod = get_pod("evict-b");
	standin_do(&api, 201, "POST", budgets,
		   "{\"metadata\":{\"name\":\"evict-b\"},\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"guard\":\"b\"}}}}");
	standin_do(&api, 200, "PATCH", status_path, "{\"status\":{\"observedGeneration\":1,\"disruptionsAllowed\":0,\"currentHealthy\":0,"
						    "\"desiredHealthy\":0,\"expectedPods\":1}}");
	refusal = evict(429, "evict-b", text_at(pod, "metadata.uid"));
	assert_string_equal(text_at(refusal, "reason"), "TooManyRequests");
	causes = item_at(refusal, "details.causes");
	assert_string_equal(text_at(causes ? causes->child : NULL, "reason"), "DisruptionBudget");
	standin_do(&api, 200, "PATCH", status_path, "{\"status\":{\"disruptionsAllowed\":1}}");
	cJSON_Delete(evict(201, "evict-b", text_at(pod, "metadata.uid")));
}

static cJSON *patch_node(int want, const char *path, const char *operations)
{
	int status;
	cJSON *answer = standin_call_as(&api, "PATCH", path, "application/json-patch+json", operations, &status);

	assert_int_equal(status, want);
	return answer;
}

static void a_json_patch_tests_before_it_changes(void **state)
{
	const char *path = make_node("node-patch", ",\"spec\":{\"taints\":[{\"key\":\"one\",\"value\":\"1\",\"effect\":\"NoSchedule\"}]}");
	auto_json cJSON *node = standin_want(&api, 200, "GET", path, NULL), *tainted = NULL, *clean = NULL;
	auto_free char *add = xasprintf("[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"%s\"},{\"op\":\"add\",\"path\":\"/spec/taints/-\","
					"\"value\":{\"key\":\"two\",\"value\":\"2\",\"effect\":\"NoSchedule\"}}]", text_at(node, "metadata.resourceVersion"));
	const cJSON *taints;

	(void)state;
	tainted = patch_node(200, path, add);
	taints = item_at(tainted, "spec.taints");
	assert_string_equal(text_at(cJSON_GetArrayItem(taints, cJSON_GetArraySize(taints) - 1), "key"), "two");
	cJSON_Delete(patch_node(422, path, add)); /* the version is another one by now */
	cJSON_Delete(patch_node(422, path, "[{\"op\":\"test\",\"path\":\"/spec/taints/0/key\",\"value\":\"no\"},{\"op\":\"remove\",\"path\":\"/spec/taints/0\"}]"));
	cJSON_Delete(patch_node(422, path, "[{\"op\":\"remove\",\"path\":\"/spec/taints/9\"}]"));
	clean = patch_node(200, path, "[{\"op\":\"test\",\"path\":\"/spec/taints/0/key\",\"value\":\"one\"},{\"op\":\"remove\",\"path\":\"/spec/taints/0\"}]");
	assert_int_equal(cJSON_GetArraySize(item_at(clean, "spec.taints")), cJSON_GetArraySize(taints) - 1);
}

#define EVICTION_TESTS											\
	CASE(an_eviction_is_of_one_uid), CASE(a_budget_forbids_evictions), CASE(a_json_patch_tests_before_it_changes)
