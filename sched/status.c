#include "sched/status.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/reserve.h"
#include "sched/stats.h"

/* --- checks: each appends why it fails, or nothing ------------------------------------------------------------------- */

static void check_ping(const struct status *s, struct buf *why)
{
	(void)s;
	(void)why;
}

static void check_loop(const struct status *s, struct buf *why)
{
	int64_t silent_ms = clock_mono_ms() - atomic_load(&s->beat_mono_ms);

	if (silent_ms > STATUS_STUCK_MS)
		buf_printf(why, "the loop did not turn for %lld s", (long long)(silent_ms / 1000));
}

static void check_leader(const struct status *s, struct buf *why)
{
	int64_t overdue_ms = atomic_load(&s->overdue_ms);

	if (overdue_ms > STATUS_OVERDUE_MS)
		buf_printf(why, "the renewal of the lease is overdue by %lld s", (long long)(overdue_ms / 1000));
}

static void check_lists(const struct status *s, struct buf *why)
{
	unsigned unlisted = atomic_load(&s->unlisted), forbidden = atomic_load(&s->forbidden);
	const char *separator = ": ";
	int i;

	if (atomic_load(&s->synced))
		return;
	buf_str(why, "not listed yet");
	for (i = 0; i < RESOURCE_COUNT; i++)
		if (unlisted & 1u << i) {
			buf_printf(why, "%s%s%s", separator, stat_resource_names[i], forbidden & 1u << i ? " (forbidden)" : "");
			separator = ", ";
		}
}

static void check_file(const struct status *s, struct buf *why)
{
	if (!atomic_load(&s->looked))
		buf_str(why, "the latency file was not looked at yet");
}

static void check_draining(const struct status *s, struct buf *why)
{
	if (atomic_load(&s->draining))
		buf_str(why, "process is shutting down");
}

enum { LIVE = 1, READY = 2 };

static const struct check {
	const char *name;
	int in;
	void (*look)(const struct status *s, struct buf *why);
} checks[] = {
	{"ping", LIVE | READY, check_ping},
	{"scheduling-loop", LIVE, check_loop},
	{"leaderElection", LIVE, check_leader},
	{"informer-sync", READY, check_lists},
	{"sched-handler-sync", READY, check_lists},
	{"latency-file", READY, check_file},
	{"shutdown", READY, check_draining},
};

/* --- the query --------------------------------------------------------------------------------------------------------- */

/* The next argument of "a&b=c": its length, 0 at the end. *at moves on. */
static size_t next_argument(const char **at, const char **argument)
{
	size_t len;

	*at += strspn(*at, "&");
	*argument = *at;
	len = strcspn(*at, "&");
	*at += len;
	return len;
}

static bool is_key(const char *argument, size_t len, const char *key)
{
	size_t key_len = strlen(key);

	return len >= key_len && strncmp(argument, key, key_len) == 0 && (len == key_len || argument[key_len] == '=');
}

static bool is_verbose(const char *query)
{
	const char *argument;
	size_t len;

	while ((len = next_argument(&query, &argument)) > 0)
		if (is_key(argument, len, "verbose"))
			return true;
	return false;
}

/* The next name of exclude=NAME; NULL at the end. */
static const char *next_excluded(const char **query, size_t *len)
{
	const char *argument;
	size_t skip = strlen("exclude=");

	while ((*len = next_argument(query, &argument)) > 0)
		if (*len > skip && is_key(argument, *len, "exclude")) {
			*len -= skip;
			return argument + skip;
		}
	return NULL;
}

static bool is_named(const struct check *check, const char *name, size_t len)
{
	return strlen(check->name) == len && strncmp(check->name, name, len) == 0;
}

static bool is_excluded(const struct check *check, const char *query)
{
	const char *name;
	size_t len;

	while ((name = next_excluded(&query, &len)) != NULL)
		if (is_named(check, name, len))
			return true;
	return false;
}

static const struct check *find_check(int in, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++)
		if ((checks[i].in & in) && is_named(&checks[i], name, len))
			return &checks[i];
	return NULL;
}

/* --- answers, in the words of k8s.io/apiserver/pkg/server/healthz ------------------------------------------------------ */

static bool print_check(const struct status *s, const struct check *check, const char *query, struct buf *out)
{
	auto_buf struct buf why = {0};

	if (is_excluded(check, query)) {
		buf_printf(out, "[+]%s excluded: ok\n", check->name);
		return true;
	}
	check->look(s, &why);
	if (!why.len && check->look == check_lists && atomic_load(&s->no_api))
		buf_printf(out, "[+]%s ok: no API server, the latency file alone\n", check->name);
	else if (!why.len)
		buf_printf(out, "[+]%s ok\n", check->name);
	else
		buf_printf(out, "[-]%s failed: %s\n", check->name, why.data);
	return !why.len;
}

