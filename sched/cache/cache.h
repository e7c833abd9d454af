/*
 * cache.h - the cluster as this scheduler believes it to be: nodes, pods, and what is promised but not confirmed.
 *
 *	           assume                     confirm (watch shows nodeName)
 *	 Pending ----------> Assumed ----------------------------------------> Assigned
 *	    ^                   |                                                 |
 *	    +------ forget -----+  (the binding failed for certain)               +--> gone (deleted, terminal)
 *
 * An assumed pod holds its resources until a watch confirms it, the pod is deleted, or forget is called. It never expires by
 * time: a slow bind is not a failed one. The watch wins over the assumption: a pod seen on another node is moved there.
 *
 * Owned by the scheduling thread; nothing here locks. Everything is incremental: an event costs time for what it touches.
 * Node indices are dense (0..count-1) and change when a node is deleted; `node_epoch` counts such changes.
 * Terminal pods hold nothing; terminating ones hold their resources until they are gone.
 */
#ifndef SCHED_CACHE_CACHE_H
#define SCHED_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/cache/node.h"
#include "sched/cache/object.h"
#include "sched/cache/pod.h"

struct cached_pod {
	const struct pod *pod;
	int32_t node;			/* index where it is or is assumed to be; -1: on none, or on a node that is not known */
	bool assumed;			/* ours, not confirmed */
	int64_t placed_mono_ms;		/* since when it is there (an assumption counts, its confirmation is no news); PLACED_LONG_AGO */
};

#define PLACED_LONG_AGO INT64_MIN	/* before the first list of pods was whole: nobody knows */

/* Of a pod that is on a node and not terminating: for the load that the telemetry cannot know yet (expected.h). */
struct placement {
	int64_t placed_mono_ms;
	int64_t cpu_milli;		/* what it asks for; 0: nothing */
	const struct cached_pod *pod;
};

struct node_state {
	const struct node *node;
	struct resources requested;	/* of its pods, assumed ones too */
	const struct cached_pod **pods;	/* on it, in no order */
	uint32_t pod_count;
	uint32_t port_count;		/* host ports in use on it: 0 spares the look */
	uint32_t terminating_count;	/* of its pods; view_pods_matching does not tell of these */
	const struct placement *placements;	/* of its pods that were not placed long ago, in no order */
	uint32_t placement_count;
};

/* How many changes of placements a view remembers. */
#define PLACED_MAX 256u

/* No less is shown as free, so that what a pod asks can be taken off without a look. */
#define FREE_LEAST (INT64_MIN / 2)

/* What a pod that is assumed, but not bound yet, will do to a claim: kube-scheduler's assumed volumes and claims. Strings are never NULL. */
struct promise {
	char *namespace_, *claim;
	char *volume;			/* it takes this one, which nobody else may take; "": one is made for it */
	char *node;			/* for which one is made; "" with a volume */
};

/* What a decision reads. Valid until the next call that changes the cache. Parallel arrays are indexed by node. */
struct view {
	uint32_t count;
	uint32_t guests;		/* the last of them, where a caller added some: only `nodes` has these, the other arrays end before, and so do the look-ups */
	const struct node_state *nodes;
	uint64_t label_epoch;		/* changes when the labels of a node that stays do */
	uint64_t node_epoch;		/* changes when a node is added, deleted or renamed: indices from before are void */
	const int64_t *free_cpu_milli, *free_memory_bytes, *free_ephemeral_bytes;	/* may be negative, at least FREE_LEAST */
	const int64_t *free_pods;
	const float *per_cpu_milli, *per_memory_byte;	/* 1 / allocatable; 0 when nothing is: for the share that is free */
	/*
	 * Counts what changes the placements of a node, or its allocatable CPU. The node of change number k is placed_on[k % PLACED_MAX], while that is one of
	 * the last PLACED_MAX and node_epoch is the same.
	 */
	uint64_t placed_epoch;
	const uint32_t *placed_on;
	const uint8_t *has_taints;	/* bits NODE_HARD_TAINTS, NODE_UNSCHEDULABLE, NODE_SOFT_TAINTS (node.h) */
	const struct cached_pod *const *anti_affinity;	/* pods on nodes with required anti-affinity terms */
	uint32_t anti_affinity_count;
	const struct cached_pod *const *affinity;	/* pods on nodes with required or preferred terms of either kind: they score ours, too */
	uint32_t affinity_count;
	const struct cached_pod *const *nominated;	/* pending pods with a nominated node, of any scheduler */
	uint32_t nominated_count;
	/* Claims, volumes, classes and what CSI drivers say are in the cache (cache_know_storage). False: a pod with needs_storage is refused whole. */
	bool storage_known;
	const struct promise *promises;
	uint32_t promise_count;
	const struct cache *cache;	/* for the look-ups below */
};

