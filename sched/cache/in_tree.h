/*
 * in_tree.h - volumes of the old in-tree plugins as volumes of the CSI drivers that took them over, as far as a decision needs it: for the
 * limits of nodes (the driver's name and its handle of the volume), and for where a volume may be used (its topology keys).
 *
 * Done: GCE PD, AWS EBS, Azure Disk, Cinder, Portworx; of inline volumes and of PersistentVolumes. Azure File and vSphere have drivers, too, but
 * kube-scheduler counts neither. An inline disk that its driver could not name is refused by name (unsupported.h), since kube-scheduler fails
 * on it; a PersistentVolume like that keeps its pod off the nodes where the plugin is migrated, and counts nowhere. Not done: translating
 * StorageClasses (kube-scheduler does not either), parameters, and volumes back to the plugin.
 */
#ifndef SCHED_CACHE_IN_TREE_H
#define SCHED_CACHE_IN_TREE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "sched/cache/labels.h"

struct in_tree {
	const char *source;		/* the member of a volume: "gcePersistentDisk" */
	const char *id;			/* the member of that which names the disk */
	const char *plugin;		/* also a StorageClass's provisioner: "kubernetes.io/gce-pd" */
	const char *driver;		/* "pd.csi.storage.gke.io" */
	const char *topology;		/* the driver's key of a zone; NULL: keys stay as they are */
	bool counts;			/* against a node's limits */
};

const struct in_tree *in_tree_of_plugin(const char *plugin);	/* NULL: none */
/* The one of a pod's volume or of a PersistentVolume's spec; NULL: none. */
const struct in_tree *in_tree_of_source(const cJSON *volume);

/* The driver's handle. `labels` are the PersistentVolume's, NULL for an inline volume. NULL: it can't be translated. The caller frees. */
char *in_tree_handle(const struct in_tree *t, const cJSON *volume, const struct labels *labels);
/* A PersistentVolume's spec.nodeAffinity.required (may be NULL) with the driver's keys. */
void in_tree_affinity(const struct in_tree *t, const cJSON *required, const struct labels *labels, struct node_selector *out);

#endif
