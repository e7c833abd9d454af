/*
 * pick.h - from scores to one node: the total, and who wins within a point of the best.
 */
#ifndef SCHED_PICK_H
#define SCHED_PICK_H

#include "sched/filter/filter.h"

#define TIE_POINTS 1.0f

/*
 * total = sum(weight x score) / sum(weights of the terms present) - points off, clamped to 0..100; 0 when no term is left. Sets out->total,
 * node and runner_up. At least one node is feasible. Of an
 * extender's request only the total.
 */
void pick(struct cycle *c, const double *weights, struct decision *out);

#endif
