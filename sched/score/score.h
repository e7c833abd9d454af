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
	bool ours;				/* of latency or load: what an extender's request is ranked by */
	/*
	 * Fills out[node] for the feasible nodes with 0..100 (normalized). False: the term drops, for all nodes. */
	bool (*score)(struct cycle *c, float *out);
	bool (*has_say)(struct cycle *c);	/* what `score` would return, for less. NULL: a say of this one is not asked about (decision.has_say) */
};

extern const struct score *const score_table[SCORE_COUNT];

/* For scores in whole points, as kube-scheduler's are; by node, what is refused does not matter. */

/* raw becomes 100 x raw / the most of the feasible nodes, or 100 less that. None below 0. */
void score_by_most(const struct cycle *c, int64_t *raw, bool fewer_is_better);
/* False when all feasible nodes have the same: then there is nothing to say, and other terms shall not weigh less for it. */
bool score_write(const struct cycle *c, const int64_t *raw, float *out);

#endif
