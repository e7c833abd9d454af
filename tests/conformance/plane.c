#include "tests/conformance/plane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/judge.h"
#include "tests/conformance/make.h"
#include "tests/testing/standin.h"

#define FLIGHT 24
#define HOLD "conformance.latency-mesh.io/hold"
#define ETCD "http://127.0.0.1:2379"
#define JSON_PATCH "application/json-patch+json"
#define MERGE_PATCH "application/strategic-merge-patch+json"

static const char *const namespaces[] = {PLANE_NAMESPACES};

/* Stage 0 is made first: what later ones refer to by uid. */
static const struct kind {
	const char *kind, *base, *plural, *keys;
	int stage;
	bool namespaced, status;	/* POST drops its status */
} kinds[] = {
	{"Namespace", "/api/v1", "namespaces", NULL, 0, false, false},
	{"Node", "/api/v1", "nodes", "minions", 0, false, false},
	{"Pod", "/api/v1", "pods", "pods", 0, true, true},
	{"PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims", "persistentvolumeclaims", 1, true, true},
	{"PersistentVolume", "/api/v1", "persistentvolumes", "persistentvolumes", 2, false, true},
	{"StorageClass", "/apis/storage.k8s.io/v1", "storageclasses", "storageclasses", 0, false, false},
	{"CSINode", "/apis/storage.k8s.io/v1", "csinodes", "csinodes", 0, false, false},
	{"CSIDriver", "/apis/storage.k8s.io/v1", "csidrivers", "csidrivers", 0, false, false},
	{"CSIStorageCapacity", "/apis/storage.k8s.io/v1", "csistoragecapacities", "csistoragecapacities", 0, true, false},
	{"VolumeAttachment", "/apis/storage.k8s.io/v1", "volumeattachments", "volumeattachments", 0, false, false},
};

struct plane {
	struct standin api;
	struct kube *etcd;
	struct judge *judge;
	cJSON *uids;			/* the server's by the object's */
	unsigned refused;
	bool loud;
};

/* --- many requests at once ----------------------------------------------------------------------------------------------- */

struct request {
	struct plane *plane;
	const char *method, *content_type;
	char *path, *body;
	const char *uid;		/* of the object as it came; NULL */
	bool *gone;			/* set when the server refuses */
	cJSON **answer;			/* NULL: not wanted */
};

struct batch {
	struct request *items;
	size_t count, room, done;
};

static void add(struct batch *b, struct request request)
{
	grow(&b->items, &b->room, b->count + 1, sizeof(*b->items));
	b->items[b->count++] = request;
}

static void complain(const struct request *r, const struct kube_response *response)
{
	char text[1024];

	if (response->status)
		kube_status_text(response, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s", response->error.msg);
	fprintf(stderr, "conformance: %s %s: %s\n", r->method, r->path, text);
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct request *r = arg;
	bool good = response->status >= 200 && response->status < 300;

	if (r->answer)
		*r->answer = good ? cJSON_ParseWithLength(response->body, response->len) : NULL;
	if (good && r->uid) {
		cJSON *object = cJSON_ParseWithLength(response->body, response->len);

		cJSON_AddStringToObject(r->plane->uids, r->uid, get_text(object, "metadata.uid"));
		cJSON_Delete(object);
	}
	if (!good) {
		r->plane->refused++;
		if (r->gone)
			*r->gone = true;
		if (r->plane->loud || response->status == 0)
			complain(r, response);
	}
	r->plane = NULL;		/* done */
}

/* Sends all and frees the batch. */
static void run(struct plane *p, struct batch *b)
{
	size_t sent = 0, i;

	while (sent < b->count || kube_in_flight(p->api.kube)) {
		for (; sent < b->count && kube_in_flight(p->api.kube) < FLIGHT; sent++) {
			struct request *r = &b->items[sent];

			r->plane = p;
			kube_send(p->api.kube, &(struct kube_request){.method = r->method, .path = r->path, .body = r->body, .timeout_ms = 60000,
								      .content_type = r->content_type, .max_bytes = (size_t)64 << 20}, on_answer, r);
		}
		kube_run(p->api.kube, 1000, NULL, 0);
	}
	for (i = 0; i < b->count; i++) {
		free(b->items[i].path);
		free(b->items[i].body);
	}
	free(b->items);
	*b = (struct batch){0};
}

/* --- a cluster out ------------------------------------------------------------------------------------------------------- */

/* etcd's keys, as its JSON has them. */
static char *base64_encode(const char *text, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)text;
	char *out = xcalloc((len + 2) / 3 * 4 + 1, 1);
	size_t i, k;

	for (i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0u);

		for (k = 0; k < 4; k++)
			out[i / 3 * 4 + k] = k <= left ? letters[word >> (18 - 6 * k) & 63] : '=';
	}
	return out;
}

