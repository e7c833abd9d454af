/*
 * expected.h - load that the telemetry does not know yet: of the pods that were just placed. Else all of a burst go where it was calm a minute ago.
 *
 * The CPU of a node (report.h) is an average with a time constant tau, and was measured at a time of its own (mesh_load_ms). Of a pod that was placed at
 * t_p on a node whose load was measured at t_m it lacks the share
 *
 *	1			t_m <= t_p
 *	exp(-(t_m - t_p)/tau)	later: a step is followed so by the average; 0 from EXPECTED_TAUS x tau on
 *
 * so that a node's expected load is a constant while one mesh is in use, but for pods that come and go: cpu + sum(share x request / allocatable), at most
 * 1. What asks for no CPU counts as kube-scheduler counts such a container. Where cpu is unknown the sum is, too. A pod that goes, or terminates
 * (it will be gone before an average could show it), takes its share back.
 *
 * Sums are whole numbers of 1/EXPECTED_UNITS of a thousandth of a CPU: they do not depend on the order in which pods came.
 */
#ifndef SCHED_EXPECTED_H
#define SCHED_EXPECTED_H

#include "sched/cache/cache.h"

#define EXPECTED_TAUS 5			/* a share below 0.7 % is none */
#define EXPECTED_MILLI 100		/* kube-scheduler's DefaultMilliCPURequest */
#define EXPECTED_UNITS (INT64_C(1) << 20)

/* Of a pod; t_m NaN (no report): 0. */
double expected_share(int64_t placed_mono_ms, double measured_mono_ms);
/* In units: of what a pod asks for (cpu_milli 0: nothing), with a share; of all placements of a node. At most EXPECTED_MOST. */
#define EXPECTED_MOST (INT64_C(1) << 60)
int64_t expected_units(int64_t cpu_milli, double share);
int64_t expected_on(const struct node_state *node, double measured_mono_ms);
/* The part of a node's CPU. */
float expected_part(int64_t units, float per_cpu_milli);

/*
 * Load that is expected on a node of the view beside that of its pods. Of pods that are expected there whole: how many have the same owner as the
 * pod that is decided on, and what all of them ask for; both decide among equals only (pick.h).
 */
struct expected_load {
	uint32_t node;
	uint32_t owner_pods;
	int64_t units;
	int64_t cpu_milli, memory_bytes;
};

#endif
