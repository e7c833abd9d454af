#include "sched/extender/tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/stats.h"

_Static_assert(HTTP_TLS_LOOK_MS + 5000 <= TLS_PICK_UP_MS, "a look, the files at rest, a loop that is busy");

enum tls_end { END_IS_FAR, END_IS_NEAR, HAS_ENDED };

struct tls {
	struct http_tls *http;
	struct metrics *stats;
	pthread_mutex_t lock;		/* of the gates: several threads of the server log */
	struct log_gate gates[HTTP_TLS_REASONS];
	int64_t warned_of_s;		/* of the end of this certificate */
	enum tls_end warned;		/* how near it was then */
	struct log_gate reload_gate;
	struct lm_err last;		/* why files were refused last */
};

static void on_refused(void *arg, const struct http_tls_refusal *refusal)
{
	struct tls *t = arg;
	int64_t held_back = 0;
	bool now;

	metrics_add(t->stats, STAT_TLS_REFUSED, (int)refusal->reason, 1);
	pthread_mutex_lock(&t->lock);
	now = log_gate_open(&t->gates[refusal->reason], TLS_LOG_MS, &held_back);
	pthread_mutex_unlock(&t->lock);
	if (now)
		log_warn("a client was refused", FIELDS(LS("peer", refusal->peer), LS("reason", http_tls_reasons[refusal->reason]),
							LS("error", refusal->text), LI("not_logged", held_back)));
}

/* Of each certificate once that its end is near, and once that it has come. */
static void warn_of_end(struct tls *t)
{
	int64_t end_s = http_tls_end_wall_s(t->http), left_ms = end_s * 1000 - clock_wall_ms();
	enum tls_end now = left_ms <= 0 ? HAS_ENDED : left_ms <= TLS_END_NEAR_S * 1000 ? END_IS_NEAR : END_IS_FAR;
	char text[CLOCK_TEXT];

	if (end_s != t->warned_of_s)
		t->warned = END_IS_FAR;
	t->warned_of_s = end_s;
	if (now <= t->warned)
		return;
	t->warned = now;
	clock_format(end_s * 1000, text);
	if (now == HAS_ENDED)
		log_warn("the extender's certificate has expired: clients refuse it", FIELDS(LS("expired", text)));
	else
		log_warn("the extender's certificate expires soon", FIELDS(LS("expires", text), LF("days", (double)left_ms / 864e5)));
}

static void note_loaded(struct tls *t, const char *message)
{
	int64_t end_s = http_tls_end_wall_s(t->http);
	char text[CLOCK_TEXT];

	metrics_set(t->stats, STAT_TLS_END_SECONDS, 0, (double)end_s);
	clock_format(end_s * 1000, text);
	log_info(message, FIELDS(LS("expires", text)));
	warn_of_end(t);
}

/* What may pass is tried at each look: the same words at most once a minute. */
static void say_refused(struct tls *t, const struct lm_err *err)
{
	int64_t held_back = 0;

	if (!STREQ(err->msg, t->last.msg))
		t->reload_gate = (struct log_gate){0};
	t->last = *err;
	if (log_gate_open(&t->reload_gate, TLS_SAY_AGAIN_MS, &held_back))
		log_warn("certificates refused: those in use stay", FIELDS(LS("error", err->msg), LI("held_back", held_back)));
}

int tls_open(const struct settings *settings, struct metrics *stats, struct tls **out, struct lm_err *err)
{
	auto_free struct tls *t = xcalloc(1, sizeof(*t));
	struct http_tls_settings s = {.cert_file = settings->extender_tls_cert, .key_file = settings->extender_tls_key,
				      .client_ca_file = settings->extender_client_ca, .client_names = settings->extender_client_names.items,
				      .client_name_count = settings->extender_client_names.count, .refused = on_refused, .arg = t};

	*out = NULL;
	if (!s.cert_file)
		return 0;
	t->stats = stats;
	if (http_tls_open(&s, &t->http, err) < 0)
		return lm_wrap(err, "TLS of the extender");
	pthread_mutex_init(&t->lock, NULL);
	stats_show_tls(stats);
	note_loaded(t, s.client_ca_file ? "TLS with client certificates" : "TLS; clients are not asked for certificates");
	*out = steal(&t);
	return 0;
}

struct http_tls *tls_http(struct tls *tls)
{
	return tls ? tls->http : NULL;
}

void tls_look(struct tls *tls, int64_t mono_ms)
{
	struct lm_err err;
	int result = tls ? http_tls_look(tls->http, mono_ms, &err) : 0;

	if (result > 0) {
		metrics_add(tls->stats, STAT_TLS_RELOADS, CONFIG_LOADED, 1);
		note_loaded(tls, "certificates loaded");
	} else if (result < 0) {
		metrics_add(tls->stats, STAT_TLS_RELOADS, CONFIG_REFUSED, 1);
		say_refused(tls, &err);
	}
	if (tls)
		warn_of_end(tls);
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	http_tls_close(tls->http);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}
