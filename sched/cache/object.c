#include "sched/cache/object.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/cache/storage_kinds.h"

/* --- namespaces --- */

static struct object *parse_namespace(const cJSON *json, struct lm_err *err)
{
	struct namespace_object *n = xcalloc(1, sizeof(*n));

	(void)err;
	labels_parse(read_member(read_member(json, "metadata"), "labels"), &n->labels);
	return &n->object;
}

static void free_namespace(struct object *object)
{
	labels_free(&((struct namespace_object *)object)->labels);
}

/* --- all kinds --- */

const struct object_kind_row object_kinds[OBJECT_KINDS] = {
	[OBJECT_NAMESPACE] = {"Namespace", "/api/v1/namespaces", parse_namespace, free_namespace},
	[OBJECT_CLAIM] = {"PersistentVolumeClaim", "/api/v1/persistentvolumeclaims", claim_parse, claim_free},
	[OBJECT_VOLUME] = {"PersistentVolume", "/api/v1/persistentvolumes", volume_parse, volume_free},
	[OBJECT_CLASS] = {"StorageClass", "/apis/storage.k8s.io/v1/storageclasses", class_parse, class_free},
	[OBJECT_CSI_NODE] = {"CSINode", "/apis/storage.k8s.io/v1/csinodes", csi_node_parse, csi_node_free},
	[OBJECT_CSI_DRIVER] = {"CSIDriver", "/apis/storage.k8s.io/v1/csidrivers", csi_driver_parse, csi_driver_free},
	[OBJECT_CAPACITY] = {"CSIStorageCapacity", "/apis/storage.k8s.io/v1/csistoragecapacities", capacity_parse, capacity_free},
	[OBJECT_ATTACHMENT] = {"VolumeAttachment", "/apis/storage.k8s.io/v1/volumeattachments", attachment_parse, attachment_free},
};

struct object *object_parse(enum object_kind kind, const cJSON *json, struct lm_err *err)
{
	const cJSON *metadata = read_member(json, "metadata");
	const char *name = read_text(metadata, "name");
	struct object *object;

	if (!name[0]) {
		lm_fail(err, LM_DATA, "a %s without metadata.name", object_kinds[kind].kind);
		return NULL;
	}
	object = object_kinds[kind].parse(json, err);
	if (!object) {
		lm_wrap(err, "%s %s", object_kinds[kind].kind, name);
		return NULL;
	}
	object->kind = kind;
	object->namespace_ = xstrdup(read_text(metadata, "namespace"));
	object->name = xstrdup(name);
	object->uid = xstrdup(read_text(metadata, "uid"));
	object->resource_version = xstrdup(read_text(metadata, "resourceVersion"));
	return object;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	object_kinds[object->kind].free(object);
	free(object->namespace_);
	free(object->name);
	free(object->uid);
	free(object->resource_version);
	free(object);
}
