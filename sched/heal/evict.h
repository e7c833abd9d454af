/*
 * evict.h - takes pods off nodes that are dead, one state machine a pod:
 *
 *	                     201                     seen terminating, grace over, may_delete
 *	   WAITING -- POST eviction --> ENDING ------------------------------------------------> DELETE, grace 0, by uid --> gone
 *	     ^   |  429: its PodDisruptionBudget, or a busy server: later
 *	     |   |  5xx, timeout, connection lost: unknown, again later, unless the watch shows it terminating
 *	     +---+  not terminating 30 s after a 201: again
 *
 * The eviction names the pod's uid, so that it cannot hit a successor. It is within the budget, which outlives the leader (ledger.h): spent when it is sent,
 * after the record of it is written; given back when the server says that nothing was done. One pod spends once, whatever it takes. Deletions are of pods that were evicted, and spend nothing. The grace
 * period is counted by our own clock from when the pod was first seen terminating on a dead node.
 *
 * The owner says anew at each look which pods are to go: what it does not name is let alone from then on.
 *
 * A pod that is still seen after its deletion has a finalizer: it is counted and said once, and deleted again after 5, 10, 20 s and so on up to 5 minutes.
 *
 *	evict_begin(e); evict_want(e, pod, ...) ...; evict_end(e);
 *	evict_tick(e, now, most);
 *
 * One thread, all inside kube_run and these functions.
 */
#ifndef SCHED_HEAL_EVICT_H
#define SCHED_HEAL_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/cache/pod.h"
#include "sched/limit.h"

#define EVICT_FLIGHT 16			/* requests at a time */
#define EVICT_SEEN_MS 30000		/* after a 201: until the watch has to show it terminating */

/* How a request ended. PDB: a PodDisruptionBudget forbids it for now. DELETED: with grace 0. */
enum evict_result { EVICT_EVICTED, EVICT_PDB, EVICT_GONE, EVICT_FAILED, EVICT_DELETED, EVICT_RESULTS };
extern const char *const evict_result_names[];	/* NULL at the end */

struct evict;

struct evict_settings {
	int64_t per_minute, per_hour;
	const char *namespace_, *lease;	/* of the election: where the record is (ledger.h) */
	bool (*may_send)(void *arg);	/* asked right before each request goes out */
	void *arg;
};

/* `stats` may be NULL. */
struct evict *evict_new(struct kube *k, struct limit *limit, struct metrics *stats, const struct evict_settings *settings);
void evict_free(struct evict *e);			/* NULL is fine */
void evict_set_rates(struct evict *e, int64_t per_minute, int64_t per_hour);

void evict_begin(struct evict *e);
struct evict_wish {
	bool first;			/* before all that are not */
	bool may_delete;		/* with grace 0, once its grace period is over */
};
void evict_want(struct evict *e, const struct pod *pod, const struct evict_wish *wish, int64_t mono_ms);
void evict_end(struct evict *e);

/* Sends what is due. Returns milliseconds until it is needed again, at most `most`. */
int64_t evict_tick(struct evict *e, int64_t mono_ms, int64_t most);
size_t evict_waiting(const struct evict *e);		/* wanted, and not seen terminating */
double evict_left(struct evict *e, int64_t mono_ms);	/* of the budget of the hour; NaN: its record was not read yet */

#endif
