/* Part of i-client.c: nodes, leases, events. */

/* Returns the path of the node; it is removed at the end of the run. */
static const char *make_node(const char *name, const char *more)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s-%s\",\"labels\":{\"run\":\"%s\"}},\"status\":{\"capacity\":{\"cpu\":\"4\","
					 "\"memory\":\"8Gi\",\"pods\":\"10\"}}%s}", name, run, run, more);

	standin_do(&api, 201, "POST", "/api/v1/nodes", body);
	assert_true(made_node_count < ARRAY_SIZE(made_nodes));
	made_nodes[made_node_count] = xasprintf("/api/v1/nodes/%s-%s", name, run);
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
	auto_free char *cordoned = xasprintf("/api/v1/nodes?fieldSelector=spec.unschedulable%%3Dtrue&labelSelector=run%%3D%s", run);
	auto_free char *open = xasprintf("/api/v1/nodes?fieldSelector=spec.unschedulable%%3Dfalse&labelSelector=run%%3D%s,x", run);
	auto_free char *expected = xasprintf("node-b-%s", run), *names = NULL, *none = NULL;
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
	auto_free char *status_path = xasprintf("%s/status", path);
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

static int64_t number_at(const cJSON *object, const char *path)
{
	return strtoll(text_at(object, path), NULL, 10);
}

static char *lease_body(const char *name, const char *version, const char *holder, const char *renewed)
{
	return xasprintf("{\"metadata\":{\"name\":\"%s\"%s%s%s},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":15,\"renewTime\":\"%s\","
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

/* Whoever looks at a lease sees each renewal, and its end. */
static void a_lease_is_watched_by_its_name(void **state)
{
	auto_free char *collection = leases(""), *path = leases("seen"), *first = lease_body("seen", NULL, "a", RENEWED);
	auto_free char *other = lease_body("unseen", NULL, "a", RENEWED), *other_path = leases("unseen");
	auto_json cJSON *lease = standin_want(&api, 201, "POST", collection, first);
	auto_free char *rest = xasprintf("?watch=1&fieldSelector=metadata.name%%3Dseen&resourceVersion=%s", text_at(lease, "metadata.resourceVersion"));
	auto_free char *watch = leases(rest), *renewal = lease_body("seen", text_at(lease, "metadata.resourceVersion"), "b", RENEWED);
	struct stream s;

	(void)state;
	stream_open(&s, watch);
	standin_do(&api, 201, "POST", collection, other);
	standin_do(&api, 200, "PUT", path, renewal);
	standin_do(&api, 200, "DELETE", path, NULL);
	stream_expect(&s, "MODIFIED", "seen");
	stream_expect(&s, "DELETED", "seen");
	stream_close(&s);
	standin_do(&api, 200, "DELETE", other_path, NULL);
	failed(standin_want(&api, 404, "GET", path, NULL), "NotFound", "leases.coordination.k8s.io \"seen\" not found");
}

/* Two that read the same version and want to lead: one does. */
static void of_two_holders_one_gets_the_lease(void **state)
{
	auto_free char *collection = leases(""), *path = leases("wanted"), *first = lease_body("wanted", NULL, "", RENEWED);
	auto_json cJSON *lease = standin_want(&api, 201, "POST", collection, first), *held = NULL;
	struct stream two[2];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		auto_free char *body = lease_body("wanted", text_at(lease, "metadata.resourceVersion"), i ? "b" : "a", RENEWED);

		two[i] = (struct stream){0};
		two[i].call = kube_send(api.kube, &(struct kube_request){.method = "PUT", .path = path, .body = body, .timeout_ms = 10000}, on_end,
					&two[i]);
	}
	while (!two[0].done || !two[1].done)
		kube_run(api.kube, 100, NULL, 0);
	assert_int_equal(two[0].status + two[1].status, 200 + 409);
	held = standin_want(&api, 200, "GET", path, NULL);
	assert_string_equal(text_at(held, "spec.holderIdentity"), two[0].status == 200 ? "a" : "b");
	standin_do(&api, 200, "DELETE", path, NULL);
}

/* A PUT makes a lease that is not there, whatever version it names; but not one with a uid. */
static void a_lease_that_is_not_there_is_made_by_a_put(void **state)
{
	auto_free char *path = leases("put"), *body = lease_body("put", "5", "a", RENEWED);

	(void)state;
	failed(standin_want(&api, 409, "PUT", path, "{\"metadata\":{\"name\":\"put\",\"uid\":\"" OTHER_UID "\"},\"spec\":{}}"), "Conflict",
	       "Precondition failed: UID in precondition: " OTHER_UID ", UID in object meta: ");
	standin_do(&api, 201, "PUT", path, body);
	failed(standin_want(&api, 409, "PUT", path, body), "Conflict", "the object has been modified");
	failed(standin_want(&api, 409, "DELETE", path, "{\"preconditions\":{\"uid\":\"other\"}}"), "Conflict",
	       "Operation cannot be fulfilled on Lease.coordination.k8s.io \"put\": the UID in the precondition (other)");
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
	failed(standin_want(&api, 422, "PUT", path, good), "Invalid",
	       "leases.coordination.k8s.io \"bad\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update");
	failed(standin_want(&api, 400, "POST", collection, "{\"metadata\":{\"name\":\"bad\"},\"spec\":{\"leaseDurationSeconds\":1.5}}"), "BadRequest",
	       "cannot unmarshal number 1.5");
	standin_do(&api, 200, "DELETE", path, NULL);
}

/* An event of events.k8s.io with one member of it replaced (or removed, by NULL); the status that it must get. */
static cJSON *event_with(int status, const char *name, const char *member, cJSON *value)
{
	auto_free char *path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events", ns), *body = NULL;
	auto_free char *good = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"eventTime\":\"" RENEWED "\",\"reportingController\":\"example.com/test\","
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
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/events/event-1", ns);

	(void)state;
	assert_string_equal(text_at(made, "apiVersion"), "events.k8s.io/v1");
	assert_string_equal(text_at(made, "note"), "hello");
	assert_string_equal(text_at(made, "regarding.name"), "web");
	core = standin_want(&api, 200, "GET", path, NULL);
	assert_string_equal(text_at(core, "apiVersion"), "v1");
	assert_string_equal(text_at(core, "message"), "hello");
	assert_string_equal(text_at(core, "involvedObject.name"), "web");
	assert_string_equal(text_at(core, "reportingComponent"), "example.com/test");
	assert_true(cJSON_IsNull(item_at(made, "deprecatedLastTimestamp")));
	assert_true(cJSON_IsNull(item_at(core, "lastTimestamp")));
	assert_null(item_at(core, "count"));
}

/* One that was made in the old form has no eventTime; its counts go by other names in the new form. */
static void an_old_event_is_seen_in_both_forms(void **state)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/events", ns), *new_path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events/old-1", ns);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"old-1\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"%s\",\"name\":\"web\"},"
					 "\"reason\":\"R\",\"message\":\"m\",\"source\":{\"component\":\"c\"},\"count\":2,\"type\":\"Normal\","
					 "\"firstTimestamp\":\"2026-11-21T21:00:00Z\",\"lastTimestamp\":\"2026-11-21T21:00:01Z\"}", ns);
	auto_json cJSON *event = NULL;

	(void)state;
	standin_do(&api, 201, "POST", path, body);
	event = standin_want(&api, 200, "GET", new_path, NULL);
	assert_int_equal(cJSON_GetNumberValue(item_at(event, "deprecatedCount")), 2);
	assert_string_equal(text_at(event, "deprecatedSource.component"), "c");
	assert_string_equal(text_at(event, "deprecatedLastTimestamp"), "2026-11-21T21:00:01Z");
	assert_true(cJSON_IsNull(item_at(event, "eventTime")));
}

