/*
 * lab-demo.c - the story of `make demo`, told in the guest by lab.sh: hosts, measurements, placements, a link that gets bad, a matrix
 * edited by hand. Every placement is judged by the true delays (pods.h); one that is wrong fails the demo.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/edit.h"
#include "tests/lab/guest.h"
#include "tests/lab/host.h"
#include "tests/lab/pods.h"
#include "tests/lab/screen.h"
#include "tests/lab/tables.h"

#define SCHEDULER "frankfurt-1"		/* where the programs run that run once */
#define MERGER "dallas-1"
#define EDITOR "tokyo-2"		/* another NFS client than these */
#define MATRIX_S 60			/* limits: what to wait for at most */
#define POD_S 20
#define WINDOW_MS 10000		/* of the probes, see cluster_probe */
#define IN_USE_MS 2000			/* a new file is used within this (DESIGN.md "Reload before binding") */
#define NOISE 3				/* a deadline counts as missed at so many times its value */

struct demo {
	struct cluster *c;
	struct pods pods;
	int placements, wrong;
};

static const struct pod_ask redis = {.name = "redis-0", .app = "redis", .cpu_milli = 2500, .near = "client/madrid",
				     .target = {{"madrid", 1, 0}}};
static const struct pod_ask first[] = {
	{.name = "web-0", .app = "web", .cpu_milli = 2000, .near = "app=redis", .target = {{"redis", 1, 0}}},
	{.name = "api-0", .app = "api", .cpu_milli = 2000, .label = "delay_redis", .label_value = "25", .target = {{"redis", 1, 25}}},
	{.name = "worker-0", .app = "worker", .cpu_milli = 500, .within = "app=redis<=5ms", .target = {{"redis", 1, 5}}},
	{.name = "shop-0", .app = "shop", .cpu_milli = 500, .near = "client/osaka", .target = {{"osaka", 1, 0}}},
	{.name = "edge-0", .app = "edge", .cpu_milli = 500, .label = "delay_tokyo-1", .label_value = "5", .target = {{"tokyo-1", 1, 5}}},
	{.name = "bridge-0", .app = "bridge", .cpu_milli = 500, .near = "app=redis*3, client/osaka",
	 .target = {{"redis", 3, 0}, {"osaka", 1, 0}}},
	{.name = "hybrid-0", .app = "hybrid", .cpu_milli = 500, .within = "app=redis<=120ms, client/osaka<=180ms",
	 .target = {{"redis", 1, 120}, {"osaka", 1, 180}}},
	{.name = "batch-0", .app = "batch", .cpu_milli = 500},
	{.name = "batch-1", .app = "batch", .cpu_milli = 500},
};
static const struct pod_ask impossible = {.name = "dream-0", .app = "dream", .cpu_milli = 100,
					  .within = "app=redis<=5ms, client/osaka<=20ms",
					  .target = {{"redis", 1, 5}, {"osaka", 1, 20}}};
static const struct pod_ask after_link = {.name = "web-1", .app = "web", .cpu_milli = 1500, .near = "app=redis",
					  .target = {{"redis", 1, 0}}};
static const struct pod_ask own_edit = {.name = "edit-0", .app = "edit", .cpu_milli = 50, .near = "client/osaka",
					.target = {{"osaka", 1, 0}}};
static const struct pod_ask back = {.name = "back-0", .app = "edit", .cpu_milli = 50, .near = "client/osaka", .target = {{"osaka", 1, 0}}};

static int host(const struct demo *d, const char *name)
{
	return topology_find(&d->c->t, name);
}

/* --- hosts and measurements ------------------------------------------------------------------------------------------ */

