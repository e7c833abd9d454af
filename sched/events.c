#include "sched/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/outbox.h"

#define NAME_MAX_POD 230		/* of an event's name, before ".HASH" */
#define INSTANCE_MAX 128

/* FailedScheduling events that were sent not long ago. */
struct series {
	uint64_t key;			/* of pod and note */
	char *path;			/* of the event; NULL: a free place */
	int64_t seen_ms, patched_ms;
	int64_t count;
};

struct events {
	struct cache *cache;
	struct outbox *outbox;
	char host[65];
	struct series series[EVENTS_SERIES_MAX];
};

struct events *events_new(struct kube *k, struct cache *cache, struct limit *limit)
{
	struct events *e = xcalloc(1, sizeof(*e));

	e->cache = cache;
	e->outbox = outbox_new(k, limit);
	if (gethostname(e->host, sizeof(e->host) - 1) < 0 || !*e->host)
		snprintf(e->host, sizeof(e->host), "localhost");
	return e;
}

void events_free(struct events *e)
{
	size_t i;

	if (!e)
		return;
	outbox_free(e->outbox);
	for (i = 0; i < EVENTS_SERIES_MAX; i++)
		free(e->series[i].path);
	free(e);
}

#define FNV_BASIS 0xcbf29ce484222325u

/* For the name of an event that is to be a new one. */
static uint64_t time_hash(void)
{
	return (uint64_t)clock_wall_ms() * 0x9e3779b97f4a7c15u;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;
}

/* metav1.MicroTime: six decimals. */
static void micro_time(char text[static CLOCK_TEXT + 3])
{
	char ms[CLOCK_TEXT];

	clock_format(clock_wall_ms(), ms);
	snprintf(text, CLOCK_TEXT + 3, "%.23s000Z", ms);
}

#define CUT " ..."

/* At most `max` bytes, cut at the beginning of a character and ended as kube-scheduler does. The caller frees. */
static char *shortened(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len > max)
		for (len = max - strlen(CUT); len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
			;
	return xasprintf("%.*s%s", (int)len, text, text[len] ? CUT : "");
}

static void add_note(struct buf *b, const char *note)
{
	auto_free char *cut = shortened(note, EVENTS_NOTE_MAX);

	buf_json_string(b, cut);
}

struct event {
	const char *scheduler, *namespace_;
	const char *pod, *node, *uid;	/* pod NULL: it is about the node */
	const char *resource_version;	/* of the pod that was looked at; NULL: not said */
	const char *type, *reason, *action, *note;
	const char *name;
	bool prompt;
};

static void member(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json_string(b, value);
}

