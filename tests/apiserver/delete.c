/* delete and deletecollection (api.h). There is no kubelet and no controller: README.md says what that means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/apiserver/api.h"
#include "tests/apiserver/select.h"

struct delete_options {
	int64_t grace_s;		/* -1: the object's own */
	char uid[64], version[32];	/* preconditions; "": none */
};

static void take_options(const cJSON *body, struct delete_options *o)
{
	const cJSON *grace = cJSON_GetObjectItemCaseSensitive(body, "gracePeriodSeconds");

	if (cJSON_IsNumber(grace))
		o->grace_s = (int64_t)grace->valuedouble;
	snprintf(o->uid, sizeof(o->uid), "%s", json_text_at(body, "preconditions.uid"));
	snprintf(o->version, sizeof(o->version), "%s", json_text_at(body, "preconditions.resourceVersion"));
}

static int read_options(const struct call *call, struct delete_options *o, struct answer *a)
{
	auto_json cJSON *body = NULL;

	*o = (struct delete_options){.grace_s = -1};
	if (call->body.len) {
		struct lm_err err;

		body = json_parse(call->body.data, call->body.len, JSON_DEPTH_API, &err);
		if (!cJSON_IsObject(body))
			return answer_bad_request(a, "couldn't get version/kind; json parse error: %s", body ? "no object" : err.msg);
		take_options(body, o);
	}
	if (call_arg(call, "gracePeriodSeconds"))
		return call_number(call, "gracePeriodSeconds", &o->grace_s, a);
	return 0;
}

static int check_preconditions(const struct resource *r, const char *name, const struct delete_options *o, const struct revision *found,
			       struct answer *a)
{
	const struct resource by_kind = {.group = r->group, .plural = r->kind};	/* Pod "web", where others say pods "web" */
	char current[24];

	snprintf(current, sizeof(current), "%lld", (long long)found->version);
	if (*o->uid && !STREQ(o->uid, found->uid))
		return answer_conflict(a, &by_kind, name, "the UID in the precondition (%s) does not match the UID in record (%s). The object might "
				       "have been deleted and then recreated", o->uid, found->uid);
	if (*o->version && !STREQ(o->version, current))
		return answer_conflict(a, &by_kind, name, "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record "
				       "(%s). The object might have been modified", o->version, current);
	return 0;
}

/* How long a pod may take to end; 0: it goes at once. */
static int64_t pod_grace(const cJSON *pod, int64_t asked_s)
{
	const char *phase = json_text_at(pod, "status.phase");
	const cJSON *own = json_at(pod, "spec.terminationGracePeriodSeconds");

	if (!*json_text_at(pod, "spec.nodeName") || STREQ(phase, "Succeeded") || STREQ(phase, "Failed"))
		return 0;
	if (asked_s >= 0)
		return asked_s;
	return own ? (int64_t)own->valuedouble : 30;
}

