#include "sched/cache/node.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/features.h"
#include "sched/cache/read.h"
#include "sched/cache/table.h"

#define ZONE_LABEL "topology.kubernetes.io/zone"

/* An effect that is not known binds nobody, as in kube-scheduler. */
static bool effect_parse(const char *text, enum taint_effect *out)
{
	if (STREQ(text, "NoSchedule"))
		*out = TAINT_NO_SCHEDULE;
	else if (STREQ(text, "NoExecute"))
		*out = TAINT_NO_EXECUTE;
	else if (STREQ(text, "PreferNoSchedule"))
		*out = TAINT_PREFER_NO_SCHEDULE;
	else
		return false;
	return true;
}

static void parse_taints(const cJSON *list, struct node *node)
{
	const cJSON *item;

	node->taints = xcalloc(read_count(list), sizeof(*node->taints));
	cJSON_ArrayForEach(item, list) {
		struct taint *taint = &node->taints[node->taint_count];

		if (!effect_parse(read_text(item, "effect"), &taint->effect))
			continue;
		taint->key = xstrdup(read_text(item, "key"));
		taint->value = xstrdup(read_text(item, "value"));
		node->taint_count++;
	}
}

uint64_t image_name(const char *text)
{
	return hash_text(HASH_START, text);
}

uint64_t image_name_of_pod(const char *text)
{
	const char *colon = strrchr(text, ':'), *slash = strrchr(text, '/');
	auto_free char *whole = NULL;

	if (colon && (!slash || colon > slash))
		return image_name(text);
	whole = xasprintf("%s:latest", text);
	return image_name(whole);
}

static int by_image(const void *a, const void *b)
{
	const struct node_image *x = a, *y = b;

	return (x->name > y->name) - (x->name < y->name);
}

static void parse_images(const cJSON *list, struct node *node)
{
	const cJSON *item, *name;
	size_t room = 0;
	uint32_t i, kept = 0;

	cJSON_ArrayForEach(item, list) {
		int64_t size_bytes = read_i64(item, "sizeBytes");

		cJSON_ArrayForEach(name, read_list(item, "names"))
			if (cJSON_IsString(name)) {
				grow(&node->images, &room, node->image_count + 1u, sizeof(*node->images));
				node->images[node->image_count++] = (struct node_image){image_name(name->valuestring), size_bytes};
			}
	}
	if (!node->image_count)
		return;
	qsort(node->images, node->image_count, sizeof(*node->images), by_image);
	for (i = 1; i < node->image_count; i++)
		if (node->images[i].name != node->images[kept].name)
			node->images[++kept] = node->images[i];
	node->image_count = kept + 1;
}

struct node *node_parse(const cJSON *object, struct lm_err *err)
{
	const cJSON *metadata = read_member(object, "metadata"), *spec = read_member(object, "spec");
	const char *name = read_text(metadata, "name"), *zone;
	struct node *node;

	if (!name[0]) {
		lm_fail(err, LM_DATA, "a node without metadata.name");
		return NULL;
	}
	node = xcalloc(1, sizeof(*node));
	if (resources_parse(read_member(read_member(object, "status"), "allocatable"), &node->allocatable, &node->allocatable_pods, err) < 0) {
		lm_wrap(err, "node %s: status.allocatable", name);
		free(node);
		return NULL;
	}
	node->name = xstrdup(name);
	node->uid = xstrdup(read_text(metadata, "uid"));
	node->resource_version = xstrdup(read_text(metadata, "resourceVersion"));
	labels_parse(read_member(metadata, "labels"), &node->labels);
	zone = labels_get(&node->labels, ZONE_LABEL);
	node->zone = xstrdup(zone ? zone : "");
	parse_taints(read_list(spec, "taints"), node);
	node->unschedulable = read_true(spec, "unschedulable");
	node->features = features_of_node(read_member(object, "status"));
	parse_images(read_list(read_member(object, "status"), "images"), node);
	return node;
}

int64_t node_find_taint(const struct node *node, const char *key)
{
	uint32_t i;

	for (i = 0; i < node->taint_count; i++)
		if (STREQ(node->taints[i].key, key))
			return i;
	return -1;
}

void node_free(struct node *node)
{
	uint32_t i;

	if (!node)
		return;
	for (i = 0; i < node->taint_count; i++) {
		free(node->taints[i].key);
		free(node->taints[i].value);
	}
	free(node->taints);
	free(node->images);
	labels_free(&node->labels);
	resources_free(&node->allocatable);
	free(node->zone);
	free(node->name);
	free(node->uid);
	free(node->resource_version);
	free(node);
}
