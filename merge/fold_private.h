/* fold_private.h - what merge/fold*.c share. */
#ifndef MERGE_FOLD_PRIVATE_H
#define MERGE_FOLD_PRIVATE_H

#include <math.h>

#include "merge/fold.h"

#define FOLD_RTT_SCALE 10.0
#define FOLD_LOSS_SCALE 10000.0

/* One measured client; rows hold lists, because the clients may be known only when all reports are read. */
struct client_cell {
	uint32_t client;		/* index in fold.clients */
	float rtt_us, jitter_us, loss;
};

struct row {
	bool expected;			/* in settings.nodes */
	bool reported;
	enum fold_verdict verdict;
	uint32_t previous;		/* its index in the previous snapshot, NAMES_NONE */
	double report_age_s, interval_s;
	struct snapshot_seen seen;	/* of the report */
	struct snapshot_load load;
	struct client_cell *cells;
	size_t cell_count;
	bool lost;			/* known before, and about to become unknown or to vanish */
};

struct fold {
	struct fold_settings settings;
	struct names nodes;		/* sorted; the expected and those of the previous snapshot */
	struct names clients;
	struct row *rows;
	struct snapshot next;		/* for all of `nodes`; rows of reports are filled as they come */
	uint32_t *column;		/* of `next` for each previous node */
	double period_s;
	double *silent_s;		/* by node, of the report that is being taken */
};

static inline float fold_rounded(double value, double scale)
{
	return isnan(value) ? NAN : (float)(floor(value * scale + 0.5) / scale);
}

static inline bool fold_differs(float a, float b)
{
	return isnan(a) != isnan(b) || (!isnan(a) && a != b);
}

/* The union of two sets, sorted. `b` may be NULL. */
struct names fold_union(const struct names *a, const struct names *b);

/* --- fold_clients.c ------------------------------------------------------------------------------------------------ */

void fold_take_clients(struct fold *f, struct row *row, const struct report_links *clients);
/* Whether the row says something else of a client than its previous row, where a probe said both. */
bool fold_clients_contradict(const struct fold *f, const struct row *row);
void fold_keep_clients(struct fold *f, struct row *row);
/* The clients of the result: what rows hold, what users saw, estimates. */
void fold_fill_clients(struct fold *f, struct snapshot *out, struct fold_summary *summary);

/* --- fold_silence.c ------------------------------------------------------------------------------------------------ */

/* What silent_s says, where the report may be a witness; its row is judged already. */
void fold_take_silence(struct fold *f, uint32_t node, const struct report *report, double age_s);

#endif
