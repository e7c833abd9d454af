/* create, update and patch (api.h). */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/apiserver/api.h"
#include "tests/apiserver/objects.h"
#include "tests/apiserver/patch.h"

static void answer_object(struct answer *a, int code, const struct resource *form, const struct revision *r)
{
	answer_clear(a);
	a->code = code;
	revision_write(r, form, r->version, true, &a->body);
	buf_char(&a->body, '\n');
}

/* Name and namespace of the body against the path's. */
static int check_place(const struct call *call, cJSON *object, struct answer *a)
{
	cJSON *meta = json_make_object(object, "metadata");
	const char *namespace_ = json_text_at(meta, "namespace"), *name = json_text_at(meta, "name");

	if (*namespace_ && !STREQ(namespace_, call->target.namespace_))
		return answer_bad_request(a, "the namespace of the provided object does not match the namespace sent on the request");
	if (*call->target.namespace_)
		json_set_text(meta, "namespace", call->target.namespace_);
	if (*call->target.name && !STREQ(name, call->target.name))
		return answer_bad_request(a, "the name of the object (%s) does not match the name on the URL (%s)", name, call->target.name);
	return 0;
}

/* The body as an object in the stored form; NULL after an error. */
static cJSON *read_object(const struct call *call, struct answer *a)
{
	const struct resource *r = call->target.resource;
	char api_version[API_VERSION_MAX];
	cJSON *object;

	resource_api_version(r, api_version, sizeof(api_version));
	object = call_body(call, r->kind, api_version, a);
	if (!object)
		return NULL;
	if (check_place(call, object, a) < 0) {
		cJSON_Delete(object);
		return NULL;
	}
	if (r->to_stored)
		r->to_stored(object);
	return object;
}

static void generate_name(cJSON *meta)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	const char *prefix = json_text_at(meta, "generateName");
	unsigned char random[5];
	char name[PART_MAX];
	size_t i, len;

	len = (size_t)snprintf(name, sizeof(name), "%.248s", prefix);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return;
	for (i = 0; i < sizeof(random); i++)
		name[len + i] = letters[random[i] % (sizeof(letters) - 1)];
	name[len + i] = '\0';
	json_set_text(meta, "name", name);
}

/* As Go's omitempty. */
static void drop_empty_maps(cJSON *meta)
{
	static const char *const maps[] = {"labels", "annotations"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		const cJSON *map = cJSON_GetObjectItemCaseSensitive(meta, maps[i]);

		if (cJSON_IsObject(map) && !map->child)
			cJSON_DeleteItemFromObjectCaseSensitive(meta, maps[i]);
	}
}

