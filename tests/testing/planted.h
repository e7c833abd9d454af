/*
 * planted.h - large random clusters around an assignment that is known: some nodes of each group are refuges, of which the room is drawn first and then cut
 * into the pods of the others, failure by failure; some failure fills all rooms of a group. So there is a plan that covers all pods with the overhead `overhead`,
 * and none that covers all of them has less.
 *
 *	struct planted p;
 *	planted_begin(&p, rng, 20, PLANTED_TIGHT);	20 groups
 *	... p.w.cache, p.w.mesh; its plan ...
 *	planted_end(&p);
 *
 * Pods go to the nodes of one group alone (nodeSelector). PLANTED_TIGHT: refuges have no more free than their room, and nobody else has any, so covering all
 * is packing without a gap. PLANTED_LOOSE: they have up to twice that, and the other nodes have some too, so that there are many plans, most of them dear.
 * PLANTED_CROWDED: as tight, with 12 to 21 pods on each node: too many to try all combinations.
 */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include "tests/testing/world.h"

#define PLANTED_GROUP 12		/* nodes, three of them refuges */

enum planted_kind { PLANTED_TIGHT, PLANTED_LOOSE, PLANTED_CROWDED };

struct planted {
	struct world w;
	int nodes, pods;
	double overhead;		/* of the assignment that was planted: the least for all pods */
};

void planted_begin(struct planted *p, struct rng rng, int groups, enum planted_kind kind);
void planted_end(struct planted *p);

#endif
