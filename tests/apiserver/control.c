#include "tests/apiserver/control.h"

#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

void state_write(struct api *api, struct buf *out)
{
	const char *separator = "";
	unsigned id;
	size_t i;

	store_lock(api->store);
	buf_printf(out, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%lld\"},\"items\":[",
		   (long long)store_version(api->store));
	for (id = 0; id < RESOURCE_COUNT; id++) {
		const struct table *t = store_table(api->store, (enum resource_id)id);

		for (i = 0; i < t->count; i++, separator = ",") {
			buf_printf(out, "%s\n", separator);
			revision_write(t->items[i], stored_form[id], t->items[i]->version, true, out);
		}
	}
	buf_str(out, "\n]}\n");
	store_unlock(api->store);
}

static int read_item(struct api *api, cJSON *item, struct lm_err *err)
{
	const struct resource *r = resource_of(json_text_at(item, "apiVersion"), json_text_at(item, "kind"));
	const char *name = json_text_at(item, "metadata.name"), *namespace_ = json_text_at(item, "metadata.namespace");
	char key[KEY_MAX];

	if (!r || !*name || strlen(name) >= PART_MAX || strlen(namespace_) >= PART_MAX)
		return lm_fail(err, LM_DATA, "no object that is served here (kind `%s`, name `%s`)", json_text_at(item, "kind"), name);
	if (r->namespaced && !*namespace_) {
		namespace_ = "default";
		json_set_text(json_make_object(item, "metadata"), "namespace", namespace_);
	}
	snprintf(key, sizeof(key), "%s%s%s", r->namespaced ? namespace_ : "", r->namespaced ? "/" : "", name);
	if (r->to_stored)
		r->to_stored(item);
	store_put(api->store, r->id, key, item);
	return 0;
}

int state_read(struct api *api, const char *text, size_t len, struct lm_err *err)
{
	auto_json cJSON *list = json_parse(text, len, JSON_DEPTH_API, err);
	const cJSON *items;
	cJSON *item;
	int code = 0, i = 0;

	if (!list || json_want_array(list, "items", &items, err) < 0)
		return -1;
	store_lock(api->store);
	cJSON_ArrayForEach(item, items) {
		if (code == 0 && read_item(api, item, err) < 0)
			code = lm_wrap(err, "items[%d]", i);
		i++;
	}
	store_unlock(api->store);
	return code;
}

static void write_stats(struct api *api, struct buf *out)
{
	unsigned id;

	store_lock(api->store);
	buf_printf(out, "{\"resourceVersion\":\"%lld\",\"objects\":{", (long long)store_version(api->store));
	for (id = 0; id < RESOURCE_COUNT; id++)
		buf_printf(out, "%s\"%s\":%zu", id ? "," : "", stored_form[id]->plural,
			   store_table(api->store, (enum resource_id)id)->count);
	store_unlock(api->store);
	buf_printf(out, "},\"watches\":%lld,\"inFlight\":%lld,\"requests\":%lld,\"binds\":%lld,\"faults\":%llu}\n",
		   (long long)atomic_load(&api->watches), (long long)atomic_load(&api->in_flight), (long long)atomic_load(&api->requests), (long long)atomic_load(&api->binds),
		   (unsigned long long)faults_fired(api->faults));
}

static void set_faults(struct api *api, const struct call *call, struct answer *a)
{
	struct lm_err err;
	auto_json cJSON *rules = json_parse(call->body.data ? call->body.data : "", call->body.len, JSON_DEPTH_API, &err);

	if (!rules || faults_set(api->faults, rules, &err) < 0)
		answer_bad_request(a, "%s", err.msg);
	else
		answer_success(a, 200, NULL, NULL);
}

static bool is(const struct call *call, const char *method, const char *path)
{
	return STREQ(call->method, method) && STREQ(call->path, path);
}

void control_handle(struct api *api, struct call *call, struct answer *a)
{
	int64_t since;

	a->code = 200;
	if (is(call, "GET", "/standin/log")) {
		if (call_number(call, "since", &since, a) == 0)
			journal_write(api->journal, since, &a->body);
	} else if (is(call, "GET", "/standin/stats")) {
		write_stats(api, &a->body);
	} else if (is(call, "GET", "/standin/state")) {
		state_write(api, &a->body);
	} else if (is(call, "POST", "/standin/faults")) {
		set_faults(api, call, a);
	} else if (is(call, "POST", "/standin/compact")) {
		store_lock(api->store);
		store_compact(api->store);
		store_unlock(api->store);
		answer_success(a, 200, NULL, NULL);
	} else if (is(call, "POST", "/standin/close")) {
		atomic_fetch_add(call_flag(call, "cut") ? &api->cuts : &api->closes, 1);
		store_lock(api->store);
		store_wake(api->store);
		store_unlock(api->store);
		answer_success(a, 200, NULL, NULL);
	} else {
		answer_text(a, 404, "404 page not found\n");
	}
}
