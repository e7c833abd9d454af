#include "tests/lab/cases.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/edit.h"
#include "tests/lab/guest.h"
#include "tests/lab/host.h"
#include "tests/lab/nfsd.h"

#define SETTLE_S 90
#define POD_S 20
#define IN_USE_MS 2000
#define SETTLE_MS 100			/* what a decision waits for a reload that has begun */
#define NOISE 3				/* a deadline is asserted at three times its value */
#define OTHER "tokyo-2"			/* an NFS client that runs neither merger nor scheduler */

/* --- mounts and reports ---------------------------------------------------------------------------------------------- */

int case_mounts(struct cluster *c, struct lm_err *err)
{
	static const char *const wanted[] = {" " HOST_VOLUME " ", " nfs4 ", "lookupcache=pos",
					     "acregmin=1,acregmax=1,acdirmin=1,acdirmax=1"};

	for (int i = 0; i < c->t.count; i++) {
		auto_free char *path = xasprintf("/proc/%d/mounts", (int)c->t.host[i].pid);
		auto_file_text struct file_text text = {0};
		const char *line;

		if (c->t.host[i].client)
			continue;
		if (file_read(AT_FDCWD, path, (size_t)1 << 20, FILE_FOLLOW, &text, err) < 0)
			return -1;
		line = strstr(text.data, NFSD_ADDR ":/ ");
		for (size_t n = 0; n < ARRAY_SIZE(wanted); n++)
			if (!line || !strstr(line, wanted[n]))
				return lm_fail(err, LM_DATA, "%s has no `%s` in its mounts", c->t.host[i].name, wanted[n]);
	}
	return 0;
}

struct reading {
	char text[256];
};

static bool read_everywhere(struct cluster *c, void *arg)
{
	struct reading *r = arg;

	for (int reader = 0; reader < c->t.count; reader++) {
		for (int node = 0; node < c->t.count; node++) {
			auto_report struct report report = {0};
			struct lm_err err;

			if (c->t.host[reader].client || c->t.host[node].client)
				continue;
			if (cluster_report(c, reader, c->t.host[node].name, &report, &err) < 0) {
				snprintf(r->text, sizeof(r->text), "on %s: %.200s", c->t.host[reader].name, err.msg);
				return false;
			}
		}
	}
	return true;
}

int case_reports_everywhere(struct cluster *c, struct lm_err *err)
{
	struct reading r = {{0}};

	if (cluster_wait(c, read_everywhere, &r, SETTLE_S, "every report on every mount", err) < 0)
		return lm_wrap(err, "%s", r.text);
	return 0;
}

/* --- a probe that is gone -------------------------------------------------------------------------------------------- */

struct ageing {
	const char *node;
	double least_s, most_s;		/* wanted age */
	int64_t generation;		/* when it was seen */
};

static bool has_age(struct cluster *c, void *arg)
{
	struct ageing *a = arg;
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;
	uint32_t row;

	if (cluster_snapshot(c, c->sched_host, &s, &err) < 0 || (row = names_find(&s.nodes, a->node)) == NAMES_NONE)
		return false;
	a->generation = s.generation;
	/* an old row keeps its values */
	return s.age_s[row] >= a->least_s && s.age_s[row] <= a->most_s && !isnan(cluster_measured_ms(&s, a->node, "tokyo-1"));
}

