/*
 * topology.h - who is in the laboratory and how far apart: read from a file of lines
 *
 *	host NAME ZONE [pid N]		client NAME [pid N]
 *	pair A B MS [loss SHARE] [jitter MS]		both directions alike, half of the round trip on each
 *	wire FROM TO MS [loss SHARE] [jitter MS]	one direction
 *
 * Host number i has the address 10.1.0.(i+1). The file in force in the guest is /run/lab/topology: PID 1 writes it with the
 * process that keeps each host's namespaces, lab_wire (guest.h) writes it again with each change. It is the truth that
 * measurements and placements are judged by.
 */
#ifndef TESTS_LAB_TOPOLOGY_H
#define TESTS_LAB_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/err.h"

#define TOPOLOGY_LIVE "/run/lab/topology"
#define TOPOLOGY_MAX_HOSTS 15			/* prio has 16 bands, one is for everything else */
#define TOPOLOGY_NAME 64

struct wire {					/* one direction between two hosts */
	double delay_ms, jitter_ms;
	double loss;				/* 0..1 */
};

struct host {
	char name[TOPOLOGY_NAME], zone[TOPOLOGY_NAME];
	char addr[16];
	bool client;				/* no probe, no volume */
	pid_t pid;				/* keeps its namespaces; 0 before it is up */
};

struct topology {
	struct host host[TOPOLOGY_MAX_HOSTS];
	int count;
	struct wire wire[TOPOLOGY_MAX_HOSTS][TOPOLOGY_MAX_HOSTS];	/* [from][to] */
};

int topology_load(const char *path, struct topology *t, struct lm_err *err);
void topology_write(const struct topology *t, struct buf *out);
int topology_find(const struct topology *t, const char *name);			/* -1 when not */
double topology_rtt_ms(const struct topology *t, int a, int b);			/* without jitter; 0 to itself */
double topology_loss(const struct topology *t, int a, int b);			/* of a ping: there or back; 0..1 */

#endif
