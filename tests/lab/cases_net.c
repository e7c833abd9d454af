#include "tests/lab/cases.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/peers.h"
#include "tests/lab/guest.h"

#define SHARE 0.15
#define SLACK_MS 1.5
#define SETTLE_S 90

bool cases_close(double measured_ms, double true_ms)
{
	return fabs(measured_ms - true_ms) <= true_ms * SHARE + SLACK_MS;
}

/* --- every pair ------------------------------------------------------------------------------------------------------ */

struct worst {
	char text[160];
};

static bool all_close(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct worst *w = arg;
	struct lm_err err;

	if (cluster_snapshot(c, c->sched_host, &s, &err) < 0) {
		snprintf(w->text, sizeof(w->text), "%.150s", err.msg);
		return false;
	}
	for (int a = 0; a < c->t.count; a++) {
		for (int b = 0; b < c->t.count; b++) {
			double seen = cluster_measured_ms(&s, c->t.host[a].name, c->t.host[b].name), truth = topology_rtt_ms(&c->t, a, b);

			if (a == b || c->t.host[a].client || cases_close(seen, truth))
				continue;
			snprintf(w->text, sizeof(w->text), "%s to %s is %g ms, the network %g ms", c->t.host[a].name, c->t.host[b].name, seen,
				 truth);
			return false;
		}
	}
	return true;
}

int cases_all_close(struct cluster *c, double limit_s, struct lm_err *err)
{
	struct worst w = {{0}};

	if (cluster_wait(c, all_close, &w, limit_s, "a matrix like the network", err) < 0)
		return lm_wrap(err, "%s", w.text);
	return 0;
}

