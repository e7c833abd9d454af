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
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <oping.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "probe/signals.h"
#include "probe/stats.h"

#define GROUP_HOSTS 100
#define IDENTS 65536
#define IDENT_TRIES 1000		/* at 10,000 hosts one try in seven fails */
#define STEP_US 1000			/* clocks that drift further apart in one pass were stepped */

struct group {
	pingobj_t *obj;
	uint32_t hosts[2];		/* how many, by family: IPv4, IPv6 */
	int fd[2];			/* its raw sockets; -1 before its first pass */
	uint32_t drops[2];
	bool quiet;
};

struct host {
	pingobj_iter_t *iter;		/* NULL: liboping refused the address */
	struct group *group;
	uint16_t ident;
	unsigned sequence;
	int family;			/* 0 IPv4, 1 IPv6 */
	uint32_t answers;		/* in this round */
	uint32_t target;
};

struct oping {
	struct pinger base;
	struct names addrs;		/* of the targets */
	struct host *hosts;		/* one a target */
	struct group **groups;
	size_t group_count, group_room;
	uint8_t used[IDENTS / 8];	/* idents */
	FILE *nowhere;			/* for perror() */
	timer_t timer;
};

static struct oping *mine(struct pinger *p)
{
	return (struct oping *)p;	/* base is the first member */
}

/* --- idents ---------------------------------------------------------------------------------------------------------- */

static bool ident_is_used(const struct oping *o, uint16_t ident)
{
	return o->used[ident / 8] >> (ident % 8) & 1;
}

static void ident_mark(struct oping *o, uint16_t ident, bool used)
{
	uint8_t bit = (uint8_t)(1u << (ident % 8));

	o->used[ident / 8] = (uint8_t)(used ? o->used[ident / 8] | bit : o->used[ident / 8] & ~bit);
}

static unsigned info_u32(pingobj_iter_t *iter, int what)
{
	unsigned value = 0;
	size_t len = sizeof(value);

	ping_iterator_get_info(iter, what, &value, &len);
	return value;
}

static uint16_t info_ident(pingobj_iter_t *iter)
{
	uint16_t ident = 0;
	size_t len = sizeof(ident);

	ping_iterator_get_info(iter, PING_INFO_IDENT, &ident, &len);
	return ident;
}

static double info_latency_us(pingobj_iter_t *iter)
{
	double ms = -1;
	size_t len = sizeof(ms);

	ping_iterator_get_info(iter, PING_INFO_LATENCY, &ms, &len);
	return ms < 0 ? -1 : ms * 1000;
}

/* --- groups ---------------------------------------------------------------------------------------------------------- */

static uint32_t group_size(const struct group *g)
{
	return g->hosts[0] + g->hosts[1];
}

static struct group *group_with_room(struct oping *o, bool quiet)
{
	struct group *g;
	size_t i;

	for (i = 0; i < o->group_count; i++)
		if (o->groups[i]->quiet == quiet && group_size(o->groups[i]) < GROUP_HOSTS)
			return o->groups[i];
	g = xcalloc(1, sizeof(*g));
	g->obj = ping_construct();
	if (!g->obj)
		abort();	/* liboping ran out of memory */
	g->quiet = quiet;
	g->fd[0] = g->fd[1] = -1;
	grow(&o->groups, &o->group_room, o->group_count + 1, sizeof(struct group *));
	return o->groups[o->group_count++] = g;
}

static void drop_empty_groups(struct oping *o)
{
	size_t i, kept = 0;

	for (i = 0; i < o->group_count; i++) {
		if (group_size(o->groups[i]) > 0) {
			o->groups[kept++] = o->groups[i];
			continue;
		}
		ping_destroy(o->groups[i]->obj);
		free(o->groups[i]);
	}
	o->group_count = kept;
}

/* --- sockets --------------------------------------------------------------------------------------------------------- */

