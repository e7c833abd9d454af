/*
 * status.h - the optional HTTP endpoints.
 *
 *	/metrics	latency_probe_*; with --metrics-peers also a line for each peer
 *	/healthz	200 with one line: "ok", or what is waited for. 503 only when the probing thread has not come round for a minute
 *			and ten intervals: a restart would help then, and does not help against a missing peer list or a hung volume
 *	/scores		[{"hostname":"n1","cpuEwmaScore":0.2,"latencyEwmaScore":0.6,"better":"lower"}, ...] for nodes, ourselves first
 *
 * Scores are in 0..1 and lower is better, which each entry says: cpuEwmaScore is the share of the processors in use (known of ourselves
 * only), latencyEwmaScore the median round trip / 500 ms, not above 1; a peer that does not answer has 1. null is unknown.
 *
 * The probing thread hands over finished text after each round; handlers only copy it.
 */
#ifndef PROBE_STATUS_H
#define PROBE_STATUS_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/metrics.h"
#include "probe/links.h"
#include "probe/load.h"
#include "probe/volume.h"

struct status_settings {
	const char *listen, *node;
	int64_t interval_ms;
	struct metrics *m;
	struct volume *volume;
	bool per_peer;
};

struct status;

int status_start(const struct status_settings *settings, struct status **out, struct lm_err *err);
int status_port(const struct status *s);
/* After a round, or after a look for peers that found none (`waiting` says why; NULL after a round). s may be NULL: nothing is served. */
void status_update(struct status *s, const struct links *links, const struct load *load, const char *waiting);
void status_stop(struct status *s);

/* The body of /scores. */
void status_scores(const char *node, const struct links *links, const struct load *load, struct buf *out);

#endif
