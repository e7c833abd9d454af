#include "sched/scheduler.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"
#include "sched/scheduler_private.h"
#include "sched/reload.h"
#include "sched/stats.h"

#define TURN_MAX_MS 1000

/* --- hooks ----------------------------------------------------------------------------------------------------------- */

static bool is_ours(void *arg, const char *scheduler_name)
{
	return settings_profile(((struct scheduler *)arg)->settings, scheduler_name) != NULL;
}

static void on_seen(void *arg, const char *uid)
{
	struct scheduler *s = arg;

	bind_seen(s->binder, uid);
	volumes_seen(s->volumes, uid);
}

static void on_any_pod(void *arg, const char *uid)
{
	reserve_seen(((struct scheduler *)arg)->reserve, uid);
}

static void on_reserve_wake(void *arg, unsigned bits)
{
	queue_wake(((struct scheduler *)arg)->queue, bits, clock_mono_ms());
}

static void on_node_failed(void *arg, const char *node)
{
	reserve_node_failed(((struct scheduler *)arg)->reserve, node);
}

static void on_node_back(void *arg, const char *node)
{
	reserve_node_back(((struct scheduler *)arg)->reserve, node);
}

static bool is_covered(void *arg, const char *uid)
{
	return reserve_covers(((struct scheduler *)arg)->reserve, uid);
}

static void on_reopened(void *arg)
{
	queue_wake(((struct scheduler *)arg)->queue, WAKE_RESERVE, clock_mono_ms());
}

static bool keeps_room(void *arg, const struct pod *pod)
{
	return reserve_keeps(((struct scheduler *)arg)->reserve, pod);
}

/* Of the reserve and of healing. */
static bool acts(void *arg)
{
	const struct scheduler *s = arg;

	return leader_acts(s->leader) && !s->drain_until_ms;
}

/* --- signals --------------------------------------------------------------------------------------------------------- */

static void apply_rates(struct scheduler *s)
{
	limit_set(&s->limit, s->settings->qps, (double)s->settings->burst, clock_mono_ms());
	binder_set_flight(s->binder, (size_t)s->settings->bindings);
	volumes_set_flight(s->volumes, (size_t)s->settings->bindings);
	events_set_flight(s->events, (size_t)s->settings->bindings);
}

static void reload(struct scheduler *s, const char *because)
{
	if (!reload_settings(&s->settings, s->argc, s->argv, &s->conffile, s->stats, because))
		return;
	apply_rates(s);
	reserve_set_settings(s->reserve, s->settings);
	heal_set_settings(s->heal, &s->settings->healing);
	queue_wake(s->queue, ~0u, clock_mono_ms());
}

static void drain(struct scheduler *s, int64_t mono_ms)
{
	if (s->drain_until_ms) {
		s->drain_until_ms = mono_ms; /* told twice: at once */
		return;
	}
	s->drain_until_ms = mono_ms + SCHEDULER_DRAIN_MS;
	volumes_drop(s->volumes);
	events_hurry(s->events);
	log_info("draining", FIELDS(LI("bindings_open", bind_open(s->binder)), LI("events_open", events_open(s->events))));
}

static void dump(struct scheduler *s, int64_t mono_ms)
{
	struct dump_input in = {.cache = s->cache, .archive = s->archive, .mesh = intake_mesh(s->intake), .mono_ms = mono_ms,
				.wall_ms = clock_wall_ms()};

	if (s->dumper)
		dumper_start(s->dumper, &in);
	else
		log_warn("SIGUSR1: no dump is written without the option --dump FOLDER", NULL);
}

static void take_signals(struct scheduler *s, int64_t mono_ms)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(s, "SIGHUP");
		else if (info.ssi_signo == SIGUSR1)
			dump(s, mono_ms);
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
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lm_fail_errno(err, "block signals");
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? lm_fail_errno(err, "signalfd") : 0;
}

/* --- the loop -------------------------------------------------------------------------------------------------------- */

static struct status_facts facts_now(const struct scheduler *s, int64_t mono_ms)
{
	struct status_facts facts = {.looked = intake_ready(s->intake, mono_ms), .draining = s->drain_until_ms != 0,
				     .overdue_ms = leader_overdue_ms(s->leader, mono_ms)};

