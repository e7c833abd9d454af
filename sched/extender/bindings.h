/*
 * bindings.h - what a kube-scheduler asks of /bind: the extender makes the Binding itself, by the binder of the other mode (bind.h, with its table of
 * outcomes), and answers the desk's job when it is known what became of it.
 *
 *	bindings_take(b, job) --> waits for a place in flight --> POST ... --> bound, lost or failed --> the job is answered
 *	                             |                              |
 *	                             +-- no place in time:          +-- the time of the job is over (desk.h tells that): no further Binding goes
 *	                                 not sent, answered             out, for kube-scheduler may choose another node now; what became of those
 *	                                                                that did is found out, and logged
 *
 * A pod counts on its node from the moment that it is taken (cache_assume, in place of its pledge), so that the next decision has its load, until the watch
 * shows it there; where it was not bound, no more. One that the cache has not seen yet counts as soon as the watch shows it.
 *
 * It tells no event of success: kube-scheduler does, as for its own bindings. One thread: the scheduling thread, inside kube_run and what is below.
 */
#ifndef SCHED_EXTENDER_BINDINGS_H
#define SCHED_EXTENDER_BINDINGS_H

#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/cache/cache.h"
#include "sched/extender/desk.h"
#include "sched/settings.h"

struct bindings;

/* All of them must outlive it. */
struct bindings *bindings_new(struct kube *k, struct cache *cache, struct judge *judge, struct desk *desk, struct metrics *stats);
/* Answers what is in hand: its outcome is unknown. Before the client goes; NULL is fine. */
void bindings_free(struct bindings *b);
/* The options bindings, qps and burst: at the start, and again when they changed. */
void bindings_set_rates(struct bindings *b, const struct settings *settings);

void bindings_take(struct bindings *b, struct desk_job *job);	/* one with desk_bind */
void bindings_seen(struct bindings *b, const char *uid);	/* feed_hooks.seen */
/* Starts what is due, sets the gauges. Returns milliseconds until it is needed again, at most `most`. */
int64_t bindings_tick(struct bindings *b, int64_t mono_ms, int64_t most);
size_t bindings_open(const struct bindings *b);			/* not ended, answered or not */

#endif
