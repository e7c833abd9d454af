/*
 * explain.h - `latency-sched explain`: why a pod is where it is, or would go, or fits nowhere. The real decision over files, without a cluster.
 *
 * The table has the nodes that are feasible, best first, with the score of each term, the round trip to what the pod asked for first and the age
 * of the data; then the nodes that are refused, each with the first filter that does and its reason; then the verdict. Of a pod that is on a node
 * the question is what would be decided if it were not.
 *
 * JSON is one object. Members stay; new ones may come. Numbers are numbers, null is unknown:
 *
 *	version 1, now, cluster {nodes, pods, others, passed_over}, matrix null | {file, plain, hold, epoch, generation, written, nodes, clients,
 *		entry {node: its share of the traffic, of sum 1}, entry_age_s}
 *	pod {namespace, name, uid, scheduler_name, was_on}
 *	profile, weights {latency, cpu, ...}, rtt_to		what rtt_us is measured to: "app=redis", "mesh"; null: to nothing
 *	verdict {node, runner_up, total, rtt_us, estimate, message, note, refused_whole}	node null: it fits nowhere, and message says why
 *	nodes [{node, feasible, rank, total, scores {latency, cpu, ...}, rtt_us, estimate, cost_us, age_s, cpu, expected_cpu, load, cloud, filter, reason}]
 *
 * cloud: whether it is one of the cloud's, which come first for this pod, whatever their totals are (pick.h); null: that makes no difference to it.
 * estimate true: rtt_us is an upper bound, for nobody measured it; cost_us has the likely value in it.
 *
 * cpu is what was measured, expected_cpu what is expected beside it of pods that were just placed (expected.h); load is the class of both together.
 * Points are 0 to 100. A score is null where the term dropped. cost_us is the effective latency that the latency term saw. Of a pod that is refused
 * whole there is no word on single nodes: filter and reason are null.
 *
 * Exit codes: 0 it has a place, 1 it fits nowhere, 64 usage, 65 bad data, 66 no such file or pod, 78 configuration.
 */
#ifndef SCHED_EXPLAIN_H
#define SCHED_EXPLAIN_H

#include <stdio.h>

#include "lib/options.h"
#include "sched/offline.h"

int explain_main(int argc, char **argv);
/* The same, printed to `to`. */
int explain_run(int argc, char **argv, FILE *to);

/* --- shared by explain*.c alone --- */

/* A decision with what is shown of each node. */
struct explanation {
	struct offline *offline;
	const struct offline_pod *asked;
	struct decision_input in;
	struct decision decision;
	const double *weights;		/* of the profile, by term */
	uint32_t *order;		/* nodes, best first, then those that are refused */
	double *age_s;			/* by node; NaN unknown */
	bool *estimate;			/* by node: nobody measured the round trip that is shown, it is an upper bound */
	struct buf target;		/* what the round trip is to: "app=redis"; empty: nothing */
};

void explain_make(struct explanation *e, struct offline *o, uint32_t pod);
void explain_free(struct explanation *e);
void explain_table(const struct explanation *e, FILE *to);
void explain_json(const struct explanation *e, FILE *to);
/* Of a node that is in the matrix; NULL: it is not, or there is none. */
const char *explain_load(const struct explanation *e, uint32_t node);
double explain_cpu(const struct explanation *e, uint32_t node);		/* as it was measured; NaN unknown */

#endif
