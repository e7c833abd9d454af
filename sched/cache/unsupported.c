#include "sched/cache/unsupported.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/cache/in_tree.h"
#include "sched/cache/read.h"

#define POD_GROUP "scheduling.x-k8s.io/pod-group"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

/* What the volume filters know, and what may be anywhere. */
static const char *const known_volumes[] = {
	"persistentVolumeClaim", "ephemeral", "gcePersistentDisk", "awsElasticBlockStore", "azureDisk", "cinder", "portworxVolume", "iscsi", "rbd",
	"configMap", "secret", "emptyDir", "hostPath", "downwardAPI", "projected", "nfs", "image", "csi", "gitRepo", "cephfs", "glusterfs", "fc",
	"flexVolume", "flocker", "azureFile", "vsphereVolume", "quobyte", "photonPersistentDisk", "scaleIO", "storageos",
};

static bool is_known_volume(const char *kind)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(known_volumes); i++)
		if (STREQ(kind, known_volumes[i]))
			return true;
	return false;
}

/* A disk that its CSI driver could not name: kube-scheduler fails on it. */
static char *of_in_tree(const cJSON *volume, unsigned at)
{
	const struct in_tree *in_tree = in_tree_of_source(volume);
	auto_free char *handle = in_tree && in_tree->counts ? in_tree_handle(in_tree, volume, NULL) : NULL;

	if (!in_tree || !in_tree->counts || handle)
		return NULL;
	return xasprintf("spec.volumes[%u].%s that its CSI driver cannot name", at, in_tree->source);
}

static char *of_volumes(const cJSON *spec)
{
	const cJSON *volume, *kind;
	unsigned at = 0;

	cJSON_ArrayForEach(volume, read_list(spec, "volumes")) {
		char *odd = of_in_tree(volume, at);

		if (odd)
			return odd;
		cJSON_ArrayForEach(kind, volume)
			if (!cJSON_IsNull(kind) && !STREQ(kind->string ? kind->string : "", "name") &&
			    !is_known_volume(kind->string ? kind->string : ""))
				return xasprintf("spec.volumes[%u].%s", at, kind->string ? kind->string : "?");
		at++;
	}
	return NULL;
}

static char *of_affinity(const cJSON *spec)
{
	const cJSON *affinity = read_member(spec, "affinity");

	if (read_count(read_list(read_member(affinity, "podAffinity"), REQUIRED)))
		return xstrdup("spec.affinity.podAffinity." REQUIRED);
	if (read_count(read_list(read_member(affinity, "podAntiAffinity"), REQUIRED)))
		return xstrdup("spec.affinity.podAntiAffinity." REQUIRED);
	return NULL;
}

static char *of_spread(const cJSON *spec)
{
	const cJSON *item;
	unsigned at = 0;

	cJSON_ArrayForEach(item, read_list(spec, "topologySpreadConstraints")) {
		if (!STREQ(read_text(item, "whenUnsatisfiable"), "ScheduleAnyway"))
			return xasprintf("spec.topologySpreadConstraints[%u]", at);
		at++;
	}
	return NULL;
}

static char *of_groups(const cJSON *pod, const cJSON *spec)
{
	const cJSON *metadata = read_member(pod, "metadata");
	static const char *const fields[] = {"schedulingGroup", "workloadRef"};
	unsigned i;

	if (read_count(read_list(spec, "resourceClaims")))
		return xstrdup("spec.resourceClaims");
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (cJSON_IsObject(read_member(spec, fields[i])))
			return xasprintf("spec.%s", fields[i]);
	if (read_member(read_member(metadata, "labels"), POD_GROUP))
		return xstrdup("metadata.labels[" POD_GROUP "]");
	if (read_member(read_member(metadata, "annotations"), POD_GROUP))
		return xstrdup("metadata.annotations[" POD_GROUP "]");
	return NULL;
}

char *unsupported_field(const cJSON *pod)
{
	const cJSON *spec = read_member(pod, "spec");
	char *field = of_affinity(spec);

	if (!field)
		field = of_spread(spec);
	if (!field)
		field = of_volumes(spec);
	if (!field)
		field = of_groups(pod, spec);
	return field;
}
