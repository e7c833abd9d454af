/*
 * taints.h - whether a pod tolerates taints, for the filters and scores that ask.
 */
#ifndef SCHED_FILTER_TAINTS_H
#define SCHED_FILTER_TAINTS_H

#include <stdbool.h>

#include "sched/cache/node.h"
#include "sched/cache/pod.h"

bool pod_tolerates(const struct pod *pod, const struct taint *taint);
bool pod_tolerates_node(const struct pod *pod, const struct node *node);	/* all its taints but PreferNoSchedule */

#endif
