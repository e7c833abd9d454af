/* The table of outcomes of a Binding, against a server that answers as each case says. Times are shorter than in the program. */
#include <pthread.h>

#include "sched/bind.h"
#undef BIND_FATE_MS
#define BIND_FATE_MS 600
#undef BIND_TIMEOUT_MS
#define BIND_TIMEOUT_MS 300
#include "sched/bind.c"

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

static void status_answer(struct scripted_request *r, int status)
{
	auto_free char *body = xasprintf("{\"kind\":\"Status\",\"code\":%d,\"reason\":\"Some\",\"message\":\"as told %d\"}",
					 status, status);

	scripted_reply(r, status, NULL, body);
}

static void answer_post(struct scripted_request *r, struct server *s)
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

static void answer_get(struct scripted_request *r, const struct server *s)
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

static void answer(struct scripted_request *r)
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

static void on_end(void *arg, const struct binding *b, enum bind_end end)
{
	struct world *w = arg;

	w->ended++;
	w->end = end;
	w->posts = b->posts;
	w->tag = b->facts->tag;
	snprintf(w->reason, sizeof(w->reason), "%s", b->reason);
}

static void begin(struct world *w)
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

static void end_world(struct world *w)
{
	binder_free(w->binder);
	events_free(w->events);
	kube_free(w->kube);
	scripted_stop(w->scripted);
	cache_free(w->cache);
	pthread_mutex_destroy(&w->server.lock);
}

static void start_binding(struct world *w)
{
	struct bind_facts facts = {.runner_up = xstrdup("b"), .note = xstrdup("note")};

	assert_true(cache_assume(w->cache, "uid-web", (uint32_t)cache_find_node(w->cache, "a")));
	assert_true(binder_ready(w->binder, 0, clock_mono_ms()));
	bind_start(w->binder, cache_find_pod(w->cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
}

static void turn(struct world *w)
{
	int64_t wait = bind_tick(w->binder, clock_mono_ms(), 20);

	wait = events_tick(w->events, clock_mono_ms(), wait);
	kube_run(w->kube, wait, NULL, 0);
}

static void until_ended(struct world *w)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!w->ended && clock_mono_ms() < until)
		turn(w);
	assert_int_equal(w->ended, 1);
	assert_int_equal(bind_open(w->binder), 0);
}

/* --- the table --- */

struct outcome {
	const char *name, *script[8];
	const char *uid, *node;		/* what GET shows besides what the POSTs did; NULL: the pod as it is */
	bool deleting;
	enum bind_end end;
	int posts, gets_least, gets_most;
};

