/*
 * fold.h - the merge itself: reports, where traffic enters and the previous snapshot in, the next snapshot out. No file, no clock, no JSON.
 *
 *	struct fold *f = fold_new(&(struct fold_settings){.previous = &state, .nodes = &nodes, ...});
 *	for each report:
 *		fold_report(f, &report, age_s);			// in any order: the result does not depend on it
 *	fold_finish(f, &next, &summary);
 *	fold_verdict_of(f, "edge-1");
 *	fold_free(f);
 *
 * A report is fresh when its boot_id is new, or its seq is higher than the one seen last, or it is unchanged and at most 3 periods
 * old. A row without a fresh report keeps its values and ages; at 10 periods it becomes unknown. When more than half of the known rows
 * of the previous snapshot would become unknown or vanish at once, they are kept, aged, and counted in degraded_runs; the third such
 * run in a row is accepted. A node that is not in `nodes` any more loses its row and its column.
 *
 * A period is the longer of merge and probe interval, at least 60 s; the probe interval is the lower median of what the reports say. A
 * report that names a longer one is itself fresh for 3 of those.
 *
 * Silence of a node: lost_s is the least silent_s that another node's report has of it, witnesses is how many others have one. No witness is a report
 * without (its probe never heard the node, or is of before that member), one that is not fresh, and one that is older than its own rhythm: publish_s
 * (absent: 3 rounds, as the defaults are), two rounds more, for one that ended late and one that took too long, and FOLD_LATE_S. A probe that lives has
 * written anew by then, and what the last report of another one says was true once. Nor is one of more than 3 periods, as nothing so old is fresh: no
 * probe is a witness for an hour by its own word. The age of a report is not added to what it says, so reports that cannot come let no silence grow.
 * All of it is made anew from the reports of this run. Nothing is kept, held back or aged, a restart loses nothing, and whom nobody speaks of has none.
 *
 * Where traffic enters: new rates replace the old ones as a whole. Without new ones (silence is no news, whether the list is empty or all rates
 * are 0) the old ones stay and age, and are dropped at 10 periods. Nodes outside of the mesh are left out.
 *
 * Traffic by node: with new rates every node's load has them, or nothing where they do not name it: figures of two sources are not comparable.
 * The sum of both directions is known then, and stands as received bytes beside 0 sent ones. Without new ones the reports' figures count.
 *
 * Clients are those of `clients`, or whom the reports name, and beside them the groups of `observed`. `clients` is complete as to whom probes measure:
 * what reports say of others does not count, nor what they said before. As to whom users reach it is not: a group that is not in it is a client as
 * long as `observed` has it, and goes when its observations have died. The listed ones come first, and observe.h bounds how many others there are.
 * What no probe measured is what users saw, or an estimate (estimate.h); neither is kept from the previous snapshot, but made anew.
 *
 * Values are rounded to what the file holds (0.1 us, loss 0.0001), so that folding what was written and read back changes nothing.
 * Nodes and clients of the result are sorted by name. epoch, generation and written_ms are the publisher's: they are left empty here.
 */
#ifndef MERGE_FOLD_H
#define MERGE_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/names.h"
#include "lib/report.h"
#include "lib/snapshot.h"
#include "merge/observe.h"

#define FOLD_FRESH_PERIODS 3
#define FOLD_DEAD_PERIODS 10
#define FOLD_PATIENCE 3			/* this many degraded runs in a row, and the loss is believed */
#define FOLD_PERIOD_LEAST_S 60.0
#define FOLD_LATE_S 5.0			/* from the end of a round until its report is on the volume and read: a busy moment of the file server */
#define FOLD_FUTURE_S 2.0		/* so much "younger than now" a file may be: two readings of one clock, its granularity */

struct fold_settings {
	const struct snapshot *previous;	/* NULL: none. Borrowed until fold_finish */
	const struct names *nodes;		/* who belongs to the mesh */
	const struct names *clients;		/* NULL: whom the reports name */
	const struct observed *observed;	/* what users saw (estimate.h); NULL: nothing. Borrowed until fold_finish */
	double interval_s;			/* between merges */
	double elapsed_s;			/* since `previous` was written; at least 0 */
	const struct snapshot_entry *entry;	/* what is known now of where traffic enters, with its age; NULL or no rate above 0: nothing new */
	const struct snapshot_entry *traffic;	/* bytes a second by node, instead of the reports'; the same */
};

enum fold_verdict {
	FOLD_NONE,		/* no report */
	FOLD_FRESH,
	FOLD_STALE,		/* unchanged for more than 3 periods */
	FOLD_REPLAYED,		/* its seq is lower than what was seen of the same boot */
	FOLD_CONFLICT,		/* the same seq with other content */
	FOLD_UNKNOWN,		/* of a node that does not belong to the mesh */
	FOLD_REPEATED,		/* a second report of the same node in this fold */
};

struct fold_summary {
	uint32_t nodes, clients;	/* of the result */
	uint32_t fresh, aged, unknown;	/* rows of the result; they add up to nodes */
	uint32_t lost;			/* known rows that became unknown or vanished, or would have when held back */
	uint32_t stale, replayed, conflicts;
	uint32_t observed, estimated;	/* client cells (estimate.h) */
	double oldest_s;		/* of the known rows; 0 when none */
	bool held_back;
	uint32_t entry_nodes;		/* of the result */
	double entry_age_s;		/* NaN: there is none */
	bool entry_dropped;		/* the previous snapshot had some, and it is too old now, or all its nodes are gone */
	uint32_t strangers_entry, strangers_traffic;	/* nodes in `entry` and `traffic` that do not belong to the mesh; they are left out */
};

struct fold;

struct fold *fold_new(const struct fold_settings *settings);
/* Takes what it needs; the caller keeps the report. age_s is by the file server's clock. FOLD_UNKNOWN and FOLD_REPEATED are
 * final; any other verdict is known after fold_finish and FOLD_FRESH stands for it. */
enum fold_verdict fold_report(struct fold *f, const struct report *report, double age_s);
/* Once. `out` is the caller's. */
void fold_finish(struct fold *f, struct snapshot *out, struct fold_summary *summary);
enum fold_verdict fold_verdict_of(const struct fold *f, const char *node);
void fold_free(struct fold *f);

#endif
