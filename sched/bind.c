#include "sched/bind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ASK_TIMEOUT_MS 5000
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define SAY_AGAIN_MS 60000

const char *const bind_end_names[] = {"bound", "lost", "failed", NULL};

struct open_binding {
	struct binder *binder;
	char *namespace_, *name, *uid, *node, *scheduler_name;
	struct bind_facts facts;
	struct kube_call *call;		/* in flight; NULL: waiting */
	int64_t next_ms;		/* then the pod is asked for */
	int64_t unknown_ms;		/* when the last request of unknown fate ended; 0: none */
	bool refused;			/* the last POST was answered with 409 */
	bool answered;			/* it was answered at all */
	int posts, tries;
	char reason[256];
};

struct binder {
	struct kube *kube;
	struct cache *cache;
	struct limit *limit;
	bind_ended *ended;
	void *arg;
	struct open_binding **open;
	size_t count, room, flight, flight_max;
	bool (*may_send)(void *arg);
	void *may_send_arg;
	struct log_gate refusal_gate;
};

struct binder *binder_new(struct kube *k, struct cache *cache, struct limit *limit, bind_ended *ended, void *arg)
{
	struct binder *b = xcalloc(1, sizeof(*b));

	*b = (struct binder){.kube = k, .cache = cache, .limit = limit, .ended = ended, .arg = arg, .flight_max = 1};
	return b;
}

static void release(struct open_binding *o)
{
	free(o->namespace_);
	free(o->name);
	free(o->uid);
	free(o->node);
	free(o->scheduler_name);
	free(o->facts.runner_up);
	free(o->facts.note);
	free(o);
}

void binder_free(struct binder *b)
{
	size_t i;

	if (!b)
		return;
	for (i = 0; i < b->count; i++) {
		if (b->open[i]->call)
			kube_cancel(b->kube, b->open[i]->call);
		release(b->open[i]);
	}
	free(b->open);
	free(b);
}

void binder_set_flight(struct binder *b, size_t flight)
{
	b->flight_max = flight;
}

void binder_set_guard(struct binder *b, bool (*may_send)(void *arg), void *arg)
{
	b->may_send = may_send;
	b->may_send_arg = arg;
}

/* --- endings --- */

static void end(struct open_binding *o, enum bind_end how)
{
	struct binder *b = o->binder;
	struct binding seen = {o->namespace_, o->name, o->uid, o->node, o->scheduler_name, &o->facts, o->posts, o->reason,
			       o->answered};
	size_t i;

	assert(!o->call);
	for (i = 0; b->open[i] != o; i++)
		;
	b->open[i] = b->open[--b->count];
	b->ended(b->arg, &seen, how);
	release(o);
}

static void ask_later(struct open_binding *o, int64_t retry_after_ms)
{
	o->next_ms = clock_mono_ms() + kube_backoff_ms(o->tries++, BACKOFF_MS, BACKOFF_MAX_MS, retry_after_ms);
}

/* The watch may have told already. */
static bool seen_on_a_node(struct open_binding *o)
{
	const struct cached_pod *seen = cache_find_pod(o->binder->cache, o->uid);

	if (!seen || !*seen->pod->node)
		return false;
	snprintf(o->reason, sizeof(o->reason), "it is on node %.200s", seen->pod->node);
	end(o, STREQ(seen->pod->node, o->node) ? BIND_BOUND : BIND_LOST);
	return true;
}

/* --- requests --- */

static void send(struct open_binding *o, const struct kube_request *request, kube_done *done)
{
	o->call = kube_send(o->binder->kube, request, done, o);
	o->binder->flight++;
}

static void answered(struct open_binding *o)
{
	o->call = NULL;
	o->binder->flight--;
}

/* Is no earlier request still able to bind it? */
static bool certain(const struct open_binding *o)
{
	return !o->unknown_ms || clock_mono_ms() - o->unknown_ms > BIND_FATE_MS;
}

static void on_posted(void *arg, const struct kube_response *response)
{
	struct open_binding *o = arg;
	int status = response->status;

	answered(o);
	if (!kube_success(response))
		kube_status_text(response, o->reason, sizeof(o->reason));
	o->answered = status != 0;
	o->refused = status == 409;
	if (kube_success(response)) {
		end(o, BIND_BOUND);
	} else if (seen_on_a_node(o)) {
		return;
	} else if (status == 409) {
		o->next_ms = clock_mono_ms(); /* why is asked at once */
	} else if (status == 404) {
		end(o, BIND_LOST);
	} else if (kube_fate_unknown(response) || status == 429) {
		o->unknown_ms = clock_mono_ms();
		ask_later(o, response->retry_after_ms);
	} else if (!certain(o)) {
		ask_later(o, response->retry_after_ms); /* this one did nothing, but one before it may have */
	} else {
		end(o, BIND_FAILED);
	}
}

static bool in_time(const struct open_binding *o)
{
	return !o->facts.until_mono_ms || clock_mono_ms() < o->facts.until_mono_ms;
}

static bool may_send(void *arg)
{
	const struct open_binding *o = arg;
	const struct binder *b = o->binder;

	return in_time(o) && (!b->may_send || b->may_send(b->may_send_arg));
}

