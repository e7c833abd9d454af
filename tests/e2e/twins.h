/*
 * twins.h - pods that fit nowhere, for every reason that kube-scheduler and ours both know, each twice: NAME-ours for ours, NAME-theirs for a real
 * kube-scheduler. On the same nodes both must say the same.
 *
 *	twins_cluster(&s, &rng);		TWINS_NODES nodes n-0.. that are full, small, tainted, cordoned, and mixtures, with a pod on each
 *	twins_post(&s, &rng, 40);		the named pods and 40 random ones
 */
#ifndef TESTS_E2E_TWINS_H
#define TESTS_E2E_TWINS_H

#include "tests/e2e/e2e.h"

#define TWINS_NODES 12
#define TWINS_OURS "my-latency-scheduler"
#define TWINS_THEIRS "default-scheduler"

void twins_cluster(struct sched *s, struct rng *rng);
/* How many twins there are now: half as many pods as were made. */
int twins_post(struct sched *s, struct rng *rng, int random);
/* One that fits nowhere only because there is no node at all. */
void twins_post_plain(struct sched *s);

#endif
