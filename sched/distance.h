/*
 * distance.h - how far each node of the view is from the targets of a pod: columns of effective latency for ranking, and of medians
 * for limits. Both apply what time adds: lost pairs of fresh rows and pairs of dead rows (older than 10 periods) are unknown.
 *
 * A score is 100 x best / cost x factor. The factor of a pair is mesh_age_factor of the older row that was used; of several legs or items it is
 * their mean with the same weights. So a worse round trip never makes data look younger, and "worse age never helps" and "unknown never
 * beats known" hold for means too. `factor` is NULL when every row is fresh: then all factors are 1.
 */
#ifndef SCHED_DISTANCE_H
#define SCHED_DISTANCE_H

#include "sched/filter/filter.h"
#include "sched/target.h"

#define DISTANCE_FLOOR_US 50.0f		/* differences below this are noise */

struct distance {
	float *cost_us;			/* by view node; NaN unknown */
	float *factor;			/* by view node; NULL: 1 everywhere */
};

/* All `near` items as one weighted mean. False: nothing is known about any feasible node. */
bool distance_rank(struct cycle *c, struct distance *out);

/*
 * Medians to one leg, or to the mesh (leg NULL: the mean, with `any` the nearest). NaN unknown. `out` is a column.
 */
void distance_median(struct cycle *c, const struct resolved *target, const struct leg *leg, float *out);
/*
 * The median to a whole target that a limit looks at as one: the mean over the mesh, the share-weighted mean over the entry nodes (NaN when the way to
 * one of them is unknown), with `any` the nearest of either or of any other target.
 */
void distance_limit(struct cycle *c, const struct resolved *target, float *out);
/* The median to a whole target, for tables and events: the mean of the known legs weighted by pods, with `any` the nearest. */
void distance_show(struct cycle *c, const struct resolved *target, float *out);

#endif
