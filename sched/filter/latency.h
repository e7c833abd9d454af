/*
 * latency.h - what the filters of limits (latency.c, max_latency.c) share: one limit over all nodes, and the words of its refusals.
 */
#ifndef SCHED_FILTER_LATENCY_H
#define SCHED_FILTER_LATENCY_H

#include "sched/filter/filter.h"
#include "sched/target.h"

#define LATENCY_EXCEEDED "node(s) exceeded the latency limit to "	/* the target follows */
#define LATENCY_NO_DATA "node(s) had no latency data to "

struct latency_limit {
	float limit_us;			/* of the plain median; this much passes */
	bool allow;			/* a node without data passes */
	uint8_t exceeded, no_data;	/* the details of refusals */
};

/* Refuses, as the running filter, the feasible nodes that are too far from `target`, which is not missing. */
void latency_check(struct cycle *c, const struct resolved *target, const struct latency_limit *limit);
/* In a prefilter: the pod is refused whole, with this reason. */
enum filter_start latency_refuse_pod(struct cycle *c, const struct buf *text);

#endif