static const struct outcome outcomes[] = {
	{"201", {"201"}, NULL, NULL, false, BIND_BOUND, 1, 0, 0},
	{"409, on our node", {"409!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"409, on another node", {"409"}, NULL, "b", false, BIND_LOST, 1, 1, 1},
	{"409, another uid", {"409"}, "uid-new", NULL, false, BIND_LOST, 1, 1, 1},
	{"409, being deleted", {"409"}, NULL, NULL, true, BIND_LOST, 1, 1, 1},
	{"409, gone", {"409"}, "", NULL, false, BIND_LOST, 1, 1, 1},
	{"409 and on no node", {"409"}, NULL, NULL, false, BIND_FAILED, 1, 1, 1},
	{"404", {"404"}, NULL, NULL, false, BIND_LOST, 1, 0, 0},
	{"400", {"400"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"403", {"403"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"422", {"422"}, NULL, NULL, false, BIND_FAILED, 1, 0, 0},
	{"500 after the commit", {"500!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"503 before it", {"503", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"429", {"429", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"dropped after the commit", {"drop!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"dropped before it", {"drop", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"reset, three times", {"reset", "reset", "reset", "201"}, NULL, NULL, false, BIND_BOUND, 4, 3, 3},
	{"no answer, after the commit", {"silence!"}, NULL, NULL, false, BIND_BOUND, 1, 1, 1},
	{"no answer, before it", {"silence", "201"}, NULL, NULL, false, BIND_BOUND, 2, 1, 1},
	{"lost, then another uid", {"drop"}, "uid-new", NULL, false, BIND_LOST, 1, 1, 1},
	{"lost, then on another node", {"drop"}, NULL, "b", false, BIND_LOST, 1, 1, 1},
	{"lost, then deleted", {"drop"}, "", NULL, false, BIND_LOST, 1, 1, 1},
	/* A refusal says nothing about the request before it: the same node again until that one cannot happen any more. */
	{"lost, then 409, then 201", {"drop", "409", "201"}, NULL, NULL, false, BIND_BOUND, 3, 3, 3},
	{"lost, then 403 for good", {"drop", "403"}, NULL, NULL, false, BIND_FAILED, 0, 2, 40},
};

static void s27_to_s30_each_outcome_has_its_end(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(outcomes); i++) {
		const struct outcome *o = &outcomes[i];
		struct world w;
		const char *c;

		begin(&w);
		memcpy(w.server.script, o->script, sizeof(o->script));
		if (o->uid)
			snprintf(w.server.uid, sizeof(w.server.uid), "%s", o->uid);
		if (o->node)
			snprintf(w.server.node, sizeof(w.server.node), "%s", o->node);
		w.server.deleting = o->deleting;
		start_binding(&w);
		until_ended(&w);
		if (w.end != o->end || (o->posts && w.posts != o->posts) || w.server.gets < o->gets_least ||
		    w.server.gets > o->gets_most)
			fail_msg("%s: %s after %d posts and %d gets", o->name, bind_end_names[w.end], w.posts, w.server.gets);
		for (c = w.server.bound_to; *c; c += 2)
			assert_memory_equal(c, "a,", 2); /* never a second node */
		assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
		end_world(&w);
	}
}

static void a_server_that_is_not_there_is_a_failure_and_no_riddle(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	scripted_stop(w.scripted);
	start_binding(&w);
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	w.scripted = scripted_start(answer, &w.server);
	end_world(&w);
}

/* The answer is lost and the pod cannot be read; the watch shows where it is. */
static void the_watch_settles_an_unknown_binding(void **state)
{
	struct world w;
	int64_t until;

	(void)state;
	begin(&w);
	w.server.script[0] = "drop!";
	w.server.get_status = 500;
	start_binding(&w);
	for (until = clock_mono_ms() + 400; clock_mono_ms() < until;)
		turn(&w);
	assert_int_equal(w.ended, 0);
	assert_int_equal(bind_unknown(w.binder), 1);
	cache_put_pod(w.cache, pod_with("web", "'schedulerName':'s','nodeName':'a'"));
	bind_seen(w.binder, "uid-web");
	until_ended(&w);
	assert_int_equal(w.end, BIND_BOUND);
	end_world(&w);
}

static void s32_a_node_that_goes_meanwhile_is_not_bound_to_again(void **state)
{
	struct world w;
	int64_t begun = clock_mono_ms();

	(void)state;
	begin(&w);
	w.server.script[0] = "drop";
	start_binding(&w);
	cache_put_node(w.cache, node_of_text("{'metadata':{'name':'a','uid':'uid-a'},'spec':{'unschedulable':true}}"));
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	assert_int_equal(w.posts, 1);
	assert_true(clock_mono_ms() - begun >= BIND_FATE_MS); /* not before the first request is surely dead */
	assert_non_null(strstr(w.reason, "gone or cordoned"));
	end_world(&w);
}

/* Its owner has told somebody that the outcome is unknown: what was sent may still be carried out, and nothing more is. */
static void nothing_is_sent_when_its_time_is_over(void **state)
{
	static const char *const scripts[][2] = {{"500", "201"}, {"500", "201!"}, {"silence", "201"}, {"409", "201"}, {"429", "201"}};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct bind_facts facts = {.until_mono_ms = clock_mono_ms() + 1, .tag = &w};
		int posts;

		begin(&w);
		w.server.script[0] = scripts[i][0];
		w.server.script[1] = scripts[i][1];
		facts.until_mono_ms = clock_mono_ms() + 150;
		assert_true(cache_assume(w.cache, "uid-web", (uint32_t)cache_find_node(w.cache, "a")));
		bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
		until_ended(&w);
		posts = w.posts;
		assert_int_equal(posts, w.server.posts);
		assert_ptr_equal(w.tag, &w);
		assert_true(w.end == BIND_BOUND || w.end == BIND_FAILED);
		assert_int_equal(w.end == BIND_BOUND, *w.server.node != '\0');
		end_world(&w);
	}
}

static void one_whose_time_is_over_is_not_sent_at_all(void **state)
{
	struct bind_facts facts = {.until_mono_ms = clock_mono_ms()};
	struct world w;

	(void)state;
	begin(&w);
	w.server.script[0] = "201";
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
	until_ended(&w);
	assert_int_equal(w.end, BIND_FAILED);
	assert_int_equal(w.server.posts, 0);
	end_world(&w);
}

/* Told once more while nobody knows how the first one goes; the watch ends both at once. */
static void a_pod_may_have_several(void **state)
{
	struct bind_facts facts = {0}, again = {0};
	struct world w;
	int64_t until;

	(void)state;
	begin(&w);
	w.server.script[0] = "500";
	w.server.get_status = 500;
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &facts, clock_mono_ms());
	bind_start(w.binder, cache_find_pod(w.cache, "uid-web")->pod, "a", &again, clock_mono_ms());
	until = clock_mono_ms() + PATIENCE_MS;
	while ((bind_unknown(w.binder) < 2 || w.binder->flight) && clock_mono_ms() < until)
		turn(&w);
	assert_int_equal(bind_unknown(w.binder), 2);
	cache_put_pod(w.cache, pod_with("web", "'schedulerName':'s','nodeName':'a'"));
	bind_seen(w.binder, "uid-web");
	assert_int_equal(w.ended, 2);
	assert_int_equal(bind_open(w.binder), 0);
	assert_int_equal(w.end, BIND_BOUND);
	end_world(&w);
}

static void requests_in_flight_are_limited(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	w.server.script[0] = "silence";
	for (i = 0; i < 4; i++) {
		char name[32];
		struct bind_facts facts = {0};

		snprintf(name, sizeof(name), "web-%d", i);
		cache_put_pod(w.cache, pod_with(name, "'schedulerName':'s'"));
		assert_true(binder_ready(w.binder, 0, clock_mono_ms()));
		snprintf(name, sizeof(name), "uid-web-%d", i);
		bind_start(w.binder, cache_find_pod(w.cache, name)->pod, "a", &facts, clock_mono_ms());
	}
	assert_false(binder_ready(w.binder, 0, clock_mono_ms()));
	assert_int_equal(bind_open(w.binder), 4);
	end_world(&w); /* and can be dropped in the middle */
}

/* --- events and the condition --- */

static void until_sent(struct world *w)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (events_open(w->events) && clock_mono_ms() < until)
		turn(w);
	assert_int_equal(events_open(w->events), 0);
}

static void an_equal_failure_is_one_event_and_a_series(void **state)
{
	struct world w;
	const struct pod *pod;
	int i;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	for (i = 0; i < 50; i++)
		events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 1000 + i * 1000);
	until_sent(&w);
	assert_int_equal(w.server.events, 1);
	events_failed(w.events, pod, "0/2 nodes are available: 2 Too many pods.", 60000);
	until_sent(&w);
	assert_int_equal(w.server.events, 2);
	for (i = 0; i < 300; i++) /* five minutes more: one patch each three */
		events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 61000 + i * 1000);
	until_sent(&w);
	assert_int_equal(w.server.events, 3);
	assert_non_null(strstr(w.server.last_body, "\"series\":{\"count\":"));
	events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 61000 + 300000 + EVENTS_SERIES_MS);
	until_sent(&w);
	assert_int_equal(w.server.events, 4); /* long after: a new one */
	assert_non_null(strstr(w.server.last_body, "\"reason\":\"FailedScheduling\""));
	end_world(&w);
}

