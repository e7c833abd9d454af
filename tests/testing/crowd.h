/*
 * crowd.h - random nodes and pods, many of them, as JSON: taints, cordons, node selectors, affinity, host ports, delay_ limits, near, init
 * containers, priorities.
 *
 *	struct crowd c = {.rng = rng_make(test_seed()), .nodes = 200, .size = 1};
 *	char *node = crowd_node(&c, 0), *pod = crowd_pod(&c, &(struct crowd_kind){"pod", "my-latency-scheduler", CROWD_ANY}, 0);
 *
 * Random, and yet each pod has a place whatever went where before, for 5 pods a node at size 1: the nodes that any one request leaves open hold
 * more than all pods together ask for. Pods herd in the middle of the row all the same, so that nodes do fill up.
 */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include "tests/testing/testing.h"

#define CROWD_ANY -1
#define CROWD_CLASSES 3		/* PriorityClasses crowd-0 .. with the values 0, 1, 2 */

struct crowd {
	struct rng rng;
	int nodes;		/* node-0 .., in five zones; even ones have the label half=0, odd ones half=1 */
	int size;		/* of a node: 1 is 4 to 16 cpu with 2 GiB each, and 12 to 23 pods; n is n times that */
	bool classes;		/* priorities by PriorityClass, as a real API server wants it; else as numbers */
};

struct crowd_kind {
	const char *prefix;	/* of the names */
	const char *scheduler;
	int half;		/* of the nodes: 0 or 1; CROWD_ANY: the pods do not care */
};

/* Bodies for a POST; the caller frees. */
char *crowd_node(struct crowd *c, int i);
char *crowd_pod(struct crowd *c, const struct crowd_kind *kind, int i);

/* Nodes stand in a row; the farther, the slower. NaN for what is no node of the crowd. */
double crowd_rtt_us(void *unused, const char *from, const char *to);
/* Writes crowd_rtt_us as a file that the merger could have written. */
void crowd_write_matrix(const struct crowd *c, const char *path);

#endif
