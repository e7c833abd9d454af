#include "lib/kube/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/kube/sockets.h"
#include "lib/kube/token.h"
#include "lib/kube/transfer.h"
#include "lib/mem.h"

#define CONNECTIONS_KEPT 256L	/* less, and the busy ones would be made anew all the time; idle ones end by age */
#define CALL_WAIT_MS 30000	/* of kube_call_wait when the request names no limit */

/*
 * libcurl must not be called from inside its callbacks, and ours may do anything (send, cancel, free). So libcurl's callbacks only
 * gather bytes, and user callbacks run between two calls of libcurl, from deliver().
 */
struct kube_call {
	struct kube_call *next;
	struct transfer transfer;
	struct kube_request request;	/* method, path and content_type are copies, body lies in the transfer */
	kube_chunk *chunk;
	kube_done *done;
	void *arg;
	int64_t start_mono_us;
	CURLcode result;
	bool running;			/* added to the multi handle */
	bool finished;			/* result is there, done is still to be called */
	bool dead;			/* done was called, or cancelled; freed when nobody walks the list */
	bool tried_again;		/* after a 401 */
	bool idle;			/* ended by the watchdog */
	bool refused;			/* ended by the chunk callback */
};

struct kube {
	CURLM *multi;
	struct sockets sockets;		/* of multi */
	struct endpoint endpoint;
	struct token token;
	struct kube_call *calls;
	kube_observer *observer;	/* NULL: none */
	void *observer_arg;
	kube_rester *rester;		/* NULL: none */
	void *rester_arg;
	int depth;			/* of kube_run: while it is not 0 nothing is freed */
	bool freed;
};

struct kube *kube_new(const struct kube_config *config, const char *program, struct lm_err *err)
{
	struct kube *k;

	assert(config->server);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		lm_fail(err, LM_SOFTWARE, "libcurl does not start");
		return NULL;
	}
	k = xcalloc(1, sizeof(*k));
	if (token_init(&k->token, config->token_file, config->token, err) < 0) {
		free(k);
		curl_global_cleanup();
		return NULL;
	}
	endpoint_init(&k->endpoint, config, program);
	k->multi = curl_multi_init();
	assert(k->multi);
	sockets_init(&k->sockets, k->multi);
	curl_multi_setopt(k->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
	return k;
}

/* --- one call --------------------------------------------------------------------------------------------------------- */

static void call_start(struct kube *k, struct kube_call *c)
{
	transfer_prepare(&c->transfer, &k->endpoint, &c->request, token_current(&k->token, clock_mono_ms()));
	c->running = curl_multi_add_handle(k->multi, c->transfer.easy) == CURLM_OK;
	if (c->running)
		return;
	c->finished = true;
	c->result = CURLE_FAILED_INIT;
}

static void call_stop(struct kube *k, struct kube_call *c)
{
	if (c->running)
		curl_multi_remove_handle(k->multi, c->transfer.easy);
	c->running = false;
}

static void call_free(struct kube_call *c)
{
	transfer_free(&c->transfer);
	free((void *)(uintptr_t)c->request.method);
	free((void *)(uintptr_t)c->request.path);
	free((void *)(uintptr_t)c->request.content_type);
	free(c);
}

static void sweep(struct kube *k)
{
	struct kube_call **at = &k->calls, *c;

	if (k->depth > 0)
		return;
	while ((c = *at)) {
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		call_free(c);
	}
}

static struct kube_call *send_call(struct kube *k, const struct kube_request *request, kube_chunk *chunk, kube_done *done,
				   void *arg)
{
	struct kube_call *c = xcalloc(1, sizeof(*c));

	assert(!k->freed);
	c->request = *request;
	c->request.method = xstrdup(request->method);
	c->request.path = xstrdup(request->path);
	c->request.content_type = xstrdup(request->content_type);
	c->chunk = chunk;
	c->done = done;
	c->arg = arg;
	c->start_mono_us = clock_mono_us();
	transfer_init(&c->transfer, &k->endpoint, request, chunk != NULL);
	c->request.body = c->transfer.body;
	curl_easy_setopt(c->transfer.easy, CURLOPT_PRIVATE, c);
	c->next = k->calls;
	k->calls = c;
	call_start(k, c);
	return c;
}

