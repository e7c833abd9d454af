/*
 * observe.h - what users saw: latencies between a group of users and a node, told by reporters (an ingress, an application), aggregated within
 * fixed limits. No clock, no lock, no socket: times are given, observer.h has the rest.
 *
 *	struct observe *o = observe_new();
 *	observe_expect(o, &nodes, &clients);				// whom observations may be about
 *	observe_post(o, "10.0.0.7", items, count, now_ms, &tally);	// as often as they come
 *	observe_prune(o, now_ms, life_ms);
 *	observe_collect(o, &observed);					// for the fold
 *
 * A reporter is a source address; an IPv6 one is its /64. For each group and node it has one figure: the mean of what it said, each weighted
 * by its count and by age (half in 2 minutes), of the logarithms, so that one request of 30 s does not make a group far. A count beyond
 * OBSERVE_WEIGHT_MAX adds nothing, so that no figure is too heavy for what comes next. What is not said again for life_ms is forgotten.
 *
 * What a cell (group, node) gets is the median over its reporters; of an even number the upper one of the middle two: of two the larger.
 * How far it is believed depends on who else speaks of the group (estimate.h has the use of it):
 *
 *	firm	at least 3 reporters say it, or a probe measured it
 *	pair	2 reporters
 *	lone	1 reporter
 *
 * Firm cells and pairs are taken as they are; they are the group's measure. A lone cell beside them counts as an estimate from them, which its
 * reporter may only raise. Where a group has one reporter and nothing else, its word is the measure. Where it has several and all
 * cells are lone, each counts at least as much as the words of the others bound it by (the triangle, through the mesh).
 *
 * The share of a reporter that lies. Let the others be honest:
 *	- it moves only groups that it names itself, and nothing that a probe measured. A value is 50 us to 60 s.
 *	- three or more reporters in a cell: the cell stays between the smallest and the largest of what the honest ones say, while liars are
 *	  fewer than half of them. Two: it is never less than what the honest one says. So a lie drives away, and does not draw.
 *	- a lone cell costs at least what is estimated without it. Where there are firm cells, no estimate is below the one from firm cells
 *	  alone (or its bound, if that is less).
 *	- so the node chosen for `near client/GROUP` costs at most what the honest ones say of the best node that two of them name, or that a
 *	  probe measured (but for the point within which nodes are equal, sched/pick.h): if an honest one names it, by that word; if none
 *	  does, by an estimate of the kind above.
 *	- a bound (estimate.h) stays above what is true, so that no limit passes a node by a lie; this needs one honest reporter, or a probe.
 *	- with one honest reporter: whatever it names costs at least what it says; the liar can make it cost more, up to all of it, which leaves
 *	  the choice to the scheduler's other scores and to nodes that are only estimated.
 *	- alone in a group: its word counts. At most OBSERVE_GROUPS_EACH new clients come by it.
 *	- two reporters that lie together are two reporters. Who can post from many addresses is many reporters: that is what the token is for.
 *
 * Limits bound memory (about 20 MB) and time. Of groups that the list of clients (--clients, Services) does not have, OBSERVE_GROUPS_MAX become clients: those with
 * the most reporters first, then the first of each reporter, the second of each, and so on, so that nobody can fill the list alone.
 *
 * As text (observations.json, so that a restart forgets nothing): milliseconds, weight, age in seconds.
 *	{"version":1, "reporters":{"10.0.0.7":{"milan":{"edge-1":[12.31,40,3.5]}}}}
 */
#ifndef MERGE_OBSERVE_H
#define MERGE_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/names.h"

