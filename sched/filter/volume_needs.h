/*
 * volume_needs.h - a pod's claims, sorted by what has to happen with them: the inside of VolumeBinding. What does not depend on the node is
 * found out once.
 */
#ifndef SCHED_FILTER_VOLUME_NEEDS_H
#define SCHED_FILTER_VOLUME_NEEDS_H

#include "sched/filter/volume_binding.h"

/* A claim without a volume whose class waits for the first pod. */
struct wanted {
	const struct claim *claim;
	const struct storage_class *class;
	const char *selected_node;	/* it is being made for that node; NULL */
	const struct volume_match *candidates;	/* volumes that may be its; those that name it already first, then the smallest first */
	uint32_t candidate_count;
	bool counts_capacity;		/* the driver says where there is room: `capacities` are large enough for it, somewhere */
	const struct storage_capacity **capacities;
	uint32_t capacity_count;
};

struct needs {
	uint32_t claims;		/* 0: the pod has none */
	const struct claim **bound;
	uint32_t bound_count;
	struct wanted *wanted;		/* those being made first, then by size */
	uint32_t wanted_count;
};

/* In memory of the arena. The text: why the pod can't be anywhere; NULL: nothing is against it. */
const char *needs_of(const struct view *v, const struct pod *pod, struct arena *arena, struct needs *out);

#endif
