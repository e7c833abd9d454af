/*
 * kube_script.h - what the tests of list and watch (lib/kube/watch.h) share: a server with a numbered script for lists and one for watches, and all that a
 * watch tells, as a text.
 */
#ifndef TESTS_INTEGRATION_KUBE_SCRIPT_H
#define TESTS_INTEGRATION_KUBE_SCRIPT_H

#include "lib/kube/watch.c"

#include <pthread.h>
#include <unistd.h>

#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000
#define POD(name, rv) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv "\"}}"
#define EVENT(type, name, rv) "{\"type\":\"" type "\",\"object\":" POD(name, rv) "}\n"
#define BOOKMARK(rv) "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" rv "\"}}}\n"
#define LIST(rv, items) "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" rv "\"},\"items\":[" items "]}"
#define PAGE(rv, token, items) \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" rv "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define STATUS(code, reason) \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason "\",\"message\":\"says the test\",\"code\":" #code "}"
#define ERROR(code, reason) "{\"type\":\"ERROR\",\"object\":" STATUS(code, reason) "}\n"
/* Steps of a script: an answer in full, a stream that stays open, one that is cut, a refusal, a connection that just ends. */
#define ENDS(body, must_have) {200, body, NULL, END, must_have}
#define STAYS(body, must_have) {200, body, NULL, SILENCE, must_have}
#define IS_CUT(body, must_have) {200, body, NULL, RESET, must_have}
#define FAILS(status, body, must_have) {status, body, NULL, END, must_have}
#define AWAY {0, NULL, NULL, END, NULL}

/* --- a server with a numbered script for lists and one for watches ---------------------------------------------------- */

struct step {
	int status;		/* 0: the connection just ends */
	const char *body;	/* of a list, or the stream of a watch; NULL: "" */
	const char *headers;
	enum { END, SILENCE, RESET } then;	/* after the stream of a watch */
	const char *must_have;	/* in the request's target; NULL: anything */
};

struct script {
	const struct step *lists, *watches;	/* the last step is repeated; each array ends with status -1 */
	pthread_mutex_t lock;
	int list_count, watch_count;
	int64_t watch_mono_ms[64];
	char fault[512];	/* the first request that was not as it must be */
	char last_watch[1024];
	size_t piece;		/* the stream is sent in chunks of so many bytes; 0: whole */
};

static inline const struct step *step_at(const struct step *steps, int index)
{
	int i;

	for (i = 0; i < index && steps[i + 1].status >= 0; i++)
		;
	return &steps[i];
}

static inline void stream(struct scripted_request *r, const struct step *step, size_t piece)
{
	const char *at = step->body ? step->body : "";
	size_t left = strlen(at), len;

	scripted_begin(r, step->status);
	for (; left > 0; at += len, left -= len) {
		len = piece && piece < left ? piece : left;
		if (!scripted_chunk(r, at, len))
			return;
	}
	if (step->then == END)
		scripted_end(r);
	else if (step->then == RESET)
		scripted_reset(r);
	else
		scripted_silence(r);
}

static inline void follow_script(struct scripted_request *r)
{
	struct script *s = r->arg;
	bool is_watch = strstr(r->target, "watch=true") != NULL;
	const struct step *step;
	int index;

	pthread_mutex_lock(&s->lock);
	index = is_watch ? s->watch_count++ : s->list_count++;
	step = step_at(is_watch ? s->watches : s->lists, index);
	if (is_watch) {
		snprintf(s->last_watch, sizeof(s->last_watch), "%.1000s", r->target);
		s->watch_mono_ms[index % 64] = clock_mono_ms();
	}
	if (step->must_have && !strstr(r->target, step->must_have) && !s->fault[0])
		snprintf(s->fault, sizeof(s->fault), "%s %d: `%s` is not in %.300s", is_watch ? "watch" : "list", index,
			 step->must_have, r->target);
	pthread_mutex_unlock(&s->lock);
	if (step->status == 0)
		r->close = true;
	else if (is_watch && step->status == 200)
		stream(r, step, s->piece);
	else
		scripted_reply(r, step->status, step->headers, step->body ? step->body : "");
}

/* --- the receiving side: everything that is told, as a text ----------------------------------------------------------- */

struct told {
	struct buf text;	/* "begin a:1 end ADDED:b:2 " */
	struct buf troubles;	/* a line each */
	int trouble_count;
	int gone_tries[4];	/* failures in a row, by which the back-off goes, at each 410 */
	int gone_count;
	struct kube_watch *watch;
	int free_at, calls;	/* frees the watch at this call; 0: never */
};

