#include "sched/cache/in_tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"
#include "sched/cache/read.h"

#define ZONE "topology.kubernetes.io/zone"
#define REGION "topology.kubernetes.io/region"
#define BETA_ZONE "failure-domain.beta.kubernetes.io/zone"
#define BETA_REGION "failure-domain.beta.kubernetes.io/region"

enum { GCE, AWS, AZURE_DISK };

static const struct in_tree table[] = {
	[GCE] = {"gcePersistentDisk", "pdName", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "topology.gke.io/zone", true},
	[AWS] = {"awsElasticBlockStore", "volumeID", "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "topology.ebs.csi.aws.com/zone", true},
	[AZURE_DISK] = {"azureDisk", "diskURI", "kubernetes.io/azure-disk", "disk.csi.azure.com", NULL, true},
	{"cinder", "volumeID", "kubernetes.io/cinder", "cinder.csi.openstack.org", "topology.cinder.csi.openstack.org/zone", true},
	{"portworxVolume", "volumeID", "kubernetes.io/portworx-volume", "pxd.portworx.com", NULL, true},
	{"azureFile", "shareName", "kubernetes.io/azure-file", "file.csi.azure.com", NULL, false},
	{"vsphereVolume", "volumePath", "kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com", NULL, false},
};

const struct in_tree *in_tree_of_plugin(const char *plugin)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (STREQ(plugin, table[i].plugin))
			return &table[i];
	return NULL;
}

const struct in_tree *in_tree_of_source(const cJSON *volume)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (read_object(volume, table[i].source))
			return &table[i];
	return NULL;
}

/* --- handles --- */

/* Of zones "a-b-1__a-b-2" the region "a-b"; NULL when they are not all of one. */
static char *gce_region(const char *zones)
{
	auto_free char *copy = xstrdup(zones), *region = NULL;
	char *at = copy, *next;

	for (; at; at = next) {
		char *first, *last;

		next = strstr(at, "__");
		if (next) {
			*next = '\0';
			next += 2;
		}
		first = strchr(at, '-');
		last = strrchr(at, '-');
		if (!first || last == first || strchr(first + 1, '-') != last)
			return NULL;
		*last = '\0';
		if (region && !STREQ(region, at))
			return NULL;
		free(region);
		region = xstrdup(at);
	}
	return steal(&region);
}

static char *gce_handle(const char *name, const struct labels *labels)
{
	const char *zones = labels ? labels_get(labels, BETA_ZONE) : NULL;
	auto_free char *region = NULL;

	if (labels && (!zones || !zones[0]))
		zones = labels_get(labels, ZONE);
	if (!zones || !zones[0])
		zones = "UNSPECIFIED";
	if (!strstr(zones, "__"))
		return xasprintf("projects/UNSPECIFIED/zones/%s/disks/%s", zones, name);
	region = gce_region(zones);
	return region ? xasprintf("projects/UNSPECIFIED/regions/%s/disks/%s", region, name) : NULL;
}

/* "aws://zone/vol-1" and "aws:///vol-1" are vol-1. Other text is taken as it is. */
static char *aws_handle(const char *id)
{
	const char *path;
	size_t len;

	if (strncmp(id, "aws://", 6) != 0)
		return xstrdup(id);
	path = id + 6 + strcspn(id + 6, "/?#");
	path += strspn(path, "/");
	len = strcspn(path, "?#");
	while (len && path[len - 1] == '/')
		len--;
	if (strncmp(path, "vol-", 4) != 0 || memchr(path, '/', len))
		return NULL;
	return xstrndup(path, len);
}

/* The API server makes an absent kind "Shared", which no CSI driver has. */
static bool is_managed(const cJSON *disk)
{
	return strcasecmp(read_text(disk, "kind"), "Managed") == 0;
}

char *in_tree_handle(const struct in_tree *t, const cJSON *volume, const struct labels *labels)
{
	const cJSON *source = read_object(volume, t->source);
	const char *id = read_text(source, t->id);

	if (t == &table[GCE])
		return gce_handle(id, labels);
	if (t == &table[AWS])
		return aws_handle(id);
	if (t == &table[AZURE_DISK] && !is_managed(source))
		return NULL;
	return xstrdup(id);
}

