/*
 * watch.h - list and watch of one resource: the object stream of a reflector, as a state machine on client.h.
 *
 *	WAITING -> LISTING (pages) -> WATCHING -> closed: WATCHING again at the last resourceVersion
 *	   ^                              | 410, bad stream, gap
 *	   +------- back-off -------------+ then LISTING
 *
 *	struct kube_watch *w = kube_watch_new(k, "/api/v1/pods", "fieldSelector=status.phase!=Failed", &handlers, arg);
 *
 * The handlers see, on the thread of kube_run:
 *	replace_begin(), object(KUBE_ADDED, o) for each listed object, replace_end(): what was not listed is gone (the
 *	handler's cache deletes it);
 *	then object(KUBE_ADDED | KUBE_MODIFIED | KUBE_DELETED, o) as things happen. Duplicates and unknown objects can occur:
 *	upsert.
 * A replace_begin without an end before it starts the list over (the server gave up in the middle of its pages).
 * Objects are parsed one at a time and belong to the watch: copy what is needed. A handler may free the watch.
 *
 * Rules: the first list is consistent (no resourceVersion), then with limit=500 and `continue`; watches ask for bookmarks with
 * timeoutSeconds 300..600 (random) and are ended when silent for 60 s beyond that, or after 3 minutes without anything when
 * bookmarks were seen. 410 (as status or ERROR event): list again. 429 and 5xx: back-off 0.8 s x 2, at most 30 s, with
 * jitter, Retry-After honoured; a 429 never causes a list. A line may be cut anywhere; 16 MiB cap; unknown event types are ignored.
 * resourceVersion is opaque, except as a guard: where both are whole numbers, a list older than what was seen is refused and
 * tried again, and an older event is dropped. After 20 refusals in a row (minutes) the list is believed: etcd was restored.
 */
#ifndef LIB_KUBE_WATCH_H
#define LIB_KUBE_WATCH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/kube/client.h"

enum kube_event { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

struct kube_watch_handlers {
	void (*replace_begin)(void *arg);
	void (*object)(void *arg, enum kube_event event, const cJSON *object);
	void (*replace_end)(void *arg);
	void (*trouble)(void *arg, const struct lm_err *err, int64_t retry_in_ms);	/* may be NULL; for the log */
};

struct kube_watch_stats {		/* since the start; for metrics and tests */
	int64_t lists, watches, events, bookmarks, gone, bad_lines;
	int64_t stale, unknown;		/* events dropped: older than what was seen; of a type that is not known */
	int64_t last_heard_mono_ms;	/* of a list, an event or a bookmark; -1 never */
	int64_t opened_mono_ms;		/* when a list was answered, or a watch began to be; -1 never */
	int list_status;		/* HTTP, of the last page or list that was asked for; 0: no answer */
};

struct kube_watch;

/* Starts at once. path and query are copied; the query must be escaped, and may be NULL. Free it before its client. */
struct kube_watch *kube_watch_new(struct kube *k, const char *path, const char *query, const struct kube_watch_handlers *handlers,
				  void *arg);
void kube_watch_free(struct kube_watch *w);
/* To be called between kube_run calls: starts what is due. Returns ms until the next call is needed (at most 60,000). */
int64_t kube_watch_tick(struct kube_watch *w, int64_t mono_ms);
/*
 * Whatever it is doing, it begins a new list now: consistent, so that it has all that was written before this call. `lists` of the stats
 * tells when it has come. Not from a handler.
 */
void kube_watch_relist(struct kube_watch *w);
bool kube_watch_synced(const struct kube_watch *w);		/* a whole list was delivered */
struct kube_watch_stats kube_watch_stats(const struct kube_watch *w);

#endif
