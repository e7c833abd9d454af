/*
 * liboping, fenced in. It is a fine little library for a handful of hosts; what a mesh needs beyond that is done around it:
 *
 *  - it tells replies apart by a random 16-bit ident alone (1,000 hosts: about 8 pairs share one, and a dead host is then
 *    reported alive). An ident is used once in this process: a host is added again until its ident is new. All objects count, since
 *    every raw socket hears every reply.
 *  - a pass blocks until all hosts of the object answered or the timeout, so that one dead host costs the whole timeout. Hosts
 *    that do not answer move to groups of quiet hosts, which wait on their own; a group's timeout also shrinks with the time left.
 *  - a raw socket hears all ICMP of the machine, and 256 packets fill it. Groups have at most 100 hosts; an idle group's sockets
 *    are shut by ICMP_FILTER, a busy one's pass echo replies only. That also keeps replies that come too late out of the next pass.
 *  - a late reply that gets in makes the pass end early, so that another host looks lost: it is seen by a round-trip time longer than
 *    the pass, and then nobody's silence counts.
 *  - it waits by the wall clock: a step back would make it wait for hours. A timer of the monotonic clock interrupts its select().
 *  - its return value is -(failed sends) even when others answered: every host is read each time. A host whose send failed has not
 *    advanced its sequence number. perror() then writes to stderr: that stream is lent out for the call.
 *  - names are never resolved: addresses are numeric.
 */
#include "probe/pinger.h"

#include <errno.h>
#include <oping.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "probe/oping_hosts.h"
#include "probe/signals.h"
#include "probe/stats.h"

#define STEP_US 1000			/* clocks that drift further apart in one pass were stepped */

struct oping {
	struct pinger base;
	struct oping_hosts hosts;
	FILE *nowhere;			/* for perror() */
	timer_t timer;
};

static struct oping *mine(struct pinger *p)
{
	return (struct oping *)p;	/* base is the first member */
}

/* --- one pass of one group ------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t alarmed;	/* the timer fired in this pass */

static void on_alarm(int signal)
{
	(void)signal;
	alarmed = 1;
}

struct pass {
	int ret;			/* of ping_send */
	int64_t elapsed_us, timeout_us;
	bool stepped;			/* the wall clock */
	bool interrupted;		/* by the timer */
	bool late;			/* a reply of an earlier pass came in */
};

static void set_alarm(const struct oping *o, int64_t us)
{
	struct itimerspec when = {.it_value = {us / 1000000, us % 1000000 * 1000}};

	if (us > 0)
		when.it_interval.tv_nsec = 100 * 1000 * 1000;	/* again, should the first come between two select() */
	timer_settime(o->timer, 0, &when, NULL);
}

static struct pass send_group(struct oping *o, struct oping_group *g, int64_t timeout_us)
{
	double timeout_s = (double)timeout_us * 1e-6;
	int64_t start_us, offset_us, drift_us;
	struct pass pass = {.timeout_us = timeout_us};
	FILE *console = stderr;

	ping_setopt(g->obj, PING_OPT_TIMEOUT, &timeout_s);
	oping_group_filter(&o->hosts, g, true);
	offset_us = pinger_clock_offset_us();
	alarmed = 0;
	set_alarm(o, timeout_us + 100000);
	stderr = o->nowhere;
	start_us = clock_mono_us();
	pass.ret = ping_send(g->obj);
	pass.elapsed_us = clock_mono_us() - start_us;
	stderr = console;
	set_alarm(o, 0);
	drift_us = pinger_clock_offset_us() - offset_us;
	oping_group_filter(&o->hosts, g, false);
	metrics_add(o->base.m, STAT_SOCKET_DROPS, 0, oping_group_drops(g));
	pass.stepped = drift_us > STEP_US || drift_us < -STEP_US;
	pass.interrupted = alarmed;
	return pass;
}

/* A reply cannot have travelled longer than the pass lasted: it is of an earlier one. (Both are cut to whole microseconds.) */
static bool is_late(double rtt_us, const struct pass *pass)
{
	return rtt_us > (double)(pass->elapsed_us + 1);
}

static float judge(struct oping *o, struct oping_host *h, const struct pass *pass)
{
	unsigned sequence = oping_sequence(h->iter);
	double rtt_us = oping_latency_us(h->iter);
	bool sent = sequence != h->sequence;

	h->sequence = sequence;
	if (pass->stepped) {
		metrics_add(o->base.m, STAT_DISCARDED, DISCARD_CLOCK, 1);
		return PING_VOID;
	}
	if (!sent && pass->ret < 0 && !pass->interrupted) {
		metrics_add(o->base.m, STAT_SEND_ERRORS, 0, 1);
		return PING_LOST;
	}
	if (!sent)
		return PING_VOID;
	if (rtt_us < 0)
		return pass->late || pass->interrupted ? PING_VOID : PING_LOST;
	if (is_late(rtt_us, pass) || rtt_us > (double)pass->timeout_us) {
		metrics_add(o->base.m, STAT_DISCARDED, DISCARD_LATE, 1);
		return PING_LOST;
	}
	return (float)rtt_us;
}

