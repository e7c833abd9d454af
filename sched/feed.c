#include "sched/feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/kube/watch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/stats.h"

#define REPEAT_MS 60000
#define AGAIN_MS 10000

/* status.phase!=Succeeded,status.phase!=Failed */
#define PODS_QUERY "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"

/* What goes wrong is said once for both watches, and again each minute while it lasts. */
struct trouble {
	char cause[512];		/* that was logged last */
	int64_t said_mono_ms, since_mono_ms[RESOURCE_COUNT];	/* 0: never; not in trouble */
	int64_t held_back;
};

struct feed {
	struct cache *cache;
	struct queue *queue;
	struct metrics *stats;
	struct feed_hooks hooks;
	struct kube_watch *watch[RESOURCE_COUNT];
	struct trouble trouble;
	struct log_gate bad_gate;
	unsigned wake;
	int64_t lists_before;		/* lists of pods before feed_relist; -1: it was not called */
};

bool feed_wants(const struct feed *f, const struct pod *pod)
{
	return !*pod->node && !pod->terminal && !pod->terminating && !pod->gated &&
		f->hooks.ours(f->hooks.arg, pod->scheduler_name);
}

/* --- pods --- */

/* FNV-1a. */
static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; text && *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return (h ^ 0xff) * 0x100000001b3u;
}

/* The depth is bounded by json_parse. */
static uint64_t hash_json(uint64_t h, const cJSON *value)
{
	const cJSON *member;
	uint64_t number = 0;

	if (value) {
		memcpy(&number, &value->valuedouble, sizeof(number));
		h = hash_text(hash_text(h ^ (uint64_t)value->type, value->string), value->valuestring);
		h = (h ^ number) * 0x100000001b3u;
	}
	cJSON_ArrayForEach(member, value)
		h = hash_json(h, member);
	return (h ^ 0xff) * 0x100000001b3u;
}

/* What a user can change about a pending pod: our own patches of its status leave it alone. */
static uint64_t version_of(const cJSON *object)
{
	const cJSON *metadata = json_get(object, "metadata");
	uint64_t h = hash_json(0xcbf29ce484222325u, json_get(object, "spec"));

	return hash_json(hash_json(h, json_get(metadata, "labels")), json_get(metadata, "annotations"));
}

static void drop_pod(struct feed *f, const char *uid)
{
	queue_remove(f->queue, uid);
	f->hooks.seen(f->hooks.arg, uid);
}

static void enqueue(struct feed *f, const char *uid, const cJSON *object)
{
	const struct cached_pod *cached = cache_find_pod(f->cache, uid);

	if (!cached || !feed_wants(f, cached->pod))
		drop_pod(f, uid);
	else if (!cached->assumed)
		queue_put(f->queue, uid, cached->pod->priority, version_of(object), clock_mono_ms());
}

static void say_placed(const struct pod *pod)
{
	char key[512];

	pod_key(pod, key, sizeof(key));
	log_debug("pod seen on a node", FIELDS(LS("pod", key), LS("node", pod->node), LS("scheduler", pod->scheduler_name)));
}

static void put_pod(struct feed *f, struct pod *pod, const cJSON *object)
{
	const struct cached_pod *before = cache_find_pod_named(f->cache, pod->namespace_, pod->name);
	auto_free char *uid = xstrdup(pod->uid);
	auto_free char *replaced = before && !STREQ(before->pod->uid, uid) ? xstrdup(before->pod->uid) : NULL;

	if (*pod->node && !(before && *before->pod->node))
		say_placed(pod);
	f->wake |= cache_put_pod(f->cache, pod);
	if (replaced)
		drop_pod(f, replaced);
	enqueue(f, uid, object);
}

static void bad_object(struct feed *f, enum stat_resource which, const struct lm_err *err)
{
	metrics_add(f->stats, STAT_BAD_OBJECTS, (int)which, 1);
	if (log_gate_open(&f->bad_gate, 60000, NULL))
		log_warn("an object of the API cannot be read", FIELDS(LS("error", err->msg)));
}