static int prepare_new(const struct resource *r, cJSON *object, struct answer *a)
{
	static const char *const servers[] = {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
					      "selfLink", "managedFields"};
	cJSON *meta = json_make_object(object, "metadata");
	size_t i;

	if (*json_text_at(meta, "resourceVersion"))
		return answer_error(a, 500, "", NULL, "resourceVersion should not be set on objects to be created");
	for (i = 0; i < ARRAY_SIZE(servers); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(meta, servers[i]);
	if (!*json_text_at(meta, "name") && *json_text_at(meta, "generateName"))
		generate_name(meta);
	drop_empty_maps(meta);
	if (check_meta(stored_form[r->id], object, a) < 0)
		return -1;
	return r->on_create(r, object, a);
}

/* With the lock. */
static int insert(struct api *api, struct call *call, cJSON *object, struct answer *a)
{
	const struct resource *r = call->target.resource;
	const char *name = json_text_at(object, "metadata.name");
	struct about about = {r->group, r->plural, name};
	struct revision *made;
	char key[KEY_MAX], full[QUALIFIED_MAX];

	snprintf(key, sizeof(key), "%s%s%s", call->target.namespace_, r->namespaced ? "/" : "", name);
	if (r->namespaced && !store_find(api->store, NAMESPACES, call->target.namespace_))
		return answer_not_found(a, stored_form[NAMESPACES], call->target.namespace_);
	qualified(r->plural, r->group, full, sizeof(full));
	if (store_find(api->store, r->id, key))
		return answer_error(a, 409, "AlreadyExists", &about, "%s \"%s\" already exists", full, name);
	made = store_put(api->store, r->id, key, object);
	call_committed(api, call, made->version);
	answer_object(a, 201, r, made);
	return 0;
}

static int create_from(struct api *api, struct call *call, cJSON *object, struct answer *a)
{
	int code;

	if (prepare_new(call->target.resource, object, a) < 0)
		return -1;
	store_lock(api->store);
	code = insert(api, call, object, a);
	store_unlock(api->store);
	return code;
}

int object_create(struct api *api, struct call *call, struct answer *a)
{
	auto_json cJSON *object = read_object(call, a);

	return object ? create_from(api, call, object, a) : -1;
}

/* How a failed precondition on the uid reads; `uid` "": nothing is there. */
static int other_uid(const struct call *call, const char *wanted, const char *uid, struct answer *a)
{
	char key[KEY_MAX];

	call_key(call, key);
	return answer_conflict(a, call->target.resource, call->target.name, "StorageError: invalid object, Code: 4, Key: /registry/%s/%s, "
			       "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in object meta: %s",
			       call->target.resource->plural, key, wanted, uid);
}

/* The uid of the request. A PUT's is a precondition (409), a patch's is a change of an immutable field (422). */
static int check_uid(const struct call *call, const cJSON *object, const struct revision *old, struct answer *a)
{
	const char *uid = json_text_at(object, "metadata.uid");

	if (!*uid || STREQ(uid, old->uid))
		return 0;
	if (call->verb == VERB_PATCH)
		return answer_invalid(a, stored_form[call->target.resource->id], call->target.name, "metadata.uid", "FieldValueInvalid",
				      "Invalid value: \"%s\": field is immutable", uid);
	return other_uid(call, uid, old->uid, a);
}

static int check_version(const struct call *call, const cJSON *object, const struct revision *old, struct answer *a)
{
	const struct resource *r = call->target.resource;
	const struct resource by_plural = {.group = r->group, .kind = r->plural};	/* leases "x", where others say Lease "x" */
	const char *version = json_text_at(object, "metadata.resourceVersion");
	bool any = !*version || STREQ(version, "0");
	char current[24];

	snprintf(current, sizeof(current), "%lld", (long long)old->version);
	if (any && r->needs_version)
		return answer_invalid(a, &by_plural, call->target.name, "metadata.resourceVersion", "FieldValueInvalid",
				      "Invalid value: 0: must be specified for an update");
	if (!any && !STREQ(version, current))
		return answer_conflict(a, call->target.resource, call->target.name,
				       "the object has been modified; please apply your changes to the latest version and try again");
	return 0;
}

static void keep_meta(cJSON *object, const cJSON *old)
{
	static const char *const kept[] = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp",
					   "deletionGracePeriodSeconds", "generation", "generateName", "namespace", "name"};
	cJSON *meta = json_make_object(object, "metadata");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		json_take(meta, json_at(old, "metadata"), kept[i]);
	drop_empty_maps(meta);
	cJSON_DeleteItemFromObjectCaseSensitive(meta, "managedFields");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "kind");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "apiVersion");
}

/* With the lock. A write that changes nothing makes no version. */
static int replace(struct api *api, struct call *call, struct revision *found, const cJSON *old, cJSON *object, struct answer *a)
{
	const struct resource *r = call->target.resource;

	if (check_uid(call, object, found, a) < 0 || check_version(call, object, found, a) < 0)
		return -1;
	keep_meta(object, old);
	if (check_meta(stored_form[r->id], object, a) < 0 || r->on_update(r, object, old, *call->target.sub, a) < 0)
		return -1;
	if (!cJSON_Compare(object, old, true)) {
		char key[KEY_MAX];

		call_key(call, key);
		found = store_put(api->store, r->id, key, object);
		call_committed(api, call, found->version);
	}
	answer_object(a, 200, r, found);
	return 0;
}