static void print_unknown(int in, const char *query, struct buf *out)
{
	const char *name;
	size_t len;

	while ((name = next_excluded(&query, &len)) != NULL)
		if (!find_check(in, name, len))
			buf_printf(out, "warn: some health checks cannot be excluded: no matches for \"%.*s\"\n", (int)len, name);
}

static void answer_all(const struct status *s, int in, const struct http_request *request, struct http_reply *reply)
{
	auto_buf struct buf list = {0};
	bool fine = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].in & in)
			fine &= print_check(s, &checks[i], request->query, &list);
	if (fine && !is_verbose(request->query)) {
		buf_str(&reply->body, "ok");
		return;
	}
	print_unknown(in, request->query, &list);
	reply->status = fine ? 200 : 500;
	buf_printf(&reply->body, "%s%s check %s\n", list.data, request->path + 1, fine ? "passed" : "failed");
}

static void answer_one(const struct status *s, int in, const struct http_request *request, struct http_reply *reply)
{
	const char *name = strchr(request->path + 1, '/') + 1;
	const struct check *check = find_check(in, name, strlen(name));
	auto_buf struct buf why = {0};

	if (check)
		check->look(s, &why);
	if (!check) {
		reply->status = 404;
		buf_str(&reply->body, "there is no such check\n");
	} else if (why.len) {
		reply->status = 500;
		buf_printf(&reply->body, "internal server error: %s\n", why.data);
	} else {
		buf_str(&reply->body, "ok");
	}
}

static void answer(const struct status *s, int in, const struct http_request *request, struct http_reply *reply)
{
	if (strchr(request->path + 1, '/'))
		answer_one(s, in, request, reply);
	else
		answer_all(s, in, request, reply);
}

static void answer_live(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, LIVE, request, reply);
}

static void answer_ready(void *arg, const struct http_request *request, struct http_reply *reply)
{
	answer(arg, READY, request, reply);
}

static void answer_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct status *s = arg;

	(void)request;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(s->stats, &reply->body);
}

static void answer_reserve(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct reserve *reserve = atomic_load(&((struct status *)arg)->reserve);

	if (!reserve) {
		reply->status = 404;
		buf_str(&reply->body, "no room is kept here for a node's failure\n");
	} else if (*request->query) {
		reply->status = 400;
		buf_str(&reply->body, "/reserve takes no argument\n");
	} else {
		reply->content_type = "application/json";
		reserve_print(reserve, &reply->body);
	}
}

/* --- from outside ------------------------------------------------------------------------------------------------------ */

const struct http_route *status_routes(size_t *count)
{
	static const struct http_route routes[] = {
		{"GET", "/livez", answer_live},
		{"GET", "/livez/", answer_live},
		{"GET", "/healthz", answer_live},
		{"GET", "/healthz/", answer_live},
		{"GET", "/readyz", answer_ready},
		{"GET", "/readyz/", answer_ready},
		{"GET", "/metrics", answer_metrics},
		{"GET", "/reserve", answer_reserve},
	};

	*count = ARRAY_SIZE(routes);
	return routes;
}

int status_open(struct status *s, const char *listen, struct metrics *stats, struct lm_err *err)
{
	struct http_settings http = {.listen = listen, .arg = s};

	s->stats = stats;
	status_beat(s, clock_mono_ms(), &(struct status_facts){.synced = false});
	if (!listen)
		return 0;
	http.routes = status_routes(&http.route_count);
	if (http_start(&http, &s->server, err) < 0)
		return -1;
	log_info("listening", FIELDS(LI("port", http_port(s->server))));
	return 0;
}

void status_close(struct status *s)
{
	http_stop(s->server);
	s->server = NULL;
}

void status_show(struct status *s, struct reserve *reserve)
{
	atomic_store(&s->reserve, reserve);
}

void status_beat(struct status *s, int64_t mono_ms, const struct status_facts *facts)
{
	atomic_store(&s->unlisted, facts->unlisted);
	atomic_store(&s->forbidden, facts->forbidden);
	atomic_store(&s->synced, facts->synced);
	atomic_store(&s->no_api, facts->no_api);
	atomic_store(&s->looked, facts->looked);
	atomic_store(&s->draining, facts->draining);
	atomic_store(&s->overdue_ms, facts->overdue_ms);
	atomic_store(&s->beat_mono_ms, mono_ms);
}
