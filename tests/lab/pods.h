/*
 * pods.h - pods of the laboratory, and the judge of where they are put.
 *
 * A pod states its request twice: as the text that goes to the API server, and as a list of what it means. The judge knows only
 * the second, the truth (the topology in force) and where other pods are; it shares no code with the scheduler.
 *
 * A placement is wrong when the node has no room, when a limit is broken by the true round trip, or when its true latency is above that
 * of the best feasible node by more than 20 % and 3 ms. Latency is the round trip, and the price of loss: the share of lost packets
 * beyond 1 % times 200 ms.
 */
#ifndef TESTS_LAB_PODS_H
#define TESTS_LAB_PODS_H

#include "tests/lab/cluster.h"

#define POD_TARGETS 3
#define PODS_MAX 64

struct pod_target {
	const char *to;			/* a host or client of the topology, else the app of other pods; NULL: none */
	double weight;			/* 0 is 1 */
	double limit_ms;		/* 0: none */
};

struct pod_ask {
	const char *name, *app;
	int cpu_milli;
	const char *label;		/* "delay_redis": "20"; NULL: none */
	const char *label_value;
	const char *near, *within;	/* annotations; NULL: none */
	struct pod_target target[POD_TARGETS];	/* what these mean; none: the mean over the mesh */
};

struct pod_seen {
	const struct pod_ask *ask;
	int host;			/* -1: on none */
	int64_t created_us, bound_us;	/* monotonic; of creation's answer and of the first sight of the node */
	double measured_ms;		/* what the scheduler's log says: round trip to the first target; NaN: nothing */
	char runner_up[TOPOLOGY_NAME];	/* and the second best node; "" none */
};

struct pods {
	struct pod_seen item[PODS_MAX];
	int count;
};

int pods_create(struct cluster *c, struct pods *pods, const struct pod_ask *ask, struct lm_err *err);
/* Waits until it is on a node: item[i].host. */
int pods_await(struct cluster *c, struct pods *pods, int i, double limit_s, struct lm_err *err);
/* Reads item[i].measured_ms and runner_up from the scheduler's log. */
int pods_account(struct cluster *c, struct pods *pods, int i, struct lm_err *err);
/* The PodScheduled condition's message; "" when there is none yet. */
int pods_reason(struct cluster *c, const struct pod_ask *ask, char *text, size_t size, struct lm_err *err);
int pods_delete(struct cluster *c, struct pods *pods, int i, struct lm_err *err);

/* True round trip from a host to what a pod's target number n stands for; n 0 without a target: to the mesh. NaN: no such pod now. */
double pods_target_ms(const struct pods *pods, const struct topology *truth, const struct pod_ask *ask, int n, int host);
/* What placements are compared by: the weighted mean over the targets, with the price of loss. */
double pods_cost_ms(const struct pods *pods, const struct topology *truth, const struct pod_ask *ask, int host);

struct judgement {
	bool wrong;
	int best, second;		/* by the truth, among hosts where it could go (room as it was without it); -1: none */
	char why[160];			/* when wrong */
};
void pods_judge(const struct pods *pods, const struct topology *truth, int i, struct judgement *out);

#endif
