#include "probe/echo.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/clock.h"
#include "probe/stats.h"

#define STEP_US 500			/* clocks that drift further apart between send and reply were stepped */
#define BATCH 32			/* replies fetched with one call */
#define ERRORS_MOST 1024			/* fetched in a row: a flood of them must not keep us */
#define CONTROL_BYTES 256
#define MATCHED (-1)			/* none of the DISCARD_ reasons */

static float *result_of(const struct echo *e, size_t at)
{
	return ping_result(e->results, at % e->count, (uint32_t)(at / e->count));
}

void echo_finish(struct echo *e, size_t at, float rtt_us)
{
	struct echo_shot *s = &e->shots[at];

	if (s->done)
		return;
	s->done = true;
	e->open -= s->sent;
	*result_of(e, at) = rtt_us;
}

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
static ssize_t shot_of(const struct echo *e, const struct echo_packet *p)
{
	return (ssize_t)e->by_sequence[ntohs(p->sequence)] - 1;
}

/*
 * The round-trip time, or PING_VOID. Normally from our stamp to the kernel's, both of the wall clock. The monotonic clock bounds it, and
 * says whether the wall clock was stepped in between.
 */
static float trip_us(struct echo *e, const struct echo_shot *s, int64_t stamp_ns, int64_t now_us, int64_t offset_us)
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
	struct echo_packet p;
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
		echo_finish(e, at, trip_us(e, &e->shots[at], stamp_ns, now_us, offset_us));
	else
		discard(e, reason);
}

/* "Unreachable" from a router or our own kernel: it carries our packet, and the address where that went. */
static void take_error(struct echo *e, const struct msghdr *msg, size_t len)
{
	struct echo_packet p = {0};
	ssize_t at;

	if (len < offsetof(struct echo_packet, nonce))
		return;
	memcpy(&p, msg->msg_iov->iov_base, len < sizeof(p) ? len : sizeof(p));
	at = shot_of(e, &p);
	if (at < 0 || !e->shots[at].sent || e->shots[at].done || !same_address(&e->targets[(size_t)at % e->count], msg->msg_name))
		return;
	if (len >= offsetof(struct echo_packet, filling) && p.nonce != e->shots[at].nonce)
		return;
	metrics_add(e->base.m, STAT_UNREACHABLE, 0, 1);
	echo_finish(e, (size_t)at, PING_LOST);
}

void echo_fetch_errors(struct echo *e, int family)
{
	struct sockaddr_storage from;
	char data[2048], control[CONTROL_BYTES];
	struct iovec iov = {data, sizeof(data)};
	ssize_t len;
	int turns;

	for (turns = 0; turns < ERRORS_MOST; turns++) {
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
	char data[BATCH][sizeof(struct echo_packet)] __attribute__((aligned(8)));
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
		echo_fetch_errors(e, family);
		return true;
	}
	now_us = clock_mono_us();
	offset_us = got > 0 ? pinger_clock_offset_us() : 0;
	for (i = 0; i < got; i++)
		take_reply(e, family, &msgs[i].msg_hdr, msgs[i].msg_len, now_us, offset_us);
	return got == BATCH;
}

void echo_fetch(struct echo *e)
{
	int family, turns;

	for (family = 0; family < 2; family++) {
		if (e->fd[family] < 0)
			continue;
		echo_fetch_errors(e, family);
		for (turns = 0; turns < 100 && fetch_batch(e, family); turns++)
			;
	}
}