static bool is_raw_icmp(int fd, int family)
{
	int type = 0, protocol = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_RAW &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == (family ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool is_known(const struct oping *o, int fd)
{
	size_t i;

	for (i = 0; i < o->group_count; i++)
		if (o->groups[i]->fd[0] == fd || o->groups[i]->fd[1] == fd)
			return true;
	return false;
}

/*
 * liboping does not tell its sockets; the raw ICMP socket of this process that belongs to nobody yet is the one that it has just
 * opened: release 1.10 when the first host of a family is added, later ones with the first ping. Where none is found, all works but the filter.
 */
static void find_sockets(const struct oping *o, struct group *g)
{
	int family, fd;

	for (family = 0; family < 2; family++) {
		if (g->fd[family] >= 0 || g->hosts[family] == 0)
			continue;
		for (fd = 3; fd < FD_SETSIZE; fd++)
			if (is_raw_icmp(fd, family) && !is_known(o, fd))
				break;
		if (fd < FD_SETSIZE) {
			g->fd[family] = fd;
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
	}
}

static void set_filter(const struct group *g, bool open)
{
	struct icmp_filter v4 = {.data = open ? ~(1u << ICMP_ECHOREPLY) : ~0u};
	struct icmp6_filter v6;

	if (g->fd[0] >= 0)
		setsockopt(g->fd[0], SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
	if (g->fd[1] < 0)
		return;
	ICMP6_FILTER_SETBLOCKALL(&v6);
	if (open)
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	setsockopt(g->fd[1], IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

static void count_drops(struct oping *o, struct group *g)
{
	int family;

	for (family = 0; family < 2; family++) {
		uint32_t now = pinger_socket_drops(g->fd[family]);

		metrics_add(o->base.m, STAT_SOCKET_DROPS, 0, now - g->drops[family]);
		g->drops[family] = now;
	}
}

/* --- hosts ----------------------------------------------------------------------------------------------------------- */

static pingobj_iter_t *last_of(pingobj_t *obj)
{
	pingobj_iter_t *last = NULL, *iter;

	for (iter = ping_iterator_get(obj); iter; iter = ping_iterator_next(iter))
		last = iter;
	return last;
}

/* Leaves iter NULL when liboping refuses the address (AI_ADDRCONFIG: this machine has no address of that family). */
static void host_add(struct oping *o, struct host *h, const char *addr, bool quiet)
{
	struct group *g = group_with_room(o, quiet);
	int tries;

	h->iter = NULL;
	for (tries = 0; tries < IDENT_TRIES; tries++) {
		if (ping_host_add(g->obj, addr) < 0)
			return;
		h->iter = last_of(g->obj);
		h->ident = info_ident(h->iter);
		if (!ident_is_used(o, h->ident))
			break;
		ping_host_remove(g->obj, addr);
		h->iter = NULL;
	}
	if (!h->iter)
		return;
	ident_mark(o, h->ident, true);
	h->group = g;
	h->family = strchr(addr, ':') != NULL;
	h->sequence = info_u32(h->iter, PING_INFO_SEQUENCE);
	ping_iterator_set_context(h->iter, h);
	if (g->hosts[h->family]++ == 0) {
		find_sockets(o, g);
		set_filter(g, false);
	}
}

static void host_remove(struct oping *o, struct host *h, const char *addr)
{
	if (!h->iter)
		return;
	ping_host_remove(h->group->obj, addr);
	h->group->hosts[h->family]--;
	ident_mark(o, h->ident, false);
	h->iter = NULL;
}

/* A new ident comes with it, so that what is still on its way to the old one is not mistaken. */
static void host_move(struct oping *o, struct host *h, bool quiet)
{
	const char *addr = o->addrs.items[h->target];

	host_remove(o, h, addr);
	host_add(o, h, addr, quiet);
}

static void oping_set_targets(struct pinger *p, const struct ping_target *targets, size_t count)
{
	struct oping *o = mine(p);
	struct host *hosts = xcalloc(count, sizeof(*hosts));
	struct names addrs = {0};
	uint32_t i;

	for (i = 0; i < count; i++)
		names_add(&addrs, targets[i].addr);
	for (i = 0; i < o->addrs.count; i++) {
		uint32_t at = names_find(&addrs, o->addrs.items[i]);

		if (at == NAMES_NONE)
			host_remove(o, &o->hosts[i], o->addrs.items[i]);
		else
			hosts[at] = o->hosts[i];
	}
	names_free(&o->addrs);
	free(o->hosts);
	o->addrs = addrs;
	o->hosts = hosts;
	for (i = 0; i < count; i++) {
		hosts[i].target = i;
		if (hosts[i].iter)
			ping_iterator_set_context(hosts[i].iter, &hosts[i]);
		else
			host_add(o, &hosts[i], targets[i].addr, false);
	}
	drop_empty_groups(o);
}

/* --- one pass of one group ------------------------------------------------------------------------------------------- */

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

static struct pass send_group(struct oping *o, struct group *g, int64_t timeout_us)
{
	double timeout_s = (double)timeout_us * 1e-6;
	int64_t start_us, offset_us, drift_us;
	struct pass pass = {.timeout_us = timeout_us};
	FILE *console = stderr;

	ping_setopt(g->obj, PING_OPT_TIMEOUT, &timeout_s);
	set_filter(g, true);
	offset_us = pinger_clock_offset_us();
	set_alarm(o, timeout_us + 100000);
	stderr = o->nowhere;
	start_us = clock_mono_us();
	pass.ret = ping_send(g->obj);
	pass.elapsed_us = clock_mono_us() - start_us;
	stderr = console;
	set_alarm(o, 0);
	drift_us = pinger_clock_offset_us() - offset_us;
	find_sockets(o, g);
	set_filter(g, false);
	count_drops(o, g);
	pass.stepped = drift_us > STEP_US || drift_us < -STEP_US;
	pass.interrupted = pass.elapsed_us > timeout_us + 50000;
	return pass;
}

/* A reply cannot have travelled longer than the pass lasted: it is of an earlier one. (Both are cut to whole microseconds.) */
static bool is_late(double rtt_us, const struct pass *pass)
{
	return rtt_us > (double)(pass->elapsed_us + 1);
}

static float judge(struct oping *o, struct host *h, const struct pass *pass)
{
	unsigned sequence = info_u32(h->iter, PING_INFO_SEQUENCE);
	double rtt_us = info_latency_us(h->iter);
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

static void ping_group(struct oping *o, struct group *g, uint32_t ping, int64_t timeout_us, struct ping_results *results)
{
	struct pass pass = send_group(o, g, timeout_us);
	pingobj_iter_t *iter;

	for (iter = ping_iterator_get(g->obj); iter; iter = ping_iterator_next(iter))
		pass.late = pass.late || is_late(info_latency_us(iter), &pass);
	for (iter = ping_iterator_get(g->obj); iter; iter = ping_iterator_next(iter)) {
		struct host *h = ping_iterator_get_context(iter);

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

	for (i = 0; i < o->addrs.count; i++) {
		struct host *h = &o->hosts[i];
		float rtt_us = *ping_result(results, i, ping);

		h->answers += rtt_us >= 0;
		if (!h->iter)
			*ping_result(results, i, ping) = PING_LOST;
		else if (rtt_us == PING_LOST && !h->group->quiet)
			host_move(o, h, true);
	}
}

/* Hosts that answered the whole round leave the quiet groups; those that liboping refused are tried again. */
static void take_back(struct oping *o, uint32_t pings)
{
	uint32_t i;

	for (i = 0; i < o->addrs.count; i++) {
		struct host *h = &o->hosts[i];

		if (!h->iter)
			host_add(o, h, o->addrs.items[i], false);
		else if (h->group->quiet && h->answers == pings)
			host_move(o, h, false);
		h->answers = 0;
	}
	drop_empty_groups(o);
}

static void count_unsendable(struct oping *o)
{
	uint32_t i;

	for (i = 0; i < o->addrs.count; i++)
		if (!o->hosts[i].iter)
			metrics_add(o->base.m, STAT_SEND_ERRORS, 0, 1);
}

static bool ping_groups(struct oping *o, bool quiet, uint32_t ping, const struct ping_plan *plan, int64_t start_us,
			struct ping_results *results)
{
	size_t i, groups = o->group_count, passes = groups * (plan->pings - ping);

	for (i = 0; i < groups; i++) {
		struct group *g = o->groups[i];

		if (g->quiet != quiet || group_size(g) == 0)
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

/* --- open and close -------------------------------------------------------------------------------------------------- */

static void on_alarm(int signal)
{
	(void)signal;	/* it need only interrupt */
}

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
	uint32_t i;

	for (i = 0; i < o->addrs.count; i++)
		host_remove(o, &o->hosts[i], o->addrs.items[i]);
	drop_empty_groups(o);
	timer_delete(o->timer);
	if (o->nowhere != stderr)
		fclose(o->nowhere);
	names_free(&o->addrs);
	free(o->hosts);
	free(o->groups);
	free(o);
}

const struct pinger_ops pinger_oping = {"oping", oping_open, oping_set_targets, oping_round, oping_close};