struct kube_call *kube_send(struct kube *k, const struct kube_request *request, kube_done *done, void *arg)
{
	return send_call(k, request, NULL, done, arg);
}

struct kube_call *kube_stream(struct kube *k, const struct kube_request *request, kube_chunk *chunk, kube_done *done, void *arg)
{
	return send_call(k, request, chunk, done, arg);
}

void kube_cancel(struct kube *k, struct kube_call *call)
{
	assert(!call->dead);
	call_stop(k, call);
	call->dead = true;
	sweep(k);
}

static void release(struct kube *k)
{
	sweep(k);
	curl_multi_cleanup(k->multi);
	sockets_close(&k->sockets);
	endpoint_free(&k->endpoint);
	token_free(&k->token);
	free(k);
	curl_global_cleanup();
}

void kube_free(struct kube *k)
{
	struct kube_call *c;

	if (!k)
		return;
	assert(!k->freed);
	k->freed = true;
	for (c = k->calls; c; c = c->next) {
		call_stop(k, c);
		c->dead = true;
	}
	if (k->depth == 0)
		release(k);
}

int kube_call_status(const struct kube_call *call)
{
	return transfer_status(&call->transfer);
}

size_t kube_in_flight(const struct kube *k)
{
	const struct kube_call *c;
	size_t count = 0;

	for (c = k->calls; c; c = c->next)
		count += !c->dead;
	return count;
}

void kube_observe(struct kube *k, kube_observer *observer, void *arg)
{
	k->observer = observer;
	k->observer_arg = arg;
}

void kube_on_rest(struct kube *k, kube_rester *rester, void *arg)
{
	k->rester = rester;
	k->rester_arg = arg;
}

/* --- delivery --------------------------------------------------------------------------------------------------------- */

static void fill_error(const struct kube *k, const struct kube_call *c, struct lm_err *err)
{
	const char *server = k->endpoint.config.server;

	if (c->refused)
		lm_fail(err, LM_UNAVAILABLE, "%s: the stream was ended by its receiver", server);
	else if (c->idle)
		lm_fail(err, LM_UNAVAILABLE, "%s: nothing came for %g s", server, (double)c->request.idle_ms / 1000);
	else
		transfer_error(&c->transfer, &k->endpoint, c->result, err);
}

/* A stream that was cut had an answer all the same. */
static void observe(const struct kube *k, const struct kube_call *c, int status)
{
	struct kube_outcome outcome = {.method = c->chunk ? "WATCH" : c->request.method, .status = status,
				       .seconds = (double)(clock_mono_us() - c->start_mono_us) / 1e6};

	if (c->chunk && status == 0)
		outcome.status = transfer_status(&c->transfer);
	if (k->observer)
		k->observer(k->observer_arg, &outcome);
}

static void call_done(struct kube_call *c, const struct kube *k)
{
	const struct transfer *t = &c->transfer;
	bool cut = t->is_stream && t->too_large;	/* the long text of a refusal: its beginning will do */
	bool complete = !c->refused && !c->idle && (c->result == CURLE_OK || cut);
	struct kube_response response = {.body = "", .sent = t->sent, .retry_after_ms = -1};

	c->dead = true;
	c->finished = false;
	if (complete) {
		response.status = transfer_status(t);
		response.retry_after_ms = transfer_retry_after_ms(t);
		if (t->in.data) {
			response.body = t->in.data;
			response.len = t->in.len;
		}
	} else {
		fill_error(k, c, &response.error);
	}
	observe(k, c, response.status);
	c->done(c->arg, &response);
}

static bool deliver_chunk(struct kube *k, struct kube_call *c)
{
	struct buf bytes = c->transfer.in;
	bool more;

	if (!c->chunk || bytes.len == 0 || transfer_status(&c->transfer) != 200)
		return false;
	c->transfer.in = (struct buf){0};
	more = c->chunk(c->arg, bytes.data, bytes.len);
	if (!c->dead && c->transfer.in.data == NULL) {
		c->transfer.in = bytes;	/* its memory serves again */
		buf_clear(&c->transfer.in);
	} else {
		buf_free(&bytes);
	}
	if (c->dead || more)
		return true;
	call_stop(k, c);
	c->refused = c->finished = true;
	return true;
}