#define OBSERVE_MS_MIN 0.05		/* less is no network */
#define OBSERVE_MS_MAX 60e3		/* more is no round trip */
#define OBSERVE_COUNT_MAX 1000000000	/* requests behind one observation */
#define OBSERVE_WEIGHT_MAX 1000.0	/* of a figure: what comes next must be able to move it */
#define OBSERVE_HALF_LIFE_S 120.0	/* a few reports of an ingress that sends one in 10 to 60 s */
#define OBSERVE_REPORTERS_MAX 256
#define OBSERVE_CELLS_EACH 4000		/* of a reporter: 40 groups to 100 nodes */
#define OBSERVE_CELLS_MAX 200000	/* of all */
#define OBSERVE_GROUPS_EACH 50		/* of a reporter, that the list of clients does not have */
#define OBSERVE_GROUPS_MAX 200		/* of all, in the matrix */
#define OBSERVE_POST_BYTES ((size_t)1 << 20)
#define OBSERVE_ITEMS_MAX 10000		/* of a post */
#define OBSERVE_FILE_BYTES ((size_t)32 << 20)
#define OBSERVE_REPORTER_BYTES 64

struct observe_item {
	char *group, *node;
	double ms;
	int64_t count;
};

/* Why an observation was refused. */
enum observe_reason {
	OBSERVE_MALFORMED,		/* no object, a member is missing or of another kind */
	OBSERVE_RANGE,			/* ms or count */
	OBSERVE_GROUP,			/* no valid name */
	OBSERVE_NODE,			/* unknown */
	OBSERVE_TOO_MANY_GROUPS, OBSERVE_TOO_MANY_CELLS,
	OBSERVE_REASONS
};
extern const char *const observe_reasons[];	/* NULL-terminated */

struct observe_tally {
	uint32_t accepted, refused[OBSERVE_REASONS];
};

/* A post as it came. */
struct observe_post {
	struct observe_item *items;
	size_t count, room;
};
/* LM_DATA when it is no post at all; items that are wrong in themselves are left out and counted. */
int observe_post_parse(const char *text, size_t len, struct observe_post *out, struct observe_tally *tally, struct lm_err *err);
void observe_post_free(struct observe_post *post);

/* "10.0.0.7" -> the same, "2001:db8::7" -> "2001:db8::/64". false: no address. */
bool observe_reporter(const char *peer, char reporter[static OBSERVE_REPORTER_BYTES]);

struct observe;

struct observe *observe_new(void);
void observe_free(struct observe *o);
/* `clients` may be NULL. Forgets what is about other nodes. */
void observe_expect(struct observe *o, const struct names *nodes, const struct names *clients);
/* false: there is no room for one more reporter, nothing was taken. Adds to *tally. */
bool observe_post(struct observe *o, const char *reporter, const struct observe_item *items, size_t count, int64_t now_ms, struct observe_tally *tally);
void observe_prune(struct observe *o, int64_t now_ms, int64_t life_ms);
uint32_t observe_reporters(const struct observe *o);
uint32_t observe_cells(const struct observe *o);

void observe_write(const struct observe *o, int64_t now_ms, struct buf *out);
/* Into an empty one, after observe_expect. elapsed_ms: since it was written. A bad text is none: *o stays empty. */
int observe_read(struct observe *o, const char *text, size_t len, int64_t now_ms, int64_t elapsed_ms, struct lm_err *err);
/* Is it one? With any nodes. For --check. */
int observe_check(const char *text, size_t len, uint32_t *reporters, uint32_t *cells, struct lm_err *err);

/* --- what the fold gets -------------------------------------------------------------------------------------------- */

struct observed_cell {
	uint32_t node;			/* in observed.nodes */
	uint32_t reporters;
	uint32_t reporter;		/* any number that tells one from the other, where there is one */
	double rtt_us;
};

struct observed_group {
	char *name;
	uint32_t reporters;		/* of any of its cells */
	uint32_t rank;			/* private */
	bool is_client;			/* the list of clients has it */
	struct observed_cell *cells;	/* by node */
	size_t count;
};

struct observed {
	struct names nodes;
	struct observed_group *groups;	/* by name; of those that are not in the list of clients at most OBSERVE_GROUPS_MAX */
	size_t count;
};
void observe_collect(const struct observe *o, struct observed *out);
void observed_free(struct observed *observed);		/* and makes it {0} */

#endif
