/*
 * planner.h - plans beside the scheduling thread: a child process (fork: a copy of the memory as it is) makes the plan and sends it back as text, so
 * that no size of a cluster holds up a decision. One at a time; it dies with the scheduler, and has a lower priority than it. One that crashes, takes
 * longer than PLANNER_MAX_MS, wants more memory than PLANNER_MAX_GROWTH beside what there was, or says anything but one whole plan of at most
 * PLANNER_MAX_BYTES is PLANNER_FAILED with the reason, and gone.
 *
 *	planner_start(p, &input);		what is in the cache now
 *	planner_poll(p, now, &plan, &err)	PLANNER_BUSY, then PLANNER_DONE or PLANNER_FAILED once, then PLANNER_IDLE
 *
 * Call planner_poll when planner_fd is readable, and each turn beside: of a process that ended without a plan it may hear a turn later.
 *
 * One thread.
 */
#ifndef SCHED_RESERVE_PLANNER_H
#define SCHED_RESERVE_PLANNER_H

#include "sched/reserve/plan.h"

#define PLANNER_MAX_MS 60000
#define PLANNER_MAX_BYTES (64 * 1024 * 1024)
#define PLANNER_MAX_GROWTH (512 * 1024 * 1024)

enum planner_state { PLANNER_IDLE, PLANNER_BUSY, PLANNER_DONE, PLANNER_FAILED };

struct planner;

struct planner *planner_new(void);
void planner_free(struct planner *p);			/* kills the child. NULL is fine */
/* False, with the reason: no child could be made, or one is there still. */
bool planner_start(struct planner *p, const struct plan_input *in, struct lm_err *err);
/* *out is set, and the caller's, with PLANNER_DONE alone; *err with PLANNER_FAILED. */
enum planner_state planner_poll(struct planner *p, int64_t mono_ms, struct plan *out, struct lm_err *err);
int planner_fd(const struct planner *p);		/* readable: call planner_poll. -1: none; may be another one after any call */
int64_t planner_took_ms(const struct planner *p);	/* of the last one, however it ended; -1: none did */

#endif
