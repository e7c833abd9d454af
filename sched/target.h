/*
 * target.h - from what a pod asks to rows of the matrix: resolves the items of ask.h against view and mesh, once per decision.
 */
#ifndef SCHED_TARGET_H
#define SCHED_TARGET_H

#include "lib/buf.h"
#include "sched/arena.h"
#include "sched/ask.h"
#include "sched/cache/cache.h"
#include "sched/mesh.h"

struct decision_input;

struct leg {				/* one node or client of a target */
	struct matrix_row row;		/* rtt_us NULL: it is not in the matrix (unknown to every other node) */
	uint32_t matrix_node;		/* NAMES_NONE for a client */
	int32_t view_node;		/* -1: none */
	float weight;			/* matching pods, the share of an entry node, or 1 */
};

struct resolved {
	const struct ask_item *item;
	struct leg *legs;		/* by name, so that sums do not depend on the order of the nodes */
	uint32_t count;			/* 0 with is_mesh */
	bool is_mesh;
	bool is_entry;			/* a limit is for the mean over the legs, and wants all of them known */
	bool any;
	bool missing;			/* no node, pod, zone or client of that name now; no usable data of where traffic enters */
	bool first;			/* missing, but the pod matches its own target: it may be the first */
	const char *taken_as;		/* of a delay_ label: "node", "client", "app", "controller"; NULL else */
	bool ambiguous;			/* more than one reading existed */
};

struct targets {
	struct resolved *near, *within;	/* near: the ask's, for a pod with limits alone their targets, else defaultNear */
	uint32_t near_count, within_count;	/* within is parallel to the ask's array */
	struct resolved *capped;	/* what maxLatency is measured to: defaultNear's, which may be `near` itself */
	uint32_t capped_count;		/* 0: it does not hold for this pod */
	bool must_know;			/* noData: deny, for this pod: a node without data to one of `near` is refused */
	bool asking;			/* the pod has near or a limit: which weights apply */
};

/*
 * How many pairs of a target's node and a node of the cluster a decision looks at, at 2 to 10 ns each: for limits once, for the ranking once
 * more. Above TARGETS_MAX_PAIRS (four targets on each of 5,000 nodes) the pod is refused with the reason, so that it does not hold up all others.
 */
#define TARGETS_MAX_PAIRS UINT64_C(100000000)
uint64_t targets_pairs(const struct targets *targets, uint32_t nodes);

/* The result lives in the arena. */
void targets_resolve(const struct decision_input *in, struct arena *arena, struct targets *out);

/* The first that the ranking counts, to which round trips are shown; NULL: none. */
const struct resolved *targets_first(const struct targets *targets);
/* Is `pod` one of those that a target of `asking` stands for, by its namespace, labels or controller? False for nodes, zones, clients. */
bool target_selects(const struct target *target, const struct pod *asking, const struct pod *pod);
/* Did nobody measure a leg of it at this row of the matrix? Then the median to it is an upper bound. */
bool target_is_estimate(const struct resolved *r, uint32_t row);

/* What a message calls the target: "app=redis", "redis (label delay_redis)", "the default clients (annotation hard_max_latency)". */
void target_describe(const struct ask_item *item, struct buf *out);
/*
 * Why a limit whose target is missing cannot hold: "no pod matches app=redis in namespace default (latency-mesh.io/missing: deny)", the bracket
 * being `rule`. Names a cycle when the pods that could match wait, by such limits of their own, for this one.
 */
void target_missing_reason(const struct decision_input *in, const struct resolved *r, const char *rule, struct buf *out);

#endif