/* --- topology --- */

#define each_expression(expression, required, term)							\
	cJSON_ArrayForEach(term, cJSON_GetObjectItemCaseSensitive(required, "nodeSelectorTerms"))	\
		cJSON_ArrayForEach(expression, cJSON_GetObjectItemCaseSensitive(term, "matchExpressions"))

static bool has_key(const cJSON *required, const char *key, bool with_values)
{
	const cJSON *term, *expression;

	each_expression(expression, required, term)
		if (STREQ(read_text(expression, "key"), key) && (!with_values || read_count(read_list(expression, "values"))))
			return true;
	return false;
}

static void replace_key(cJSON *required, const char *old, const char *new)
{
	cJSON *term, *expression;

	each_expression(expression, required, term)
		if (STREQ(read_text(expression, "key"), old))
			cJSON_ReplaceItemInObjectCaseSensitive(expression, "key", cJSON_CreateString(new));
}

/* {"key":..., "operator":"In", "values":[...]} of "a__b"; NULL when there is no zone in it. */
static cJSON *zones_expression(const char *key, const char *zones)
{
	cJSON *expression = cJSON_CreateObject(), *values = cJSON_AddArrayToObject(expression, "values");
	const char *at = zones;

	cJSON_AddStringToObject(expression, "key", key);
	cJSON_AddStringToObject(expression, "operator", "In");
	while (at) {
		const char *next = strstr(at, "__");
		size_t len = next ? (size_t)(next - at) : strlen(at);
		auto_free char *zone = xstrndup(at, len);

		if (len)
			cJSON_AddItemToArray(values, cJSON_CreateString(zone));
		at = next ? next + 2 : NULL;
	}
	if (cJSON_GetArraySize(values))
		return expression;
	cJSON_Delete(expression);
	return NULL;
}

static cJSON *need_array(cJSON *object, const char *key)
{
	cJSON *array = cJSON_GetObjectItemCaseSensitive(object, key);

	if (cJSON_IsArray(array))
		return array;
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	return cJSON_AddArrayToObject(object, key);
}

/* To every term; where there is none, to a new one. */
static void add_zones(cJSON *required, const char *key, const char *zones)
{
	cJSON *expression = zones_expression(key, zones), *terms, *term;

	if (!expression)
		return;
	terms = need_array(required, "nodeSelectorTerms");
	if (!cJSON_GetArraySize(terms))
		cJSON_AddItemToArray(terms, cJSON_CreateObject());
	cJSON_ArrayForEach(term, terms)
		if (cJSON_IsObject(term))
			cJSON_AddItemToArray(need_array(term, "matchExpressions"), cJSON_Duplicate(expression, true));
	cJSON_Delete(expression);
}

/* The affinity speaks before the labels, and the new key before the old one. */
static bool uses_beta(const cJSON *required, const struct labels *labels)
{
	if (has_key(required, ZONE, false))
		return false;
	if (has_key(required, BETA_ZONE, false))
		return true;
	return !labels_get(labels, ZONE) && labels_get(labels, BETA_ZONE);
}

void in_tree_affinity(const struct in_tree *t, const cJSON *required, const struct labels *labels, struct node_selector *out)
{
	cJSON *changed = cJSON_IsObject(required) ? cJSON_Duplicate(required, true) : cJSON_CreateObject();
	bool beta = uses_beta(changed, labels);
	const char *zone = beta ? BETA_ZONE : ZONE, *label = labels_get(labels, zone);

	if (t->topology && has_key(changed, zone, true))
		replace_key(changed, zone, t->topology);
	else if (t->topology && label)
		add_zones(changed, t->topology, label);
	if (t->topology && beta && has_key(changed, BETA_REGION, true))
		replace_key(changed, BETA_REGION, REGION);
	node_selector_parse(cJSON_IsObject(required) || changed->child ? changed : NULL, out);
	cJSON_Delete(changed);
}