/* Runs the callbacks that are due. True when there were any. New calls go to the head of the list: they are not met here. */
static bool deliver(struct kube *k)
{
	struct kube_call *c;
	bool any = false;

	for (c = k->calls; c && !k->freed; c = c->next) {
		if (!c->dead && deliver_chunk(k, c))
			any = true;
		if (c->dead || !c->finished || k->freed)
			continue;
		call_done(c, k);
		any = true;
	}
	return any;
}

/* --- the loop --------------------------------------------------------------------------------------------------------- */

/* A 401 says that nothing was done, so even a write may be tried again: once, with token and client certificate read anew. */
static bool try_again(struct kube *k, struct kube_call *c)
{
	bool token, certificate;

	if (c->result != CURLE_OK || c->tried_again || transfer_status(&c->transfer) != 401)
		return false;
	token = token_refused(&k->token, clock_mono_ms());
	certificate = transfer_renew(&c->transfer);
	if (!token && !certificate)
		return false;
	c->tried_again = true;
	call_start(k, c);
	return true;
}

static void collect(struct kube *k)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(k->multi, &left))) {
		struct kube_call *c = NULL;
		CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &c);
		call_stop(k, c);
		c->result = result;
		if (result == CURLE_PEER_FAILED_VERIFICATION)
			endpoint_distrust(&k->endpoint, clock_mono_ms());
		if (!try_again(k, c))
			c->finished = true;
	}
}

/* Ends calls that were silent for too long; returns how long until the next one would be, at most max_ms. */
static int64_t watchdog(struct kube *k, int64_t max_ms)
{
	int64_t now = clock_mono_ms(), left, least = max_ms;
	struct kube_call *c;

	for (c = k->calls; c; c = c->next) {
		if (!c->running || c->request.idle_ms <= 0)
			continue;
		left = c->transfer.heard_mono_ms + c->request.idle_ms - now;
		if (left < least)
			least = left;
		if (left > 0)
			continue;
		call_stop(k, c);
		c->idle = c->finished = true;
	}
	return least > 0 ? least : 0;
}

static bool step(struct kube *k)
{
	sockets_act(&k->sockets);
	collect(k);
	watchdog(k, 0);
	return deliver(k);
}

static void rest(const struct kube *k, int64_t wait_ms, struct pollfd *fds, size_t count)
{
	if (k->rester && wait_ms > 0)
		k->rester(k->rester_arg, true);
	sockets_wait(&k->sockets, wait_ms, fds, count);
	if (k->rester && wait_ms > 0)
		k->rester(k->rester_arg, false);
}

void kube_run(struct kube *k, int64_t wait_ms, struct pollfd *fds, size_t count)
{
	size_t i;

	assert(k->depth == 0 && !k->freed);
	for (i = 0; i < count; i++)
		fds[i].revents = 0;
	k->depth++;
	if (step(k) || wait_ms < 0)
		wait_ms = 0;
	if (!k->freed) {
		rest(k, watchdog(k, wait_ms), fds, count);
		step(k);
	}
	k->depth--;
	if (k->freed)
		release(k);
	else
		sweep(k);
}

/* --- the simple way --------------------------------------------------------------------------------------------------- */

struct waiter {
	bool done;
	int status;
	char *body;
	struct lm_err error;
};

static void on_waited(void *arg, const struct kube_response *response)
{
	struct waiter *w = arg;

	w->done = true;
	w->status = response->status;
	if (response->status == 0)
		w->error = response->error;
	else
		w->body = xstrndup(response->body, response->len);
}

int kube_call_wait(struct kube *k, const struct kube_request *request, int *status, char **body, struct lm_err *err)
{
	struct kube_request bounded = *request;
	struct waiter w = {.done = false};

	if (bounded.timeout_ms == 0)
		bounded.timeout_ms = CALL_WAIT_MS;
	kube_send(k, &bounded, on_waited, &w);
	while (!w.done)
		kube_run(k, 1000, NULL, 0);
	if (w.status == 0) {
		*err = w.error;
		return -1;
	}
	*status = w.status;
	*body = w.body;
	return 0;
}
