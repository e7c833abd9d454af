/*
 * decide_world.h - what the tests of verdicts share: four nodes, of which one is known to nobody.
 */
#ifndef TESTS_UNIT_DECIDE_WORLD_H
#define TESTS_UNIT_DECIDE_WORLD_H

#include "tests/testing/world.h"

#include <string.h>

#include "sched/filter/filter.h"

#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""
#define WITHIN(list) "\"latency-mesh.io/within\":\"" list "\""
#define ALLOW ",\"latency-mesh.io/missing\":\"allow\""

static struct world w;

/* a-b 1 ms, a-c 2 ms, b-c 3 ms; d is in the cluster and in the snapshot, but nobody knows a round trip to it. milan: a 10, b 20, c 30 ms. */
static inline int begin(void **state)
{
	*state = &w;
	world_begin(&w, "a b c d", "milan rome");
	world_rtts(&w, "a-b 1000, a-c 2000, b-c 3000");
	world_client(&w, "a", "milan", 10000);
	world_client(&w, "b", "milan", 20000);
	world_client(&w, "c", "milan", 30000);
	return 0;
}

#endif
