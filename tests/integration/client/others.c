/* Part of i-client.c: nodes, leases, events. */

/* Returns the path of the node; it is removed at the end of the run. */
static const char *make_node(const char *name, const char *more)
{
	auto_free char *body = text("{\"metadata\":{\"name\":\"%s-%s\",\"labels\":{\"run\":\"%s\"}},\"status\":{\"capacity\":{\"cpu\":\"4\","
				    "\"memory\":\"8Gi\",\"pods\":\"10\"}}%s}", name, run, run, more);

	standin_do(&api, 201, "POST", "/api/v1/nodes", body);
	assert_true(made_node_count < ARRAY_SIZE(made_nodes));
	made_nodes[made_node_count] = text("/api/v1/nodes/%s-%s", name, run);
	return made_nodes[made_node_count++];
}

static void a_node_keeps_the_status_it_is_made_with(void **state)
{
	const char *path = make_node("node-a", "");
	auto_json cJSON *node = standin_want(&api, 200, "GET", path, NULL);

	(void)state;
	assert_string_equal(text_at(node, "status.capacity.memory"), "8Gi");
	assert_string_equal(text_at(node, "status.allocatable.cpu"), "4");
	assert_string_equal(text_at(node, "status.allocatable.pods"), "10");
}

static void a_cordoned_node_is_found(void **state)
{
	const char *path = make_node("node-b", "");
	auto_free char *cordoned = text("/api/v1/nodes?fieldSelector=spec.unschedulable%%3Dtrue&labelSelector=run%%3D%s", run);
	auto_free char *open = text("/api/v1/nodes?fieldSelector=spec.unschedulable%%3Dfalse&labelSelector=run%%3D%s,x", run);
	auto_free char *expected = text("node-b-%s", run), *names = NULL, *none = NULL;
	auto_json cJSON *list = NULL, *empty = NULL;

	(void)state;
	standin_do(&api, 200, "PATCH", path, "{\"spec\":{\"unschedulable\":true},\"metadata\":{\"labels\":{\"x\":\"\"}}}");
	list = standin_want(&api, 200, "GET", cordoned, NULL);
	names = names_of(list);
	assert_string_equal(names, expected);
	empty = standin_want(&api, 200, "GET", open, NULL);
	none = names_of(empty);
	assert_string_equal(none, "");
}

static void status_of_a_node_has_its_own_path(void **state)
{
	const char *path = make_node("node-c", "");
	auto_free char *status_path = text("%s/status", path);
	auto_json cJSON *node = NULL;

	(void)state;
	standin_do(&api, 200, "PATCH", path, "{\"spec\":{\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]},"
		   "\"status\":{\"allocatable\":{\"cpu\":\"1\"}}}");
	standin_do(&api, 200, "PATCH", status_path, "{\"status\":{\"allocatable\":{\"memory\":\"1Gi\"}},\"spec\":{\"taints\":[]}}");
	node = standin_want(&api, 200, "GET", path, NULL);
	assert_string_equal(text_at(node, "status.allocatable.cpu"), "4");
	assert_string_equal(text_at(node, "status.allocatable.memory"), "1Gi");
	assert_string_equal(text_at(cJSON_GetArrayItem(item_at(node, "spec.taints"), 0), "key"), "k");
}

static char *lease_body(const char *name, const char *version, const char *holder, const char *renewed)
{
	return text("{\"metadata\":{\"name\":\"%s\"%s%s%s},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":15,\"renewTime\":\"%s\","
		    "\"acquireTime\":\"%s\",\"leaseTransitions\":1}}", name, version ? ",\"resourceVersion\":\"" : "", version ? version : "",
		    version ? "\"" : "", holder, renewed, renewed);
}

#define RENEWED "2026-11-21T21:00:00.000000Z"

static void a_lease_is_renewed_by_its_version(void **state)
{
	auto_free char *collection = leases(""), *path = leases("leader"), *first = lease_body("leader", NULL, "a", RENEWED);
	auto_json cJSON *lease = standin_want(&api, 201, "POST", collection, first), *renewed = NULL;
	const char *version = text_at(lease, "metadata.resourceVersion");
	auto_free char *mine = lease_body("leader", version, "a", "2026-11-21T21:00:02.000000Z"), *theirs = lease_body("leader", version, "b", RENEWED);

	(void)state;
	assert_string_equal(text_at(lease, "spec.renewTime"), RENEWED);
	renewed = standin_want(&api, 200, "PUT", path, mine);
	assert_string_not_equal(text_at(renewed, "metadata.resourceVersion"), version);
	failed(standin_want(&api, 409, "PUT", path, theirs), "Conflict", "leases.coordination.k8s.io \"leader\": the object has been modified");
	failed(standin_want(&api, 409, "POST", collection, first), "AlreadyExists", "leases.coordination.k8s.io \"leader\" already exists");
	standin_do(&api, 200, "DELETE", path, NULL);
}

static void bad_leases_are_refused(void **state)
{
	auto_free char *collection = leases(""), *path = leases("bad"), *good = lease_body("bad", NULL, "a", RENEWED);
	auto_free char *milliseconds = lease_body("bad", NULL, "a", "2026-11-21T21:00:00.000Z");

	(void)state;
	failed(standin_want(&api, 400, "POST", collection, milliseconds), "BadRequest", "2006-01-02T15:04:05.000000Z07:00");
	failed(standin_want(&api, 422, "POST", collection, "{\"metadata\":{\"name\":\"bad\"},\"spec\":{\"leaseDurationSeconds\":0}}"), "Invalid",
	       "spec.leaseDurationSeconds");
	standin_do(&api, 201, "POST", collection, good);
	failed(standin_want(&api, 422, "PUT", path, good), "Invalid", "must be specified for an update");
	standin_do(&api, 200, "DELETE", path, NULL);
}

