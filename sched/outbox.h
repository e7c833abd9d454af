/*
 * outbox.h - requests whose outcome nobody waits for: a bounded list, a few in flight, tried again a few times when the server
 * has no time (429, 5xx, connection) or does not know our rights yet (401, 403: it has just started), else dropped and counted.
 * A refusal by rights is logged, once a minute for each kind of letter. One thread.
 *
 * Prompt letters go before all others and without a look at the limiter, which they are charged to all the same: so the sender can
 * see to it that none waits, by holding back while outbox_prompt says that as many are under way as may be in flight. One that fails
 * at its first try becomes a letter like the others.
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
#define OUTBOX_TRIES 12			/* as client-go for events: a restart of the API server is outlasted */
#define OUTBOX_TRIES_REFUSED 6		/* of 401 and 403 */
#define OUTBOX_SPARE_TOKENS 10		/* of the limiter: left to bindings */
#define OUTBOX_PROMPT_MS 2000		/* a server that takes longer for a prompt letter is not waited for */

enum letter_kind { LETTER_EVENT, LETTER_SERIES, LETTER_CONDITION, LETTER_KINDS };

struct letter {
	enum letter_kind kind;			/* for the log */
	const char *method, *content_type;	/* constants */
	char *path, *body;			/* the outbox's from outbox_put on; so are the next three */
	char *uid, *reason, *message;		/* for `prepare` */
	/* Right before each try; may make the body. False: not wanted any more. A 409 or 422 is then a reason to try again. NULL: none. */
	bool (*prepare)(void *arg, struct letter *letter);
	void *arg;
	bool prompt;
};

struct outbox;

struct outbox *outbox_new(struct kube *k, struct limit *limit);
void outbox_free(struct outbox *o);
void outbox_set_flight(struct outbox *o, size_t flight);		/* of prompt letters at a time; 1 at first */
void outbox_put(struct outbox *o, const struct letter *letter);	/* drops it when the box is full */
/* A letter with `prepare` of that uid that is not on its way: to change what it says. NULL: none. */
struct letter *outbox_find(struct outbox *o, const char *uid);
/* Prompt letters that were not answered yet; 0 when the oldest was put in more than OUTBOX_PROMPT_MS ago. */
size_t outbox_prompt(const struct outbox *o, int64_t mono_ms);
void outbox_hurry(struct outbox *o);		/* what waits for its next try is due now */
int64_t outbox_tick(struct outbox *o, int64_t mono_ms, int64_t most);
size_t outbox_open(const struct outbox *o);
int64_t outbox_sent(const struct outbox *o);
int64_t outbox_dropped(const struct outbox *o);

#endif
