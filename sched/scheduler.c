#include "sched/scheduler.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/bind.h"
#include "sched/conffile.h"
#include "sched/decide.h"
#include "sched/events.h"
#include "sched/feed.h"
#include "sched/gauges.h"
#include "sched/intake.h"
#include "sched/leader.h"
#include "sched/limit.h"
#include "sched/queue.h"
#include "sched/stats.h"
#include "sched/status.h"

#define TURN_DECISIONS 32		/* then the API is looked at again */
#define TURN_MAX_MS 1000

struct scheduler {
	struct settings *settings;
	int argc;
	char **argv;
	int signals;			/* signalfd */
	struct metrics *stats;
	struct status status;
	struct conffile conffile;
	struct gauges gauges;
	struct kube *kube;
	struct leader *leader;		/* NULL: no election */
	struct limit limit;
	struct cache *cache;
	struct queue *queue;
	struct feed *feed;
	struct binder *binder;
	struct events *events;
	struct intake *intake;
	struct decider *decider;
	int64_t drain_until_ms;		/* 0: not draining */
	int64_t flush_until_ms;		/* 0: bindings are open */
};

/* --- a decision ---------------------------------------------------------------------------------------------------- */

static void say_no_node(struct scheduler *s, const struct pod *pod, const struct buf *message)
{
	char key[512];
	bool fresh = events_failed(s->events, pod, message->data, clock_mono_ms());

	pod_key(pod, key, sizeof(key));
	log_event(fresh ? LOG_INFO : LOG_DEBUG, "no node fits", FIELDS(LS("pod", key), LS("reason", message->data)));
	events_condition(s->events, pod, "Unschedulable", message->data);
}

static void refused(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	auto_buf struct buf message = {0}, note = {0};

	metrics_add(s->stats, STAT_DECISIONS, decision->refused_by_pod ? DECISION_POD_REFUSED : DECISION_NO_NODE, 1);
	decision_message(s->decider, in, decision, &message);
	decision_note(s->decider, in, &note);
	if (note.len)
		buf_printf(&message, " (%s)", note.data);
	say_no_node(s, in->pod, &message);
	queue_refused(s->queue, in->pod->uid, decision->wake, in->mono_ms);
}

static struct bind_facts facts_of(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	struct bind_facts facts = {.rtt_ms = NAN, .score = (double)decision->total[decision->node], .generation = -1,
				   .decided_mono_ms = in->mono_ms};
	struct buf note = {0};

	if (decision->rtt_us)
		facts.rtt_ms = (double)decision->rtt_us[decision->node] / 1e3;
	if (in->mesh)
		facts.generation = matrix_generation(in->mesh->matrix);
	if (decision->runner_up >= 0)
		facts.runner_up = xstrdup(in->view->nodes[decision->runner_up].node->name);
	decision_note(s->decider, in, &note);
	facts.note = note.data;
	facts.waited_ms = in->mono_ms - queue_since_ms(s->queue, in->pod->uid);
	return facts;
}

static void placed(struct scheduler *s, const struct decision_input *in, const struct decision *decision)
{
	struct bind_facts facts = facts_of(s, in, decision);
	auto_free char *node = xstrdup(in->view->nodes[decision->node].node->name);
	char key[512];

	metrics_add(s->stats, STAT_DECISIONS, DECISION_PLACED, 1);
	if (!cache_assume(s->cache, in->pod->uid, (uint32_t)decision->node)) {
		free(facts.runner_up);
		free(facts.note);
		queue_failed(s->queue, in->pod->uid, in->mono_ms);
		return;
	}
	pod_key(in->pod, key, sizeof(key));
	log_debug("binding begun", FIELDS(LS("pod", key), LS("node", node)));
	bind_start(s->binder, in->pod, node, &facts, in->mono_ms);
	queue_wake(s->queue, WAKE_POD_ADDED, in->mono_ms); /* it is a target now */
}

