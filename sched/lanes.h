/*
 * lanes.h - four floats at a time, for the loops that run over every node in every decision. Compilers do not vectorise loops with
 * comparisons of floats at -O2, because they could trap.
 *
 * A column from the arena is aligned and padded to 64 bytes, so that a loop over whole lanes may touch what follows its last value.
 */
#ifndef SCHED_LANES_H
#define SCHED_LANES_H

#include <stdbool.h>
#include <stdint.h>

typedef float lanes __attribute__((vector_size(16), may_alias));
typedef int32_t lane_mask __attribute__((vector_size(16), may_alias));

#define LANES 4u

static inline uint32_t lanes_count(uint32_t n)
{
	return (n + LANES - 1) / LANES;
}

static inline lanes *lanes_of(float *column)
{
	return (lanes *)(void *)column;
}

static inline const lanes *lanes_in(const float *column)
{
	return (const lanes *)(const void *)column;
}

static inline lanes lanes_all(float value)
{
	return (lanes){value, value, value, value};
}

/* a where the mask is set, else b. Comparisons give masks; one with NaN is false. */
static inline lanes lanes_select(lane_mask mask, lanes a, lanes b)
{
	return (lanes)((mask & (lane_mask)a) | (~mask & (lane_mask)b));
}

static inline bool lanes_any(lane_mask mask)
{
	typedef int64_t halves __attribute__((vector_size(16), may_alias));
	halves both = (halves)mask;

	return (both[0] | both[1]) != 0;
}

/* NaN in `value` stays. */
static inline lanes lanes_at_least(lanes value, lanes low)
{
	return lanes_select((lane_mask)(value < low), low, value);
}

static inline lanes lanes_at_most(lanes value, lanes high)
{
	return lanes_select((lane_mask)(value > high), high, value);
}

#endif
