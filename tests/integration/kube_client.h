/*
 * kube_client.h - what the tests of the client (lib/kube/client.h) share: one answer, kept, and how to wait for it.
 */
#ifndef TESTS_INTEGRATION_KUBE_CLIENT_H
#define TESTS_INTEGRATION_KUBE_CLIENT_H

#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

struct answer {
	int done;
	struct kube_response response;	/* body is a copy */
	struct buf body, stream;
	int chunks, stop_after;		/* 0: never */
};

static inline void on_done(void *arg, const struct kube_response *response)
{
	struct answer *a = arg;

	a->done++;
	a->response = *response;
	assert_int_equal(strlen(response->body), response->len);
	buf_add(&a->body, response->body, response->len);
	a->response.body = a->body.data;
}

static inline bool on_chunk(void *arg, const char *bytes, size_t len)
{
	struct answer *a = arg;

	assert_int_equal(a->done, 0);
	buf_add(&a->stream, bytes, len);
	return ++a->chunks != a->stop_after;
}

static inline void answer_clear(struct answer *a)
{
	buf_free(&a->body);
	buf_free(&a->stream);
	*a = (struct answer){0};
}

static inline void run_until(struct kube *k, const int *flag)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!*flag && clock_mono_ms() < end)
		kube_run(k, 100, NULL, 0);
	assert_true(*flag);
}

static inline void ask(struct kube *k, const char *method, const char *path, const char *body, struct answer *a)
{
	answer_clear(a);
	kube_send(k, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = WAIT_MS}, on_done, a);
	run_until(k, &a->done);
	assert_int_equal(a->done, 1);
}

static inline struct kube *client_of(const char *server, const char *token_file)
{
	struct lm_err err;
	auto_free char *url = xstrdup(server), *file = xstrdup(token_file);
	struct kube *k = kube_new(&(struct kube_config){.server = url, .token_file = file}, "test", &err);

	if (!k)
		fail_msg("%s", err.msg);
	return k;
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static inline void echo(struct scripted_request *r)
{
	auto_buf struct buf b = {0};

	buf_printf(&b, "%s %s|%s|%s", r->method, r->target, r->body, r->head);
	scripted_reply(r, 200, NULL, b.data);
}

#endif
