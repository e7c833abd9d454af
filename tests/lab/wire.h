/*
 * wire.h - delay, jitter and loss between the hosts: netem, set by tc in the guest's first network namespace.
 *
 * Each host is reached through a veth whose other end stands on the bridge there. What leaves that end goes to the host, so its
 * qdisc sees all directions towards it: prio with a band for each sender, a u32 filter by the sender's address, netem on the
 * band. Everything else (the NFS server, ARP) takes the first band, without delay. One tc process sets all of them.
 */
#ifndef TESTS_LAB_WIRE_H
#define TESTS_LAB_WIRE_H

#include "lib/err.h"
#include "tests/lab/topology.h"

/* Makes the bridge and the veths into the namespaces of t->host[].pid; the hosts' addresses are their own affair (host.c). */
int wire_links(const struct topology *t, struct lm_err *err);
/* Everything; once, after wire_links. */
int wire_all(const struct topology *t, struct lm_err *err);
/* What the topology says of one direction, and of the other when `both`. */
int wire_change(const struct topology *t, int from, int to, bool both, struct lm_err *err);

#endif
