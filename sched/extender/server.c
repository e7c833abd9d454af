#include "sched/extender/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/stats.h"

#define JSON "application/json"
#define BAD_LOG_MS 60000

struct server {
	struct http_server *http;
	struct server_settings settings;
	atomic_int busy;
	pthread_mutex_t lock;		/* of the gate: several threads of HTTP log */
	struct log_gate bad_gate;
};

#define BIND (JUDGE_PRIORITIZE + 1)	/* among the verbs that are counted */

static void count(struct server *s, int verb, enum stat_extender end)
{
	metrics_add(s->settings.stats, STAT_EXTENDER, verb * EXTENDER_ENDS + (int)end, 1);
}

static void refuse(struct http_reply *reply, int status, const char *text)
{
	reply->status = status;
	buf_printf(&reply->body, "%s\n", text);
}

static const char *why(enum desk_end end)
{
	return end == DESK_LATE ? "latency-sched: there was no decision in time" : "latency-sched is not ready to decide";
}

/* What is said without a decision. */
static struct wire_answer without(const struct server *s, enum judge_verb verb, enum desk_end end, uint32_t nodes)
{
	struct wire_answer answer = wire_answer_of(nodes);

	if (verb == JUDGE_FILTER && s->settings.late == SERVER_LATE_ERROR)
		answer.error = xstrdup(why(end));
	return answer;
}

/* A request that was read, from its handler to its answer. */
struct asked {
	struct server *server;
	struct desk_job *job;
	struct http_later *later;
	enum desk_end end;
	struct wire_answer answer;	/* on DESK_ANSWERED */
};

/* Any thread: the end was made. */
static void on_done(void *arg, enum desk_end end, struct wire_answer *answer)
{
	struct asked *asked = arg;

	asked->end = end;
	if (answer)
		asked->answer = *answer;
	http_finish(asked->later);
}

static const enum stat_extender ends[] = {
	[DESK_ANSWERED] = EXTENDER_DECIDED, [DESK_DECLINED] = EXTENDER_DECLINED, [DESK_LATE] = EXTENDER_LATE,
};

/* The answer is away. */
static void release(void *arg)
{
	struct asked *asked = arg;

	wire_answer_free(&asked->answer);
	desk_release(asked->job);
	atomic_fetch_sub(&asked->server->busy, 1);
	free(asked);
}

/* HTTP's thread again. */
static void print_answer(void *arg, struct http_reply *reply)
{
	struct asked *asked = arg;
	struct server *s = asked->server;
	const struct wire_request *request = desk_request(asked->job);
	enum judge_verb verb = desk_verb(asked->job);

	count(s, (int)verb, ends[asked->end]);
	if (asked->end != DESK_ANSWERED)
		asked->answer = without(s, verb, asked->end, request->count);
	reply->content_type = JSON;
	reply->header = "X-Latency-Mode";
	reply->value = asked->answer.neutral ? "neutral" : "latency";
	if (verb == JUDGE_FILTER)
		wire_print_filter(request, &asked->answer, &reply->body);
	else
		wire_print_priorities(request, &asked->answer, &reply->body);
	reply->release = release;
	reply->release_arg = asked;
}

static void print_binding(void *arg, struct http_reply *reply)
{
	static const char *const without_it[] = {
		[DESK_DECLINED] = "latency-sched is not ready to bind",
		[DESK_LATE] = "latency-sched: the outcome of the binding is unknown, there was no answer of the API in time; the pod may be bound",
	};
	struct asked *asked = arg;

	count(asked->server, BIND, ends[asked->end]);
	reply->content_type = JSON;
	wire_bind_print(asked->end == DESK_ANSWERED ? asked->answer.error : without_it[asked->end], &reply->body);
	reply->release = release;
	reply->release_arg = asked;
}

static const char *const verb_names[] = {[JUDGE_FILTER] = "/filter", [JUDGE_PRIORITIZE] = "/prioritize", [BIND] = "/bind"};

static void note_bad(struct server *s, int verb, int status, const char *text)
{
	int64_t held_back = 0;
	bool now;

	count(s, verb, EXTENDER_BAD);
	pthread_mutex_lock(&s->lock);
	now = log_gate_open(&s->bad_gate, BAD_LOG_MS, &held_back);
	pthread_mutex_unlock(&s->lock);
	if (now)
		log_warn("a request was refused", FIELDS(LS("path", verb_names[verb]), LI("status", status), LS("error", text), LI("held_back", held_back)));
}

