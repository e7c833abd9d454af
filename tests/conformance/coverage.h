/*
 * coverage.h - how many pods each filter refused at least one node, by kube-scheduler's own words.
 */
#ifndef TESTS_CONFORMANCE_COVERAGE_H
#define TESTS_CONFORMANCE_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/conformance/opinion.h"

enum influence { INFLUENCE_NOMINATED, INFLUENCE_RESIZE, INFLUENCES };	/* no filters, and without words: seen by what changes without them */

struct coverage {
	uint32_t filters[32], texts[64];
	uint32_t pods, no_node, some, all;	/* pods by the nodes that were left */
	uint32_t influenced[INFLUENCES];
};

void coverage_add(struct coverage *c, const struct opinion *theirs, uint32_t nodes);
/* The pod would be decided differently, if no pod were nominated or resized. */
void coverage_influenced(struct coverage *c, enum influence by);
/* A table on stdout. False when a filter refused, or an influence touched, fewer pods than `least`. */
bool coverage_print(const struct coverage *c, uint32_t least);

#endif
