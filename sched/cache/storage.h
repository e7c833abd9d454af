/*
 * storage.h - claims, volumes, classes and what CSI drivers say of nodes, as the volume filters need them (object.h: how they are made).
 *
 * Where the API server fills in a default (volumeMode, volumeBindingMode), so do the parsers, for objects from files. Sizes are whole bytes,
 * rounded up. In-tree volumes are known by the CSI driver that took them over: see in_tree.h for which, and for what is not done.
 */
#ifndef SCHED_CACHE_STORAGE_H
#define SCHED_CACHE_STORAGE_H

#include "sched/cache/in_tree.h"
#include "sched/cache/object.h"

enum {				/* bits of access_modes */
	ACCESS_READ_WRITE_ONCE = 1,
	ACCESS_READ_ONLY_MANY = 2,
	ACCESS_READ_WRITE_MANY = 4,
	ACCESS_READ_WRITE_ONCE_POD = 8,
};

struct claim {
	struct object object;
	char *class_name;		/* of the annotation volume.beta.kubernetes.io/storage-class, else of the spec; "": none */
	char *volume_name;		/* "" while unbound */
	bool bind_completed;		/* annotation pv.kubernetes.io/bind-completed; with a volume_name: the claim is bound */
	char *selected_node;		/* annotation volume.kubernetes.io/selected-node: it is being made for that node; NULL: absent */
	bool lost, deleting;
	char *owner_uid;		/* of its controller: an ephemeral volume's pod; "" */
	unsigned access_modes;
	char *volume_mode;		/* "Filesystem" when absent */
	char *attributes_class;		/* volumeAttributesClassName; "" */
	struct selector selector;	/* nil when absent: then every volume will do */
	bool has_request;
	int64_t request_bytes;		/* 0 when absent */
};

struct volume {
	struct object object;
	struct labels labels;
	struct node_selector node_affinity;	/* spec.nodeAffinity.required */
	struct node_selector migrated_affinity;	/* the same with the CSI driver's keys: for nodes where in_tree's plugin is migrated */
	char *class_name, *volume_mode, *attributes_class;	/* as a claim's */
	unsigned access_modes;
	int64_t capacity_bytes;
	bool has_claim;			/* claimRef */
	char *claim_namespace, *claim_name, *claim_uid;	/* claim_uid "": any claim of that name */
	char *phase;			/* "Available" ... */
	bool deleting;
	const struct in_tree *in_tree;	/* it is such a plugin's, and counts as its CSI driver's; NULL: it is not */
	char *driver, *handle;		/* of spec.csi, or as in_tree has it; "" */
	bool untranslated;		/* of in_tree, but its driver could not name it */
};

struct storage_class {
	struct object object;
	char *provisioner;
	bool waits;			/* volumeBindingMode WaitForFirstConsumer; else Immediate */
	struct node_selector topologies;	/* allowedTopologies: terms of "In"; absent allows every node */
};

struct csi_node {			/* its name is the node's */
	struct object object;
	struct csi_node_driver {
		char *name;
		bool has_count;
		int64_t count;		/* allocatable.count */
	} *drivers;
	uint32_t driver_count;
	char **migrated;		/* annotation storage.alpha.kubernetes.io/migrated-plugins */
	uint32_t migrated_count;
};

struct csi_driver {
	struct object object;
	bool storage_capacity;
};

struct storage_capacity {
	struct object object;
	char *class_name;
	struct selector node_topology;	/* nil matches no node */
	bool has_limit;			/* without one no volume fits */
	int64_t limit_bytes;		/* maximumVolumeSize, else capacity */
};

struct attachment {
	struct object object;
	char *attacher, *node, *volume_name;	/* spec.source.persistentVolumeName; "" when inline */
};

/* A claim that is fully bound; one with a volume_name that is not was meant for it by somebody and waits for the volume controller. */
static inline bool claim_is_bound(const struct claim *claim)
{
	return claim->volume_name[0] && claim->bind_completed;
}

/* Whether the plugin of an in-tree volume is migrated on a node. `node` NULL: no. */
bool csi_node_migrates(const struct csi_node *node, const struct in_tree *in_tree);

#endif
