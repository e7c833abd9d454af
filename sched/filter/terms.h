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
 * Whether the term means the pod. A namespaceSelector is asked as kube-scheduler 1.36 asks it: of a term of another pod, about the labels of our
 * pod's namespace (no labels when its object is missing). Of a term of our pod, about those of each namespace that is known, and, since
 * kube-scheduler means to forget the selector then but forgets it in a copy, about no labels at all: NotIn and DoesNotExist choose every namespace.
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
