/*
 * reserved.h - nodes that are spoken for: other pending pods that a scheduler (any one) has nominated to a node, of at least the priority
 * of the pod that is decided. As in kube-scheduler, our pod must fit beside them.
 */
#ifndef SCHED_FILTER_RESERVED_H
#define SCHED_FILTER_RESERVED_H

#include "sched/filter/filter.h"

struct reservation {
	uint32_t node;
	const struct pod *pod;
};

struct reservations {
	const struct reservation *items;	/* sorted by node */
	uint32_t count;
};

/* In memory of the cycle. Nominations to nodes that are not known don't count. */
struct reservations reservations_of(struct cycle *c);
/* Whether `other` is such a pod on that node. For reasons, which are made after the cycle. */
bool is_reserved(const struct decision_input *in, const struct pod *other, uint32_t node);
/* The end of the run of items that have the node of items[at]. */
uint32_t reservations_run(const struct reservations *r, uint32_t at);

#endif
