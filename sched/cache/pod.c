#include "sched/cache/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/cache/features.h"
#include "sched/cache/pod_terms.h"
#include "sched/cache/pod_volumes.h"
#include "sched/cache/read.h"
#include "sched/cache/unsupported.h"

#define HASH_LABEL "pod-template-hash"
#define MIRROR_ANNOTATION "kubernetes.io/config.mirror"

static void parse_tolerations(const cJSON *list, struct pod *pod)
{
	const cJSON *item;

	pod->tolerations = xcalloc(read_count(list), sizeof(*pod->tolerations));
	cJSON_ArrayForEach(item, list) {
		const char *op = read_text(item, "operator");
		struct toleration *t = &pod->tolerations[pod->toleration_count++];

		t->key = xstrdup(read_text(item, "key"));
		t->value = xstrdup(read_text(item, "value"));
		t->effect = xstrdup(read_text(item, "effect"));
		t->exists = STREQ(op, "Exists");
		t->never = !t->exists && op[0] && !STREQ(op, "Equal");
	}
}

static void add_port(struct pod *pod, size_t *room, const cJSON *item)
{
	int32_t port = read_i32(item, "hostPort");
	const char *protocol = read_text(item, "protocol");

	if (port <= 0)
		return;
	grow(&pod->ports, room, pod->port_count + 1, sizeof(*pod->ports));
	pod->ports[pod->port_count++] = (struct host_port){
		.ip = xstrdup(read_text(item, "hostIP")), .protocol = xstrdup(protocol[0] ? protocol : "TCP"), .port = port,
	};
}

/* Of containers, and of init containers that stay (sidecars). */
static void parse_ports(const cJSON *spec, struct pod *pod)
{
	const cJSON *container, *port;
	size_t room = 0;

	cJSON_ArrayForEach(container, read_list(spec, "containers"))
		cJSON_ArrayForEach(port, read_list(container, "ports"))
			add_port(pod, &room, port);
	cJSON_ArrayForEach(container, read_list(spec, "initContainers"))
		if (STREQ(read_text(container, "restartPolicy"), "Always"))
			cJSON_ArrayForEach(port, read_list(container, "ports"))
				add_port(pod, &room, port);
}

/* The name of the workload that people know: a Deployment's instead of its ReplicaSet's. */
static char *controller_name(const struct pod *pod)
{
	const char *hash = labels_get(&pod->labels, HASH_LABEL);
	size_t name_len = strlen(pod->owner_name), hash_len = hash ? strlen(hash) : 0;

	if (STREQ(pod->owner_kind, "ReplicaSet") && hash_len && name_len > hash_len + 1 &&
	    pod->owner_name[name_len - hash_len - 1] == '-' && STREQ(pod->owner_name + name_len - hash_len, hash))
		return xstrndup(pod->owner_name, name_len - hash_len - 1);
	return xstrdup(pod->owner_name);
}

static void parse_owner(const cJSON *metadata, struct pod *pod)
{
	const cJSON *item, *owner = NULL;

	cJSON_ArrayForEach(item, read_list(metadata, "ownerReferences"))
		if (!owner && read_true(item, "controller"))
			owner = item;
	pod->owner_kind = xstrdup(read_text(owner, "kind"));
	pod->owner_name = xstrdup(read_text(owner, "name"));
	pod->owner_uid = xstrdup(read_text(owner, "uid"));
	pod->controller = controller_name(pod);
}

static void parse_metadata(const cJSON *metadata, struct pod *pod)
{
	pod->resource_version = xstrdup(read_text(metadata, "resourceVersion"));
	pod->generation = read_i64(metadata, "generation");
	if (clock_parse(read_text(metadata, "creationTimestamp"), &pod->created_ms) < 0)
		pod->created_ms = 0;
	pod->terminating = cJSON_IsString(read_member(metadata, "deletionTimestamp"));
	if (pod->terminating)
		pod->grace_s = read_i64(metadata, "deletionGracePeriodSeconds");
	pod->mirror = read_member(read_member(metadata, "annotations"), MIRROR_ANNOTATION) != NULL;
	labels_parse(read_member(metadata, "labels"), &pod->labels);
	parse_owner(metadata, pod);
	if (labels_get(&pod->labels, "latency-mesh.io/role"))
		pod->covers = xstrdup(read_text(read_member(metadata, "annotations"), "latency-mesh.io/covers"));
	ask_parse(read_member(metadata, "labels"), read_member(metadata, "annotations"), &pod->ask);
}

static void parse_plan(const cJSON *spec, struct pod *pod)
{
	const cJSON *gates = read_list(spec, "schedulingGates");

	pod->node = xstrdup(read_text(spec, "nodeName"));
	pod->scheduler_name = xstrdup(read_text(spec, "schedulerName"));
	pod->priority = read_i32(spec, "priority");
	pod->gated = read_count(gates) > 0;
	pod->os = xstrdup(read_text(read_member(spec, "os"), "name"));
}

