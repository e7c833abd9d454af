/* Part of i-client.c: what a Binding does and when it is refused. */

static void a_binding_assigns_the_pod(void **state)
{
	auto_json cJSON *pod = make_pod("bind-1", ""), *status = NULL, *bound = NULL;

	(void)state;
	status = bind(201, "bind-1", text_at(pod, "metadata.uid"), "no-such-node-1");
	assert_string_equal(text_at(status, "kind"), "Status");
	assert_string_equal(text_at(status, "status"), "Success");
	bound = get_pod("bind-1");
	assert_string_equal(text_at(bound, "spec.nodeName"), "no-such-node-1");
	assert_string_equal(text_at(condition_of(bound, "PodScheduled"), "status"), "True");
	assert_string_equal(text_at(bound, "metadata.uid"), text_at(pod, "metadata.uid"));
	assert_string_not_equal(text_at(bound, "metadata.resourceVersion"), text_at(pod, "metadata.resourceVersion"));
}

static void a_pod_is_bound_once(void **state)
{
	(void)state;
	new_pod("bind-2", "");
	bind_to("bind-2", "no-such-node-1");
	failed(bind(409, "bind-2", NULL, "no-such-node-2"), "Conflict", "pod bind-2 is already assigned to node \"no-such-node-1\"");
	failed(bind(409, "bind-2", NULL, "no-such-node-1"), "Conflict", "is already assigned to node");
}

static void a_binding_for_another_uid_is_a_conflict(void **state)
{
	auto_json cJSON *pod = NULL;

	(void)state;
	new_pod("bind-3", "");
	failed(bind(409, "bind-3", OTHER_UID, "no-such-node-1"), "Conflict", "Precondition failed: UID in precondition");
	pod = get_pod("bind-3");
	assert_string_equal(text_at(pod, "spec.nodeName"), "");
	bind_to("bind-3", "no-such-node-1");
	failed(bind(409, "bind-3", OTHER_UID, "no-such-node-1"), "Conflict", "Precondition failed: UID in precondition");
}

/* The older way in, POST namespaces/NS/bindings, does not look at the uid: whoever uses it may bind a pod of the same name. */
static void the_collection_of_bindings_forgets_the_uid(void **state)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/bindings", ns);
	auto_json cJSON *pod = NULL;

	(void)state;
	new_pod("bind-10", "");
	failed(standin_want(&api, 400, "POST", path, "{\"metadata\":{},\"target\":{\"name\":\"n\"}}"), "BadRequest", "Name parameter required.");
	standin_do(&api, 201, "POST", path, "{\"metadata\":{\"name\":\"bind-10\",\"uid\":\"" OTHER_UID "\"},\"target\":{\"name\":\"n\"}}");
	pod = get_pod("bind-10");
	assert_string_equal(text_at(pod, "spec.nodeName"), "n");
}

static void a_binding_for_an_old_version_is_a_conflict(void **state)
{
	auto_json cJSON *pod = make_pod("bind-4", "");
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"bind-4\",\"resourceVersion\":\"%s\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}",
					 text_at(pod, "metadata.resourceVersion"));

	(void)state;
	set_label("bind-4", "\"a\":\"1\"");
	failed(pod_call(409, "POST", "bind-4/binding", body), "Conflict", "Precondition failed: ResourceVersion in precondition");
}

static void bindings_that_make_no_sense(void **state)
{
	(void)state;
	new_pod("bind-5", "");
	failed(pod_call(400, "POST", "bind-5/binding", "{\"metadata\":{\"name\":\"other\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}"),
	       "BadRequest", "name in URL does not match name in Binding object");
	failed(pod_call(400, "POST", "bind-5/binding", "{\"metadata\":{\"name\":\"bind-5\",\"namespace\":\"other\"},\"target\":{\"name\":\"n\"}}"),
	       "BadRequest", "namespace");
	failed(bind(404, "bind-none", NULL, "n"), "NotFound", "pods \"bind-none\" not found");
	failed(bind(404, "bind-none", OTHER_UID, "n"), "NotFound", "pods \"bind-none\" not found");
	failed(bind(500, "bind-5", NULL, ""), "", "target.name: Required value");
	failed(pod_call(500, "POST", "bind-5/binding", "{\"metadata\":{\"name\":\"bind-5\"},\"target\":{\"kind\":\"Pod\",\"name\":\"n\"}}"), "",
	       "target.kind: Unsupported value: \"Pod\"");
	pod_do(405, "GET", "bind-5/binding", NULL);
}

static void a_pod_that_is_being_deleted_is_not_bound(void **state)
{
	(void)state;
	new_pod("bind-6", "");
	bind_and_settle("bind-6", "no-such-node-1");
	pod_do(200, "DELETE", "bind-6", NULL);
	failed(bind(409, "bind-6", NULL, "no-such-node-2"), "Conflict", "pod bind-6 is being deleted, cannot be assigned to a host");
}

