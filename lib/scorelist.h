/*
 * scorelist.h - the body of /scores, of the probe and of the scheduler alike: for each node two shares in 0..1, of which lower is better, as each entry says.
 *
 *	[{"hostname":"n1","cpuEwmaScore":0.2,"latencyEwmaScore":0.6,"better":"lower"},
 *	 {"hostname":"n2","cpuEwmaScore":null,"latencyEwmaScore":null,"better":"lower"}]
 *
 * cpuEwmaScore is the share of the processors in use, latencyEwmaScore a round trip / 500 ms, not above 1. null is unknown, never 0. The names are those
 * that clients of an earlier extender read.
 */
#ifndef LIB_SCORELIST_H
#define LIB_SCORELIST_H

#include "lib/buf.h"

#define SCORELIST_FAR_US 500e3		/* scores 1 */

/* To an empty buffer, node by node; then the end. NaN is unknown. */
void scorelist_add(struct buf *out, const char *hostname, double cpu, double latency);
void scorelist_end(struct buf *out);
double scorelist_latency(double rtt_us);	/* of a round trip; NaN stays NaN */

#endif
