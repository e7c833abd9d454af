/*
 * simulate.h - `latency-sched simulate`: places the pods of a list one after the other, in its order, over files and without a cluster. Each is decided
 * as the scheduler would, and is on its node for those that follow, as one that was just placed (expected.h).
 * One that fits nowhere is not tried again. All are pending at the beginning.
 *
 * The table has a line a pod. JSON is one object; members stay, new ones may come; numbers are numbers, null is unknown:
 *
 *	version 1, now, cluster {...}, matrix {...}		as in explain.h
 *	placed, pending						how many
 *	pods [{namespace, name, uid, profile, was_on, node, runner_up, total, rtt_us, estimate, message, note}]
 *
 * Exit codes: 0 all have a place, 1 some fits nowhere, 64 usage, 65 bad data, 66 no such file, 78 configuration.
 */
#ifndef SCHED_SIMULATE_H
#define SCHED_SIMULATE_H

#include <stdio.h>

int simulate_main(int argc, char **argv);
/* The same, printed to `to`. */
int simulate_run(int argc, char **argv, FILE *to);

#endif