static inline void count_call(struct told *t)
{
	if (++t->calls == t->free_at)
		kube_watch_free(steal(&t->watch));
}

static inline void on_begin(void *arg)
{
	struct told *t = arg;

	buf_str(&t->text, "begin ");
	count_call(t);
}

static inline void on_thing(void *arg, enum kube_event event, const cJSON *object)
{
	static const char *const signs[] = {[KUBE_ADDED] = "+", [KUBE_MODIFIED] = "~", [KUBE_DELETED] = "-"};
	const cJSON *metadata = json_get(object, "metadata");
	struct told *t = arg;

	buf_printf(&t->text, "%s%s:%s ", signs[event], json_get(metadata, "name")->valuestring,
		   json_get(metadata, "resourceVersion")->valuestring);
	count_call(t);
}

static inline void on_replaced(void *arg)
{
	struct told *t = arg;

	buf_str(&t->text, "end ");
	count_call(t);
}

static inline void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct told *t = arg;

	assert_true(retry_in_ms > 0);
	buf_printf(&t->troubles, "%s\n", err->msg);
	t->trouble_count++;
	if (strstr(err->msg, "410") && t->gone_count < 4)
		t->gone_tries[t->gone_count++] = t->watch->tries;
	count_call(t);
}

static const struct kube_watch_handlers handlers = {on_begin, on_thing, on_replaced, on_trouble};

struct rig {
	struct script script;
	struct scripted *server;
	struct kube *k;
	struct told told;
};

static inline void rig_start(struct rig *g, const struct step *lists, const struct step *watches, size_t piece)
{
	struct lm_err err;
	auto_free char *url = NULL;

	*g = (struct rig){.script = {.lists = lists, .watches = watches, .piece = piece}};
	pthread_mutex_init(&g->script.lock, NULL);
	g->server = scripted_start(follow_script, &g->script);
	url = xstrdup(scripted_url(g->server));
	g->k = kube_new(&(struct kube_config){.server = url}, "test", &err);
	g->told.watch = kube_watch_new(g->k, "/api/v1/pods", "fieldSelector=x", &handlers, &g->told);
}

static inline void rig_step(struct rig *g)
{
	int64_t left = g->told.watch ? kube_watch_tick(g->told.watch, clock_mono_ms()) : 10;

	kube_run(g->k, left > 20 ? 20 : left, NULL, 0);
}

static inline bool has_told(const struct rig *g, const char *text)
{
	return g->told.text.data && strstr(g->told.text.data, text);
}

static inline void run_until_told(struct rig *g, const char *text)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (!has_told(g, text) && clock_mono_ms() < end)
		rig_step(g);
	if (!has_told(g, text))
		fail_msg("not told `%s` but `%s`; troubles: %s", text, g->told.text.data ? g->told.text.data : "",
			 g->told.troubles.data ? g->told.troubles.data : "");
}

static inline int watches_of(struct rig *g)
{
	int count;

	pthread_mutex_lock(&g->script.lock);
	count = g->script.watch_count;
	pthread_mutex_unlock(&g->script.lock);
	return count;
}

static inline void run_until_watches(struct rig *g, int count)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (watches_of(g) < count && clock_mono_ms() < end)
		rig_step(g);
	if (watches_of(g) < count)
		fail_msg("%d watches; troubles: %s", watches_of(g), g->told.troubles.data ? g->told.troubles.data : "");
}

static inline void rig_stop(struct rig *g)
{
	kube_watch_free(g->told.watch);
	kube_free(g->k);
	scripted_stop(g->server);
	if (g->script.fault[0])
		fail_msg("%s", g->script.fault);
	pthread_mutex_destroy(&g->script.lock);
	buf_free(&g->told.text);
	buf_free(&g->told.troubles);
}

#define STEPS(...) (const struct step[]){__VA_ARGS__, {.status = -1}}

static const struct step plain_list[] = {{200, LIST("5", POD("a", "3")), NULL, END, NULL}, {.status = -1}};

static inline int short_waits(void **state)
{
	(void)state;
	limits.backoff_ms = 10;
	limits.backoff_max_ms = 40;
	limits.timeout_s = 300;
	limits.silence_ms = 60000;
	limits.bookmark_ms = 180000;
	limits.quick_ms = 1000;
	return 0;
}

#endif