static void set_deletion_time(cJSON *meta, time_t when, int64_t grace_s)
{
	struct tm tm;
	char text[32];

	gmtime_r(&when, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_set_text(meta, "deletionTimestamp", text);
	json_set_number(meta, "deletionGracePeriodSeconds", (double)grace_s);
}

/* A pod that is being deleted already: only a shorter grace than its own changes it. */
static bool shorten_grace(cJSON *meta, int64_t asked_s, int64_t *grace_s)
{
	struct tm tm = {0};

	*grace_s = (int64_t)cJSON_GetNumberValue(json_at(meta, "deletionGracePeriodSeconds"));
	if (asked_s < 0 || asked_s >= *grace_s)
		return false;
	strptime(json_text_at(meta, "deletionTimestamp"), "%Y-%m-%dT%H:%M:%SZ", &tm);
	set_deletion_time(meta, timegm(&tm) - (time_t)(*grace_s - asked_s), asked_s);
	*grace_s = asked_s;
	return true;
}

/*
 * A real server, too, writes the deletionTimestamp of a pod that goes at once before it removes it: watches see MODIFIED, then DELETED.
 * Returns the pod as it is then; *gone: it is to be removed.
 */
static struct revision *mark_pod(struct api *api, struct revision *found, const struct delete_options *o, bool *gone)
{
	auto_json cJSON *pod = revision_tree(found);
	cJSON *meta = json_make_object(pod, "metadata");
	int64_t grace_s;
	bool changed = true;

	if (json_at(meta, "deletionTimestamp")) {
		changed = shorten_grace(meta, o->grace_s, &grace_s);
	} else {
		grace_s = pod_grace(pod, o->grace_s);
		set_deletion_time(meta, time(NULL) + (time_t)grace_s, grace_s);
		json_set_number(meta, "generation", cJSON_GetNumberValue(json_at(meta, "generation")) + 1);
	}
	*gone = grace_s == 0;
	return changed ? store_put(api->store, PODS, found->key, pod) : found;
}

static void remove_all_in(struct api *api, struct call *call, const char *namespace_)
{
	size_t len = strlen(namespace_), i;
	unsigned id;

	for (id = 0; id < RESOURCE_COUNT; id++)
		for (i = store_table(api->store, (enum resource_id)id)->count; stored_form[id]->namespaced && i > 0; i--) {
			struct revision *r = store_table(api->store, (enum resource_id)id)->items[i - 1];

			if (strncmp(r->key, namespace_, len) == 0 && r->key[len] == '/')
				call_committed(api, call, store_delete(api->store, (enum resource_id)id, r));
		}
}

/* Removes or marks; writes the object (pods, namespaces) or a Status. With the lock and a reference on `found`. */
static void remove_one(struct api *api, struct call *call, struct revision *found, const struct delete_options *o, struct answer *a)
{
	const struct resource *r = call->target.resource;
	struct about about = {r->group, r->plural, found->fields[0]};
	struct revision *shown = found;
	bool gone = true;
	int64_t version;

	if (r->id == NAMESPACES)
		remove_all_in(api, call, found->key);
	if (r->id == PODS)
		shown = mark_pod(api, found, o, &gone);
	revision_ref(shown);
	version = gone ? store_delete(api->store, r->id, shown) : shown->version;
	if (version != found->version)
		call_committed(api, call, version);
	if (r->id != PODS && r->id != NAMESPACES) {
		answer_success(a, 200, &about, found->uid);
	} else {
		answer_clear(a);
		a->code = 200;
		revision_write(shown, r, version, true, &a->body);
	}
	revision_unref(shown);
}

int delete_with(struct api *api, struct call *call, struct revision *found, const cJSON *options, struct answer *a)
{
	struct delete_options o = {.grace_s = -1};

	take_options(options, &o);
	if (check_preconditions(call->target.resource, call->target.name, &o, found, a) < 0)
		return -1;
	remove_one(api, call, found, &o, a);
	return 0;
}

int object_delete(struct api *api, struct call *call, struct answer *a)
{
	const struct resource *r = call->target.resource;
	struct delete_options options;
	struct revision *found;
	char key[KEY_MAX];
	int code = -1;

	if (read_options(call, &options, a) < 0)
		return -1;
	call_key(call, key);
	store_lock(api->store);
	found = store_find(api->store, r->id, key);
	if (!found) {
		answer_not_found(a, r, call->target.name);
	} else if (check_preconditions(r, call->target.name, &options, found, a) == 0) {
		revision_ref(found);
		remove_one(api, call, found, &options, a);
		revision_unref(found);
		code = 0;
	}
	store_unlock(api->store);
	return code;
}

/* With the lock. The answer is the list of what was selected, as it was before. */
static void remove_selected(struct api *api, struct call *call, const struct select *select, const struct delete_options *o,
			    struct answer *a)
{
	const struct resource *form = call->target.resource;
	int64_t version = store_version(api->store);
	struct answer each = {0};
	const char *sep = "";
	size_t i = 0;

	list_begin(form, version, &a->body);
	buf_str(&a->body, "},\"items\":[");
	while (i < store_table(api->store, form->id)->count) {
		struct revision *r = store_table(api->store, form->id)->items[i];
		size_t count = store_table(api->store, form->id)->count;

		if (call_covers(call, r) && select_matches(select, r)) {
			buf_str(&a->body, sep);
			sep = ",";
			revision_write(r, form, r->version, false, &a->body);
			revision_ref(r);
			remove_one(api, call, r, o, &each);
			revision_unref(r);
		}
		i += store_table(api->store, form->id)->count == count;
	}
	buf_free(&each.body);
	buf_str(&a->body, "]}\n");
	a->code = 200;
}

int object_delete_collection(struct api *api, struct call *call, struct answer *a)
{
	auto_select struct select select = {0};
	struct delete_options options;

	if (read_options(call, &options, a) < 0 ||
	    select_parse(call->target.resource, call_arg(call, "fieldSelector"), call_arg(call, "labelSelector"), &select, a) < 0)
		return -1;
	store_lock(api->store);
	remove_selected(api, call, &select, &options, a);
	store_unlock(api->store);
	return 0;
}
