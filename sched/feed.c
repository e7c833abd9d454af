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
#include "sched/awaited.h"
#include "sched/stats.h"
#include "sched/trouble.h"

/* status.phase!=Succeeded,status.phase!=Failed */
#define PODS_QUERY "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"

/* A watch, and what its handlers are called with. */
struct source {
	struct feed *feed;
	enum stat_resource which;
	struct kube_watch *watch;
};

struct feed {
	struct cache *cache;
	struct queue *queue;
	struct metrics *stats;
	struct feed_hooks hooks;
	struct source sources[RESOURCE_COUNT];
	struct trouble trouble;
	struct log_gate bad_gate;
	unsigned wake;
	bool storage_told;
	int64_t lists_before;		/* lists of pods before feed_relist; -1: it was not called */
};

static struct feed *feed_of(void *source)
{
	return ((struct source *)source)->feed;
}

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

static void tell_any(struct feed *f, const char *uid)
{
	if (f->hooks.any)
		f->hooks.any(f->hooks.arg, uid);
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

/* Is it news that it is on a node, with these labels? */
static bool has_come(const struct cached_pod *before, const struct pod *pod)
{
	return *pod->node && !(before && STREQ(before->pod->uid, pod->uid) && *before->pod->node && labels_equal(&before->pod->labels, &pod->labels));
}

static void put_pod(struct feed *f, struct pod *pod, const cJSON *object)
{
	const struct cached_pod *before = cache_find_pod_named(f->cache, pod->namespace_, pod->name);
	auto_free char *uid = xstrdup(pod->uid);
	auto_free char *replaced = before && !STREQ(before->pod->uid, uid) ? xstrdup(before->pod->uid) : NULL;

	if (*pod->node && !(before && *before->pod->node))
		say_placed(pod);
	if (has_come(before, pod))	/* before the cache knows: nothing is decided in between */
		awaited_came(f->queue, f->cache, pod, clock_mono_ms());
	f->wake |= cache_put_pod(f->cache, pod);
	if (replaced) {
		drop_pod(f, replaced);
		tell_any(f, replaced);
	}
	enqueue(f, uid, object);
	tell_any(f, uid);
}

static void bad_object(struct feed *f, enum stat_resource which, const struct lm_err *err)
{
	metrics_add(f->stats, STAT_BAD_OBJECTS, (int)which, 1);
	if (log_gate_open(&f->bad_gate, 60000, NULL))
		log_warn("an object of the API cannot be read", FIELDS(LS("error", err->msg)));
}

static void on_pod(void *arg, enum kube_event event, const cJSON *object)
{
	struct feed *f = feed_of(arg);
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
	tell_any(f, pod->uid);
	pod_free(pod);
}

static void pods_begin(void *arg)
{
	cache_replace_pods_begin(feed_of(arg)->cache);
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
	struct feed *f = feed_of(arg);
	struct gone gone = {0};
	size_t i;

	f->wake |= cache_replace_pods_end(f->cache, note_gone, &gone);
	for (i = 0; i < gone.count; i++) {
		drop_pod(f, gone.uids[i]);
		tell_any(f, gone.uids[i]);
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
	struct feed *f = feed_of(arg);
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
	cache_replace_nodes_begin(feed_of(arg)->cache);
}

static void nodes_end(void *arg)
{
	struct feed *f = feed_of(arg);

	f->wake |= cache_replace_nodes_end(f->cache);
	log_info("nodes listed", FIELDS(LI("nodes", cache_view(f->cache)->count)));
}

/* --- the kinds of object.h --- */

static enum object_kind kind_of(const struct source *s)
{
	return (enum object_kind)(s->which - RESOURCE_OBJECTS);
}

/* As with a node: what it was before is not believed any more. */
static void forget_object(struct feed *f, enum object_kind kind, const cJSON *object)
{
	const cJSON *metadata = json_get(object, "metadata");
	const char *namespace_ = cJSON_GetStringValue(json_get(metadata, "namespace")), *name = cJSON_GetStringValue(json_get(metadata, "name"));

	if (name)
		f->wake |= cache_delete_object(f->cache, kind, namespace_ ? namespace_ : "", name);
}

static void on_object(void *arg, enum kube_event event, const cJSON *json)
{
	struct source *s = arg;
	struct feed *f = s->feed;
	struct object *object = NULL;
	struct lm_err err;

	if (event == KUBE_DELETED) {
		forget_object(f, kind_of(s), json);
		return;
	}
	object = object_parse(kind_of(s), json, &err);
	if (object) {
		f->wake |= cache_put_object(f->cache, object);
		return;
	}
	bad_object(f, s->which, &err);
	forget_object(f, kind_of(s), json);
}

static void objects_begin(void *arg)
{
	cache_replace_objects_begin(feed_of(arg)->cache, kind_of(arg));
}

static void objects_end(void *arg)
{
	struct source *s = arg;
	uint32_t count;

	s->feed->wake |= cache_replace_objects_end(s->feed->cache, kind_of(s));
	cache_objects(s->feed->cache, kind_of(s), &count);
	log_debug("listed", FIELDS(LS("resource", stat_resource_names[s->which]), LI("objects", count)));
}

/* --- all --- */

static void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct source *s = arg;

	trouble_meet(&s->feed->trouble, s->which, err, retry_in_ms);
}

/* A dump is made of what the watches bring, as it comes. */
static struct kube_watch *watch(struct source *s, struct kube *k, int kind, const char *path, const char *query,
				const struct kube_watch_handlers *handlers)
{
	struct archive *archive = s->feed->hooks.archive;

	if (!archive)
		return kube_watch_new(k, path, query, handlers, s);
	return kube_watch_new(k, path, query, &archive_tap_handlers, archive_tap(archive, kind, handlers, s));
}

static void open_source(struct feed *f, struct kube *k, enum stat_resource which)
{
	static const struct kube_watch_handlers nodes = {nodes_begin, on_node, nodes_end, on_trouble};
	static const struct kube_watch_handlers pods = {pods_begin, on_pod, pods_end, on_trouble};
	static const struct kube_watch_handlers objects = {objects_begin, on_object, objects_end, on_trouble};
	struct source *s = &f->sources[which];

	*s = (struct source){.feed = f, .which = which};
	if (which == RESOURCE_NODES)
		s->watch = watch(s, k, CLUSTER_NODE, "/api/v1/nodes", NULL, &nodes);
	else if (which == RESOURCE_PODS)
		s->watch = watch(s, k, CLUSTER_POD, "/api/v1/pods", PODS_QUERY, &pods);
	else
		s->watch = watch(s, k, CLUSTER_OTHER + (int)kind_of(s), object_kinds[kind_of(s)].path, NULL, &objects);
}

struct feed *feed_new(struct kube *k, struct cache *cache, struct queue *queue, struct metrics *stats,
		      const struct feed_hooks *hooks)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	int i;

	*f = (struct feed){.cache = cache, .queue = queue, .stats = stats, .hooks = *hooks, .lists_before = -1};
	for (i = 0; i < RESOURCE_COUNT; i++)
		open_source(f, k, (enum stat_resource)i);
	return f;
}

