/*
 * The kernel's ping sockets: one for IPv4, one for IPv6. The kernel sets the ident, gives us our own replies only, and stamps them.
 * Nothing waits for one reply: pings go out on a schedule, replies are fetched every few milliseconds (their stamps are the
 * kernel's, so that fetching late costs no accuracy and saves a wake-up a packet), and each ping has its own deadline.
 */
#include "probe/echo.h"

#include <assert.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "probe/signals.h"
#include "probe/stats.h"

#define TICK_US 10000			/* between looks for replies while pings go out */
#define RECEIVE_BYTES (1 << 20)		/* asked for; the kernel gives up to net.core.rmem_max */

static struct echo *mine(struct pinger *p)
{
	return (struct echo *)p;	/* base is the first member */
}

/* 0, or errno. ICMP errors of other pings are reported by whatever call comes next: those are fetched, and it is tried again. */
static int send_packet(struct echo *e, const struct ping_target *t, const struct echo_packet *p, struct echo_shot *s)
{
	int family = echo_family(t), tries;
	struct timespec wall;

	for (tries = 0; tries < 3; tries++) {
		s->sent_us = clock_mono_us();
		clock_gettime(CLOCK_REALTIME, &wall);
		s->sent_wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
		if (sendto(e->fd[family], p, sizeof(*p), MSG_DONTWAIT, &t->to.any, family ? sizeof(t->to.v6) : sizeof(t->to.v4)) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return EAGAIN;
		echo_fetch_errors(e, family);
	}
	return EHOSTUNREACH;
}

static void refuse(struct echo *e, size_t at)
{
	metrics_add(e->base.m, STAT_SEND_ERRORS, 0, 1);
	echo_finish(e, at, PING_LOST);
}

/* False when the kernel has no room now. */
static bool send_one(struct echo *e, size_t at, int64_t offset_us)
{
	const struct ping_target *t = &e->targets[at % e->count];
	struct echo_shot *s = &e->shots[at];
	uint16_t sequence = (uint16_t)(e->first_sequence + at);
	struct echo_packet p = {.type = echo_family(t) ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .sequence = htons(sequence), .nonce = s->nonce};
	int failed = e->fd[echo_family(t)] < 0 ? EAFNOSUPPORT : send_packet(e, t, &p, s);

	if (failed == EAGAIN)
		return false;
	if (failed) {
		refuse(e, at);
		return true;
	}
	s->offset_us = offset_us;
	s->sent = true;
	e->by_sequence[sequence] = (uint32_t)at + 1;
	e->open++;
	return true;
}

static int64_t due_us(const struct echo *e, size_t at, int64_t start_us)
{
	int64_t pass = (int64_t)(at / e->count), place = (int64_t)(at % e->count);

	return start_us + pass * e->plan->spacing_us + place * (e->plan->spacing_us * 9 / 10) / (int64_t)e->count;
}

/* A ping for which the kernel has no room is tried again at the next tick, for as long as one may wait for a reply. */
static void send_due(struct echo *e, int64_t start_us)
{
	int64_t offset_us = pinger_clock_offset_us();

	for (; e->next < e->shot_count; e->next++) {
		int64_t now_us = clock_mono_us(), due = due_us(e, e->next, start_us);

		if (due > now_us)
			return;
		if (e->next % e->count == 0)
			e->results->at_ms[e->next / e->count] = now_us / 1000;
		if (send_one(e, e->next, offset_us))
			continue;
		if (now_us < due + e->timeout_us)
			return;
		refuse(e, e->next);
	}
}

/* Shots are in the order of sending, so the first open one has the first deadline. */
static void give_up_old(struct echo *e)
{
	int64_t now_us = clock_mono_us();

	for (; e->oldest < e->next; e->oldest++) {
		const struct echo_shot *s = &e->shots[e->oldest];

		if (!s->done && s->sent_us + e->timeout_us > now_us)
			return;
		echo_finish(e, e->oldest, PING_LOST);
	}
}

/* While pings go out: every tick. After the last: more and more seldom, by a quarter of the time that has passed. */
static int64_t next_look_us(const struct echo *e, int64_t start_us, int64_t last_sent_us)
{
	int64_t now_us = clock_mono_us(), wait_us = (now_us - last_sent_us) / 4, end_us;

	if (e->next < e->shot_count) {
		int64_t due = due_us(e, e->next, start_us);

		return due > now_us + TICK_US ? due : now_us + TICK_US;
	}
	end_us = e->shots[e->shot_count - 1].sent_us + e->timeout_us;
	if (wait_us < TICK_US)
		wait_us = TICK_US;
	return now_us + wait_us < end_us || end_us <= now_us ? now_us + wait_us : end_us;
}

/* What the budget leaves after the last ping, within limits. */
static int64_t timeout_of(const struct ping_plan *plan)
{
	int64_t left_us = plan->budget_us - plan->pings * plan->spacing_us;

	if (left_us < plan->least_timeout_us)
		return plan->least_timeout_us;
	return left_us > plan->timeout_us ? plan->timeout_us : left_us;
}

static void load_shots(struct echo *e)
{
	size_t bytes, i, have = 0;
	auto_free uint64_t *nonces = NULL;

	e->shot_count = e->count * e->plan->pings;
	e->shots = xrealloc(e->shots, e->shot_count, sizeof(*e->shots));
	bytes = e->shot_count * sizeof(*nonces);
	nonces = xmalloc(bytes);
	while (have < bytes) {
		ssize_t got = getrandom((char *)nonces + have, bytes - have, 0);

		assert(got > 0 || errno == EINTR);
		have += got > 0 ? (size_t)got : 0;
	}
	for (i = 0; i < e->shot_count; i++)
		e->shots[i] = (struct echo_shot){.nonce = nonces[i]};
	e->first_sequence = (uint16_t)(nonces[0] >> 48 ^ nonces[e->shot_count - 1]);
	e->next = e->oldest = e->open = 0;
	memset(e->by_sequence, 0, sizeof(e->by_sequence));
}

static void count_drops(struct echo *e)
{
	int family;

	for (family = 0; family < 2; family++) {
		uint32_t now = pinger_socket_drops(e->fd[family]);

		metrics_add(e->base.m, STAT_SOCKET_DROPS, 0, now - e->drops[family]);
		e->drops[family] = now;
	}
}

static void socket_round(struct pinger *p, const struct ping_plan *plan, struct ping_results *results)
{
	struct echo *e = mine(p);
	int64_t start_us = clock_mono_us(), last_sent_us = start_us;

	if (e->count == 0)
		return;
	e->plan = plan;
	e->timeout_us = timeout_of(plan);
	e->results = results;
	load_shots(e);
	echo_fetch(e);	/* what came after the last round ended */
	for (;;) {
		size_t before = e->next;

		send_due(e, start_us);
		if (e->next > before)
			last_sent_us = clock_mono_us();
		echo_fetch(e);
		give_up_old(e);
		if ((e->next == e->shot_count && e->open == 0) || signals_wait(next_look_us(e, start_us, last_sent_us)))
			break;
		echo_fetch(e);
	}
	count_drops(e);
}

/* --- open and close -------------------------------------------------------------------------------------------------- */

static int open_socket(int family)
{
	int fd = socket(family ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, family ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	int on = 1, room = RECEIVE_BYTES;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (family)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	return fd;
}

static int socket_open(struct metrics *m, struct pinger **out, struct lm_err *err)
{
	int v4 = open_socket(0);
	struct echo *e;

	if (v4 < 0 && (errno == EACCES || errno == EPERM))
		return lm_fail(err, LM_PERM, "not permitted to open a ping socket: let net.ipv4.ping_group_range include group %d, "
			       "or give the capability NET_RAW and use --pinger oping", (int)getegid());
	if (v4 < 0)
		return lm_fail_errno(err, "open a ping socket");
	e = xcalloc(1, sizeof(*e));
	e->base = (struct pinger){&pinger_socket, m};
	e->fd[0] = v4;
	e->fd[1] = open_socket(1);
	*out = &e->base;
	return 0;
}

static void socket_set_targets(struct pinger *p, const struct ping_target *targets, size_t count)
{
	struct echo *e = mine(p);

	e->targets = xrealloc(e->targets, count, sizeof(*e->targets));
	if (count)
		memcpy(e->targets, targets, count * sizeof(*targets));
	e->count = count;
}

static void socket_close(struct pinger *p)
{
	struct echo *e = mine(p);

	cleanup_close(&e->fd[0]);
	cleanup_close(&e->fd[1]);
	free(e->targets);
	free(e->shots);
	free(e);
}

const struct pinger_ops pinger_socket = {"socket", socket_open, socket_set_targets, socket_round, socket_close};