static void a_gated_pod_waits_for_its_gates(void **state)
{
	auto_json cJSON *pod = pod_call(201, "POST", "", "{\"metadata\":{\"name\":\"gated\"},\"spec\":{\"schedulerName\":\"nobody\","
					"\"schedulingGates\":[{\"name\":\"example.com/a\"},{\"name\":\"example.com/b\"}],"
					"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
	const cJSON *condition = condition_of(pod, "PodScheduled");

	(void)state;
	assert_string_equal(text_at(condition, "status"), "False");
	assert_string_equal(text_at(condition, "reason"), "SchedulingGated");
	failed(bind(409, "gated", NULL, "n"), "Conflict", "has non-empty .spec.schedulingGates");
	failed(pod_call(422, "PATCH", "gated", "{\"spec\":{\"schedulingGates\":[{\"name\":\"example.com/c\"}]}}"), "Invalid",
	       "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'example.com/c'");
	pod_do(200, "PATCH", "gated", "{\"spec\":{\"schedulingGates\":[{\"$patch\":\"delete\",\"name\":\"example.com/a\"},"
	       "{\"$patch\":\"delete\",\"name\":\"example.com/b\"}]}}");
	bind_to("gated", "no-such-node-1");
}

/* What was written about a pod that could not be scheduled is gone then; only a change of the status counts as a transition. */
static void a_binding_replaces_the_condition(void **state)
{
	static const char *const statuses[] = {"False", "True"};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		auto_free char *name = xasprintf("bind-1%zu", i + 1), *rest = xasprintf("%s/status", name);
		auto_free char *body = xasprintf("{\"status\":{\"nominatedNodeName\":\"m\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"%s\","
						 "\"reason\":\"Unschedulable\",\"message\":\"0/1\",\"observedGeneration\":1,\"lastTransitionTime\":"
						 "\"2026-11-21T21:00:00Z\"},{\"type\":\"example.com/Other\",\"status\":\"True\"}]}}", statuses[i]);
		auto_json cJSON *pod = NULL;
		const cJSON *condition;

		new_pod(name, "");
		pod_do(200, "PATCH", rest, body);
		bind_to(name, "n");
		pod = get_pod(name);
		condition = condition_of(pod, "PodScheduled");
		assert_string_equal(text_at(condition, "status"), "True");
		assert_string_equal(text_at(condition, "reason"), "");
		assert_string_equal(text_at(condition, "message"), "");
		assert_null(item_at(condition, "observedGeneration"));
		assert_int_equal(STREQ(text_at(condition, "lastTransitionTime"), "2026-11-21T21:00:00Z"), STREQ(statuses[i], "True"));
		assert_string_equal(text_at(condition_of(pod, "example.com/Other"), "status"), "True");
	}
}

static void annotations_of_a_binding_go_to_the_pod(void **state)
{
	auto_json cJSON *pod = NULL;

	(void)state;
	new_pod("bind-7", "");
	pod_do(201, "POST", "bind-7/binding", "{\"metadata\":{\"name\":\"bind-7\",\"annotations\":{\"why\":\"near\"}},"
	       "\"target\":{\"kind\":\"Node\",\"name\":\"no-such-node-1\"}}");
	pod = get_pod("bind-7");
	assert_string_equal(text_at(pod, "metadata.annotations.why"), "near");
}

static int server_minor(void)
{
	auto_json cJSON *version = standin_want(&api, 200, "GET", "/version", NULL);

	return atoi(text_at(version, "minor"));
}

/* Since 1.35, and none can follow; before that it stays on the pod, and can change. */
static void a_nomination_ends_with_the_binding(void **state)
{
	const char *another = "{\"status\":{\"nominatedNodeName\":\"no-such-node-3\"}}";
	bool ends = server_minor() >= 35;
	auto_json cJSON *pod = NULL;

	(void)state;
	new_pod("bind-8", "");
	pod_do(200, "PATCH", "bind-8/status", "{\"status\":{\"nominatedNodeName\":\"no-such-node-1\"}}");
	bind_to("bind-8", "no-such-node-2");
	pod = get_pod("bind-8");
	assert_string_equal(text_at(pod, "status.nominatedNodeName"), ends ? "" : "no-such-node-1");
	if (ends)
		failed(pod_call(422, "PATCH", "bind-8/status", another), "Invalid",
		       "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node");
	else
		pod_do(200, "PATCH", "bind-8/status", another);
}

/* Two binders at once: one wins, whoever it is. */
static void of_two_bindings_at_once_one_wins(void **state)
{
	auto_free char *path = pods("bind-9/binding");
	struct stream two[2];
	size_t i;
	int won = 0;

	(void)state;
	new_pod("bind-9", "");
	for (i = 0; i < 2; i++) {
		auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"bind-9\"},\"target\":{\"kind\":\"Node\",\"name\":\"n-%zu\"}}", i);

		two[i] = (struct stream){0};
		two[i].call = kube_send(api.kube, &(struct kube_request){.method = "POST", .path = path, .body = body, .timeout_ms = 10000}, on_end,
					&two[i]);
	}
	while (!two[0].done || !two[1].done)
		kube_run(api.kube, 100, NULL, 0);
	for (i = 0; i < 2; i++) {
		assert_true(two[i].status == 201 || two[i].status == 409);
		won += two[i].status == 201;
	}
	assert_int_equal(won, 1);
}

#define BINDING_TESTS											\
	CASE(a_binding_assigns_the_pod), CASE(a_pod_is_bound_once),					\
	CASE(a_binding_for_another_uid_is_a_conflict), CASE(a_binding_for_an_old_version_is_a_conflict),	\
	CASE(bindings_that_make_no_sense), CASE(a_pod_that_is_being_deleted_is_not_bound),		\
	CASE(a_gated_pod_waits_for_its_gates), CASE(annotations_of_a_binding_go_to_the_pod),		\
	CASE(the_collection_of_bindings_forgets_the_uid), CASE(a_binding_replaces_the_condition),				\
	CASE(a_nomination_ends_with_the_binding), CASE(of_two_bindings_at_once_one_wins)