void feed_free(struct feed *f)
{
	int i;

	if (!f)
		return;
	for (i = 0; i < RESOURCE_COUNT; i++)
		kube_watch_free(f->sources[i].watch);
	free(f);
}

static void set_gauges(struct feed *f, int which, const struct kube_watch_stats *s, int64_t mono_ms)
{
	metrics_set(f->stats, STAT_LISTS, which, (double)s->lists);
	metrics_set(f->stats, STAT_WATCHES, which, (double)s->watches);
	metrics_set(f->stats, STAT_WATCH_EVENTS, which, (double)s->events);
	metrics_set(f->stats, STAT_WATCH_GONE, which, (double)s->gone);
	metrics_set(f->stats, STAT_WATCH_SILENT_SECONDS, which,
		    s->last_heard_mono_ms < 0 ? NAN : (double)(mono_ms - s->last_heard_mono_ms) / 1e3);
}

static int64_t tick_source(struct source *s, int64_t mono_ms)
{
	int64_t due = kube_watch_tick(s->watch, mono_ms);
	struct kube_watch_stats stats = kube_watch_stats(s->watch);

	set_gauges(s->feed, (int)s->which, &stats, mono_ms);
	trouble_end(&s->feed->trouble, s->which, stats.opened_mono_ms);
	return due;
}

/* A server that does not have a kind at all has no objects of it. */
static bool is_listed(const struct source *s)
{
	return kube_watch_synced(s->watch) || (s->which >= RESOURCE_OBJECTS && kube_watch_stats(s->watch).list_status == 404);
}

static void tell_of_storage(struct feed *f)
{
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++)
		if (!is_listed(&f->sources[i]))
			return;
	cache_know_storage(f->cache);
	f->storage_told = true;
	f->wake |= WAKE_STORAGE;
}

int64_t feed_tick(struct feed *f, int64_t mono_ms)
{
	int64_t wait = 60000, due;
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++) {
		due = tick_source(&f->sources[i], mono_ms);
		wait = due < wait ? due : wait;
	}
	if (!f->storage_told)
		tell_of_storage(f);
	return wait;
}

unsigned feed_unlisted(const struct feed *f, unsigned *forbidden)
{
	unsigned unlisted = 0;
	int i;

	*forbidden = 0;
	for (i = 0; i < RESOURCE_COUNT; i++) {
		if (is_listed(&f->sources[i]))
			continue;
		unlisted |= 1u << i;
		if (kube_watch_stats(f->sources[i].watch).list_status == 403)
			*forbidden |= 1u << i;
	}
	return unlisted;
}

bool feed_synced(const struct feed *f)
{
	unsigned ignored;

	return !feed_unlisted(f, &ignored);
}

void feed_relist(struct feed *f)
{
	f->lists_before = kube_watch_stats(f->sources[RESOURCE_PODS].watch).lists;
	kube_watch_relist(f->sources[RESOURCE_PODS].watch);
}

bool feed_relisted(const struct feed *f)
{
	return kube_watch_stats(f->sources[RESOURCE_PODS].watch).lists > f->lists_before;
}

unsigned feed_take_wake(struct feed *f)
{
	unsigned wake = f->wake;

	f->wake = 0;
	return wake;
}
