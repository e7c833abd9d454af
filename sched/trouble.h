/*
 * trouble.h - what the log says of watches that do not work: a cause once for all watches that have it, and again each minute while it lasts.
 * Resources by their names in stat_resource_names (stats.h).
 */
#ifndef SCHED_TROUBLE_H
#define SCHED_TROUBLE_H

#include <stdint.h>

#include "lib/err.h"
#include "sched/stats.h"

struct trouble {
	struct {
		char cause[512];		/* that was logged last; "": none */
		int64_t said_mono_ms;
		int64_t since_mono_ms;		/* 0: not in trouble */
		int64_t held_back;
	} of[RESOURCE_COUNT];
};

/* A list or a watch failed. */
void trouble_meet(struct trouble *t, enum stat_resource which, const struct lm_err *err, int64_t retry_in_ms);
/* It was answered at that time (kube_watch_stats); no effect when that is long ago. */
void trouble_end(struct trouble *t, enum stat_resource which, int64_t opened_mono_ms);

#endif
