/*
 * ledger.h - a budget (budget.h) that outlives its leader: what was spent in the last hour stands in a ConfigMap (record.h), so that a scheduler that
 * crashes in a loop evicts no more than healing.perMinute and healing.perHour say. Its name is that of the election's Lease with "-evictions", in the
 * Lease's namespace; without leader election, too.
 *
 * It is read when this process begins to lead. Not there: nothing was spent. What it says counts as spent at those times; one to come counts as now.
 * It is written before anything is spent: what ledger_cover_ms lets through stands in a write that was answered with success. One write charges for as many
 * as wait, at most LEDGER_BLOCK and what the budget leaves. What was charged and not used is used first; it is good for LEDGER_LIFE_MS, and then it is
 * charged again in place of the old charge, not beside it. A process that ends may leave at most that block charged and unused, and what was on its way: so
 * much less its successor has.
 *
 * Each write names the resourceVersion that it is based on. After a 409, or when nobody knows what became of a write, it is read again: our own write is
 * known by data.by, what others wrote counts as spent. Where it cannot be read or written or understood, nothing is evicted, and a warning says so once a
 * minute. When somebody deletes it, it is written anew with what this process knows.
 *
 * Wall clocks are in it (they have to be: nothing else is common to two hosts). They may differ, and step, by half a minute. Back by any time: what stands
 * there then counts as younger than it is. Forward by more: as older, for a successor; this process counts by CLOCK_BOOTTIME.
 *
 *	ledger_tick(l, now, most);
 *	if (ledger_wait_ms(l, now) == 0 && ledger_cover_ms(l, waiting, now) == 0)
 *		spent = ledger_spend(l, now);		// and send it
 *	ledger_return(l, &spent);			// nothing was done
 *
 * Times are CLOCK_BOOTTIME milliseconds. One thread, all inside kube_run and these functions.
 */
#ifndef SCHED_HEAL_LEDGER_H
#define SCHED_HEAL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/limit.h"

#define LEDGER_BLOCK 20
#define LEDGER_LIFE_MS 30000		/* less than RECORD_AHEAD_MS: what is left between them is for clocks that differ */

struct ledger;

struct ledger_settings {
	const char *namespace_, *lease;	/* of the election; copied */
	int64_t per_minute, per_hour;
	bool (*may_send)(void *arg);	/* leads; asked before each request */
	void *arg;
};

struct ledger_spent {
	int64_t at_ms;			/* 0: nothing is spent */
	int64_t until_ms;		/* its line in the record */
	uint64_t epoch;
};

struct ledger *ledger_new(struct kube *k, struct limit *limit, const struct ledger_settings *settings);
void ledger_free(struct ledger *l);			/* NULL is fine */
void ledger_set_rates(struct ledger *l, int64_t per_minute, int64_t per_hour);
/* Reads it when that is due. Returns milliseconds until it is needed again, at most `most`. */
int64_t ledger_tick(struct ledger *l, int64_t mono_ms, int64_t most);

/* Milliseconds until the budget has one more; 0: now. */
int64_t ledger_wait_ms(struct ledger *l, int64_t mono_ms);
/*
 * 0: the record has one more than was sent. Else it is asked for, with `waiting` in all, and this is how long it may take: INT64_MAX until an answer comes.
 * To be called when the budget has one.
 */
int64_t ledger_cover_ms(struct ledger *l, size_t waiting, int64_t mono_ms);
struct ledger_spent ledger_spend(struct ledger *l, int64_t mono_ms);	/* only after a 0 of both, one each */
void ledger_return(struct ledger *l, struct ledger_spent *spent);	/* makes it {0} */
double ledger_left(struct ledger *l, int64_t mono_ms);	/* of the hour; NaN: it was not read yet */

#endif
