/*
 * herd.h - a burst of HERD_PODS pods on HERD_NODES nodes, n-0 and so on, that are equally far from everything and have nearly the same load.
 *
 *	herd_publish(&s, calm);			the latency file: cpu 0.30 +- 0.01, of n-0 `calm`
 *	herd_pod(i, scheduler)			POSTed to HERD_PATH: every second one asks for no CPU; the caller frees
 *	herd_most(&s)				the largest number of pods on one node
 */
#ifndef TESTS_HERD_H
#define TESTS_HERD_H

#include "tests/testing/sched.h"

#define HERD_NODES 20
#define HERD_PODS 200
#define HERD_MOST (2 * HERD_PODS / HERD_NODES)	/* twice the mean */
#define HERD_PATH "/api/v1/namespaces/default/pods"

void herd_publish(struct sched *s, double calm);
char *herd_pod(int i, const char *scheduler);
/* Fails the test when not all pods are on nodes within limit_ms. */
int herd_most(struct sched *s, int limit_ms);

#endif