/* The name of the last event; the caller frees. */
static char *event_name(const struct world *w)
{
	cJSON *event = cJSON_Parse(w->server.last_body);
	char *name;

	assert_non_null(event);
	name = xstrdup(cJSON_GetStringValue(json_get(json_get(event, "metadata"), "name")));
	cJSON_Delete(event);
	return name;
}

/* What may have been said by another process has the same name; what is news has not. */
static void cover_is_told_by_an_event_on_the_pod(void **state)
{
	auto_free char *first = NULL, *repeated = NULL, *other = NULL, *again = NULL;
	struct world w;
	const struct pod *pod;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_cover(w.events, pod, true, "room on b if a fails", false);
	until_sent(&w);
	assert_non_null(strstr(w.server.last_body, "\"reportingController\":\"s\""));
	assert_non_null(strstr(w.server.last_body, "\"type\":\"Normal\",\"reason\":\"Covered\",\"action\":\"Reserving\""));
	assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
	assert_non_null(strstr(w.server.last_body, "\"note\":\"room on b if a fails\""));
	first = event_name(&w);
	events_cover(w.events, pod, true, "room on b if a fails", false);
	until_sent(&w);
	repeated = event_name(&w);
	assert_string_equal(first, repeated);
	events_cover(w.events, pod, false, "room on b if a fails", false);
	until_sent(&w);
	assert_non_null(strstr(w.server.last_body, "\"type\":\"Warning\",\"reason\":\"Uncovered\""));
	other = event_name(&w);
	assert_string_not_equal(first, other);
	events_cover(w.events, pod, true, "room on b if a fails", true);
	until_sent(&w);
	again = event_name(&w);
	assert_string_not_equal(first, again);
	end_world(&w);
}

