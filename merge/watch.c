#include "merge/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "merge/observer.h"

#define HEALTHY_INTERVALS 3
#define BODIES_BYTES ((size_t)16 << 20)
#define BODY_MS 10000

struct served {
	struct metrics *metrics;
	struct observer *observer;	/* NULL: none */
	int64_t interval_ms;
	_Atomic int64_t last_good_mono_ms;
};

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

void watch_signals(void)
{
	sigset_t set = stop_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* The signal stays pending: whoever asks next sees it too. */
bool watch_stopped(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

static void answer_metrics(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct served *served = arg;

	(void)request;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(served->metrics, &reply->body);
}

static void answer_health(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct served *served = arg;
	int64_t quiet_ms = clock_mono_ms() - atomic_load(&served->last_good_mono_ms);

	(void)request;
	if (quiet_ms <= HEALTHY_INTERVALS * served->interval_ms) {
		buf_str(&reply->body, "ok\n");
		return;
	}
	reply->status = 503;
	buf_printf(&reply->body, "no merge succeeded for %lld s\n", (long long)(quiet_ms / 1000));
}

static void answer_observations(void *arg, const struct http_request *request, struct http_reply *reply)
{
	const struct served *served = arg;

	observer_answer(served->observer, request, reply);
}

static int serve(struct served *served, const char *listen, struct http_server **server, struct lm_err *err)
{
	static const struct http_route routes[] = {{"GET", "/metrics", answer_metrics}, {"GET", "/healthz", answer_health},
						     {"POST", "/observations", answer_observations}};
	struct http_settings settings = {.listen = listen, .routes = routes, .route_count = ARRAY_SIZE(routes) - 1, .arg = served};

	if (!listen)
		return 0;
	if (served->observer) {
		settings.route_count = ARRAY_SIZE(routes);
		settings.max_body_bytes = OBSERVE_POST_BYTES;
		settings.max_bodies_bytes = BODIES_BYTES;
		settings.body_ms = BODY_MS;
	}
	if (http_start(&settings, server, err) < 0)
		return -1;
	log_info("listening", FIELDS(LS("address", listen), LI("port", http_port(*server))));
	return 0;
}

/* Until the time, or until a signal asks to stop. */
static bool wait_until(int64_t mono_ms)
{
	sigset_t set = stop_signals();

	for (;;) {
		int64_t left_ms = mono_ms - clock_mono_ms();
		struct timespec wait = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000};

		if (watch_stopped())
			return false;
		if (left_ms <= 0)
			return true;
		if (sigtimedwait(&set, NULL, &wait) >= 0)
			return false;
		if (errno != EAGAIN && errno != EINTR)
			return true;
	}
}

static bool waiting_helps(const struct lm_err *err)
{
	return err->code == LM_UNAVAILABLE || err->code == LM_IO || err->code == LM_PERM;
}

/* What was posted since the last merge. */
static void save(struct observer *observer, const char *snapshot_dir)
{
	struct lm_err ignored;
	auto_close int fd = file_open_dir(snapshot_dir, &ignored);

	if (fd >= 0)
		observer_save(observer, fd);
}

static int watch_loop(struct merger *m, struct served *served, struct lm_err *err)
{
	int64_t interval_ms = m->settings->interval_ms, next_ms = clock_mono_ms();
	bool first = true;
	int result;

	do {
		result = merger_run(m, err);
		if (result < 0 && first && !waiting_helps(err))
			return -1;
		if (result < 0)
			log_error("merge failed", FIELDS(LS("error", err->msg)));
		if (result == 0)
			atomic_store(&served->last_good_mono_ms, clock_mono_ms());
		first = false;
		next_ms += interval_ms;
		if (next_ms < clock_mono_ms())
			next_ms = clock_mono_ms() + interval_ms;
	} while (result != 1 && wait_until(next_ms));
	log_info("stopped", NULL);
	return 0;
}

int watch_run(struct merger *m, struct lm_err *err)
{
	struct served served = {.metrics = m->metrics, .interval_ms = m->settings->interval_ms};
	struct http_server *server = NULL;
	int result;

	if (m->settings->observations && observer_new(m->settings, m->metrics, &served.observer, err) < 0)
		return -1;
	m->observer = served.observer;
	atomic_store(&served.last_good_mono_ms, clock_mono_ms());
	result = serve(&served, m->settings->listen, &server, err);
	if (result == 0)
		result = watch_loop(m, &served, err);
	http_stop(server);
	if (served.observer)
		save(served.observer, m->settings->snapshot_dir);
	m->observer = NULL;
	observer_free(served.observer);
	return result;
}
