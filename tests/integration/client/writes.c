/* Part of i-client.c: patches, updates, and who may change what. */

static cJSON *patch_status(int status, const char *pod, const char *body)
{
	auto_free char *rest = xasprintf("%s/status", pod);

	return pod_call(status, "PATCH", rest, body);
}

static void a_status_patch_merges_conditions_by_type(void **state)
{
	auto_json cJSON *pod = NULL;
	const cJSON *condition;

	(void)state;
	new_pod("status-1", "");
	cJSON_Delete(patch_status(200, "status-1", "{\"status\":{\"conditions\":[{\"type\":\"example.com/Other\",\"status\":\"True\"}]}}"));
	cJSON_Delete(patch_status(200, "status-1", "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":"
				  "\"Unschedulable\",\"message\":\"0/1 nodes\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2026-11-21T21:00:00Z\"}]}}"));
	cJSON_Delete(patch_status(200, "status-1", "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"message\":\"0/2 nodes\"}]}}"));
	pod = get_pod("status-1");
	condition = condition_of(pod, "PodScheduled");
	assert_int_equal(cJSON_GetArraySize(item_at(pod, "status.conditions")), 2);
	assert_string_equal(text_at(condition, "status"), "False");
	assert_string_equal(text_at(condition, "reason"), "Unschedulable");
	assert_string_equal(text_at(condition, "message"), "0/2 nodes");
	assert_string_equal(text_at(condition, "lastTransitionTime"), "2026-11-21T21:00:00Z");
	assert_string_equal(text_at(condition_of(pod, "example.com/Other"), "status"), "True");
}

/* The uid of a patch protects against a pod of the same name: 422, as an immutable field, not 409. */
static void a_status_patch_for_another_uid_is_refused(void **state)
{
	auto_json cJSON *pod = make_pod("status-2", "");
	auto_free char *mine = xasprintf("{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"message\":\"m\"}}", text_at(pod, "metadata.uid"));

	(void)state;
	failed(patch_status(422, "status-2", "{\"metadata\":{\"uid\":\"" OTHER_UID "\"},\"status\":{\"message\":\"m\"}}"),
	       "Invalid", "metadata.uid");
	cJSON_Delete(patch_status(200, "status-2", mine));
	failed(patch_status(404, "status-none", mine), "NotFound", "pods \"status-none\" not found");
}

static void a_patch_that_changes_nothing_makes_no_version(void **state)
{
	const char *body = "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\"}]}}";
	auto_json cJSON *one = NULL, *two = NULL;

	(void)state;
	new_pod("status-3", "");
	one = patch_status(200, "status-3", body);
	two = patch_status(200, "status-3", body);
	assert_string_equal(text_at(one, "metadata.resourceVersion"), text_at(two, "metadata.resourceVersion"));
}

static void status_and_spec_are_changed_by_their_own_paths(void **state)
{
	auto_json cJSON *pod = NULL;

	(void)state;
	new_pod("status-4", "");
	cJSON_Delete(patch_status(200, "status-4", "{\"spec\":{\"schedulerName\":\"other\"},\"status\":{\"message\":\"new\"}}"));
	pod_do(200, "PATCH", "status-4", "{\"metadata\":{\"labels\":{\"a\":\"1\"}},\"status\":{\"message\":\"newer\"}}");
	pod = get_pod("status-4");
	assert_string_equal(text_at(pod, "spec.schedulerName"), "nobody");
	assert_string_equal(text_at(pod, "status.message"), "new");
	assert_string_equal(text_at(pod, "metadata.labels.a"), "1");
}

static void a_patch_for_an_old_version_is_a_conflict(void **state)
{
	auto_json cJSON *pod = make_pod("patch-1", "");
	auto_free char *body = xasprintf("{\"metadata\":{\"resourceVersion\":\"%s\",\"labels\":{\"b\":\"2\"}}}", text_at(pod, "metadata.resourceVersion"));

	(void)state;
	set_label("patch-1", "\"a\":\"1\"");
	failed(pod_call(409, "PATCH", "patch-1", body), "Conflict", "the object has been modified");
}

static void merge_patches_replace_lists_and_remove_by_null(void **state)
{
	auto_json cJSON *pod = NULL;
	auto_free char *path = pods("patch-2");
	int status;

	(void)state;
	new_pod("patch-2", "\"a\":\"1\",\"b\":\"2\"");
	pod = standin_call_as(&api, "PATCH", path, "application/merge-patch+json", "{\"metadata\":{\"labels\":{\"a\":null,\"c\":\"3\"}}}", &status);
	assert_int_equal(status, 200);
	assert_string_equal(text_at(pod, "metadata.labels.a"), "");
	assert_string_equal(text_at(pod, "metadata.labels.b"), "2");
	assert_string_equal(text_at(pod, "metadata.labels.c"), "3");
	failed(standin_call_as(&api, "PATCH", path, "application/json", "{}", &status), "UnsupportedMediaType", "");
	assert_int_equal(status, 415);
}

static void the_spec_of_a_pod_stays(void **state)
{
	(void)state;
	new_pod("patch-3", "");
	failed(pod_call(422, "PATCH", "patch-3", "{\"spec\":{\"nodeName\":\"n\"}}"), "Invalid", "pod updates may not change fields other than");
	failed(pod_call(422, "PATCH", "patch-3", "{\"spec\":{\"schedulerName\":\"other\"}}"), "Invalid", "spec: Forbidden");
	pod_do(200, "PATCH", "patch-3", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"j\"}]}}");
}

/* The pod as it is, with one member of metadata as given; the caller frees. */
static char *put_body(const char *pod, const char *member, const char *value)
{
	auto_json cJSON *object = get_pod(pod);
	cJSON *meta = cJSON_GetObjectItemCaseSensitive(object, "metadata");

	cJSON_DeleteItemFromObjectCaseSensitive(meta, member);
	if (value)
		cJSON_AddStringToObject(meta, member, value);
	return cJSON_PrintUnformatted(object);
}

static void updates_check_version_uid_and_name(void **state)
{
	auto_free char *old = NULL, *other_uid = NULL, *other_name = NULL, *any = NULL, *current = NULL;

	(void)state;
	new_pod("put-1", "");
	old = put_body("put-1", "generateName", NULL);
	other_uid = put_body("put-1", "uid", OTHER_UID);
	other_name = put_body("put-1", "name", "put-2");
	any = put_body("put-1", "resourceVersion", NULL);
	set_label("put-1", "\"a\":\"1\"");
	failed(pod_call(409, "PUT", "put-1", old), "Conflict", "the object has been modified; please apply your changes to the latest version and try again");
	failed(pod_call(409, "PUT", "put-1", other_uid), "Conflict", "");
	failed(pod_call(400, "PUT", "put-1", other_name), "BadRequest", "does not match the name on the URL");
	current = put_body("put-1", "generateName", NULL);
	pod_do(200, "PUT", "put-1", current);
	pod_do(200, "PUT", "put-1", any);
	pod_do(404, "PUT", "put-none", "{\"metadata\":{\"name\":\"put-none\"}," POD_SPEC "}");
}

#define WRITE_TESTS											\
	CASE(a_status_patch_merges_conditions_by_type), CASE(a_status_patch_for_another_uid_is_refused),	\
	CASE(a_patch_that_changes_nothing_makes_no_version),							\
	CASE(status_and_spec_are_changed_by_their_own_paths), CASE(a_patch_for_an_old_version_is_a_conflict),	\
	CASE(merge_patches_replace_lists_and_remove_by_null), CASE(the_spec_of_a_pod_stays),		\
	CASE(updates_check_version_uid_and_name)
