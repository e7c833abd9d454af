/* POST of a Binding, with the rules of kube-apiserver: it checks the pod, never the node. */
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/apiserver/pods.h"

/* `StorageError: ...`: how a failed precondition reads. */
static int precondition_failed(struct answer *a, const struct call *call, const char *name, const char *what, const char *wanted,
			       const char *is)
{
	return answer_conflict(a, call->target.resource, name,
			       "StorageError: invalid object, Code: 4, Key: /registry/pods/%s/%s, ResourceVersion: 0, AdditionalErrorMsg: "
			       "Precondition failed: %s in precondition: %s, %s in object meta: %s",
			       call->target.namespace_, name, what, wanted, what, is);
}

static int check_body(const struct call *call, const cJSON *binding, const char **name, struct answer *a)
{
	const char *namespace_ = json_text_at(binding, "metadata.namespace");
	const char *kind = json_text_at(binding, "target.kind");

	*name = json_text_at(binding, "metadata.name");
	if (*call->target.name && !STREQ(*name, call->target.name))
		return answer_bad_request(a, "name in URL does not match name in Binding object");
	if (!**name)
		return answer_bad_request(a, "Name parameter required.");
	if (*namespace_ && !STREQ(namespace_, call->target.namespace_))
		return answer_bad_request(a, "the namespace of the provided object does not match the namespace sent on the request");
	if (*kind && !STREQ(kind, "Node"))
		return answer_error(a, 500, "", NULL, "target.kind: Unsupported value: \"%s\": supported values: \"Node\", \"<empty>\"", kind);
	if (!*json_text_at(binding, "target.name"))
		return answer_error(a, 500, "", NULL, "target.name: Required value");
	return 0;
}

static int check_pod(const struct call *call, const cJSON *binding, const cJSON *pod, const struct revision *found, struct answer *a)
{
	const char *name = json_text_at(pod, "metadata.name");
	/* POST .../bindings forgets the uid, on a real server too. */
	const char *uid = STREQ(call->target.sub, "bindings") ? "" : json_text_at(binding, "metadata.uid");
	const char *version = json_text_at(binding, "metadata.resourceVersion");
	struct about about = {NULL, "pods/binding", name};
	char text[1024], current[24];

	snprintf(current, sizeof(current), "%lld", (long long)found->version);
	if (*uid && !STREQ(uid, found->uid))
		return precondition_failed(a, call, name, "UID", uid, found->uid);
	if (*version && !STREQ(version, current))
		return precondition_failed(a, call, name, "ResourceVersion", version, current);
	if (pod_binding_refusal(pod, text, sizeof(text)))
		return answer_error(a, 409, "Conflict", &about, "Operation cannot be fulfilled on pods/binding \"%s\": %s", name, text);
	return 0;
}

static void assign(cJSON *pod, const cJSON *binding)
{
	static const char *const maps[] = {"annotations", "labels"};
	const cJSON *item;
	size_t i;

	json_set_text(json_make_object(pod, "spec"), "nodeName", json_text_at(binding, "target.name"));
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json_at(binding, "metadata"), maps[i]))
			json_set(json_make_object(json_make_object(pod, "metadata"), maps[i]), item->string, cJSON_Duplicate(item, true));
	pod_set_condition(pod, "PodScheduled", "True", NULL, NULL);
	cJSON_DeleteItemFromObjectCaseSensitive(json_make_object(pod, "status"), "nominatedNodeName");
}

/* With the lock held. */
static int bind_pod(struct api *api, struct call *call, const cJSON *binding, const char *name, struct answer *a)
{
	char key[KEY_MAX];
	struct revision *found;
	auto_json cJSON *pod = NULL;

	snprintf(key, sizeof(key), "%s/%s", call->target.namespace_, name);
	found = store_find(api->store, PODS, key);
	if (!found)
		return answer_not_found(a, stored_form[PODS], name);
	pod = revision_tree(found);
	if (check_pod(call, binding, pod, found, a) < 0)
		return -1;
	assign(pod, binding);
	snprintf(call->note.uid, sizeof(call->note.uid), "%s", found->uid);
	call_committed(api, call, store_put(api->store, PODS, key, pod)->version);
	answer_success(a, 201, NULL, NULL);
	return 0;
}

int binding_create(struct api *api, struct call *call, struct answer *a)
{
	auto_json cJSON *binding = call_body(call, "Binding", "v1", a);
	const char *name;
	int code;

	if (!binding || check_body(call, binding, &name, a) < 0)
		return -1;
	snprintf(call->note.pod, sizeof(call->note.pod), "%s/%s", call->target.namespace_, name);
	snprintf(call->note.node, sizeof(call->note.node), "%s", json_text_at(binding, "target.name"));
	snprintf(call->note.uid, sizeof(call->note.uid), "%s", json_text_at(binding, "metadata.uid"));
	store_lock(api->store);
	code = bind_pod(api, call, binding, name, a);
	store_unlock(api->store);
	return code;
}
