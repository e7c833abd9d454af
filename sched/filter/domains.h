/*
 * domains.h - the topology domains of a key: nodes that have the same value of that label. Made once for each key and decision, for all filters
 * and scores that ask.
 */
#ifndef SCHED_FILTER_DOMAINS_H
#define SCHED_FILTER_DOMAINS_H

#include "sched/filter/filter.h"

#define DOMAIN_NONE UINT32_MAX	/* a node without the label */

struct domains {
	const char *key;
	uint32_t *of_node;		/* by node, 0 to count - 1 or DOMAIN_NONE */
	uint32_t count;
	struct domains *next;
};

const struct domains *domains_of(struct cycle *c, const char *key);

#endif