static int programs(struct demo *d, struct lm_err *err)
{
	screen_title("programs: API server (stand-in), a probe on each host, merger on " MERGER ", scheduler on " SCHEDULER);
	if (cluster_api(d->c, err) < 0)
		return -1;
	screen_line("%5.1f s  API server, %d nodes", screen_elapsed_s(), tables_nodes(&d->c->t));
	if (cluster_merger(d->c, host(d, MERGER), err) < 0 || cluster_probes(d->c, err) < 0 ||
	    cluster_scheduler(d->c, host(d, SCHEDULER), err) < 0)
		return -1;
	screen_line("%5.1f s  started", screen_elapsed_s());
	return 0;
}

struct progress {
	struct snapshot s;
	uint32_t known, pairs;
};

/* All pairs known, as the scheduler's host sees the file. Prints how far it is. */
static bool matrix_complete(struct cluster *c, void *arg)
{
	struct progress *p = arg;
	struct lm_err err;
	uint32_t known;

	snapshot_free(&p->s);
	if (cluster_snapshot(c, c->sched_host, &p->s, &err) < 0)
		return false;
	known = tables_known(&c->t, &p->s);
	if (known != p->known)
		screen_line("%5.1f s  generation %lld: %u of %u pairs known", screen_elapsed_s(), (long long)p->s.generation, known,
			    p->pairs);
	p->known = known;
	return known == p->pairs;
}

/* A window of 10 s has 30 pings then; the first ones were sent while everything started. */
static int fill_windows(struct demo *d, struct progress *p, struct lm_err *err)
{
	screen_line("%5.1f s  the windows (10 s, 30 pings a pair) fill", screen_elapsed_s());
	for (int i = 0; i < 5; i++) {
		usleep(WINDOW_MS / 5 * 1000);
		snapshot_free(&p->s);
		if (cluster_snapshot(d->c, d->c->sched_host, &p->s, err) < 0)
			return -1;
		screen_line("%5.1f s  generation %lld: largest error %.2f ms", screen_elapsed_s(), (long long)p->s.generation,
			    tables_worst_ms(&d->c->t, &p->s));
	}
	return 0;
}

static int measurements(struct demo *d, struct lm_err *err)
{
	struct progress p = {.pairs = tables_pairs(&d->c->t)};
	int result;

	screen_title("the matrix: pings -> nodes/NODE.json -> " CLUSTER_FILE ", all on the NFS volume");
	result = cluster_wait(d->c, matrix_complete, &p, MATRIX_S, "a matrix without gaps", err);
	if (result == 0)
		result = fill_windows(d, &p, err);
	if (result == 0) {
		screen_title("nodes/tokyo-1.json, written there, read on " SCHEDULER);
		tables_report(d->c, host(d, SCHEDULER), "tokyo-1");
		screen_title("measured round trips in ms beside the true ones (netem)");
		tables_matrix(&d->c->t, &p.s);
	}
	snapshot_free(&p.s);
	return result;
}

/* --- placements ------------------------------------------------------------------------------------------------------ */

/* Creates a pod, waits, judges by `truth`, prints its row. */
static int place(struct demo *d, const struct pod_ask *ask, const struct topology *truth, struct lm_err *err)
{
	struct judgement j;
	int i = d->pods.count;

	if (pods_create(d->c, &d->pods, ask, err) < 0 || pods_await(d->c, &d->pods, i, POD_S, err) < 0 ||
	    pods_account(d->c, &d->pods, i, err) < 0)
		return -1;
	pods_judge(&d->pods, truth, i, &j);
	d->placements++;
	d->wrong += j.wrong;
	tables_placement(&d->pods, truth, i, &j);
	return 0;
}

static bool has_reason(struct cluster *c, void *arg)
{
	struct lm_err err;

	return pods_reason(c, &impossible, arg, 512, &err) == 0 && *(char *)arg;
}

