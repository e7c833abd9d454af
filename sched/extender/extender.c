#include "sched/extender/extender.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/kube/client.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"
#include "sched/conffile.h"
#include "sched/extender/bindings.h"
#include "sched/extender/server.h"
#include "sched/extender/tls.h"
#include "sched/feed.h"
#include "sched/intake.h"
#include "sched/reload.h"
#include "sched/stats.h"
#include "sched/status.h"

#define TURN_MAX_MS 1000
#define LINGER_MS 100			/* so that the last answers are on their way */
/* A request with 5,000 names takes half a MiB: given back to the kernel and taken again each time, its pages cost a quarter of the work. */
#define KEPT_BYTES (4 << 20)
/*
 * A decision on HTTP's thread has no deadline beside it: they are small ones (0.1 ms), and after one that was not there are none for a while. Nor are there
 * while the scheduling thread has slept for longer than it ever does: then it hangs, and what it knows grows old.
 */
#define AT_ONCE_NODES 5000
#define AT_ONCE_MS 10
#define AT_ONCE_PAUSE_MS 1000
#define REST_MAX_MS (2 * TURN_MAX_MS)
#define TURN_REQUESTS 32		/* so that the API is looked at in between */

struct extender {
	struct settings *settings;
	int argc;
	char **argv;
	int signals;			/* signalfd */
	struct metrics *stats;
	struct status status;
	struct conffile conffile;
	struct kube *kube;		/* NULL: there is no API, the latency file alone */
	struct cache *cache;		/* stays empty then */
	struct queue *queue;		/* stays empty: no pod is ours to place */
	struct feed *feed;		/* NULL: as kube */
	struct intake *intake;
	struct judge *judge;
	struct desk *desk;
	struct bindings *bindings;	/* NULL without --extender-bind */
	struct scores *scores;
	struct tls *tls;		/* NULL: none */
	struct server *server;
	struct log_gate late_gate;
	double late_before;
	int64_t drain_until_ms;		/* 0: not draining */
	int64_t linger_until_ms;
	int64_t at_once_from_ms, rest_mono_ms;	/* under the desk's turn; since when our thread sleeps */
};

static bool is_ours(void *arg, const char *scheduler_name)
{
	(void)arg;
	(void)scheduler_name;
	return false;
}

/* Any pod, for none is ours to place. */
static void on_seen(void *arg, const char *uid)
{
	const struct extender *x = arg;

	judge_seen(x->judge, x->cache, uid);
	if (x->bindings)
		bindings_seen(x->bindings, uid);
}

/* --- signals and configuration --------------------------------------------------------------------------------------- */

static void reload(struct extender *x, const char *because)
{
	if (reload_settings(&x->settings, x->argc, x->argv, &x->conffile, x->stats, because) && x->bindings)
		bindings_set_rates(x->bindings, x->settings);
}

static size_t open_bindings(const struct extender *x)
{
	return x->bindings ? bindings_open(x->bindings) : 0;
}

static void take_signals(struct extender *x, int64_t mono_ms)
{
	struct signalfd_siginfo info;

	while (read(x->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(x, "SIGHUP");
		} else {
			x->linger_until_ms = mono_ms + LINGER_MS;
			x->drain_until_ms = x->drain_until_ms ? mono_ms : mono_ms + EXTENDER_DRAIN_MS; /* told twice: at once */
			log_info("draining", FIELDS(LI("requests_open", server_busy(x->server)), LI("bindings_open", open_bindings(x))));
		}
	}
}

static int open_signals(struct extender *x, struct lm_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);	/* a dump, in the other mode */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lm_fail_errno(err, "block signals");
	x->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return x->signals < 0 ? lm_fail_errno(err, "signalfd") : 0;
}

static struct status_facts facts_now(const struct extender *x, int64_t mono_ms)
{
	struct status_facts facts = {.looked = intake_ready(x->intake, mono_ms), .draining = x->drain_until_ms != 0, .no_api = !x->feed};

	if (x->feed)
		facts.unlisted = feed_unlisted(x->feed, &facts.forbidden);
	facts.synced = !facts.unlisted;
	return facts;
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

/* A pod is of a kube-scheduler's name, and may be of one that has a profile here; else the first one holds. */
static const struct profile *profile_of(const struct extender *x, const struct pod *pod)
{
	const struct profile *own = settings_profile(x->settings, pod->scheduler_name);

	return own ? own : &x->settings->profiles[0];
}

static void log_judged(enum judge_verb verb, const struct wire_request *request, const struct mesh *mesh, int64_t took_us)
{
	char key[512];

	if (!log_wants(LOG_DEBUG))
		return;
	pod_key(request->pod, key, sizeof(key));
	log_debug(verb == JUDGE_FILTER ? "filtered" : "prioritized",
		  FIELDS(LS("pod", key), LI("nodes", request->count), LI("generation", mesh ? matrix_generation(mesh->matrix) : -1),
			 LI("took_us", took_us)));
}

static struct wire_answer decide_job(struct extender *x, const struct desk_job *job)
{
	const struct wire_request *request = desk_request(job);
	const struct pod *pod = request->pod;
	struct judge_input in = {.view = cache_view(x->cache), .mesh = intake_mesh(x->intake), .profile = profile_of(x, pod), .mono_ms = clock_mono_ms(),
				 .alone = x->settings->extender_alone, .no_objects = !x->feed};
	int64_t start_us = clock_mono_us(), took_us;
	struct wire_answer answer = judge_request(x->judge, &in, desk_verb(job), request);

