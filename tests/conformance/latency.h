/*
 * latency.h - what the clusters of generate.h lack, for tests of the whole scheduler: latency requests of pods, and a matrix.
 *
 * Nodes are n-0 .. as there, clients milan and osaka.
 */
#ifndef TESTS_CONFORMANCE_LATENCY_H
#define TESTS_CONFORMANCE_LATENCY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "tests/testing/testing.h"

/* Some of near, within, missing and delay_ labels; often none. False: a request that cannot be read. */
bool latency_ask(struct rng *r, uint32_t nodes, cJSON *pod);
/* The text of cluster-latency.json, written now: random round trips, jitter, loss, loads and ages, some of them unknown. */
void latency_matrix(struct rng *r, uint32_t nodes, struct buf *out);

#endif