static void a_note_is_cut_at_the_limit_between_characters(void **state)
{
	struct world w;
	char note[3000];
	cJSON *event;
	size_t i, len;

	(void)state;
	begin(&w);
	for (i = 0; i + 2 < sizeof(note); i += 2)
		memcpy(note + i, "\xc3\xa9", 2);
	note[i] = '\0';
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", note);
	until_sent(&w);
	event = cJSON_Parse(w.server.last_body);
	assert_non_null(event);
	len = strlen(cJSON_GetStringValue(json_get(event, "note")));
	assert_in_range(len, EVENTS_NOTE_MAX - 4, EVENTS_NOTE_MAX);
	cJSON_Delete(event);
	end_world(&w);
}

static void events_are_tried_again_and_then_dropped(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.server.event_status = 400;
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	until_sent(&w);
	assert_int_equal(w.server.events, 1);
	assert_int_equal(events_dropped(w.events), 1);
	w.server.event_status = 409; /* AlreadyExists: it is there */
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 1);
	w.server.event_status = 503;
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (w.server.events < 4)
		turn(&w);
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 2);
	w.server.event_status = 403; /* an API server that has just started does not know our rights yet */
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (w.server.events < 6)
		turn(&w);
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 3);
	end_world(&w);
}

static void a_binding_holds_its_place_until_its_event_was_answered(void **state)
{
	struct world w;
	int64_t now_ms = clock_mono_ms();
	int i;

	(void)state;
	begin(&w);
	for (i = 0; i < 4; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	assert_int_equal(events_pressing(w.events, now_ms), 4);
	assert_true(binder_ready(w.binder, 3, now_ms));
	assert_false(binder_ready(w.binder, 4, now_ms));
	assert_int_equal(events_pressing(w.events, now_ms + 2 * OUTBOX_PROMPT_MS), 0); /* a slow server of events delays no binding */
	w.server.event_status = 503;
	while (events_pressing(w.events, clock_mono_ms()))
		turn(&w);
	assert_int_equal(events_open(w.events), 4); /* they were answered, and are tried again like others */
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 4);
	end_world(&w);
}

