#include "sched/cache/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/cache/features.h"
#include "sched/cache/pod_volumes.h"
#include "sched/cache/read.h"
#include "sched/cache/unsupported.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define HASH_LABEL "pod-template-hash"

static int64_t read_i64(const cJSON *object, const char *key)
{
	const cJSON *item = read_member(object, key);
	double value = cJSON_IsNumber(item) ? item->valuedouble : 0;

	return value > -9e15 && value < 9e15 ? (int64_t)value : 0;
}

static int32_t read_i32(const cJSON *object, const char *key)
{
	int64_t value = read_i64(object, key);

	return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : 0;
}

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

static void parse_term(const cJSON *object, const char *own_namespace, struct affinity_term *out)
{
	const cJSON *names = read_list(object, "namespaces"), *name;

	selector_parse(read_member(object, "labelSelector"), &out->selector);
	selector_parse(read_member(object, "namespaceSelector"), &out->namespaces_of);
	out->topology_key = xstrdup(read_text(object, "topologyKey"));
	out->namespaces = xcalloc(read_count(names) + 1, sizeof(*out->namespaces));
	cJSON_ArrayForEach(name, names)
		if (cJSON_IsString(name))
			out->namespaces[out->namespace_count++] = xstrdup(name->valuestring);
	if (!out->namespace_count && out->namespaces_of.is_nil)
		out->namespaces[out->namespace_count++] = xstrdup(own_namespace);
}

static void parse_affinity(const cJSON *affinity, struct pod *pod)
{
	const cJSON *terms = read_list(read_member(affinity, "podAntiAffinity"), REQUIRED), *item;

	node_selector_parse(read_member(read_member(affinity, "nodeAffinity"), REQUIRED), &pod->node_affinity);
	pod->anti_affinity = xcalloc(read_count(terms), sizeof(*pod->anti_affinity));
	cJSON_ArrayForEach(item, terms)
		parse_term(item, pod->namespace_, &pod->anti_affinity[pod->anti_affinity_count++]);
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
	labels_parse(read_member(metadata, "labels"), &pod->labels);
	parse_owner(metadata, pod);
	ask_parse(read_member(metadata, "labels"), read_member(metadata, "annotations"), &pod->ask);
}

static void parse_spec(const cJSON *spec, struct pod *pod)
{
	const cJSON *gates = read_list(spec, "schedulingGates");

	pod->node = xstrdup(read_text(spec, "nodeName"));
	pod->scheduler_name = xstrdup(read_text(spec, "schedulerName"));
	pod->priority = read_i32(spec, "priority");
	pod->gated = read_count(gates) > 0;
	pod->os = xstrdup(read_text(read_member(spec, "os"), "name"));
	labels_parse(read_member(spec, "nodeSelector"), &pod->node_selector);
	parse_tolerations(read_list(spec, "tolerations"), pod);
	parse_ports(spec, pod);
	parse_affinity(read_member(spec, "affinity"), pod);
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
		{"the host ports", pod->port_count, POD_LIST_MAX},
		{"spec.volumes", pod->volume_count, POD_LIST_MAX},
		{"the extended resources", pod->requests.scalar_count, POD_RESOURCES_MAX},
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].count > lists[i].max)
			return xasprintf("%s: %u items, more than this scheduler takes (%u)", lists[i].what, lists[i].count, lists[i].max);
	return NULL;
}

struct pod *pod_parse(const cJSON *object, struct lm_err *err)
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
	parse_spec(read_member(object, "spec"), pod);
	parse_status(read_member(object, "status"), pod);
	pod->unsupported = unsupported_field(object);
	if (resources_of_pod(object, &pod->requests, &why) < 0)
		pod->broken = xstrdup(why.msg);
	else
		pod->broken = too_much(pod);
	return pod;
}

static void term_free(struct affinity_term *term)
{
	uint32_t i;

	selector_free(&term->selector);
	selector_free(&term->namespaces_of);
	for (i = 0; i < term->namespace_count; i++)
		free(term->namespaces[i]);
	free(term->namespaces);
	free(term->topology_key);
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
	for (i = 0; i < pod->anti_affinity_count; i++)
		term_free(&pod->anti_affinity[i]);
	free(pod->anti_affinity);
}

void pod_free(struct pod *pod)
{
	if (!pod)
		return;
	free_lists(pod);
	pod_volumes_free(pod);
	labels_free(&pod->labels);
	labels_free(&pod->node_selector);
	node_selector_free(&pod->node_affinity);
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
	free(pod->os);
	free(pod->unsupported);
	free(pod->broken);
	free(pod);
}

void pod_key(const struct pod *pod, char *text, size_t size)
{
	snprintf(text, size, "%s/%s", pod->namespace_, pod->name);
}
