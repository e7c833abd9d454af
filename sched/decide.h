/*
 * decide.h - the decision: one function without I/O, clock or locks. The same inputs give the same result.
 *
 *	in:	a const view of the cluster cache, the mesh, the pod, the profile, now
 *	out:	for every node a verdict: the filter that refuses it, or its score by term; and the node to take
 *
 *	prefilter -> filter -> score -> normalize -> total -> ties
 *
 * Filters run a column at a time over the nodes that are still feasible, in kube-scheduler's order, ours last; the first that refuses
 * a node is its reason. No text is made on the way: decision_message makes kube-scheduler's histogram on demand.
 *
 * struct decider is scratch memory and look-up caches (which matrix row belongs to which node); it never changes a result. It serves one cache:
 * make another for another. When the pod is refused whole, there are no verdicts: the arrays of the decision are NULL.
 */
#ifndef SCHED_DECIDE_H
#define SCHED_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "sched/cache/cache.h"
#include "sched/expected.h"
#include "sched/mesh.h"
#include "sched/profile.h"

struct decision_input {
	const struct view *view;
	const struct mesh *mesh;		/* NULL: no latency data yet */
	const struct pod *pod;
	const struct profile *profile;
	int64_t mono_ms;
	/*
	 * By node of the view: an extender's request. Only these are decided on, by our own filters and scores (filter.ours, score.ours), and of
	 * what is wrong with the pod only what it asks of the network counts: a kube-scheduler does the rest. NULL: the whole decision.
	 *
	 * Without `choose` no node is picked (decision.node is -1 even when some are feasible), and of the view nothing but names, zones and the pods
	 * on nodes is read. With it decision.node is the one to take of those offered, by the rules that hold for a whole decision (pick.h). The view
	 * may have guests. There is no runner_up.
	 *
	 * With `verdicts_only` nobody ranks: there are neither scores nor totals; decision.has_say is set.
	 */
	const bool *offered;
	bool choose, verdicts_only;
	/* By node of the view: nothing goes there now (filter/closed.c). NULL: none is closed. */
	const bool *closed;
	const bool *dead;	/* likewise: healing takes it for dead (heal_avoids) */
	/* By node of the view: gets the greatest median that a limit looked at, where one is known; the caller makes them NaN before. NULL: not wanted. */
	float *seen_us;
	/* Expected load that the view's pods do not tell of, a node once: an extender's pledges. NULL: none. */
	const struct expected_load *beside;
	uint32_t beside_count;
	/* There is no API: which pods there are is unknown, and no pod is taken for the first of its kind (a limit to its own kind follows `missing`). */
	bool no_objects;
};

#define VERDICT_NOT_OFFERED 255		/* for a verdict's filter; there is no reason beside */

struct verdict {
	uint8_t filter;			/* 0: feasible; VERDICT_NOT_OFFERED; else index + 1 in filter_table (filter/filter.h) */
	uint8_t detail;			/* of that filter: which of its reasons */
};

struct decision {
	int32_t node;			/* index in the view; -1: none, or of an offer and not to be chosen */
	uint32_t count, feasible;
	bool refused_by_pod;		/* the pod itself is the reason (unsupported field, bad annotation): see pod_reason */
	bool failed;			/* and it is no refusal: a filter could not tell (cycle_fail). kube-scheduler's SchedulerError */
	const char *pod_reason;		/* borrowed from the pod or the decider (until its next decision); NULL */
	unsigned wake;			/* WAKE bits of cache.h: what could make this pod fit, by the filters that refused */
	const struct verdict *verdicts;	/* by node; borrowed from the decider until its next decision */
	const float *total;		/* 0..100 by node; NaN where refused */
	const float *score[SCORE_COUNT];	/* by node and term; NaN: none. score[i] NULL: the term dropped */
	bool has_say;			/* with verdicts_only: of latency and cpu one would not drop */
	const float *cost_us;		/* what the latency term saw for each node (weighted mean); NaN unknown; NULL: dropped */
	const float *rtt_us;		/* the plain median to the first target, for tables; NaN unknown; NULL: none, and of what was offered */
	const uint8_t *load;		/* enum load_class by node, with the load that is expected; NULL: no mesh, or refused whole at once */
	const float *expected;		/* of it the part that is expected beside what was measured, of the node's CPU (expected.h); NULL with load */
	int32_t runner_up;		/* the best of the others; -1: none, or of an offer */
	/*
	 * By node: 0 for one of the cloud, NaN for any other; NULL: it makes no difference. Where it is not NULL one of the feasible is of the cloud, and
	 * `node` is; runner_up too where two are.
	 */
	const float *cloud;
	uint32_t cloud_nodes;		/* how many there are for this pod to prefer, feasible or not: 0 for a pod that asks for latency, and without a feasible node */
};

struct decider;
struct decider *decider_new(void);
void decider_free(struct decider *d);

void decide(struct decider *d, const struct decision_input *in, struct decision *out);

/*
 * "0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu." As kube-scheduler writes it: identical reasons counted,
 * sorted as text. A pod that is refused whole: "0/5 nodes are available: no pod matches app=redis in namespace default (...)." An attempt that
 * failed: the error alone.
 */
void decision_message(const struct decider *d, const struct decision_input *in, const struct decision *decision, struct buf *out);
/* One node's reason: "Insufficient cpu"; several joined by ", ". */
void decision_reason(const struct decider *d, const struct decision_input *in, const struct decision *decision, uint32_t node,
		     struct buf *out);
/* Is the round trip to the chosen node (rtt_us) an upper bound, which nobody measured? */
bool decision_is_estimate(const struct decision_input *in, const struct decision *decision);
/* What the user should know about how the request was read: "delay_redis: taken as app=redis", "asks for no latency: to the cloud"; "" when nothing. */
void decision_note(const struct decider *d, const struct decision_input *in, const struct decision *decision, struct buf *out);
/* Of that: why a node with a lower total may have won, or why the cloud did not; "" when the cloud makes no difference. */
void decision_note_cloud(const struct decision *decision, struct buf *out);

#endif
