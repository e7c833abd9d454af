/*
 * pod.h - a pod as the scheduler needs it, parsed once from the API's object. Immutable after pod_parse; owned by the cache.
 */
#ifndef SCHED_CACHE_POD_H
#define SCHED_CACHE_POD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "sched/ask.h"
#include "sched/cache/labels.h"
#include "sched/cache/resources.h"

struct toleration {
	char *key, *value;		/* "" when absent */
	bool exists;			/* operator Exists */
	bool never;			/* an operator that is off by default (Lt, Gt) or unknown: matches nothing */
	char *effect;			/* "": every effect */
};

struct host_port {
	char *ip;			/* "" is every address; "0.0.0.0" too */
	char *protocol;			/* "TCP" */
	int32_t port;
};

/* One required pod (anti-)affinity term. */
struct affinity_term {
	struct selector selector;
	struct selector namespaces_of;	/* namespaceSelector */
	char **namespaces;		/* the pod's own when both are absent */
	uint32_t namespace_count;
	char *topology_key;
};

/* A pending pod with more is not placed. */
#define POD_LIST_MAX 1000		/* tolerations, terms and expressions of its node affinity, host ports */
#define POD_RESOURCES_MAX 64		/* extended resources and huge pages */

struct pod {
	char *uid, *namespace_, *name, *resource_version;
	char *node;			/* spec.nodeName; "" */
	char *scheduler_name;
	char *nominated_node;		/* status.nominatedNodeName; "" */
	char *owner_kind, *owner_name, *owner_uid;	/* the controlling owner; "" */
	char *controller;		/* owner's name; a ReplicaSet's without its -<pod-template-hash>; "" */
	int32_t priority;
	int64_t generation;		/* metadata.generation */
	int64_t created_ms;
	bool terminal;			/* Succeeded or Failed */
	bool terminating;		/* deletionTimestamp */
	bool gated;			/* scheduling gates */
	char *condition_reason, *condition_message;	/* of PodScheduled when it is False, as the server has it; NULL: none */
	struct labels labels;
	struct labels node_selector;
	struct node_selector node_affinity;
	struct toleration *tolerations;
	uint32_t toleration_count;
	struct host_port *ports;
	uint32_t port_count;
	char *os;			/* spec.os.name; "" */
	struct resources requests;
	struct affinity_term *anti_affinity;	/* required */
	uint32_t anti_affinity_count;
	/* The first field that this scheduler does not support yet: "spec.topologySpreadConstraints[0]". NULL: none. The pod waits with that reason. */
	char *unsupported;
	char *broken;			/* a field that could not be understood (a bad quantity) or is too long: the pod waits with that text; NULL */
	struct ask ask;			/* what it wants of the network; for pods of other schedulers too (unused) */
};

/* From the API's JSON. Only missing identity (uid, name, namespace) is an error; all else is kept in `broken`. */
struct pod *pod_parse(const cJSON *object, struct lm_err *err);
void pod_free(struct pod *pod);
/* "default/web" */
void pod_key(const struct pod *pod, char *text, size_t size);

#endif