static void at_the_end_nothing_waits_for_its_next_try(void **state)
{
	struct world w;
	int64_t begun_ms = clock_mono_ms();
	int i;

	(void)state;
	begin(&w);
	w.server.event_status = 403;
	for (i = 0; i < 50; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (events_pressing(w.events, begun_ms)) /* each was refused once, and is tried again within 2 s */
		turn(&w);
	assert_int_equal(events_open(w.events), 50);
	w.server.event_status = 201;
	events_hurry(w.events);
	for (i = 0; i < 1000 && events_open(w.events) > 0; i++) {
		events_tick(w.events, 0, 0); /* by a clock that stands still */
		kube_run(w.kube, 1000, NULL, 0);
	}
	assert_int_equal(events_sent(w.events), 50);
	end_world(&w);
}

static void scheduled_events_go_out_at_once_and_count_for_the_limiter(void **state)
{
	struct world w;
	char note[32];
	int i;

	(void)state;
	begin(&w);
	w.limit = (struct limit){0};
	limit_set(&w.limit, 0.001, 1, clock_mono_ms());
	assert_true(limit_take(&w.limit, 0, clock_mono_ms()));
	for (i = 0; i < 100; i++) {
		snprintf(note, sizeof(note), "note %d", i);
		events_failed(w.events, cache_find_pod(w.cache, "uid-web")->pod, note, 1000);
	}
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (events_pressing(w.events, clock_mono_ms()))
		turn(&w);
	assert_int_equal(events_sent(w.events), 1);
	assert_int_equal(w.server.events, 1);
	assert_non_null(strstr(w.server.last_body, "\"reason\":\"Scheduled\""));
	assert_int_equal(limit_wait_ms(&w.limit, 0, clock_mono_ms()) / 100000, 19); /* two to wait for: its own, and the one that it took */
	end_world(&w);
}

static void the_box_of_events_is_bounded(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	for (i = 0; i < OUTBOX_MAX + 500; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	assert_int_equal(events_open(w.events), OUTBOX_MAX);
	assert_int_equal(events_dropped(w.events), 500);
	end_world(&w);
}

static void the_condition_is_sent_when_it_differs_and_never_overtakes_a_binding(void **state)
{
	struct world w;
	const struct pod *pod;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_condition(w.events, pod, "Unschedulable", "no");
	events_condition(w.events, pod, "Unschedulable", "no, really"); /* instead of the one that waits */
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	assert_non_null(strstr(w.server.last_body, "no, really"));
	assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
	assert_non_null(strstr(w.server.last_body, "\"lastTransitionTime\":"));

	/* The watch shows it: the same is not sent again, and another message keeps the time. */
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'web','namespace':'default','uid':'uid-web','resourceVersion':'7'},'spec':{'schedulerName':'s'},"
				      "'status':{'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'no, really'}]}}"));
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_condition(w.events, pod, "Unschedulable", "no, really");
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	events_condition(w.events, pod, "Unschedulable", "other");
	until_sent(&w);
	assert_int_equal(w.server.patches, 2);
	assert_null(strstr(w.server.last_body, "lastTransitionTime"));
	assert_non_null(strstr(w.server.last_body, "\"resourceVersion\":\"7\""));

	/* Refused because of the uid or version that it names (409, 422): with the newest ones again. */
	w.server.patch_status = 422;
	events_condition(w.events, pod, "Unschedulable", "again");
	while (w.server.patches < 3)
		turn(&w);
	w.server.patch_status = 409;
	while (w.server.patches < 4 && events_open(w.events))
		turn(&w);
	w.server.patch_status = 0;
	until_sent(&w);
	assert_int_equal(w.server.patches, 5);
	assert_int_equal(events_dropped(w.events), 0);

	/* Assumed before it was sent: dropped. */
	events_condition(w.events, pod, "Unschedulable", "late");
	assert_true(cache_assume(w.cache, "uid-web", 0));
	until_sent(&w);
	assert_int_equal(w.server.patches, 5);
	end_world(&w);
}

static void a_message_is_cut_at_the_limit(void **state)
{
	struct world w;
	auto_free char *message = xmalloc(200001);

	(void)state;
	begin(&w);
	memset(message, 'x', 200000);
	message[200000] = '\0';
	events_condition(w.events, cache_find_pod(w.cache, "uid-web")->pod, "Unschedulable", message);
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	assert_in_range(strlen(w.server.last_body), EVENTS_CONDITION_MAX - 4, EVENTS_CONDITION_MAX + 500);
	assert_non_null(strstr(w.server.last_body, "xxx ..."));
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s27_to_s30_each_outcome_has_its_end),
		cmocka_unit_test(a_server_that_is_not_there_is_a_failure_and_no_riddle),
		cmocka_unit_test(the_watch_settles_an_unknown_binding),
		cmocka_unit_test(s32_a_node_that_goes_meanwhile_is_not_bound_to_again),
		cmocka_unit_test(nothing_is_sent_when_its_time_is_over),
		cmocka_unit_test(one_whose_time_is_over_is_not_sent_at_all),
		cmocka_unit_test(a_pod_may_have_several),
		cmocka_unit_test(requests_in_flight_are_limited),
		cmocka_unit_test(an_equal_failure_is_one_event_and_a_series),
		cmocka_unit_test(cover_is_told_by_an_event_on_the_pod),
		cmocka_unit_test(a_note_is_cut_at_the_limit_between_characters),
		cmocka_unit_test(events_are_tried_again_and_then_dropped),
		cmocka_unit_test(a_binding_holds_its_place_until_its_event_was_answered),
		cmocka_unit_test(at_the_end_nothing_waits_for_its_next_try),
		cmocka_unit_test(scheduled_events_go_out_at_once_and_count_for_the_limiter),
		cmocka_unit_test(the_box_of_events_is_bounded),
		cmocka_unit_test(a_message_is_cut_at_the_limit),
		cmocka_unit_test(the_condition_is_sent_when_it_differs_and_never_overtakes_a_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
