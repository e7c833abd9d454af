#include "merge/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "merge/fold.h"
#include "merge/inflow.h"
#include "merge/observer.h"
#include "merge/publish.h"
#include "merge/scan.h"

/* One run, from its beginning to its end. */
struct run {
	struct merger *merger;
	struct volume volume;
	struct timespec now;		/* of the file server */
	struct past past;
	struct inflow inflow;
	bool roster_is_old, clients_are_old;
	struct scan scan;
	struct observed observed;
	struct snapshot next;
	struct fold_summary summary;
	struct published published;
};

void merger_init(struct merger *m, const struct settings *settings, bool (*stop)(void))
{
	*m = (struct merger){.settings = settings, .metrics = meter_new(), .reader = reader_new(file_read), .stop = stop};
}

void merger_free(struct merger *m)
{
	metrics_free(m->metrics);
	reader_free(m->reader);
	complaints_free(&m->complaints);
	roster_free(&m->roster);
}

/* The nodes of the last snapshot, for when the API does not answer at the first run. */
static void roster_from_state(struct roster *roster, const struct snapshot *state)
{
	struct lm_err ignored;
	uint32_t i;

	*roster = (struct roster){.has_source = true};
	for (i = 0; i < state->nodes.count; i++)
		peer_list_add(&roster->peers.nodes, state->nodes.items[i], NULL, &ignored);
}

/* Clients of Services, as they are pinged: of an earlier run, also before a restart. */
static void add_last_clients(const struct run *r, struct roster *roster)
{
	struct peer_list last;
	struct lm_err ignored;

	if (publish_last_clients(&r->volume, &last, &ignored) < 0)
		return;
	roster_keep_clients(roster, &last);
	peer_list_free(&last);
}

/*
 * Who there was before the restart, for when the API does not answer at the first run. The clients are as complete as ever: whoever is not
 * expected loses what users said about it.
 */
static int roster_from_past(struct run *r, struct lm_err *err)
{
	struct merger *m = r->merger;

	roster_from_state(&m->roster, &r->past.state);
	if (roster_load_clients(m->settings, &m->roster, err) < 0) {
		roster_free(&m->roster);
		return -1;
	}
	if (m->settings->client_services) {
		m->roster.has_clients = false;
		add_last_clients(r, &m->roster);
	}
	return 0;
}

/* Clients of Services that cannot be listed now: those of the last run, or those that are pinged. */
static void keep_clients(struct run *r, struct roster *fresh)
{
	static const char topic[] = "the clients of Services";
	struct merger *m = r->merger;

	if (!fresh->clients_missing) {
		if (complaints_over(&m->complaints, topic))
			log_info("the Services can be listed again", NULL);
		return;
	}
	r->clients_are_old = true;
	if (complaints_new(&m->complaints, topic, fresh->clients_error.msg))
		log_error("the Services cannot be listed, their last clients stay", FIELDS(LS("error", fresh->clients_error.msg)));
	if (m->has_roster && m->roster.has_clients)
		roster_keep_clients(fresh, &m->roster.peers.clients);
	else
		add_last_clients(r, fresh);
}

/* 1 when it was stopped. An API or a file that cannot be read now does not stop the merge while an earlier list is known. */
static int know_who(struct run *r, struct lm_err *err)
{
	struct merger *m = r->merger;
	bool api_trouble;
	struct roster fresh;

	if (roster_load(m->settings, r->volume.nodes_fd, &m->complaints, m->stop, &fresh, err) == 0) {
		if (fresh.clients_missing && m->stop && m->stop()) {
			roster_free(&fresh);
			return 1;
		}
		keep_clients(r, &fresh);
		roster_free(&m->roster);
		m->roster = fresh;
		m->has_roster = true;
		complaints_over(&m->complaints, "the node list");
		return 0;
	}
	if (m->stop && m->stop())
		return 1;
	api_trouble = err->code == LM_UNAVAILABLE || err->code == LM_PERM;
	if (!m->has_roster && (!api_trouble || !r->past.has_state))
		return -1;
	if (complaints_new(&m->complaints, "the node list", err->msg))
		log_error("the node list cannot be read, using the last one", FIELDS(LS("error", err->msg)));
	if (!m->has_roster && roster_from_past(r, err) < 0)
		return -1;
	m->has_roster = true;
	r->roster_is_old = true;
	return 0;
}

