/*
 * recorder.h - an extender of kube-scheduler that writes down which nodes passed all its filters, by the pod's uid, and refuses them all: so nothing
 * is ever bound, and one cluster serves many pods.
 *
 * The verdict is the first call for a pod. A pod that is nominated to a node is tried there first, alone: for it, it is the call after that one. What
 * comes later is another attempt, which may be cut off anywhere.
 */
#ifndef TESTS_CONFORMANCE_RECORDER_H
#define TESTS_CONFORMANCE_RECORDER_H

#include "tests/conformance/opinion.h"

struct recorder;

struct recorder *recorder_start(void);		/* on 127.0.0.1; ends the process when it cannot */
int recorder_port(const struct recorder *r);
void recorder_stop(struct recorder *r);
/* Forgets all pods. */
void recorder_reset(struct recorder *r);
/* Adds the nodes recorded for a pod to the verdict; none when it never came here. */
void recorder_nodes(struct recorder *r, const char *uid, struct opinion *out);

#endif