static void ping_group(struct oping *o, struct oping_group *g, uint32_t ping, int64_t timeout_us, struct ping_results *results)
{
	struct pass pass = send_group(o, g, timeout_us);
	pingobj_iter_t *iter;

	for (iter = ping_iterator_get(g->obj); iter; iter = ping_iterator_next(iter))
		pass.late = pass.late || is_late(oping_latency_us(iter), &pass);
	for (iter = ping_iterator_get(g->obj); iter; iter = ping_iterator_next(iter)) {
		struct oping_host *h = ping_iterator_get_context(iter);

		*ping_result(results, h->target, ping) = judge(o, h, &pass);
	}
}

/* --- a round --------------------------------------------------------------------------------------------------------- */

/* An equal share of what is left, within limits: a far host must not look lost because others are dead. */
static int64_t share_us(const struct ping_plan *plan, int64_t left_us, size_t passes_left)
{
	int64_t share = left_us / (int64_t)(passes_left ? passes_left : 1);

	if (share < plan->least_timeout_us)
		return plan->least_timeout_us;
	return share > plan->timeout_us ? plan->timeout_us : share;
}

/* Hosts that have just failed go to the quiet groups before the next pass, so that they delay the others once. */
static void set_apart(struct oping *o, uint32_t ping, struct ping_results *results)
{
	uint32_t i;

	for (i = 0; i < o->hosts.addrs.count; i++) {
		struct oping_host *h = &o->hosts.items[i];
		float rtt_us = *ping_result(results, i, ping);

		h->answers += rtt_us >= 0;
		if (!h->iter)
			*ping_result(results, i, ping) = PING_LOST;
		else if (rtt_us == PING_LOST && !h->group->quiet)
			oping_host_place(&o->hosts, h, true);
	}
}

/* Hosts that answered the whole round leave the quiet groups; those that liboping refused are tried again. */
static void take_back(struct oping *o, uint32_t pings)
{
	uint32_t i;

	for (i = 0; i < o->hosts.addrs.count; i++) {
		struct oping_host *h = &o->hosts.items[i];

		if (!h->iter)
			oping_host_place(&o->hosts, h, false);
		else if (h->group->quiet && h->answers == pings)
			oping_host_place(&o->hosts, h, false);
		h->answers = 0;
	}
	oping_hosts_tidy(&o->hosts);
}

static void count_unsendable(struct oping *o)
{
	uint32_t i;

	for (i = 0; i < o->hosts.addrs.count; i++)
		if (!o->hosts.items[i].iter)
			metrics_add(o->base.m, STAT_SEND_ERRORS, 0, 1);
}

static bool ping_groups(struct oping *o, bool quiet, uint32_t ping, const struct ping_plan *plan, int64_t start_us,
			struct ping_results *results)
{
	size_t i, groups = o->hosts.group_count, passes = groups * (plan->pings - ping);

	for (i = 0; i < groups; i++) {
		struct oping_group *g = o->hosts.groups[i];

		if (g->quiet != quiet || oping_group_size(g) == 0)
			continue;
		if (signals_stop())
			return false;
		ping_group(o, g, ping, share_us(plan, start_us + plan->budget_us - clock_mono_us(), passes - i), results);
	}
	return true;
}

static void oping_round(struct pinger *p, const struct ping_plan *plan, struct ping_results *results)
{
	struct oping *o = mine(p);
	int64_t start_us = clock_mono_us();
	uint32_t ping;

	for (ping = 0; ping < plan->pings; ping++) {
		if (signals_wait(start_us + ping * plan->spacing_us))
			break;
		results->at_ms[ping] = clock_mono_ms();
		if (!ping_groups(o, false, ping, plan, start_us, results) || !ping_groups(o, true, ping, plan, start_us, results))
			break;
		count_unsendable(o);
		set_apart(o, ping, results);
	}
	take_back(o, plan->pings);
}

static void oping_set_targets(struct pinger *p, const struct ping_target *targets, size_t count)
{
	oping_hosts_set(&mine(p)->hosts, targets, count);
}

/* --- open and close -------------------------------------------------------------------------------------------------- */

static void make_timer(struct oping *o)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);	/* this glibc has no sigev_notify_thread_id */
	sigaction(SIGRTMIN, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &o->timer) < 0)
		abort();
}

static int check_permission(struct lm_err *err)
{
	auto_close int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd >= 0)
		return 0;
	if (errno != EPERM && errno != EACCES)
		return lm_fail_errno(err, "open a raw ICMP socket");
	return lm_fail(err, LM_PERM, "not permitted to ping: give it the capability NET_RAW (setcap cap_net_raw+ep PROGRAM), "
		       "or let net.ipv4.ping_group_range include its group (then --pinger socket)");
}

static int oping_open(struct metrics *m, struct pinger **out, struct lm_err *err)
{
	struct oping *o;

	if (check_permission(err) < 0)
		return -1;
	o = xcalloc(1, sizeof(*o));
	o->base = (struct pinger){&pinger_oping, m};
	o->nowhere = fopen("/dev/null", "we");
	if (!o->nowhere)
		o->nowhere = stderr;
	make_timer(o);
	*out = &o->base;
	return 0;
}

static void oping_close(struct pinger *p)
{
	struct oping *o = mine(p);

	oping_hosts_free(&o->hosts);
	timer_delete(o->timer);
	if (o->nowhere != stderr)
		fclose(o->nowhere);
	free(o);
}

const struct pinger_ops pinger_oping = {"oping", oping_open, oping_set_targets, oping_round, oping_close};