	took_us = clock_mono_us() - start_us;
	metrics_observe(x->stats, STAT_DECISION_SECONDS, 0, (double)took_us / 1e6);
	metrics_add(x->stats, STAT_BAD_REQUESTS, 0, pod->ask.error != NULL);
	log_judged(desk_verb(job), request, in.mesh, took_us);
	return answer;
}

static void serve(struct extender *x, struct desk_job *job)
{
	struct wire_answer answer = decide_job(x, job);

	desk_answer(x->desk, job, &answer);
}

/* HTTP's thread, while ours sleeps. */
static bool decide_at_once(void *arg, struct desk_job *job, struct wire_answer *answer)
{
	struct extender *x = arg;
	int64_t mono_ms = clock_mono_ms();
	struct status_facts facts = facts_now(x, mono_ms);

	if (!facts.synced || !facts.looked || mono_ms < x->at_once_from_ms || mono_ms - x->rest_mono_ms > REST_MAX_MS ||
	    desk_request(job)->count > AT_ONCE_NODES || !intake_is_settled(x->intake))
		return false;
	*answer = decide_job(x, job);
	if (clock_mono_ms() - mono_ms > AT_ONCE_MS)
		x->at_once_from_ms = mono_ms + AT_ONCE_PAUSE_MS;
	return true;
}

static void on_rest(void *arg, bool resting)
{
	struct extender *x = arg;

	if (resting) {
		x->rest_mono_ms = clock_mono_ms();	/* nobody decides yet */
		desk_rest(x->desk);
	} else {
		desk_resume(x->desk);
	}
}

/* True: there may be more. */
static bool serve_some(struct extender *x, const struct status_facts *facts)
{
	int left = TURN_REQUESTS;
	struct desk_job *job;

	while (left-- > 0) {
		job = desk_take(x->desk);
		if (!job)
			return false;
		if (left == TURN_REQUESTS - 1)
			intake_settle(x->intake);
		if (!facts->synced || !facts->looked)
			desk_decline(x->desk, job);
		else if (desk_bind(job))
			bindings_take(x->bindings, job);
		else
			serve(x, job);
	}
	return true;
}

static void say_late(struct extender *x)
{
	double late = metrics_get(x->stats, STAT_EXTENDER, EXTENDER_LATE) + metrics_get(x->stats, STAT_EXTENDER, EXTENDER_ENDS + EXTENDER_LATE);

	if (late <= x->late_before || !log_gate_open(&x->late_gate, 10000, NULL))
		return;
	log_warn("requests were answered without a decision: there was none in time", FIELDS(LI("requests", (int64_t)(late - x->late_before))));
	x->late_before = late;
}

/* --- the loop -------------------------------------------------------------------------------------------------------- */

static void set_gauges(struct extender *x, const struct status_facts *facts)
{
	metrics_set(x->stats, STAT_SYNCED, 0, facts->synced);
	metrics_set(x->stats, STAT_NODES, 0, cache_view(x->cache)->count);
	metrics_set(x->stats, STAT_PODS, 0, (double)cache_pods(x->cache));
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void give_scores(struct extender *x, int64_t mono_ms)
{
	scores_give(x->scores, &(struct judge_input){.view = cache_view(x->cache), .mesh = intake_mesh(x->intake),
						     .profile = &x->settings->profiles[0], .mono_ms = mono_ms});
}

/* Everything that is due. Returns how long nothing will be. */
static int64_t do_what_is_due(struct extender *x, int64_t mono_ms)
{
	int64_t wait = x->feed ? least(feed_tick(x->feed, mono_ms), TURN_MAX_MS) : TURN_MAX_MS, reader_wait;
	struct status_facts facts;

	intake_poll(x->intake, mono_ms, &reader_wait);
	if (x->feed)
		feed_take_wake(x->feed);
	give_scores(x, mono_ms);
	facts = facts_now(x, mono_ms);
	if (serve_some(x, &facts))
		wait = 0;
	if (x->bindings)
		wait = bindings_tick(x->bindings, clock_mono_ms(), wait);
	status_beat(&x->status, mono_ms, &facts);
	set_gauges(x, &facts);
	tls_look(x->tls, mono_ms);
	say_late(x);
	wait = least(wait, reader_wait);
	return x->drain_until_ms ? least(wait, 20) : wait;
}

static bool finished(const struct extender *x, int64_t mono_ms)
{
	if (!x->drain_until_ms)
		return false;
	return mono_ms >= x->drain_until_ms || (mono_ms >= x->linger_until_ms && server_busy(x->server) == 0 && open_bindings(x) == 0);
}

/* What kube_run does, where there is no API. */
static void sleep_without_api(struct extender *x, int64_t wait_ms, struct pollfd *fds, nfds_t count)
{
	if (wait_ms > 0)
		on_rest(x, true);
	poll(fds, count, (int)wait_ms);
	if (wait_ms > 0)
		on_rest(x, false);
}

static void loop(struct extender *x)
{
	int64_t mono_ms = clock_mono_ms(), wait;

	while (!finished(x, mono_ms)) {
		struct pollfd fds[3] = {{.fd = x->signals, .events = POLLIN}, {.fd = desk_fd(x->desk), .events = POLLIN},
					{.fd = intake_fd(x->intake), .events = POLLIN}};

		wait = do_what_is_due(x, mono_ms);
		if (x->kube)
			kube_run(x->kube, wait, fds, fds[2].fd < 0 ? 2 : 3);
		else
			sleep_without_api(x, wait, fds, fds[2].fd < 0 ? 2 : 3);
		mono_ms = clock_mono_ms();
		take_signals(x, mono_ms);
		if (conffile_changed(&x->conffile, mono_ms))
			reload(x, "the file changed");
	}
	log_info("stopped", FIELDS(LI("requests_open", server_busy(x->server)), LI("bindings_open", open_bindings(x))));
}

/* --- start and end --------------------------------------------------------------------------------------------------- */

static int open_api(struct extender *x, const struct kube_config *api, struct lm_err *err)
{
	struct feed_hooks hooks = {.ours = is_ours, .seen = on_seen, .arg = x};

	if (!api) {
		log_warn("no API server: nodes are judged by the latency file alone, and what needs other objects is unknown", NULL);
		return 0;
	}
	x->kube = kube_new(api, "latency-sched", err);
	if (!x->kube)
		return -1;
	kube_observe(x->kube, stats_request, x->stats);
	kube_on_rest(x->kube, on_rest, x);
	x->feed = feed_new(x->kube, x->cache, x->queue, x->stats, &hooks);
	return 0;
}

static int start(struct extender *x, const struct kube_config *api, struct lm_err *err)
{
	const struct settings *s = x->settings;
	struct server_settings server = {.listen = settings_extender_listen(s), .late = (enum server_late)s->extender_late, .stats = x->stats,
					 .status = &x->status, .bind = s->extender_bind};

	conffile_open(&x->conffile, s->options.config_path, clock_mono_ms());
	reload_note_loaded(x->stats);
	if (open_signals(x, err) < 0 || intake_start(s->latency_file, s->poll_ms, x->stats, &x->intake, err) < 0)
		return -1;
	x->scores = scores_new();
	if (open_api(x, api, err) < 0 || desk_open(&x->desk, err) < 0)
		return -1;
	if (status_open(&x->status, s->listen, x->stats, err) < 0 || tls_open(s, x->stats, &x->tls, err) < 0)
		return -1;
	if (s->extender_bind) {
		x->bindings = bindings_new(x->kube, x->cache, x->judge, x->desk, x->stats);
		bindings_set_rates(x->bindings, s);
	}
	server.desk = x->desk;
	server.scores = x->scores;
	server.tls = tls_http(x->tls);
	if (server_open(&server, &x->server, err) < 0)
		return -1;
	desk_on_rest(x->desk, decide_at_once, x);
	log_info("extender listening", FIELDS(LI("port", server_port(x->server)), LB("tls", x->tls != NULL)));
	return 0;
}

static void stop(struct extender *x)
{
	if (x->desk)
		desk_close(x->desk);
	bindings_free(x->bindings);
	server_close(x->server);
	tls_close(x->tls);
	desk_free(x->desk);
	scores_free(x->scores);
	status_close(&x->status);
	feed_free(x->feed);
	kube_free(x->kube);
	intake_free(x->intake);
	judge_free(x->judge);
	queue_free(x->queue);
	cache_free(x->cache);
	conffile_close(&x->conffile);
	metrics_free(x->stats);
	settings_free(x->settings);
	cleanup_close(&x->signals);
}

int extender_run(struct settings *settings, const struct kube_config *api, int argc, char **argv, struct lm_err *err)
{
	struct extender x = {.settings = settings, .argc = argc, .argv = argv, .signals = -1, .stats = stats_new(), .cache = cache_new(),
			     .queue = queue_new(), .judge = judge_new()};
	int code;

	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES);
	stats_show_extender(x.stats);
	code = start(&x, api, err);
	if (code == 0) {
		log_info("started", FIELDS(LS("version", lm_version), LS("mode", "extender"), LS("server", api ? api->server : NULL),
					   LS("latency_file", settings->latency_file)));
		loop(&x);
	}
	stop(&x);
	return code;
}
