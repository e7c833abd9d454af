/*
 * store.h - what the cache is made of; for the files of the cache alone (nodes.c, pods.c, placements.c, view.c).
 *
 *	entry	a pod, by uid and by namespace/name; stays the same object while the uid lives
 *	place	a node's name: made by a Node object or by a pod that names it, so that pods of a node that is not known yet count as
 *		soon as it appears. index is its row in the dense arrays, -1 while there is no Node object.
 */
#ifndef SCHED_CACHE_STORE_H
#define SCHED_CACHE_STORE_H

#include "sched/cache/cache.h"
#include "sched/cache/index.h"
#include "sched/cache/table.h"

enum list_id { LIST_ALL, LIST_PLACE, LIST_ANTI_AFFINITY, LIST_AFFINITY, LIST_PENDING, LIST_NOMINATED, LIST_ASSUMED, LIST_COUNT };

/* Pods in no order; an entry knows its position in each. */
struct list {
	const struct cached_pod **items;
	size_t room;
	uint32_t count;
};

struct entry {
	struct cached_pod pub;		/* first, see entry_of */
	struct pod *pod;
	struct place *at;		/* where it holds resources; NULL: nowhere */
	int64_t assumed_mono_ms;	/* since then, when it is */
	uint32_t placement;		/* of its place, + 1; 0: it is not among them */
	uint32_t position[LIST_COUNT];	/* + 1; 0: not in that list */
	struct group **groups;		/* that count it */
	uint32_t group_count;
	uint64_t round;			/* of the last list that had it */
};

struct place {
	char *name;
	uint64_t serial;
	int32_t index;
	struct node *node;		/* NULL while index is -1 */
	struct list pods;
	struct resources requested;
	uint32_t port_count, terminating_count;
	struct placement *placements;
	size_t placement_room;
	uint32_t placement_count;
	uint64_t round;
};

/* All objects of a kind; an object knows its position. */
struct objects {
	struct table by_name;
	struct object **items;
	size_t room;
	uint32_t count;
	uint64_t round;			/* of the last list */
};

/* An image that some node has. */
struct image {
	uint64_t name;
	int64_t size_bytes;		/* as the first node says that had it, like kube-scheduler */
	uint32_t nodes;
};

struct cache {
	struct table by_uid, by_name, places, groups, images;
	struct objects objects[OBJECT_KINDS];
	bool storage_known;
	struct promise *promises;
	size_t promise_room;
	uint32_t promise_count;
	struct list all, anti_affinity, affinity, pending, nominated, assumed;
	uint64_t next_serial, node_epoch, label_epoch;
	uint64_t node_round, pod_round;
	bool replacing_pods;
	bool pods_listed;		/* one list of them was whole: what comes now is new */
	char *reserve;			/* namespace of pods that only keep room; NULL: there are none */
	bool timeless;			/* `time_mono_ms` holds, not the clock */
	int64_t time_mono_ms;
	uint64_t placed_epoch;
	uint32_t placed_on[PLACED_MAX];
	struct pod **gone;		/* replaced by another uid while a list came in */
	size_t gone_room, gone_count;
	uint32_t count;			/* nodes; the arrays below have room for `room` */
	size_t room;
	struct place **by_index;
	struct node_state *states;
	int64_t *free_cpu_milli, *free_memory_bytes, *free_ephemeral_bytes, *free_pods;
	float *per_cpu_milli, *per_memory_byte;
	uint8_t *has_taints;
	struct view view;
};

/* view's pointers are const for its readers; the cache itself owns what they point to. */
static inline struct entry *entry_of(const struct cached_pod *pod)
{
	return (struct entry *)(uintptr_t)pod;
}

void list_add(struct list *list, enum list_id id, struct entry *e);
void list_remove(struct list *list, enum list_id id, struct entry *e);	/* no effect when it is not in it */

struct place *place_find(const struct cache *c, const char *name);
struct place *place_need(struct cache *c, const char *name);		/* makes it */
void place_release(struct cache *c, struct place *place);		/* frees one that neither node nor pod needs */
void place_sync(struct cache *c, const struct place *place);		/* writes its row of the arrays */
void place_free(struct place *place);

struct entry *entry_find(const struct cache *c, const char *uid);
void entry_seen_at(struct cache *c, struct entry *e);			/* its place got or lost its index */
void entry_free(struct entry *e);
int64_t cache_now_ms(const struct cache *c);
void placement_add(struct cache *c, struct entry *e);			/* where it is: before place_sync, like the next */
void placement_remove(struct cache *c, struct entry *e);		/* no effect when it has none */
void placements_changed(struct cache *c, const struct place *place);
void objects_free(struct cache *c);
void promises_seen(struct cache *c, const struct object *object);	/* it has changed or goes: ends what was promised of it */
void promises_free(struct cache *c);
void images_replace(struct cache *c, const struct node *old, const struct node *node);	/* either may be NULL: a node came or went */
void images_free(struct cache *c);

#endif