static void on_pod(void *arg, enum kube_event event, const cJSON *object)
{
	struct feed *f = arg;
	struct lm_err err;
	struct pod *pod = pod_parse(object, &err);

	if (!pod) {
		bad_object(f, RESOURCE_PODS, &err);
		return;
	}
	if (event != KUBE_DELETED) {
		put_pod(f, pod, object);
		return;
	}
	f->wake |= cache_delete_pod(f->cache, pod->uid);
	drop_pod(f, pod->uid);
	pod_free(pod);
}

static void pods_begin(void *arg)
{
	cache_replace_pods_begin(((struct feed *)arg)->cache);
}

struct gone {
	char **uids;
	size_t count, room;
};

static void note_gone(void *arg, const struct pod *pod)
{
	struct gone *gone = arg;

	grow(&gone->uids, &gone->room, gone->count + 1, sizeof(char *));
	gone->uids[gone->count++] = xstrdup(pod->uid);
}

static void pods_end(void *arg)
{
	struct feed *f = arg;
	struct gone gone = {0};
	size_t i;

	f->wake |= cache_replace_pods_end(f->cache, note_gone, &gone);
	for (i = 0; i < gone.count; i++) {
		drop_pod(f, gone.uids[i]);
		free(gone.uids[i]);
	}
	free(gone.uids);
	log_info("pods listed", FIELDS(LI("pods", cache_pods(f->cache)), LI("ready", queue_count(f->queue, QUEUE_READY))));
}

/* --- nodes --- */

/* What it was before must not be believed any more: nothing is placed on it until it can be read again. */
static void forget_node(struct feed *f, const cJSON *object)
{
	const char *name = cJSON_GetStringValue(json_get(json_get(object, "metadata"), "name"));

	if (name)
		f->wake |= cache_delete_node(f->cache, name);
}

static void on_node(void *arg, enum kube_event event, const cJSON *object)
{
	struct feed *f = arg;
	struct lm_err err;
	struct node *node = node_parse(object, &err);

	if (!node) {
		bad_object(f, RESOURCE_NODES, &err);
		forget_node(f, object);
	} else if (event == KUBE_DELETED) {
		f->wake |= cache_delete_node(f->cache, node->name);
		node_free(node);
	} else {
		f->wake |= cache_put_node(f->cache, node);
	}
}

static void nodes_begin(void *arg)
{
	cache_replace_nodes_begin(((struct feed *)arg)->cache);
}

static void nodes_end(void *arg)
{
	struct feed *f = arg;

	f->wake |= cache_replace_nodes_end(f->cache);
	log_info("nodes listed", FIELDS(LI("nodes", cache_view(f->cache)->count)));
}

/* --- both --- */

/* Without the path, so that both watches of a server that is gone have the same one. */
static const char *cause_of(const char *text)
{
	const char *list = strstr(text, ": list: "), *watch = strstr(text, ": watch: ");

	return list ? list + strlen(": list: ") : watch ? watch + strlen(": watch: ") : text;
}

/* Another reason at once; the same one after a time of peace, but not each second where it comes and goes; and each minute. */
static bool worth_saying(const struct trouble *t, const char *cause, int64_t mono_ms)
{
	bool lasts = t->since_mono_ms[RESOURCE_NODES] || t->since_mono_ms[RESOURCE_PODS];

	return !t->said_mono_ms || !STREQ(t->cause, cause) || mono_ms - t->said_mono_ms >= (lasts ? REPEAT_MS : AGAIN_MS);
}

static void trouble(struct feed *f, enum stat_resource which, const char *name, const struct lm_err *err, int64_t retry_in_ms)
{
	struct trouble *t = &f->trouble;
	const char *cause = cause_of(err->msg);
	int64_t now = clock_mono_ms();
	bool say = worth_saying(t, cause, now);

	if (!t->since_mono_ms[which])
		t->since_mono_ms[which] = now;
	if (!say) {
		t->held_back++;
		return;
	}
	log_warn("watch interrupted", FIELDS(LS("resource", name), LS("error", err->msg), LI("retry_in_ms", retry_in_ms),
					     LI("held_back", t->held_back)));
	snprintf(t->cause, sizeof(t->cause), "%s", cause);
	t->said_mono_ms = now;
	t->held_back = 0;
}

