/*
 * extender.h - latency-sched --mode extender: answers a kube-scheduler that keeps doing the rest. One scheduling thread, one loop; while it sleeps HTTP's threads decide.
 *
 *	watches --> cache --+
 *	reader process -> matrix --+--> judge (pure) <--> desk <--> HTTP's threads <--> kube-scheduler
 *
 * Nothing is bound, patched or told to the API, but the bindings that /bind asks for, with --extender-bind (bindings.h): no Lease is needed, and any number of
 * replicas answer the same (but for pledges.h: what one was asked a moment ago, the others do not know). Requests that come before the cluster was listed
 * whole and the latency file was looked at are answered as those that are late (server.h); /readyz says so. SIGTERM and SIGINT take readiness away and end when
 * what was asked is answered and what was sent is known, within EXTENDER_DRAIN_MS. A change of the configuration file, and SIGHUP, read it again.
 */
#ifndef SCHED_EXTENDER_EXTENDER_H
#define SCHED_EXTENDER_EXTENDER_H

#include "lib/err.h"
#include "lib/kube/config.h"
#include "sched/settings.h"

#define EXTENDER_DRAIN_MS 2000

/* As scheduler_run. `api` NULL: there is none, the latency file alone is what is known (README.md); not with --extender-bind. */
int extender_run(struct settings *settings, const struct kube_config *api, int argc, char **argv, struct lm_err *err);

#endif
