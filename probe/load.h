/*
 * load.h - how busy this node is: processors from /proc/stat, traffic from /proc/net/dev, each smoothed by an exponentially
 * weighted moving average over time:  value += (sample - value) * (1 - exp(-dt / tau)).
 *
 * A step is followed to 63 % within tau, which is --window. The counters are those of the network namespace that we run in; in the
 * host's, the interfaces of the default routes (IPv4 and IPv6) are the node's links. A counter that goes back (an interface was
 * made anew) or an interface that comes starts afresh. Processor time that the hypervisor took (steal) counts as busy, waiting
 * for disks does not. Used by the probing thread.
 */
#ifndef PROBE_LOAD_H
#define PROBE_LOAD_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_INTERFACES 16

struct load_interface {
	char name[IF_NAMESIZE];
	uint64_t rx_bytes, tx_bytes;
	bool seen;			/* the counters are of the last look */
};

struct load {
	double tau_s;
	double cpu, rx_bytes_per_s, tx_bytes_per_s;	/* smoothed; NaN before the second look */
	uint64_t busy, total;				/* processor time, ticks */
	int64_t last_us;				/* monotonic time of the last look; 0: none */
	struct load_interface interfaces[LOAD_INTERFACES];
	size_t interface_count;
};

struct load_texts {		/* of /proc, NULL where a file is missing */
	const char *stat, *route, *ipv6_route, *dev;
};

void load_init(struct load *l, double tau_s);
/* `names` (may be empty: the default routes') chooses the interfaces. */
void load_look(struct load *l, const char *const *names, size_t name_count, int64_t now_us);
/* The same from given texts: a function of its input. */
void load_feed(struct load *l, const struct load_texts *t, const char *const *names, size_t name_count, int64_t now_us);

#endif
