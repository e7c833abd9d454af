/*
 * record.h - the evictions of the last hour as they stand in a ConfigMap, where the next leader finds them (ledger.h): text in, text out, and the sums.
 *
 *	data:
 *	  by: 8c1f0a55d2e97b34-17			who wrote it: a process, and which of its writes
 *	  evictions: |
 *	    2026-11-21T21:02:00.000Z 20
 *	    2026-11-21T21:03:00.000Z 7
 *
 * A line says how many evictions were sent at that whole minute or before it: the time is rounded up, and RECORD_AHEAD_MS is added, so that clocks of hosts
 * may differ by half a minute, and one may step by it. The lines rise. What comes from outside is read strictly: whoever cannot read it has to think that all
 * was spent. A struct is copied by assignment.
 */
#ifndef SCHED_HEAL_RECORD_H
#define SCHED_HEAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define RECORD_MINUTE_MS 60000
#define RECORD_HOUR_MS 3600000
#define RECORD_AHEAD_MS 60000
#define RECORD_LINES 128		/* ours has at most 63: an hour, and two minutes to come */
#define RECORD_MOST 1000000		/* of a line: the greatest healing.perHour */
#define RECORD_TOTAL 2000000
#define RECORD_BY 65			/* with the NUL */
#define RECORD_VERSION 65

struct record_line {
	int64_t until_ms;		/* by the wall clock */
	int64_t count;
	/* Not written: of these, so many were charged by this process and not sent, and may be until then, by CLOCK_BOOTTIME. */
	int64_t unused, usable_ms;
};

struct record {
	char by[RECORD_BY];
	struct record_line lines[RECORD_LINES];
	size_t count;
};

/* A ConfigMap as the API gives it. LM_DATA with what is wrong. */
int record_parse(const char *json, size_t len, struct record *out, char version[static RECORD_VERSION], struct lm_err *err);
/* The object's data, as JSON: {"by":...,"evictions":...}. */
void record_print(const struct record *r, struct buf *out);

struct record_line *record_at(struct record *r, int64_t until_ms);	/* NULL: no such line */
int64_t record_unused(const struct record *r);
bool record_same(const struct record *a, const struct record *b);	/* times and counts */
/*
 * As it is to be written next: without what is older than an hour, with `more` evictions more. They, and what is unused, stand in one line that is good
 * until usable_ms. A time beyond that line's, which only another clock can have written, becomes that line's.
 */
void record_charge(struct record *r, int64_t more, int64_t wall_ms, int64_t usable_ms);

#endif
