/*
 * services.h - clients that Services name, by the annotation `latency-mesh.io/client`:
 *
 *	latency-mesh.io/client: milan					the address of the Service itself
 *	latency-mesh.io/client: milan=203.0.113.7, turin=2001:db8::7	hosts outside of the cluster
 *
 *	struct services *s = services_new(complaints);
 *	services_take(s, service);			// for each Service of the list, in any order
 *	services_clients(s, &clients);			// adds to what a file said, which wins
 *	services_free(s);
 *
 * A Service's own address is the first of status.loadBalancer.ingress[].ip, spec.externalIPs[] and spec.externalName that a host can have; without one the
 * client is listed and not pinged: its load balancer may be on its way, and observations may name it. Unspecified, loopback, link-local, multicast and
 * broadcast addresses are no host's: whoever may edit a Service shall not make every node ping those.
 *
 * An annotation is taken whole or not at all. Of two Services with one name the first by NAMESPACE/NAME has it. Each trouble is logged once, with the
 * Service, SERVICES_LINES_MAX a run, and touches no other Service.
 */
#ifndef MERGE_SERVICES_H
#define MERGE_SERVICES_H

#include <cjson/cJSON.h>

#include "lib/peers.h"
#include "merge/complaints.h"

#define SERVICES_ANNOTATION "latency-mesh.io/client"
#define SERVICES_LINES_MAX 20		/* about Services in one run; the rest is said in the next */

struct services;

struct services *services_new(struct complaints *complaints);
void services_take(struct services *s, const cJSON *service);
void services_forget(struct services *s);		/* what was taken: the list is begun anew */
/* Adds to `clients`, which has SNAPSHOT_MAX_CLIENTS at most afterwards, and says what is wrong. */
void services_clients(struct services *s, struct peer_list *clients);
void services_free(struct services *s);			/* NULL is fine */

#endif
