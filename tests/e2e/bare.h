/*
 * bare.h - what the API server can take: bindings and Scheduled events by a loop that knows all pods beforehand, watches nothing and
 * decides nothing. The same client, connections and number in flight as latency-sched's; there as here a binding holds its place until its
 * event was answered.
 */
#ifndef TESTS_E2E_BARE_H
#define TESTS_E2E_BARE_H

#include <cjson/cJSON.h>

#define BARE_FLIGHT 16			/* --bindings of latency-sched */

/* Binds each pod of a List to one of NODES nodes, PREFIX-0.., in turn; an event follows each. Returns when all were answered, each with 201. */
void bare_bind(const char *kubeconfig, const cJSON *pods, const char *prefix, int nodes);

#endif
