/*
 * estimate.h - client cells that no probe measured: what users saw (observe.h), and estimates for nodes of which nobody said anything. Pure: a
 * snapshot with its mesh and the probes' client cells in, the same snapshot with these cells filled out.
 *
 *	estimate_clients(&next, &observed);
 *
 * For each client, its measure are the cells that probes measured or that at least two reporters say (observe.h); where there are none, the words of its
 * only reporter. Such a cell gets the value as client_rtt_us, jitter and loss null. All other nodes get an estimate from the measure
 * (client_estimate_us) and a bound in client_rtt_us (snapshot.h):
 *
 *	bound		the least of value(o) + rtt(o, node) over the cells o of the measure. By the triangle the truth is not above it,
 *			as far as value and mesh hold; limits look at nothing else.
 *	estimate	Users reach the mesh somewhere, so their latencies look like those of some node p (a landmark) plus an access time a >= 0.
 *			Each p gets the a that fits the measure best, and a likelihood: errors are normal, of ESTIMATE_ERROR of the value and
 *			ESTIMATE_ERROR_US; access times are exponential, ESTIMATE_ACCESS_US in the mean. The estimate is the mean of
 *			rtt(p, node) + a over all p by likelihood: many landmarks that explain the measure equally well give a middling
 *			estimate, which does not draw pods to a guess. At most the bound, at least 1 us. Where only a part of the measure is firm, it is
 *			the larger of the estimates from all of it and from that part.
 *
 * So an estimate is at most as optimistic as bound - estimate: both are in the file. A measured node m loses to an estimated node n only when the
 * estimate is below value(m), and then n is at worst rtt(m, n) slower than m. As soon as users reach n, it is measured: what was too good to be true is
 * found out. On the round trips of tests/data/regions-30.json for users of a region fewer than 1 choice in 50 is more than 15 % slower
 * than the best measured node (u-estimate).
 *
 * A cell that was said but is not of the measure gets the larger of its own value and the estimate, and of itself and the bound. Where all is lone
 * and several speak, it gets the larger of its own value and the bound by all words of the others.
 *
 * A cell that a probe measured is left as it is. One that it lost (loss 1) is replaced by what users saw, never by an estimate. A node whose probe
 * does not report has a row of unknown age; what users saw of it is written as an estimate that is its own bound, because these have no
 * row's age. A client without any cell stays unknown, and so does a node of which the mesh knows no way to the measure.
 */
#ifndef MERGE_ESTIMATE_H
#define MERGE_ESTIMATE_H

#include "lib/snapshot.h"
#include "merge/observe.h"

#define ESTIMATE_ERROR 0.05
#define ESTIMATE_ERROR_US 50.0
#define ESTIMATE_ACCESS_US 10e3		/* what a line of a home or an office adds */
#define ESTIMATE_FIRM 3			/* reporters */
#define ESTIMATE_PAIR 2
#define ESTIMATE_CELLS_MAX 64		/* of the measure that are looked at, the nearest first: they say most. Bounds the time */
#define ESTIMATE_LANDMARKS_MAX 64

struct estimate_summary {
	uint32_t observed;		/* cells that are what users saw */
	uint32_t estimated;
};

/* `observed` may be NULL. Groups that are no clients of the snapshot are left out. */
void estimate_clients(struct snapshot *s, const struct observed *observed, struct estimate_summary *summary);
/* Whether a cell of a snapshot that was written before came from here, and not from a probe: then it is no measurement to keep. */
bool estimate_made(const struct snapshot *s, size_t cell);

#endif
