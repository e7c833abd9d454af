/*
 * bind.h - tells the API server which node a pod got, many at a time, and finds out what became of it.
 *
 *	               201, or seen there by the watch
 *	   POSTING ------------------------------------------------------> BOUND
 *	    ^   |  429, 5xx, timeout, connection lost: nobody knows
 *	    |   +-------------> WAITING (back-off) ---> ASKING (GET pod) --> BOUND   it is on our node
 *	    |   |  409 ------------------------------->    |    |     \----> LOST    it is on another node, or gone
 *	    |   +-- 404 ------------------------------------------------> LOST
 *	    |   +-- other refusals, not sent at all --------------------> FAILED
 *	    +---- still on no node: the same node again ---+    +--------> FAILED   after a plain 409, or when the node is gone
 *
 * While it is not known whether a request was executed the assumption in the cache stays, and no other node is tried. A pod
 * that is on no node BIND_FATE_MS after the last such request will not get there by it any more.
 *
 * One pod may have several: of an owner that was told once more by somebody who does not know how the first one goes. The server takes one of them.
 *
 * Each binding ends with exactly one call of `ended`; the owner then confirms (BOUND: the cache keeps the assumption until the
 * watch shows it), or forgets it. One thread, all inside kube_run, bind_start and bind_tick.
 */
#ifndef SCHED_BIND_H
#define SCHED_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/cache/cache.h"
#include "sched/limit.h"

#define BIND_TIMEOUT_MS 10000
#define BIND_FATE_MS 75000		/* the API server gives up a request after 60 s */
#define BIND_OPEN_MAX 1000		/* bindings of unknown fate and in flight together */

enum bind_end { BIND_BOUND, BIND_LOST /* gone, or someone else's */, BIND_FAILED /* on no node, for certain */, BIND_ENDS };
extern const char *const bind_end_names[];	/* NULL at the end */

/* What the log and the events say about a decision. */
struct bind_facts {
	double rtt_ms, score;		/* NaN: none */
	bool estimate;			/* rtt_ms is an upper bound, which nobody measured */
	int64_t generation;		/* of the matrix; -1: none */
	char *runner_up, *note;		/* the binding's; NULL: none */
	int64_t decided_mono_ms, waited_ms;
	int64_t until_mono_ms;		/* no Binding goes out from then on, what became of it is still found out; 0: no end */
	void *tag;			/* the owner's own */
};

struct binding {			/* what `ended` sees; valid during the call */
	const char *namespace_, *name, *uid, *node, *scheduler_name;
	const struct bind_facts *facts;
	int posts;			/* how often it was sent */
	const char *reason;		/* of LOST and FAILED */
	bool answered;			/* the server said so; else it was not reached */
};

typedef void bind_ended(void *arg, const struct binding *b, enum bind_end end);

struct binder;

struct binder *binder_new(struct kube *k, struct cache *cache, struct limit *limit, bind_ended *ended, void *arg);
void binder_free(struct binder *b);			/* what is in flight is dropped without a call of `ended` */
void binder_set_flight(struct binder *b, size_t flight);	/* requests at a time */
/* Asked right before each Binding goes out (kube_request.may_send); what it refuses ends as FAILED, unsent. NULL: always. */
void binder_set_guard(struct binder *b, bool (*may_send)(void *arg), void *arg);

/* Whether one more may begin now, when `held` places of those in flight are taken by what follows a binding. */
bool binder_ready(struct binder *b, size_t held, int64_t mono_ms);
/* Takes the strings of `facts`. The pod is assumed on the node already. */
void bind_start(struct binder *b, const struct pod *pod, const char *node, const struct bind_facts *facts, int64_t mono_ms);
/* The watch showed the pod, or its end: what is open for it may be decided by that. Call after the cache took it. */
void bind_seen(struct binder *b, const char *uid);
/* Starts what is due. Returns milliseconds until it is needed again, at most `most`. */
int64_t bind_tick(struct binder *b, int64_t mono_ms, int64_t most);
size_t bind_open(const struct binder *b);		/* not ended */
size_t bind_unknown(const struct binder *b);		/* of them: sent, and nobody knows */

#endif
