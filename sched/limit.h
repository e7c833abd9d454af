/*
 * limit.h - a token bucket: how many requests a second we send to the API, and how many at once after a pause.
 * Times are CLOCK_BOOTTIME milliseconds that the caller gives. Not thread-safe.
 */
#ifndef SCHED_LIMIT_H
#define SCHED_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
	double qps, burst;
	double tokens;
	int64_t at_ms;			/* when `tokens` was right */
};

/* Full at the start. A later call changes the rates and keeps the tokens, up to the new burst. */
void limit_set(struct limit *l, double qps, double burst, int64_t mono_ms);
/* Takes one token if more than `spare` are there: who can wait leaves some to who cannot. */
bool limit_take(struct limit *l, double spare, int64_t mono_ms);
/* Takes one even where none is left: what comes later waits for it. */
void limit_charge(struct limit *l, int64_t mono_ms);
/* Milliseconds until limit_take would be true; 0: now. */
int64_t limit_wait_ms(struct limit *l, double spare, int64_t mono_ms);

#endif
