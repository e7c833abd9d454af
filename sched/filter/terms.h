/*
 * terms.h - which pods a term of pod affinity means, for InterPodAffinity's filter and its score.
 *
 * A term chooses namespaces by name or by their labels. Labels are those of the cache's Namespace objects. While it has none (they are not
 * watched, or may not be), kubernetes.io/metadata.name, which every namespace has, is evaluated all the same; what depends on another label is
 * TERM_UNKNOWN, and the caller decides for the careful side.
 */
#ifndef SCHED_FILTER_TERMS_H
#define SCHED_FILTER_TERMS_H

#include "sched/filter/filter.h"

enum term_match { TERM_NO, TERM_YES, TERM_UNKNOWN };

/*
 * Whether the term means the pod. They differ, as in kube-scheduler. For a term of another pod, a namespace without an object has no labels. For a
 * term of the pod that is decided it is none of those that a selector chooses; but a selector that is satisfied by no labels at all ("team
 * NotIn x") takes every namespace: kube-scheduler 1.36 looks the namespaces up, and then asks the selector again without any labels.
 */
enum term_match own_term_matches(const struct cycle *c, const struct affinity_term *term, const struct pod *other);
enum term_match their_term_matches(const struct cycle *c, const struct affinity_term *term);	/* of another pod; means ours */

/* Nodes that may have a pod which one of some own terms means, by the cache's index; it spares a look at all pods. */
struct reach {
	bool *nodes;
	bool all;			/* any node may */
};

struct reach reach_new(struct cycle *c);
void reach_add(struct cycle *c, struct reach *r, const struct affinity_term *term);

static inline bool reaches(const struct reach *r, uint32_t node)
{
	return r->all || r->nodes[node];
}

#endif
