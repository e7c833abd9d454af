/*
 * pick.h - from scores to one node: the total, and who wins within a point of the best.
 */
#ifndef SCHED_PICK_H
#define SCHED_PICK_H

#include "sched/filter/filter.h"

#define TIE_POINTS 1.0f

/*
 * total = sum(weight x score) / sum(weights of the terms present) - points off, clamped to 0..100; 0 when no term is left. At least one node is
 * feasible. Sets out->total, node and runner_up; of an extender's request the total, and the node where one is to be chosen.
 *
 * Of the nodes within TIE_POINTS of the best that one is taken which has the fewest pods of the same owner, then the most free, then the least load
 * that is only expected (what is beside the view counts for all three); then a hash of the pod and the node says. A guest of
 * the view has no pods and less free than any other.
 *
 * The cloud: a pod that asks for no latency (no near, no limit; what the configuration gives it by default does not count) goes to a node of the
 * cloud where one is feasible, whatever the totals say: all of the above holds among those nodes then, and totals stay as they are. Needs
 * out->cloud_nodes; sets out->cloud.
 */
void pick(struct cycle *c, const double *weights, struct decision *out);

#endif
