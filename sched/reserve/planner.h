/*
 * planner.h - plans beside the scheduling thread: a child process (fork: a copy of the memory as it is) makes the plan and sends it back as text, so
 * that no size of a cluster holds up a decision. One at a time; ended after PLANNER_MAX_MS; it dies with the scheduler.
 *
 *	planner_start(p, &input);		what is in the cache now
 *	if (planner_poll(p, &plan, &err) ...	PLANNER_DONE once, then PLANNER_IDLE
 *
 * One thread.
 */
#ifndef SCHED_RESERVE_PLANNER_H
#define SCHED_RESERVE_PLANNER_H

#include "sched/reserve/plan.h"

#define PLANNER_MAX_MS 60000

enum planner_state { PLANNER_IDLE, PLANNER_BUSY, PLANNER_DONE, PLANNER_FAILED };

struct planner;

struct planner *planner_new(void);
void planner_free(struct planner *p);			/* kills the child. NULL is fine */
/* False, with the reason: no child could be made. Not while busy. */
bool planner_start(struct planner *p, const struct plan_input *in, struct lm_err *err);
enum planner_state planner_poll(struct planner *p, int64_t mono_ms, struct plan *out, struct lm_err *err);
int planner_fd(const struct planner *p);		/* readable: call planner_poll. -1: none */
int64_t planner_took_ms(const struct planner *p);	/* of the last one that ended; -1 */

#endif
