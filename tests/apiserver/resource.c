#include "tests/apiserver/resource.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

#define NAME_FIELDS {"metadata.name", "metadata.name", ""}, {"metadata.namespace", "metadata.namespace", ""}
#define STORED(which, of_group, of_plural, of_kind, in_namespace, with_status)					\
	{.id = (which), .group = (of_group), .version = "v1", .plural = (of_plural), .kind = (of_kind),			\
	 .namespaced = (in_namespace), .has_status = (with_status), .fields = {NAME_FIELDS},				\
	 .on_create = stored_on_create, .on_update = stored_on_update}

const struct resource resources[] = {
	{.id = PODS, .group = "", .version = "v1", .plural = "pods", .kind = "Pod", .namespaced = true, .has_status = true,
	 .fields = {NAME_FIELDS, {"spec.nodeName", "spec.nodeName", ""}, {"spec.schedulerName", "spec.schedulerName", ""},
		    {"status.phase", "status.phase", ""}, {"spec.restartPolicy", "spec.restartPolicy", ""},
		    {"spec.serviceAccountName", "spec.serviceAccountName", ""}, {"spec.hostNetwork", "spec.hostNetwork", "false"},
		    {"status.podIP", "status.podIP", ""}, {"status.nominatedNodeName", "status.nominatedNodeName", ""}},
	 .on_create = pod_on_create, .on_update = pod_on_update},
	{.id = NODES, .group = "", .version = "v1", .plural = "nodes", .kind = "Node", .has_status = true,
	 .fields = {NAME_FIELDS, {"spec.unschedulable", "spec.unschedulable", "false"}},
	 .on_create = node_on_create, .on_update = node_on_update},
	{.id = NAMESPACES, .group = "", .version = "v1", .plural = "namespaces", .kind = "Namespace", .has_status = true,
	 .fields = {NAME_FIELDS, {"status.phase", "status.phase", ""}},
	 .on_create = namespace_on_create, .on_update = namespace_on_update},
	{.id = EVENTS, .group = "", .version = "v1", .plural = "events", .kind = "Event", .namespaced = true, .create_on_update = true,
	 .fields = {NAME_FIELDS, {"involvedObject.kind", "involvedObject.kind", ""},
		    {"involvedObject.namespace", "involvedObject.namespace", ""},
		    {"involvedObject.name", "involvedObject.name", ""}, {"involvedObject.uid", "involvedObject.uid", ""},
		    {"reason", "reason", ""}, {"reportingComponent", "reportingComponent", ""}, {"type", "type", ""}},
	 .on_create = event_on_create, .on_update = event_on_update},
	{.id = EVENTS, .group = "events.k8s.io", .version = "v1", .plural = "events", .kind = "Event", .namespaced = true,
	 .create_on_update = true,
	 .fields = {NAME_FIELDS, {"regarding.kind", "involvedObject.kind", ""},
		    {"regarding.namespace", "involvedObject.namespace", ""}, {"regarding.name", "involvedObject.name", ""},
		    {"regarding.uid", "involvedObject.uid", ""}, {"reason", "reason", ""},
		    {"reportingController", "reportingComponent", ""}, {"type", "type", ""}},
	 .on_create = event_on_create, .on_update = event_on_update, .to_stored = event_to_stored, .from_stored = event_from_stored},
	{.id = LEASES, .group = "coordination.k8s.io", .version = "v1", .plural = "leases", .kind = "Lease", .namespaced = true,
	 .needs_version = true, .create_on_update = true, .fields = {NAME_FIELDS},
	 .on_create = lease_on_create, .on_update = lease_on_update},
	STORED(CLAIMS, "", "persistentvolumeclaims", "PersistentVolumeClaim", true, true),
	STORED(VOLUMES, "", "persistentvolumes", "PersistentVolume", false, true),
	STORED(CLASSES, "storage.k8s.io", "storageclasses", "StorageClass", false, false),
	STORED(CSI_NODES, "storage.k8s.io", "csinodes", "CSINode", false, false),
	STORED(CSI_DRIVERS, "storage.k8s.io", "csidrivers", "CSIDriver", false, false),
	STORED(CAPACITIES, "storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity", true, false),
	STORED(ATTACHMENTS, "storage.k8s.io", "volumeattachments", "VolumeAttachment", false, true),
	STORED(SERVICES, "", "services", "Service", true, true),
	STORED(BUDGETS, "policy", "poddisruptionbudgets", "PodDisruptionBudget", true, true),
	STORED(CONFIG_MAPS, "", "configmaps", "ConfigMap", true, false),
};
const unsigned resource_table_count = ARRAY_SIZE(resources);

