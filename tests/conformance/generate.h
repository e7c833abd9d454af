/*
 * generate.h - random clusters with pods to decide, from a seed: the same seed and number give the same cluster, whatever was made before.
 *
 *	cJSON *objects = generate(seed, number, &(struct plan){.topics = TOPIC_ALL, .pods = 50});
 *
 * An array of API objects as plane_load takes them. The pods to decide are those of PLANE_SCHEDULER. Chances are set so that every filter refuses often
 * and most pods still have a node; values are often odd (0.1, 1e3, 1Ei, 100m, labels that are missing or empty, empty selectors).
 *
 * A topic's part is generate_TOPIC.c; struct scene is what they share.
 */
#ifndef TESTS_CONFORMANCE_GENERATE_H
#define TESTS_CONFORMANCE_GENERATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/testing/testing.h"

enum {				/* bits */
	TOPIC_NODES = 1,	/* unschedulable nodes, odd ones */
	TOPIC_TAINTS = 2,
	TOPIC_AFFINITY = 4,	/* to nodes */
	TOPIC_PORTS = 8,
	TOPIC_RESOURCES = 16,
	TOPIC_VOLUMES = 32,
	TOPIC_SPREAD = 64,
	TOPIC_PODAFFINITY = 128,
	TOPIC_NOMINATED = 256,
	TOPIC_FEATURES = 512,
	TOPIC_RESIZE = 1024,
	TOPIC_ALL = 2047,
};
/* "nodes,taints"; "all". 0: an unknown word. */
unsigned topics_parse(const char *text);

struct plan {
	unsigned topics;
	uint32_t pods;			/* to decide */
	uint32_t most_nodes;		/* 40 */
};

cJSON *generate(uint64_t seed, uint32_t number, const struct plan *plan);

/* --- for the parts --- */

struct scene {
	struct rng rng;
	const struct plan *plan;
	unsigned focus;			/* a topic that is frequent in this cluster, while the others are seldom; 0: none */
	double taints;			/* chance of each taint on a node */
	uint32_t nodes, residents;	/* counts: n-0.. and r-0.., the pods on nodes */
	cJSON *objects;
};

/* True with about that chance, if the topic is chosen. */
bool scene_has(struct scene *s, unsigned topic, double chance);
const char *scene_namespace(struct scene *s);
/* n-3; sometimes one that does not exist. The string lives until the next call. */
const char *scene_node(struct scene *s);
/* A selector of labels that pods have; may be {}, or null when `may_be_nil`. */
cJSON *scene_selector(struct scene *s, bool may_be_nil);
const char *scene_domain(struct scene *s);	/* a topology key; sometimes one that few nodes have */

void generate_nodes(struct scene *s);
void generate_namespaces(struct scene *s);
void generate_pods(struct scene *s);
void generate_storage(struct scene *s);

/* Parts of a pod that has metadata and spec.containers; `pending`: it is one to decide. */
void generate_requests(struct scene *s, cJSON *pod, bool pending);
void generate_resize(struct scene *s, cJSON *pod);
void generate_ports(struct scene *s, cJSON *pod);
void generate_tolerations(struct scene *s, cJSON *pod);
void generate_node_affinity(struct scene *s, cJSON *pod);
void generate_pod_affinity(struct scene *s, cJSON *pod, bool pending);
void generate_spread(struct scene *s, cJSON *pod);
void generate_volumes(struct scene *s, cJSON *pod, bool pending);
void generate_features(struct scene *s, cJSON *pod);

#endif
