#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/store.h"

void list_add(struct list *list, enum list_id id, struct entry *e)
{
	assert(!e->position[id]);
	grow(&list->items, &list->room, list->count + 1u, sizeof(*list->items));
	list->items[list->count++] = &e->pub;
	e->position[id] = list->count;
}

void list_remove(struct list *list, enum list_id id, struct entry *e)
{
	struct entry *last;

	if (!e->position[id])
		return;
	last = entry_of(list->items[--list->count]);
	list->items[e->position[id] - 1] = &last->pub;
	last->position[id] = e->position[id];
	e->position[id] = 0;
}

/* Puts it in or takes it out; no effect when that is so already. */
static void list_set(struct list *list, enum list_id id, struct entry *e, bool in)
{
	if (!in)
		list_remove(list, id, e);
	else if (!e->position[id])
		list_add(list, id, e);
}

static bool same_uid(const void *item, const void *key)
{
	return STREQ(((const struct entry *)item)->pod->uid, key);
}

struct pod_name {
	const char *namespace_, *name;
};

static uint64_t name_hash(const char *namespace_, const char *name)
{
	return hash_text(hash_text(HASH_START, namespace_), name);
}

static bool same_pod_name(const void *item, const void *key)
{
	const struct pod *pod = ((const struct entry *)item)->pod;
	const struct pod_name *want = key;

	return STREQ(pod->name, want->name) && STREQ(pod->namespace_, want->namespace_);
}

struct entry *entry_find(const struct cache *c, const char *uid)
{
	return table_find(&c->by_uid, hash_text(HASH_START, uid), same_uid, uid);
}

static struct entry *entry_find_named(const struct cache *c, const char *namespace_, const char *name)
{
	struct pod_name key = {namespace_, name};

	return table_find(&c->by_name, name_hash(namespace_, name), same_pod_name, &key);
}

void entry_free(struct entry *e)
{
	pod_free(e->pod);
	free(e->groups);
	free(e);
}

static void index_pod(struct cache *c, struct entry *e)
{
	const struct pod *pod = e->pod;
	struct group_key key = {GROUP_LABEL, pod->namespace_, NULL, NULL};
	uint32_t i;

	if (pod->terminating)
		return;
	e->groups = xcalloc(pod->labels.count + 2u, sizeof(struct group *));
	for (i = 0; i < pod->labels.count; i++) {
		key.key = pod->labels.items[i].key;
		key.value = pod->labels.items[i].value;
		e->groups[e->group_count++] = index_add(&c->groups, &key, e->at, e->at->serial);
	}
	if (pod->controller[0]) {
		key = (struct group_key){GROUP_CONTROLLER, pod->namespace_, pod->controller, ""};
		e->groups[e->group_count++] = index_add(&c->groups, &key, e->at, e->at->serial);
	}
	if (pod->owner_uid[0]) {
		key = (struct group_key){GROUP_OWNER, "", pod->owner_uid, ""};
		e->groups[e->group_count++] = index_add(&c->groups, &key, e->at, e->at->serial);
	}
}

static void unindex_pod(struct cache *c, struct entry *e)
{
	while (e->group_count)
		index_remove(&c->groups, e->groups[--e->group_count], e->at, e->at->serial);
	free(e->groups);
	e->groups = NULL;
}

static bool pod_has_affinity(const struct pod *pod)
{
	return pod->affinity_count || pod->anti_affinity_count || pod->prefers_count || pod->avoids_count;
}

void entry_seen_at(struct cache *c, struct entry *e)
{
	e->pub.node = e->at ? e->at->index : -1;
	list_set(&c->anti_affinity, LIST_ANTI_AFFINITY, e, e->pub.node >= 0 && e->pod->anti_affinity_count);
	list_set(&c->affinity, LIST_AFFINITY, e, e->pub.node >= 0 && pod_has_affinity(e->pod));
}

static void attach(struct cache *c, struct entry *e, struct place *place, bool assumed, int64_t placed_mono_ms)
{
	e->at = place;
	e->pub.assumed = assumed;
	e->pub.placed_mono_ms = placed_mono_ms;
	list_set(&c->assumed, LIST_ASSUMED, e, assumed);
	list_add(&place->pods, LIST_PLACE, e);
	resources_add(&place->requested, &e->pod->requests);
	place->port_count += e->pod->port_count;
	place->terminating_count += e->pod->terminating;
	index_pod(c, e);
	placement_add(c, e);
	entry_seen_at(c, e);
	place_sync(c, place);
}