/* Time since the previous snapshot: by our own monotonic clock when it is ours, else by the file server's. */
static double elapsed_s(const struct run *r)
{
	const struct merger *m = r->merger;

	if (m->epoch[0] && STREQ(m->epoch, r->past.state.epoch) && m->generation == r->past.state.generation)
		return (double)(clock_mono_ms() - m->published_mono_ms) / 1e3;
	return r->past.elapsed_s;
}

static void observe(struct run *r)
{
	const struct merger *m = r->merger;
	const struct roster *roster = &m->roster;
	double period_s = fmax(FOLD_PERIOD_LEAST_S, (double)m->settings->interval_ms / 1e3);

	if (m->observer)
		observer_collect(m->observer, r->volume.snapshot_fd, &roster->peers.nodes.names, &roster->peers.clients.names,
				 FOLD_DEAD_PERIODS * period_s, &r->observed);
}

static struct fold *begin_fold(const struct run *r)
{
	const struct roster *roster = &r->merger->roster;

	return fold_new(&(struct fold_settings){
		.previous = r->past.has_state ? &r->past.state : NULL,
		.nodes = &roster->peers.nodes.names,
		.clients = roster->has_clients ? &roster->peers.clients.names : NULL,
		.observed = &r->observed,
		.interval_s = (double)r->merger->settings->interval_ms / 1e3,
		.elapsed_s = r->past.has_state ? elapsed_s(r) : 0,
		.entry = &r->inflow.entry.rates,
		.traffic = &r->inflow.traffic.rates,
	});
}

static void begin_scan(struct run *r)
{
	struct merger *m = r->merger;
	const struct roster *roster = &m->roster;
	uint32_t clients = roster->has_clients ? roster->peers.clients.names.count : r->past.state.clients.count;

	r->scan = (struct scan){.nodes_fd = r->volume.nodes_fd, .nodes = &roster->peers.nodes.names, .clients = clients,
				.look_for_unknown = roster->has_source, .now = r->now, .reader = m->reader,
				.deadline_mono_ms = clock_mono_ms() + m->settings->interval_ms, .complaints = &m->complaints,
				.metrics = m->metrics, .stop = m->stop};
}

/* 1 when it was stopped. The past is dropped before the result is made into text: both are large. */
static int fold_all(struct run *r)
{
	struct merger *m = r->merger;
	struct fold *fold;
	int stopped;

	inflow_age(&r->inflow);
	observe(r);
	fold = begin_fold(r);
	begin_scan(r);
	stopped = scan_reports(&r->scan, fold);
	if (!stopped) {
		fold_finish(fold, &r->next, &r->summary);
		scan_judged(&r->scan, fold);
		inflow_judged(&r->inflow, &r->summary, &r->next, &m->complaints, m->metrics);
	}
	fold_free(fold);
	past_free(&r->past);
	return stopped ? 1 : 0;
}

static bool is_degraded(const struct run *r)
{
	return r->summary.held_back || r->roster_is_old || r->clients_are_old || r->scan.rejected[REASON_TIMEOUT] || (r->summary.nodes && !r->summary.fresh);
}

static void count(const struct run *r)
{
	struct metrics *m = r->merger->metrics;

	metrics_add(m, METER_RUNS, is_degraded(r) ? METER_RUN_DEGRADED : METER_RUN_OK, 1);
	metrics_set(m, METER_ROWS, METER_ROW_FRESH, r->summary.fresh);
	metrics_set(m, METER_ROWS, METER_ROW_AGED, r->summary.aged);
	metrics_set(m, METER_ROWS, METER_ROW_UNKNOWN, r->summary.unknown);
	metrics_set(m, METER_CLIENTS, 0, r->summary.clients);
	metrics_set(m, METER_CLIENT_CELLS, METER_CELL_OBSERVED, r->summary.observed);
	metrics_set(m, METER_CLIENT_CELLS, METER_CELL_ESTIMATED, r->summary.estimated);
	metrics_set(m, METER_OLDEST, 0, r->summary.oldest_s);
	metrics_set(m, METER_GENERATION, 0, (double)r->next.generation);
	metrics_set(m, METER_DEGRADED_RUNS, 0, (double)r->next.degraded_runs);
	metrics_add(m, METER_LOST, 0, r->summary.lost);
	metrics_set(m, METER_HOLD, 0, r->published.held);
	metrics_add(m, METER_HOLD_RUNS, 0, r->published.held);
	metrics_set(m, METER_BYTES, 0, (double)r->published.bytes);
	metrics_set(m, METER_LAST_SUCCESS, 0, (double)clock_wall_ms() / 1e3);
}

