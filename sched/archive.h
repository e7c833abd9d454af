/*
 * archive.h - the API's objects as they came, for the dump. The cache keeps only what today's decisions read; a copy of its structs would lose what
 * tomorrow's parser needs, and quietly. So each object that a watch brings is kept as compact JSON, but for what no decision will ever read
 * and what may be secret: managed fields, what was applied last, and of containers environment, command, arguments, probes, hooks and mounts.
 *
 * Costs nothing when the scheduler runs without --dump. With it: about 2 KB a pod and 2 to 10 KB a node (its images), and the time to print each.
 *
 *	tap = archive_tap(archive, CLUSTER_POD, &handlers, arg)		give archive_tap_handlers and it to kube_watch_new in place of handlers and arg
 */
#ifndef SCHED_ARCHIVE_H
#define SCHED_ARCHIVE_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "lib/kube/watch.h"
#include "sched/cluster.h"

struct archive;

struct archived {
	int kind;			/* cluster_kind */
	char *namespace_, *name, *uid, *resource_version;
	char *text;			/* one line, with kind and apiVersion */
	uint64_t round;			/* of the last list that had it */
};

struct archive *archive_new(void);
void archive_free(struct archive *a);		/* NULL is fine */

void archive_put(struct archive *a, int kind, const cJSON *object);	/* an object without a name is passed over */
void archive_delete(struct archive *a, int kind, const cJSON *object);
/* Around the objects of a list: what was not put in between goes at the end. */
void archive_begin(struct archive *a, int kind);
void archive_end(struct archive *a, int kind);

/* All, sorted by kind, namespace and name. The caller frees the array; it is good until the next change. */
struct archived **archive_sorted(const struct archive *a, size_t *count);
size_t archive_bytes(const struct archive *a);	/* of all texts */

/* Hands on what a watch brings, after it was put here. Lives as long as the archive. */
extern const struct kube_watch_handlers archive_tap_handlers;
void *archive_tap(struct archive *a, int kind, const struct kube_watch_handlers *handlers, void *arg);

#endif