/* A sum that hit the ceiling can't be undone by subtraction. */
static void subtract(struct place *place, const struct resources *less)
{
	uint32_t i;

	if (!resources_saturated(&place->requested)) {
		resources_sub(&place->requested, less);
		return;
	}
	resources_free(&place->requested);
	for (i = 0; i < place->pods.count; i++)
		resources_add(&place->requested, &place->pods.items[i]->pod->requests);
}

static void detach(struct cache *c, struct entry *e)
{
	struct place *place = e->at;

	if (!place)
		return;
	unindex_pod(c, e);
	placement_remove(c, e);
	list_remove(&place->pods, LIST_PLACE, e);
	subtract(place, &e->pod->requests);
	place->port_count -= e->pod->port_count;
	place->terminating_count -= e->pod->terminating;
	e->pub.assumed = false;
	list_set(&c->assumed, LIST_ASSUMED, e, false);
	e->at = NULL;
	entry_seen_at(c, e);
	place_sync(c, place);
	place_release(c, place);
}

/* For the lists of pods that hold no resources: those that wait, and those that a scheduler means to put on a node soon. */
static void note_pending(struct cache *c, struct entry *e)
{
	bool pending = !e->at && !e->pod->terminal && !e->pod->node[0];	/* with a node it is lifted, and back there soon */

	list_set(&c->pending, LIST_PENDING, e, pending && !e->pod->terminating);
	list_set(&c->nominated, LIST_NOMINATED, e, pending && e->pod->nominated_node[0]);
}

static unsigned drop(struct cache *c, struct entry *e)
{
	bool held = e->at || e->position[LIST_NOMINATED];

	detach(c, e);
	list_remove(&c->pending, LIST_PENDING, e);
	list_remove(&c->nominated, LIST_NOMINATED, e);
	list_remove(&c->all, LIST_ALL, e);
	table_remove(&c->by_uid, hash_text(HASH_START, e->pod->uid), e);
	table_remove(&c->by_name, name_hash(e->pod->namespace_, e->pod->name), e);
	return held ? WAKE_POD_FREED : 0;
}

/* Another uid has the name of `e` now. While a list comes in, its end tells of it. */
static unsigned replace_uid(struct cache *c, struct entry *e)
{
	unsigned wake = drop(c, e);

	if (c->replacing_pods) {
		grow(&c->gone, &c->gone_room, c->gone_count + 1, sizeof(*c->gone));
		c->gone[c->gone_count++] = steal(&e->pod);
	}
	entry_free(e);
	return wake;
}

/* When a pod was placed that is seen on a node where it was not. */
static int64_t first_seen_ms(const struct cache *c)
{
	return c->pods_listed ? cache_now_ms(c) : PLACED_LONG_AGO;
}

static unsigned put_new(struct cache *c, struct pod *pod)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->pod = pod;
	e->pub = (struct cached_pod){.pod = pod, .node = -1};
	e->round = c->pod_round;
	table_put(&c->by_uid, hash_text(HASH_START, pod->uid), e);
	table_put(&c->by_name, name_hash(pod->namespace_, pod->name), e);
	list_add(&c->all, LIST_ALL, e);
	if (pod->node[0] && !pod->terminal)
		attach(c, e, place_need(c, pod->node), false, first_seen_ms(c));
	note_pending(c, e);
	return e->at ? WAKE_POD_ADDED : 0;
}

/* The node that is kept for a pod that has none yet; "": none. */
static const char *kept_node(const struct pod *pod)
{
	return pod->terminal || pod->node[0] ? "" : pod->nominated_node;
}

/* Is a node that was kept for it no longer kept, nor taken by it? An assumption is no news, so that it counts when it is confirmed. */
static bool lets_go(const struct pod *old, const struct pod *pod, const char *to)
{
	const char *kept = kept_node(old);

	return kept[0] && !STREQ(kept, kept_node(pod)) && !(to && STREQ(kept, to));
}

/* What the step from the old object to the new one may have made possible. */
static unsigned wake_of(const struct pod *old, const struct pod *pod, const char *from, const char *to, bool was_assumed)
{
	bool moved = from && (!to || !STREQ(from, to));
	bool shrunk = from && !resources_within(&old->requests, &pod->requests);
	bool arrived = to && (!from || moved || (was_assumed && pod->node[0]));
	bool relabelled = to && (!labels_equal(&old->labels, &pod->labels) || old->terminating != pod->terminating);

	return (moved || shrunk || lets_go(old, pod, to) ? WAKE_POD_FREED : 0u) | (arrived || relabelled ? WAKE_POD_ADDED : 0u);
}

