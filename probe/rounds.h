/*
 * rounds.h - when rounds begin, and one round.
 *
 * Rounds begin on a grid of the interval, each up to a tenth of it later, at random, so that the nodes of a cluster never ping in
 * unison. A round that is not over when the next should begin is an overrun: the grid moves to a tenth of the interval
 * after its end. So rounds never overlap, none is made up for, and there is a pause after each.
 */
#ifndef PROBE_ROUNDS_H
#define PROBE_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/pinger.h"

struct schedule {
	int64_t interval_us;
	int64_t slot_us;		/* of the grid */
	uint64_t random;		/* state */
};

/* The first round begins soon: up to a tenth of the interval, at most a second, after now. Returns when. */
int64_t schedule_begin(struct schedule *s, int64_t interval_us, int64_t now_us, uint64_t seed);
/* After a round that ended at now_us: when the next begins. *overrun tells whether it was late. */
int64_t schedule_next(struct schedule *s, int64_t now_us, bool *overrun);

/* The pings of a round take half of the interval, and at most a second lies between two of them. */
struct ping_plan rounds_plan(int64_t interval_ms, int64_t pings, int64_t timeout_ms);

/* Resets the results, pings, and counts sent, received, lost and the time. False when it was cut short by signals_stop(). */
bool rounds_run(struct pinger *p, const struct ping_plan *plan, size_t targets, struct ping_results *results);

#endif