static void end_trouble(struct feed *f, enum stat_resource which, int64_t opened_mono_ms)
{
	static const char *const names[] = {"nodes", "pods"};
	int64_t *since = &f->trouble.since_mono_ms[which];

	if (!*since || opened_mono_ms <= *since)
		return;
	log_info("watch goes on", FIELDS(LS("resource", names[which]), LI("after_ms", opened_mono_ms - *since)));
	*since = 0;
}

static void nodes_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	trouble(arg, RESOURCE_NODES, "nodes", err, retry_in_ms);
}

static void pods_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	trouble(arg, RESOURCE_PODS, "pods", err, retry_in_ms);
}

static struct kube_watch *watch(struct feed *f, struct kube *k, int kind, const char *path, const char *query,
				const struct kube_watch_handlers *handlers)
{
	struct archive *archive = f->hooks.archive;

	if (!archive)
		return kube_watch_new(k, path, query, handlers, f);
	return kube_watch_new(k, path, query, &archive_tap_handlers, archive_tap(archive, kind, handlers, f));
}

struct feed *feed_new(struct kube *k, struct cache *cache, struct queue *queue, struct metrics *stats,
		      const struct feed_hooks *hooks)
{
	static const struct kube_watch_handlers nodes = {nodes_begin, on_node, nodes_end, nodes_trouble};
	static const struct kube_watch_handlers pods = {pods_begin, on_pod, pods_end, pods_trouble};
	struct feed *f = xcalloc(1, sizeof(*f));

	*f = (struct feed){.cache = cache, .queue = queue, .stats = stats, .hooks = *hooks, .lists_before = -1};
	f->watch[RESOURCE_NODES] = watch(f, k, CLUSTER_NODE, "/api/v1/nodes", NULL, &nodes);
	f->watch[RESOURCE_PODS] = watch(f, k, CLUSTER_POD, "/api/v1/pods", PODS_QUERY, &pods);
	return f;
}

void feed_free(struct feed *f)
{
	int i;

	if (!f)
		return;
	for (i = 0; i < RESOURCE_COUNT; i++)
		kube_watch_free(f->watch[i]);
	free(f);
}

static void set_gauges(struct feed *f, int which, int64_t mono_ms)
{
	struct kube_watch_stats s = kube_watch_stats(f->watch[which]);

	metrics_set(f->stats, STAT_LISTS, which, (double)s.lists);
	metrics_set(f->stats, STAT_WATCHES, which, (double)s.watches);
	metrics_set(f->stats, STAT_WATCH_EVENTS, which, (double)s.events);
	metrics_set(f->stats, STAT_WATCH_GONE, which, (double)s.gone);
	metrics_set(f->stats, STAT_WATCH_SILENT_SECONDS, which,
		    s.last_heard_mono_ms < 0 ? NAN : (double)(mono_ms - s.last_heard_mono_ms) / 1e3);
}

int64_t feed_tick(struct feed *f, int64_t mono_ms)
{
	int64_t wait = 60000, due;
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++) {
		due = kube_watch_tick(f->watch[i], mono_ms);
		wait = due < wait ? due : wait;
		set_gauges(f, i, mono_ms);
		end_trouble(f, (enum stat_resource)i, kube_watch_stats(f->watch[i]).opened_mono_ms);
	}
	return wait;
}

bool feed_synced(const struct feed *f)
{
	return kube_watch_synced(f->watch[RESOURCE_NODES]) && kube_watch_synced(f->watch[RESOURCE_PODS]);
}

void feed_relist(struct feed *f)
{
	f->lists_before = kube_watch_stats(f->watch[RESOURCE_PODS]).lists;
	kube_watch_relist(f->watch[RESOURCE_PODS]);
}

bool feed_relisted(const struct feed *f)
{
	return kube_watch_stats(f->watch[RESOURCE_PODS]).lists > f->lists_before;
}

unsigned feed_take_wake(struct feed *f)
{
	unsigned wake = f->wake;

	f->wake = 0;
	return wake;
}
