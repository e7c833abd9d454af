/*
 * bonds.h - small random clusters whose covered pods are bound to others: required affinity and anti-affinity, hard spreading, limits to apps (circles,
 * too), volumes (of a zone, of one pod alone, as many as a node attaches). And a judge who knows the model alone, not decide() nor the cache.
 *
 *	struct bonds b;
 *	bonds_begin(&b, rng);
 *	... b.w, b.frozen, b.plan.covers as the previous; the plan into `next` ...
 *	bonds_check(&b, &next, &told);
 *	bonds_next(&b, &next);				takes the plan; the cluster changes, a node may be frozen
 *	bonds_end(&b);
 */
#ifndef TESTS_BONDS_H
#define TESTS_BONDS_H

#include "sched/reserve/plan.h"
#include "tests/testing/world.h"

#define BONDS_NODES 4
#define BONDS_PODS 9
#define BONDS_APPS 3
#define BONDS_CLAIMS 4
#define NONE (-1)

enum { KEY_HOST, KEY_ZONE };

struct bond {
	int app, key;			/* app NONE: there is no such term */
};

struct bound_pod {
	bool there, covered;		/* else it is gone with its node */
	int node, app, cpu_milli, claim, frozen_at;
	struct bond near, anti, spread;
	int skew, min_domains, limit_app;
	double limit_ms;
};

struct bonds {
	struct rng rng;
	struct world w;
	int nodes, frozen;		/* NONE */
	int cpu_milli[BONDS_NODES], zone[BONDS_NODES], attach[BONDS_NODES];	/* attach NONE: no limit */
	bool cordoned[BONDS_NODES];
	double rtt_ms[BONDS_NODES][BONDS_NODES];
	int claim_zone[BONDS_CLAIMS];	/* NONE: everywhere */
	bool claim_once[BONDS_CLAIMS];	/* ReadWriteOncePod */
	struct bound_pod pods[BONDS_PODS];
	struct plan plan;
	struct reserve_settings settings;
};

struct bonds_told {
	int plans, covered, uncovered, fewer;	/* fewer: covers that another order or place would have had */
	int compared;			/* with the least room, where they cover as many; and by how much more they keep, summed */
	double excess;
	int near, anti, spread, limit, claim;	/* covered pods of each kind that came with another one */
};

void bonds_begin(struct bonds *b, struct rng rng);
void bonds_next(struct bonds *b, struct plan *next);
void bonds_end(struct bonds *b);
const char *bonds_node(int i);
void bonds_check(const struct bonds *b, const struct plan *p, struct bonds_told *told);
void bonds_explain(const struct bonds *b, const struct plan *p);

/* For the judge: does that bond of pod `i` hold on `node`, with the others where `at` says (NONE: nowhere)? may_be: all of them, and it may go there. */
bool bonds_near_holds(const struct bonds *b, int i, int node, const int *at);
bool bonds_anti_holds(const struct bonds *b, int i, int node, const int *at);
bool bonds_limit_holds(const struct bonds *b, int i, int node, const int *at);
bool bonds_volume_holds(const struct bonds *b, int i, int node, const int *at);
bool bonds_has_cpu(const struct bonds *b, int i, int node, const int *at);
bool bonds_may_be(const struct bonds *b, int i, int node, const int *at);

#endif
