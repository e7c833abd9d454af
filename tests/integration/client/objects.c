/* Part of i-client.c: create, get, delete, and what is refused. */

static void create_fills_in_what_the_server_owns(void **state)
{
	auto_json cJSON *pod = make_pod("create-1", "\"app\":\"x\"");

	(void)state;
	assert_string_equal(text_at(pod, "kind"), "Pod");
	assert_string_equal(text_at(pod, "apiVersion"), "v1");
	assert_string_equal(text_at(pod, "metadata.namespace"), ns);
	assert_int_equal(strlen(text_at(pod, "metadata.uid")), 36);
	assert_true(*text_at(pod, "metadata.resourceVersion"));
	assert_int_equal(strlen(text_at(pod, "metadata.creationTimestamp")), 20);
	assert_string_equal(text_at(pod, "status.phase"), "Pending");
	assert_string_equal(text_at(pod, "spec.schedulerName"), "nobody");
	assert_string_equal(text_at(pod, "spec.restartPolicy"), "Always");
	assert_string_equal(text_at(pod, "spec.nodeName"), "");
}

static void create_defaults_what_the_scheduler_reads(void **state)
{
	const char *body = "{\"metadata\":{\"name\":\"defaults\"},\"spec\":{\"nodeSelector\":{\"no-such\":\"node\"},\"hostNetwork\":true,"
			   "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":8123}],"
			   "\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}}}]}}";
	auto_json cJSON *pod = pod_call(201, "POST", "", body);
	const cJSON *container = cJSON_GetArrayItem(item_at(pod, "spec.containers"), 0);
	const cJSON *port = cJSON_GetArrayItem(item_at(container, "ports"), 0);

	(void)state;
	assert_string_equal(text_at(pod, "spec.schedulerName"), "default-scheduler");
	assert_string_equal(text_at(container, "resources.requests.cpu"), "1");
	assert_string_equal(text_at(container, "resources.requests.memory"), "1Gi");
	assert_int_equal(cJSON_GetNumberValue(item_at(port, "hostPort")), 8123);
	assert_string_equal(text_at(port, "protocol"), "TCP");
	assert_int_equal(cJSON_GetNumberValue(item_at(pod, "spec.priority")), 0);
}

static void generate_name_makes_different_names(void **state)
{
	const char *body = "{\"metadata\":{\"generateName\":\"gen-\"}," POD_SPEC "}";
	auto_json cJSON *one = pod_call(201, "POST", "", body), *two = pod_call(201, "POST", "", body);

	(void)state;
	assert_int_equal(strncmp(text_at(one, "metadata.name"), "gen-", 4), 0);
	assert_int_equal(strlen(text_at(one, "metadata.name")), 9);
	assert_string_not_equal(text_at(one, "metadata.name"), text_at(two, "metadata.name"));
	failed(pod_call(422, "POST", "", "{\"metadata\":{\"generateName\":\"gen.\"}," POD_SPEC "}"), "Invalid", "metadata.generateName");
}

static void a_second_one_of_a_name_is_a_conflict(void **state)
{
	(void)state;
	new_pod("twice", "");
	failed(pod_call(409, "POST", "", "{\"metadata\":{\"name\":\"twice\"}," POD_SPEC "}"), "AlreadyExists", "pods \"twice\" already exists");
}

static void get_of_nothing_is_not_found(void **state)
{
	auto_json cJSON *status = pod_call(404, "GET", "nobody", NULL);

	(void)state;
	assert_string_equal(text_at(status, "message"), "pods \"nobody\" not found");
	assert_string_equal(text_at(status, "details.name"), "nobody");
	assert_string_equal(text_at(status, "details.kind"), "pods");
	assert_int_equal(cJSON_GetNumberValue(item_at(status, "code")), 404);
}

static void bad_objects_are_refused(void **state)
{
	(void)state;
	failed(pod_call(422, "POST", "", "{\"metadata\":{\"name\":\"Bad_Name\"}," POD_SPEC "}"), "Invalid", "metadata.name");
	failed(pod_call(422, "POST", "", "{\"metadata\":{}," POD_SPEC "}"), "Invalid", "name or generateName is required");
	failed(pod_call(422, "POST", "", "{\"metadata\":{\"name\":\"empty\"},\"spec\":{}}"), "Invalid", "spec.containers");
	failed(pod_call(422, "POST", "", "{\"metadata\":{\"name\":\"l\",\"labels\":{\"a\":\"b c\"}}," POD_SPEC "}"), "Invalid", "metadata.labels");
	failed(pod_call(400, "POST", "", "{\"metadata\":{\"name\":\"l\",\"labels\":{\"a\":1}}," POD_SPEC "}"), "BadRequest", "Pod");
	failed(pod_call(400, "POST", "", "{\"metadata\":"), "BadRequest", "");
	failed(pod_call(400, "POST", "", "{\"metadata\":{\"name\":\"x\",\"namespace\":\"elsewhere\"}," POD_SPEC "}"), "BadRequest",
	       "the namespace of the provided object does not match the namespace sent on the request");
	failed(pod_call(400, "POST", "", "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"x\"}}"), "BadRequest", "Node");
}

static void a_missing_namespace_is_not_found(void **state)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/none-%s/pods", run);
	cJSON *status = standin_want(&api, 404, "POST", path, "{\"metadata\":{\"name\":\"x\"}," POD_SPEC "}");
	auto_free char *message = xasprintf("namespaces \"none-%s\" not found", run);
	auto_json cJSON *list = standin_want(&api, 200, "GET", path, NULL);

	(void)state;
	failed(status, "NotFound", message);
	assert_int_equal(cJSON_GetArraySize(item_at(list, "items")), 0);
}

