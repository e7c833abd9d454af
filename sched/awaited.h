/*
 * awaited.h - a pod that comes to a node is what others waited for: those that were refused because nobody matched their target are looked at
 * again at once, whatever their back-off is. So a chain of pods that wait for each other is placed one after the other without pause, in
 * whatever order they came.
 *
 * A pod is only hurried after a look that found its target missing, so that pods which come and go cannot have the same one looked at all the time.
 */
#ifndef SCHED_AWAITED_H
#define SCHED_AWAITED_H

#include "sched/cache/cache.h"
#include "sched/queue.h"

/* `pod` is on a node now (or assumed there), or has other labels. Costs nothing while nobody waits for a target, else a look at each that does. */
void awaited_came(struct queue *q, const struct cache *c, const struct pod *pod, int64_t mono_ms);

#endif