static int placements(struct demo *d, struct lm_err *err)
{
	char reason[512] = "";
	int i = 0;

	usleep(IN_USE_MS * 1000);	/* the scheduler's host has the file; now the scheduler */
	screen_title("placements (each judged by the true delays)");
	tables_placement_head();
	if (place(d, &redis, &d->c->t, err) < 0)
		return -1;
	for (size_t n = 0; n < ARRAY_SIZE(first); n++)
		if (place(d, &first[n], &d->c->t, err) < 0)
			return -1;
	i = d->pods.count;
	if (pods_create(d->c, &d->pods, &impossible, err) < 0 ||
	    cluster_wait(d->c, has_reason, reason, POD_S, "the reason why dream-0 waits", err) < 0)
		return -1;
	tables_waiting(&impossible, reason);
	return pods_delete(d->c, &d->pods, i, err);
}

/* --- a link gets bad ------------------------------------------------------------------------------------------------- */

struct link_change {
	int a, b;
	double above_ms, above_loss;
};

static bool measured(struct cluster *c, void *arg)
{
	const struct link_change *l = arg;
	auto_snapshot struct snapshot s = {0};
	const char *a = c->t.host[l->a].name, *b = c->t.host[l->b].name;
	struct lm_err err;

	if (cluster_snapshot(c, c->sched_host, &s, &err) < 0)
		return false;
	return fmax(cluster_measured_ms(&s, a, b), cluster_measured_ms(&s, b, a)) > l->above_ms &&
	       fmax(cluster_measured_loss(&s, a, b), cluster_measured_loss(&s, b, a)) > l->above_loss;
}

static int bad_link(struct demo *d, struct lm_err *err)
{
	struct link_change l = {.a = d->pods.item[0].host, .b = d->pods.item[1].host, .above_ms = 60, .above_loss = 0.01};
	struct wire bad = {.delay_ms = 40, .loss = 0.05, .jitter_ms = 2};
	int64_t begin = clock_mono_ms();

	if (l.a == l.b)
		return lm_fail(err, LM_DATA, "web-0 is on redis-0's node, where it has no room");
	screen_title("the link %s - %s gets bad: %.1f ms -> 80 ms, 5 %% loss each way", d->c->t.host[l.a].name, d->c->t.host[l.b].name,
		     topology_rtt_ms(&d->c->t, l.a, l.b));
	if (guest_wire(&d->c->t, l.a, l.b, bad, true, err) < 0 ||
	    cluster_wait(d->c, measured, &l, MATRIX_S, "the change in the matrix", err) < 0)
		return -1;
	screen_line("%5.1f s  in the matrix after %.1f s; another %d s for the scheduler to see it; then one more pod near redis",
		    screen_elapsed_s(), (double)(clock_mono_ms() - begin) / 1e3, IN_USE_MS / 1000);
	usleep(IN_USE_MS * 1000);
	tables_placement_head();
	return place(d, &after_link, &d->c->t, err);
}

/* --- by hand --------------------------------------------------------------------------------------------------------- */

static int edit_on_own_mount(struct demo *d, struct topology *edited, struct lm_err *err)
{
	struct edit e = {.from = "dallas-2", .to = "osaka", .ms = 1, .in_place = true};
	int64_t done_us;
	const struct pod_seen *seen;

	screen_line("on the scheduler's own mount (" SCHEDULER "): %s - %s becomes %g ms; the very next binding uses it", e.from, e.to,
		    e.ms);
	if (edit_apply(d->c, d->c->sched_host, &e, edited, &done_us, err) < 0 || place(d, &own_edit, edited, err) < 0)
		return -1;
	seen = &d->pods.item[d->pods.count - 1];
	screen_line("%sfrom edit to use: %.0f ms%s (the pod's creation and binding included)", screen_green(),
		    (double)(seen->bound_us - done_us) / 1e3, screen_plain());
	return 0;
}

