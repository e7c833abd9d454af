/*
 * coverage.h - how many pods each filter refused at least one node, by kube-scheduler's own words.
 */
#ifndef TESTS_CONFORMANCE_COVERAGE_H
#define TESTS_CONFORMANCE_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/conformance/opinion.h"

struct coverage {
	uint32_t filters[32], texts[64];
	uint32_t pods, no_node, some, all;	/* pods by the nodes that were left */
};

void coverage_add(struct coverage *c, const struct opinion *theirs, uint32_t nodes);
/* A table on stdout. False when a filter refused fewer pods than `least`. */
bool coverage_print(const struct coverage *c, uint32_t least);

#endif
