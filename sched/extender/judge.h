/*
 * judge.h - what we say about a request of a kube-scheduler: the decision (decide.h) on the nodes that it offers, by latency and load alone. No
 * I/O and no clock. Its own filters have run already, and it goes on to weigh our scores among its own.
 *
 *	of a node						/filter				/prioritize
 *	beyond a latency limit, or no data to its target	FailedAndUnresolvableNodes	by its rank: filters have no say there
 *	full CPU						FailedNodes			by its rank
 *	known to the feed, the matrix or the request		passes				0..10: the total of latency and load / 10
 *	known to none of them					FailedNodes			0
 *
 * A pod whose label or annotation is wrong: all nodes fail with what is wrong, so that the user reads it in the pod's event (`Error` would be
 * ignored with `ignorable: true`); /prioritize is neutral. A limit whose target is missing: all nodes fail with that reason, unless the pod says
 * `missing: allow`. Nothing to say (no matrix, no data of worth): neutral.
 *
 * One thing is kept from one request to another, and no more: after /prioritize the pod's load counts as expected where our answer sends it, until
 * the pod is seen there (pledges.h). /filter leaves nothing. But for these pledges an answer is a function of its request and the judge_input.
 *
 * A score is a step of ten points, and a kube-scheduler takes one of the best at random: where a pod's load is small against a node's CPU, a burst
 * is spread by that chance alone until the nodes differ by a step. So where no other score ranks (`alone`), /prioritize singles out the node that
 * standalone mode would take of those in the request (pick.h): it alone has 10, whatever its total, and no other more than 9. The others' scores are
 * of their own totals, so that a node that gets nearer or idler is never worse for it.
 *
 * The cloud (pick.h) is a step of its own: for a pod that asks for no latency, and where one of the cloud's nodes is in the request, these have
 * JUDGE_CLOUD_LEAST to 10 and all others 0 to JUDGE_EDGE_MOST, by their totals; so also without any latency data. A kube-scheduler adds its own
 * scores: the two are far apart, but what it says can outweigh that, so that it is strict only where ours rank alone. /filter does not know the
 * cloud: which nodes a kube-scheduler looks at is its own affair.
 *
 * A node that the feed does not know yet is judged by its row of the matrix, and by its zone and the cloud's labels where the request has the object. Without
 * a feed (`no_objects`) all are, and one that the matrix does not know either passes where no limit asks.
 */
#ifndef SCHED_EXTENDER_JUDGE_H
#define SCHED_EXTENDER_JUDGE_H

#include "sched/decide.h"
#include "sched/extender/wire.h"

/* Four steps lie between: 40 points x the extender's weight, of the 100 that each score of a kube-scheduler has at most before its weight. */
#define JUDGE_EDGE_MOST 2
#define JUDGE_CLOUD_LEAST 6

enum judge_verb { JUDGE_FILTER, JUDGE_PRIORITIZE };

struct judge;

struct judge *judge_new(void);
void judge_free(struct judge *j);			/* NULL is fine */

struct judge_input {
	const struct view *view;
	const struct mesh *mesh;			/* NULL: no latency data yet */
	const struct profile *profile;
	int64_t mono_ms;
	bool alone;					/* nothing but our scores ranks */
	bool no_objects;				/* no feed: each node of a request is one, and pods are unknown (decide.h) */
};

/* The watch told of a pod, or it was assumed; the cache has that. */
void judge_seen(struct judge *j, const struct cache *cache, const char *uid);

/* The answer has reasons of its own: it outlives judge and view. */
struct wire_answer judge_request(struct judge *j, const struct judge_input *in, enum judge_verb verb, const struct wire_request *request);

#endif
