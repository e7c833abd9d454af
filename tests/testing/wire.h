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
/*
 * The same in parts that run side by side, each in a network of its own: returns the name of ours. The program's first argument chooses one.
 * Without it, all are run, what they print comes out in one piece each, and the program ends, with 0 when all did.
 */
const char *wire_enter_each(char **argv, const char *const *parts);
/* Runs a shell command in the namespace; fails the test when it fails. */
void wire_run(const char *command);

struct wire_answer {		/* {0}: an honest one at once */
	bool silent;
	int64_t delay_us;
	int more_copies;
	int64_t copy_delay_us;		/* between copies */
	uint32_t from_host;		/* 0: the right one */
	bool spoil_payload;		/* another nonce */
	bool spoil_checksum;
	uint16_t cut_to;		/* bytes of ICMP that are sent; 0: all */
	bool unreachable;		/* an ICMP error instead of the reply (IPv4) */
};

/* All hosts are honest again, and counting begins afresh. Call it before each test; the first time it starts the thread. */
void wire_reset(void);
/* What a host answers from now on. A host is the last 16 bits of its address: 0x0102 is 10.77.1.2 and fd77::102. */
void wire_rule(uint32_t host, struct wire_answer answer);
/* The same for its n-th ping alone (0, 1, ... since wire_reset). */
void wire_rule_nth(uint32_t host, uint32_t nth, struct wire_answer answer);
/* Echo requests seen since wire_reset. */
uint32_t wire_seen(void);
/* Most of them within a tenth of a second. */
uint32_t wire_busiest(void);

#endif
