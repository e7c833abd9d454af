/*
 * spread.h - what PodTopologySpread's filter and its score count alike.
 */
#ifndef SCHED_FILTER_SPREAD_H
#define SCHED_FILTER_SPREAD_H

#include "sched/filter/filter.h"

/*
 * By node: the pods there that the constraint counts. They match its selector, are in the pod's namespace and not terminating; an empty selector,
 * which matches every pod, counts none, as in kube-scheduler. Memory of the cycle.
 */
uint32_t *spread_pods(struct cycle *c, const struct spread *s);
/* By node: it has the label of each of the pod's hard constraints, or of each other one; else it counts for none of them. Memory of the cycle. */
const bool *spread_labelled(struct cycle *c, bool hard);
/* nodeAffinityPolicy and nodeTaintsPolicy: does the node count? */
bool spread_includes(const struct cycle *c, const struct spread *s, uint32_t node);

#endif
