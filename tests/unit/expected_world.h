/*
 * expected_world.h - what the tests of expected.h share: nodes of 8 CPUs whose load was measured at 0, and what is expected on each.
 */
#ifndef TESTS_UNIT_EXPECTED_WORLD_H
#define TESTS_UNIT_EXPECTED_WORLD_H

#include "sched/expected.h"

#include <math.h>
#include <string.h>

#include "lib/report.h"
#include "sched/decider.h"
#include "tests/testing/world.h"

#define TAU_MS ((int64_t)(REPORT_LOAD_TAU_S * 1000))
#define CPU(text) "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"" text "\"}}}]"
#define NEAR(list) "\"latency-mesh.io/near\":\"" list "\""

static struct world w;

static inline void expect_near(double got, double want, double within)
{
	if (!(fabs(got - want) <= within))
		fail_msg("%.9g, not %.9g", got, want);
}

/* Nodes of 8 CPUs whose load was measured at 0; the first list of pods was whole. */
static inline int begin(void **state)
{
	const char *name = "abc";

	(void)state;
	world_begin(&w, "a b c", "");
	world_rtts(&w, "a-b 1000, a-c 1000, b-c 1000");
	for (; *name; name++)
		world_cpu(&w, (char[]){*name, '\0'}, 0.30);
	cache_set_time(w.cache, 0);
	cache_replace_pods_begin(w.cache);
	cache_replace_pods_end(w.cache, NULL, NULL);
	world_pod(&w, "asks", "", "", NEAR("node/a"));
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

static inline const struct pod *put(const char *name, const char *node, const char *spec)
{
	return world_pod_of(&w, name, node, "", "", "", spec);
}

#endif
