/*
 * client.h - requests to the Kubernetes API on libcurl's multi interface: one thread, one event loop, many in flight.
 *
 *	struct kube *k = kube_new(&config, "latency-sched", &err);
 *	struct kube_request bind = {.method = "POST", .path = "/api/v1/...", .body = text, .timeout_ms = 10000};
 *	kube_send(k, &bind, on_bound, arg);
 *	while (running)
 *		kube_run(k, wait_ms, extra_fds, n);		// calls on_bound from here, never from kube_send
 *
 * Everything happens on the caller's thread inside kube_run. A callback may send more requests, cancel others and free the client,
 * but not call kube_run. Each request gives exactly one callback, unless it is cancelled; after it the call is gone. Writes are
 * never repeated by this module (nor by libcurl under it): whether a POST happened is known to the caller alone. 429 and 5xx are
 * reported, not hidden. A 401 is tried again once when there is a token file or a client certificate file: it says that nothing was done.
 * How many are in flight is for the callers to bound: each goes out at once, on a connection of its own where none is free.
 *
 * TLS 1.2+, peer and name verified, CA re-read by new connections at most 60 s late, and at once after a refusal; client
 * certificates are read by each new connection, and a 401 ends the connection; no redirects, http only for http:// servers,
 * no proxy from the environment. Connect 5 s. TCP keep-alive and TCP_USER_TIMEOUT 45 s. Bodies are capped (16 MiB an object,
 * 256 MiB a page of a list).
 */
#ifndef LIB_KUBE_CLIENT_H
#define LIB_KUBE_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/kube/config.h"

struct kube;
struct kube_call;			/* a request in flight */

struct kube_request {
	const char *method;		/* GET POST PUT PATCH DELETE */
	const char *path;		/* "/api/v1/nodes?limit=500"; already escaped */
	const char *body;		/* copied; NULL: none */
	const char *content_type;	/* NULL: application/json */
	int64_t timeout_ms;		/* of the whole call; 0: none (a watch) */
	int64_t idle_ms;		/* with 0: ended after so long without a byte; 0: none */
	size_t max_bytes;		/* of the answer; 0: 16 MiB */
	/*
	 * Asked right before the body goes out, each time: false ends the call unsent (status 0, sent false). Only with a body. For
	 * writes that are right for a moment only: a leader's. Called from inside libcurl: it must not use the client. NULL: always.
	 */
	bool (*may_send)(void *arg);
	void *may_send_arg;
};

struct kube_response {
	int status;			/* HTTP; 0 when none came */
	const char *body;		/* NUL-terminated; valid during the callback */
	size_t len;
	int64_t retry_after_ms;		/* of the header Retry-After, at most 60 s; -1 when absent or garbage */
	bool sent;			/* the request may have reached the server: a write's fate is unknown */
	struct lm_err error;		/* when status is 0: LM_UNAVAILABLE with the reason, TLS reasons exact */
};

static inline bool kube_success(const struct kube_response *response)
{
	return response->status >= 200 && response->status <= 299;
}

/* Of a write: the server may have carried it out. (A 429 comes before anything is done.) */
static inline bool kube_fate_unknown(const struct kube_response *response)
{
	return response->status == 0 ? response->sent : response->status == 408 || response->status >= 500;
}

/* The same request may well be answered otherwise in a while: nobody answered, or a server without time or in trouble. */
static inline bool kube_may_pass(const struct kube_response *response)
{
	return response->status == 0 || response->status == 408 || response->status == 429 || response->status >= 500;
}

typedef void kube_done(void *arg, const struct kube_response *response);
/* For streams: called with bytes as they come when the status is 200; false ends the call (then kube_done with status 0). */
typedef bool kube_chunk(void *arg, const char *bytes, size_t len);

struct kube *kube_new(const struct kube_config *config, const char *program, struct lm_err *err);	/* copies config */
void kube_free(struct kube *k);					/* cancels what is in flight, without callbacks; NULL is fine */

struct kube_call *kube_send(struct kube *k, const struct kube_request *request, kube_done *done, void *arg);
struct kube_call *kube_stream(struct kube *k, const struct kube_request *request, kube_chunk *chunk, kube_done *done, void *arg);
void kube_cancel(struct kube *k, struct kube_call *call);	/* no callback follows */

/*
 * Waits at most wait_ms for anything on the API or on `fds` (at most 64; revents are set), and runs callbacks. Returns early on
 * activity.
 */
void kube_run(struct kube *k, int64_t wait_ms, struct pollfd *fds, size_t count);
int kube_call_status(const struct kube_call *call);		/* HTTP, of a call in flight; 0 before its answer begins */
size_t kube_in_flight(const struct kube *k);

/* How a request ended, for metrics; said once for each that was not cancelled, before its own callback. */
struct kube_outcome {
	const char *method;		/* "WATCH" for a stream */
	int status;			/* HTTP; 0: no answer, or none that was whole */
	double seconds;
};
typedef void kube_observer(void *arg, const struct kube_outcome *outcome);
void kube_observe(struct kube *k, kube_observer *observer, void *arg);		/* one; it must not use the client */

/*
 * Called inside kube_run, with true before it sleeps and with false after: until then nothing of the client's is touched, so that another thread may have a turn
 * with what this one owns. One; it must not use the client.
 */
typedef void kube_rester(void *arg, bool resting);
void kube_on_rest(struct kube *k, kube_rester *rester, void *arg);

/* The simple way: sends and runs until done, 30 s where no timeout is named; the caller frees *body. */
int kube_call_wait(struct kube *k, const struct kube_request *request, int *status, char **body, struct lm_err *err);

/* "404 NotFound: pods \"web\" not found": the Status object's words, or the first line of what came instead. */
void kube_status_text(const struct kube_response *response, char *text, size_t size);
/* The Status object's reason ("AlreadyExists"), "" when there is none. `size` includes the NUL. */
void kube_status_reason(const struct kube_response *response, char *reason, size_t size);

/*
 * Full-jitter exponential back-off: 0 < result <= min(cap, base x 2^tries); or, where that is less, retry_after_ms and up to a
 * quarter more.
 */
int64_t kube_backoff_ms(int tries, int64_t base_ms, int64_t cap_ms, int64_t retry_after_ms);

#endif