const struct resource *const stored_form[RESOURCE_COUNT] = {
	[PODS] = &resources[0], [NODES] = &resources[1], [NAMESPACES] = &resources[2], [EVENTS] = &resources[3], [LEASES] = &resources[5],
	[CLAIMS] = &resources[6], [VOLUMES] = &resources[7], [CLASSES] = &resources[8], [CSI_NODES] = &resources[9],
	[CSI_DRIVERS] = &resources[10], [CAPACITIES] = &resources[11], [ATTACHMENTS] = &resources[12],
	[SERVICES] = &resources[13], [BUDGETS] = &resources[14], [CONFIG_MAPS] = &resources[15],
};

/* The next part of a path into `part`; false at the end, or when it is empty or too long. */
static bool next_part(const char **path, char *part)
{
	const char *from = **path == '/' ? *path + 1 : *path;
	size_t len = strcspn(from, "/");

	if (!len || len >= PART_MAX)
		return false;
	memcpy(part, from, len);
	part[len] = '\0';
	*path = from + len;
	return true;
}

static const struct resource *find(const char *group, const char *version, const char *plural)
{
	unsigned i;

	for (i = 0; i < resource_table_count; i++) {
		const struct resource *r = &resources[i];

		if (STREQ(r->group, group) && STREQ(r->version, version) && STREQ(r->plural, plural))
			return r;
	}
	return NULL;
}

static bool group_exists(const char *group, const char *version)
{
	unsigned i;

	for (i = 0; i < resource_table_count; i++)
		if (STREQ(resources[i].group, group) && STREQ(resources[i].version, version))
			return true;
	return false;
}

static void resource_and_rest(const char *group, const char *version, const char *path, struct target *out)
{
	char plural[PART_MAX] = "";

	if (!next_part(&path, plural))
		return;
	/* namespaces/NS/RESOURCE..., but namespaces/NS and namespaces/NS/status are about the namespace */
	if (STREQ(plural, "namespaces")) {
		char name[PART_MAX] = "", third[PART_MAX] = "";
		const char *rest = path;

		if (next_part(&rest, name) && next_part(&rest, third) && !STREQ(third, "status") && !STREQ(third, "finalize")) {
			memcpy(out->namespace_, name, sizeof(name));
			memcpy(plural, third, sizeof(third));
			path = rest;
		}
	}
	if (STREQ(plural, "bindings") && *out->namespace_ && !*path) {
		out->resource = find(group, version, "pods");
		snprintf(out->sub, sizeof(out->sub), "bindings");
		return;
	}
	out->resource = find(group, version, plural);
	if (next_part(&path, out->name) && next_part(&path, out->sub) && *path)
		out->resource = NULL;
	if (out->resource && !out->resource->namespaced && *out->namespace_)
		out->resource = NULL;
	if (out->resource && out->resource->namespaced && *out->name && !*out->namespace_)
		out->resource = NULL;
}

bool target_parse(const char *path, struct target *out)
{
	char root[PART_MAX], group[PART_MAX] = "", version[PART_MAX];

	*out = (struct target){0};
	if (!next_part(&path, root) || (!STREQ(root, "api") && !STREQ(root, "apis")))
		return false;
	if (STREQ(root, "apis") && !next_part(&path, group))
		return false;
	if (!next_part(&path, version) || !group_exists(group, version) || !*path)
		return false;
	resource_and_rest(group, version, path, out);
	return true;
}

const struct resource *resource_of(const char *api_version, const char *kind)
{
	char text[API_VERSION_MAX];
	unsigned i;

	for (i = 0; i < resource_table_count; i++) {
		resource_api_version(&resources[i], text, sizeof(text));
		if (STREQ(text, api_version) && STREQ(resources[i].kind, kind))
			return &resources[i];
	}
	return NULL;
}

void resource_api_version(const struct resource *r, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s", r->group, *r->group ? "/" : "", r->version);
}
