#include "tests/lab/cases.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/lab/guest.h"

/*
 * What a judge of deaths reads in the snapshot: lost_s, witnesses, age_s. The probes have a round a second and a report at least every five, so a
 * row is a witness for 12 s (fold.h).
 */
#define SETTLE_S 90
#define WITNESS_S 12
#define HEARD_S 4			/* a round, a report and two merges, on a busy machine */
#define OTHER "tokyo-2"

struct silence {
	const char *node;
	double lost_least_s, lost_most_s, age_least_s, age_most_s;
	uint32_t witnesses;
	char text[160];			/* of the last look */
	double seen_s;			/* lost_s then */
};

static uint32_t others_of(const struct cluster *c)
{
	uint32_t count = 0;

	for (int i = 0; i < c->t.count; i++)
		count += !c->t.host[i].client;
	return count - 1;
}

/* Everybody else hears and is heard as ever. */
static bool others_are_heard(const struct snapshot *s, const char *but, struct silence *w)
{
	for (uint32_t i = 0; i < s->nodes.count; i++) {
		if (STREQ(s->nodes.items[i], but) || s->lost_s[i] <= HEARD_S)
			continue;
		snprintf(w->text, sizeof(w->text), "%s too is lost for %g s", s->nodes.items[i], s->lost_s[i]);
		return false;
	}
	return true;
}

static bool is_so(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct silence *w = arg;
	struct lm_err err;
	uint32_t at;

	if (cluster_snapshot(c, c->merger_host, &s, &err) < 0 || (at = names_find(&s.nodes, w->node)) == NAMES_NONE) {
		snprintf(w->text, sizeof(w->text), "no snapshot, or %s is not in it", w->node);
		return false;
	}
	w->seen_s = s.lost_s[at];
	snprintf(w->text, sizeof(w->text), "%s: lost for %g s by %u, age %g s", w->node, s.lost_s[at], s.witnesses[at], s.age_s[at]);
	return s.lost_s[at] >= w->lost_least_s && s.lost_s[at] <= w->lost_most_s && s.age_s[at] >= w->age_least_s && s.age_s[at] <= w->age_most_s &&
	       s.witnesses[at] == w->witnesses && others_are_heard(&s, w->node, w);
}

static int await(struct cluster *c, struct silence *w, const char *what, struct lm_err *err)
{
	int64_t start_ms = clock_mono_ms();

	if (cluster_wait(c, is_so, w, SETTLE_S, what, err) < 0)
		return lm_wrap(err, "%s", w->text);
	printf("# %s after %.1f s: %s\n", what, (double)(clock_mono_ms() - start_ms) / 1e3, w->text);
	return 0;
}

static int answer_pings(const char *host, bool on, struct lm_err *err)
{
	auto_free char *command = xasprintf("lab-on %s sh -ec 'echo %d >/proc/sys/net/ipv4/icmp_echo_ignore_all'", host, !on);

	return cases_as_root(command, err);
}

