/*
 * judge_world.h - what the tests of who is dead share: a mesh of what each node's witnesses say, Leases as a watch would bring them.
 */
#ifndef TESTS_UNIT_JUDGE_WORLD_H
#define TESTS_UNIT_JUDGE_WORLD_H

#include "tests/testing/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/heal/judge.h"
#include "sched/heal/leases.h"

#define NODES_MAX 9
#define AFTER_MS 20000
#define AFTER_S 20

struct testimony {
	double age_s, lost_s;
	uint32_t witnesses;
};

static inline const char *name_of(int i)
{
	static const char *const names[NODES_MAX] = {"n-0", "n-1", "n-2", "n-3", "n-4", "n-5", "n-6", "n-7", "n-8"};

	return names[i];
}

static inline struct mesh *take(const struct testimony *t, int nodes, int64_t generation, const struct mesh *previous, bool hold, int64_t mono_ms)
{
	struct names names = {0}, none = {0};
	struct snapshot s;
	struct mesh *mesh = NULL;
	int i;

	for (i = 0; i < nodes; i++)
		names_add(&names, name_of(i));
	snapshot_init(&s, &names, &none);
	names_free(&names);
	snprintf(s.epoch, sizeof(s.epoch), "one");
	s.generation = generation;
	s.period_s = 60;
	for (i = 0; i < nodes; i++) {
		s.age_s[i] = t[i].age_s;
		s.lost_s[i] = t[i].lost_s;
		s.witnesses[i] = t[i].witnesses;
	}
	assert_int_equal(mesh_take(matrix_build(&s), previous, hold, false, mono_ms, 0, &mesh), MESH_TAKEN);
	snapshot_free(&s);
	return mesh;
}

static inline void lease(struct leases *l, int node, int64_t renewed, int64_t mono_ms)
{
	auto_free char *text = xasprintf("%lld", (long long)renewed);

	leases_take(l, &(struct leases_event){name_of(node), renewed < 0 ? NULL : text, 40}, mono_ms);
}

#endif
