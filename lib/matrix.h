/*
 * matrix.h - what readers of a snapshot use: pairs folded, ranking costs computed, immutable, in one block of memory.
 *
 * A matrix is built once from a snapshot (in the reader process), handed over as a sealed memfd, mapped read-only by the
 * scheduler, shared by reference count and swapped whole. It never changes; what time adds (ages) is given by the caller
 * at the moment of use.
 *
 * Folding (DESIGN.md "Latency of a pair"): rtt(a,b) is the larger of the two directions, or the known one; jitter and loss the
 * larger. A direction that reported loss 1 with null RTT ("lost") makes the pair unknown while its row is fresh; freshness is
 * a matter of time, so the fact is kept as a flag. Same node: 0. Client columns have one direction, from node to client.
 *
 * Effective latency, for ranking: rtt + jitter beyond 50 us + loss beyond 1 % x 200 ms.
 *
 * Orientation: row = target, columns = candidates, so that one decision reads one contiguous row per target. The node part is
 * symmetric; the client part is transposed (client x node).
 */
#ifndef LIB_MATRIX_H
#define LIB_MATRIX_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/snapshot.h"

#define MATRIX_JITTER_FREE_US 50.0
#define MATRIX_LOSS_FREE 0.01
#define MATRIX_LOSS_COST_US 200e3	/* about one TCP retransmission timeout */
#define MATRIX_UNKNOWN_US 1e6		/* an unknown leg counts at least this in a mean */
#define MATRIX_FRESH_PERIODS 3		/* data of full worth */
#define MATRIX_DEAD_PERIODS 10		/* data of no worth */

enum {					/* of a pair, bits; "here" is the row's node, "there" the column's */
	PAIR_HERE = 1,			/* measured from here to there */
	PAIR_THERE = 2,			/* measured from there to here */
	PAIR_HERE_LOST = 4,		/* here reported loss 1 and no RTT */
	PAIR_THERE_LOST = 8,
	PAIR_ESTIMATE = 16,		/* of a client: nothing was measured. cost_us is an estimate, rtt_us a bound above it (snapshot.h) */
};

/* Rows for one target. Index = node. NaN unknown. Borrowed from the matrix. */
struct matrix_row {
	const float *rtt_us;		/* folded median: for limits */
	const float *cost_us;		/* effective latency: for ranking */
	const uint8_t *pair;		/* flags */
};

struct matrix;

/* Never fails; the result has one reference. */
struct matrix *matrix_build(const struct snapshot *s);
struct matrix *matrix_ref(struct matrix *m);
void matrix_unref(struct matrix *m);			/* NULL is fine; frees with the last */
void cleanup_matrix(struct matrix **m);
#define auto_matrix __attribute__((cleanup(cleanup_matrix)))

/* The block as a sealed memfd (F_SEAL_WRITE, SHRINK, GROW), and back: every offset is checked, so that a writer that crashed
 * in between or was subverted cannot harm the mapper. The mapping keeps no fd. */
int matrix_to_memfd(const struct matrix *m, int *fd, struct lm_err *err);
int matrix_from_memfd(int fd, struct matrix **out, struct lm_err *err);

/*
 * A snapshot from which matrix_build makes the same matrix again, as far as text can carry it (snapshot_write_exact); not the one it was made of:
 * both measured directions of a pair get the folded values, a client's cost beyond its RTT is all jitter, and all traffic is received.
 */
void matrix_unfold(const struct matrix *m, struct snapshot *out);

uint32_t matrix_nodes(const struct matrix *m);
uint32_t matrix_clients(const struct matrix *m);
const char *matrix_node_name(const struct matrix *m, uint32_t node);
const char *matrix_client_name(const struct matrix *m, uint32_t client);
uint32_t matrix_find_node(const struct matrix *m, const char *name);		/* NAMES_NONE when not; a hash look-up */
uint32_t matrix_find_client(const struct matrix *m, const char *name);

struct matrix_row matrix_node_row(const struct matrix *m, uint32_t node);
struct matrix_row matrix_client_row(const struct matrix *m, uint32_t client);	/* only PAIR_THERE bits and PAIR_ESTIMATE */

const float *matrix_age_s(const struct matrix *m);	/* by node, as the file says; NaN: no report or plain form */
/* By node, as the file says: how long it was silent to all who heard it before and report now (NaN: nobody knows), and how many they are. */
const float *matrix_lost_s(const struct matrix *m);
const uint32_t *matrix_witnesses(const struct matrix *m);
const float *matrix_cpu(const struct matrix *m);	/* by node, 0..1; NaN unknown */
const float *matrix_traffic(const struct matrix *m);	/* by node, bytes a second received and sent; NaN: one of them is unknown */
/* Where traffic enters, as the file says (mesh.h has the shares in use). In the order of the file; the names need not be among the nodes. */
uint32_t matrix_entries(const struct matrix *m);
const char *matrix_entry_name(const struct matrix *m, uint32_t entry);
const float *matrix_entry_rate(const struct matrix *m);	/* by entry, requests a second */
double matrix_entry_age_s(const struct matrix *m);	/* NaN: as old as the file */
float matrix_jitter_us(const struct matrix *m, uint32_t a, uint32_t b);		/* folded, for explanations */
float matrix_loss(const struct matrix *m, uint32_t a, uint32_t b);
double matrix_worst_us(const struct matrix *m);		/* the largest known rtt, 0 when none */
double matrix_period_s(const struct matrix *m);		/* at least 60 */
bool matrix_is_plain(const struct matrix *m);
const char *matrix_epoch(const struct matrix *m);
int64_t matrix_generation(const struct matrix *m);
int64_t matrix_written_ms(const struct matrix *m);
/* Equal bytes of content (names, numbers, ages): an edit differs, a re-read does not. */
uint64_t matrix_digest(const struct matrix *m);

#endif
