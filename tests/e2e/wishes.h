/*
 * wishes.h - random nodes, a matrix file, and pods that ask for latency, for a kube-scheduler that asks our extender; and plain arithmetic over the
 * same numbers, which says where each pod may go and which node is best. It shares no code with the decision.
 *
 *	wishes_model(&w, &rng);
 *	wishes_cluster(&s, &w);			nodes n-00.., whose order is that of their names, and pods with app=redis on some
 *	wishes_publish(&s, &w);			the file, under hold
 *	wishes_ask(&wish[i], &w, &rng);		for each pod
 *	e2e_all(&s, "POST", count, wishes_pod, wish);	p-0..
 *
 * Nodes have room for all pods, but those of 1Gi of memory not for one that wants 2Gi: so where a pod may go does not depend on the others.
 */
#ifndef TESTS_E2E_WISHES_H
#define TESTS_E2E_WISHES_H

#include "tests/e2e/e2e.h"

#define WISHES_NAME "latency-kube-scheduler"
#define WISHES_NODES 20

struct wishes {
	int generation;					/* of the file */
	bool tainted[WISHES_NODES], small[WISHES_NODES], ssd[WISHES_NODES];
	int redis[WISHES_NODES];			/* pods with app=redis */
	double sent[WISHES_NODES][WISHES_NODES];		/* us as the file has it, from and to; NaN unknown */
	double milan[WISHES_NODES], cpu[WISHES_NODES];
};

struct item {
	char text[32];			/* the target in an annotation */
	char called[96];		/* the same in a message */
	bool any, milan;
	double legs[WISHES_NODES];		/* by node: how much it counts, 0 not at all */
	double limit_us, weight;
};

struct wish {
	const char *scheduler;		/* WISHES_NAME, until one sets another */
	bool tolerant, big, ssd, allow, label;	/* label: the one limit is a label delay_ */
	struct item within[2], near[2];
	int within_count, near_count;
};

void wishes_model(struct wishes *m, struct rng *rng);
/* The next generation: the same nodes, other ways between them. Load stays, for whether a CPU is full depends on what it was before. */
void wishes_move(struct wishes *m, struct rng *rng);
void wishes_cluster(struct sched *s, const struct wishes *m);
void wishes_publish(struct sched *s, const struct wishes *m);
void wishes_ask(struct wish *a, const struct wishes *m, struct rng *rng);
void wishes_pod(void *wishes, int i, char **path, char **body);		/* e2e_make; an array of struct wish */

/* By kube-scheduler's rules: taints, selector, resources. */
bool wishes_fits(const struct wishes *m, const struct wish *a, int node);
/* Which limit refuses the node, and the words before the target's name; NULL: none. */
const char *wishes_refusal(const struct wishes *m, const struct wish *a, int node, int *item);
/* Where the pod may go by all rules; how many those are. */
int wishes_feasible(const struct wishes *m, const struct wish *a, bool feasible[WISHES_NODES]);
/* 0..10 before rounding, by latency and load; false: nothing to say. */
bool wishes_rank(const struct wishes *m, const struct wish *a, const bool feasible[WISHES_NODES], double points[WISHES_NODES]);

#endif