/* A resourceVersion is no matter then, a uid is. */
static int create_by_update(struct api *api, struct call *call, cJSON *object, struct answer *a)
{
	const char *uid = json_text_at(object, "metadata.uid");

	if (*uid)
		return other_uid(call, uid, "", a);
	cJSON_DeleteItemFromObjectCaseSensitive(json_make_object(object, "metadata"), "resourceVersion");
	return create_from(api, call, object, a);
}

int object_update(struct api *api, struct call *call, struct answer *a)
{
	const struct resource *r = call->target.resource;
	auto_json cJSON *object = read_object(call, a), *old = NULL;
	struct revision *found;
	char key[KEY_MAX];
	int code;

	if (!object)
		return -1;
	call_key(call, key);
	store_lock(api->store);
	found = store_find(api->store, r->id, key);
	if (found) {
		old = revision_tree(found);
		code = replace(api, call, found, old, object, a);
	} else {
		code = answer_not_found(a, r, call->target.name);
	}
	store_unlock(api->store);
	return !found && r->create_on_update && !*call->target.sub ? create_by_update(api, call, object, a) : code;
}

typedef bool patcher(cJSON *target, const cJSON *patch);

static bool merge(cJSON *target, const cJSON *patch)
{
	patch_merge(target, patch);
	return true;
}

static bool merge_strategic(cJSON *target, const cJSON *patch)
{
	patch_strategic(target, patch);
	return true;
}

static patcher *patcher_of(const struct call *call)
{
	const char *type = call->content_type ? call->content_type : "";
	size_t len = strcspn(type, ";");

	if (len == strlen("application/merge-patch+json") && strncasecmp(type, "application/merge-patch+json", len) == 0)
		return merge;
	if (len == strlen("application/strategic-merge-patch+json") && strncasecmp(type, "application/strategic-merge-patch+json", len) == 0)
		return merge_strategic;
	if (len == strlen("application/json-patch+json") && strncasecmp(type, "application/json-patch+json", len) == 0)
		return patch_json;
	return NULL;
}

/* With the lock. */
static int patch_found(struct api *api, struct call *call, struct revision *found, patcher *apply, const cJSON *patch, struct answer *a)
{
	const struct resource *r = call->target.resource;
	auto_json cJSON *old = revision_tree(found), *object = cJSON_Duplicate(old, true);

	if (r->from_stored)
		r->from_stored(object);
	if (apply == patch_json) { /* which may test it */
		char version[24];

		snprintf(version, sizeof(version), "%lld", (long long)found->version);
		json_set_text(json_make_object(object, "metadata"), "resourceVersion", version);
	}
	if (!apply(object, patch))
		return answer_error(a, 422, "Invalid", &(struct about){0}, "the server rejected our request due to an error in our request");
	if (check_place(call, object, a) < 0)
		return -1;
	if (r->to_stored)
		r->to_stored(object);
	return replace(api, call, found, old, object, a);
}

/* The operations of a JSON patch. NULL after 400. */
static cJSON *list_body(const struct call *call, struct answer *a)
{
	struct lm_err err = {0};
	cJSON *list = json_parse(call->body.data ? call->body.data : "", call->body.len, JSON_DEPTH_API, &err);

	if (cJSON_IsArray(list))
		return list;
	cJSON_Delete(list);
	answer_bad_request(a, "error decoding patch: %s", err.msg);
	return NULL;
}

int object_patch(struct api *api, struct call *call, struct answer *a)
{
	const struct resource *r = call->target.resource;
	char api_version[API_VERSION_MAX], key[KEY_MAX];
	auto_json cJSON *patch = NULL;
	struct revision *found;
	patcher *apply = patcher_of(call);
	int code;

	if (!apply)
		return answer_error(a, 415, "UnsupportedMediaType", &(struct about){0}, "415: Unsupported Media Type");
	resource_api_version(r, api_version, sizeof(api_version));
	patch = apply == patch_json ? list_body(call, a) : call_body(call, r->kind, api_version, a);
	if (!patch)
		return -1;
	call_key(call, key);
	store_lock(api->store);
	found = store_find(api->store, r->id, key);
	code = found ? patch_found(api, call, found, apply, patch, a) : answer_not_found(a, r, call->target.name);
	store_unlock(api->store);
	return code;
}
