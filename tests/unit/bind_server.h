/*
 * bind_server.h - what the tests of bindings, events and conditions share: a server that answers as each case says, and what sends to it. Times are shorter than
 * in the program.
 */
#ifndef TESTS_UNIT_BIND_SERVER_H
#define TESTS_UNIT_BIND_SERVER_H

#include "sched/bind.h"
#undef BIND_FATE_MS
#define BIND_FATE_MS 600
#undef BIND_TIMEOUT_MS
#define BIND_TIMEOUT_MS 300
#include "sched/bind.c"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "sched/events.h"
#include "sched/outbox.h"
#include "tests/testing/scripted.h"
#include "tests/unit/objects.h"

#define PATIENCE_MS 10000

/* What one POST does: "201", "409" ... a status before the commit; "201!" after it; "drop", "drop!", "reset", "silence". */
struct server {
	pthread_mutex_t lock;
	const char *script[8];		/* of the POSTs, in order; the last one stays */
	int posts, gets, events, patches;
	char uid[32], node[32];		/* of the pod; uid "": there is none */
	bool deleting;
	int get_status;			/* 0: the pod */
	char bound_to[64];		/* every node that a POST named: "a,a," */
	char last_body[65536];
	int event_status, patch_status;	/* 0: 201, 200 */
};

struct world {
	struct scripted *scripted;
	struct server server;
	struct kube *kube;
	struct limit limit;
	struct cache *cache;
	struct binder *binder;
	struct events *events;
	int ended;
	enum bind_end end;
	char reason[256];
	int posts;
	void *tag;
};

static inline void status_answer(struct scripted_request *r, int status)
{
	auto_free char *body = xasprintf("{\"kind\":\"Status\",\"code\":%d,\"reason\":\"Some\",\"message\":\"as told %d\"}",
					 status, status);

	scripted_reply(r, status, NULL, body);
}

static inline void answer_post(struct scripted_request *r, struct server *s)
{
	const char *what = s->script[0];
	const char *node = strstr(r->body, "\"kind\":\"Node\",\"name\":\"");
	char name[32] = "";

	if (s->posts < 7 && s->script[s->posts])
		what = s->script[s->posts];
	else if (s->posts > 0)
		for (int i = 0; i < 8 && s->script[i]; i++)
			what = s->script[i];
	s->posts++;
	assert_non_null(node);
	sscanf(node, "\"kind\":\"Node\",\"name\":\"%31[^\"]", name);
	strncat(s->bound_to, name, sizeof(s->bound_to) - strlen(s->bound_to) - 2);
	strncat(s->bound_to, ",", sizeof(s->bound_to) - strlen(s->bound_to) - 1);
	snprintf(s->last_body, sizeof(s->last_body), "%.65000s", r->body);
	if (strchr(what, '!') || STREQ(what, "201"))
		snprintf(s->node, sizeof(s->node), "%s", name);
	if (atoi(what))
		status_answer(r, atoi(what));
	else if (strncmp(what, "reset", 5) == 0)
		scripted_reset(r);
	else if (strncmp(what, "silence", 7) == 0) {
		pthread_mutex_unlock(&s->lock);
		scripted_silence(r);
		pthread_mutex_lock(&s->lock);
	} else {
		r->close = true;
	}
}

static inline void answer_get(struct scripted_request *r, const struct server *s)
{
	auto_free char *body = NULL;

	if (s->get_status) {
		status_answer(r, s->get_status);
		return;
	}
	if (!*s->uid) {
		status_answer(r, 404);
		return;
	}
	body = xasprintf("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"uid\":\"%s\"%s},\"spec\":{\"nodeName\":\"%s\"}}",
			 s->uid,
			 s->deleting ? ",\"deletionTimestamp\":\"2026-11-21T21:00:00Z\"" : "", s->node);
	scripted_reply(r, 200, NULL, body);
}

static inline void answer(struct scripted_request *r)
{
	struct server *s = r->arg;

	pthread_mutex_lock(&s->lock);
	if (strstr(r->target, "/events")) {
		s->events++;
		snprintf(s->last_body, sizeof(s->last_body), "%.65000s", r->body);
		status_answer(r, s->event_status ? s->event_status : 201);
	} else if (STREQ(r->method, "PATCH")) {
		s->patches++;
		snprintf(s->last_body, sizeof(s->last_body), "%.65000s", r->body);
		status_answer(r, s->patch_status ? s->patch_status : 200);
	} else if (STREQ(r->method, "POST")) {
		answer_post(r, s);
	} else {
		s->gets++;
		answer_get(r, s);
	}
	pthread_mutex_unlock(&s->lock);
}

static inline void on_end(void *arg, const struct binding *b, enum bind_end end)
{
	struct world *w = arg;

	w->ended++;
	w->end = end;
	w->posts = b->posts;
	w->tag = b->facts->tag;
	snprintf(w->reason, sizeof(w->reason), "%s", b->reason);
}

static inline void begin(struct world *w)
{
	struct kube_config config = {0};
	struct lm_err err;

	*w = (struct world){.server.uid = "uid-web"};
	pthread_mutex_init(&w->server.lock, NULL);
	w->scripted = scripted_start(answer, &w->server);
	config.server = xstrdup(scripted_url(w->scripted));
	w->kube = kube_new(&config, "test", &err);
	kube_config_free(&config);
	assert_non_null(w->kube);
	limit_set(&w->limit, 1e6, 1e6, clock_mono_ms());
	w->cache = cache_new();
	cache_put_node(w->cache, node_with("a", "%s", ""));
	cache_put_node(w->cache, node_with("b", "%s", ""));
	cache_put_pod(w->cache, pod_with("web", "'schedulerName':'s'"));
	w->binder = binder_new(w->kube, w->cache, &w->limit, on_end, w);
	binder_set_flight(w->binder, 4);
	w->events = events_new(w->kube, w->cache, &w->limit);
	events_set_flight(w->events, 4);
}

static inline void end_world(struct world *w)
{
	binder_free(w->binder);
	events_free(w->events);
	kube_free(w->kube);
	scripted_stop(w->scripted);
	cache_free(w->cache);
	pthread_mutex_destroy(&w->server.lock);
}

static inline void turn(struct world *w)
{
	int64_t wait = bind_tick(w->binder, clock_mono_ms(), 20);

	wait = events_tick(w->events, clock_mono_ms(), wait);
	kube_run(w->kube, wait, NULL, 0);
}

#endif
