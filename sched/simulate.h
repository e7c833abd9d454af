/*
 * simulate.h - `latency-sched simulate`: places the pods of a list one after the other, in its order, over files and without a cluster. Each is decided
 * as the scheduler would, and is on its node for those that follow, as one that was just placed (expected.h).
 * One that fits nowhere is not tried again. All are pending at the beginning.
 *
 * Steps (--step, in their order) say what happens then; without --pods to the cluster as it is. Nothing of it takes time: ages of data stay as they are.
 *
 *	fail NODE		the node stays, with the taint node.kubernetes.io/unreachable; all pods on it are gone, and no traffic enters there. What was
 *				measured of it stays, as it does for the first minutes after a death, when its pods are placed anew: limits to it are
 *				judged by that. A drift to "lost" and other data take it away
 *	recover NODE		it is as before it failed, and its DaemonSets' and static pods with it
 *	drift FROM TO TIME	both ways between two nodes of the latency data are so long ("12ms", "0.5ms"), or "lost"
 *	matrix FILE		other latency data
 *
 * After each step every pod that waits is decided on again: pods that lost their node, of any scheduler (by the first profile, where they are not ours), as
 * their controller would make them anew, with the same names; and pods of --pods that fitted nowhere. Those without a controller are gone. By priority,
 * then by name, but who has a refuge first. Pods that are pending in the cluster itself, and not of --pods, stay so; nothing is evicted.
 *
 * With reserve.enabled of --config room is kept (reserve/plan.h) from after the pods of --pods were placed on, and planned anew after each step: pods that lost
 * their node go to their refuge, all others respect the room. Placeholders that a cluster has make way for it (give reserve.namespace), what they
 * promise stays.
 *
 * The table has a line a pod, then a part a step. JSON is one object; members stay, new ones may come; numbers are numbers, null is unknown:
 *
 *	version 1, now, cluster {...}, matrix {...}		as in explain.h, before any step
 *	placed, pending						how many
 *	pods [{namespace, name, uid, profile, was_on, node, runner_up, total, rtt_us, estimate, message, note}]
 *
 * and, with steps,
 *
 *	before {reserve, violated}
 *	steps [{step, did, pods, moves, waiting, reserve, violated}]	step: as it was given; a drift has was_us [there, back], too
 *		pods [{namespace, name, uid, from, refuge, end, node, rtt_us, estimate, message, note}]
 *			end: "refuge" it went into its room, "decided" where there was a place, "waits" nowhere (message), "gone" (message), "back"
 *			with its node. Those that wait are in each step
 *		reserve null | {overhead_percent, cpu_percent, memory_percent,
 *			rooms [{node, pods, cpu_milli, memory_bytes, ephemeral_bytes, others {name: amount}, ports [{ip, protocol, port}], for}],
 *			covered [{namespace, name, uid, node, refuge}], uncovered [{namespace, name, uid, node, reason}]}
 *		violated [{namespace, name, uid, node, target, limit_us, now_us, reason}]	limits that do not hold where their pods are (violations.h)
 *	moves, waiting						in all: pods that are on another node than the one they lost; pods without a place at the end
 *
 * Exit codes: 0 all have a place at the end, 1 some fits nowhere, 64 usage, 65 bad data (a node that is not there, or has failed already),
 * 66 no such file, 78 configuration.
 */
#ifndef SCHED_SIMULATE_H
#define SCHED_SIMULATE_H

#include <stdio.h>

int simulate_main(int argc, char **argv);
/* The same, printed to `to`. */
int simulate_run(int argc, char **argv, FILE *to);

#endif
