/*
 * arena.h - memory of one decision: taken in pieces, given back at once. In the steady state it is one block that is used again, so that a
 * decision calls malloc for nothing.
 */
#ifndef SCHED_ARENA_H
#define SCHED_ARENA_H

#include <stddef.h>

struct arena {
	struct arena_block *blocks;	/* the newest first */
};

void *arena_alloc(struct arena *a, size_t size);	/* zeroed, aligned for anything; valid until the next reset */
void *arena_alloc_dirty(struct arena *a, size_t size);	/* not zeroed: for columns that are written whole */
const char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a);
void arena_free(struct arena *a);
#define auto_arena __attribute__((cleanup(arena_free)))

#endif
