#include "sched/cache/node.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/features.h"
#include "sched/cache/read.h"

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
	return node;
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
	labels_free(&node->labels);
	resources_free(&node->allocatable);
	free(node->zone);
	free(node->name);
	free(node->uid);
	free(node->resource_version);
	free(node);
}
