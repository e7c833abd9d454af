/*
 * scheduler_private.h - the scheduler's own state, and one turn of decisions. Private to scheduler.c (start, loop, signals, end) and scheduler_cycle.c
 * (a pod from the queue to its binding, and what becomes of that).
 */
#ifndef SCHED_SCHEDULER_PRIVATE_H
#define SCHED_SCHEDULER_PRIVATE_H

#include "sched/bind.h"
#include "sched/conffile.h"
#include "sched/decide.h"
#include "sched/dump.h"
#include "sched/events.h"
#include "sched/feed.h"
#include "sched/gauges.h"
#include "sched/heal/heal.h"
#include "sched/intake.h"
#include "sched/leader.h"
#include "sched/limit.h"
#include "sched/queue.h"
#include "sched/reserve/reserve.h"
#include "sched/settings.h"
#include "sched/status.h"
#include "sched/volumes.h"

struct scheduler {
	struct settings *settings;
	int argc;
	char **argv;
	int signals;			/* signalfd */
	struct metrics *stats;
	struct status status;
	struct conffile conffile;
	struct gauges gauges;
	struct kube *kube;
	struct leader *leader;		/* NULL: no election */
	struct limit limit;
	struct cache *cache;
	struct queue *queue;
	struct feed *feed;
	struct binder *binder;
	struct volumes *volumes;	/* of pods that are assumed and not sent to the binder yet */
	struct events *events;
	struct reserve *reserve;	/* NULL: not enabled; so is the next */
	struct heal *heal;
	struct intake *intake;
	struct decider *decider;
	struct archive *archive;	/* NULL without --dump */
	struct dumper *dumper;		/* NULL without --dump */
	int64_t drain_until_ms;		/* 0: not draining */
	int64_t flush_until_ms;		/* 0: bindings are open */
};

/* A binding holds its place in flight until its Scheduled event was answered: no more of them than --bindings are lost with this process. */
bool scheduler_binds_more(const struct scheduler *s, int64_t mono_ms);
/* Decides on pods that are ready, a few, so that the API is looked at in between. */
void scheduler_decide(struct scheduler *s);
/* bind_ended of the binder, and ended and may_bind of the volumes. */
void scheduler_bind_ended(void *arg, const struct binding *b, enum bind_end end);
void scheduler_volumes_ended(void *arg, const struct volumes_pod *p, enum volumes_end end);
bool scheduler_may_bind(void *arg);

#endif
