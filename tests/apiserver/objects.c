/* Nodes, namespaces, leases, storage, and the metadata of all (resource.h, objects.h). */
#include "tests/apiserver/objects.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

static bool is_micro_time(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddddd";
	size_t i;

	for (i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	return STREQ(text + i, "Z") || ((text[i] == '+' || text[i] == '-') && strlen(text + i) == 6);
}

int check_micro_times(const struct resource *r, const cJSON *object, const char *const *paths, size_t count, struct answer *a)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const cJSON *value = json_at(object, paths[i]);

		if (!value || cJSON_IsNull(value) || (cJSON_IsString(value) && is_micro_time(value->valuestring)))
			continue;
		return answer_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: parsing time \"%s\" as "
					  "\"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"%s\" as \".000000\"",
					  r->kind, r->version, r->kind, json_text_at(object, paths[i]), json_text_at(object, paths[i]));
	}
	return 0;
}

/* Lower-case letters, digits, `-` and `.`, alphanumeric at both ends of each part. */
static bool is_subdomain(const char *name)
{
	size_t i, len = strlen(name);

	for (i = 0; i < len; i++) {
		bool alnum = islower((unsigned char)name[i]) || isdigit((unsigned char)name[i]);
		bool edge = i == 0 || i == len - 1 || name[i] == '.' || name[i - 1] == '.' || name[i + 1] == '.';

		if (!alnum && !(name[i] == '-' && !edge) && !(name[i] == '.' && i && i < len - 1 && name[i - 1] != '.'))
			return false;
	}
	return len > 0 && len <= 253;
}

static bool is_label_value(const char *value)
{
	size_t i, len = strlen(value);

	for (i = 0; i < len; i++) {
		bool alnum = isalnum((unsigned char)value[i]);

		if (!alnum && (i == 0 || i == len - 1 || !strchr("-_.", value[i])))
			return false;
	}
	return len <= 63;
}

static int check_map(const struct resource *r, const cJSON *object, const char *member, bool labels, struct answer *a)
{
	const cJSON *map = cJSON_GetObjectItemCaseSensitive(json_at(object, "metadata"), member), *item;
	char field[64];

	if (map && !cJSON_IsObject(map) && !cJSON_IsNull(map))
		return answer_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal into Go struct field "
					  "ObjectMeta.metadata.%s of type map[string]string", r->kind, r->version, r->kind, member);
	snprintf(field, sizeof(field), "metadata.%s", member);
	cJSON_ArrayForEach(item, map) {
		if (!cJSON_IsString(item))
			return answer_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal into Go "
						  "struct field ObjectMeta.metadata.%s of type string", r->kind, r->version, r->kind, member);
		if (labels && !is_label_value(item->valuestring))
			return answer_invalid(a, r, json_text_at(object, "metadata.name"), field, "FieldValueInvalid",
					      "Invalid value: \"%.80s\": a valid label must be an empty string or consist of alphanumeric "
					      "characters, '-', '_' or '.', and must start and end with an alphanumeric character",
					      item->valuestring);
	}
	return 0;
}

#define SUBDOMAIN_TEXT "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " \
		       "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "				\
		       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/* A name without its end, which may be a `-`. */
static int check_generate_name(const struct resource *r, const cJSON *object, struct answer *a)
{
	const char *prefix = json_text_at(object, "metadata.generateName");
	auto_free char *begun = xasprintf("%s%s", prefix, *prefix && prefix[strlen(prefix) - 1] == '-' ? "a" : "");

	if (!*prefix || is_subdomain(begun))
		return 0;
	return answer_invalid(a, r, json_text_at(object, "metadata.name"), "metadata.generateName", "FieldValueInvalid",
			      "Invalid value: \"%.260s\": " SUBDOMAIN_TEXT, prefix);
}

int check_meta(const struct resource *r, const cJSON *object, struct answer *a)
{
	const char *name = json_text_at(object, "metadata.name");

	if (!*name)
		return answer_invalid(a, r, name, "metadata.name", "FieldValueRequired", "Required value: name or generateName is required");
	if (!is_subdomain(name))
		return answer_invalid(a, r, name, "metadata.name", "FieldValueInvalid", "Invalid value: \"%.260s\": " SUBDOMAIN_TEXT, name);
	if (check_generate_name(r, object, a) < 0 || check_map(r, object, "labels", true, a) < 0)
		return -1;
	return check_map(r, object, "annotations", false, a);
}

