/*
 * decider.h - the inside of a decision, shared by decide*.c, distance.c, the scores and our own filters. Nobody else includes it.
 *
 * Columns are arrays by view node. `gate` is 0 for a feasible node and NaN for a refused one, so that `value + gate[i]` is unknown where a
 * node does not count and loops need no branch.
 */
#ifndef SCHED_DECIDER_H
#define SCHED_DECIDER_H

#include <math.h>
#include <string.h>

#include "sched/arena.h"
#include "sched/filter/filter.h"
#include "sched/lanes.h"
#include "sched/target.h"

/*
 * What follows from (cache, nodes, mesh, cloudLabels) alone and is kept until one of them changes; of nodes where pods came or went the load is looked at again. cpu is
 * what is measured and what is expected beside it (expected.h).
 */
struct lookup {
	const struct cache *cache;
	uint64_t node_epoch, serial;	/* serial 0: no mesh */
	uint64_t placed_epoch;
	uint32_t count;
	size_t room;
	uint32_t *row_of_node;		/* view's node -> the mesh's row; NAMES_NONE */
	uint8_t *load;			/* enum load_class by view node, as expected */
	uint32_t full_count;		/* nodes of LOAD_FULL */
	bool without_cpu;		/* some node lacks it */
	uint64_t label_epoch, cloud_id;	/* what `cloud` was made of */
	float *cloud;			/* 0 for a node of the cloud, NaN for any other; nothing while there is none */
	uint32_t cloud_count;
	float *expected;		/* what is expected of pods, as a part of the node's CPU; may be above 1. 0 where cpu is unknown */
	float *cpu_score, *cpu_minus;	/* 100 x (1 - cpu), NaN without data; points that a busy node loses */
	uint32_t *beside;		/* nodes for which the last decision had something beside */
	size_t beside_room;
	uint32_t beside_count;
};

struct decider {
	struct arena arena;
	struct lookup lookup;
	bool looked_up;
	const struct row_age *ages;	/* by the mesh's row; NULL: every row is fresh */
	struct domains *domains;		/* filter/domains.h; of this decision */
	float *gate;
	uint32_t feasible;
	uint8_t running;		/* the filter that runs: its index in filter_table + 1 */
	/* What the score terms leave for the total and the caller. NULL: none. */
	const float *minus;		/* points off the total */
	const float *cost_us;		/* what the latency term saw */
};

/* Brings `lookup` up to date, for the profile in `in`. */
void lookup_update(struct decider *d, const struct decision_input *in);
void lookup_free(struct lookup *l);

/* The share of cpu and memory that is free with the pod on it, 0..100. The second takes off what is expected beside, too, and
 * needs no filter to have seen that the pod fits. */
float free_score_of(const struct view *view, const struct pod *pod, uint32_t node);
float free_score_beside(const struct view *view, const struct pod *pod, uint32_t node, const struct expected_load *beside);

/*
 * The eight nodes from `node` on were not offered: nothing of them is looked at. Of 5,000 nodes a kube-scheduler offers 500 or fewer, so that loops pass over many.
 * False for a node between two eights: who goes through one has looked at its beginning.
 */
#define EIGHT 8u

static inline bool eight_others(const struct cycle *c, uint32_t node)
{
	static const struct verdict others[EIGHT] = {{VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0},
						     {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}, {VERDICT_NOT_OFFERED, 0}};

	return c->in->offered && node % EIGHT == 0 && c->view->count - node >= EIGHT && memcmp(c->verdicts + node, others, sizeof(others)) == 0;
}

/* A column of floats that lives until the next decision: not initialised, but for NaN in what pads its last lanes. */
static inline float *column(const struct cycle *c)
{
	uint32_t i, n = c->view->count, padded = lanes_count(n) * LANES;
	float *out = arena_alloc_dirty(&c->decider->arena, (padded + 1) * sizeof(*out));

	for (i = n; i < padded; i++)
		out[i] = NAN;
	return out;
}

#endif
