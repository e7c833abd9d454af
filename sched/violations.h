/*
 * violations.h - the latency limits that pods on nodes violate now. Nothing here evicts: a limit is looked at when a pod is placed, and latencies change.
 *
 * Each limit is looked at by a decision (decide.h) on the pod with that limit alone, where it is: so the rule and the words are the filters'. What
 * counts are limits of the pod's own (`within`, delay_ labels, hard_max_latency) and maxLatency of the configuration.
 */
#ifndef SCHED_VIOLATIONS_H
#define SCHED_VIOLATIONS_H

#include "sched/decide.h"

struct violation {
	const struct pod *pod;		/* of the cache */
	const char *node;		/* of the cache: where it is */
	char *target;			/* "app=redis" */
	char *reason;			/* of the filter: "node(s) exceeded the latency limit to app=redis" */
	double limit_us;
	double now_us;			/* of several pods of the target the farthest; NaN unknown */
};

struct violations {
	struct violation *items;	/* by namespace and name of the pod, then in the order of its limits */
	size_t count, room;
};

/* `in` has view, mesh and mono_ms. `profile`: by which a pod is decided on; NULL: it is not ours, and is passed over. */
void violations_find(struct decider *d, const struct decision_input *in, const struct profile *(*profile)(const void *arg, const struct pod *pod),
		     const void *arg, struct violations *out);
void violations_free(struct violations *v);	/* and makes it {0} */
#define auto_violations __attribute__((cleanup(violations_free)))

#endif
