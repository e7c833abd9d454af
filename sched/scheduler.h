/*
 * scheduler.h - the standalone scheduler: one thread, one loop.
 *
 *	watches --> cache, queue            reader process --> matrix
 *	              |                                          |
 *	              +--> take -> settle -> decide -> assume -> [volumes] -> bind (many in flight) -> Scheduled, log
 *	                             |                             |            |
 *	                             +-> no node: park, event,     +------------+-> failed for certain: forget, back-off
 *	                                 condition
 *
 * Nothing is decided before the cluster was listed whole. SIGTERM and SIGINT drain: nothing new is begun, what is open is
 * finished within SCHEDULER_DRAIN_MS; pods that wait for their volumes (volumes.h) are left to who comes next. A change of the configuration
 * file, and SIGHUP, read it again. SIGUSR1 writes a dump (dump.h).
 *
 * Of several replicas one leads (leader.h). The others keep cache and queue warm by their watches, and decide and write nothing. A new leader lists the
 * pods anew before its first decision. Leadership is looked at before each decision and as each Binding goes out; when it is lost the program ends at
 * once with LM_TEMPFAIL, and what was in flight is the successor's to find. A leader that drains goes on renewing, and then releases the lease.
 */
#ifndef SCHED_SCHEDULER_H
#define SCHED_SCHEDULER_H

#include "lib/err.h"
#include "lib/kube/config.h"
#include "sched/settings.h"

#define SCHEDULER_DRAIN_MS 10000	/* bindings and events together */
#define SCHEDULER_FLUSH_MS 2000		/* of it, for events after the last binding ended: who takes over must not wait for them */

/*
 * Runs until it is told to end; 0, or an error that kept it from starting, or LM_TEMPFAIL. Owns `settings` from here on (a reload replaces it).
 * argc and argv are for the reload. To be called without other threads; blocks the signals that it handles.
 */
int scheduler_run(struct settings *settings, const struct kube_config *api, int argc, char **argv, struct lm_err *err);

#endif
