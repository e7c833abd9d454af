/*
 * wire.h - a network of our own whose far hosts are code of the test. A network namespace has a veth pair; one end is an ordinary
 * interface, behind the other a thread answers echo requests for every address, as late, as often and as wrongly as the test says.
 *
 *	here: v0 10.77.0.1/16, fd77::1/64  ----veth----  v1: a thread with a packet socket = all of 10.77.x.y and fd77::x
 *
 * wire_enter is the first thing in main(): it runs the program again inside `unshare -Urnm` (an ordinary user may do that, and is root
 * there), with lo and v0 up and ping sockets permitted. All goes with the process.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

void wire_enter(char **argv);
/* Runs a shell command in the namespace; fails the test when it fails. */
void wire_run(const char *command);

struct wire_ping {
	bool v6;
	uint32_t host;			/* the last 16 bits of the address: 10.77.1.2 is 0x0102 */
	uint16_t ident, sequence;
	uint32_t nth;			/* 0, 1, ... of this host */
};

struct wire_answer {
	bool silent;
	int64_t delay_us;
	int copies;			/* 1 */
	int64_t copy_delay_us;		/* between copies */
	uint32_t from_host;		/* 0: the right one */
	bool spoil_payload;		/* another nonce */
	bool spoil_checksum;
	uint16_t cut_to;		/* bytes of ICMP that are sent; 0: all */
	bool unreachable;		/* an ICMP error instead of the reply (IPv4) */
};

/* Called on the wire's thread. The answer is {.copies = 1}: an honest one at once. */
typedef void wire_behaviour(void *arg, const struct wire_ping *ping, struct wire_answer *answer);

/* Starts the thread, or gives it another behaviour and begins to count afresh. */
void wire_behave(wire_behaviour *behave, void *arg);
/* Echo requests seen since then. */
uint32_t wire_seen(void);

#endif
