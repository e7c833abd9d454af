#include "sched/extender/server.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "sched/stats.h"

#define JSON "application/json"

struct server {
	struct http_server *http;
	struct desk *desk;
	struct metrics *stats;
	enum server_late late;
	atomic_int busy;
};

static void count(struct server *s, enum judge_verb verb, enum stat_extender end)
{
	metrics_add(s->stats, STAT_EXTENDER, (int)verb * EXTENDER_ENDS + (int)end, 1);
}

static void refuse(struct http_reply *reply, int status, const char *text)
{
	reply->status = status;
	buf_printf(&reply->body, "%s\n", text);
}

/* "application/json; charset=utf-8" too. */
static bool is_json(const char *content_type)
{
	size_t len = strlen(JSON);

	return strncasecmp(content_type, JSON, len) == 0 && strchr("; ", content_type[len]);
}

static const char *why(enum desk_end end)
{
	return end == DESK_LATE ? "latency-sched: there was no decision in time" : "latency-sched is not ready to decide";
}

/* What is said without a decision. */
static struct wire_answer without(const struct server *s, enum judge_verb verb, enum desk_end end, uint32_t nodes)
{
	struct wire_answer answer = wire_answer_of(nodes);

	if (verb == JUDGE_FILTER && s->late == SERVER_LATE_ERROR)
		answer.error = xstrdup(why(end));
	return answer;
}

static void decide_and_print(struct server *s, enum judge_verb verb, struct wire_request *wire, int64_t until_mono_ms, struct buf *out)
{
	static const enum stat_extender ends[] = {
		[DESK_ANSWERED] = EXTENDER_DECIDED, [DESK_DECLINED] = EXTENDER_DECLINED, [DESK_LATE] = EXTENDER_LATE,
	};
	struct desk_request *request = desk_request(wire);
	struct wire_answer answer;
	enum desk_end end = desk_ask(s->desk, verb, request, until_mono_ms, &answer);

	count(s, verb, ends[end]);
	if (end != DESK_ANSWERED)
		answer = without(s, verb, end, desk_wire(request)->count);
	if (verb == JUDGE_FILTER)
		wire_print_filter(desk_wire(request), &answer, out);
	else
		wire_print_priorities(desk_wire(request), &answer, out);
	wire_answer_free(&answer);
	desk_release(request);
}

static void answer_bad(struct server *s, enum judge_verb verb, int status, const char *text, struct http_reply *reply)
{
	count(s, verb, EXTENDER_BAD);
	refuse(reply, status, text);
}

static void answer_whole(struct server *s, enum judge_verb verb, const struct http_request *request, struct http_reply *reply)
{
	int64_t until_mono_ms = clock_mono_ms() + SERVER_WAIT_MS;
	struct wire_request wire;
	struct lm_err err;

	if (*request->content_type && !is_json(request->content_type)) {
		answer_bad(s, verb, 415, "Content-Type: " JSON " is wanted", reply);
		return;
	}
	if (wire_parse(request->body, request->body_len, &wire, &err) < 0) {
		answer_bad(s, verb, 400, err.msg, reply);
		return;
	}
	reply->content_type = JSON;
	decide_and_print(s, verb, &wire, until_mono_ms, &reply->body);
}

static void answer(struct server *s, enum judge_verb verb, const struct http_request *request, struct http_reply *reply)
{
	atomic_fetch_add(&s->busy, 1);
	answer_whole(s, verb, request, reply);
	atomic_fetch_sub(&s->busy, 1);
}

static void answer_filter(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, JUDGE_FILTER, request, reply);
}

static void answer_prioritize(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, JUDGE_PRIORITIZE, request, reply);
}

int server_open(const char *listen, struct http_tls *tls, enum server_late late, struct desk *desk, struct metrics *stats, struct server **out,
		struct lm_err *err)
{
	static const struct http_route routes[] = {
		{"POST", "/filter", answer_filter},
		{"POST", "/prioritize", answer_prioritize},
	};
	auto_free struct server *s = xcalloc(1, sizeof(*s));
	struct http_settings settings = {
		.listen = listen, .routes = routes, .route_count = ARRAY_SIZE(routes), .max_body_bytes = SERVER_BODY_BYTES,
		.max_bodies_bytes = SERVER_BODIES_BYTES, .body_ms = SERVER_BODY_MS, .own_threads = true, .tls = tls, .arg = s,
	};

	s->desk = desk;
	s->stats = stats;
	s->late = late;
	if (http_start(&settings, &s->http, err) < 0)
		return -1;
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
	free(s);
}
