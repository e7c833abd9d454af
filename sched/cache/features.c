#include "sched/cache/features.h"

#include <string.h>

#include "lib/mem.h"
#include "sched/cache/pod.h"
#include "sched/cache/read.h"

static bool restarts_all(const cJSON *containers)
{
	const cJSON *container, *rule;

	cJSON_ArrayForEach(container, containers)
		cJSON_ArrayForEach(rule, read_list(container, "restartPolicyRules"))
			if (STREQ(read_text(rule, "action"), "RestartAllContainers"))
				return true;
	return false;
}

unsigned features_of_pod(const cJSON *spec)
{
	unsigned features = 0;

	if (restarts_all(read_list(spec, "containers")) || restarts_all(read_list(spec, "initContainers")))
		features |= FEATURE_RESTART_ALL_CONTAINERS;
	if (read_true(spec, "hostNetwork") && cJSON_IsFalse(read_member(spec, "hostUsers")))
		features |= FEATURE_USER_NAMESPACES_HOST_NETWORK;
	if (STREQ(read_text(read_member(spec, "securityContext"), "supplementalGroupsPolicy"), "Strict"))
		features |= FEATURE_GROUPS_POLICY;
	return features;
}

unsigned features_of_node(const cJSON *status)
{
	unsigned features = read_true(read_member(status, "features"), "supplementalGroupsPolicy") ? FEATURE_GROUPS_POLICY : 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, read_list(status, "declaredFeatures")) {
		const char *name = cJSON_IsString(item) ? item->valuestring : "";

		if (STREQ(name, "RestartAllContainersOnContainerExits"))
			features |= FEATURE_RESTART_ALL_CONTAINERS;
		else if (STREQ(name, "UserNamespacesHostNetworkSupport"))
			features |= FEATURE_USER_NAMESPACES_HOST_NETWORK;
	}
	return features;
}
