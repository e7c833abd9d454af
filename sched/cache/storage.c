#include "sched/cache/storage.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/cache/resources.h"
#include "sched/cache/storage_kinds.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

/* --- what several kinds have --- */

static const cJSON *annotation(const cJSON *json, const char *key)
{
	const cJSON *item = read_member(read_member(read_member(json, "metadata"), "annotations"), key);

	return cJSON_IsString(item) ? item : NULL;
}

static bool is_deleting(const cJSON *json)
{
	return cJSON_IsString(read_member(read_member(json, "metadata"), "deletionTimestamp"));
}

/* The member's quantity in whole units. 1: it is there, 0: it is not. */
static int read_quantity(const cJSON *object, const char *key, int64_t *out, struct lm_err *err)
{
	const cJSON *item = read_member(object, key);
	char number[32];

	if (!cJSON_IsString(item) && !cJSON_IsNumber(item))
		return 0;
	if (cJSON_IsNumber(item))
		snprintf(number, sizeof(number), "%.15g", item->valuedouble);
	if (quantity_parse(cJSON_IsString(item) ? item->valuestring : number, false, out, err) < 0)
		return lm_wrap(err, "%s", key);
	return 1;
}

static unsigned read_access_modes(const cJSON *spec)
{
	static const struct {
		const char *name;
		unsigned bit;
	} modes[] = {
		{"ReadWriteOnce", ACCESS_READ_WRITE_ONCE},
		{"ReadOnlyMany", ACCESS_READ_ONLY_MANY},
		{"ReadWriteMany", ACCESS_READ_WRITE_MANY},
		{"ReadWriteOncePod", ACCESS_READ_WRITE_ONCE_POD},
	};
	const cJSON *item;
	unsigned bits = 0, i;

	cJSON_ArrayForEach(item, read_list(spec, "accessModes"))
		for (i = 0; i < ARRAY_SIZE(modes); i++)
			if (cJSON_IsString(item) && STREQ(item->valuestring, modes[i].name))
				bits |= modes[i].bit;
	return bits;
}

static char *read_class(const cJSON *json)
{
	const cJSON *beta = annotation(json, BETA_CLASS);

	return xstrdup(beta ? beta->valuestring : read_text(read_member(json, "spec"), "storageClassName"));
}

static char *read_mode(const cJSON *spec)
{
	const char *mode = read_text(spec, "volumeMode");

	return xstrdup(mode[0] ? mode : "Filesystem");
}

/* --- claims --- */

static const char *controller_uid(const cJSON *metadata)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, read_list(metadata, "ownerReferences"))
		if (read_true(item, "controller"))
			return read_text(item, "uid");
	return "";
}

struct object *claim_parse(const cJSON *json, struct lm_err *err)
{
	const cJSON *spec = read_member(json, "spec"), *requests = read_member(read_member(spec, "resources"), "requests");
	const cJSON *selected = annotation(json, "volume.kubernetes.io/selected-node");
	int64_t bytes = 0;
	int has_request = read_quantity(requests, "storage", &bytes, err);
	struct claim *c;