/* A pair near each other moves far apart, and back. */
int case_round_trips(struct cluster *c, struct lm_err *err)
{
	int a = topology_find(&c->t, "tokyo-1"), b = topology_find(&c->t, "tokyo-2");
	struct wire before = c->t.wire[a][b];

	if (cases_all_close(c, SETTLE_S, err) < 0 || guest_wire(&c->t, a, b, (struct wire){.delay_ms = 30}, true, err) < 0 ||
	    cases_all_close(c, SETTLE_S, err) < 0 || guest_wire(&c->t, a, b, before, true, err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}

/* --- P1: a peer that is silent --------------------------------------------------------------------------------------- */

struct pair {
	int a, b;
};

/* Both ends say null, never 0, and that everything was lost lately; the merged matrix too. */
static bool pair_is_null(struct cluster *c, void *arg)
{
	const struct pair *p = arg;
	auto_snapshot struct snapshot s = {0};
	const char *a = c->t.host[p->a].name, *b = c->t.host[p->b].name;
	struct lm_err err;

	return cluster_snapshot(c, c->sched_host, &s, &err) == 0 && isnan(cluster_measured_ms(&s, a, b)) &&
	       isnan(cluster_measured_ms(&s, b, a)) && cluster_measured_loss(&s, a, b) > 0.1 && cluster_measured_loss(&s, b, a) > 0.1;
}

/* While one link is dead, what else the two ends measured. */
static int others_unaffected(struct cluster *c, const struct pair *p, struct lm_err *err)
{
	auto_snapshot struct snapshot s = {0};

	if (cluster_snapshot(c, c->sched_host, &s, err) < 0)
		return -1;
	for (int i = 0; i < c->t.count; i++) {
		double seen = cluster_measured_ms(&s, c->t.host[p->a].name, c->t.host[i].name);
		double loss = cluster_measured_loss(&s, c->t.host[p->a].name, c->t.host[i].name);

		if (i == p->a || i == p->b)
			continue;
		if (!cases_close(seen, topology_rtt_ms(&c->t, p->a, i)) || !(loss < 0.1))
			return lm_fail(err, LM_DATA, "beside the dead link, %s to %s: %g ms, loss %g", c->t.host[p->a].name, c->t.host[i].name,
				       seen, loss);
	}
	return 0;
}

int case_p1_silent_peer(struct cluster *c, struct lm_err *err)
{
	struct pair p = {topology_find(&c->t, "washington-1"), topology_find(&c->t, "dallas-2")};
	struct wire before = c->t.wire[p.a][p.b], dead = before;

	dead.loss = 1;
	if (guest_wire(&c->t, p.a, p.b, dead, true, err) < 0 ||
	    cluster_wait(c, pair_is_null, &p, SETTLE_S, "null for a dead link", err) < 0 || others_unaffected(c, &p, err) < 0 ||
	    guest_wire(&c->t, p.a, p.b, before, true, err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}

/* --- probes of the tests' own ---------------------------------------------------------------------------------------- */

static int write_peers(const struct peers *peers, const char *dir_path, struct lm_err *err)
{
	auto_close int dir = -1;
	auto_buf struct buf text = {0};

	mkdir(dir_path, 0777);
	chmod(dir_path, 0777);
	dir = file_open_dir(dir_path, err);
	peers_write(peers, &text);
	return dir < 0 ? -1 : file_publish(dir, "peers.json", text.data, text.len, NULL, err);
}

static int read_report(const char *dir_path, const char *node, struct report *out, struct lm_err *err)
{
	auto_free char *path = xasprintf("%s/%s.json", dir_path, node);
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, path, (size_t)1 << 20, FILE_FOLLOW, &text, err) < 0)
		return -1;
	return report_parse(text.data, text.len, node, out, err);
}

/* P2: 1,500 pings over a link that loses 30 % on the way there (0.05 is then 4 standard deviations); by each pinger. */
#define P2_PINGS 1500
#define P2_LIMIT_S 75

static pid_t start_p2(struct cluster *c, const char *from, const char *to, const char *pinger, const char *dir, struct lm_err *err)
{
	int a = topology_find(&c->t, from), b = topology_find(&c->t, to);
	auto_free char *peers_path = xasprintf("%s/peers.json", dir), *log = xasprintf("%s/log", dir);
	const char *const argv[] = {"latency-probe", "--node", from, "--peers", peers_path, "--output", dir, "--interval", "200ms",
				    "--timeout", "60ms", "--pings", "20", "--window", "20s", "--loss-window", "60s", "--publish", "1s", "--pinger", pinger, NULL};
	struct wire lossy = c->t.wire[a][b];
	struct peers peers = {0};
	int result = peer_list_add(&peers.nodes, to, c->t.host[b].addr, err);

	lossy.loss = 0.3;
	if (result == 0)
		result = write_peers(&peers, dir, err);
	peers_free(&peers);
	if (result < 0 || guest_wire(&c->t, a, b, lossy, false, err) < 0)
		return -1;
	return guest_spawn(&c->t.host[a], argv, log, err);
}

static bool p2_measured(struct cluster *c, void *arg)
{
	static const struct {
		const char *dir, *node;
	} probes[] = {{"/run/lab/p2-socket", "dallas-1"}, {"/run/lab/p2-oping", "tokyo-1"}};
	struct lm_err err;

	(void)c;
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		auto_report struct report r = {0};

		if (read_report(probes[i].dir, probes[i].node, &r, &err) < 0 || r.peers.count != 1 || r.peers.items[0].sent < P2_PINGS)
			return false;
	}
	return true;
}

static int end_p2(struct cluster *c, pid_t probe, const char *from, const char *to, const char *dir, struct lm_err *err)
{
	int a = topology_find(&c->t, from), b = topology_find(&c->t, to);
	struct wire whole = c->t.wire[a][b];
	auto_report struct report r = {0};
	const struct report_link *link;

	guest_stop(probe, SIGTERM);
	whole.loss = 0;
	if (guest_wire(&c->t, a, b, whole, false, err) < 0 || read_report(dir, from, &r, err) < 0)
		return -1;
	link = &r.peers.items[0];
	printf("# %s to %s: %lld sent, %lld received, loss %.3f, %.2f ms\n", from, to, (long long)link->sent, (long long)link->received,
	       link->loss, link->rtt_us / 1e3);
	if (fabs(link->loss - 0.3) > 0.05 || !cases_close(link->rtt_us / 1e3, topology_rtt_ms(&c->t, a, b)))
		return lm_fail(err, LM_DATA, "%s to %s: loss %g of %lld pings, round trip %g us", from, to, link->loss, (long long)link->sent,
			       link->rtt_us);
	return 0;
}

int case_p2_loss_of_30_percent(struct cluster *c, struct lm_err *err)
{
	pid_t by_socket = start_p2(c, "dallas-1", "dallas-2", "socket", "/run/lab/p2-socket", err);
	pid_t by_oping = by_socket < 0 ? -1 : start_p2(c, "tokyo-1", "tokyo-2", "oping", "/run/lab/p2-oping", err);

	if (by_oping < 0)
		return -1;
	if (cluster_wait(c, p2_measured, NULL, P2_LIMIT_S, "1,500 pings", err) < 0)
		return -1;
	if (end_p2(c, by_socket, "dallas-1", "dallas-2", "/run/lab/p2-socket", err) < 0)
		return -1;
	return end_p2(c, by_oping, "tokyo-1", "tokyo-2", "/run/lab/p2-oping", err);
}

/*
 * P5, P6: 600 peers, so that stock liboping's random 16-bit idents would collide about three times: 250 are at 5 ms, 250 at 40 ms,
 * 100 are silent. No reply may be taken for another's. One host answers for each 250 addresses, one drops what is for the silent ones.
 */
#define P5_FROM "frankfurt-2"
#define P5_NEAR_MS 5.0
#define P5_FAR_MS 40.0

int cases_as_root(const char *command, struct lm_err *err)
{
	const char *const argv[] = {"sh", "-ec", command, NULL};
	pid_t child = guest_spawn(NULL, argv, "/run/lab/logs/as-root.log", err);
	int status;

	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	return status ? lm_fail(err, LM_SOFTWARE, "`%s`: status %#x", command, (unsigned)status) : 0;
}

/* Answers from these addresses come back without delay: all of it is on the way there. */
static int p5_network(struct cluster *c, bool on, struct lm_err *err)
{
	static struct wire before[2];
	int from = topology_find(&c->t, P5_FROM), to[] = {topology_find(&c->t, "tokyo-1"), topology_find(&c->t, "tokyo-2")};
	const double ms[] = {P5_NEAR_MS, P5_FAR_MS};

	for (int i = 0; i < 2; i++) {
		if (on)
			before[i] = c->t.wire[from][to[i]];
		if (guest_wire(&c->t, from, to[i], on ? (struct wire){.delay_ms = ms[i]} : before[i], false, err) < 0)
			return -1;
	}
	return cases_as_root(on ? "lab-on tokyo-1 ip route add local 10.2.1.0/24 dev lo\n"
				  "lab-on tokyo-2 ip route add local 10.2.2.0/24 dev lo\n"
				  "lab-on " P5_FROM " sh -ec 'ip route add 10.2.1.0/24 via 10.1.0.7; ip route add 10.2.2.0/24 via 10.1.0.8\n"
				  "ip route add 10.2.3.0/24 via 10.1.0.9'"
				: "lab-on tokyo-1 ip route del local 10.2.1.0/24 dev lo\n"
				  "lab-on tokyo-2 ip route del local 10.2.2.0/24 dev lo\n"
				  "lab-on " P5_FROM " sh -ec 'for n in 1 2 3; do ip route del 10.2.$n.0/24; done'",
			     err);
}

static int p5_peers(const char *dir, struct lm_err *err)
{
	static const struct {
		const char *name;
		int group, count;
	} groups[] = {{"near", 1, 250}, {"far", 2, 250}, {"silent", 3, 100}};
	struct peers peers = {0};
	int result = 0;

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		for (int i = 1; i <= groups[g].count && result == 0; i++) {
			auto_free char *name = xasprintf("%s-%d", groups[g].name, i), *addr = xasprintf("10.2.%d.%d", groups[g].group, i);

			result = peer_list_add(&peers.nodes, name, addr, err);
		}
	}
	if (result == 0)
		result = write_peers(&peers, dir, err);
	peers_free(&peers);
	return result;
}

