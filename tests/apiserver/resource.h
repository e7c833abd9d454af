/*
 * resource.h - the kinds of objects that are served, and what a path names.
 *
 * Events stand in the table twice: one store, two forms (core v1 and events.k8s.io/v1). They are stored in the core form;
 * to_stored and from_stored change an object in place.
 */
#ifndef STANDIN_RESOURCE_H
#define STANDIN_RESOURCE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/apiserver/tree.h"

struct answer;

enum resource_id { PODS, NODES, NAMESPACES, EVENTS, LEASES, CLAIMS, VOLUMES, CLASSES, CSI_NODES, CSI_DRIVERS, CAPACITIES, ATTACHMENTS, SERVICES, BUDGETS,
	CONFIG_MAPS, RESOURCE_COUNT };

/* A field that selectors may name. Paths are members with dots; a boolean or missing value is text. */
struct field {
	const char *name, *path, *fallback;
};
#define FIELDS_MAX 16

struct resource {
	enum resource_id id;
	const char *group, *version, *plural, *kind;
	bool namespaced, has_status;
	bool needs_version;			/* a PUT without resourceVersion is refused */
	bool create_on_update;			/* a PUT makes what is not there */
	struct field fields[FIELDS_MAX];	/* name NULL ends; metadata.name and metadata.namespace first */
	/* Defaults and checks of a new object; `r` is the form of the request, the object is in the stored form. */
	int (*on_create)(const struct resource *r, cJSON *object, struct answer *a);
	/* Keeps what the verb may not change, then checks. `status`: the subresource. */
	int (*on_update)(const struct resource *r, cJSON *object, const cJSON *old, bool status, struct answer *a);
	void (*to_stored)(cJSON *object);
	void (*from_stored)(cJSON *object);
};

extern const struct resource resources[];
extern const unsigned resource_table_count;
extern const struct resource *const stored_form[RESOURCE_COUNT];

#define PART_MAX 254

struct target {
	const struct resource *resource;	/* NULL: no resource */
	char namespace_[PART_MAX];		/* "": all, or not namespaced */
	char name[PART_MAX];			/* "": the collection */
	char sub[PART_MAX];			/* "status", "binding"; "" */
};

/* False: no such API path (404 page not found). True with resource NULL: a group that is there, a resource that is not. */
bool target_parse(const char *path, struct target *out);
/* The resource of an object's apiVersion and kind; NULL when there is none. */
const struct resource *resource_of(const char *api_version, const char *kind);
/* "v1", "coordination.k8s.io/v1" */
#define API_VERSION_MAX 128
void resource_api_version(const struct resource *r, char *text, size_t size);

/* Hooks (pods.c, events.c, objects.c). */
int pod_on_create(const struct resource *r, cJSON *pod, struct answer *a);
int pod_on_update(const struct resource *r, cJSON *pod, const cJSON *old, bool status, struct answer *a);
int event_on_create(const struct resource *r, cJSON *event, struct answer *a);
int event_on_update(const struct resource *r, cJSON *event, const cJSON *old, bool status, struct answer *a);
void event_to_stored(cJSON *event);
void event_from_stored(cJSON *event);
int node_on_create(const struct resource *r, cJSON *node, struct answer *a);
int node_on_update(const struct resource *r, cJSON *node, const cJSON *old, bool status, struct answer *a);
int namespace_on_create(const struct resource *r, cJSON *namespace_, struct answer *a);
int namespace_on_update(const struct resource *r, cJSON *namespace_, const cJSON *old, bool status, struct answer *a);
int lease_on_create(const struct resource *r, cJSON *lease, struct answer *a);
int lease_on_update(const struct resource *r, cJSON *lease, const cJSON *old, bool status, struct answer *a);
/* Of storage, all kinds, Services and PodDisruptionBudgets: a status is the status path's alone; that of claims and volumes begins as Pending. */
int stored_on_create(const struct resource *r, cJSON *object, struct answer *a);
int stored_on_update(const struct resource *r, cJSON *object, const cJSON *old, bool status, struct answer *a);

#endif
