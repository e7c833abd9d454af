/*
 * pinger.h - sends the pings of a round and says what became of each. Two back-ends behind one table:
 *
 *	oping	liboping on raw sockets (CAP_NET_RAW), fenced in as pinger_oping.c explains. Cheapest, and the least noise on near peers.
 *	socket	the kernel's ping sockets (SOCK_DGRAM, IPPROTO_ICMP): no privilege where net.ipv4.ping_group_range has our group.
 *		Source and a random nonce of every reply are checked (liboping checks neither), ICMP errors end a wait at once, and
 *		waiting for one peer never delays another: for meshes with many dead or far peers.
 *	auto	oping where it is permitted, else socket.
 *
 * Calling order: pinger_open, then pinger_set_targets whenever the list changed, then pinger_round again and again; all by one
 * thread. A round blocks until every ping is answered or given up, or signals_stop(). It sends `pings` passes over all targets:
 *
 *	pass 0    |-t0-t1-t2-...|              spread over the spacing, so that neither we nor a switch sees a burst
 *	pass 1                   |-t0-t1-...|
 *	          |<- spacing ->|
 *
 * Round-trip times are from our clock just before the send to the kernel's stamp of the reply, and are believed only where the
 * monotonic clock agrees; a step of the wall clock voids the pings that it touched.
 */
#ifndef PROBE_PINGER_H
#define PROBE_PINGER_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/metrics.h"

struct ping_target {
	char addr[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];	/* numeric; a v4-mapped address is written as IPv4 */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;
};

/* LM_DATA when the text is no address, that of no single host (multicast, broadcast, 0.0.0.0), or its %zone no interface of this machine. */
int ping_target_init(struct ping_target *target, const char *addr, struct lm_err *err);

struct ping_plan {
	uint32_t pings;			/* for each target */
	int64_t spacing_us;		/* from the begin of one pass to the next */
	int64_t timeout_us;		/* a later reply is a lost ping */
	int64_t least_timeout_us;	/* a back-end may give up that early where the round would not fit its budget */
	int64_t budget_us;		/* for the whole round */
};

/* What became of a ping is its round-trip time in microseconds or one of these. */
#define PING_LOST (-1.0f)
#define PING_VOID (-2.0f)		/* not known: not sent before we were stopped, or the clock stepped. Counts as nothing */

struct ping_results {
	float *rtt_us;			/* target * pings + ping */
	int64_t *at_ms;			/* by ping: monotonic time when its pass began */
	size_t targets;
	uint32_t pings;
};

/* Everything void. Memory is kept and reused. */
void ping_results_reset(struct ping_results *r, size_t targets, uint32_t pings);
void ping_results_free(struct ping_results *r);
static inline float *ping_result(const struct ping_results *r, size_t target, uint32_t ping) { return &r->rtt_us[target * r->pings + ping]; }

struct pinger;

struct pinger_ops {
	const char *name;
	/* LM_PERM with the way out in the text. */
	int (*open)(struct metrics *m, struct pinger **out, struct lm_err *err);
	/* `targets` is copied; addresses are distinct. State of an address that was there before is kept. */
	void (*set_targets)(struct pinger *p, const struct ping_target *targets, size_t count);
	/* Fills the results, which the caller has reset. */
	void (*round)(struct pinger *p, const struct ping_plan *plan, struct ping_results *results);
	void (*close)(struct pinger *p);
};

struct pinger {				/* the head of each back-end's own struct */
	const struct pinger_ops *ops;
	struct metrics *m;
};

extern const struct pinger_ops pinger_oping, pinger_socket;

enum pinger_kind { PINGER_AUTO, PINGER_OPING, PINGER_SOCKET };
extern const char *const pinger_names[];		/* in the order of the enum, NULL at the end */

int pinger_open(enum pinger_kind kind, struct metrics *m, struct pinger **out, struct lm_err *err);
static inline void pinger_set_targets(struct pinger *p, const struct ping_target *t, size_t n) { p->ops->set_targets(p, t, n); }
static inline void pinger_round(struct pinger *p, const struct ping_plan *plan, struct ping_results *r) { p->ops->round(p, plan, r); }
static inline void pinger_close(struct pinger *p) { p->ops->close(p); }

/* For the back-ends: wall clock minus monotonic clock, to tell a step of the former; packets that a socket dropped so far. */
int64_t pinger_clock_offset_us(void);
uint32_t pinger_socket_drops(int fd);

#endif