static void post(struct open_binding *o)
{
	auto_buf struct buf body = {0};
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s/binding", o->namespace_, o->name);

	buf_str(&body, "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":");
	buf_json_string(&body, o->name);
	buf_str(&body, ",\"namespace\":");
	buf_json_string(&body, o->namespace_);
	buf_str(&body, ",\"uid\":");
	buf_json_string(&body, o->uid);
	buf_str(&body, "},\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":");
	buf_json_string(&body, o->node);
	buf_str(&body, "}}");
	o->posts++;
	send(o, &(struct kube_request){.method = "POST", .path = path, .body = body.data, .timeout_ms = BIND_TIMEOUT_MS,
				       .may_send = may_send, .may_send_arg = o}, on_posted);
}

static bool node_usable(const struct open_binding *o)
{
	const struct view *view = cache_view(o->binder->cache);
	int32_t node = cache_find_node(o->binder->cache, o->node);

	return node >= 0 && !view->nodes[node].node->unschedulable;
}

static void still_on_no_node(struct open_binding *o)
{
	bool refused = o->refused, sure = certain(o);

	o->refused = false;
	if (!node_usable(o)) {
		snprintf(o->reason, sizeof(o->reason), "node %.200s is gone or cordoned", o->node);
		if (sure)
			end(o, BIND_FAILED);
		else
			ask_later(o, -1);
	} else if (!refused && in_time(o)) {
		post(o);
	} else if (sure) {
		end(o, BIND_FAILED);
	} else {
		ask_later(o, -1); /* a 409 while another request is open says nothing about that one */
	}
}

static void judge(struct open_binding *o, const cJSON *pod)
{
	const cJSON *metadata = json_get(pod, "metadata");
	const char *uid = cJSON_GetStringValue(json_get(metadata, "uid"));
	const char *node = cJSON_GetStringValue(json_get(json_get(pod, "spec"), "nodeName"));

	if (!uid || !STREQ(uid, o->uid)) {
		snprintf(o->reason, sizeof(o->reason), "another pod has its name now");
		end(o, BIND_LOST);
	} else if (node && *node) {
		snprintf(o->reason, sizeof(o->reason), "it is on node %.200s", node);
		end(o, STREQ(node, o->node) ? BIND_BOUND : BIND_LOST);
	} else if (json_get(metadata, "deletionTimestamp")) {
		snprintf(o->reason, sizeof(o->reason), "it is being deleted");
		end(o, BIND_LOST);
	} else {
		still_on_no_node(o);
	}
}

/* Without the right to ask, and where no watch tells either, the pod waits for ever. */
static void say_refused(struct open_binding *o, const struct kube_response *response)
{
	auto_free char *key = xasprintf("%s/%s", o->namespace_, o->name);
	int64_t held_back;
	char text[300];

	if (!log_gate_open(&o->binder->refusal_gate, SAY_AGAIN_MS, &held_back))
		return;
	kube_status_text(response, text, sizeof(text));
	log_warn("what became of a binding cannot be asked",
		 FIELDS(LS("pod", key), LS("node", o->node), LS("error", text), LI("held_back", held_back)));
}

static void on_asked(void *arg, const struct kube_response *response)
{
	struct open_binding *o = arg;
	auto_json cJSON *pod = NULL;
	struct lm_err ignored;

	answered(o);
	if (response->status == 200)
		pod = json_parse_api(response->body, response->len, 0, &ignored);
	if (pod) {
		judge(o, pod);
	} else if (response->status == 404) {
		snprintf(o->reason, sizeof(o->reason), "it is gone");
		end(o, BIND_LOST);
	} else if (!seen_on_a_node(o)) {
		if (response->status == 401 || response->status == 403)
			say_refused(o, response);
		ask_later(o, response->retry_after_ms);
	}
}

static void ask(struct open_binding *o)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", o->namespace_, o->name);

	send(o, &(struct kube_request){.method = "GET", .path = path, .timeout_ms = ASK_TIMEOUT_MS}, on_asked);
}

/* --- the owner's side --- */

bool binder_ready(struct binder *b, size_t held, int64_t mono_ms)
{
	return b->flight + held < b->flight_max && b->count < BIND_OPEN_MAX && limit_wait_ms(b->limit, 0, mono_ms) == 0;
}

void bind_start(struct binder *b, const struct pod *pod, const char *node, const struct bind_facts *facts, int64_t mono_ms)
{
	struct open_binding *o = xcalloc(1, sizeof(*o));

	*o = (struct open_binding){
		.binder = b, .namespace_ = xstrdup(pod->namespace_), .name = xstrdup(pod->name), .uid = xstrdup(pod->uid),
		.node = xstrdup(node), .scheduler_name = xstrdup(pod->scheduler_name), .facts = *facts,
	};
	grow(&b->open, &b->room, b->count + 1, sizeof(struct open_binding *));
	b->open[b->count++] = o;
	limit_take(b->limit, 0, mono_ms);
	post(o);
}

void bind_seen(struct binder *b, const char *uid)
{
	bool gone = !cache_find_pod(b->cache, uid);
	size_t i = 0;

	while (i < b->count) {
		struct open_binding *o = b->open[i];
		bool ours = STREQ(o->uid, uid);

		if (ours && gone)
			o->next_ms = 0; /* or at its end after all: the server knows */
		if (!ours || gone || !o->posts || o->call || !seen_on_a_node(o))
			i++;		/* else another one is in its place now */
	}
}

int64_t bind_tick(struct binder *b, int64_t mono_ms, int64_t most)
{
	int64_t wait = most, left;
	size_t i;

	for (i = 0; i < b->count; i++) {
		struct open_binding *o = b->open[i];

		if (o->call)
			continue;
		left = o->next_ms > mono_ms ? o->next_ms - mono_ms : 0;
		if (left == 0) {
			if (b->flight < b->flight_max && limit_take(b->limit, 0, mono_ms)) {
				ask(o);
				continue;
			}
			left = 10;
		}
		wait = left < wait ? left : wait;
	}
	return wait;
}

size_t bind_open(const struct binder *b)
{
	return b->count;
}

size_t bind_unknown(const struct binder *b)
{
	size_t i, unknown = 0;

	for (i = 0; i < b->count; i++)
		unknown += b->open[i]->unknown_ms != 0;
	return unknown;
}
