/*
 * ledger_world.h - an API server with one ConfigMap, its network and its clocks, all of them simulated, and the ledger on them: hours pass in milliseconds.
 * A request arrives at the server and its answer at the ledger when the test's time has come; whoever sent it may be gone by then.
 */
#ifndef TESTS_LEDGER_WORLD_H
#define TESTS_LEDGER_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/kube/client.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

static struct kube_call *world_send(struct kube *k, const struct kube_request *request, kube_done *done, void *arg);
static void world_cancel(struct kube *k, struct kube_call *call);
static int64_t world_backoff(int tries, int64_t base_ms, int64_t cap_ms, int64_t retry_after_ms);
static int64_t world_wall(void);
static int64_t world_mono(void);
static void world_warn(const char *msg, const struct log_field *fields);

#define kube_send world_send
#define kube_cancel world_cancel
#define kube_backoff_ms world_backoff
#define clock_wall_ms world_wall
#define clock_mono_ms world_mono
#define log_warn world_warn
#include "sched/heal/ledger.c"
#undef clock_wall_ms
#undef clock_mono_ms

#define BEGIN_MS 1795000040000		/* of the wall clock, 20 s past a minute */
#define REQUESTS 64

/* What becomes of a request: how late it arrives (-1: never), and the answer (-1: never); status 0 is for the server to say. */
struct fate {
	int64_t arrives_ms, answers_ms;
	int status;			/* in place of the server's; before anything is done */
};

struct request {
	bool used, arrived;
	char *method, *body;
	kube_done *done;		/* NULL: who sent it is gone */
	void *arg;
	int64_t arrives_ms, answers_ms;	/* INT64_MAX: never */
	int64_t times_out_ms;
	int status;
	char *answer;
};

static struct world {
	int64_t now_ms, skew_ms;	/* of the wall clock */
	bool there;
	int version;
	char *data;			/* of the object, JSON; or the whole object's, when it is not one that we wrote */
	struct request requests[REQUESTS];
	struct fate next;		/* of the next request */
	int gets, posts, patches;	/* that arrived */
	int lost;			/* answers that never come */
	int warnings;
	char said[600];			/* the last one */
	bool leads;
	struct limit limit;
} w;

static int64_t world_wall(void)
{
	return BEGIN_MS + w.now_ms + w.skew_ms;
}

static int64_t world_mono(void)
{
	return 5000000 + w.now_ms;
}

static int64_t world_backoff(int tries, int64_t base_ms, int64_t cap_ms, int64_t retry_after_ms)
{
	(void)retry_after_ms;
	return tries < 10 && base_ms << tries < cap_ms ? base_ms << tries : cap_ms;
}

static void world_warn(const char *msg, const struct log_field *fields)
{
	w.warnings++;
	snprintf(w.said, sizeof(w.said), "%s: %s: %s", msg, fields[0].v.string, fields[1].v.string);
}

static bool leads(void *arg)
{
	(void)arg;
	return w.leads;
}

static void world_begin(void)
{
	w = (struct world){.leads = true};
	limit_set(&w.limit, 1e6, 1e6, world_mono());
}

static void forget(struct request *r)
{
	free(r->method);
	free(r->body);
	free(r->answer);
	*r = (struct request){0};
}

static void world_end(void)
{
	size_t i;

	for (i = 0; i < REQUESTS; i++)
		forget(&w.requests[i]);
	free(w.data);
}

static struct ledger *world_ledger(int64_t per_minute, int64_t per_hour)
{
	return ledger_new(NULL, &w.limit, &(struct ledger_settings){"n", "l", per_minute, per_hour, leads, NULL});
}

/* --- the network ----------------------------------------------------------------------------------------------------- */

static struct kube_call *world_send(struct kube *k, const struct kube_request *request, kube_done *done, void *arg)
{
	struct request *r = w.requests;

	(void)k;
	while (r->used)
		r++;
	assert_true(r < w.requests + REQUESTS);
	assert_string_equal(request->path, STREQ(request->method, "POST") ? "/api/v1/namespaces/n/configmaps" : "/api/v1/namespaces/n/configmaps/l-evictions");
	assert_true(STREQ(request->method, "GET") || request->may_send == leads);
	assert_true(w.leads);
	*r = (struct request){.used = true, .method = xstrdup(request->method), .body = xstrdup(request->body), .done = done, .arg = arg,
			      .arrives_ms = w.next.arrives_ms < 0 ? INT64_MAX : w.now_ms + w.next.arrives_ms,
			      .answers_ms = w.next.answers_ms < 0 ? INT64_MAX : w.now_ms + w.next.answers_ms,
			      .times_out_ms = w.now_ms + request->timeout_ms, .status = w.next.status};
	w.lost += w.next.answers_ms < 0;
	w.next = (struct fate){0};
	return (struct kube_call *)r;
}

static void world_cancel(struct kube *k, struct kube_call *call)
{
	(void)k;
	((struct request *)call)->done = NULL;
}

static char *object(void)
{
	return xasprintf("{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"l-evictions\",\"resourceVersion\":\"%d\"},\"data\":%s}", w.version, w.data);
}

static void server_put(const char *data)
{
	char *copy = xstrdup(data);

	free(w.data);
	w.data = copy;
	w.there = true;
	w.version++;
}

static int carry_out(const struct request *r)
{
	auto_json cJSON *body = r->body ? cJSON_Parse(r->body) : NULL;
	const cJSON *data = json_get(body, "data");
	auto_free char *text = data ? cJSON_PrintUnformatted(data) : NULL, *version = xasprintf("%d", w.version);

	if (STREQ(r->method, "GET")) {
		w.gets++;
		return w.there ? 200 : 404;
	}
	*(STREQ(r->method, "POST") ? &w.posts : &w.patches) += 1;
	if (STREQ(r->method, "POST") ? w.there : !w.there)
		return w.there ? 409 : 404;
	if (w.there && !STREQ(cJSON_GetStringValue(json_get(json_get(body, "metadata"), "resourceVersion")), version))
		return 409;
	server_put(text);
	return w.posts && STREQ(r->method, "POST") ? 201 : 200;
}

static void arrive(struct request *r)
{
	r->arrived = true;
	if (!r->status)
		r->status = carry_out(r);
	r->answer = r->status < 300 ? object() : xasprintf("{\"kind\":\"Status\",\"code\":%d,\"message\":\"so the server said %d\"}", r->status, r->status);
}

static void answer(struct request *r, bool timed_out)
{
	struct kube_response response = {.status = timed_out ? 0 : r->status, .body = timed_out ? "" : r->answer, .len = timed_out ? 0 : strlen(r->answer),
					 .retry_after_ms = -1, .sent = true};
	kube_done *done = r->done;

	if (timed_out)
		(void)lm_fail(&response.error, LM_UNAVAILABLE, "no answer in time");
	r->done = NULL;
	if (done)
		done(r->arg, &response);
}

/* All that is due by then. */
static void world_pass(int64_t ms)
{
	size_t i;

	w.now_ms += ms;
	for (i = 0; i < REQUESTS; i++) {
		struct request *r = &w.requests[i];
		bool over;

		if (!r->used)
			continue;
		if (!r->arrived && r->arrives_ms <= w.now_ms)
			arrive(r);
		if (r->arrived && r->answers_ms <= w.now_ms)
			answer(r, false);
		else if (r->times_out_ms <= w.now_ms)
			answer(r, true);
		over = r->arrived || r->arrives_ms == INT64_MAX;
		if (over && !r->done)
			forget(r);
	}
}

#endif