	if (has_request < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->has_request = has_request;
	c->request_bytes = bytes;
	c->class_name = read_class(json);
	c->volume_name = xstrdup(read_text(spec, "volumeName"));
	c->bind_completed = annotation(json, "pv.kubernetes.io/bind-completed") != NULL;
	c->selected_node = selected ? xstrdup(selected->valuestring) : NULL;
	c->lost = STREQ(read_text(read_member(json, "status"), "phase"), "Lost");
	c->deleting = is_deleting(json);
	c->owner_uid = xstrdup(controller_uid(read_member(json, "metadata")));
	c->access_modes = read_access_modes(spec);
	c->volume_mode = read_mode(spec);
	c->attributes_class = xstrdup(read_text(spec, "volumeAttributesClassName"));
	selector_parse(read_member(spec, "selector"), &c->selector);
	return &c->object;
}

void claim_free(struct object *object)
{
	struct claim *c = (struct claim *)object;

	free(c->class_name);
	free(c->volume_name);
	free(c->selected_node);
	free(c->owner_uid);
	free(c->volume_mode);
	free(c->attributes_class);
	selector_free(&c->selector);
}

/* --- volumes --- */

static void read_source(const cJSON *spec, struct volume *v)
{
	const cJSON *csi = read_object(spec, "csi");
	const struct in_tree *in_tree = csi ? NULL : in_tree_of_source(spec);

	if (in_tree && in_tree->counts) {
		v->in_tree = in_tree;
		v->handle = in_tree_handle(in_tree, spec, &v->labels);
		v->untranslated = !v->handle;
		in_tree_affinity(in_tree, read_member(read_member(spec, "nodeAffinity"), "required"), &v->labels, &v->migrated_affinity);
	}
	v->driver = xstrdup(v->handle ? in_tree->driver : read_text(csi, "driver"));
	if (!v->handle)
		v->handle = xstrdup(read_text(csi, "volumeHandle"));
}

struct object *volume_parse(const cJSON *json, struct lm_err *err)
{
	const cJSON *spec = read_member(json, "spec"), *claim = read_object(spec, "claimRef");
	struct volume *v;
	int64_t bytes = 0;

	if (read_quantity(read_member(spec, "capacity"), "storage", &bytes, err) < 0)
		return NULL;
	v = xcalloc(1, sizeof(*v));
	v->capacity_bytes = bytes;
	labels_parse(read_member(read_member(json, "metadata"), "labels"), &v->labels);
	node_selector_parse(read_member(read_member(spec, "nodeAffinity"), "required"), &v->node_affinity);
	v->class_name = read_class(json);
	v->volume_mode = read_mode(spec);
	v->attributes_class = xstrdup(read_text(spec, "volumeAttributesClassName"));
	v->access_modes = read_access_modes(spec);
	v->has_claim = claim != NULL;
	v->claim_namespace = xstrdup(read_text(claim, "namespace"));
	v->claim_name = xstrdup(read_text(claim, "name"));
	v->claim_uid = xstrdup(read_text(claim, "uid"));
	v->phase = xstrdup(read_text(read_member(json, "status"), "phase"));
	v->deleting = is_deleting(json);
	read_source(spec, v);
	return &v->object;
}

void volume_free(struct object *object)
{
	struct volume *v = (struct volume *)object;

	labels_free(&v->labels);
	node_selector_free(&v->node_affinity);
	node_selector_free(&v->migrated_affinity);
	free(v->class_name);
	free(v->volume_mode);
	free(v->attributes_class);
	free(v->claim_namespace);
	free(v->claim_name);
	free(v->claim_uid);
	free(v->phase);
	free(v->driver);
	free(v->handle);
}

/* --- classes --- */

/* {"matchLabelExpressions":[{"key","values"}]} is a node selector's term with operators "In". */
static void read_topologies(const cJSON *list, struct node_selector *out)
{
	cJSON *selector = cJSON_CreateObject(), *terms = cJSON_AddArrayToObject(selector, "nodeSelectorTerms"), *expression;
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		const cJSON *expressions = read_list(item, "matchLabelExpressions");
		cJSON *term = cJSON_CreateObject(), *copy = expressions ? cJSON_Duplicate(expressions, true) : cJSON_CreateArray();

		cJSON_ArrayForEach(expression, copy) {
			cJSON_DeleteItemFromObjectCaseSensitive(expression, "operator");
			if (cJSON_IsObject(expression))
				cJSON_AddStringToObject(expression, "operator", "In");
		}
		cJSON_AddItemToObject(term, "matchExpressions", copy);
		cJSON_AddItemToArray(terms, term);
	}
	node_selector_parse(read_count(terms) ? selector : NULL, out);
	cJSON_Delete(selector);
}

struct object *class_parse(const cJSON *json, struct lm_err *err)
{
	struct storage_class *s = xcalloc(1, sizeof(*s));

	(void)err;
	s->provisioner = xstrdup(read_text(json, "provisioner"));
	s->waits = STREQ(read_text(json, "volumeBindingMode"), "WaitForFirstConsumer");
	read_topologies(read_list(json, "allowedTopologies"), &s->topologies);
	return &s->object;
}

