/*
 * refuges.h - random clusters that live through events, for the properties of a reserve's plan, and an oracle: which pods could go where if a node failed,
 * and with how little room, in plain arithmetic and by exhaustive search. Neither decide() nor the cache nor the matrix is asked.
 *
 *	struct refuges m;
 *	refuges_begin(&m, rng);
 *	refuges_freeze(&m);				before each plan
 *	... m.w.cache, m.w.mesh; the plan into m.plan ...
 *	refuges_check(&m, &m.plan, &told);
 *	refuges_follow(&m);				its placeholders come into the cache
 *	refuges_event(&m);
 *	refuges_end(&m);
 */
#ifndef TESTS_REFUGES_H
#define TESTS_REFUGES_H

#include "sched/reserve/plan.h"
#include "tests/testing/world.h"

#define NODES 5
#define OURS 9
#define TENANTS 14
#define APPS 4
#define LIMITS 2

enum { CPU, MEMORY, GPU, PODS, RESOURCES };

struct limit_model {
	bool of_app;
	int target;
	double ms;
};

struct pod_model {
	bool there, opts_out, orphan, anti, by_label;
	int serial, priority, node, app, port, frozen_at;	/* port 0: none. frozen_at: a refuge that is kept without a look; -1 */
	int asks[RESOURCES];
	struct limit_model limits[LIMITS];
	int limit_count;
};

struct node_model {
	bool there, cordoned;
	int has[RESOURCES];
	int kept[RESOURCES];			/* by placeholders */
	int placeholders;
};

struct refuges {
	struct rng rng;
	struct world w;
	int nodes, serial, frozen;
	double rtt_ms[NODES][NODES];		/* NaN: unknown */
	struct node_model node[NODES];
	struct pod_model ours[OURS], tenant[TENANTS];
	struct plan plan;
	struct reserve_settings settings;
};

/* What was checked, for the test to see that it was enough. */
struct refuges_told {
	int plans, covered, uncovered, searched, cheaper_checked, frozen;
	double worst;			/* overhead beside the least, of each sixteenth plan */
};

void refuges_begin(struct refuges *m, struct rng rng);
void refuges_end(struct refuges *m);
void refuges_event(struct refuges *m);
/* Freezes a node now and then, and notes whose refuge, by the plan that is there, is on it. */
void refuges_freeze(struct refuges *m);
void refuges_follow(struct refuges *m);
/* Fails the test, and prints the cluster, where the plan is not right. */
void refuges_check(const struct refuges *m, const struct plan *p, struct refuges_told *told);
/* Only that it promises nothing that does not hold, and says what it keeps; `refuge` [OURS]: by pod, -1: none. Returns the overhead. */
double refuges_check_promises(const struct refuges *m, const struct plan *p, int *refuge);
void refuges_asked(const struct refuges *m, const int *refuge, bool *asked);	/* resources that covered pods ask for */

/* For the oracle. */
const char *refuges_node(int i);
int refuges_node_of(const char *name);
int refuges_pod_of(const struct refuges *m, const char *uid);
bool refuges_wants(const struct refuges *m, int i);
void refuges_free(const struct refuges *m, int node, bool beside_placeholders, int *left);
bool refuges_within(const int *asks, const int *left);
bool refuges_hold(const struct refuges *m, int i, int node, const int *at);
void refuges_where(const struct refuges *m, int but, int *at);
void refuges_amounts(const struct plan_room *room, int *amounts);
void refuges_explain(const struct refuges *m, const struct plan *p);

#endif
