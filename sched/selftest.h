/*
 * selftest.h - `latency-sched selftest`, for `helm test`: a pod of our scheduler that says who placed it.
 *
 * That the pod runs shows that it was bound; its event says by whom, and why there. The program reads the events of its own pod (events.k8s.io, list in one
 * namespace) and nothing else, and prints `SCHEDULER: NOTE`. The event may come after the start of the container: it is waited for.
 *
 * Exit codes: 0; 64 usage; 65 another scheduler placed it, or nobody says so within --timeout; 69 the API cannot be used; 78 a kubeconfig is wrong.
 */
#ifndef SCHED_SELFTEST_H
#define SCHED_SELFTEST_H

int selftest_main(int argc, char **argv);

#endif
