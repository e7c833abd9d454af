/*
 * tell.h - tells users whether room is kept for their pods, by an event on the pod: Covered, "room on edge-2 if edge-1 fails", or Uncovered with the
 * reason. Once for each change that lasts, never a flood:
 *
 *	it is so for TELL_COVERED_MS, or TELL_UNCOVERED_MS: a plan, and the room that is made for it, take a moment, and what passes is no news;
 *	after what was told last TELL_GAP_MS went by, or TELL_REASON_MS when only the reason is another one ("1 Insufficient cpu" now, "2" then);
 *	TELL_A_SECOND at most of all pods, TELL_AT_ONCE after a pause. What has to wait is told as it is then.
 *
 * A new process knows nothing of what was told. What is covered at its first look was so before, and is taken as told; of what is uncovered the event has
 * the same name as that of the process before, so that the API server keeps one (for an hour, its default).
 *
 * A pod that is owed a room is told nothing, nor one that ends. One thread.
 */
#ifndef SCHED_RESERVE_TELL_H
#define SCHED_RESERVE_TELL_H

#include "sched/events.h"
#include "sched/reserve/board.h"

#define TELL_COVERED_MS 5000
#define TELL_UNCOVERED_MS 60000
#define TELL_GAP_MS 60000
#define TELL_REASON_MS (10 * 60000)
#define TELL_A_SECOND 5
#define TELL_AT_ONCE 20

struct tell;

struct tell *tell_new(struct events *e, const struct cache *cache);
void tell_free(struct tell *t);				/* NULL is fine */
/* While leading: when something changed, and when it is due. Returns milliseconds until then, at most `most`. */
int64_t tell_now(struct tell *t, const struct standing *s, int64_t mono_ms, int64_t most);

#endif
