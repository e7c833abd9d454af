/*
 * gauges.h - the metrics that tell how things stand, taken from who knows. Called by the scheduling thread each turn.
 */
#ifndef SCHED_GAUGES_H
#define SCHED_GAUGES_H

#include "lib/metrics.h"
#include "sched/bind.h"
#include "sched/events.h"
#include "sched/feed.h"
#include "sched/queue.h"
#include "sched/volumes.h"

struct gauges {
	struct metrics *stats;
	const struct queue *queue;
	struct cache *cache;
	const struct binder *binder;
	const struct volumes *volumes;
	const struct events *events;
	const struct feed *feed;
	int64_t ages_mono_ms;		/* private: when the ages were set last */
};

void gauges_set(struct gauges *g, int64_t mono_ms);

#endif
