/*
 * volume.h - all file work of the probe, on a thread of its own: looking at peers.json and publishing NODE.json. A hung NFS server
 * stops this thread and nothing else; pinging goes on, and when the volume answers again the newest report is published.
 *
 *	probing thread                     volume's thread
 *	volume_peers  --- look! --------->  peers.json: read, compare, parse
 *	              <-- a new list -----
 *	volume_put    --- the newest ---->  NODE.json: temporary, fsync, rename
 *
 * A report that cannot be written stays until a newer one replaces it, and is tried again after 1 s, 2 s, 4 s ... a minute. The folder
 * is opened anew for each try, so that a fail-over of the server (ESTALE) heals itself; where it is missing and its parent is
 * there, it is made (2775). Temporaries of ours that an earlier crash left are removed at the start and each hour, once they are an hour old.
 * What fails is logged at the first time and then once a minute, and counted by reason.
 */
#ifndef PROBE_VOLUME_H
#define PROBE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/metrics.h"
#include "lib/peers.h"
#include "probe/peerfile.h"

struct volume_settings {
	const char *peers_path, *output_dir, *file_name;	/* copied */
	int64_t stuck_ms;					/* a request that waits longer: the volume is stuck */
	struct metrics *m;
};

struct volume;

struct volume *volume_start(const struct volume_settings *settings);

/*
 * Asks for a look at the peer list and waits for it at most wait_ms. True when there is a list that the caller does not have
 * yet; it is moved to *out. *state is what the last look that ended has seen, *why (may be NULL) the reason of a bad one.
 */
bool volume_peers(struct volume *v, int64_t wait_ms, struct peers *out, enum peerfile_state *state, struct lm_err *why);
/* Hands the newest report over; the buffer becomes {0}. Never waits for the volume. */
void volume_put(struct volume *v, struct buf *report);
/* Tries at once what is to be written. 0 when all is written; -1 with the reason, or "no answer" after wait_ms. */
int volume_flush(struct volume *v, int64_t wait_ms, struct lm_err *err);
bool volume_is_stuck(struct volume *v);
/* Ends the thread and returns true. Where it hangs in the kernel, false: it and its memory are left behind, and go on using the metrics. */
bool volume_stop(struct volume *v);

#endif