/* What a change may have made possible, for waking the pods that wait. Bits. */
enum {
	WAKE_NODE_ADDED = 1,
	WAKE_NODE_CHANGED = 2,		/* labels, taints, allocatable, unschedulable */
	WAKE_POD_FREED = 4,		/* an assigned pod went, shrank or was forgotten */
	WAKE_POD_ADDED = 8,		/* a pod is on a node now, or its labels changed: targets and affinities */
	WAKE_MATRIX = 16,		/* set by the scheduler, not by the cache */
	WAKE_STORAGE = 32,		/* a claim, a volume, a class, or what a CSI driver says; not rare: capacities and attachments change all the time */
	WAKE_NAMESPACE = 64,		/* a namespace came or got other labels */
	WAKE_RESERVE = 128,		/* set by the scheduler: room that was kept has been opened or closed */
	WAKE_TARGET = 256,		/* set by the scheduler: a pod that this one's limit asks for, and that was missing, is on a node (awaited.h) */
	WAKE_RARE = WAKE_NODE_ADDED | WAKE_NODE_CHANGED | WAKE_MATRIX | WAKE_NAMESPACE | WAKE_RESERVE,
};

struct cache;

struct cache *cache_new(void);
void cache_free(struct cache *c);

/* Takes the object. Returns WAKE bits. A stale object (an older resourceVersion of the same uid) is the caller's to avoid. */
unsigned cache_put_node(struct cache *c, struct node *node);
unsigned cache_delete_node(struct cache *c, const char *name);
/* A pod with the same namespace/name and another uid replaces the old one (outside of a list without a word). */
unsigned cache_put_pod(struct cache *c, struct pod *pod);
unsigned cache_delete_pod(struct cache *c, const char *uid);

/* Around the objects of a list: what was not put in between is deleted at the end. */
void cache_replace_nodes_begin(struct cache *c);
unsigned cache_replace_nodes_end(struct cache *c);
void cache_replace_pods_begin(struct cache *c);
/* `deleted` (may be NULL) is called for each uid that goes, also where another uid has its name now; it must not change the cache.
 * An assumed pod stays while the server still has it, even without nodeName. */
unsigned cache_replace_pods_end(struct cache *c, void (*deleted)(void *arg, const struct pod *pod), void *arg);

/*
 * When a pod was placed. It is the time (clock_mono_ms) at which it was assumed, or else first seen on that node: with the first list of pods that is
 * PLACED_LONG_AGO. Later lists keep the times of pods that stay where they are.
 */
void cache_set_time(struct cache *c, int64_t mono_ms);			/* from now on it is that time: for what is not live (files, tests) */
void cache_set_placed(struct cache *c, const char *uid, int64_t mono_ms);	/* says when; no effect on a pod that is on no node */

/* Pods of that namespace (copied) with the label latency-mesh.io/role only keep room: no load is expected of them. Before the first pod. */
void cache_set_reserve(struct cache *c, const char *namespace_);

/* Puts a pending pod on a node. False when it is unknown, terminal, or on a node already. */
bool cache_assume(struct cache *c, const char *uid, uint32_t node);
/* Takes an assumption back; no effect on a pod that is confirmed or unknown. Returns WAKE bits. */
unsigned cache_forget(struct cache *c, const char *uid);

