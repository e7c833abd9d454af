/* Requests of a keeper, and what their answers mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/keeper.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define SAY_AGAIN_MS 60000
#define SPARE_TOKENS 10		/* of the limiter, left to bindings by what does not hand room over */

struct call {
	struct keeper *keeper;
	struct kube_call *kube;
	char *name, *uid;		/* of the pod; uid NULL: not known yet */
	bool closing;
};

/* --- in flight -------------------------------------------------------------------------------------------------------- */

static bool acts(void *arg)
{
	const struct call *c = arg;
	const struct reserve_hooks *hooks = &c->keeper->reserve->hooks;

	return hooks->acts(hooks->arg);
}

static bool may_begin(struct reserve *r, bool urgent)
{
	return r->call_count < RESERVE_FLIGHT && limit_take(r->limit, urgent ? 0 : SPARE_TOKENS, clock_mono_ms());
}

static void send(struct keeper *k, const char *name, const char *uid, bool closing, const struct kube_request *request, kube_done *done)
{
	struct reserve *r = k->reserve;
	struct call *c = xcalloc(1, sizeof(*c));
	struct kube_request guarded = *request;

	*c = (struct call){.keeper = k, .name = xstrdup(name), .uid = xstrdup(uid), .closing = closing};
	grow(&r->calls, &r->call_room, r->call_count + 1, sizeof(struct call *));
	r->calls[r->call_count++] = c;
	k->calls++;
	k->closing_calls += closing;
	guarded.timeout_ms = TIMEOUT_MS;
	if (guarded.body) {
		guarded.may_send = acts;
		guarded.may_send_arg = c;
	}
	c->kube = kube_send(r->kube, &guarded, done, c);
}

static void release(struct call *c)
{
	free(c->name);
	free(c->uid);
	free(c);
}

#define auto_call __attribute__((cleanup(cleanup_call)))

static void cleanup_call(struct call **c)
{
	release(*c);
}

/* Takes it off the list; what it says is the caller's from then on. */
static struct call *ended(struct call *c)
{
	struct keeper *k = c->keeper;
	struct reserve *r = k->reserve;
	size_t i;

	for (i = 0; r->calls[i] != c; i++)
		;
	r->calls[i] = r->calls[--r->call_count];
	k->calls--;
	k->closing_calls -= c->closing;
	k->look_ms = 0;
	return c;
}

void calls_free(struct reserve *r)
{
	size_t i;

	for (i = 0; i < r->call_count; i++) {
		kube_cancel(r->kube, r->calls[i]->kube);
		release(r->calls[i]);
	}
	free(r->calls);
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void failed(const struct call *c, const struct kube_response *response, const char *what)
{
	struct keeper *k = c->keeper;
	int64_t held_back;
	char text[300];

	k->next_ms = clock_mono_ms() + kube_backoff_ms(k->tries++, BACKOFF_MS, BACKOFF_MAX_MS, response->retry_after_ms);
	if (!response->status && !response->sent)
		return; /* not reached, or we lead no more: others tell of that */
	kube_status_text(response, text, sizeof(text));
	free(k->error);
	k->error = xstrdup(text);
	if (log_gate_open(&k->reserve->request_gate, SAY_AGAIN_MS, &held_back))
		log_warn("a request of the reserve failed", FIELDS(LS("request", what), LS("node", k->node), LS("pod", c->name), LS("error", text),
								   LI("held_back", held_back)));
}

static void succeeded(struct keeper *k)
{
	k->tries = 0;
	free(steal(&k->error));
}

static struct pod *pod_of(const struct kube_response *response)
{
	struct lm_err ignored;
	auto_json cJSON *object = json_parse_api(response->body, response->len, 0, &ignored);

	return object ? pod_parse(object, &ignored) : NULL;
}

/* Versions are numbers that grow (Kubernetes says so since 1.35, and etcd's always were). */
static bool is_newer(const struct pod *pod, const struct pod *than)
{
	return strtoull(pod->resource_version, NULL, 10) > strtoull(than->resource_version, NULL, 10);
}

/* What an answer shows is in the cache from now on: no decision may count on that room. Takes `pod`. */
static void take(struct keeper *k, struct pod *pod, bool shown)
{
	struct reserve *r = k->reserve;
	const struct cached_pod *cached = cache_find_pod(r->cache, pod->uid);
	auto_free char *uid = xstrdup(pod->uid);

	succeeded(k);
	if (cached && !is_newer(pod, cached->pod))
		pod_free(pod);
	else
		r->hooks.wake(r->hooks.arg, cache_put_pod(r->cache, pod));
	cached = cache_find_pod(r->cache, uid);
	keeper_saw(r, cached->pod, reserve_role(&r->settings, cached->pod), shown);
}

static bool is_good(const struct keeper *k, const struct pod *pod)
{
	return reserve_role(&k->reserve->settings, pod) != RESERVE_NONE && STREQ(pod->node, k->node) && !pod->terminal && !pod->terminating;
}

static void delete_named(struct keeper *k, const char *name, const char *uid);

/* A name that has to be free is taken by a pod that is no good: one of ours that has ended, or somebody else's. */
static void clear_name(struct keeper *k, const struct pod *pod)
{
	if (reserve_role(&k->reserve->settings, pod) != RESERVE_NONE) {
		delete_named(k, pod->name, pod->uid);
		return;
	}
	log_warn("a pod has the name of one of the reserve's", FIELDS(LS("pod", pod->name), LS("node", k->node)));
	k->salt++;
}

/* The server does not have it: what the cache has was never shown. */
static bool unmake(struct keeper *k, const char *name)
{
	struct reserve *r = k->reserve;
	struct kept *kept = NULL;
	size_t i;

	for (i = 0; i < k->count && !kept; i++)
		if (STREQ(k->kept[i]->name, name) && kept_pod(k->kept[i]))
			kept = k->kept[i];
	if (!kept)
		return false;
	r->hooks.wake(r->hooks.arg, cache_delete_pod(r->cache, kept->uid));
	kept->lost = true;
	kept_gone(kept);
	return true;
}

static void on_asked(void *arg, const struct kube_response *response)
{
	auto_call struct call *c = ended(arg);
	struct keeper *k = c->keeper;
	struct pod *pod = kube_success(response) ? pod_of(response) : NULL;

	if (pod && is_good(k, pod)) {
		take(k, pod, true);
	} else if (pod) {
		clear_name(k, pod);
		pod_free(pod);
	} else if (response->status != 404 || !unmake(k, c->name)) {
		failed(c, response, "GET"); /* also where a 409 was a quota's, which somebody else wrote just then */
	}
}

static void ask(struct keeper *k, const char *name, bool closing)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", k->reserve->settings.namespace_, name);

	send(k, name, NULL, closing, &(struct kube_request){.method = "GET", .path = path}, on_asked);
}

