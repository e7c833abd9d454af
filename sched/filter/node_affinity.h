/*
 * node_affinity.h - spec.nodeSelector and the required node affinity, for those who ask beside the filter.
 */
#ifndef SCHED_FILTER_NODE_AFFINITY_H
#define SCHED_FILTER_NODE_AFFINITY_H

#include <stdbool.h>

#include "sched/cache/node.h"
#include "sched/cache/pod.h"

bool pod_selects_node(const struct pod *pod, const struct node *node);

#endif
