/*
 * The kernel's ping sockets: one for IPv4, one for IPv6. The kernel sets the ident, gives us our own replies only, and stamps them.
 * Nothing waits for one reply: pings go out on a schedule, replies are fetched every few milliseconds (their stamps are the
 * kernel's, so that fetching late costs no accuracy and saves a wake-up a packet), and each ping has its own deadline.
 */
#include "probe/pinger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
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
#define STEP_US 500			/* clocks that drift further apart between send and reply were stepped */
#define BATCH 32			/* replies fetched with one call */
#define SEQUENCES 65536
#define RECEIVE_BYTES (1 << 20)		/* asked for; the kernel gives up to net.core.rmem_max */
#define CONTROL_BYTES 256
#define MATCHED (-1)			/* none of the DISCARD_ reasons */

/* What travels: as long as ping(8)'s. */
struct packet {
	uint8_t type, code;
	uint16_t checksum, ident, sequence;
	uint64_t nonce;
	uint8_t filling[48];
};

struct shot {				/* one ping */
	uint64_t nonce;
	int64_t sent_wall_ns, sent_us, offset_us;
	bool sent, done;
};

struct echo {
	struct pinger base;
	struct ping_target *targets;
	size_t count;
	int fd[2];			/* IPv4, IPv6; -1: the machine has none */
	uint32_t drops[2];
	uint16_t first_sequence;	/* of this round; random, so that an earlier round's replies seldom get as far as the nonce */
	struct shot *shots;		/* ping * count + target, in the order of sending */
	size_t shot_count, next, oldest, open;	/* next to send; oldest that may be open; how many are open */
	uint32_t by_sequence[SEQUENCES];	/* the last shot with it, plus 1; 0: none */
	const struct ping_plan *plan;
	int64_t timeout_us;		/* of this round */
	struct ping_results *results;
};

static struct echo *mine(struct pinger *p)
{
	return (struct echo *)p;	/* base is the first member */
}

static int family_of(const struct ping_target *t)
{
	return t->to.any.sa_family == AF_INET6;
}

static float *result_of(const struct echo *e, size_t at)
{
	return ping_result(e->results, at % e->count, (uint32_t)(at / e->count));
}

static void finish(struct echo *e, size_t at, float rtt_us)
{
	struct shot *s = &e->shots[at];

	if (s->done)
		return;
	s->done = true;
	e->open -= s->sent;
	*result_of(e, at) = rtt_us;
}

/* --- what comes back ------------------------------------------------------------------------------------------------- */

static bool same_address(const struct ping_target *t, const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *v6 = (const void *)from;
	const struct sockaddr_in *v4 = (const void *)from;

	if (from->ss_family != t->to.any.sa_family)
		return false;
	if (from->ss_family == AF_INET)
		return v4->sin_addr.s_addr == t->to.v4.sin_addr.s_addr;
	return memcmp(&v6->sin6_addr, &t->to.v6.sin6_addr, sizeof(v6->sin6_addr)) == 0 &&
	       (!t->to.v6.sin6_scope_id || v6->sin6_scope_id == t->to.v6.sin6_scope_id);
}

static int64_t kernel_stamp_ns(struct msghdr *msg)
{
	struct cmsghdr *c;
	struct timespec t;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof(t));
			return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
		}
	return 0;
}

static void discard(struct echo *e, int reason)
{
	metrics_add(e->base.m, STAT_DISCARDED, reason, 1);
}

/* The shot that a packet with this sequence number is about, or -1. */
static ssize_t shot_of(const struct echo *e, const struct packet *p)
{
	return (ssize_t)e->by_sequence[ntohs(p->sequence)] - 1;
}

/*
 * The round-trip time, or PING_VOID. Normally from our stamp to the kernel's, both of the wall clock. The monotonic clock bounds it, and
 * says whether the wall clock was stepped in between.
 */
static float trip_us(struct echo *e, const struct shot *s, int64_t stamp_ns, int64_t now_us, int64_t offset_us)
{
	double rtt_us = (double)(stamp_ns - s->sent_wall_ns) / 1000;
	int64_t drift_us = offset_us - s->offset_us;

	if (drift_us > STEP_US || drift_us < -STEP_US || rtt_us < 0 || rtt_us > (double)(now_us - s->sent_us + 1)) {
		discard(e, DISCARD_CLOCK);
		return PING_VOID;
	}
	if (rtt_us <= (double)e->timeout_us)
		return (float)rtt_us;
	discard(e, DISCARD_LATE);
	return PING_LOST;
}

