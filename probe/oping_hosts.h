/*
 * oping_hosts.h - which liboping object holds which host. Private to pinger_oping.c.
 *
 * Hosts stand in groups, one liboping object each, of at most 100; hosts that do not answer stand in quiet groups of their own. Every host
 * has an ident that no other host of this process has. Each group owns up to two raw sockets, which hear all ICMP of the machine
 * unless they are shut.
 */
#ifndef PROBE_OPING_HOSTS_H
#define PROBE_OPING_HOSTS_H

#include <oping.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/names.h"
#include "probe/pinger.h"

#define OPING_GROUP_HOSTS 100
#define OPING_IDENTS 65536

struct oping_group {
	pingobj_t *obj;
	uint32_t hosts[2];		/* how many, by family: IPv4, IPv6 */
	int fd[2];			/* its raw sockets; -1 while there is none */
	uint32_t drops[2];		/* of the sockets, so far */
	bool quiet;
};

struct oping_host {
	pingobj_iter_t *iter;		/* NULL: liboping refused the address; its context is this host */
	struct oping_group *group;
	uint16_t ident;
	int family;			/* 0 IPv4, 1 IPv6 */
	unsigned sequence;		/* of the next ping, as last seen */
	uint32_t answers;		/* in this round */
	uint32_t target;
};

struct oping_hosts {
	struct names addrs;		/* of the targets */
	struct oping_host *items;	/* one a target */
	struct oping_group **groups;
	size_t group_count, group_room;
	uint8_t used[OPING_IDENTS / 8];	/* idents */
};

void oping_hosts_set(struct oping_hosts *o, const struct ping_target *targets, size_t count);
void oping_hosts_free(struct oping_hosts *o);
/* Adds the host, or takes it to the other kind of group. A new ident comes with it, so that what is still on its way is not mistaken. */
void oping_host_place(struct oping_hosts *o, struct oping_host *h, bool quiet);
/* Destroys groups that have become empty. */
void oping_hosts_tidy(struct oping_hosts *o);

static inline uint32_t oping_group_size(const struct oping_group *g) { return g->hosts[0] + g->hosts[1]; }
/* Open sockets pass echo replies, shut ones nothing. */
void oping_group_filter(struct oping_hosts *o, struct oping_group *g, bool open);
/* Packets that its sockets have dropped since the last call. */
uint32_t oping_group_drops(struct oping_group *g);

unsigned oping_sequence(pingobj_iter_t *iter);
double oping_latency_us(pingobj_iter_t *iter);	/* negative: no reply */

#endif
