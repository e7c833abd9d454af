#include "sched/status.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static void answer_live(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct status *s = arg;
	int64_t silent_ms = clock_mono_ms() - atomic_load(&s->beat_mono_ms);

	(void)request;
	if (silent_ms > STATUS_STUCK_MS) {
		reply->status = 503;
		buf_printf(&reply->body, "the loop did not turn for %lld s\n", (long long)(silent_ms / 1000));
	} else {
		buf_str(&reply->body, "ok\n");
	}
}

static void answer_ready(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct status *s = arg;
	const char *not_ready = atomic_load(&s->not_ready);

	(void)request;
	if (not_ready)
		reply->status = 503;
	buf_printf(&reply->body, "%s\n", not_ready ? not_ready : "ok");
}

static void answer_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct status *s = arg;

	(void)request;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(s->stats, &reply->body);
}

int status_open(struct status *s, const char *listen, struct metrics *stats, struct lm_err *err)
{
	static const struct http_route routes[] = {
		{"GET", "/healthz", answer_live},
		{"GET", "/livez", answer_live},
		{"GET", "/readyz", answer_ready},
		{"GET", "/metrics", answer_metrics},
	};

	s->stats = stats;
	status_beat(s, clock_mono_ms(), "starting");
	if (!listen)
		return 0;
	if (http_start(&(struct http_settings){.listen = listen, .routes = routes, .route_count = ARRAY_SIZE(routes), .arg = s},
		       &s->server, err) < 0)
		return -1;
	log_info("listening", FIELDS(LI("port", http_port(s->server))));
	return 0;
}

void status_close(struct status *s)
{
	http_stop(s->server);
	s->server = NULL;
}

void status_beat(struct status *s, int64_t mono_ms, const char *not_ready)
{
	atomic_store(&s->beat_mono_ms, mono_ms);
	atomic_store(&s->not_ready, not_ready);
}
