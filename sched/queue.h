/*
 * queue.h - the pods that wait for a node, and when each is looked at again.
 *
 *	            put (new, or changed by its user)
 *	                 |
 *	                 v           take                  done (bound, or gone)
 *	   +---------> ready --------------------> taken -----------------------> removed
 *	   |             ^                           |
 *	   | due         | woken, back-off over      | refused (no node fits)      failed (the binding was refused)
 *	   |             |                           v                                |
 *	 backing off <-- parked until an event that may help, at most 5 minutes       |
 *	   ^-------------------------------------------------------------------------+
 *
 * Ready pods: higher priority first, then who waits longer. Back-off: 1 s after the first attempt, doubling to 10 s; it begins
 * at the attempt, not at the wake-up, so a pod that was parked for long is ready at once. It starts anew when its user changes
 * the pod. News that are rare and mean much (WAKE_RARE: of a node, a namespace, the matrix) make it end 1 s after the attempt for those who
 * wait for them: pods that come and go all the time cannot keep a pod from a new node for 10 s. A target that was missing ends it at once (awaited.h).
 *
 * The queue knows uids only. Times are CLOCK_BOOTTIME milliseconds that the caller gives. Not thread-safe.
 */
#ifndef SCHED_QUEUE_H
#define SCHED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_BACKOFF_MS 1000
#define QUEUE_BACKOFF_MAX_MS 10000
#define QUEUE_PARKED_MAX_MS 300000

enum queue_state { QUEUE_READY, QUEUE_BACKING_OFF, QUEUE_PARKED, QUEUE_TAKEN, QUEUE_STATES };
extern const char *const queue_state_names[];		/* NULL at the end */

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue *q);

/*
 * A pending pod of ours. `version` stands for what its user asks (spec, labels, annotations): when it differs from the last one
 * the pod is ready at once and its back-off starts anew; else nothing happens. A taken pod stays taken, and is ready at once if
 * it comes back.
 */
void queue_put(struct queue *q, const char *uid, int32_t priority, uint64_t version, int64_t mono_ms);
void queue_remove(struct queue *q, const char *uid);			/* in any state; unknown is fine */
/* The next ready pod becomes taken; NULL when there is none. The string lives until queue_remove. */
const char *queue_take(struct queue *q, int64_t mono_ms);
/* No node fits: it waits for one of the `wake` bits (cache.h). */
void queue_refused(struct queue *q, const char *uid, unsigned wake, int64_t mono_ms);
/* It was not tried, as something has to be ready first: the same without a back-off, so that it is ready at once when one of the bits comes. */
void queue_put_off(struct queue *q, const char *uid, unsigned wake, int64_t mono_ms);
/* The attempt failed for another reason: tried again after the back-off. */
void queue_failed(struct queue *q, const char *uid, int64_t mono_ms);
/* Something of `bits` (cache.h) happened. Returns how many pods left the parking place. */
size_t queue_wake(struct queue *q, unsigned bits, int64_t mono_ms);
/*
 * The target came of some of those that wait for WAKE_TARGET: they are ready at once, whatever their back-off is. `helps` says of which; it must not change the
 * queue. Returns how many.
 */
size_t queue_wake_target(struct queue *q, bool (*helps)(void *arg, const char *uid), void *arg, int64_t mono_ms);
/* Milliseconds until a pod is ready: 0 now, at most `most`. */
int64_t queue_next_ms(struct queue *q, int64_t mono_ms, int64_t most);
size_t queue_count(const struct queue *q, enum queue_state state);
/* Since when it waits; -1 unknown. */
int64_t queue_since_ms(const struct queue *q, const char *uid);
int64_t queue_oldest_ms(const struct queue *q);		/* of all pods that wait; -1: none does */

#endif