int case_stale_report(struct cluster *c, struct lm_err *err)
{
	int host = topology_find(&c->t, OTHER);
	struct ageing old = {.node = OTHER, .least_s = 9, .most_s = 60}, older = {.node = OTHER, .least_s = 11, .most_s = 60},
		      fresh = {.node = OTHER, .least_s = 0, .most_s = 6};

	guest_stop(c->probe[host], SIGKILL);
	c->probe[host] = 0;
	if (cluster_wait(c, has_age, &old, SETTLE_S, "the age of a dead probe's row", err) < 0 ||
	    cluster_wait(c, has_age, &older, SETTLE_S, "a greater age", err) < 0)
		return -1;
	if (older.generation <= old.generation)
		return lm_fail(err, LM_DATA, "generation %lld after %lld: no merge meanwhile", (long long)older.generation,
			       (long long)old.generation);
	if (cluster_probe(c, host, err) < 0 || cluster_wait(c, has_age, &fresh, SETTLE_S, "the row of the new probe", err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}

/* --- placements as a witness of what the scheduler uses -------------------------------------------------------------- */

/* Puts a small pod near osaka on a node and takes it away again. The host's number, or -1. */
static int where(struct cluster *c, int64_t *bound_us, struct lm_err *err)
{
	static int number;
	auto_free char *name = xasprintf("witness-%d", number++);
	struct pod_ask ask = {.name = name, .app = "witness", .cpu_milli = 10, .near = "client/osaka", .target = {{"osaka", 1, 0}}};
	struct pods pods = {0};
	int host;

	if (pods_create(c, &pods, &ask, err) < 0 || pods_await(c, &pods, 0, POD_S, err) < 0)
		return -1;
	host = pods.item[0].host;
	if (bound_us)
		*bound_us = pods.item[0].bound_us;
	return pods_delete(c, &pods, 0, err) < 0 ? -1 : host;
}

static int expect(struct cluster *c, const char *host, struct lm_err *err)
{
	int got = where(c, NULL, err);

	if (got < 0)
		return -1;
	if (!STREQ(c->t.host[got].name, host))
		return lm_fail(err, LM_DATA, "a pod near osaka went to %s, not to %s", c->t.host[got].name, host);
	return 0;
}

/*
 * The same after an edit on the scheduler's own mount: it is the very next binding, unless the reload takes more than the 100 ms that a
 * decision waits for it; asserted at three times that.
 */
static int expect_next(struct cluster *c, const char *host, int64_t done_us, struct lm_err *err)
{
	int64_t bound_us = 0;
	int got, stale = -1;

	do {
		got = where(c, &bound_us, err);
		stale++;
	} while (got >= 0 && !STREQ(c->t.host[got].name, host) && bound_us - done_us < SETTLE_MS * NOISE * 1000);
	if (got < 0)
		return -1;
	printf("# from edit to use on the own mount: %.0f ms, %d bindings by the old file\n", (double)(bound_us - done_us) / 1e3, stale);
	return STREQ(c->t.host[got].name, host) ? 0 : lm_fail(err, LM_DATA, "the edit on the own mount is not used at once");
}

/* The pod near osaka goes to Tokyo: the measured matrix is in use. */
static bool measured_in_use(struct cluster *c, void *arg)
{
	struct lm_err err;
	int host = where(c, NULL, &err);

	(void)arg;
	return host >= 0 && STREQ(c->t.host[host].zone, "tokyo");
}

/* Runs a case under hold; hold goes in any case, and the measured matrix is back before the next case. */
static int under_hold(struct cluster *c, lab_case *run, struct lm_err *err)
{
	int other = topology_find(&c->t, OTHER), result;
	struct lm_err later;

	if (edit_hold(c, other, true, err) < 0)
		return -1;
	usleep(3000000);		/* a merge that had begun may still publish */
	result = run(c, err);
	if (edit_hold(c, other, false, &later) == 0 &&
	    cluster_wait(c, measured_in_use, NULL, SETTLE_S, "the measured matrix after hold", &later) == 0)
		return result;
	if (result == 0)
		*err = later;
	return -1;
}

static int watch_volume(const struct cluster *c, int host, struct lm_err *err)
{
	char path[128];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	guest_path(&c->t.host[host], "", path, sizeof(path));
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE) < 0)
		return lm_fail_errno(err, "inotify on %s", path);
	return fd;
}

/* The scheduler's host watches its mount; another host replaces the file there. */
static int replace_elsewhere(struct cluster *c, struct lm_err *err)
{
	struct edit e = {.from = "washington-1", .to = "osaka", .ms = 1};
	auto_close int events = -1;
	int64_t done_us, bound_us = 0;
	char event[4096];
	int host;

	if ((events = watch_volume(c, c->sched_host, err)) < 0 ||
	    edit_apply(c, topology_find(&c->t, OTHER), &e, NULL, &done_us, err) < 0)
		return -1;
	do {
		host = where(c, &bound_us, err);
		if (host < 0)
			return -1;
	} while (!STREQ(c->t.host[host].name, e.from) && bound_us - done_us < IN_USE_MS * NOISE * 1000);
	printf("# from edit to use on another client: %.0f ms (limit %d)\n", (double)(bound_us - done_us) / 1e3, IN_USE_MS);
	if (!STREQ(c->t.host[host].name, e.from))
		return lm_fail(err, LM_DATA, "the edit of another client is not used after %d ms", IN_USE_MS * NOISE);
	if (read(events, event, sizeof(event)) > 0)
		return lm_fail(err, LM_DATA, "another client's change made an inotify event: the poll was not what found it");
	return 0;
}

