/*
 * budget.h - at most so many in any minute and so many in any hour: not a rate, all of them may come at once. Times are CLOCK_BOOTTIME milliseconds that
 * the caller gives. {0} is ready.
 */
#ifndef SCHED_HEAL_BUDGET_H
#define SCHED_HEAL_BUDGET_H

#include <stddef.h>
#include <stdint.h>

struct budget {
	int64_t per_minute, per_hour;	/* the caller's to set, at any time */
	int64_t *spent_ms;		/* of the last hour, the oldest first */
	size_t count, room;
};

void budget_free(struct budget *b);
/* Milliseconds until one more may be spent; 0: now. */
int64_t budget_wait_ms(struct budget *b, int64_t mono_ms);
int64_t budget_room(struct budget *b, int64_t mono_ms);		/* so many may be spent now */
void budget_spend(struct budget *b, int64_t mono_ms);
void budget_add(struct budget *b, int64_t spent_ms, int64_t count);	/* so many were spent then */
void budget_return(struct budget *b, int64_t spent_ms);		/* what was spent at that time did not happen */
int64_t budget_left(struct budget *b, int64_t mono_ms);		/* of the hour */

#endif