/* An event of events.k8s.io with one member of it replaced (or removed, by NULL); the status that it must get. */
static cJSON *event_with(int status, const char *name, const char *member, cJSON *value)
{
	auto_free char *path = text("/apis/events.k8s.io/v1/namespaces/%s/events", ns), *body = NULL;
	auto_free char *good = text("{\"metadata\":{\"name\":\"%s\"},\"eventTime\":\"" RENEWED "\",\"reportingController\":\"example.com/test\","
				    "\"reportingInstance\":\"test-1\",\"action\":\"Binding\",\"reason\":\"Scheduled\",\"type\":\"Normal\","
				    "\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"namespace\":\"%s\",\"name\":\"web\"},\"note\":\"hello\"}",
				    name, ns);
	auto_json cJSON *event = cJSON_Parse(good);

	cJSON_DeleteItemFromObjectCaseSensitive(event, member);
	if (value)
		cJSON_AddItemToObject(event, member, value);
	body = cJSON_PrintUnformatted(event);
	return standin_want(&api, status, "POST", path, body);
}

static void an_event_is_seen_in_both_forms(void **state)
{
	auto_json cJSON *made = event_with(201, "event-1", "none", NULL), *core = NULL;
	auto_free char *path = text("/api/v1/namespaces/%s/events/event-1", ns);

	(void)state;
	assert_string_equal(text_at(made, "apiVersion"), "events.k8s.io/v1");
	assert_string_equal(text_at(made, "note"), "hello");
	assert_string_equal(text_at(made, "regarding.name"), "web");
	core = standin_want(&api, 200, "GET", path, NULL);
	assert_string_equal(text_at(core, "apiVersion"), "v1");
	assert_string_equal(text_at(core, "message"), "hello");
	assert_string_equal(text_at(core, "involvedObject.name"), "web");
	assert_string_equal(text_at(core, "reportingComponent"), "example.com/test");
}

static void bad_events_are_refused(void **state)
{
	static char long_note[1026];

	(void)state;
	memset(long_note, 'x', sizeof(long_note) - 1);
	failed(event_with(422, "event-2", "eventTime", NULL), "Invalid", "eventTime");
	failed(event_with(422, "event-2", "reportingController", NULL), "Invalid", "reportingController");
	failed(event_with(422, "event-2", "reportingInstance", NULL), "Invalid", "reportingInstance");
	failed(event_with(422, "event-2", "action", NULL), "Invalid", "action");
	failed(event_with(422, "event-2", "reason", NULL), "Invalid", "reason");
	failed(event_with(422, "event-2", "type", cJSON_CreateString("Odd")), "Invalid", "type");
	failed(event_with(422, "event-2", "note", cJSON_CreateString(long_note)), "Invalid", "can have at most 1024 characters");
	failed(event_with(422, "event-2", "deprecatedCount", cJSON_CreateNumber(3)), "Invalid", "needs to be unset");
	failed(event_with(400, "event-2", "eventTime", cJSON_CreateString("2026-11-21T21:00:00.000Z")), "BadRequest", "2006-01-02T15:04:05.000000Z07:00");
	long_note[1024] = '\0';
	cJSON_Delete(event_with(201, "event-2", "note", cJSON_CreateString(long_note)));
}

static void an_event_series_is_patched(void **state)
{
	auto_free char *path = text("/apis/events.k8s.io/v1/namespaces/%s/events/event-3", ns);
	auto_json cJSON *event = NULL;

	(void)state;
	cJSON_Delete(event_with(201, "event-3", "none", NULL));
	event = standin_want(&api, 200, "PATCH", path, "{\"series\":{\"count\":2,\"lastObservedTime\":\"" RENEWED "\"}}");
	assert_int_equal(cJSON_GetNumberValue(item_at(event, "series.count")), 2);
	assert_string_equal(text_at(event, "note"), "hello");
}

static void events_are_selected_by_what_they_are_about(void **state)
{
	auto_free char *path = text("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.name%%3Dweb,reason%%3DScheduled", ns);
	auto_free char *other = text("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.name%%3Dother", ns);
	auto_json cJSON *some = NULL, *none = NULL;

	(void)state;
	cJSON_Delete(event_with(201, "event-4", "none", NULL));
	some = standin_want(&api, 200, "GET", path, NULL);
	none = standin_want(&api, 200, "GET", other, NULL);
	assert_true(cJSON_GetArraySize(item_at(some, "items")) >= 1);
	assert_int_equal(cJSON_GetArraySize(item_at(none, "items")), 0);
}

static void the_server_says_that_it_is_well(void **state)
{
	auto_free char *ready = standin_text(&api, "/readyz");
	auto_json cJSON *version = standin_want(&api, 200, "GET", "/version", NULL);

	(void)state;
	assert_string_equal(ready, "ok");
	assert_string_equal(text_at(version, "major"), "1");
}

#define OTHER_TESTS											\
	cmocka_unit_test(a_node_keeps_the_status_it_is_made_with), cmocka_unit_test(a_cordoned_node_is_found),			\
	cmocka_unit_test(status_of_a_node_has_its_own_path), cmocka_unit_test(a_lease_is_renewed_by_its_version),		\
	cmocka_unit_test(bad_leases_are_refused), cmocka_unit_test(an_event_is_seen_in_both_forms),				\
	cmocka_unit_test(bad_events_are_refused), cmocka_unit_test(an_event_series_is_patched),					\
	cmocka_unit_test(events_are_selected_by_what_they_are_about), cmocka_unit_test(the_server_says_that_it_is_well)