/* MATCHED and the shot that the packet answers, or the reason why it answers none. */
static int match_reply(const struct echo *e, int family, const struct msghdr *msg, size_t len, size_t *out)
{
	struct packet p;
	ssize_t at;

	if (len < sizeof(p) || msg->msg_flags & MSG_TRUNC)
		return DISCARD_MALFORMED;
	memcpy(&p, msg->msg_iov->iov_base, sizeof(p));
	if (p.type != (family ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || p.code != 0)
		return DISCARD_MALFORMED;
	at = shot_of(e, &p);
	if (at < 0 || !e->shots[at].sent)
		return DISCARD_LATE;
	if (p.nonce != e->shots[at].nonce)
		return DISCARD_NONCE;
	if (!same_address(&e->targets[(size_t)at % e->count], msg->msg_name))
		return DISCARD_SOURCE;
	*out = (size_t)at;
	if (e->shots[at].done)
		return *result_of(e, *out) < 0 ? DISCARD_LATE : DISCARD_DUPLICATE;
	return MATCHED;
}

static void take_reply(struct echo *e, int family, struct msghdr *msg, size_t len, int64_t now_us, int64_t offset_us)
{
	int64_t stamp_ns = kernel_stamp_ns(msg);
	size_t at;
	int reason = stamp_ns ? match_reply(e, family, msg, len, &at) : DISCARD_MALFORMED;

	if (reason == MATCHED)
		finish(e, at, trip_us(e, &e->shots[at], stamp_ns, now_us, offset_us));
	else
		discard(e, reason);
}

/* "Unreachable" from a router or our own kernel: it carries our packet, and the address where that went. */
static void take_error(struct echo *e, const struct msghdr *msg, size_t len)
{
	struct packet p = {0};
	ssize_t at;

	if (len < offsetof(struct packet, nonce))
		return;
	memcpy(&p, msg->msg_iov->iov_base, len < sizeof(p) ? len : sizeof(p));
	at = shot_of(e, &p);
	if (at < 0 || !e->shots[at].sent || e->shots[at].done || !same_address(&e->targets[(size_t)at % e->count], msg->msg_name))
		return;
	if (len >= offsetof(struct packet, filling) && p.nonce != e->shots[at].nonce)
		return;
	metrics_add(e->base.m, STAT_UNREACHABLE, 0, 1);
	finish(e, (size_t)at, PING_LOST);
}

static void fetch_errors(struct echo *e, int family)
{
	struct sockaddr_storage from;
	char data[2048], control[CONTROL_BYTES];
	struct iovec iov = {data, sizeof(data)};
	ssize_t len;

	for (;;) {
		struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
				     .msg_control = control, .msg_controllen = sizeof(control)};

		len = recvmsg(e->fd[family], &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
		if (len < 0)
			return;
		take_error(e, &msg, (size_t)len);
	}
}

/* False when there is nothing more for now. */
static bool fetch_batch(struct echo *e, int family)
{
	struct sockaddr_storage from[BATCH];
	char data[BATCH][sizeof(struct packet)] __attribute__((aligned(8)));
	char control[BATCH][CONTROL_BYTES] __attribute__((aligned(8)));
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];
	int64_t now_us, offset_us;
	int i, got;

	for (i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){data[i], sizeof(data[i])};
		msgs[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &iov[i], .msg_iovlen = 1,
						  .msg_control = control[i], .msg_controllen = sizeof(control[i])};
	}
	got = recvmmsg(e->fd[family], msgs, BATCH, MSG_DONTWAIT, NULL);
	if (got < 0 && errno != EAGAIN && errno != EINTR) {	/* a pending ICMP error is told once here, too */
		fetch_errors(e, family);
		return true;
	}
	now_us = clock_mono_us();
	offset_us = got > 0 ? pinger_clock_offset_us() : 0;
	for (i = 0; i < got; i++)
		take_reply(e, family, &msgs[i].msg_hdr, msgs[i].msg_len, now_us, offset_us);
	return got == BATCH;
}

static void fetch(struct echo *e)
{
	int family, turns;

	for (family = 0; family < 2; family++) {
		if (e->fd[family] < 0)
			continue;
		fetch_errors(e, family);
		for (turns = 0; turns < 100 && fetch_batch(e, family); turns++)
			;
	}
}

/* --- sending --------------------------------------------------------------------------------------------------------- */

/* 0, or errno. ICMP errors of other pings are reported by whatever call comes next: those are fetched, and it is tried again. */
static int send_packet(struct echo *e, const struct ping_target *t, const struct packet *p, struct shot *s)
{
	int family = family_of(t), tries;
	struct timespec wall;

	for (tries = 0; tries < 3; tries++) {
		s->sent_us = clock_mono_us();
		clock_gettime(CLOCK_REALTIME, &wall);
		s->sent_wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
		if (sendto(e->fd[family], p, sizeof(*p), MSG_DONTWAIT, &t->to.any, family ? sizeof(t->to.v6) : sizeof(t->to.v4)) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return EAGAIN;
		fetch_errors(e, family);
	}
	return EHOSTUNREACH;
}

static void refuse(struct echo *e, size_t at)
{
	metrics_add(e->base.m, STAT_SEND_ERRORS, 0, 1);
	finish(e, at, PING_LOST);
}

/* False when the kernel has no room now. */
static bool send_one(struct echo *e, size_t at, int64_t offset_us)
{
	const struct ping_target *t = &e->targets[at % e->count];
	struct shot *s = &e->shots[at];
	uint16_t sequence = (uint16_t)(e->first_sequence + at);
	struct packet p = {.type = family_of(t) ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .sequence = htons(sequence), .nonce = s->nonce};
	int failed = e->fd[family_of(t)] < 0 ? EAFNOSUPPORT : send_packet(e, t, &p, s);

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
		const struct shot *s = &e->shots[e->oldest];

		if (!s->done && s->sent_us + e->timeout_us > now_us)
			return;
		finish(e, e->oldest, PING_LOST);
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
		e->shots[i] = (struct shot){.nonce = nonces[i]};
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
	fetch(e);	/* what came after the last round ended */
	for (;;) {
		size_t before = e->next;

		send_due(e, start_us);
		if (e->next > before)
			last_sent_us = clock_mono_us();
		fetch(e);
		give_up_old(e);
		if ((e->next == e->shot_count && e->open == 0) || signals_wait(next_look_us(e, start_us, last_sent_us)))
			break;
		fetch(e);
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
