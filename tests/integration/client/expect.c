/* Part of i-client.c: bindings, what a refusal says, lists by name, and what is to be cleaned up. */

static char *made_nodes[16];		/* paths, to be removed at the end */
static size_t made_node_count;

static char *leases(const char *rest)
{
	return xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", ns, *rest && *rest != '?' ? "/" : "", rest);
}

static cJSON *bind(int status, const char *pod, const char *uid, const char *node)
{
	auto_free char *rest = xasprintf("%s/binding", pod);
	auto_free char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\"%s%s%s},"
					 "\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"%s\"}}", pod, ns, uid ? ",\"uid\":\"" : "",
					 uid ? uid : "", uid ? "\"" : "", node);

	return pod_call(status, "POST", rest, body);
}

static void bind_to(const char *pod, const char *node)
{
	cJSON_Delete(bind(201, pod, NULL, node));
}

static bool cache_has_node(void *pod)
{
	auto_free char *rest = xasprintf("%s?resourceVersion=0", (const char *)pod);
	auto_json cJSON *seen = pod_call(200, "GET", rest, NULL);

	return *text_at(seen, "spec.nodeName");
}

/*
 * Binds, and waits until the server's cache has it. A deletion begins with the pod of the cache: where that has no node yet, the pod goes
 * at once, even when the server finds out on its way (1.36.3: the grace that it chose for the older pod stays).
 */
static void bind_and_settle(const char *pod, const char *node)
{
	bind_to(pod, node);
	assert_true(test_wait(cache_has_node, (void *)(uintptr_t)pod, DEADLINE_MS));
}

/* The Status of a failure: reason, and a part of the message. */
static void failed(cJSON *status, const char *reason, const char *message)
{
	assert_string_equal(text_at(status, "kind"), "Status");
	assert_string_equal(text_at(status, "status"), "Failure");
	assert_string_equal(text_at(status, "reason"), reason);
	if (!strstr(text_at(status, "message"), message))
		fail_msg("`%s` is not in `%s`", message, text_at(status, "message"));
	cJSON_Delete(status);
}

/* "a b c": names of a list in its order; the caller frees. */
static char *names_of(const cJSON *list)
{
	struct buf b = {0};
	const cJSON *item;

	buf_str(&b, "");
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(list, "items"))
		buf_printf(&b, "%s%s", b.len ? " " : "", text_at(item, "metadata.name"));
	return b.data;
}

static void listed(const char *query, const char *expected)
{
	auto_json cJSON *list = pod_call(200, "GET", query, NULL);
	auto_free char *names = names_of(list);

	assert_string_equal(names, expected);
}

static const cJSON *condition_of(const cJSON *pod, const char *type)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, item_at(pod, "status.conditions"))
		if (STREQ(text_at(item, "type"), type))
			return item;
	return NULL;
}

static void make_namespace(void)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", ns);

	standin_do(&api, 201, "POST", "/api/v1/namespaces", body);
}

/* Without a controller manager nobody else ends the namespace. */
static void drop_nodes_and_namespace(void)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s", ns), *finalize = xasprintf("%s/finalize", path);
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"finalizers\":[]}}", ns);
	size_t i;
	int status;

	for (i = 0; i < made_node_count; i++) {
		cJSON_Delete(standin_call(&api, "DELETE", made_nodes[i], NULL, &status));
		free(made_nodes[i]);
	}
	cJSON_Delete(standin_call(&api, "DELETE", path, NULL, &status));
	cJSON_Delete(standin_call(&api, "PUT", finalize, body, &status));
}