static void decide_one(struct scheduler *s, const char *uid, int64_t mono_ms)
{
	const struct cached_pod *cached = cache_find_pod(s->cache, uid);
	struct decision_input in = {.mono_ms = mono_ms};
	struct decision decision;
	int64_t start_us;

	if (!cached || cached->assumed || !feed_wants(s->feed, cached->pod)) {
		queue_remove(s->queue, uid);
		return;
	}
	if (intake_settle(s->intake))
		queue_wake(s->queue, WAKE_MATRIX, mono_ms);
	in.pod = cached->pod;
	in.view = cache_view(s->cache);
	in.mesh = intake_mesh(s->intake);
	in.profile = settings_profile(s->settings, cached->pod->scheduler_name);
	metrics_add(s->stats, STAT_BAD_REQUESTS, 0, cached->pod->ask.error != NULL);
	start_us = clock_mono_us();
	decide(s->decider, &in, &decision);
	metrics_observe(s->stats, STAT_DECISION_SECONDS, 0, (double)(clock_mono_us() - start_us) / 1e6);
	if (decision.node < 0)
		refused(s, &in, &decision);
	else
		placed(s, &in, &decision);
}

/* A binding holds its place in flight until its Scheduled event was answered: no more of them than --bindings are lost with this process. */
static bool binds_one_more(const struct scheduler *s, int64_t mono_ms)
{
	return binder_ready(s->binder, events_pressing(s->events, mono_ms), mono_ms);
}

static void decide_some(struct scheduler *s)
{
	int left = TURN_DECISIONS;
	const char *uid;

	while (left-- > 0 && leader_acts(s->leader) && binds_one_more(s, clock_mono_ms()) &&
	       (uid = queue_take(s->queue, clock_mono_ms())) != NULL)
		decide_one(s, uid, clock_mono_ms());
}

/* --- what became of a binding ---------------------------------------------------------------------------------------- */

static void bound(struct scheduler *s, const struct binding *b, const char *key, int64_t mono_ms)
{
	const struct bind_facts *f = b->facts;
	auto_free char *note = xasprintf("Successfully assigned %s to %s%s%s%s", key, b->node, f->note && *f->note ? " (" : "",
					 f->note && *f->note ? f->note : "", f->note && *f->note ? ")" : "");

	queue_remove(s->queue, b->uid);
	metrics_observe(s->stats, STAT_BIND_SECONDS, 0, (double)(mono_ms - f->decided_mono_ms) / 1e3);
	metrics_observe(s->stats, STAT_WAIT_SECONDS, 0, (double)(mono_ms - f->decided_mono_ms + f->waited_ms) / 1e3);
	log_info("pod bound", FIELDS(LS("pod", key), LS("node", b->node), LF("rtt_ms", f->rtt_ms), LF("score", f->score),
				     LS("runner_up", f->runner_up), LF("generation",
								       f->generation < 0 ? NAN : (double)f->generation),
				     LS("scheduler", b->scheduler_name), LI("waited_ms", f->waited_ms),
				     LI("bind_ms", mono_ms - f->decided_mono_ms), LI("posts", b->posts)));
	events_scheduled(s->events, b->scheduler_name, b->namespace_, b->name, b->uid, b->node, note);
}

/* For certain on no node, or not our pod any more. The watch takes it out of the queue when it is gone or on another node. */
static void not_bound(struct scheduler *s, const struct binding *b, enum bind_end end, const char *key, int64_t mono_ms)
{
	const struct cached_pod *cached;
	auto_free char *note = xasprintf("Binding rejected: %s", b->reason);

	log_warn(end == BIND_LOST ? "binding lost" : "binding failed",
		 FIELDS(LS("pod", key), LS("node", b->node), LS("reason", b->reason), LI("posts", b->posts)));
	queue_wake(s->queue, cache_forget(s->cache, b->uid), mono_ms);
	queue_failed(s->queue, b->uid, mono_ms);
	cached = cache_find_pod(s->cache, b->uid);
	if (end != BIND_FAILED || !b->answered || !cached)
		return;
	events_failed(s->events, cached->pod, note, mono_ms);
	events_condition(s->events, cached->pod, "SchedulerError", note);
}

static void on_bind_end(void *arg, const struct binding *b, enum bind_end end)
{
	struct scheduler *s = arg;
	auto_free char *key = xasprintf("%s/%s", b->namespace_, b->name);
	int64_t mono_ms = clock_mono_ms();

	metrics_add(s->stats, STAT_BINDINGS, (int)end, 1);
	if (end == BIND_BOUND)
		bound(s, b, key, mono_ms);
	else
		not_bound(s, b, end, key, mono_ms);
}

/* --- hooks ----------------------------------------------------------------------------------------------------------- */

static bool is_ours(void *arg, const char *scheduler_name)
{
	return settings_profile(((struct scheduler *)arg)->settings, scheduler_name) != NULL;
}

static void on_seen(void *arg, const char *uid)
{
	bind_seen(((struct scheduler *)arg)->binder, uid);
}

