/*
 * bare.h - what the API server can take: bindings and Scheduled events by a loop that knows all pods beforehand, watches nothing and
 * decides nothing. The same client, connections and numbers in flight as latency-sched's.
 */
#ifndef TESTS_E2E_BARE_H
#define TESTS_E2E_BARE_H

#include <cjson/cJSON.h>

#define BARE_BINDINGS 16		/* in flight: --bindings of latency-sched */
#define BARE_EVENTS 8			/* OUTBOX_FLIGHT */

/* Binds each pod of a List to one of NODES nodes, PREFIX-0.., in turn; an event follows each. Returns when all were answered, each with 201. */
void bare_bind(const char *kubeconfig, const cJSON *pods, const char *prefix, int nodes);

#endif
