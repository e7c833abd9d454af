#include "sched/cache/unsupported.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"

#define POD_GROUP "scheduling.x-k8s.io/pod-group"

static const char *const plain_volumes[] = {
	"configMap", "secret", "emptyDir", "hostPath", "downwardAPI", "projected", "nfs", "image", "gitRepo", "cephfs", "glusterfs", "fc",
	"flexVolume", "flocker",
};

static bool is_plain_volume(const char *kind)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(plain_volumes); i++)
		if (STREQ(kind, plain_volumes[i]))
			return true;
	return false;
}

static char *of_volumes(const cJSON *spec)
{
	const cJSON *volume, *kind;
	unsigned at = 0;

	cJSON_ArrayForEach(volume, read_list(spec, "volumes")) {
		cJSON_ArrayForEach(kind, volume)
			if (!cJSON_IsNull(kind) && !STREQ(kind->string ? kind->string : "", "name") &&
			    !is_plain_volume(kind->string ? kind->string : ""))
				return xasprintf("spec.volumes[%u].%s", at, kind->string ? kind->string : "?");
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

/* What a node must declare in status.declaredFeatures (NodeDeclaredFeatures), or have in status.features. */
static char *of_restarts(const cJSON *spec, const char *list)
{
	const cJSON *container, *rule;
	unsigned at = 0;

	cJSON_ArrayForEach(container, read_list(spec, list)) {
		cJSON_ArrayForEach(rule, read_list(container, "restartPolicyRules"))
			if (STREQ(read_text(rule, "action"), "RestartAllContainers"))
				return xasprintf("spec.%s[%u].restartPolicyRules with RestartAllContainers", list, at);
		at++;
	}
	return NULL;
}

static char *of_features(const cJSON *spec)
{
	if (read_true(spec, "hostNetwork") && cJSON_IsFalse(read_member(spec, "hostUsers")))
		return xstrdup("spec.hostUsers false with spec.hostNetwork");
	if (STREQ(read_text(read_member(spec, "securityContext"), "supplementalGroupsPolicy"), "Strict"))
		return xstrdup("spec.securityContext.supplementalGroupsPolicy Strict");
	return NULL;
}

char *unsupported_field(const cJSON *pod)
{
	const cJSON *spec = read_member(pod, "spec");
	char *field = of_volumes(spec);

	if (!field)
		field = of_groups(pod, spec);
	if (!field)
		field = of_restarts(spec, "containers");
	if (!field)
		field = of_restarts(spec, "initContainers");
	if (!field)
		field = of_features(spec);
	return field;
}
