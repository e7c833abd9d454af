#include "tests/apiserver/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/apiserver/pods.h"

const char *call_arg(const struct call *call, const char *name)
{
	unsigned i;

	for (i = 0; i < call->arg_count; i++)
		if (STREQ(call->args[i].name, name))
			return call->args[i].value;
	return NULL;
}

/* As Go's conversion of query parameters has it: anything but "false" and "0" is true. */
bool call_flag(const struct call *call, const char *name)
{
	const char *value = call_arg(call, name);

	return value && strcasecmp(value, "false") != 0 && !STREQ(value, "0");
}

int call_number(const struct call *call, const char *name, int64_t *out, struct answer *a)
{
	const char *text = call_arg(call, name);
	char *end;

	*out = -1;
	if (!text || !*text)
		return 0;
	*out = strtoll(text, &end, 10);
	if (*end)
		return answer_bad_request(a, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
	return 0;
}

int parse_version(const char *text, int64_t *out, struct answer *a)
{
	char *end;

	*out = 0;
	if (!text || !*text)
		return 0;
	*out = strtoll(text, &end, 10);
	if (*end || *text < '0' || *text > '9')
		return answer_bad_request(a, "Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", text, text);
	return 0;
}

static int unsupported_type(struct answer *a, const char *types)
{
	return answer_error(a, 415, "UnsupportedMediaType", NULL,
			    "the body of the request was in an unknown format - accepted media types include: %s", types);
}

static int check_kind(const cJSON *object, const char *kind, const char *api_version, struct answer *a)
{
	const char *my_kind = json_text_at(object, "kind"), *my_version = json_text_at(object, "apiVersion");

	if (*my_version && !STREQ(my_version, api_version))
		return answer_bad_request(a, "the API version in the data (%s) does not match the expected API version (%s)", my_version,
					  api_version);
	if (*my_kind && !STREQ(my_kind, kind))
		return answer_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: converting (%s) to (%s): unknown conversion",
					  my_kind, api_version, kind, my_kind, kind);
	return 0;
}

cJSON *call_body(const struct call *call, const char *kind, const char *api_version, struct answer *a)
{
	const char *type = call->content_type;
	struct lm_err err;
	cJSON *object;

	if (!STREQ(call->method, "PATCH") && type && *type && strncasecmp(type, "application/json", strlen("application/json")) != 0) {
		unsupported_type(a, "application/json, application/yaml, application/vnd.kubernetes.protobuf");
		return NULL;
	}
	object = json_parse(call->body.data ? call->body.data : "", call->body.len, JSON_DEPTH_API, &err);
	if (!object) {
		answer_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: json parse error: %s", kind, api_version, kind, err.msg);
		return NULL;
	}
	if (!cJSON_IsObject(object)) {
		answer_bad_request(a, "couldn't get version/kind; json parse error: the body is no object");
	} else if (check_kind(object, kind, api_version, a) == 0) {
		return object;
	}
	cJSON_Delete(object);
	return NULL;
}

void call_committed(struct api *api, struct call *call, int64_t version)
{
	call->note.version = version;
	journal_commit(api->journal, call->method, call->path, fault_names[call->fault.action], &call->note);
}

void call_free(struct call *call)
{
	unsigned i;

	for (i = 0; i < call->arg_count; i++) {
		free(call->args[i].name);
		free(call->args[i].value);
	}
	free(call->content_type);
	free(call->accept);
	free(call->authorization);
	buf_free(&call->body);
	*call = (struct call){0};
}

void call_key(const struct call *call, char key[static KEY_MAX])
{
	const struct target *t = &call->target;

	snprintf(key, KEY_MAX, "%s%s%s", t->namespace_, *t->namespace_ ? "/" : "", t->name);
}

bool call_covers(const struct call *call, const struct revision *r)
{
	const char *namespace_ = call->target.namespace_;
	size_t len = strlen(namespace_);

	if (len && (strncmp(r->key, namespace_, len) != 0 || r->key[len] != '/'))
		return false;
	return !*call->target.name || STREQ(r->fields[0], call->target.name);
}

static int method_not_allowed(struct answer *a)
{
	return answer_error(a, 405, "MethodNotAllowed", &(struct about){0},
			    "the server does not allow this method on the requested resource");
}

static int no_resource(struct answer *a)
{
	return answer_error(a, 404, "NotFound", &(struct about){0}, "the server could not find the requested resource");
}

static int handle_collection(struct api *api, struct call *call, struct answer *a)
{
	if (call->verb == VERB_LIST)
		return object_list(api, call, a);
	if (call->verb == VERB_WATCH)
		return object_watch(api, call, a);
	if (call->target.resource->namespaced && !*call->target.namespace_)
		return method_not_allowed(a);
	if (call->verb == VERB_CREATE)
		return object_create(api, call, a);
	return call->verb == VERB_DELETECOLLECTION && call->target.resource->id != NAMESPACES ? object_delete_collection(api, call, a) :
		method_not_allowed(a);
}

static int handle_object(struct api *api, struct call *call, struct answer *a)
{
	switch (call->verb) {
	case VERB_GET: return object_get(api, call, a);
	case VERB_UPDATE: return object_update(api, call, a);
	case VERB_PATCH: return object_patch(api, call, a);
	case VERB_DELETE: return *call->target.sub ? method_not_allowed(a) : object_delete(api, call, a);
	case VERB_LIST: case VERB_WATCH: case VERB_CREATE: case VERB_DELETECOLLECTION: case VERB_OTHER: break;
	}
	return method_not_allowed(a);
}

int api_handle(struct api *api, struct call *call, struct answer *a)
{
	const struct target *t = &call->target;

	if (!t->resource)
		return no_resource(a);
	if (call_arg(call, "dryRun"))
		return answer_bad_request(a, "dryRun is not supported by the stand-in");
	if (t->resource->id == PODS && (STREQ(t->sub, "binding") || STREQ(t->sub, "bindings"))) {
		if (call->verb != VERB_CREATE)
			return method_not_allowed(a);
		return binding_create(api, call, a);
	}
	if (t->resource->id == PODS && STREQ(t->sub, "eviction"))
		return call->verb == VERB_CREATE ? eviction_create(api, call, a) : method_not_allowed(a);
	if (*t->sub && !(STREQ(t->sub, "status") && t->resource->has_status))
		return no_resource(a);
	return *t->name ? handle_object(api, call, a) : handle_collection(api, call, a);
}

void api_make_namespaces(struct api *api)
{
	static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
	struct answer ignored = {0};
	size_t i;

	store_lock(api->store);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		auto_json cJSON *object = cJSON_CreateObject();

		if (store_find(api->store, NAMESPACES, names[i]))
			continue;
		json_set_text(json_make_object(object, "metadata"), "name", names[i]);
		namespace_on_create(stored_form[NAMESPACES], object, &ignored);
		store_put(api->store, NAMESPACES, names[i], object);
	}
	store_unlock(api->store);
}