/* Where the new object is, an assumption is kept until the server names a node. Borrowed name; NULL: nowhere. */
static const char *whereabouts(const struct entry *e, const struct pod *pod)
{
	if (pod->terminal)
		return NULL;
	if (pod->node[0])
		return pod->node;
	return e->pub.assumed ? e->at->name : NULL;
}

static unsigned put_known(struct cache *c, struct entry *e, struct pod *pod)
{
	bool was_assumed = e->pub.assumed;
	const char *next = whereabouts(e, pod);
	auto_free char *from = e->at ? xstrdup(e->at->name) : NULL, *to = xstrdup(next);
	unsigned wake = wake_of(e->pod, pod, from, to, was_assumed);
	int64_t placed_mono_ms = from && to && STREQ(from, to) ? e->pub.placed_mono_ms : first_seen_ms(c);

	detach(c, e);
	pod_free(e->pod);
	e->pod = pod;
	e->pub.pod = pod;
	e->round = c->pod_round;
	if (to)
		attach(c, e, place_need(c, to), !pod->node[0], placed_mono_ms);
	note_pending(c, e);
	return wake;
}

unsigned cache_put_pod(struct cache *c, struct pod *pod)
{
	struct entry *e = entry_find(c, pod->uid), *named = entry_find_named(c, pod->namespace_, pod->name);
	unsigned wake = 0;

	if (e && e == named)
		return put_known(c, e, pod);
	if (named)
		wake |= replace_uid(c, named);
	if (e) /* no server gives a uid two names; the last one holds */
		wake |= replace_uid(c, e);
	return wake | put_new(c, pod);
}

unsigned cache_delete_pod(struct cache *c, const char *uid)
{
	struct entry *e = entry_find(c, uid);
	unsigned wake;

	if (!e)
		return 0;
	wake = drop(c, e);
	entry_free(e);
	return wake;
}

void cache_replace_pods_begin(struct cache *c)
{
	c->pod_round++;
	c->replacing_pods = true;
}

unsigned cache_replace_pods_end(struct cache *c, void (*deleted)(void *arg, const struct pod *pod), void *arg)
{
	unsigned wake = 0;
	uint32_t i;

	for (i = c->all.count; i-- > 0;) { /* from the end: what moves into a hole has been looked at */
		struct entry *e = entry_of(c->all.items[i]);

		if (e->round == c->pod_round)
			continue;
		wake |= drop(c, e);
		if (deleted)
			deleted(arg, e->pod);
		entry_free(e);
	}
	while (c->gone_count) {
		struct pod *pod = c->gone[--c->gone_count];

		if (deleted)
			deleted(arg, pod);
		pod_free(pod);
	}
	c->replacing_pods = false;
	c->pods_listed = true;
	return wake;
}

bool cache_assume(struct cache *c, const char *uid, uint32_t node)
{
	struct entry *e = entry_find(c, uid);

	if (!e || e->at || e->pod->terminal || node >= c->count)
		return false;
	e->assumed_mono_ms = cache_now_ms(c);
	attach(c, e, c->by_index[node], true, e->assumed_mono_ms);
	note_pending(c, e);
	return true;
}

unsigned cache_forget(struct cache *c, const char *uid)
{
	struct entry *e = entry_find(c, uid);

	if (!e || !e->pub.assumed)
		return 0;
	detach(c, e);
	note_pending(c, e);
	return WAKE_POD_FREED;
}

bool cache_lift(struct cache *c, const char *uid, struct lifted *out)
{
	struct entry *e = entry_find(c, uid);

	if (!e || !e->at)
		return false;
	*out = (struct lifted){xstrdup(uid), xstrdup(e->at->name), e->pub.assumed, e->pub.placed_mono_ms, e->assumed_mono_ms};
	detach(c, e);
	return true;
}

void cache_put_back(struct cache *c, struct lifted *lifted)
{
	struct entry *e = entry_find(c, lifted->uid);

	assert(e);
	if (e->at)
		detach(c, e);
	e->assumed_mono_ms = lifted->assumed_mono_ms;
	attach(c, e, place_need(c, lifted->node), lifted->assumed, lifted->placed_mono_ms);
	note_pending(c, e);
	free(lifted->uid);
	free(lifted->node);
}

const struct cached_pod *cache_find_pod(const struct cache *c, const char *uid)
{
	const struct entry *e = entry_find(c, uid);

	return e ? &e->pub : NULL;
}

const struct cached_pod *cache_find_pod_named(const struct cache *c, const char *namespace_, const char *name)
{
	const struct entry *e = entry_find_named(c, namespace_, name);

	return e ? &e->pub : NULL;
}
