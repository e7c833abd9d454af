/*
 * target.h - from what a pod asks to rows of the matrix: resolves the items of ask.h against view and mesh, once per decision.
 */
#ifndef SCHED_TARGET_H
#define SCHED_TARGET_H

#include "sched/ask.h"
#include "sched/cache/cache.h"
#include "sched/mesh.h"

struct leg {				/* one node or client of a target */
	struct matrix_row row;		/* rtt_us NULL: it is not in the matrix (unknown to every node) */
	uint32_t matrix_node;		/* NAMES_NONE for a client */
	int32_t view_node;		/* -1: none */
	float weight;			/* matching pods, or 1 */
};

struct resolved {
	const struct ask_item *item;
	struct leg *legs;
	uint32_t count;			/* 0 with is_mesh */
	bool is_mesh;
	bool any;
	bool missing;			/* no node, pod, zone or client of that name now */
	bool first;			/* missing, but the pod matches its own target: it may be the first */
	const char *taken_as;		/* of a delay_ label: "node", "client", "app", "controller"; NULL else */
	bool ambiguous;			/* more than one reading existed */
};

struct targets {
	struct resolved *near, *within;	/* parallel to the ask's arrays; near is defaultNear for a pod that asks nothing */
	uint32_t near_count, within_count;
	bool asking;			/* the pod has near or a limit: which weights apply */
};

#endif