int node_on_create(const struct resource *r, cJSON *node, struct answer *a)
{
	cJSON *state = json_make_object(node, "status");

	(void)r;
	(void)a;
	json_make_object(node, "spec");
	if (!cJSON_GetObjectItemCaseSensitive(state, "allocatable") && cJSON_GetObjectItemCaseSensitive(state, "capacity"))
		json_set(state, "allocatable", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(state, "capacity"), true));
	return 0;
}

int node_on_update(const struct resource *r, cJSON *node, const cJSON *old, bool status, struct answer *a)
{
	(void)r;
	(void)a;
	json_take(node, old, status ? "spec" : "status");
	return 0;
}

int namespace_on_create(const struct resource *r, cJSON *namespace_, struct answer *a)
{
	cJSON *labels = json_make_object(json_make_object(namespace_, "metadata"), "labels");
	cJSON *finalizers = cJSON_CreateArray();

	(void)r;
	(void)a;
	json_set_text(labels, "kubernetes.io/metadata.name", json_text_at(namespace_, "metadata.name"));
	cJSON_AddItemToArray(finalizers, cJSON_CreateString("kubernetes"));
	json_set(json_make_object(namespace_, "spec"), "finalizers", finalizers);
	json_set(namespace_, "status", cJSON_CreateObject());
	json_set_text(json_make_object(namespace_, "status"), "phase", "Active");
	return 0;
}

int namespace_on_update(const struct resource *r, cJSON *namespace_, const cJSON *old, bool status, struct answer *a)
{
	(void)r;
	(void)a;
	json_take(namespace_, old, "spec");
	if (!status)
		json_take(namespace_, old, "status");
	return 0;
}

static int check_lease(const struct resource *r, const cJSON *lease, struct answer *a)
{
	static const char *const times[] = {"spec.renewTime", "spec.acquireTime"};
	const cJSON *duration = json_at(lease, "spec.leaseDurationSeconds"), *transitions = json_at(lease, "spec.leaseTransitions");
	const char *name = json_text_at(lease, "metadata.name");

	if (check_micro_times(r, lease, times, ARRAY_SIZE(times), a) < 0)
		return -1;
	if (cJSON_IsNumber(duration) && duration->valuedouble != (int32_t)duration->valuedouble)
		return answer_bad_request(a, "Lease in version \"v1\" cannot be handled as a Lease: json: cannot unmarshal number %g into Go struct "
					  "field LeaseSpec.spec.leaseDurationSeconds of type int32", duration->valuedouble);
	if (cJSON_IsNumber(duration) && duration->valuedouble <= 0)
		return answer_invalid(a, r, name, "spec.leaseDurationSeconds", "FieldValueInvalid", "Invalid value: %g: must be greater than 0",
				      duration->valuedouble);
	if (cJSON_IsNumber(transitions) && transitions->valuedouble < 0)
		return answer_invalid(a, r, name, "spec.leaseTransitions", "FieldValueInvalid",
				      "Invalid value: %g: must be greater than or equal to 0", transitions->valuedouble);
	return 0;
}

int lease_on_create(const struct resource *r, cJSON *lease, struct answer *a)
{
	json_make_object(lease, "spec");
	return check_lease(r, lease, a);
}

int lease_on_update(const struct resource *r, cJSON *lease, const cJSON *old, bool status, struct answer *a)
{
	(void)old;
	(void)status;
	return check_lease(r, lease, a);
}

int stored_on_create(const struct resource *r, cJSON *object, struct answer *a)
{
	(void)a;
	cJSON_DeleteItemFromObjectCaseSensitive(object, "status");
	if (r->id == CLAIMS || r->id == VOLUMES)
		json_set_text(json_make_object(object, "status"), "phase", "Pending");
	return 0;
}

/* What the path does not change: all but the status and the metadata, or the status. */
int stored_on_update(const struct resource *r, cJSON *object, const cJSON *old, bool status, struct answer *a)
{
	(void)a;
	if (status)
		json_take(object, old, "spec");
	else if (r->has_status)
		json_take(object, old, "status");
	return 0;
}
