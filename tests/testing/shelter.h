/*
 * shelter.h - the reserve under test: a stand-in API server whose pods have owners, a node that dies, tenants of another scheduler that want every bit of
 * room, and a judge who looks at each moment of it afterwards.
 *
 *	struct shelter h;
 *	shelter_begin(&h, "a b c");			4 cpu, 8Gi each; a matrix in which all are near
 *	shelter_pod(&h, "web-0", "web", "a", 600);	of a ReplicaSet, with a limit to node a, opted in
 *	sched_start(&h.s, h.options);
 *	shelter_whole(&h);				waits until each such pod has its room
 *	shelter_kill(&h, "a");				its pods go, and come anew without a node
 *	...
 *	shelter_judge(&h, from, until, 400);
 *	shelter_end(&h);
 *
 * The test is the controller, the node controller and the tenants' scheduler, which honours requests, taints and required anti-affinity to all pods.
 */
#ifndef TESTS_SHELTER_H
#define TESTS_SHELTER_H

#include "tests/testing/sched.h"

#define SHELTER_NAMESPACE "latency"	/* of placeholders and guards */
#define SHELTER_CPU 4000		/* of each node */

struct shelter {
	struct sched s;
	const char *options[8];
	char *config;
	int made, tenants;		/* pods so far, for names */
	cJSON *origin;			/* the list of pods that the judge begins with */
};

void shelter_begin(struct shelter *h, const char *nodes);
void shelter_end(struct shelter *h);
/* Starts the scheduler; its pods are on nodes and have their rooms. */
void shelter_work(struct shelter *h);
void shelter_finish(struct shelter *h);			/* SIGTERM, after which the scheduler must end with 0; shelter_end */

/* `label`: of latency-mesh.io/reserve; "": none. */
void shelter_pod_of(struct shelter *h, const char *name, const char *owner, const char *near, int cpu_milli, const char *label);
void shelter_pod(struct shelter *h, const char *name, const char *owner, const char *near, int cpu_milli);
/* Taints the node unreachable; deletes its pods at once and makes new ones of the same owners, which are called NAME-again. How many. */
int shelter_kill(struct shelter *h, const char *node);
void shelter_revive(struct shelter *h, const char *node);
/* Makes tenants of that size wherever they fit, as another scheduler would see it. How many. */
int shelter_fill(struct shelter *h, int cpu_milli);

/* The whole picture: each pod that opted in is on a node and is covered, the rooms hold what the annotations promise, no guard is there. NULL: so it is. */
const char *shelter_flaw(struct shelter *h);
void shelter_whole(struct shelter *h);			/* waits for that at most 40 s; fails the test with what is wrong */
/* Sum of what the placeholders of a node ask for; how many there are. */
int shelter_room(struct shelter *h, const char *node, int *placeholders);
/* Where a pod's room is; "" when it has none. Valid until the next call. */
const char *shelter_refuge(struct shelter *h, const char *pod);
int shelter_guards(struct shelter *h);
/* The resourceVersion that a list of pods has now. */
int64_t shelter_version(struct shelter *h);
/* The judge begins here: what was before has been judged. */
void shelter_mark(struct shelter *h);
/* Waits until all pods are on nodes. */
void shelter_placed(struct shelter *h);
/* The node with most pods that opted in. Valid until the next call. */
const char *shelter_busiest(struct shelter *h);
/* Merges into a pod's metadata: "{\"labels\":{..}}". */
void shelter_edit(struct shelter *h, const char *pod, const char *metadata);

/*
 * Plays all that happened to pods again. After each event: no node has more than it can (requests and number), and between the versions `from` and `until` a
 * node that is not in `except` ("a") has no room for a tenant of that size, or a guard. Also: no pod was ever on two nodes.
 */
void shelter_judge(struct shelter *h, int64_t from, int64_t until, int tenant_milli, const char *except);

#endif
