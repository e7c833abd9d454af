/*
 * mesh.h - a matrix in use: the matrix, since when it is known, and what is computed from it once, when it is taken into use, from the
 * one before (load classes with hysteresis, shares of the entry nodes, means over the mesh). Immutable after mesh_take; owned by the scheduling thread.
 * Another thread may read it as long as it holds a reference of its own (mesh_ref).
 *
 * Age of a row at `now`: age_s of the file + base + (now - first seen), where base is max(0, wall now - written) for the first file after a start and 0
 * later; an edit (same epoch and generation) keeps the time at which that generation was first seen. Under `hold` every age is 0. The
 * plain form does not age. The data of where traffic enters have an age of their own in the file, to which the same is added.
 */
#ifndef SCHED_MESH_H
#define SCHED_MESH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/matrix.h"
#include "sched/entries.h"

#define CPU_BUSY 0.70			/* the total loses CPU_BUSY_POINTS */
#define CPU_BUSY_POINTS 15.0
#define CPU_FULL 0.85			/* refused while fresh and another feasible node is below */
#define CPU_HYSTERESIS 0.05		/* a class is left only this far below its threshold */

enum load_class { LOAD_UNKNOWN, LOAD_EASY, LOAD_BUSY, LOAD_FULL };

struct mesh {
	atomic_uint references;
	struct matrix *matrix;
	uint64_t serial;		/* another one for each mesh_take: the key of look-up caches */
	int64_t taken_mono_ms;		/* of mesh_take: the means are as of then */
	int64_t seen_mono_ms;		/* when this (epoch, generation) was first seen */
	double base_s;			/* its age then, beyond age_s */
	bool hold;
	uint8_t *load;			/* enum load_class by matrix node */
	struct entries entry;		/* in use; whether it is too old is a matter of time: mesh_entry_usable */
	bool *linked;			/* by matrix node: its own row holds links */
	double oldest_s;		/* largest age_s of a row that holds links or a load; INFINITY when such a row has none */
	double unknown_us;		/* what an unknown leg counts in a mean: 1 s, or the worst RTT if that is larger */
	/*
	 * By matrix node, over the other nodes that anyone knows a round trip to; NaN: no leg of this node is known.
	 * A leg that is unknown to this node alone counts unknown_us in mean_us and not at all in mean_rtt_us.
	 */
	float *mean_us, *nearest_us;		/* effective latency, for ranking */
	float *mean_rtt_us, *nearest_rtt_us;	/* medians, for limits */
};

enum mesh_verdict { MESH_TAKEN, MESH_SAME, MESH_OLDER /* a lower generation of the same epoch: refused */ };

/*
 * Takes the reference to `matrix`. `previous` may be NULL (first). After `hold` went, the first file is accepted at any generation:
 * the caller says `accept_any`. On MESH_SAME and MESH_OLDER *out is not set and the reference is dropped.
 */
enum mesh_verdict mesh_take(struct matrix *matrix, const struct mesh *previous, bool hold, bool accept_any, int64_t mono_ms,
			    int64_t wall_ms, struct mesh **out);
struct mesh *mesh_ref(const struct mesh *mesh);
void mesh_free(struct mesh *mesh);	/* a reference, and the mesh with the last. NULL is fine */

/*
 * For a replay, where there is no mesh before it that would say so: the class that hysteresis keeps a node in. mesh_class is the one that the load
 * alone gives.
 */
void mesh_set_class(struct mesh *mesh, uint32_t node, enum load_class as);
enum load_class mesh_class(const struct mesh *mesh, uint32_t node);
/* The class that a load gives, the mesh's own class of the node being the one before; never lower than that one. NaN: LOAD_UNKNOWN. */
enum load_class mesh_class_with(const struct mesh *mesh, uint32_t node, float cpu);
const char *load_class_name(enum load_class as);	/* "unknown", "easy", "busy", "full" */

/* Age of the entry data; NaN: the matrix has none. They are used up to mesh_dead_s. */
double mesh_entry_age_s(const struct mesh *mesh, int64_t mono_ms);
bool mesh_entry_usable(const struct mesh *mesh, int64_t mono_ms);

double mesh_row_age_s(const struct mesh *mesh, uint32_t node, int64_t mono_ms);	/* 0 under hold and in the plain form; NaN: no report */
/*
 * When the load of a row was measured, by the monotonic clock in whole ms: the same while the mesh is in use, and no other under hold, where the
 * data of a file that stays say nothing about later pods. NaN: no report.
 */
double mesh_load_ms(const struct mesh *mesh, uint32_t node);
double mesh_fresh_s(const struct mesh *mesh);		/* 3 periods */
double mesh_dead_s(const struct mesh *mesh);		/* 10 periods */
/* 1 up to 3 periods, falling to 0 at 10; NaN age: 0. */
double mesh_age_factor(const struct mesh *mesh, double age_s);
/* True when every row that holds data is fresh: the usual case, in which ages need no look. */
bool mesh_all_fresh(const struct mesh *mesh, int64_t mono_ms);

/* What the age of a row says. */
struct row_age {
	float factor;			/* mesh_age_factor */
	bool fresh;			/* at most 3 periods */
	bool dead;			/* more than 10 periods, or unknown */
	bool linked;			/* the row holds links and has an age; else its age says nothing about any pair */
};
void mesh_row_ages(const struct mesh *mesh, int64_t mono_ms, struct row_age *out);	/* by matrix node */

extern const struct row_age row_age_fresh;	/* what never ages */
extern const struct row_age row_age_none;	/* of a row that was not used */

/* What counts of a row's age for a pair. NAMES_NONE: of a client, which has no row. A row without links or without an age was not used. */
static inline const struct row_age *row_age_of(const struct row_age *ages, uint32_t row)
{
	const struct row_age *age = row == NAMES_NONE ? &row_age_fresh : &ages[row];

	return age->linked ? age : &row_age_none;
}

/* Is a pair with these PAIR bits known? Not when a fresh row says that it is lost, nor when a row that was used is dead. */
static inline bool pair_is_known(uint8_t pair, const struct row_age *here, const struct row_age *there)
{
	if (((pair & PAIR_HERE_LOST) && here->fresh) || ((pair & PAIR_THERE_LOST) && there->fresh))
		return false;
	return (pair & (PAIR_HERE | PAIR_THERE)) && !((pair & PAIR_HERE) && here->dead) && !((pair & PAIR_THERE) && there->dead);
}

#endif
