/*
 * profile.h - what the configuration says about decisions: weights, defaults and switches, one set for each scheduler name.
 */
#ifndef SCHED_PROFILE_H
#define SCHED_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/ask.h"

/* Index of a score term; the table in score/score.c has the same order. */
enum score_id { SCORE_LATENCY, SCORE_CPU, SCORE_FREE, SCORE_COUNT };

struct profile {
	const char *scheduler_name;
	double weight_asking[SCORE_COUNT];	/* of a pod with near or a limit: latency 0.7, cpu 0.3, free 0 */
	double weight_plain[SCORE_COUNT];	/* of any other: latency 0.5, free 0.3, cpu 0.2 */
	struct ask default_near;		/* for a pod that asks nothing: mesh */
	const char **default_clients;		/* for hard_max_latency and soft_max_latency */
	uint32_t default_client_count;
	bool strict_cpu;			/* refuse a full node even when there is no other, and whatever the age */
	bool refuse_latency, refuse_cpu;	/* our own refusals can be switched off (both default true) */
};

/* The defaults above. profile_free frees default_near and default_clients' array. */
void profile_init(struct profile *p, const char *scheduler_name);
void profile_free(struct profile *p);

#endif