static void wrong_types_methods_and_paths(void **state)
{
	auto_free char *path = pods("");
	int status;

	(void)state;
	failed(standin_call_as(&api, "POST", path, "text/plain", "x", &status), "UnsupportedMediaType", "unknown format");
	assert_int_equal(status, 415);
	failed(standin_call_as(&api, "PATCH", path, "application/json", "{}", &status), "MethodNotAllowed", "");
	assert_int_equal(status, 405);
	failed(pod_call(405, "PUT", "", "{}"), "MethodNotAllowed", "the server does not allow this method on the requested resource");
	failed(standin_want(&api, 405, "POST", "/api/v1/pods", "{\"metadata\":{\"name\":\"x\"}," POD_SPEC "}"), "MethodNotAllowed", "");
	failed(standin_want(&api, 404, "GET", "/api/v1/nonsense", NULL), "NotFound", "the server could not find the requested resource");
	cJSON_Delete(standin_want(&api, 404, "GET", "/apis/no.such.group/v1/things", NULL));
}

static void delete_checks_its_preconditions(void **state)
{
	auto_json cJSON *pod = make_pod("delete-1", "");
	auto_free char *right = xasprintf("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"%s\"}}", text_at(pod, "metadata.uid"));

	(void)state;
	failed(pod_call(409, "DELETE", "delete-1", "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"other\"}}"), "Conflict",
	       "Operation cannot be fulfilled on Pod \"delete-1\": the UID in the precondition (other) does not match the UID in record");
	failed(pod_call(409, "DELETE", "delete-1", "{\"preconditions\":{\"resourceVersion\":\"3\"}}"), "Conflict",
	       "the ResourceVersion in the precondition (3) does not match the ResourceVersion in record");
	pod_do(200, "DELETE", "delete-1", right);
	pod_do(404, "GET", "delete-1", NULL);
	pod_do(404, "DELETE", "delete-1", right);
}

static void a_pod_without_node_goes_at_once_and_others_with_grace(void **state)
{
	auto_json cJSON *left = NULL;

	(void)state;
	new_pod("grace-1", "");
	pod_do(200, "DELETE", "grace-1", NULL);
	pod_do(404, "GET", "grace-1", NULL);
	new_pod("grace-2", "");
	bind_and_settle("grace-2", "no-such-node");
	pod_do(200, "DELETE", "grace-2", NULL);
	left = get_pod("grace-2");
	assert_true(*text_at(left, "metadata.deletionTimestamp"));
	assert_int_equal(cJSON_GetNumberValue(item_at(left, "metadata.deletionGracePeriodSeconds")), 30);
	drop_pod("grace-2");
	pod_do(404, "GET", "grace-2", NULL);
}

static void assert_grace(cJSON *pod, int grace_s, int generation)
{
	assert_int_equal(cJSON_GetNumberValue(item_at(pod, "metadata.deletionGracePeriodSeconds")), grace_s);
	assert_int_equal(cJSON_GetNumberValue(item_at(pod, "metadata.generation")), generation);
	cJSON_Delete(pod);
}

static void a_grace_can_only_be_shortened(void **state)
{
	(void)state;
	new_pod("grace-3", "");
	bind_and_settle("grace-3", "no-such-node");
	assert_grace(pod_call(200, "DELETE", "grace-3?gracePeriodSeconds=20", NULL), 20, 2);
	assert_grace(pod_call(200, "DELETE", "grace-3", NULL), 20, 2);
	assert_grace(pod_call(200, "DELETE", "grace-3?gracePeriodSeconds=40", NULL), 20, 2);
	assert_grace(pod_call(200, "DELETE", "grace-3?gracePeriodSeconds=10", NULL), 10, 2);
	assert_grace(get_pod("grace-3"), 10, 2);
	assert_grace(pod_call(200, "DELETE", "grace-3", "{\"gracePeriodSeconds\":0}"), 0, 2);
	pod_do(404, "GET", "grace-3", NULL);
	new_pod("grace-4", "");
	assert_grace(pod_call(200, "DELETE", "grace-4", NULL), 0, 2);
}

static void a_collection_is_deleted_by_a_selector(void **state)
{
	auto_json cJSON *gone = NULL;
	auto_free char *names = NULL;

	(void)state;
	new_pod("many-1", "\"set\":\"many\"");
	new_pod("many-2", "\"set\":\"many\"");
	new_pod("many-3", "");
	gone = pod_call(200, "DELETE", "?labelSelector=set%3Dmany", NULL);
	names = names_of(gone);
	assert_string_equal(text_at(gone, "kind"), "PodList");
	assert_string_equal(names, "many-1 many-2");
	listed("", "many-3");
	failed(standin_want(&api, 405, "DELETE", "/api/v1/namespaces", NULL), "MethodNotAllowed", "");
}

#define OBJECT_TESTS											\
	CASE(create_fills_in_what_the_server_owns), CASE(create_defaults_what_the_scheduler_reads),	\
	CASE(generate_name_makes_different_names), CASE(a_second_one_of_a_name_is_a_conflict),		\
	CASE(get_of_nothing_is_not_found), CASE(bad_objects_are_refused),				\
	CASE(a_missing_namespace_is_not_found), CASE(wrong_types_methods_and_paths),			\
	CASE(delete_checks_its_preconditions), CASE(a_pod_without_node_goes_at_once_and_others_with_grace),	\
	CASE(a_grace_can_only_be_shortened), CASE(a_collection_is_deleted_by_a_selector)