	facts.unlisted = feed_unlisted(s->feed, &facts.forbidden);
	facts.synced = !facts.unlisted;
	return facts;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until a pod can be decided on. An answer to a binding ends the wait earlier. */
static int64_t until_next(struct scheduler *s, int64_t mono_ms)
{
	int64_t limited_ms;

	if (scheduler_binds_more(s, mono_ms))
		return queue_next_ms(s->queue, mono_ms, TURN_MAX_MS);
	limited_ms = limit_wait_ms(&s->limit, 0, mono_ms);
	return limited_ms > 0 ? limited_ms : TURN_MAX_MS;
}

static bool may_decide(const struct scheduler *s, const struct status_facts *facts)
{
	return facts->synced && facts->looked && !facts->draining && feed_relisted(s->feed) && leader_acts(s->leader);
}

static void take_wake(struct scheduler *s, int64_t mono_ms)
{
	unsigned wake = feed_take_wake(s->feed);

	queue_wake(s->queue, wake, mono_ms);
	if (wake & WAKE_STORAGE)
		volumes_look(s->volumes);
	if (wake)
		reserve_changed(s->reserve);
}

/* Everything that is due. Returns how long nothing will be. */
static int64_t do_what_is_due(struct scheduler *s, int64_t mono_ms)
{
	int64_t wait = feed_tick(s->feed, mono_ms), reader_wait;
	struct status_facts facts;

	if (intake_poll(s->intake, mono_ms, &reader_wait)) {
		queue_wake(s->queue, WAKE_MATRIX, mono_ms);
		reserve_changed(s->reserve);
	}
	take_wake(s, mono_ms);
	facts = facts_now(s, mono_ms);
	wait = least(wait, leader_tick(s->leader, facts.synced, mono_ms, TURN_MAX_MS));
	if (leader_began(s->leader))
		feed_relist(s->feed);
	wait = least(least(wait, reader_wait), bind_tick(s->binder, mono_ms, TURN_MAX_MS));
	if (facts.synced && feed_relisted(s->feed))
		wait = least(wait, heal_tick(s->heal, intake_mesh(s->intake), mono_ms, TURN_MAX_MS));
	if (may_decide(s, &facts)) {
		wait = least(wait, reserve_tick(s->reserve, intake_mesh(s->intake), mono_ms, TURN_MAX_MS));
		scheduler_decide(s);
		wait = least(wait, until_next(s, mono_ms));
	}
	wait = least(wait, volumes_tick(s->volumes, mono_ms, TURN_MAX_MS));
	if (leader_acts(s->leader))
		wait = least(wait, events_tick(s->events, mono_ms, TURN_MAX_MS));
	if (dumper_poll(s->dumper))
		dump(s, mono_ms);
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
	if (bind_open(s->binder) + reserve_open(s->reserve) > 0)
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

#define LOOP_FDS 3

static size_t watched(const struct scheduler *s, struct pollfd fds[LOOP_FDS])
{
	const int all[LOOP_FDS] = {s->signals, intake_fd(s->intake), reserve_fd(s->reserve)};
	size_t count = 0, i;

	for (i = 0; i < LOOP_FDS; i++)
		if (all[i] >= 0)
			fds[count++] = (struct pollfd){.fd = all[i], .events = POLLIN};
	return count;
}

static int loop(struct scheduler *s, struct lm_err *err)
{
	int64_t mono_ms = clock_mono_ms(), wait;

	while (!finished(s, mono_ms)) {
		struct pollfd fds[LOOP_FDS];

		wait = do_what_is_due(s, mono_ms);
		kube_run(s->kube, wait, fds, watched(s, fds));
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
	struct feed_hooks hooks = {is_ours, on_seen, on_any_pod, s, s->archive};
	struct heal_hooks heal_hooks = {.node_failed = on_node_failed, .node_back = on_node_back, .covered = is_covered, .ours = keeps_room,
				       .reopened = on_reopened, .acts = acts, .arg = s};
	struct reserve_hooks reserve_hooks = {on_reserve_wake, acts, s};
	struct elect_settings election = settings_election(s->settings, api->namespace_);
	struct volumes_hooks volumes_hooks = {scheduler_may_bind, scheduler_volumes_ended, s};

	conffile_open(&s->conffile, s->settings->options.config_path, clock_mono_ms());
	reload_note_loaded(s->stats);
	if (open_signals(s, err) < 0 ||
	    intake_start(s->settings->latency_file, s->settings->poll_ms, s->stats, &s->intake, err) < 0)
		return -1;
	s->kube = kube_new(api, "latency-sched", err);
	if (!s->kube)
		return -1;
	kube_observe(s->kube, stats_request, s->stats);
	/* status_open starts threads, which print a label that leader_open names. */
	if (leader_open(s->kube, s->settings, api->namespace_, s->stats, &s->leader, err) < 0 ||
	    status_open(&s->status, s->settings->listen, s->stats, err) < 0)
		return -1;
	s->binder = binder_new(s->kube, s->cache, &s->limit, scheduler_bind_ended, s);
	s->volumes = volumes_new(s->kube, s->cache, &s->limit, &volumes_hooks);
	if (s->leader) {
		binder_set_guard(s->binder, leader_acts, s->leader);
		volumes_set_guard(s->volumes, leader_acts, s->leader);
	}
	s->events = events_new(s->kube, s->cache, &s->limit);
	apply_rates(s);
	s->reserve = reserve_new(s->kube, s->cache, s->settings, api->namespace_, &s->limit, s->events, s->stats, &reserve_hooks);
	status_show(&s->status, s->reserve);
	s->heal = heal_new(s->kube, s->cache, &s->settings->healing, &s->limit, s->events, s->stats, &heal_hooks, &election);
	s->feed = feed_new(s->kube, s->cache, s->queue, s->stats, &hooks);
	s->gauges = (struct gauges){.stats = s->stats, .queue = s->queue, .cache = s->cache, .binder = s->binder, .volumes = s->volumes,
				    .events = s->events, .feed = s->feed};
	return 0;
}

static void stop(struct scheduler *s)
{
	status_close(&s->status);
	dumper_free(s->dumper);
	feed_free(s->feed);
	archive_free(s->archive);
	volumes_free(s->volumes);
	binder_free(s->binder);
	heal_free(s->heal);
	reserve_free(s->reserve);
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
	if (settings->dump) {
		s.archive = archive_new();
		s.dumper = dumper_new(settings->dump);
	}
	code = start(&s, api, err);
	if (code == 0) {
		log_info("started", FIELDS(LS("version", lm_version), LS("server", api->server),
					   LS("latency_file", settings->latency_file)));
		code = loop(&s, err);
	}
	stop(&s);
	return code;
}
