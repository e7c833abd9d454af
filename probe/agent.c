#include "probe/agent.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "probe/links.h"
#include "probe/load.h"
#include "probe/pinger.h"
#include "probe/privilege.h"
#include "probe/rounds.h"
#include "probe/signals.h"
#include "probe/stats.h"
#include "probe/status.h"
#include "probe/volume.h"

#define LOOK_WAIT_MS 200		/* that a round waits for the volume to look at the peer list */
#define FIRST_LOOK_WAIT_MS 5000		/* with --once */
#define RETRY_FIRST_MS 100		/* while there is no peer list, doubled up to the interval */
#define LAST_PUBLISH_MS 2000		/* after SIGTERM */
#define ONCE_PUBLISH_MS 10000
#define STUCK_MOST_MS 10000

struct agent {
	const struct settings *s;
	struct metrics *m;
	struct pinger *pinger;
	struct volume *volume;
	struct status *status;
	struct peers peers;
	bool has_peers;
	struct links links;
	struct load load;
	struct ping_plan plan;
	struct ping_results results;
	char boot_id[33];
	int64_t seq, published_ms;
};

static void make_boot_id(char id[static 33])
{
	unsigned char random[16];
	size_t i;

	while (getrandom(random, sizeof(random), 0) != sizeof(random))
		;
	for (i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
}

static uint64_t make_seed(void)
{
	uint64_t seed;

	while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		;
	return seed;
}

/* --- peers ----------------------------------------------------------------------------------------------------------- */

static uint32_t window_room(const struct settings *s)
{
	return (uint32_t)((s->loss_window_ms / s->interval_ms + 3) * s->pings);
}

/* Rounds follow the list that is there when they begin. 0 when there is one, of now or of before. */
static int follow_peers(struct agent *a, int64_t wait_ms, struct lm_err *why)
{
	enum peerfile_state state;
	struct peers fresh;
	bool taken;

	*why = (struct lm_err){0};
	taken = volume_peers(a->volume, volume_is_stuck(a->volume) ? 0 : wait_ms, &fresh, &state, why);
	if (taken) {
		peers_free(&a->peers);
		a->peers = fresh;
		a->has_peers = true;
	}
	if (!a->has_peers)
		return why->code ? -1 : lm_fail(why, LM_IO, "`%s`: no answer from the volume yet", a->s->peers);
	if (taken || a->links.incomplete) {
		links_update(&a->links, &a->peers, a->s->node, window_room(a->s));
		pinger_set_targets(a->pinger, a->links.targets, a->links.target_count);
		metrics_set(a->m, STAT_PEERS, 0, (double)a->links.target_count);
	}
	if (taken)
		log_info("peer list taken", FIELDS(LI("peers", a->links.count), LI("addresses", a->links.target_count)));
	return 0;
}

/* False when asked to stop. */
static bool wait_for_peers(struct agent *a)
{
	int64_t delay_ms = RETRY_FIRST_MS;
	struct lm_err why;

	while (follow_peers(a, LOOK_WAIT_MS, &why) < 0) {
		status_update(a->status, &a->links, &a->load, why.msg);
		if (signals_wait(clock_mono_us() + delay_ms * 1000))
			return false;
		delay_ms = delay_ms * 2 < a->s->interval_ms ? delay_ms * 2 : a->s->interval_ms;
	}
	return !signals_stop();
}

/* --- reports --------------------------------------------------------------------------------------------------------- */

static void publish(struct agent *a)
{
	auto_report struct report report = {0};
	struct buf text = {0};

	report.node = xstrdup(a->s->node);
	memcpy(report.boot_id, a->boot_id, sizeof(a->boot_id));
	report.seq = ++a->seq;
	report.written_ms = clock_wall_ms();
	report.interval_s = (double)a->s->interval_ms / 1000;
	report.publish_s = (double)a->s->publish_ms / 1000;
	report.cpu = a->load.cpu;
	report.rx_bytes_per_s = a->load.rx_bytes_per_s;
	report.tx_bytes_per_s = a->load.tx_bytes_per_s;
	links_report(&a->links, &report);
	report_write(&report, &text);
	volume_put(a->volume, &text);
	a->published_ms = clock_mono_ms();
}

/* Only the ends of rounds are asked: the one that is nearest to the time. */
static bool is_time_to_publish(const struct agent *a)
{
	int64_t age_ms = clock_mono_ms() - a->published_ms;

	return a->seq == 0 || links_moved(&a->links) || age_ms + a->s->interval_ms / 2 >= a->s->publish_ms;
}

/* --- rounds ---------------------------------------------------------------------------------------------------------- */

static void look_at_load(struct agent *a)
{
	load_look(&a->load, a->s->interfaces.items, a->s->interfaces.count, clock_mono_us());
	metrics_set(a->m, STAT_CPU, 0, a->load.cpu);
	metrics_set(a->m, STAT_RX, 0, a->load.rx_bytes_per_s);
	metrics_set(a->m, STAT_TX, 0, a->load.tx_bytes_per_s);
}

/* False when it was cut short. What was measured until then is kept. */
static bool one_round(struct agent *a)
{
	struct link_spans spans = {.rtt_ms = a->s->window_ms, .loss_ms = a->s->loss_window_ms, .step_ms = 2 * a->s->interval_ms};
	bool whole = rounds_run(a->pinger, &a->plan, a->links.target_count, &a->results);

	links_record(&a->links, &a->results, &spans, clock_mono_ms());
	look_at_load(a);
	status_update(a->status, &a->links, &a->load, NULL);
	return whole;
}

static void run_rounds(struct agent *a)
{
	struct schedule schedule;
	int64_t next_us = schedule_begin(&schedule, a->s->interval_ms * 1000, clock_mono_us(), make_seed());
	struct lm_err ignored;
	bool overrun;

	while (!signals_wait(next_us)) {
		follow_peers(a, LOOK_WAIT_MS, &ignored);
		if (!one_round(a))
			break;
		if (is_time_to_publish(a))
			publish(a);
		next_us = schedule_next(&schedule, clock_mono_us(), &overrun);
		metrics_add(a->m, STAT_OVERRUNS, 0, overrun);
	}
}

static int run_once(struct agent *a, struct lm_err *err)
{
	if (follow_peers(a, FIRST_LOOK_WAIT_MS, err) < 0)
		return -1;
	one_round(a);
	publish(a);
	return volume_flush(a->volume, ONCE_PUBLISH_MS, err);
}

static void run_until_stopped(struct agent *a)
{
	struct lm_err err;

	if (!wait_for_peers(a))
		return;
	run_rounds(a);
	log_info("stopping", FIELDS(LI("reports", a->seq)));
	publish(a);
	if (volume_flush(a->volume, LAST_PUBLISH_MS, &err) < 0)
		log_warn("the last report is not published", FIELDS(LS("reason", err.msg)));
}

/* --- begin and end --------------------------------------------------------------------------------------------------- */

static int64_t stuck_ms(const struct settings *s)
{
	return 5 * s->interval_ms < STUCK_MOST_MS ? 5 * s->interval_ms : STUCK_MOST_MS;
}

static int start_status(struct agent *a, struct lm_err *err)
{
	struct status_settings settings = {
		.listen = a->s->listen, .node = a->s->node, .interval_ms = a->s->interval_ms, .m = a->m, .volume = a->volume,
		.per_peer = a->s->metrics_peers,
	};

	if (!a->s->listen)
		return 0;
	if (status_start(&settings, &a->status, err) < 0)
		return -1;
	log_info("listening", FIELDS(LS("address", a->s->listen), LI("port", status_port(a->status))));
	return 0;
}

static int run(struct agent *a, struct lm_err *err)
{
	auto_free char *file_name = xasprintf("%s.json", a->s->node);

	a->volume = volume_start(&(struct volume_settings){.peers_path = a->s->peers, .output_dir = a->s->output, .file_name = file_name,
							   .stuck_ms = stuck_ms(a->s), .m = a->m});
	if (start_status(a, err) < 0)
		return -1;
	look_at_load(a);
	if (a->s->once)
		return run_once(a, err);
	run_until_stopped(a);
	return 0;
}

/* True when all has ended. Where the volume hangs, its thread may go on using the metrics: they are left to it. */
static bool finish(struct agent *a)
{
	bool ended = !a->volume || volume_stop(a->volume);

	status_stop(a->status);
	pinger_close(a->pinger);
	ping_results_free(&a->results);
	links_free(&a->links);
	peers_free(&a->peers);
	if (ended)
		metrics_free(a->m);
	return ended;
}

int agent_run(const struct settings *settings, bool *hung, struct lm_err *err)
{
	struct agent a = {.s = settings, .m = probe_stats_new()};
	int failed;

	*hung = false;
	signals_block();
	if (pinger_open((enum pinger_kind)settings->pinger, a.m, &a.pinger, err) < 0) {
		metrics_free(a.m);
		return -1;
	}
	privilege_drop(a.pinger->ops == &pinger_oping);
	log_info("started", FIELDS(LS("node", settings->node), LS("pinger", a.pinger->ops->name)));
	make_boot_id(a.boot_id);
	load_init(&a.load, (double)settings->window_ms / 1000);
	a.plan = rounds_plan(settings->interval_ms, settings->pings, settings->timeout_ms);
	failed = run(&a, err);
	*hung = !finish(&a);
	return failed;
}
