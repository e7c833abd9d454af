/*
 * entries.h - where traffic enters the cluster: the share of each entry node. Made from the requests a second of a matrix and from the shares that were in
 * use before it, so that noise moves nothing: two nodes of equal traffic would else take turns as the busier one.
 *
 * Shares in use stay while the new ones differ from them by at most ENTRIES_HYSTERESIS (total variation distance: the part of all traffic that moved to
 * another node). They do not stay when one of their nodes is gone from the traffic and from the matrix, nor against what was written by hand.
 * A node with less than 1 % of all traffic is left out; where many nodes share it, with less than a tenth of what each would have if all had the same.
 */
#ifndef SCHED_ENTRIES_H
#define SCHED_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/matrix.h"

#define ENTRIES_HYSTERESIS 0.1
#define ENTRIES_LEAST_SHARE 0.01

struct entry_share {
	char *node;			/* need not be in the matrix */
	float share;			/* above 0 */
};

struct entries {
	struct entry_share *shares;	/* by name, of sum 1 */
	uint32_t count;			/* 0: no traffic is known */
};

/* `before` NULL: none. `by_hand`: someone wrote it so, it is taken as it is. */
void entries_take(const struct matrix *m, const struct entries *before, bool by_hand, struct entries *out);
/* For a replay, where there is nothing before it: takes shares (of any order) as those in use. Frees what was there. */
void entries_set(struct entries *e, const struct entry_share *shares, uint32_t count);
void entries_free(struct entries *e);		/* and makes it {0} */

#endif