/* --- signals --------------------------------------------------------------------------------------------------------- */

static void apply_rates(struct scheduler *s)
{
	limit_set(&s->limit, s->settings->qps, (double)s->settings->burst, clock_mono_ms());
	binder_set_flight(s->binder, (size_t)s->settings->bindings);
	events_set_flight(s->events, (size_t)s->settings->bindings);
}

static void reload_refused(struct scheduler *s, const struct lm_err *err)
{
	metrics_add(s->stats, STAT_CONFIG_RELOADS, CONFIG_REFUSED, 1);
	metrics_set(s->stats, STAT_CONFIG_GOOD, 0, 0);
	log_error("configuration refused: the one in force stays", FIELDS(LS("error", err->msg)));
}

static void note_loaded(struct scheduler *s)
{
	metrics_set(s->stats, STAT_CONFIG_GOOD, 0, 1);
	metrics_set(s->stats, STAT_CONFIG_LOADED_SECONDS, 0, (double)clock_wall_ms() / 1e3);
}

static void reload(struct scheduler *s, const char *because)
{
	struct lm_err err;
	struct settings *next;

	conffile_known(&s->conffile);
	next = settings_load(s->argc, s->argv, &err);
	if (!next || settings_may_replace(s->settings, next, &err) < 0) {
		settings_free(next);
		reload_refused(s, &err);
		return;
	}
	settings_free(s->settings);
	s->settings = next;
	log_setup(next->options.log_level, next->options.log_format);
	apply_rates(s);
	queue_wake(s->queue, ~0u, clock_mono_ms());
	metrics_add(s->stats, STAT_CONFIG_RELOADS, CONFIG_LOADED, 1);
	note_loaded(s);
	log_info("configuration loaded", FIELDS(LS("file", next->options.config_path), LS("because", because)));
}

static void drain(struct scheduler *s, int64_t mono_ms)
{
	if (s->drain_until_ms) {
		s->drain_until_ms = mono_ms; /* told twice: at once */
		return;
	}
	s->drain_until_ms = mono_ms + SCHEDULER_DRAIN_MS;
	log_info("draining", FIELDS(LI("bindings_open", bind_open(s->binder)), LI("events_open", events_open(s->events))));
}

static void take_signals(struct scheduler *s, int64_t mono_ms)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(s, "SIGHUP");
		else
			drain(s, mono_ms);
	}
}

static int open_signals(struct scheduler *s, struct lm_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lm_fail_errno(err, "block signals");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? lm_fail_errno(err, "signalfd") : 0;
}

/* --- the loop -------------------------------------------------------------------------------------------------------- */

static struct status_facts facts_now(const struct scheduler *s, int64_t mono_ms)
{
	return (struct status_facts){.synced = feed_synced(s->feed), .looked = intake_ready(s->intake, mono_ms),
				     .draining = s->drain_until_ms != 0,
				     .overdue_ms = leader_overdue_ms(s->leader, mono_ms)};
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until a pod can be decided on. An answer to a binding ends the wait earlier. */
static int64_t until_next(struct scheduler *s, int64_t mono_ms)
{
	int64_t limited_ms;

	if (binds_one_more(s, mono_ms))
		return queue_next_ms(s->queue, mono_ms, TURN_MAX_MS);
	limited_ms = limit_wait_ms(&s->limit, 0, mono_ms);
	return limited_ms > 0 ? limited_ms : TURN_MAX_MS;
}

static bool may_decide(const struct scheduler *s, const struct status_facts *facts)
{
	return facts->synced && facts->looked && !facts->draining && feed_relisted(s->feed) && leader_acts(s->leader);
}

/* Everything that is due. Returns how long nothing will be. */
static int64_t do_what_is_due(struct scheduler *s, int64_t mono_ms)
{
	int64_t wait = feed_tick(s->feed, mono_ms), reader_wait;
	struct status_facts facts;

	if (intake_poll(s->intake, mono_ms, &reader_wait))
		queue_wake(s->queue, WAKE_MATRIX, mono_ms);
	queue_wake(s->queue, feed_take_wake(s->feed), mono_ms);
	facts = facts_now(s, mono_ms);
	wait = least(wait, leader_tick(s->leader, facts.synced, mono_ms, TURN_MAX_MS));
	if (leader_began(s->leader))
		feed_relist(s->feed);
	wait = least(least(wait, reader_wait), bind_tick(s->binder, mono_ms, TURN_MAX_MS));
	if (may_decide(s, &facts)) {
		decide_some(s);
		wait = least(wait, until_next(s, mono_ms));
	}
	if (leader_acts(s->leader))
		wait = least(wait, events_tick(s->events, mono_ms, TURN_MAX_MS));
	status_beat(&s->status, mono_ms, &facts);
	gauges_set(&s->gauges, mono_ms);
	return least(wait, s->drain_until_ms ? 50 : wait);
}

static bool drained(struct scheduler *s, int64_t mono_ms)
{
	if (!s->drain_until_ms)
		return false;
	if (mono_ms >= s->drain_until_ms)
		return true;
	if (bind_open(s->binder) > 0)
		return false;
	if (!s->flush_until_ms)
		s->flush_until_ms = mono_ms + SCHEDULER_FLUSH_MS;
	return events_open(s->events) == 0 || mono_ms >= s->flush_until_ms;
}

static bool finished(struct scheduler *s, int64_t mono_ms)
{
	if (leader_lost(s->leader))
		return true;
	return drained(s, mono_ms) && leader_let_go(s->leader, bind_open(s->binder) == 0);
}

static int loop(struct scheduler *s, struct lm_err *err)
{
	int64_t mono_ms = clock_mono_ms(), wait;

	while (!finished(s, mono_ms)) {
		struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN}, {.fd = intake_fd(s->intake), .events = POLLIN}};

