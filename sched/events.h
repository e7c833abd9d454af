/*
 * events.h - what a user sees of a decision: Event objects and the condition PodScheduled, in kube-scheduler's words.
 *
 * Fire and forget (outbox.h): nothing here can fail a binding, or delay it beyond OUTBOX_PROMPT_MS.
 *
 * Scheduled: its name follows from the pod's uid and node, so that a repeated request makes no second event. It goes out at once, before all
 * others: who begins bindings holds back by events_pressing, so that a crash costs no more events than bindings may be in flight.
 * FailedScheduling: an equal one of the same pod within 6 minutes belongs to a series, whose count is patched at most every 3
 * minutes. Condition: patched only when reason or message differ from what the server has. The body is made when it is sent,
 * with the pod's uid and resourceVersion, so that it can never overtake a binding.
 * Covered, Uncovered: who calls sees to it that they are few.
 */
#ifndef SCHED_EVENTS_H
#define SCHED_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/cache/cache.h"
#include "sched/limit.h"

#define EVENTS_SERIES_MS (6 * 60000)
#define EVENTS_SERIES_PATCH_MS (3 * 60000)
#define EVENTS_SERIES_MAX 2000		/* remembered; the oldest goes */
#define EVENTS_NOTE_MAX 1024		/* the API's limit; longer ones are cut */
#define EVENTS_CONDITION_MAX 32768	/* of a condition's message (metav1.Condition); longer ones are cut */

struct events;

struct events *events_new(struct kube *k, struct cache *cache, struct limit *limit);
void events_free(struct events *e);			/* drops what is not sent; NULL is fine */

/* Normal, reason Scheduled, action Binding. */
void events_scheduled(struct events *e, const char *scheduler, const char *namespace_, const char *pod, const char *uid,
		      const char *node, const char *note);
/* Warning, reason FailedScheduling, action Scheduling. False: an equal one was sent a moment ago, this one only counts. */
bool events_failed(struct events *e, const struct pod *pod, const char *note, int64_t mono_ms);
/*
 * Is room kept for this pod on another node (reserve/tell.h)? Normal, reason Covered, or Warning, reason Uncovered; action Reserving. `again`: the pod was told
 * something else before, so this is news even in the same words; else an equal one that the server has still stays the only one.
 */
void events_cover(struct events *e, const struct pod *pod, bool covered, const char *note, bool again);
/* Of a node, in the namespace `default` as the API has it for what belongs to none. */
struct node_event {
	const char *node, *uid;
	const char *type, *reason, *action, *note;	/* "Warning", "NodeDead", "Evicting", "..." */
};
void events_of_node(struct events *e, const struct node_event *event);
/* PodScheduled=False. `reason`: "Unschedulable" (no node fits) or "SchedulerError". */
void events_condition(struct events *e, const struct pod *pod, const char *reason, const char *message);

void events_set_flight(struct events *e, size_t flight);	/* of Scheduled events at a time */
/* Scheduled events on their way for the first time; 0 when the server takes too long for them (outbox_prompt). */
size_t events_pressing(const struct events *e, int64_t mono_ms);
/* Sends what is due. Returns milliseconds until it is needed again, at most `most`. */
int64_t events_tick(struct events *e, int64_t mono_ms, int64_t most);
void events_hurry(struct events *e);			/* before the end: what waits for its next try is sent now */
size_t events_open(const struct events *e);		/* waiting and in flight */
int64_t events_sent(const struct events *e);		/* events and conditions */
int64_t events_dropped(const struct events *e);

#endif
