/*
 * publish.h - the merger's files on the volume: what it wrote last (merge-state.json), cluster-latency.json, hold and peers.json.
 *
 * The merger folds from merge-state.json alone, so that nothing edited by hand enters a fold. The next generation is one more than the
 * larger of state and file, read again right before writing; it begins a new epoch where the file is gone or cannot be understood. Of two
 * mergers at once, one publishes after the other (`.merge-lock`, which never stops one: publish.c), so that generations do not go back.
 * While `hold` exists cluster-latency.json is left alone; the state goes on.
 */
#ifndef MERGE_PUBLISH_H
#define MERGE_PUBLISH_H

#include <stdbool.h>
#include <time.h>

#include "lib/peers.h"
#include "lib/snapshot.h"
#include "merge/settings.h"

#define PUBLISH_STATE "merge-state.json"
#define PUBLISH_FILE "cluster-latency.json"
#define PUBLISH_HOLD "hold"
#define PUBLISH_PEERS "peers.json"

/* The folders, opened anew for each run: a file server may have been replaced in between. */
struct volume {
	int dir_fd, nodes_fd, snapshot_fd;
};
/* Makes nodes/ (2775) where it is missing. */
int volume_open(const struct settings *settings, struct volume *out, struct lm_err *err);
void volume_close(const struct volume *v);
/* The file server's clock, of the reports' volume; of the snapshot's where that one is read-only. */
int volume_now(const struct volume *v, struct timespec *now, struct lm_err *err);

/* What was written last. A state that is missing or bad is none; bad ones are logged. */
struct past {
	bool has_state;
	struct snapshot state;
	double elapsed_s;		/* since it was written, by the file server's clock; at least 0 */
};
int past_load(const struct volume *v, struct past *out, struct lm_err *err);
void past_free(struct past *past);

struct published {
	bool held;			/* `hold` is there */
	bool skipped;			/* nothing is known yet and a file of someone else is there */
	size_t bytes;
};
/* Gives `next` its epoch, generation and time, and writes it. has_known: any row of it is known. */
int publish_snapshot(const struct volume *v, struct snapshot *next, bool has_known, struct published *out, struct lm_err *err);
/* The clients of peers.json as it is; none when it is not there or cannot be understood (-1). */
int publish_last_clients(const struct volume *v, struct peer_list *out, struct lm_err *err);
/* *changed: it was written, because it differed. */
int publish_peers(const struct volume *v, const struct peers *peers, bool *changed, struct lm_err *err);

#endif
