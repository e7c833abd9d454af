/*
 * fit.h - an independent judge of placements: reads the server's state and its log of writes, and says what is wrong. It shares no code
 * with the scheduler; what it knows of Kubernetes is what the pods of our tests use (containers and init containers with cpu and memory,
 * host ports, nodeSelector, required node affinity with In, tolerations, delay_ labels).
 *
 *	struct fit_input in = {.state = list, .log = lines, .scheduler = "my-latency-scheduler", .rtt_us = rtt};
 *	int wrong = fit_check(&in, &text);	(text: a line a fault)
 *
 * Checked: each pod of the scheduler is bound, to a node that exists; each uid was bound once in the log, to the node where it is (a line with
 * "committed":null is a binding of which nobody knows whether it was carried out); cpu, memory and number of pods of each node; host ports;
 * unschedulable nodes and taints; selectors; delay_<node> limits.
 */
#ifndef TESTS_FIT_H
#define TESTS_FIT_H

#include <cjson/cJSON.h>

#include "lib/buf.h"

struct fit_input {
	const cJSON *state;		/* GET /standin/state */
	const char *log;		/* GET /standin/log, or audit_journal; NULL: not judged */
	int unlogged;			/* so many bindings may be missing in it: the server was killed */
	const char *scheduler;		/* its pods must be bound; those of others only take room */
	/* Round trip between two nodes; NaN unknown. NULL: delay_ labels are not judged. */
	double (*rtt_us)(void *arg, const char *from, const char *to);
	void *arg;
};

/* The number of faults. */
int fit_check(const struct fit_input *in, struct buf *faults);

/* What a pod asks of "cpu" (cores) or "memory" (bytes): its containers together, or an init container alone if that is more. */
double fit_request(const cJSON *pod, const char *resource);
/* "250m" -> 0.25, "8Gi", "2"; NaN when it is nothing of that. */
double fit_quantity(const char *text);

#endif