static void delete_keys(struct plane *p, const char *keys)
{
	auto_free char *begin = xasprintf("/registry/%s/", keys), *end = xasprintf("/registry/%s0", keys), *answer = NULL, *body = NULL;
	auto_free char *from = base64_encode(begin, strlen(begin)), *to = base64_encode(end, strlen(end));
	struct lm_err err;
	int status;

	body = xasprintf("{\"key\":\"%s\",\"range_end\":\"%s\"}", from, to);
	if (kube_call_wait(p->etcd, &(struct kube_request){.method = "POST", .path = "/v3/kv/deleterange", .body = body}, &status, &answer, &err) < 0 ||
	    status != 200) {
		fprintf(stderr, "conformance: etcd does not delete %s: %d %s\n", begin, status, status ? answer : err.msg);
		exit(LM_UNAVAILABLE);
	}
}

static void empty(struct plane *p)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].keys)
			delete_keys(p, kinds[i].keys);
	delete_keys(p, "events");
}

/* --- a cluster in -------------------------------------------------------------------------------------------------------- */

static const struct kind *kind_of(const cJSON *object)
{
	const char *name = get_text(object, "kind");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (STREQ(kinds[i].kind, name))
			return &kinds[i];
	fprintf(stderr, "conformance: an object of kind \"%s\"\n", name);
	abort();
}

static char *collection(const struct kind *kind, const cJSON *object)
{
	return kind->namespaced ? xasprintf("%s/namespaces/%s/%s", kind->base, get_text(object, "metadata.namespace"), kind->plural)
				: xasprintf("%s/%s", kind->base, kind->plural);
}

static char *path_of(const struct kind *kind, const cJSON *object, const char *after)
{
	auto_free char *all = collection(kind, object);

	return xasprintf("%s/%s%s", all, get_text(object, "metadata.name"), after);
}

/* Each member named uid gets what the server gave the object that had this one. */
static void translate(const cJSON *uids, cJSON *value)
{
	cJSON *item;
	const cJSON *now;

	cJSON_ArrayForEach(item, value) {
		if (cJSON_IsString(item) && item->string && STREQ(item->string, "uid")) {
			now = cJSON_GetObjectItemCaseSensitive(uids, item->valuestring);
			if (now)
				cJSON_SetValuestring(item, now->valuestring);
		} else {
			translate(uids, item);
		}
	}
}

static bool has_text(const cJSON *list, const char *text)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
		if (cJSON_IsString(item) && STREQ(item->valuestring, text))
			return true;
	return false;
}

static char *body_of(struct plane *p, const struct kind *kind, const cJSON *object)
{
	static const char *const servers[] = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp",
					      "deletionGracePeriodSeconds"};
	cJSON *copy = cJSON_Duplicate(object, true), *metadata = get(copy, "metadata");
	bool ends = cJSON_HasObjectItem(metadata, "deletionTimestamp");
	char *text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(servers); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(metadata, servers[i]);
	if (kind->status)
		cJSON_DeleteItemFromObjectCaseSensitive(copy, "status");
	if (ends && !has_text(get(metadata, "finalizers"), HOLD))
		push(metadata, "finalizers", cJSON_CreateString(HOLD));
	translate(p->uids, copy);
	text = cJSON_PrintUnformatted(copy);
	cJSON_Delete(copy);
	return text;
}

static struct request to_make(struct plane *p, const struct kind *kind, const cJSON *object, bool *gone)
{
	const char *uid = get_text(object, "metadata.uid");

	if (STREQ(kind->kind, "Namespace")) {
		auto_free char *labels = cJSON_PrintUnformatted(get(object, "metadata.labels"));

		return (struct request){.method = "PATCH", .content_type = JSON_PATCH, .path = path_of(kind, object, ""), .gone = gone,
					.body = xasprintf("[{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":%s}]", labels ? labels : "{}")};
	}
	return (struct request){.method = "POST", .path = collection(kind, object), .body = body_of(p, kind, object), .uid = *uid ? uid : NULL,
				.gone = gone};
}

static void make_stage(struct plane *p, const cJSON *objects, int stage, bool *gone)
{
	struct batch batch = {0};
	const cJSON *object;
	size_t i = 0;

	cJSON_ArrayForEach(object, objects) {
		const struct kind *kind = kind_of(object);

		if (kind->stage == stage)
			add(&batch, to_make(p, kind, object, &gone[i]));
		i++;
	}
	run(p, &batch);
}

static void set_status(struct plane *p, const cJSON *objects, const bool *gone)
{
	struct batch batch = {0};
	const cJSON *object;
	size_t i = 0;

	cJSON_ArrayForEach(object, objects) {
		const struct kind *kind = kind_of(object);
		auto_free char *status = kind->status && !gone[i] ? cJSON_PrintUnformatted(get(object, "status")) : NULL;

		if (status)
			add(&batch, (struct request){.method = "PATCH", .content_type = MERGE_PATCH, .path = path_of(kind, object, "/status"),
						     .body = xasprintf("{\"status\":%s}", status)});
		i++;
	}
	run(p, &batch);
}

