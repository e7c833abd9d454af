/*
 * plan.h - random clusters and requests for the properties of the ranking, with an oracle: DESIGN's rules once more, in doubles, one pair at a time,
 * as plainly as they can be written. Nothing here uses matrix, mesh or the scores.
 *
 *	struct plan p;
 *	plan_random(&p, &rng, PLAN_UNKNOWN | PLAN_AGED);
 *	plan_build(&p, &w, &rng);			a world with its nodes in a random order, in cache and snapshot
 *	plan_ask(&p, &rng, &ask);			what a pod asks
 *	plan_decide(&w, "web", &ask);
 */
#ifndef TESTS_PLAN_H
#define TESTS_PLAN_H

#include "tests/testing/world.h"

#define PLAN_NODES 10
#define PLAN_CLIENTS 3
#define PLAN_APPS 4
#define PLAN_ITEMS 3

enum { PLAN_UNKNOWN = 1, PLAN_AGED = 2, PLAN_JITTER = 4, PLAN_LOAD = 8, PLAN_ALIKE = 16 /* all nodes of one size and load */ };

struct plan_link {
	double rtt_us, jitter_us, loss;	/* NaN unknown */
};

struct plan {
	int nodes;
	struct plan_link link[PLAN_NODES][PLAN_NODES];		/* from, to */
	struct plan_link client[PLAN_NODES][PLAN_CLIENTS];
	double age_s[PLAN_NODES], cpu[PLAN_NODES];		/* cpu NaN unknown */
	int cores[PLAN_NODES], gib[PLAN_NODES];			/* allocatable */
	int pods[PLAN_APPS][PLAN_NODES];			/* of app t0, t1, ... */
};

/* One item of a request, with what it stands for. */
struct plan_item {
	enum { AT_NODE, AT_CLIENT, AT_APP, AT_MESH } kind;
	int which;
	bool any;
	int weight;
	double limit_us;
};

struct plan_ask {
	struct plan_item near[PLAN_ITEMS], within[PLAN_ITEMS];
	int near_count, within_count;
	bool allow;
	int cpu_milli, mib;		/* requested */
};

void plan_random(struct plan *p, struct rng *r, unsigned what);
void plan_build(const struct plan *p, struct world *w, struct rng *r);
/* The links, ages and loads once more into a world that is there. */
void plan_measure(const struct plan *p, struct world *w);
void plan_ask(const struct plan *p, struct rng *r, bool limits, struct plan_ask *out);
const struct decision *plan_decide(struct world *w, const char *pod, const struct plan_ask *ask);
/* The name of node i; lives until the next call but seven. */
const char *plan_node(int i);

/* --- the oracle; ages are those at mono_ms 0 ----------------------------------------------------------------------------- */

/* Round trip and effective latency of a leg, NaN unknown; the age factor. */
struct plan_leg {
	double rtt_us, cost_us, factor;
};
struct plan_leg plan_pair(const struct plan *p, int here, int there);
struct plan_leg plan_client(const struct plan *p, int node, int client);
/* The legs of an item for a candidate; how many there are. The mesh is not among them. */
int plan_legs(const struct plan *p, const struct plan_item *item, int node, struct plan_leg out[PLAN_NODES], double weight[PLAN_NODES]);
bool plan_feasible(const struct plan *p, const struct plan_ask *ask, int node);
/* Totals of requests without the mesh; NaN for a node that limits refuse. */
void plan_totals(const struct plan *p, const struct plan_ask *ask, double out[PLAN_NODES]);

#endif
