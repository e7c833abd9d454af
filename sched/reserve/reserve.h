/*
 * reserve.h - room for the pods of a node that fails, as the scheduler's loop sees it.
 *
 *	plan (every few seconds, when something changed) --> placeholders follow it (one state machine a node, below)
 *	a pod that replaces a covered one --> reserve_refuge: its node is opened; then it is decided on there alone, placeholders and guard not counted
 *
 *	          covers changed: PATCH                        all came, or nobody for RESERVE_OPEN_MS
 *	 STEADY <------------------- STEADY    EMPTY(all DELETE'd) --------------------------+
 *	   |  room grows: POST placeholder       ^                                           v
 *	   |                                     | each DELETE by uid, grace 0          REFILLING: POST what the newest plan wants
 *	   |  a pod has a right, or              |                                           |
 *	   +--room shrinks--> GUARDING --201--> EMPTYING                   STEADY <--- DELETE guard
 *	                      (POST guard)
 *
 * While something is on its way for a node, our own decisions see it as closed (reserve_closed); what the server has created is put into the cache
 * as it answers, so that no decision in between gives the room away. Other schedulers are kept off by the placeholders, and by the guard in between.
 *
 * Rights. A pending pod has a right to a refuge when a cover names its owner, the covered pod is gone, ending or ended, and its node has failed: it is
 * gone, or tainted unreachable, not ready or out of service, or reserve_node_failed said so. One cover is good for one pod; it is owed for RESERVE_OWED_MS
 * after its pod was last seen. A pod that went from a node that lives is decided on as always first, which is better for it and costs no handover; when
 * no node takes its replacement, that has the right too (reserve_refused).
 *
 * What is promised lives in the cluster alone (who.h): a new process reads it from placeholders and guards, and goes on where the old one stopped.
 * A guard without a process ends: the next leader takes it up; its room is the last thing that a crash can lose.
 *
 * Nothing here decides. One thread; acts only while leading.
 */
#ifndef SCHED_RESERVE_RESERVE_H
#define SCHED_RESERVE_RESERVE_H

#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/events.h"
#include "sched/limit.h"
#include "sched/reserve/plan.h"
#include "sched/settings.h"

#define RESERVE_PLAN_MS 2000		/* from one plan to the next at least, or five times what the last one took */
#define RESERVE_OPEN_MS 30000		/* an open node is closed so long after the last pod came */
#define RESERVE_OWED_MS 300000

struct reserve;

struct reserve_hooks {
	/* Room was opened, closed or changed: who waits may be looked at again (WAKE_RESERVE, and what the cache says). */
	void (*wake)(void *arg, unsigned bits);
	bool (*acts)(void *arg);	/* leads at this moment */
	void *arg;
};

/*
 * NULL when settings->reserve is not enabled: everything below is fine with that. `namespace_` holds where the settings name none; NULL: default.
 * Before the cache has its first pod.
 */
struct reserve *reserve_new(struct kube *k, struct cache *cache, const struct settings *settings, const char *namespace_, struct limit *limit,
			    struct events *events, struct metrics *stats, const struct reserve_hooks *hooks);
void reserve_free(struct reserve *r);			/* before the client */
void reserve_set_settings(struct reserve *r, const struct settings *settings);

/* Plans, creates, deletes, as is due. Call each turn while everything is listed. Returns milliseconds until it is needed again, at most `most`. */
int64_t reserve_tick(struct reserve *r, const struct mesh *mesh, int64_t mono_ms, int64_t most);
int reserve_fd(const struct reserve *r);		/* readable: reserve_tick. -1: none */
size_t reserve_open(const struct reserve *r);		/* requests in flight */
/* A watch showed a pod, of whomever, or its end; after the cache took it. */
void reserve_seen(struct reserve *r, const char *uid);
/* Something changed that a plan looks at: nodes, pods, the matrix. */
void reserve_changed(struct reserve *r);
/* Is this pod covered now? Is it a placeholder or a guard? */
bool reserve_covers(const struct reserve *r, const char *uid);
bool reserve_keeps(const struct reserve *r, const struct pod *pod);
/* For decision_input.closed; NULL: none is closed. Valid until the next call of this module or change of the cache. */
const bool *reserve_closed(struct reserve *r, const struct view *view);

enum reserve_answer {
	RESERVE_NO_RIGHT,		/* decide as always */
	RESERVE_WAIT,			/* its room is being opened: park it, WAKE_RESERVE comes */
	RESERVE_GO,			/* decide with reserve_enter */
};
enum reserve_answer reserve_refuge(struct reserve *r, const struct pod *pod, int64_t mono_ms);
/*
 * No node takes it. True: it has a right all the same; decide with reserve_enter whether it would fit there, were that empty, and say so with reserve_leave:
 * then its room is opened, and it is to be parked for WAKE_RESERVE. Nobody's room is opened for who does not fit, as who makes pods could close nodes so.
 */
bool reserve_refused(struct reserve *r, const struct pod *pod, int64_t mono_ms);
/*
 * Around the decision on a pod that may go: lifts placeholders and guard off its refuge in the cache, and says what is closed (all but the refuge).
 * reserve_leave puts them back. `placed`: it goes there, the cover is used up when its binding is bound (reserve_seen). Not placed: its right ends, as it
 * does not hold, and the pod is decided on as always.
 */
const bool *reserve_enter(struct reserve *r, const struct pod *pod);
void reserve_leave(struct reserve *r, const struct pod *pod, bool placed);

/* Healing knows that this node is dead, before Kubernetes says so: its covers are owed, and the refuges are opened at once. */
void reserve_node_failed(struct reserve *r, const char *node);
/* It hears of the node again. Else that would be known by the end of Kubernetes' taint, and where there was none after RESERVE_OWED_MS. */
void reserve_node_back(struct reserve *r, const char *node);

/* JSON for people and programs: covers, uncovered with reasons, rooms, overhead. Any thread. */
void reserve_print(struct reserve *r, struct buf *out);

#endif