static void on_posted(void *arg, const struct kube_response *response)
{
	auto_call struct call *c = ended(arg);
	struct keeper *k = c->keeper;
	struct pod *pod = kube_success(response) ? pod_of(response) : NULL;

	if (pod && is_good(k, pod)) {
		take(k, pod, false);
		return;
	}
	pod_free(pod);
	if (response->status == 409)
		ask(k, c->name, c->closing);
	else
		failed(c, response, "POST");
}

/* A conflict says that another pod has its name by now. */
static void on_deleted(void *arg, const struct kube_response *response)
{
	auto_call struct call *c = ended(arg);
	struct keeper *k = c->keeper;
	struct kept *kept = kept_find(k->reserve, c->uid);

	if (!kube_success(response) && response->status != 404 && response->status != 409) {
		failed(c, response, "DELETE");
		return;
	}
	succeeded(k);
	if (kept)
		kept_gone(kept);
}

/* 422: another pod has its name by now. */
static void on_patched(void *arg, const struct kube_response *response)
{
	auto_call struct call *c = ended(arg);
	struct keeper *k = c->keeper;
	struct kept *kept = kept_find(k->reserve, c->uid);
	struct pod *pod = kube_success(response) ? pod_of(response) : NULL;

	if (pod && kept && !kept->gone && !kept->lost)
		take(k, steal(&pod), false);
	else if ((response->status == 404 || response->status == 422) && kept)
		kept_gone(kept);
	else if (!kube_success(response))
		failed(c, response, "PATCH");
	pod_free(pod);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static void post(struct keeper *k, const char *name, const struct buf *body)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods", k->reserve->settings.namespace_);

	send(k, name, NULL, true, &(struct kube_request){.method = "POST", .path = path, .body = body->data}, on_posted);
}

bool call_placeholder(struct keeper *k, const char *name, const struct room_pod *pod)
{
	auto_buf struct buf body = {0};

	if (!may_begin(k->reserve, false))
		return false;
	room_placeholder(&k->reserve->settings, k->reserve->all->profiles[0].scheduler_name, k->node, name, pod, &body);
	post(k, name, &body);
	return true;
}

bool call_guard(struct keeper *k, const char *covers)
{
	auto_buf struct buf body = {0};
	char name[ROOM_NAME_MAX];

	if (!may_begin(k->reserve, true))
		return false;
	room_guard_name(k->node, k->salt, name);
	room_guard(&k->reserve->settings, k->reserve->all->profiles[0].scheduler_name, k->node, name, covers, &body);
	post(k, name, &body);
	return true;
}

bool call_covers(struct keeper *k, const struct pod *pod, const char *covers, bool urgent)
{
	auto_buf struct buf body = {0};
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", pod->namespace_, pod->name);

	if (!may_begin(k->reserve, urgent))
		return false;
	buf_str(&body, "{\"metadata\":{\"uid\":");
	buf_json_string(&body, pod->uid);
	buf_str(&body, ",\"annotations\":{\"" RESERVE_COVERS "\":");
	buf_json_string(&body, covers);
	buf_str(&body, "}}}");
	send(k, pod->name, pod->uid, urgent, &(struct kube_request){.method = "PATCH", .path = path, .body = body.data,
								    .content_type = "application/merge-patch+json"}, on_patched);
	return true;
}

static void delete_named(struct keeper *k, const char *name, const char *uid)
{
	auto_buf struct buf body = {0};
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", k->reserve->settings.namespace_, name);

	buf_str(&body, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":");
	buf_json_string(&body, uid);
	buf_str(&body, "}}");
	send(k, name, uid, true, &(struct kube_request){.method = "DELETE", .path = path, .body = body.data}, on_deleted);
}

bool call_delete(struct kept *kept)
{
	if (!may_begin(kept->keeper->reserve, true))
		return false;
	delete_named(kept->keeper, kept->name, kept->uid);
	return true;
}

bool call_ask(struct keeper *k, const char *name)
{
	if (!may_begin(k->reserve, false))
		return false;
	ask(k, name, false);
	return true;
}
