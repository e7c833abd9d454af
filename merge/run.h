/*
 * run.h - one merge from beginning to end: who, what was, what is reported, fold, publish, one line of summary.
 *
 *	struct merger m;
 *	merger_init(&m, &settings, stop);
 *	merger_run(&m, &err);				// as often as wanted
 *	merger_free(&m);
 *
 * Where traffic enters is asked at the beginning of each run (inflow.h): at most 5 s, and no answer is no failure.
 *
 * What hangs does not hang the merger: each report has a deadline (reader.h), and a run as a whole has RUN_LIMIT_S, after which the
 * process ends with exit code 74; files on the volume stay whole, and whoever started the process starts it again.
 */
#ifndef MERGE_RUN_H
#define MERGE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "merge/complaints.h"
#include "merge/meter.h"
#include "merge/reader.h"
#include "merge/roster.h"
#include "merge/settings.h"

#define RUN_LIMIT_S 300			/* or 5 intervals, if that is longer */

struct observer;

struct merger {
	const struct settings *settings;
	struct metrics *metrics;
	struct reader *reader;
	struct complaints complaints;
	struct roster roster;		/* the last that could be loaded */
	bool has_roster;
	struct observer *observer;	/* borrowed; NULL: nothing is observed */
	bool (*stop)(void);		/* asked between reports; true ends the run without publishing */
	char epoch[65];			/* of the last snapshot that was published, "" before; with its generation and time: */
	int64_t generation, published_mono_ms;
};

void merger_init(struct merger *m, const struct settings *settings, bool (*stop)(void));
/* 1: stopped half-way, nothing was published. */
int merger_run(struct merger *m, struct lm_err *err);
void merger_free(struct merger *m);

#endif