void class_free(struct object *object)
{
	struct storage_class *s = (struct storage_class *)object;

	free(s->provisioner);
	node_selector_free(&s->topologies);
}

/* --- what CSI drivers say --- */

static void read_migrated(const char *list, struct csi_node *n)
{
	size_t room = 0;

	while (*list) {
		size_t len = strcspn(list, ",");

		grow(&n->migrated, &room, n->migrated_count + 1, sizeof(*n->migrated));
		n->migrated[n->migrated_count++] = xstrndup(list, len);
		list += len + (list[len] == ',');
	}
}

struct object *csi_node_parse(const cJSON *json, struct lm_err *err)
{
	const cJSON *drivers = read_list(read_member(json, "spec"), "drivers"), *item;
	const cJSON *migrated = annotation(json, "storage.alpha.kubernetes.io/migrated-plugins");
	struct csi_node *n = xcalloc(1, sizeof(*n));

	(void)err;
	n->drivers = xcalloc(read_count(drivers) + 1, sizeof(*n->drivers));
	cJSON_ArrayForEach(item, drivers) {
		const cJSON *count = read_member(read_member(item, "allocatable"), "count");
		struct csi_node_driver *driver = &n->drivers[n->driver_count++];

		driver->name = xstrdup(read_text(item, "name"));
		driver->has_count = cJSON_IsNumber(count);
		if (driver->has_count && count->valuedouble > -1e9 && count->valuedouble < 1e10)
			driver->count = (int64_t)count->valuedouble;
	}
	read_migrated(migrated ? migrated->valuestring : "", n);
	return &n->object;
}

void csi_node_free(struct object *object)
{
	struct csi_node *n = (struct csi_node *)object;
	uint32_t i;

	for (i = 0; i < n->driver_count; i++)
		free(n->drivers[i].name);
	free(n->drivers);
	for (i = 0; i < n->migrated_count; i++)
		free(n->migrated[i]);
	free(n->migrated);
}

bool csi_node_migrates(const struct csi_node *node, const struct in_tree *in_tree)
{
	uint32_t i;

	for (i = 0; node && in_tree && i < node->migrated_count; i++)
		if (STREQ(node->migrated[i], in_tree->plugin))
			return true;
	return false;
}

struct object *csi_driver_parse(const cJSON *json, struct lm_err *err)
{
	struct csi_driver *d = xcalloc(1, sizeof(*d));

	(void)err;
	d->storage_capacity = read_true(read_member(json, "spec"), "storageCapacity");
	return &d->object;
}

void csi_driver_free(struct object *object)
{
	(void)object;
}

struct object *capacity_parse(const cJSON *json, struct lm_err *err)
{
	struct storage_capacity *s;
	int64_t bytes = 0;
	int has_limit = read_quantity(json, "maximumVolumeSize", &bytes, err);

	if (has_limit == 0)
		has_limit = read_quantity(json, "capacity", &bytes, err);
	if (has_limit < 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->class_name = xstrdup(read_text(json, "storageClassName"));
	selector_parse(read_member(json, "nodeTopology"), &s->node_topology);
	s->has_limit = has_limit;
	s->limit_bytes = bytes;
	return &s->object;
}

void capacity_free(struct object *object)
{
	struct storage_capacity *s = (struct storage_capacity *)object;

	free(s->class_name);
	selector_free(&s->node_topology);
}

struct object *attachment_parse(const cJSON *json, struct lm_err *err)
{
	const cJSON *spec = read_member(json, "spec");
	struct attachment *a = xcalloc(1, sizeof(*a));

	(void)err;
	a->attacher = xstrdup(read_text(spec, "attacher"));
	a->node = xstrdup(read_text(spec, "nodeName"));
	a->volume_name = xstrdup(read_text(read_member(spec, "source"), "persistentVolumeName"));
	return &a->object;
}

void attachment_free(struct object *object)
{
	struct attachment *a = (struct attachment *)object;

	free(a->attacher);
	free(a->node);
	free(a->volume_name);
}
