/*
 * score.h - a score term ranks the feasible nodes: 0 worst, 100 best. One file each, one line in score_table (score.c); the order is that of
 * enum score_id (profile.h), which names its weight.
 *
 * To add one: sched/score/NAME.c with a `const struct score score_NAME`, an id in profile.h, a line in the table and a default weight.
 */
#ifndef SCHED_SCORE_SCORE_H
#define SCHED_SCORE_SCORE_H

#include "sched/filter/filter.h"

struct score {
	const char *name;			/* "latency" */
	/*
	 * Fills out[node] for the feasible nodes with 0..100 (normalized). False: the term drops, for all nodes. */
	bool (*score)(struct cycle *c, float *out);
};

extern const struct score *const score_table[SCORE_COUNT];

#endif