		wait = do_what_is_due(s, mono_ms);
		kube_run(s->kube, wait, fds, fds[1].fd < 0 ? 1 : 2);
		mono_ms = clock_mono_ms();
		take_signals(s, mono_ms);
		if (conffile_changed(&s->conffile, mono_ms))
			reload(s, "the file changed");
	}
	log_info("stopped", FIELDS(LI("bindings_open", bind_open(s->binder)), LI("events_open", events_open(s->events))));
	return leader_lost(s->leader) ? lm_fail(err, LM_TEMPFAIL, "leadership was lost: start it again") : 0;
}

/* --- start and end --------------------------------------------------------------------------------------------------- */

static int start(struct scheduler *s, const struct kube_config *api, struct lm_err *err)
{
	struct feed_hooks hooks = {is_ours, on_seen, s};

	conffile_open(&s->conffile, s->settings->options.config_path, clock_mono_ms());
	note_loaded(s);
	if (open_signals(s, err) < 0 || intake_start(s->settings->latency_file, s->settings->poll_ms, s->stats, &s->intake,
						     err) < 0 ||
	    status_open(&s->status, s->settings->listen, s->stats, err) < 0)
		return -1;
	s->kube = kube_new(api, "latency-sched", err);
	if (!s->kube)
		return -1;
	kube_observe(s->kube, stats_request, s->stats);
	if (leader_open(s->kube, s->settings, api->namespace_, s->stats, &s->leader, err) < 0)
		return -1;
	s->binder = binder_new(s->kube, s->cache, &s->limit, on_bind_end, s);
	if (s->leader)
		binder_set_guard(s->binder, leader_acts, s->leader);
	s->events = events_new(s->kube, s->cache, &s->limit);
	apply_rates(s);
	s->feed = feed_new(s->kube, s->cache, s->queue, s->stats, &hooks);
	s->gauges = (struct gauges){.stats = s->stats, .queue = s->queue, .cache = s->cache, .binder = s->binder,
				    .events = s->events, .feed = s->feed};
	return 0;
}

static void stop(struct scheduler *s)
{
	status_close(&s->status);
	feed_free(s->feed);
	binder_free(s->binder);
	events_free(s->events);
	leader_close(s->leader);
	kube_free(s->kube);
	intake_free(s->intake);
	decider_free(s->decider);
	queue_free(s->queue);
	cache_free(s->cache);
	conffile_close(&s->conffile);
	metrics_free(s->stats);
	settings_free(s->settings);
	cleanup_close(&s->signals);
}

int scheduler_run(struct settings *settings, const struct kube_config *api, int argc, char **argv, struct lm_err *err)
{
	struct scheduler s = {.settings = settings, .argc = argc, .argv = argv, .signals = -1};
	int code;

	s.stats = stats_new();
	s.cache = cache_new();
	s.queue = queue_new();
	s.decider = decider_new();
	code = start(&s, api, err);
	if (code == 0) {
		log_info("started", FIELDS(LS("version", LM_VERSION), LS("server", api->server),
					   LS("latency_file", settings->latency_file)));
		code = loop(&s, err);
	}
	stop(&s);
	return code;
}