/* Small pods one after the other until one goes where the new matrix says. Before its deadline the old one is right too. */
static int edit_on_other_mount(struct demo *d, struct topology *edited, struct lm_err *err)
{
	static struct pod_ask asks[30];
	static char names[30][16];
	struct topology before = *edited;
	struct edit restore = {.from = "dallas-2", .to = "osaka", .ms = 149}, e = {.from = "washington-1", .to = "osaka", .ms = 1,
										     .also = &restore};
	int wanted = host(d, e.from);
	int64_t done_us;

	screen_line("on another host's mount (" EDITOR "): %s - %s becomes %g ms; used within %d s", e.from, e.to, e.ms,
		    IN_USE_MS / 1000);
	if (edit_apply(d->c, host(d, EDITOR), &e, edited, &done_us, err) < 0)
		return -1;
	for (size_t n = 0; n < ARRAY_SIZE(asks); n++) {
		int i = d->pods.count;
		struct judgement old, new;
		double ms;

		snprintf(names[n], sizeof(names[n]), "edit-%zu", n + 1);
		asks[n] = own_edit;
		asks[n].name = names[n];
		if (pods_create(d->c, &d->pods, &asks[n], err) < 0 || pods_await(d->c, &d->pods, i, POD_S, err) < 0)
			return -1;
		ms = (double)(d->pods.item[i].bound_us - done_us) / 1e3;
		pods_judge(&d->pods, &before, i, &old);
		pods_judge(&d->pods, edited, i, &new);
		d->placements++;
		d->wrong += new.wrong && (old.wrong || ms > IN_USE_MS * NOISE);
		if (d->pods.item[i].host == wanted) {
			if (pods_account(d->c, &d->pods, i, err) < 0)
				return -1;
			tables_placement(&d->pods, edited, i, &new);
			screen_line("%sfrom edit to use: %.0f ms%s (%zu bindings by the old file before)",
				    ms <= IN_USE_MS ? screen_green() : screen_red(), ms, screen_plain(), n);
			return 0;
		}
		usleep(100000);
	}
	return lm_fail(err, LM_UNAVAILABLE, "the edit on another host's mount was never used");
}

static bool merged_again(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	(void)arg;
	return cluster_snapshot(c, c->sched_host, &s, &err) == 0 && cluster_measured_ms(&s, "washington-1", "osaka") > 100;
}

static int by_hand(struct demo *d, struct lm_err *err)
{
	struct topology edited = d->c->t;

	screen_title("by hand: touch hold, edit " CLUSTER_FILE ", rm hold");
	if (edit_hold(d->c, host(d, EDITOR), true, err) < 0)
		return -1;
	usleep(2500000);		/* a merge that had begun may still publish */
	tables_placement_head();
	if (edit_on_own_mount(d, &edited, err) < 0 || edit_on_other_mount(d, &edited, err) < 0)
		return -1;
	if (edit_hold(d->c, host(d, EDITOR), false, err) < 0 ||
	    cluster_wait(d->c, merged_again, NULL, MATRIX_S, "the next merge", err) < 0)
		return -1;
	screen_line("%5.1f s  hold is gone, the measured matrix is back", screen_elapsed_s());
	usleep(IN_USE_MS * 1000);
	return place(d, &back, &d->c->t, err);
}

int main(void)
{
	struct demo d = {0};
	struct lm_err err;
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	d.c = cluster_open(&err);
	if (!d.c) {
		screen_bad("%s", err.msg);
		return (int)err.code;
	}
	screen_title("the laboratory: one network namespace and one NFS mount a host (" HOST_MOUNT ")");
	tables_hosts(&d.c->t);
	failed = programs(&d, &err) < 0 || measurements(&d, &err) < 0 || placements(&d, &err) < 0 || bad_link(&d, &err) < 0 ||
		 by_hand(&d, &err) < 0;
	cluster_close(d.c);
	if (failed)
		screen_bad("%s", err.msg);
	printf("\n%sdemo: %d placements, %d wrong, %.0f s%s%s\n", d.wrong || failed ? screen_red() : screen_green(), d.placements, d.wrong,
	       screen_elapsed_s(), failed ? " (not finished)" : "", screen_plain());
	return d.wrong || failed ? 1 : 0;
}
