/*
 * reserve_cases.h - plans one by one: a world of four nodes, covered pods with words about where they may be, and what the plan says of each.
 *
 *	CASE(f) in the list of tests begins and ends the world for `f`; there covered(...), tenant(...), then make() and refuge_of, reason_of, room_of.
 */
#ifndef TESTS_UNIT_RESERVE_CASES_H
#define TESTS_UNIT_RESERVE_CASES_H

#include "sched/reserve/plan.h"

#include <string.h>

#include "lib/mem.h"
#include "tests/testing/world.h"

#define OWNED "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"uid\":\"owner\",\"controller\":true}]"
#define EVERYWHERE "\"latency-mesh.io/within\":\"node/a<=50ms\""

static struct world w;
static struct plan plan;
static const char *const *frozen;
static size_t frozen_count;

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	(void)arg;
	return STREQ(scheduler_name, "ours") ? &w.profile : NULL;
}

static inline int begin(void **state)
{
	(void)state;
	world_begin(&w, "a b c d", "");
	world_rtt(&w, "a", "b", 1000);
	world_rtt(&w, "a", "c", 2000);
	world_rtt(&w, "a", "d", 9000);
	world_rtt(&w, "b", "c", 3000);
	world_rtt(&w, "b", "d", 9000);
	world_rtt(&w, "c", "d", 9000);
	frozen = NULL;
	frozen_count = 0;
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	plan_free(&plan);
	world_end(&w);
	return 0;
}

/* `spec`: more of it, with a comma before it, or "". */
static inline void covered(const char *name, const char *node, const char *labels, const char *limits, const char *cpu, const char *spec)
{
	auto_free char *all = xasprintf("\"latency-mesh.io/reserve\":\"true\"%s%s", labels[0] ? "," : "", labels);
	auto_free char *text = xasprintf("\"schedulerName\":\"ours\",\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\",\"memory\":\"1Gi\"}}}]%s", cpu, spec);

	world_pod_of(&w, name, node, all, limits, OWNED, text);
}

static inline void tenant(const char *name, const char *node, const char *cpu)
{
	auto_free char *text = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]", cpu);

	world_pod_of(&w, name, node, "", "", "", text);
}

static inline void make(void)
{
	static const struct reserve_settings settings = {.enabled = true, .namespace_ = "mesh"};
	struct plan next;
	struct plan_input in = {.cache = w.cache, .profile = profile_of, .settings = &settings, .previous = &plan.covers,
				.frozen = frozen, .frozen_count = frozen_count};

	world_take(&w);
	in.mesh = w.mesh;
	plan_make(w.decider, &in, &next);
	plan_free(&plan);
	plan = next;
}

static inline const char *refuge_of(const char *name)
{
	size_t i;

	for (i = 0; i < plan.covers.count; i++)
		if (STREQ(plan.covers.items[i].name, name))
			return plan.covers.items[i].refuge;
	return "-";
}

static inline const char *reason_of(const char *name)
{
	size_t i;

	for (i = 0; i < plan.uncovered_count; i++)
		if (STREQ(plan.uncovered[i].name, name))
			return plan.uncovered[i].reason;
	return "-";
}

static inline const struct plan_room *room_of(const char *node)
{
	size_t i;

	for (i = 0; i < plan.room_count; i++)
		if (STREQ(plan.rooms[i].node, node))
			return &plan.rooms[i];
	return NULL;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

#endif