/* First it drops ICMP and lives on: its row stays young. Then it is dead to all. Then it is back. */
int case_icmp_dropped_and_dead(struct cluster *c, struct lm_err *err)
{
	uint32_t others = others_of(c);
	struct silence heard = {OTHER, 0, HEARD_S, 0, 8, others, "", 0}, dropped = {OTHER, 8, 40, 0, 8, others, "", 0};
	struct silence longer = {OTHER, 15, 60, 0, 8, others, "", 0}, dead = {OTHER, 20, 120, 15, 120, others, "", 0};
	int host = topology_find(&c->t, OTHER);

	if (await(c, &heard, "heard by all", err) < 0 || answer_pings(OTHER, false, err) < 0 || await(c, &dropped, "ICMP is dropped", err) < 0 ||
	    await(c, &longer, "dropped for longer", err) < 0)
		return -1;
	guest_stop(c->probe[host], SIGKILL);
	c->probe[host] = 0;
	if (await(c, &dead, "its probe is dead too", err) < 0 || answer_pings(OTHER, true, err) < 0 || cluster_probe(c, host, err) < 0 ||
	    await(c, &heard, "it is back", err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}

/* --- one probe alone on the side of the volume ----------------------------------------------------------------------- */

/*
 * This host loses all others, and no report of theirs comes: their probes are stopped. (Without a route to the volume they would hang in it as well,
 * but the kernel's NFS client takes minutes to come back from that.)
 */
static int cut(struct cluster *c, int alone, bool on, struct wire *before, struct lm_err *err)
{
	for (int i = 0; i < c->t.count; i++) {
		struct wire wire = on ? c->t.wire[alone][i] : before[i];

		if (i == alone || c->t.host[i].client)
			continue;
		if (on)
			before[i] = wire;
		wire.loss = on ? 1 : wire.loss;
		if (guest_wire(&c->t, alone, i, wire, true, err) < 0)
			return -1;
		if (kill(c->probe[i], on ? SIGSTOP : SIGCONT) < 0)
			return lm_fail_errno(err, "the probe of %s", c->t.host[i].name);
	}
	return 0;
}

struct alone {
	int host;
	double lost_s;			/* wanted of all others */
	uint32_t looks;
	char wrong[160];
	char text[160];
};

/* True at the end of it, or when something was wrong. */
static bool is_alone(struct cluster *c, void *arg)
{
	auto_snapshot struct snapshot s = {0};
	struct alone *a = arg;
	struct lm_err err;
	bool all = true;

	if (cluster_snapshot(c, c->merger_host, &s, &err) < 0)
		return false;
	a->looks++;
	for (uint32_t i = 0; i < s.nodes.count; i++) {
		bool self = STREQ(s.nodes.items[i], c->t.host[a->host].name);

		if (s.lost_s[i] > WITNESS_S && 2 * s.witnesses[i] > s.nodes.count) {
			snprintf(a->wrong, sizeof(a->wrong), "%s is lost for %g s by the word of %u", s.nodes.items[i], s.lost_s[i], s.witnesses[i]);
			return true;
		}
		snprintf(a->text, sizeof(a->text), "%s: lost for %g s by %u", s.nodes.items[i], s.lost_s[i], s.witnesses[i]);
		all = all && (self ? s.witnesses[i] == 0 && isnan(s.lost_s[i]) : s.witnesses[i] == 1 && s.lost_s[i] >= a->lost_s);
	}
	return all;
}

static int move_merger(struct cluster *c, int host, struct lm_err *err)
{
	guest_stop(c->merger, SIGTERM);
	c->merger = 0;
	return cluster_merger(c, host, err);
}

static int alone_with(struct cluster *c, struct lm_err *err)
{
	struct alone a = {.host = c->sched_host, .lost_s = WITNESS_S + 4};
	struct silence heard = {c->t.host[a.host].name, 0, HEARD_S, 0, 8, others_of(c), "", 0};
	struct wire before[TOPOLOGY_MAX_HOSTS];
	int64_t start_ms;
	int result;

	if (await(c, &heard, "heard by all", err) < 0)
		return -1;
	start_ms = clock_mono_ms();
	result = cut(c, a.host, true, before, err);
	if (result == 0)
		result = cluster_wait(c, is_alone, &a, SETTLE_S, "one witness alone", err);
	if (cut(c, a.host, false, before, result < 0 ? &(struct lm_err){0} : err) < 0 || result < 0)
		return result < 0 ? lm_wrap(err, "%s", a.text) : -1;
	printf("# alone for %.1f s, %u looks at the snapshot, the last: %s\n", (double)(clock_mono_ms() - start_ms) / 1e3, a.looks, a.text);
	if (a.wrong[0])
		return lm_fail(err, LM_DATA, "%s", a.wrong);
	return await(c, &heard, "together again", err);
}

/* On its side: the scheduler, the merger, the API. */
int case_one_probe_alone(struct cluster *c, struct lm_err *err)
{
	int merger_host = c->merger_host;

	if (move_merger(c, c->sched_host, err) < 0 || alone_with(c, err) < 0 || move_merger(c, merger_host, err) < 0)
		return -1;
	return cases_all_close(c, SETTLE_S, err);
}
