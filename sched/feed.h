/*
 * feed.h - what the API server says about the cluster: watches nodes, pods and the kinds of object.h, keeps the cache, and puts pods that
 * wait for us into the queue.
 *
 * A pod of ours: our scheduler name, on no node, not ended, not terminating, without scheduling gates. All other pods only fill
 * the cache.
 *
 * An object that cannot be read is counted and said, and is not in the cache. A kind that the server does not have (404) is taken for listed and empty;
 * one that may not be listed (403) never is. When everything is listed the cache is told that it knows storage.
 */
#ifndef SCHED_FEED_H
#define SCHED_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/archive.h"
#include "sched/cache/cache.h"
#include "sched/queue.h"

struct feed_hooks {
	bool (*ours)(void *arg, const char *scheduler_name);
	/* A pod of ours was seen on a node, or is gone. The cache has it already. */
	void (*seen)(void *arg, const char *uid);
	void (*any)(void *arg, const char *uid);	/* the same of every pod, wherever it is; NULL: nobody asks */
	void *arg;
	struct archive *archive;	/* sees all objects first; NULL: none */
};

struct feed;

struct feed *feed_new(struct kube *k, struct cache *cache, struct queue *queue, struct metrics *stats,
		      const struct feed_hooks *hooks);
void feed_free(struct feed *f);				/* before the client; NULL is fine */
/* Starts what is due; returns milliseconds until the next call. */
int64_t feed_tick(struct feed *f, int64_t mono_ms);
/* Bits, 1 << enum stat_resource, of what was not listed yet; of those, what may not be. */
unsigned feed_unlisted(const struct feed *f, unsigned *forbidden);
bool feed_synced(const struct feed *f);			/* everything was listed */
/*
 * Lists the pods anew, for a replica that has just become the leader: what its predecessor bound last may not have come by the watch yet, and room
 * that is taken would look free. Nothing may be decided until feed_relisted. Synced it stays.
 */
void feed_relist(struct feed *f);
bool feed_relisted(const struct feed *f);		/* no such list is on its way */
unsigned feed_take_wake(struct feed *f);		/* WAKE bits since the last call */
/* Whether a pod is one that waits for us now. */
bool feed_wants(const struct feed *f, const struct pod *pod);

#endif
