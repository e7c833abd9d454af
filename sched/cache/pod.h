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

/* A preferred one. */
struct weighted_term {
	int32_t weight;			/* 1..100 */
	struct affinity_term term;
};

/* A topologySpreadConstraint. */
struct spread {
	int32_t max_skew;
	char *topology_key;
	bool hard;			/* DoNotSchedule; else ScheduleAnyway */
	int32_t min_domains;		/* 1 when absent */
	bool honor_affinity;		/* nodeAffinityPolicy: true when absent */
	bool honor_taints;		/* nodeTaintsPolicy: false when absent */
	struct selector selector;	/* with what matchLabelKeys adds of the pod's own labels */
};

/* A preferred node affinity. */
struct weighted_node_term {
	int32_t weight;
	struct node_selector selector;	/* one term */
};

/* A volume that a filter asks about. */
struct pod_volume {
	bool of_claim;			/* else it is inline */
	char *claim;			/* name of the PersistentVolumeClaim, in the pod's namespace */
	bool ephemeral;			/* the claim is made for this pod, and has to belong to it */
	struct inline_disk {		/* NULL: none. What VolumeRestrictions compares */
		enum inline_kind { INLINE_GCE, INLINE_AWS, INLINE_ISCSI, INLINE_RBD } kind;
		char *id;		/* pdName, volumeID, iqn; of rbd "pool/image" */
		char **monitors;	/* of rbd */
		uint32_t monitor_count;
		bool read_only;
	} *disk;
	char *driver, *handle;		/* inline CSI-migrated volumes (in_tree.h): what counts against a node's limit; "" */
};

/* A pending pod with more is not placed. */
#define POD_LIST_MAX 1000		/* tolerations, terms and expressions of its affinities and of its spreading, host ports, images */
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
	int64_t grace_s;		/* deletionGracePeriodSeconds; 0 when it is not terminating */
	bool mirror;			/* of a static pod: annotation kubernetes.io/config.mirror */
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
	struct affinity_term *affinity, *anti_affinity;	/* required */
	uint32_t affinity_count, anti_affinity_count;
	struct weighted_term *prefers, *avoids;		/* preferred affinity and anti-affinity */
	uint32_t prefers_count, avoids_count;
	struct weighted_node_term *prefers_nodes;
	uint32_t prefers_nodes_count;
	struct spread *spreads;
	uint32_t spread_count;
	struct pod_volume *volumes;	/* in the order of spec.volumes */
	uint32_t volume_count;
	/* The first of its volumes that nobody can place without knowing claims, volumes and CSI nodes: "spec.volumes[0].ephemeral". NULL: none. */
	char *needs_storage;
	uint64_t *images;		/* image_name of its containers, init containers and volumes, one each */
	uint32_t image_count, container_count;	/* of both kinds */
	unsigned features;		/* FEATURE_ bits: what a node has to have */
	/* The first field that this scheduler does not support yet: "spec.resourceClaims". NULL: none. The pod waits with that reason. */
	char *unsupported;
	char *broken;			/* a field that could not be understood (a bad quantity) or is too long: the pod waits with that text; NULL */
	char *covers;			/* annotation latency-mesh.io/covers (reserve/who.h) of a pod that has the label latency-mesh.io/role; NULL */
	struct ask ask;			/* what it wants of the network; for pods of other schedulers too (unused) */
};

enum {				/* bits of features, and of a node's (node.h) */
	FEATURE_RESTART_ALL_CONTAINERS = 1,
	FEATURE_USER_NAMESPACES_HOST_NETWORK = 2,
	FEATURES_DECLARED = 3,	/* those that kube-scheduler looks at: status.declaredFeatures */
	FEATURE_GROUPS_POLICY = 4,	/* status.features.supplementalGroupsPolicy: the kubelet refuses a pod whose policy is Strict without it */
};

/* From the API's JSON. Only missing identity (uid, name, namespace) is an error; all else is kept in `broken`. */
struct pod *pod_parse(const cJSON *object, struct lm_err *err);
/*
 * For a decision by latency and load alone, on a pod that another scheduler filters: its identity, labels, owner, what it asks for and its requests. What only
 * other filters and scores look at is empty (selector, tolerations, ports, terms, volumes, features, conditions), and so are `unsupported` and `broken`'s limits.
 */
struct pod *pod_parse_asking(const cJSON *object, struct lm_err *err);
void pod_free(struct pod *pod);
/* "default/web" */
void pod_key(const struct pod *pod, char *text, size_t size);

#endif
