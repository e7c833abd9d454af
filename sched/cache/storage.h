/*
 * storage.h - claims, volumes, classes and what CSI drivers say of nodes, as the volume filters need them (object.h: how they are made).
 */
#ifndef SCHED_CACHE_STORAGE_H
#define SCHED_CACHE_STORAGE_H

#include "sched/cache/object.h"

enum {				/* bits of access_modes */
	ACCESS_READ_WRITE_ONCE = 1,
	ACCESS_READ_ONLY_MANY = 2,
	ACCESS_READ_WRITE_MANY = 4,
	ACCESS_READ_WRITE_ONCE_POD = 8,
};

struct claim {
	struct object object;
	char *class_name;		/* of the annotation volume.beta.kubernetes.io/storage-class, else of the spec; "" */
	bool has_class;			/* "" may be meant: no class */
	char *volume_name;		/* "" while unbound */
	bool bind_completed;		/* annotation pv.kubernetes.io/bind-completed */
	char *selected_node;		/* annotation volume.kubernetes.io/selected-node; "" */
	bool lost, deleting, bound_phase;
	char *owner_uid;		/* of its controller: an ephemeral volume's pod; "" */
	unsigned access_modes;
	char *volume_mode;		/* "Filesystem" when absent */
	char *attributes_class;		/* volumeAttributesClassName; "" */
	struct selector selector;	/* nil when absent: then every volume will do */
	int64_t request_bytes;
};

struct volume {
	struct object object;
	struct labels labels;
	struct node_selector node_affinity;	/* spec.nodeAffinity.required */
	char *class_name, *volume_mode, *attributes_class;
	unsigned access_modes;
	int64_t capacity_bytes;
	bool has_claim;			/* claimRef */
	char *claim_namespace, *claim_name, *claim_uid;
	char *phase;			/* "Available" ... */
	bool deleting;
	char *driver, *handle;		/* of spec.csi, or of what kube-scheduler translates to CSI; "" */
	bool bound_by_controller;	/* annotation pv.kubernetes.io/bound-by-controller */
};

struct storage_class {
	struct object object;
	char *provisioner;
	bool waits;			/* volumeBindingMode WaitForFirstConsumer */
	struct node_selector topologies;	/* allowedTopologies: terms of "In"; absent allows every node */
};

struct csi_node {			/* its name is the node's */
	struct object object;
	struct csi_node_driver {
		char *name;
		bool has_count;
		int32_t count;		/* allocatable.count */
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
	bool has_capacity, has_maximum;
	int64_t capacity_bytes, maximum_bytes;
};

struct attachment {
	struct object object;
	char *attacher, *node, *volume_name;	/* spec.source.persistentVolumeName; "" when inline */
};

#endif
