/*
 * observer.h - POST /observations: the tables of observe.h with a lock, a clock, a token, a rate limit, and observations.json on the volume.
 *
 *	observer_new(&settings, metrics, &observer, &err);
 *	observer_answer(observer, request, reply);		// by the threads of HTTP
 *	observer_collect(observer, ...);			// by the merger, at each merge, before the fold
 *	observer_save(observer, snapshot_fd);			// and after it, and at the end
 *
 * A post is JSON, Content-Type application/json, at most 1 MiB (OBSERVE_POST_BYTES):
 *
 *	{"observations":[{"group":"milan", "node":"edge-1", "ms":12.3, "count":40}, ...]}
 *
 * count (1 when absent) is how many requests ms stands for. What is wrong with one item does not hurt the others:
 *
 *	200 {"accepted":38,"refused":2,"reasons":{"range":1,"unknown_node":1}}		(observe_reasons)
 *
 * 400 no such JSON, 401 no or another token, 413 too large, 415 another type, 429 too often, 503 the first merge is still to come, or there are too
 * many reporters. The reporter is the address that the connection comes from; X-Forwarded-For is anybody's word and is not looked at. A
 * reporter may post OBSERVER_RATE times a second, after a pause OBSERVER_BURST at once; what is more is refused unread: a million posts change
 * no more than those, and cost what reading them from the socket costs.
 *
 * observations.json is written after each merge, beside merge-state.json, and read before the first; its age is by the file server's clock. A bad one
 * is none, and is named once. It is written at an orderly end, too.
 */
#ifndef MERGE_OBSERVER_H
#define MERGE_OBSERVER_H

#include "lib/http.h"
#include "lib/metrics.h"
#include "merge/observe.h"
#include "merge/settings.h"

#define OBSERVER_FILE "observations.json"
#define OBSERVER_RATE 2.0		/* of a reporter, a second: reading a full post takes about 20 ms */
#define OBSERVER_BURST 20.0		/* ingress workers that all post at the full minute */
#define OBSERVER_TOKEN_BYTES 4096

struct observer;

/* Reads the token, if one is wanted: LM_NOINPUT, LM_DATA (empty, too long). It is read again at each merge; one that is bad then changes nothing. */
int observer_new(const struct settings *settings, struct metrics *metrics, struct observer **out, struct lm_err *err);
void observer_free(struct observer *o);			/* NULL is fine */
void observer_answer(struct observer *o, const struct http_request *request, struct http_reply *reply);

/* The first time it reads the file. life_s: what is older is forgotten. `clients`: those that are listed, complete or not. */
void observer_collect(struct observer *o, int snapshot_fd, const struct names *nodes, const struct names *clients, double life_s, struct observed *out);
void observer_save(struct observer *o, int snapshot_fd);

#endif
