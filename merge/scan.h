/*
 * scan.h - reads nodes/NODE.json of every expected node, one at a time, and gives the good ones to the fold.
 *
 * A bad file counts as no report; it is logged once with its reason (complaints.h) and counted by reason in each run. A file that cannot be read
 * in SCAN_FILE_MS, and all that are left when the whole scan's time is over, count as `timeout`.
 */
#ifndef MERGE_SCAN_H
#define MERGE_SCAN_H

#include <stdint.h>
#include <time.h>

#include "merge/complaints.h"
#include "merge/fold.h"
#include "merge/meter.h"
#include "merge/reader.h"

#define SCAN_FILE_MS 5000
#define SCAN_ENTRIES_MAX 20000		/* directory entries looked at for files of unknown nodes */
#define SCAN_LINES_MAX 20		/* log lines about reports in one run */

struct scan {
	int nodes_fd;
	const struct names *nodes;	/* expected */
	uint32_t clients;		/* how many are expected; for the size limit */
	bool look_for_unknown;		/* nodes are from a list, so that other files are worth a word */
	struct timespec now;		/* of the file server */
	int64_t deadline_mono_ms;
	struct reader *reader;
	struct complaints *complaints;
	struct metrics *metrics;
	bool (*stop)(void);		/* asked between files */

	uint32_t rejected[REASON_COUNT];
	double skew_s;			/* largest difference of a writer's clock from the server's */
	int lines;			/* private */
};

/* -1 when it was stopped. */
int scan_reports(struct scan *s, struct fold *fold);
/* After fold_finish: names and counts the reports that the fold did not use. */
void scan_judged(struct scan *s, const struct fold *fold);
uint32_t scan_rejected(const struct scan *s);	/* in all, but for missing ones */

#endif
