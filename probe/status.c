#include "probe/status.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/mem.h"
#include "lib/scorelist.h"

#define SILENT_MS 60000

struct status {
	struct status_settings s;
	struct http_server *server;
	pthread_mutex_t lock;		/* of the rest */
	struct buf scores, peers;
	char *waiting;
	int64_t seen_ms;		/* the probing thread came round */
};

/* Silence is as bad as the farthest; unknown before the first ping. */
static double latency_score(const struct window_summary *now)
{
	if (isnan(now->rtt_us))
		return now->sent > 0 ? 1 : (double)NAN;
	return scorelist_latency(now->rtt_us);
}

void status_scores(const char *node, const struct links *links, const struct load *load, struct buf *out)
{
	size_t i;

	buf_clear(out);
	scorelist_add(out, node, load->cpu, 0);
	for (i = 0; i < links->count; i++)
		if (!links->items[i].is_client)
			scorelist_add(out, links->items[i].name, NAN, latency_score(&links->items[i].now));
	scorelist_end(out);
}

static void add_family(struct buf *out, const char *name, const char *help, const struct links *links, size_t field, double scale)
{
	size_t i;

	buf_printf(out, "# HELP latency_probe_peer_%s %s\n# TYPE latency_probe_peer_%s gauge\n", name, help, name);
	for (i = 0; i < links->count; i++) {
		const struct link *k = &links->items[i];
		double value;

		memcpy(&value, (const char *)&k->now + field, sizeof(value));
		if (isnan(value))
			continue;
		buf_printf(out, "latency_probe_peer_%s{kind=\"%s\",peer=\"%s\"} ", name, k->is_client ? "client" : "node", k->name);
		buf_printf(out, "%.9g\n", value * scale);
	}
}

static void add_peers(struct buf *out, const struct links *links)
{
	add_family(out, "rtt_seconds", "median round trip of the window", links, offsetof(struct window_summary, rtt_us), 1e-6);
	add_family(out, "jitter_seconds", "mean difference of successive round trips", links,
		   offsetof(struct window_summary, jitter_us), 1e-6);
	add_family(out, "loss_ratio", "lost pings of the loss window", links, offsetof(struct window_summary, loss), 1);
}

static void answer_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct status *s = arg;

	(void)request;
	volume_is_stuck(s->s.volume);
	metrics_print(s->s.m, &reply->body);
	pthread_mutex_lock(&s->lock);
	if (s->peers.len)
		buf_add(&reply->body, s->peers.data, s->peers.len);
	pthread_mutex_unlock(&s->lock);
}

static void answer_healthz(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct status *s = arg;
	bool stuck = volume_is_stuck(s->s.volume);

	(void)request;
	pthread_mutex_lock(&s->lock);
	if (clock_mono_ms() - s->seen_ms > SILENT_MS + 10 * s->s.interval_ms) {
		reply->status = 503;
		buf_str(&reply->body, "the probing thread has stopped\n");
	} else if (s->waiting) {
		buf_printf(&reply->body, "waiting for peers: %s\n", s->waiting);
	} else {
		buf_str(&reply->body, stuck ? "ok, but the volume does not answer\n" : "ok\n");
	}
	pthread_mutex_unlock(&s->lock);
}

static void answer_scores(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct status *s = arg;

	(void)request;
	reply->content_type = "application/json";
	pthread_mutex_lock(&s->lock);
	if (s->scores.len)
		buf_add(&reply->body, s->scores.data, s->scores.len);
	else
		buf_str(&reply->body, "[]\n");
	pthread_mutex_unlock(&s->lock);
}

int status_start(const struct status_settings *settings, struct status **out, struct lm_err *err)
{
	static const struct http_route routes[] = {
		{"GET", "/metrics", answer_metrics}, {"GET", "/healthz", answer_healthz}, {"GET", "/scores", answer_scores},
	};
	struct status *s = xcalloc(1, sizeof(*s));
	struct http_settings http = {.listen = settings->listen, .routes = routes, .route_count = ARRAY_SIZE(routes), .arg = s};

	s->s = *settings;
	s->seen_ms = clock_mono_ms();
	s->waiting = xstrdup("just started");
	pthread_mutex_init(&s->lock, NULL);
	if (http_start(&http, &s->server, err) < 0) {
		status_stop(s);
		return -1;
	}
	*out = s;
	return 0;
}

int status_port(const struct status *s)
{
	return http_port(s->server);
}

void status_update(struct status *s, const struct links *links, const struct load *load, const char *waiting)
{
	struct buf scores = {0}, peers = {0};

	if (!s)
		return;
	status_scores(s->s.node, links, load, &scores);
	if (s->s.per_peer)
		add_peers(&peers, links);
	pthread_mutex_lock(&s->lock);
	buf_free(&s->scores);
	buf_free(&s->peers);
	free(s->waiting);
	s->scores = scores;
	s->peers = peers;
	s->waiting = xstrdup(waiting);
	s->seen_ms = clock_mono_ms();
	pthread_mutex_unlock(&s->lock);
}

void status_stop(struct status *s)
{
	if (!s)
		return;
	http_stop(s->server);
	buf_free(&s->scores);
	buf_free(&s->peers);
	free(s->waiting);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