/* One that no handler saw. */
static void on_refused(void *arg, const char *path, int status)
{
	int verb;

	for (verb = JUDGE_FILTER; verb <= BIND; verb++)
		if (STREQ(path, verb_names[verb]))
			note_bad(arg, verb, status, http_refusal_text(status));
}

static void answer_bad(struct server *s, int verb, int status, const char *text, struct http_reply *reply)
{
	note_bad(s, verb, status, text);
	refuse(reply, status, text);
}

/* False: it was answered. */
static bool check_type(struct server *s, int verb, const struct http_request *request, struct http_reply *reply)
{
	if (!*request->content_type || http_is_json(request->content_type))
		return true;
	answer_bad(s, verb, 415, "Content-Type: " JSON " is wanted", reply);
	return false;
}

/* Takes the job. */
static void ask(struct server *s, struct desk_job *job, const struct http_request *request, http_filler *print, int64_t until_mono_ms,
		struct http_reply *reply)
{
	struct asked *asked = xcalloc(1, sizeof(*asked));

	atomic_fetch_add(&s->busy, 1);
	asked->server = s;
	asked->job = job;
	if (!desk_bind(job) && desk_at_once(s->settings.desk, job, &asked->answer)) {
		asked->end = DESK_ANSWERED;
		print(asked, reply);
		return;
	}
	asked->later = http_defer(request, print, asked);
	desk_ask(s->settings.desk, job, until_mono_ms, on_done, asked);
}

static void answer(struct server *s, enum judge_verb verb, const struct http_request *request, struct http_reply *reply)
{
	int64_t until_mono_ms = clock_mono_ms() + SERVER_WAIT_MS;
	struct wire_request wire;
	struct lm_err err;

	if (!check_type(s, (int)verb, request, reply))
		return;
	if (wire_parse(request->body, request->body_len, &wire, &err) < 0)
		answer_bad(s, (int)verb, 400, err.msg, reply);
	else
		ask(s, desk_job(verb, &wire), request, print_answer, until_mono_ms, reply);
}

static void answer_bind(void *arg, const struct http_request *request, struct http_reply *reply)
{
	int64_t until_mono_ms = clock_mono_ms() + SERVER_WAIT_MS;
	struct server *s = arg;
	struct wire_bind bind;
	struct lm_err err;

	if (!check_type(s, BIND, request, reply))
		return;
	if (request->body_len > WIRE_BIND_BYTES)
		answer_bad(s, BIND, 413, "the body is too large", reply);
	else if (wire_bind_parse(request->body, request->body_len, &bind, &err) < 0)
		answer_bad(s, BIND, 400, err.msg, reply);
	else
		ask(s, desk_job_bind(&bind), request, print_binding, until_mono_ms, reply);
}

static void answer_filter(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, JUDGE_FILTER, request, reply);
}

static void answer_prioritize(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, JUDGE_PRIORITIZE, request, reply);
}

static void answer_scores(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct server *s = arg;

	scores_answer(s->settings.scores, request, reply);
}

int server_open(const struct server_settings *settings, struct server **out, struct lm_err *err)
{
	static const struct http_route routes[] = {
		{"POST", "/filter", answer_filter},
		{"POST", "/prioritize", answer_prioritize},
		{"GET", "/scores", answer_scores},
		{"POST", "/bind", answer_bind},	/* the last one */
	};
	auto_free struct server *s = xcalloc(1, sizeof(*s));
	struct http_settings http = {
		.listen = settings->listen, .routes = routes, .route_count = ARRAY_SIZE(routes) - !settings->bind, .arg = s, .max_body_bytes = SERVER_BODY_BYTES,
		.max_bodies_bytes = SERVER_BODIES_BYTES, .body_ms = SERVER_BODY_MS, .kept_ms = SERVER_KEPT_MS, .connections = SERVER_CONNECTIONS,
		.per_address = SERVER_CONNECTIONS_PER_ADDRESS, .tls = settings->tls, .refused = on_refused,
	};

	s->settings = *settings;
	pthread_mutex_init(&s->lock, NULL);
	if (settings->status) {
		http.more = status_routes(&http.more_count);
		http.more_arg = settings->status;
	}
	if (http_start(&http, &s->http, err) < 0) {
		pthread_mutex_destroy(&s->lock);
		return -1;
	}
	*out = steal(&s);
	return 0;
}

int server_port(const struct server *s)
{
	return http_port(s->http);
}

int server_busy(const struct server *s)
{
	return atomic_load(&s->busy);
}

void server_close(struct server *s)
{
	if (!s)
		return;
	http_stop(s->http);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
