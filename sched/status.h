/*
 * status.h - the scheduler over HTTP: /healthz and /livez (its loop turns), /readyz (it can place pods), /metrics.
 *
 * None of them depends on the latency file or the reach of the API: a cluster-wide outage must not restart schedulers.
 */
#ifndef SCHED_STATUS_H
#define SCHED_STATUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/http.h"
#include "lib/metrics.h"

#define STATUS_STUCK_MS 30000		/* a loop that did not turn for so long is stuck */

struct status {
	_Atomic int64_t beat_mono_ms;	/* of the loop's last turn */
	_Atomic(const char *) not_ready;	/* why; a constant; NULL: ready */
	struct metrics *stats;
	struct http_server *server;	/* NULL: no HTTP */
};

/* `listen` NULL: nothing is served. */
int status_open(struct status *s, const char *listen, struct metrics *stats, struct lm_err *err);
void status_close(struct status *s);
void status_beat(struct status *s, int64_t mono_ms, const char *not_ready);

#endif