/* Any reply may come late on a busy machine, and a ping may be lost; none may come early, and the silent stay silent. */
static int p5_judge(const struct report *r, struct lm_err *err)
{
	int answered = 0;

	for (size_t i = 0; i < r->peers.count; i++) {
		const struct report_link *l = &r->peers.items[i];
		bool silent = strncmp(l->name, "silent", 6) == 0;
		double least = strncmp(l->name, "near", 4) == 0 ? P5_NEAR_MS : P5_FAR_MS;

		if (silent && (l->received > 0 || !isnan(l->rtt_us)))
			return lm_fail(err, LM_DATA, "%s is silent and has a round trip of %g us", l->name, l->rtt_us);
		if (!silent && l->min_us / 1e3 < least - 0.05)
			return lm_fail(err, LM_DATA, "%s is at %g ms and was seen at %g us", l->name, least, l->min_us);
		if (!silent && least < P5_FAR_MS && l->min_us / 1e3 > P5_FAR_MS - 1)
			return lm_fail(err, LM_DATA, "%s is at %g ms and was seen at %g us at least", l->name, least, l->min_us);
		answered += l->received > 0;
	}
	printf("# %d of 500 peers answered\n", answered);
	return answered >= 490 ? 0 : lm_fail(err, LM_DATA, "only %d of 500 peers answered", answered);
}

static int p5_p6(struct cluster *c, const char *pinger, struct lm_err *err)
{
	auto_free char *dir = xasprintf("/run/lab/p5-%s", pinger), *peers_path = xasprintf("%s/peers.json", dir);
	auto_free char *log = xasprintf("%s/log", dir);
	const char *const argv[] = {"latency-probe", "--node", P5_FROM, "--peers", peers_path, "--output", dir, "--interval", "10s",
				    "--pinger", pinger, "--once", NULL};
	auto_report struct report r = {0};
	int status = -1;
	pid_t probe;

	if (p5_peers(dir, err) < 0 || p5_network(c, true, err) < 0)
		return -1;
	probe = guest_spawn(&c->t.host[topology_find(&c->t, P5_FROM)], argv, log, err);
	if (probe > 0)
		waitpid(probe, &status, 0);
	if (p5_network(c, false, err) < 0)
		return -1;
	if (status != 0)
		return lm_fail(err, LM_SOFTWARE, "latency-probe --once: status %#x", (unsigned)status);
	return read_report(dir, P5_FROM, &r, err) < 0 ? -1 : p5_judge(&r, err);
}

int case_p5_p6_oping(struct cluster *c, struct lm_err *err)
{
	return p5_p6(c, "oping", err);
}

int case_p5_p6_socket(struct cluster *c, struct lm_err *err)
{
	return p5_p6(c, "socket", err);
}
