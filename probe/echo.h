/*
 * echo.h - a round of pings by ping sockets: what was sent, and how a reply finds its ping. Private to pinger_socket.c (sending) and
 * echo_fetch.c (what comes back).
 *
 * A reply is believed when its sequence number names a ping of this round that is sent and open, its payload begins with that ping's
 * random nonce, and it comes from the address where the ping went.
 */
#ifndef PROBE_ECHO_H
#define PROBE_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/pinger.h"

#define ECHO_SEQUENCES 65536

/* What travels: as long as ping(8)'s. */
struct echo_packet {
	uint8_t type, code;
	uint16_t checksum, ident, sequence;
	uint64_t nonce;
	uint8_t filling[48];
};

struct echo_shot {				/* one ping */
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
	struct echo_shot *shots;		/* ping * count + target, in the order of sending */
	size_t shot_count, next, oldest, open;	/* next to send; oldest that may be open; how many are open */
	uint32_t by_sequence[ECHO_SEQUENCES];	/* the last shot with it, plus 1; 0: none */
	const struct ping_plan *plan;
	int64_t timeout_us;		/* of this round */
	struct ping_results *results;
};

static inline int echo_family(const struct ping_target *t) { return t->to.any.sa_family == AF_INET6; }

/* Settles the fate of a ping, once. `at` is ping * count + target. */
void echo_finish(struct echo *e, size_t at, float rtt_us);
/* Takes all replies and ICMP errors that are there; never waits. */
void echo_fetch(struct echo *e);
/* ICMP errors alone, a bounded number: a pending one would fail the next send. */
void echo_fetch_errors(struct echo *e, int family);

#endif