static void begin_ends(struct plane *p, const cJSON *objects, const bool *gone)
{
	struct batch batch = {0};
	const cJSON *object;
	size_t i = 0;

	cJSON_ArrayForEach(object, objects) {
		if (get(object, "metadata.deletionTimestamp") && !gone[i])
			add(&batch, (struct request){.method = "DELETE", .path = path_of(kind_of(object), object, "")});
		i++;
	}
	run(p, &batch);
}

unsigned plane_load(struct plane *p, const cJSON *objects, bool loud)
{
	auto_free bool *gone = xcalloc((size_t)cJSON_GetArraySize(objects) + 1, sizeof(*gone));
	int stage;

	empty(p);
	cJSON_Delete(p->uids);
	p->uids = cJSON_CreateObject();
	p->refused = 0;
	p->loud = loud;
	for (stage = 0; stage <= 2; stage++)
		make_stage(p, objects, stage, gone);
	set_status(p, objects, gone);
	begin_ends(p, objects, gone);
	return p->refused;
}

/* --- and back ------------------------------------------------------------------------------------------------------------ */

static void take_list(cJSON *to, const struct kind *kind, cJSON *list)
{
	cJSON *items = get(list, "items"), *item;

	while ((item = cJSON_DetachItemFromArray(items, 0)) != NULL) {
		put_text(item, "kind", kind->kind);
		cJSON_DeleteItemFromObjectCaseSensitive(get(item, "metadata"), "managedFields");
		cJSON_AddItemToArray(to, item);
	}
}

/* Lists without a resourceVersion are of this moment, so the server's caches have all that was written: kube-scheduler's first lists come from them. */
cJSON *plane_read(struct plane *p)
{
	cJSON *all = cJSON_CreateArray(), *lists[ARRAY_SIZE(kinds)] = {NULL};
	struct batch batch = {0};
	size_t i;

	p->loud = true;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		add(&batch, (struct request){.method = "GET", .path = xasprintf("%s/%s", kinds[i].base, kinds[i].plural), .answer = &lists[i]});
	run(p, &batch);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!lists[i])
			exit(LM_UNAVAILABLE);
		take_list(all, &kinds[i], lists[i]);
		cJSON_Delete(lists[i]);
	}
	return all;
}

/* --- the whole ----------------------------------------------------------------------------------------------------------- */

/* What stays from cluster to cluster. */
static void make_lasting(struct plane *p)
{
	static const char *const classes[] = {PLANE_CLASSES};
	struct batch batch = {0};
	size_t i;

	p->loud = true;
	for (i = 0; i < ARRAY_SIZE(namespaces); i++)
		add(&batch, (struct request){.method = "POST", .path = xstrdup("/api/v1/namespaces"),
					     .body = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", namespaces[i])});
	for (i = 0; i < ARRAY_SIZE(classes); i++)
		add(&batch, (struct request){.method = "POST", .path = xstrdup("/apis/scheduling.k8s.io/v1/priorityclasses"),
					     .body = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"value\":%d,\"preemptionPolicy\":\"Never\","
							       "\"globalDefault\":%s}", classes[i], ((int)i - 1) * 10, i == 1 ? "true" : "false")});
	add(&batch, (struct request){.method = "POST", .path = xstrdup("/apis/node.k8s.io/v1/runtimeclasses"),
				     .body = xstrdup("{\"metadata\":{\"name\":\"" PLANE_RUNTIME "\"},\"handler\":\"h\",\"overhead\":{\"podFixed\":"
						     "{\"cpu\":\"300m\",\"memory\":\"100Mi\"}},\"scheduling\":{\"tolerations\":[{\"key\":\"spot\","
						     "\"operator\":\"Exists\"}]}}")});
	run(p, &batch);
	if (p->refused)
		exit(LM_UNAVAILABLE);
}

struct plane *plane_open(void)
{
	struct kube_config etcd = {.server = xstrdup(ETCD), .insecure = true};
	struct plane *p = xcalloc(1, sizeof(*p));
	struct lm_err err;

	standin_connect(&p->api, getenv("KUBECONFIG"));
	p->etcd = kube_new(&etcd, "conformance", &err);
	if (!p->etcd) {
		fprintf(stderr, "conformance: %s\n", err.msg);
		exit((int)err.code);
	}
	kube_config_free(&etcd);
	p->uids = cJSON_CreateObject();
	p->judge = judge_open(&p->api);
	make_lasting(p);
	return p;
}

void plane_close(struct plane *p)
{
	judge_close(p->judge);
	kube_free(p->etcd);
	standin_stop(&p->api);
	cJSON_Delete(p->uids);
	free(p);
}

bool plane_judge(struct plane *p)
{
	return judge_run(p->judge);
}

bool plane_opinion(struct plane *p, const char *namespace_, const char *name, struct opinion *out)
{
	return judge_opinion(p->judge, namespace_, name, out);
}