/* All kinds have one clock: an event that is written after a binding's answer has a higher version than the pod. */
static void the_event_of_a_binding_comes_after_it(void **state)
{
	auto_json cJSON *pod = NULL, *event = NULL, *next = NULL;

	(void)state;
	new_pod("web", "");
	bind_to("web", "no-such-node");
	event = event_with(201, "event-5", "none", NULL);
	pod = get_pod("web");
	next = event_with(201, "event-6", "none", NULL);
	assert_true(number_at(event, "metadata.resourceVersion") > number_at(pod, "metadata.resourceVersion"));
	assert_true(number_at(next, "metadata.resourceVersion") > number_at(event, "metadata.resourceVersion"));
	failed(event_with(409, "event-5", "none", NULL), "AlreadyExists", "events.events.k8s.io \"event-5\" already exists");
}

static void bad_events_are_refused(void **state)
{
	static char long_note[1026];

	(void)state;
	memset(long_note, 'x', sizeof(long_note) - 1);
	failed(event_with(422, "event-2", "eventTime", NULL), "Invalid", "Event \"event-2\" is invalid: eventTime: Required value");
	failed(event_with(422, "event-2", "reportingController", NULL), "Invalid", "reportingController");
	failed(event_with(422, "event-2", "reportingController", cJSON_CreateString("a b")), "Invalid", "name part must consist of");
	failed(event_with(422, "event-2", "regarding", NULL), "Invalid", "involvedObject.namespace: Invalid value: \"\": does not match event.namespace");
	failed(event_with(422, "event-2", "series", cJSON_Parse("{\"count\":1,\"lastObservedTime\":\"" RENEWED "\"}")), "Invalid",
	       "series.count: Invalid value: \"\": should be at least 2");
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
	auto_free char *path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events/event-3", ns);
	auto_json cJSON *event = NULL;

	(void)state;
	cJSON_Delete(event_with(201, "event-3", "none", NULL));
	event = standin_want(&api, 200, "PATCH", path, "{\"series\":{\"count\":2,\"lastObservedTime\":\"" RENEWED "\"}}");
	assert_int_equal(cJSON_GetNumberValue(item_at(event, "series.count")), 2);
	assert_string_equal(text_at(event, "note"), "hello");
	failed(standin_want(&api, 422, "PATCH", path, "{\"series\":{\"count\":1}}"), "Invalid", "series.count");
	failed(standin_want(&api, 422, "PATCH", path, "{\"series\":{\"count\":3,\"lastObservedTime\":null}}"), "Invalid", "series.lastObservedTime");
	failed(standin_want(&api, 422, "PATCH", path, "{\"note\":\"other\"}"), "Invalid", "message: Invalid value: \"other\": field is immutable");
	failed(standin_want(&api, 422, "PATCH", path, "{\"reason\":\"other\"}"), "Invalid", "reason: Invalid value: \"other\": field is immutable");
	standin_do(&api, 200, "PATCH", path, "{\"series\":{\"count\":3}}");
}

