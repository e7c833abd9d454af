/*
 * pledges.h - what a kube-scheduler was told to be best, and nobody has seen happen yet. Its binding comes by the watch some milliseconds after the
 * answer: all of a burst would see the same load until then, and the same pods of their owner.
 *
 *	/prioritize for a pod -> pledge: its expected load (expected.h), in equal parts on the nodes with the highest score of the answer
 *	the pod asks again, is seen on a node or deleted, or PLEDGE_MS have passed -> the pledge goes
 *
 * On one node alone the pod is pledged whole: there it counts as a pod of its owner, and takes what it asks for, where equals are told apart.
 * More than PLEDGE_NODES nodes of one score: each part would be next to nothing, so none is kept. At most PLEDGES_MAX; the oldest goes. Node indices
 * are those of the cache: all pledges go when these change (a node came or went).
 *
 * Owned by who has the turn to decide (desk.h). Time is given by the caller: no clock.
 */
#ifndef SCHED_EXTENDER_PLEDGES_H
#define SCHED_EXTENDER_PLEDGES_H

#include "sched/expected.h"

#define PLEDGE_MS 5000
#define PLEDGE_NODES 64u
#define PLEDGES_MAX 128u

struct pledges;

struct pledges *pledges_new(void);
void pledges_free(struct pledges *p);		/* NULL is fine */

/* Of a pod that has none. `nodes` are indices in the view. */
void pledges_put(struct pledges *p, const struct view *view, const struct pod *pod, const uint32_t *nodes, uint32_t count, int64_t mono_ms);
void pledges_drop(struct pledges *p, const char *uid);
/* The watch told of a pod, and the cache has it, or it was assumed: on a node, terminal or gone it needs no pledge. */
void pledges_seen(struct pledges *p, const struct cache *cache, const char *uid);
/* The sum of all, a node once: for decision_input.beside, of a pod with this owner ("": none). Valid until the next call. */
const struct expected_load *pledges_sum(struct pledges *p, const struct view *view, const char *owner_uid, int64_t mono_ms, uint32_t *count);

#endif
