/*
 * status.h - the scheduler over HTTP: /livez, /readyz, /healthz and /metrics, as users of kube-scheduler know them; and /reserve.
 *
 *	check			in		fails when
 *	ping			all		never: there is an answer
 *	scheduling-loop		livez		the loop did not turn for STATUS_STUCK_MS
 *	leaderElection		livez		we lead, and our renewal is overdue by more than STATUS_OVERDUE_MS
 *	informer-sync		readyz		the cluster was not listed yet: it names what is missing, and what may not be listed
 *	sched-handler-sync	readyz		the same: lists are handed on as they come
 *	latency-file		readyz		the latency file was not looked at yet (INTAKE_FIRST_MS at most)
 *	shutdown		readyz		we are draining
 *
 * /healthz is /livez under its old name. "ok" and 200, or 500 and the list of checks with the reasons; with `?verbose` the list comes always.
 * `?exclude=NAME` leaves a check out, any number of them; /livez/NAME, /readyz/NAME and /healthz/NAME are one check each.
 *
 * /reserve is what reserve/board.h says of the room that is kept for failures, one JSON object; it takes no argument (400). 404 where none is kept.
 *
 * After the start nothing depends on the reach of the API or on the latency file: a cluster-wide outage must not restart schedulers, nor take them
 * out of service. A standby is ready.
 */
#ifndef SCHED_STATUS_H
#define SCHED_STATUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/http.h"
#include "lib/metrics.h"

#define STATUS_STUCK_MS 30000
#define STATUS_OVERDUE_MS 20000		/* kube-scheduler's */

/* What the loop knows at each of its turns. */
struct status_facts {
	bool synced;			/* the cluster was listed */
	bool no_api;			/* there is none to list it: `?verbose` says so */
	unsigned unlisted, forbidden;	/* as of feed_unlisted */
	bool looked;			/* the latency file was looked at, or there was time enough */
	bool draining;
	int64_t overdue_ms;		/* elect_overdue_ms; 0: none */
};

struct reserve;

struct status {				/* written by the loop, read by HTTP's threads */
	_Atomic int64_t beat_mono_ms, overdue_ms;
	atomic_bool synced, no_api, looked, draining;
	atomic_uint unlisted, forbidden;
	struct reserve *_Atomic reserve;	/* status_show; NULL: none */
	struct metrics *stats;
	struct http_server *server;	/* NULL: no HTTP */
};

/*
 * The same routes for another server of the process: their handlers' arg is the struct status. Their number goes to *count.
 */
const struct http_route *status_routes(size_t *count);

/* `listen` NULL: nothing is served. */
int status_open(struct status *s, const char *listen, struct metrics *stats, struct lm_err *err);
void status_close(struct status *s);
void status_show(struct status *s, struct reserve *reserve);	/* for /reserve; it must outlive the server */
void status_beat(struct status *s, int64_t mono_ms, const struct status_facts *facts);

#endif
