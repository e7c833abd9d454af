/*
 * peer.h - what one pod cannot find out alone: how soon a change of one node is seen on another. In two pods on two nodes, at the
 * same time:
 *
 *	peer_write: each 0.5 s replaces DIR/.check-mount; now and then writes it in place, or deletes it and makes it anew
 *	peer_watch: looks each 50 ms, as the scheduler and the merger look, and tells the longest time until a change was seen
 *
 * Times are of the file server's clock: mtime of what was read against the mtime of a file of the watcher's own.
 */
#ifndef NFS_PEER_H
#define NFS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/guard.h"

struct peer {
	const char *dir;
	int64_t time_ms;
};

/* guard_work; `arg` is a struct peer. */
void peer_write(void *peer, struct guard *g);
void peer_watch(void *peer, struct guard *g);

/* --- for tests: what a watcher makes of what it saw */
struct peer_seen {
	int64_t last, last_ms;		/* version, and when it was written; 0: none yet */
	bool was_gone;			/* looked for and not there since then */
	int versions, backwards;
	double replaced_s, edited_s, appeared_s;	/* the longest times; negative: never */
};

/* Slot numbers run on while the file is deleted, so that missed versions can be dated. */
bool peer_is_gone_at(int64_t slot);
bool peer_is_edited_at(int64_t slot);
void peer_see(struct peer_seen *s, int64_t slot, int64_t written_ms, int64_t now_ms);
/* A file that was gone and is not seen for a whole cycle since: not yet, so at least so late. The writer must still be at it. */
void peer_end(struct peer_seen *s, int64_t now_ms);

#endif
