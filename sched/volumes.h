/*
 * volumes.h - gives a pod its volumes before the pod itself is bound: what kube-scheduler does in the Reserve and PreBind of VolumeBinding.
 *
 *	              each step of the plan in turn
 *	   SENDING ---- PATCH: 200, or seen in the cache ----> next step ... after the last: BINDING -- all are bound --> BOUND, when may_bind
 *	    ^   |  429, 5xx, timeout, connection lost                                          |
 *	    +---+  (back-off; the same patch)                                                  +-- a node that does not allow a volume,
 *	        |  409 -> SETTLING: what does the watch show? ours: next step; else --> FAILED        a provisioner that gave up, no time --> FAILED
 *	        +-- other refusals, not sent at all --> FAILED
 *	                                                       at any time: the pod is gone or on a node --> LOST
 *
 * A volume's patch puts the claim into spec.claimRef, a claim's the node into the annotation volume.kubernetes.io/selected-node; each holds for the one
 * resourceVersion that the plan was made from, so that it can be sent again and cannot undo what somebody else did. The rest is the volume
 * controller's and the provisioner's, and is seen by the watches.
 *
 * What the plan takes is promised (cache_promise) from volumes_start until the cache has seen it. The pod's assumption is the owner's: it holds until
 * `ended`, which comes once for each start. Nothing is rolled back: as kube-scheduler, and because the pod will most likely come to that node again.
 *
 * One thread, all inside kube_run, volumes_start, volumes_seen and volumes_tick.
 */
#ifndef SCHED_VOLUMES_H
#define SCHED_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/bind.h"
#include "sched/cache/cache.h"
#include "sched/filter/volume_binding.h"
#include "sched/limit.h"

#define VOLUMES_TIMEOUT_MS 600000	/* kube-scheduler's bindTimeoutSeconds */
#define VOLUMES_SEEN_MS 10000		/* after a 409: until the watch has to show what changed */
#define VOLUMES_OPEN_MAX 1000

enum volumes_end { VOLUMES_BOUND, VOLUMES_LOST /* the pod is gone, or on a node */, VOLUMES_FAILED, VOLUMES_ENDS };
extern const char *const volumes_end_names[];	/* NULL at the end */

struct volumes_pod {			/* what `ended` sees; valid during the call */
	const char *namespace_, *name, *uid, *node;
	struct bind_facts *facts;	/* of volumes_start; who wants to keep the strings takes them out */
	const char *reason;		/* of LOST and FAILED, in kube-scheduler's words */
	bool answered;			/* false: the server was not reached */
	unsigned wake;			/* WAKE bits of promises that were taken back */
	int64_t took_ms;
};

struct volumes_hooks {
	bool (*may_bind)(void *arg);	/* asked before an end as BOUND: there is room for one more binding */
	void (*ended)(void *arg, const struct volumes_pod *pod, enum volumes_end end);	/* must not call volumes_start */
	void *arg;
};

struct volumes;

struct volumes *volumes_new(struct kube *k, struct cache *cache, struct limit *limit, const struct volumes_hooks *hooks);
void volumes_free(struct volumes *v);				/* as volumes_drop; NULL is fine */
void volumes_set_flight(struct volumes *v, size_t flight);	/* requests at a time */
/* Asked right before each patch goes out, as binder_set_guard. */
void volumes_set_guard(struct volumes *v, bool (*may_send)(void *arg), void *arg);

bool volumes_ready(const struct volumes *v);			/* for one more */
/* Takes the strings of `facts`, copies of the plan what it needs. The pod is assumed on the node already. A plan without matches and provisions needs none. */
void volumes_start(struct volumes *v, const struct pod *pod, const char *node, const struct volume_plan *plan, const struct bind_facts *facts,
		   int64_t mono_ms);
/* The watch showed the pod, or its end. Call after the cache took it. */
void volumes_seen(struct volumes *v, const char *uid);
/* Something of storage changed in the cache (WAKE_STORAGE). */
void volumes_look(struct volumes *v);
/* Does what is due. Returns milliseconds until it is needed again, at most `most`. */
int64_t volumes_tick(struct volumes *v, int64_t mono_ms, int64_t most);
size_t volumes_open(const struct volumes *v);
/* At the end of the program: all of them, without a call of `ended`. Who comes next finds the claims as they are. */
void volumes_drop(struct volumes *v);

#endif