/*
 * For a question "what if": takes a pod off its node as if it had never been there, and puts it back as it was. In between it may be assumed on
 * any node and forgotten again, any number of times. Nothing else may change the pod before it is put back, the last one lifted first.
 */
struct lifted {
	char *uid, *node;		/* owned */
	bool assumed;
	int64_t placed_mono_ms, assumed_mono_ms;
};
bool cache_lift(struct cache *c, const char *uid, struct lifted *out);	/* false, and nothing happened: it is on no node */
void cache_put_back(struct cache *c, struct lifted *lifted);		/* frees what `lifted` owns */

/* Takes the object; it replaces the one of the same kind, namespace and name. Return WAKE bits; 0: nothing that a decision reads has changed. */
unsigned cache_put_object(struct cache *c, struct object *object);
unsigned cache_delete_object(struct cache *c, enum object_kind kind, const char *namespace_, const char *name);
void cache_replace_objects_begin(struct cache *c, enum object_kind kind);
unsigned cache_replace_objects_end(struct cache *c, enum object_kind kind);
/* NULL: none. `namespace_` "" where the kind has none. */
const struct object *cache_find_object(const struct cache *c, enum object_kind kind, const char *namespace_, const char *name);
/* All of a kind, in no order. Valid until the next change. */
const struct object *const *cache_objects(const struct cache *c, enum object_kind kind, uint32_t *count);

/* From now on the objects of storage.h are all there, and somebody binds claims before a pod that needs it: decisions may count on it. */
void cache_know_storage(struct cache *c);
/*
 * Promises (copied) hold until they are taken back, or the volume (where there is none: the claim) changes or goes. One a claim.
 * Empty while nobody binds claims.
 */
void cache_promise(struct cache *c, const struct promise *promise);
unsigned cache_unpromise(struct cache *c, const char *namespace_, const char *claim);	/* returns WAKE bits */

const struct cached_pod *cache_find_pod(const struct cache *c, const char *uid);
const struct cached_pod *cache_find_pod_named(const struct cache *c, const char *namespace_, const char *name);
int32_t cache_find_node(const struct cache *c, const char *name);	/* -1 when not */
size_t cache_pods(const struct cache *c);
size_t cache_assumed(const struct cache *c);
int64_t cache_assumed_since_ms(const struct cache *c);		/* of the oldest assumption, by clock_mono_ms; -1: none. Looks at all of them */
const struct view *cache_view(struct cache *c);

/*
 * Nodes that hold pods matching key=value in a namespace, by an index (no scan): assigned or assumed, not terminal, not terminating,
 * never the pod `self_uid` (may be NULL). Fills at most `room` items, in no order, and returns how many nodes there are.
 */
struct node_count {
	uint32_t node;
	uint32_t pods;
};
uint32_t view_pods_matching(const struct view *v, const char *namespace_, const char *key, const char *value, const char *self_uid,
			    struct node_count *out, uint32_t room);
/* The same for pods by the exact name of their controller (pod.controller). */
uint32_t view_pods_of_controller(const struct view *v, const char *namespace_, const char *controller, const char *self_uid,
				 struct node_count *out, uint32_t room);
/* Pods of the same owner (owner_uid) on a node. */
uint32_t view_owner_pods(const struct view *v, uint32_t node, const char *owner_uid);
/* How many nodes have an image (image_name_of_pod), and its size; 0: none. */
uint32_t view_image(const struct view *v, uint64_t name, int64_t *size_bytes);
/*
 * Pods that match key=value in a namespace and are on no node (not terminal, not terminating, any scheduler's): for cycles of pods that wait for each
 * other. Fills the first `room` by name and returns how many were filled. For messages only: it scans the pods that are on no node.
 */
uint32_t view_pods_pending(const struct view *v, const char *namespace_, const char *key, const char *value,
			   const struct cached_pod **out, uint32_t room);

#endif