static void events_are_selected_by_what_they_are_about(void **state)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.name%%3Dweb,reason%%3DScheduled", ns);
	auto_free char *other = xasprintf("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.name%%3Dother", ns);
	auto_json cJSON *some = NULL, *none = NULL;

	(void)state;
	cJSON_Delete(event_with(201, "event-4", "none", NULL));
	some = standin_want(&api, 200, "GET", path, NULL);
	none = standin_want(&api, 200, "GET", other, NULL);
	assert_true(cJSON_GetArraySize(item_at(some, "items")) >= 1);
	assert_int_equal(cJSON_GetArraySize(item_at(none, "items")), 0);
}

/* An answer to somebody else: with this token, or without any. */
static cJSON *asked_with(const char *token, const char *method, const char *path, const char *body, int *status)
{
	struct standin other = api;
	struct lm_err err;
	cJSON *answer;

	if (!api.config.token && !api.config.token_file && !api.config.cert_file && !api.config.cert_data)
		skip();		/* a server that lets everybody in */
	other.config = (struct kube_config){.server = api.config.server, .ca_file = api.config.ca_file, .ca_data = api.config.ca_data,
					    .tls_server_name = api.config.tls_server_name, .token = (char *)(uintptr_t)token};
	other.kube = kube_new(&other.config, "latency-test", &err);
	assert_non_null(other.kube);
	answer = standin_call(&other, method, path, body, status);
	kube_free(other.kube);
	return answer;
}

static void a_wrong_token_is_unauthorized(void **state)
{
	static const char *const paths[] = {"/api/v1/nodes", "/livez", "/version"};
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		failed(asked_with("wrong", "GET", paths[i], NULL, &status), "Unauthorized", "Unauthorized");
		assert_int_equal(status, 401);
	}
}

/* Who comes without a token is anonymous: forbidden, not unauthorized, and in the words of any refusal by RBAC. */
static void nobody_may_do_nothing(void **state)
{
	auto_free char *path = pods(""), *pod = pods("x"), *binding = pods("x/binding"), *lease = leases("x");
	const struct {
		const char *method, *path, *body, *words;
	} cases[] = {
		{"GET", path, NULL, "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \""},
		{"GET", pod, NULL, "pods \"x\" is forbidden: User \"system:anonymous\" cannot get resource \"pods\" in API group \"\" in the namespace \""},
		{"POST", binding, "{}", "cannot create resource \"pods/binding\" in API group \"\" in the namespace \""},
		{"PUT", lease, "{}", "leases.coordination.k8s.io \"x\" is forbidden: User \"system:anonymous\" cannot update resource \"leases\" in API "
		 "group \"coordination.k8s.io\" in the namespace \""},
		{"GET", "/api/v1/nodes?watch=1", NULL, "nodes is forbidden: User \"system:anonymous\" cannot watch resource \"nodes\" in API group \"\" "
		 "at the cluster scope"},
		{"GET", "/metrics", NULL, "forbidden: User \"system:anonymous\" cannot get path \"/metrics\""},
	};
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		failed(asked_with(NULL, cases[i].method, cases[i].path, cases[i].body, &status), "Forbidden", cases[i].words);
		assert_int_equal(status, 403);
	}
	cJSON_Delete(asked_with(NULL, "GET", "/version", NULL, &status));
	assert_int_equal(status, 200);
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
	CASE(a_node_keeps_the_status_it_is_made_with), CASE(a_cordoned_node_is_found),			\
	CASE(status_of_a_node_has_its_own_path), CASE(a_lease_is_renewed_by_its_version),		\
	CASE(a_lease_is_watched_by_its_name), CASE(of_two_holders_one_gets_the_lease),						\
	CASE(a_lease_that_is_not_there_is_made_by_a_put), CASE(bad_leases_are_refused), CASE(an_old_event_is_seen_in_both_forms),	\
	CASE(the_event_of_a_binding_comes_after_it), CASE(a_wrong_token_is_unauthorized), CASE(nobody_may_do_nothing),			\
	 CASE(an_event_is_seen_in_both_forms),				\
	CASE(bad_events_are_refused), CASE(an_event_series_is_patched),					\
	CASE(events_are_selected_by_what_they_are_about), CASE(the_server_says_that_it_is_well)
