/*
 * taints.h - whether a pod tolerates a taint, for the two filters that ask.
 */
#ifndef SCHED_FILTER_TAINTS_H
#define SCHED_FILTER_TAINTS_H

#include <stdbool.h>

#include "sched/cache/node.h"
#include "sched/cache/pod.h"

bool pod_tolerates(const struct pod *pod, const struct taint *taint);

#endif