static void parse_constraints(const cJSON *spec, struct pod *pod)
{
	labels_parse(read_member(spec, "nodeSelector"), &pod->node_selector);
	parse_tolerations(read_list(spec, "tolerations"), pod);
	parse_ports(spec, pod);
	pod_terms_parse(spec, pod);
	pod_volumes_parse(read_list(spec, "volumes"), pod);
	pod->features = features_of_pod(spec);
}

static void parse_status(const cJSON *status, struct pod *pod)
{
	const char *phase = read_text(status, "phase");
	const cJSON *condition;

	pod->nominated_node = xstrdup(read_text(status, "nominatedNodeName"));
	pod->terminal = STREQ(phase, "Succeeded") || STREQ(phase, "Failed");
	cJSON_ArrayForEach(condition, read_list(status, "conditions"))
		if (!pod->condition_reason && STREQ(read_text(condition, "type"), "PodScheduled") &&
		    STREQ(read_text(condition, "status"), "False")) {
			pod->condition_reason = xstrdup(read_text(condition, "reason"));
			pod->condition_message = xstrdup(read_text(condition, "message"));
		}
}

/* A decision looks at these for each node: what no honest pod has must not hold up all others. NULL: it is not too much. */
static char *too_much(const struct pod *pod)
{
	const struct {
		const char *what;
		uint32_t count, max;
	} lists[] = {
		{"spec.tolerations", pod->toleration_count, POD_LIST_MAX},
		{"the required node affinity", node_selector_size(&pod->node_affinity), POD_LIST_MAX},
		{"the pod affinity", pod_affinity_size(pod), POD_LIST_MAX},
		{"the preferred node affinity", pod_prefers_nodes_size(pod), POD_LIST_MAX},
		{"spec.topologySpreadConstraints", pod_spread_size(pod), POD_LIST_MAX},
		{"the host ports", pod->port_count, POD_LIST_MAX},
		{"spec.volumes", pod->volume_count, POD_LIST_MAX},
		{"the images", pod->image_count, POD_LIST_MAX},
		{"the extended resources", pod->requests.scalar_count, POD_RESOURCES_MAX},
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].count > lists[i].max)
			return xasprintf("%s: %u items, more than this scheduler takes (%u)", lists[i].what, lists[i].count, lists[i].max);
	return NULL;
}

static struct pod *parse(const cJSON *object, bool whole, struct lm_err *err)
{
	const cJSON *metadata = read_member(object, "metadata");
	static const char *const identity[] = {"uid", "namespace", "name"};
	struct lm_err why = {0};
	struct pod *pod;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(identity); i++)
		if (!read_text(metadata, identity[i])[0]) {
			lm_fail(err, LM_DATA, "a pod without metadata.%s (%s/%s)", identity[i], read_text(metadata, "namespace"),
				read_text(metadata, "name"));
			return NULL;
		}
	pod = xcalloc(1, sizeof(*pod));
	pod->uid = xstrdup(read_text(metadata, "uid"));
	pod->namespace_ = xstrdup(read_text(metadata, "namespace"));
	pod->name = xstrdup(read_text(metadata, "name"));
	parse_metadata(metadata, pod);
	parse_plan(read_member(object, "spec"), pod);
	if (whole) {
		parse_constraints(read_member(object, "spec"), pod);
		parse_status(read_member(object, "status"), pod);
		pod->unsupported = unsupported_field(object);
	} else {
		pod->nominated_node = xstrdup("");
	}
	if (resources_of_pod(object, &pod->requests, &why) < 0) {
		free(pod->broken);
		pod->broken = xstrdup(why.msg);
	} else if (!pod->broken) {
		pod->broken = too_much(pod);
	}
	return pod;
}

struct pod *pod_parse(const cJSON *object, struct lm_err *err)
{
	return parse(object, true, err);
}

struct pod *pod_parse_asking(const cJSON *object, struct lm_err *err)
{
	return parse(object, false, err);
}

static void free_lists(struct pod *pod)
{
	uint32_t i;

	for (i = 0; i < pod->toleration_count; i++) {
		free(pod->tolerations[i].key);
		free(pod->tolerations[i].value);
		free(pod->tolerations[i].effect);
	}
	free(pod->tolerations);
	for (i = 0; i < pod->port_count; i++) {
		free(pod->ports[i].ip);
		free(pod->ports[i].protocol);
	}
	free(pod->ports);
	pod_terms_free(pod);
}

void pod_free(struct pod *pod)
{
	if (!pod)
		return;
	free_lists(pod);
	pod_volumes_free(pod);
	labels_free(&pod->labels);
	labels_free(&pod->node_selector);
	resources_free(&pod->requests);
	ask_free(&pod->ask);
	free(pod->uid);
	free(pod->namespace_);
	free(pod->name);
	free(pod->resource_version);
	free(pod->node);
	free(pod->scheduler_name);
	free(pod->nominated_node);
	free(pod->owner_kind);
	free(pod->owner_name);
	free(pod->owner_uid);
	free(pod->controller);
	free(pod->condition_reason);
	free(pod->condition_message);
	free(pod->covers);
	free(pod->os);
	free(pod->unsupported);
	free(pod->broken);
	free(pod);
}

void pod_key(const struct pod *pod, char *text, size_t size)
{
	snprintf(text, size, "%s/%s", pod->namespace_, pod->name);
}