static void event_body(const struct events *e, const struct event *event, struct buf *b)
{
	char now[CLOCK_TEXT + 3], instance[INSTANCE_MAX + 1];

	micro_time(now);
	snprintf(instance, sizeof(instance), "%.60s-%s", event->scheduler, e->host);
	buf_str(b, "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":");
	buf_json_string(b, event->name);
	member(b, "namespace", event->namespace_);
	buf_printf(b, "},\"eventTime\":\"%s\"", now);
	member(b, "reportingController", event->scheduler);
	member(b, "reportingInstance", instance);
	member(b, "type", event->type);
	member(b, "reason", event->reason);
	member(b, "action", event->action);
	buf_str(b, ",\"regarding\":{\"apiVersion\":\"v1\"");
	member(b, "kind", event->pod ? "Pod" : "Node");
	if (event->pod)
		member(b, "namespace", event->namespace_);
	member(b, "name", event->pod ? event->pod : event->node);
	member(b, "uid", event->uid);
	if (event->resource_version)
		member(b, "resourceVersion", event->resource_version);
	buf_str(b, "},\"note\":");
	add_note(b, event->note);
	buf_char(b, '}');
}

static void post_event(struct events *e, const struct event *event)
{
	struct letter letter = {.method = "POST", .prompt = event->prompt};
	struct buf body = {0};

	event_body(e, event, &body);
	letter.path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events", event->namespace_);
	letter.body = body.data;
	outbox_put(e->outbox, &letter);
}

void events_scheduled(struct events *e, const char *scheduler, const char *namespace_, const char *pod, const char *uid,
		      const char *node, const char *note)
{
	uint64_t hash = hash_text(hash_text(FNV_BASIS, uid), node);
	auto_free char *name = xasprintf("%.*s.%016" PRIx64, NAME_MAX_POD, pod, hash);
	struct event event = {.scheduler = scheduler, .namespace_ = namespace_, .pod = pod, .uid = uid, .type = "Normal",
			      .reason = "Scheduled", .action = "Binding", .note = note, .name = name, .prompt = true};

	post_event(e, &event);
}

void events_of_node(struct events *e, const struct node_event *n)
{
	uint64_t hash = hash_text(hash_text(0xcbf29ce484222325u, n->node), n->note) ^ (uint64_t)clock_wall_ms() * 0x9e3779b97f4a7c15u;
	auto_free char *name = xasprintf("%.*s.%016" PRIx64, NAME_MAX_POD, n->node, hash);

	post_event(e, &(struct event){.scheduler = "latency-sched", .namespace_ = "default", .node = n->node, .uid = n->uid, .type = n->type,
				      .reason = n->reason, .action = n->action, .note = n->note, .name = name});
}

/* --- series --- */

/* The place of this key, or one to use for it: a free one, or the one that was not seen for the longest time. */
static struct series *find_series(struct events *e, uint64_t key)
{
	struct series *best = &e->series[0];
	size_t i;

	for (i = 0; i < EVENTS_SERIES_MAX; i++) {
		struct series *s = &e->series[i];

		if (s->path && s->key == key)
			return s;
		if (best->path && (!s->path || s->seen_ms < best->seen_ms))
			best = s;
	}
	return best;
}

static void patch_series(struct events *e, const struct series *s)
{
	struct letter letter = {.kind = LETTER_SERIES, .method = "PATCH", .content_type = "application/merge-patch+json"};
	char now[CLOCK_TEXT + 3];

	micro_time(now);
	letter.path = xstrdup(s->path);
	letter.body = xasprintf("{\"series\":{\"count\":%" PRId64 ",\"lastObservedTime\":\"%s\"}}", s->count, now);
	outbox_put(e->outbox, &letter);
}

static void repeat(struct events *e, struct series *s, int64_t mono_ms)
{
	s->count++;
	s->seen_ms = mono_ms;
	if (mono_ms - s->patched_ms < EVENTS_SERIES_PATCH_MS)
		return;
	s->patched_ms = mono_ms;
	patch_series(e, s);
}

bool events_failed(struct events *e, const struct pod *pod, const char *note, int64_t mono_ms)
{
	uint64_t key = hash_text(hash_text(FNV_BASIS, pod->uid), note);
	struct series *s = find_series(e, key);
	auto_free char *name = NULL;

	if (s->path && s->key == key && mono_ms - s->seen_ms < EVENTS_SERIES_MS) {
		repeat(e, s, mono_ms);
		return false;
	}
	name = xasprintf("%.*s.%016" PRIx64, NAME_MAX_POD, pod->name, key ^ time_hash());
	free(s->path);
	*s = (struct series){.key = key, .seen_ms = mono_ms, .patched_ms = mono_ms, .count = 1};
	s->path = xasprintf("/apis/events.k8s.io/v1/namespaces/%s/events/%s", pod->namespace_, name);
	post_event(e, &(struct event){.scheduler = pod->scheduler_name, .namespace_ = pod->namespace_, .pod = pod->name,
				      .uid = pod->uid, .resource_version = pod->resource_version, .type = "Warning",
				      .reason = "FailedScheduling", .action = "Scheduling", .note = note, .name = name});
	return true;
}

void events_cover(struct events *e, const struct pod *pod, bool covered, const char *note, bool again)
{
	uint64_t hash = hash_text(hash_text(hash_text(FNV_BASIS, pod->uid), covered ? "Covered" : "Uncovered"), note);
	auto_free char *name = xasprintf("%.*s.%016" PRIx64, NAME_MAX_POD, pod->name, again ? hash ^ time_hash() : hash);

	post_event(e, &(struct event){.scheduler = pod->scheduler_name, .namespace_ = pod->namespace_, .pod = pod->name, .uid = pod->uid,
				      .resource_version = pod->resource_version, .type = covered ? "Normal" : "Warning",
				      .reason = covered ? "Covered" : "Uncovered", .action = "Reserving", .note = note, .name = name});
}

/* --- the condition --- */

static bool has_condition(const struct pod *pod, const char *reason, const char *message)
{
	return pod->condition_reason && STREQ(pod->condition_reason, reason) && pod->condition_message &&
	       STREQ(pod->condition_message, message);
}

static void condition_body(const struct pod *pod, const char *reason, const char *message, struct buf *b)
{
	char now[CLOCK_TEXT];

	buf_str(b, "{\"metadata\":{\"uid\":");
	buf_json_string(b, pod->uid);
	member(b, "resourceVersion", pod->resource_version);
	buf_str(b, "},\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\"");
	member(b, "reason", reason);
	member(b, "message", message);
	buf_str(b, ",\"lastProbeTime\":null");
	if (pod->generation > 0)
		buf_printf(b, ",\"observedGeneration\":%" PRId64, pod->generation);
	if (!pod->condition_reason) { /* it was not False before: this is the transition */
		clock_format(clock_wall_ms(), now);
		buf_printf(b, ",\"lastTransitionTime\":\"%.19sZ\"", now);
	}
	buf_str(b, "}]}}");
}

/* The pod as it is now, or nothing at all: it may be on a node by now, or about to go. */
static bool prepare_condition(void *arg, struct letter *letter)
{
	const struct events *e = arg;
	const struct cached_pod *seen = cache_find_pod(e->cache, letter->uid);
	struct buf body = {0};

	if (!seen || seen->assumed || *seen->pod->node || seen->pod->terminating || seen->pod->terminal ||
	    has_condition(seen->pod, letter->reason, letter->message))
		return false;
	condition_body(seen->pod, letter->reason, letter->message, &body);
	free(letter->body);
	letter->body = body.data;
	return true;
}

void events_condition(struct events *e, const struct pod *pod, const char *reason, const char *message)
{
	struct letter letter = {.kind = LETTER_CONDITION, .method = "PATCH", .content_type = "application/strategic-merge-patch+json",
				.prepare = prepare_condition,
				.arg = e};
	struct letter *waiting = outbox_find(e->outbox, pod->uid);
	auto_free char *cut = shortened(message, EVENTS_CONDITION_MAX);

	if (waiting) {
		free(waiting->reason);
		free(waiting->message);
		waiting->reason = xstrdup(reason);
		waiting->message = steal(&cut);
		return;
	}
	if (has_condition(pod, reason, cut))
		return;
	letter.path = xasprintf("/api/v1/namespaces/%s/pods/%s/status", pod->namespace_, pod->name);
	letter.uid = xstrdup(pod->uid);
	letter.reason = xstrdup(reason);
	letter.message = steal(&cut);
	outbox_put(e->outbox, &letter);
}

void events_set_flight(struct events *e, size_t flight)
{
	outbox_set_flight(e->outbox, flight);
}

size_t events_pressing(const struct events *e, int64_t mono_ms)
{
	return outbox_prompt(e->outbox, mono_ms);
}

int64_t events_tick(struct events *e, int64_t mono_ms, int64_t most)
{
	return outbox_tick(e->outbox, mono_ms, most);
}

void events_hurry(struct events *e)
{
	outbox_hurry(e->outbox);
}

size_t events_open(const struct events *e)
{
	return outbox_open(e->outbox);
}

int64_t events_sent(const struct events *e)
{
	return outbox_sent(e->outbox);
}

int64_t events_dropped(const struct events *e)
{
	return outbox_dropped(e->outbox);
}
