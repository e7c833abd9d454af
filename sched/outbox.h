/*
 * outbox.h - requests whose outcome nobody waits for: a bounded list, a few in flight, tried again a few times when the server
 * has no time (429, 5xx, connection), else dropped and counted. One thread.
 */
#ifndef SCHED_OUTBOX_H
#define SCHED_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/client.h"
#include "sched/limit.h"

#define OUTBOX_MAX 10000
#define OUTBOX_FLIGHT 8
#define OUTBOX_TRIES 6
#define OUTBOX_SPARE_TOKENS 10		/* of the limiter: left to bindings */

struct letter {
	const char *method, *content_type;	/* constants */
	char *path, *body;			/* the outbox's from outbox_put on; so are the next three */
	char *uid, *reason, *message;		/* for `prepare` */
	/* Right before each try; may make the body. False: not wanted any more. A 409 or 422 is then a reason to try again. NULL: none. */
	bool (*prepare)(void *arg, struct letter *letter);
	void *arg;
};

struct outbox;

struct outbox *outbox_new(struct kube *k, struct limit *limit);
void outbox_free(struct outbox *o);
void outbox_put(struct outbox *o, const struct letter *letter);	/* drops it when the box is full */
/* A letter with `prepare` of that uid that is not on its way: to change what it says. NULL: none. */
struct letter *outbox_find(struct outbox *o, const char *uid);
int64_t outbox_tick(struct outbox *o, int64_t mono_ms, int64_t most);
size_t outbox_open(const struct outbox *o);
int64_t outbox_sent(const struct outbox *o);
int64_t outbox_dropped(const struct outbox *o);

#endif
