/*
 * deadlines.h - a thread that tells when the time of something is over. Entries lie in what they are about, ordered in a heap: setting one of 10,000 is cheap.
 *
 *	struct client { struct deadline deadline; ... };		{0} at first: none
 *	deadlines_start(on_passed, app, &d, err);
 *	deadlines_set(d, &client->deadline, clock_mono_ms() + 10000);	again: it moves
 *	deadlines_clear(d, &client->deadline);				before the client is freed
 *
 * `passed` runs on that thread, once for each time that is set and not cleared, and under the lock of deadlines_set and _clear: when deadlines_clear is
 * back it does not run for this entry and will not. So it must be short, and call neither of them for the same deadlines.
 */
#ifndef LIB_DEADLINES_H
#define LIB_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct deadline {
	int64_t at_mono_ms;
	size_t place;		/* private: in the heap, from 1; 0: not set */
};

struct deadlines;
typedef void deadline_passed(void *arg, struct deadline *entry);

int deadlines_start(deadline_passed *passed, void *arg, struct deadlines **out, struct lm_err *err);
void deadlines_stop(struct deadlines *d);	/* nothing needs to be cleared. NULL is fine */

/* Any thread. */
void deadlines_set(struct deadlines *d, struct deadline *entry, int64_t at_mono_ms);
void deadlines_clear(struct deadlines *d, struct deadline *entry);	/* one that is not set: nothing */

#endif
