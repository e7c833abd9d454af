/*
 * snapshot.h - cluster-latency.json: the raw matrices as measured. The only module that knows the format. The merger writes it
 * (and reads it back as merge-state.json); readers turn it into a matrix.h and drop it.
 *
 *	{"version":1, "epoch":"..", "generation":4182, "written":"..", "period_s":60, "degraded_runs":0,
 *	 "nodes":["edge-1","edge-2"], "age_s":[3,null], "seen":[["9f..",42],null], "load":[{"cpu":0.31, ..},null],
 *	 "lost_s":[2.1,184.3], "witnesses":[1,1],
 *	 "entry":{"edge-1":812.5,"edge-2":79.1}, "entry_age_s":12,
 *	 "rtt_us":[				rows are "from", columns "to"
 *	 [0,412],
 *	 [409,0]],
 *	 "jitter_us":[..], "loss":[..],
 *	 "clients":["milan"], "client_rtt_us":[[1890],[21400]], "client_jitter_us":[..], "client_loss":[..],
 *	 "client_estimate_us":[[null],[8400]]}
 *
 * null is unknown or unreachable: never 0, never near. In memory it is NaN. The diagonal is 0 whatever the file says.
 *
 * `lost_s`: how long a node was silent to the one that heard it last, of those who heard it before and report now; `witnesses`: how many they are
 * (of the others, so fewer than there are nodes). merge/fold.h says who counts. null, 0 and absent: nobody knows. As old as those reports: no age
 * is added.
 *
 * `entry`: where traffic enters the cluster, requests a second by node as they were seen (or any other weights: only their shares matter), and how old that
 * is. It may name nodes that `nodes` does not have. Absent or {}: nothing is known; an absent age: as old as the file.
 *
 * `client_estimate_us`: a number says that nothing was measured between this node and this client. client_rtt_us of the cell is then an upper
 * bound (by the triangle: what another node measured, and the way to it), jitter and loss are null; the estimate is the likely RTT, for
 * ranking alone; what is above the bound counts as the bound. null: the cell is as measured. An estimate without a bound is none.
 *
 * The predecessors' plain form, in milliseconds, is recognised by the lack of a top-level number `version`:
 *	{"edge-1":{"edge-2":0.412,"edge-3":null}, "edge-2":{"edge-1":0.409}}
 * It has no age and no load (is_plain). A 0 between two different nodes there is refused as unknown would be: it becomes NaN.
 *
 * Parsing: rows of numbers are scanned by code of our own, one row at a time straight into the floats; every other member is
 * json.h's. What is missing (all but version, nodes, rtt_us) has a default: epoch "", generation 0, period_s 60, ages unknown.
 * The size limit follows from the number of nodes (SNAPSHOT_MAX_BYTES before that is known).
 */
#ifndef LIB_SNAPSHOT_H
#define LIB_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/names.h"
#include "lib/report.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_MAX_NODES 5000
#define SNAPSHOT_MAX_CLIENTS 1000
#define SNAPSHOT_MAX_BYTES ((size_t)1 << 30)
#define SNAPSHOT_EPOCH_MAX 64
#define SNAPSHOT_RATE_MAX 1e13		/* bytes or requests a second */

/* What was last taken from a node's report, to tell a new one from a repeated one. boot_id "" : nothing. */
struct snapshot_seen {
	char boot_id[REPORT_BOOT_ID_MAX + 1];
	int64_t seq;
};

struct snapshot_load {
	double cpu, rx_bytes_per_s, tx_bytes_per_s;	/* NaN unknown */
};

struct snapshot_entry {
	struct names nodes;		/* count 0: nothing is known */
	double *rate;			/* by entry node, requests a second, 0..SNAPSHOT_RATE_MAX; never NaN */
	double age_s;			/* NaN: as old as the file */
};

/* Three numbers for each from x to; row-major, `from * columns + to`; NaN unknown. */
struct snapshot_links {
	float *rtt_us, *jitter_us, *loss;
};

struct snapshot {
	bool is_plain;
	char epoch[SNAPSHOT_EPOCH_MAX + 1];	/* of this series of generations; "" unknown */
	int64_t generation;
	int64_t written_ms;			/* wall clock of the writer; -1 unknown */
	double period_s;			/* the longer of probe and merge interval */
	int64_t degraded_runs;
	struct names nodes, clients;
	double *age_s;				/* by node; NaN: no report, or plain form */
	struct snapshot_seen *seen;
	struct snapshot_load *load;
	double *lost_s;				/* by node; NaN: nobody knows */
	uint32_t *witnesses;			/* by node, at most nodes - 1 */
	struct snapshot_entry entry;
	struct snapshot_links link;		/* nodes x nodes */
	struct snapshot_links client;		/* nodes x clients */
	float *client_estimate_us;		/* nodes x clients, NaN: none; NULL: none at all */
};

/* Everything unknown, for these nodes and clients (copied); the diagonal is 0. */
void snapshot_init(struct snapshot *s, const struct names *nodes, const struct names *clients);
/* One more entry node. false: it is there already, or the list is full (SNAPSHOT_MAX_NODES); nothing was added. */
bool snapshot_entry_add(struct snapshot_entry *entry, const char *node, double rate);
void snapshot_entry_copy(struct snapshot_entry *to, const struct snapshot_entry *from);	/* `to` is overwritten, not freed */
void snapshot_entry_free(struct snapshot_entry *entry);		/* and makes it one of which nothing is known */
/* Makes client_estimate_us, all NaN, when there is none. */
void snapshot_want_estimates(struct snapshot *s);
/* What a text for so many nodes and clients may have; more is refused. */
size_t snapshot_max_bytes(uint32_t nodes, uint32_t clients);
int snapshot_parse(const char *text, size_t len, struct snapshot *out, struct lm_err *err);
/* Only the epoch (may be NULL) and generation of a text whose rest may be bad: for who writes the next one. The plain form: "" and 0. */
int snapshot_peek(const char *text, size_t len, char epoch[SNAPSHOT_EPOCH_MAX + 1], int64_t *generation, struct lm_err *err);
/* One matrix row a line. RTT and jitter with at most 1 decimal, loss with 4. Ends with a newline. */
void snapshot_write(const struct snapshot *s, struct buf *out);
/* The same with as many decimals as a float has (6), for a copy from which the same is decided. */
void snapshot_write_exact(const struct snapshot *s, struct buf *out);
void snapshot_free(struct snapshot *s);		/* and makes it {0} */
#define auto_snapshot __attribute__((cleanup(snapshot_free)))

#endif