int case_s6_other_client(struct cluster *c, struct lm_err *err)
{
	return under_hold(c, replace_elsewhere, err);
}

static int edit_twice(struct cluster *c, struct lm_err *err)
{
	struct edit in_place = {.from = "dallas-2", .to = "osaka", .ms = 1, .in_place = true},
		    renamed = {.from = "washington-1", .to = "osaka", .ms = 0.2};
	int64_t done_us;

	if (edit_apply(c, c->sched_host, &in_place, NULL, &done_us, err) < 0 || expect_next(c, in_place.from, done_us, err) < 0)
		return -1;
	if (edit_apply(c, c->sched_host, &renamed, NULL, &done_us, err) < 0)
		return -1;
	return expect_next(c, renamed.from, done_us, err);
}

int case_edit_under_hold(struct cluster *c, struct lm_err *err)
{
	return under_hold(c, edit_twice, err);
}

/* Half of an edit is written in place and stays so for a while; then the rest comes. */
static int edit_by_halves(struct cluster *c, struct lm_err *err)
{
	struct edit e = {.from = "dallas-2", .to = "osaka", .ms = 1, .in_place = true};
	struct edit next = {.from = "washington-1", .to = "osaka", .ms = 0.2};
	auto_file_text struct file_text text = {0};
	char path[128];
	int64_t done_us;
	int fd;

	guest_path(&c->t.host[c->sched_host], CLUSTER_FILE, path, sizeof(path));
	if (edit_apply(c, c->sched_host, &e, NULL, &done_us, err) < 0 || expect_next(c, e.from, done_us, err) < 0 ||
	    file_read(AT_FDCWD, path, SNAPSHOT_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, text.data, text.len / 2) != (ssize_t)(text.len / 2) || close(fd) < 0)
		return lm_fail_errno(err, "%s", path);
	for (int i = 0; i < 5; i++) {
		if (expect(c, e.from, err) < 0)
			return lm_wrap(err, "with half a file");
		usleep(500000);
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, text.data + text.len / 2, text.len - text.len / 2) < 0 || close(fd) < 0)
		return lm_fail_errno(err, "%s", path);
	if (expect(c, e.from, err) < 0 || edit_apply(c, c->sched_host, &next, NULL, &done_us, err) < 0)
		return -1;
	return expect_next(c, next.from, done_us, err);
}

int case_unfinished_edit(struct cluster *c, struct lm_err *err)
{
	return under_hold(c, edit_by_halves, err);
}

/* --- S7: the NFS server is gone for a while -------------------------------------------------------------------------- */

#define GONE_S 6

static bool newer(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	return cluster_snapshot(c, c->sched_host, &s, &err) == 0 && s.generation > *(int64_t *)arg;
}

int case_s7_server_gone(struct cluster *c, struct lm_err *err)
{
	int64_t begin, slowest_us = 0, generation;
	auto_snapshot struct snapshot s = {0};
	int bound = 0;

	if (cluster_snapshot(c, c->sched_host, &s, err) < 0 || nfsd_stop(err) < 0)
		return -1;
	begin = clock_mono_ms();
	while (clock_mono_ms() - begin < GONE_S * 1000) {
		int64_t before_us = clock_mono_us(), bound_us;

		if (where(c, &bound_us, err) < 0) {
			struct lm_err ignored;

			nfsd_start(&c->t, &ignored);
			return lm_wrap(err, "without the NFS server");
		}
		slowest_us = bound_us - before_us > slowest_us ? bound_us - before_us : slowest_us;
		bound++;
		usleep(200000);
	}
	printf("# %d s without the server: %d bindings, the slowest %.0f ms\n", GONE_S, bound, (double)slowest_us / 1e3);
	if (nfsd_start(&c->t, err) < 0)
		return -1;
	generation = s.generation + 1;
	if (cluster_wait(c, newer, &generation, SETTLE_S, "a merge after the server came back", err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}