static void say(const struct run *r, int64_t start_us)
{
	const struct fold_summary *s = &r->summary;
	bool degraded = is_degraded(r);
	double seconds = (double)(clock_mono_us() - start_us) / 1e6;

	metrics_observe(r->merger->metrics, METER_RUN_SECONDS, 0, seconds);
	if (r->published.held)
		log_warn("hold: cluster-latency.json is left alone", FIELDS(LS("dir", r->merger->settings->snapshot_dir)));
	if (r->published.skipped)
		log_warn("nothing is measured yet: cluster-latency.json is left alone", FIELDS(LS("dir", r->merger->settings->snapshot_dir)));
	if (s->held_back)
		log_warn("more than half of the known rows would be lost: they are kept for now",
			 FIELDS(LI("lost", s->lost), LI("degraded_runs", r->next.degraded_runs)));
	log_event(degraded ? LOG_WARN : LOG_INFO, degraded ? "merged, degraded" : "merged",
		  FIELDS(LI("nodes", s->nodes), LI("clients", s->clients), LI("fresh", s->fresh), LI("aged", s->aged),
			 LI("unknown", s->unknown), LI("rejected", scan_rejected(&r->scan)), LF("oldest_s", round(s->oldest_s * 10) / 10),
			 LI("generation", r->next.generation), LF("seconds", round(seconds * 1e3) / 1e3)));
}

static void sweep(const struct run *r)
{
	int removed = file_sweep(r->volume.nodes_fd, &r->now, SCAN_ENTRIES_MAX) + file_sweep(r->volume.dir_fd, &r->now, SCAN_ENTRIES_MAX);

	if (strcmp(r->merger->settings->dir, r->merger->settings->snapshot_dir) != 0)
		removed += file_sweep(r->volume.snapshot_fd, &r->now, SCAN_ENTRIES_MAX);
	metrics_add(r->merger->metrics, METER_LITTER, 0, removed);
	if (removed)
		log_info("old temporary files removed", FIELDS(LI("count", removed)));
}

static int publish(struct run *r, struct lm_err *err)
{
	struct merger *m = r->merger;
	bool changed = false;

	if (publish_snapshot(&r->volume, &r->next, r->summary.fresh + r->summary.aged > 0, &r->published, err) < 0)
		return -1;
	if (!r->published.skipped) {
		memcpy(m->epoch, r->next.epoch, sizeof(m->epoch));
		m->generation = r->next.generation;
		m->published_mono_ms = clock_mono_ms();
	}
	sweep(r);
	/* Held-back rows: their nodes are pinged on, else the probes would soon report nothing about them. */
	if (!m->roster.has_source || r->roster_is_old || r->summary.held_back)
		return 0;
	if (publish_peers(&r->volume, &m->roster.peers, &changed, err) < 0)
		return -1;
	if (changed)
		log_info("peers.json changed", FIELDS(LI("nodes", m->roster.peers.nodes.names.count),
						      LI("clients", m->roster.peers.clients.names.count)));
	metrics_add(m->metrics, METER_PEERS_WRITTEN, 0, changed);
	return 0;
}

static int run_steps(struct run *r, struct lm_err *err)
{
	int64_t start_us = clock_mono_us();
	int failed;

	/* first of all: what takes its time here must not make the reports older than they are */
	inflow_ask(&r->inflow, r->merger->settings, r->merger->stop);
	if (volume_open(r->merger->settings, &r->volume, err) < 0 || volume_now(&r->volume, &r->now, err) < 0)
		return -1;
	if (past_load(&r->volume, &r->past, err) < 0)
		return -1;
	failed = know_who(r, err);
	if (failed)
		return failed;
	if (fold_all(r))
		return 1;
	if (r->merger->observer)
		observer_save(r->merger->observer, r->volume.snapshot_fd);
	if (publish(r, err) < 0)
		return -1;
	count(r);
	say(r, start_us);
	return 0;
}

int merger_run(struct merger *m, struct lm_err *err)
{
	struct run r = {.merger = m, .volume = {-1, -1, -1}};
	int64_t limit_s = 5 * m->settings->interval_ms / 1000;
	int result;

	alarm((unsigned)(limit_s > RUN_LIMIT_S ? limit_s : RUN_LIMIT_S));
	result = run_steps(&r, err);
	alarm(0);
	if (result < 0)
		metrics_add(m->metrics, METER_RUNS, METER_RUN_FAILED, 1);
	volume_close(&r.volume);
	past_free(&r.past);
	inflow_free(&r.inflow);
	observed_free(&r.observed);
	snapshot_free(&r.next);
	return result;
}
