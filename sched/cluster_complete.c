/* What Kubernetes has in which place, and what its API server would add. The parsers of cache/ take what is of another type for missing. */
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/cluster.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

enum shape { OBJECT, LIST, TEXT, TEXTS /* an object of strings */, FLAG, NUMBER };

static const char *const shape_names[] = {"an object", "an array", "a string", "an object", "a boolean", "a number"};

struct place {
	const char *path;		/* "spec.containers[].ports": members, [] is each item */
	enum shape shape;
};

static const struct place of_all[] = {
	{"metadata", OBJECT}, {"metadata.name", TEXT}, {"metadata.namespace", TEXT}, {"metadata.uid", TEXT}, {"metadata.labels", TEXTS},
	{"metadata.annotations", TEXTS}, {"metadata.deletionTimestamp", TEXT}, {"metadata.ownerReferences[]", OBJECT}, {"status", OBJECT},
};

static const struct place of_node[] = {
	{"spec", OBJECT}, {"spec.taints[]", OBJECT}, {"spec.taints[].key", TEXT}, {"spec.taints[].value", TEXT}, {"spec.taints[].effect", TEXT},
	{"spec.unschedulable", FLAG}, {"status.allocatable", OBJECT}, {"status.images[]", OBJECT}, {"status.declaredFeatures", LIST},
};

static const struct place of_pod[] = {
	{"spec", OBJECT}, {"spec.nodeName", TEXT}, {"spec.schedulerName", TEXT}, {"spec.priority", NUMBER}, {"spec.nodeSelector", TEXTS},
	{"spec.containers[]", OBJECT}, {"spec.containers[].resources.requests", OBJECT}, {"spec.containers[].resources.limits", OBJECT},
	{"spec.containers[].ports[]", OBJECT}, {"spec.containers[].ports[].hostPort", NUMBER}, {"spec.containers[].ports[].containerPort", NUMBER},
	{"spec.initContainers[]", OBJECT}, {"spec.initContainers[].resources.requests", OBJECT}, {"spec.initContainers[].resources.limits", OBJECT},
	{"spec.initContainers[].ports[]", OBJECT}, {"spec.initContainers[].ports[].hostPort", NUMBER},
	{"spec.resources.requests", OBJECT}, {"spec.overhead", OBJECT}, {"spec.hostNetwork", FLAG}, {"spec.schedulingGates[]", OBJECT},
	{"spec.tolerations[]", OBJECT}, {"spec.tolerations[].key", TEXT}, {"spec.tolerations[].operator", TEXT},
	{"spec.tolerations[].value", TEXT}, {"spec.tolerations[].effect", TEXT}, {"spec.os.name", TEXT}, {"spec.volumes[]", OBJECT},
	{"spec.topologySpreadConstraints[]", OBJECT}, {"spec.topologySpreadConstraints[].labelSelector.matchLabels", TEXTS},
	{"spec.affinity.nodeAffinity." REQUIRED ".nodeSelectorTerms[]", OBJECT}, {"spec.affinity.nodeAffinity." PREFERRED "[].preference", OBJECT},
	{"spec.affinity.podAffinity." REQUIRED "[].labelSelector.matchLabels", TEXTS},
	{"spec.affinity.podAffinity." PREFERRED "[].podAffinityTerm.labelSelector.matchLabels", TEXTS},
	{"spec.affinity.podAntiAffinity." REQUIRED "[].labelSelector.matchLabels", TEXTS},
	{"spec.affinity.podAntiAffinity." PREFERRED "[].podAffinityTerm.labelSelector.matchLabels", TEXTS}, {"status.phase", TEXT}, {"status.nominatedNodeName", TEXT}, {"status.conditions[]", OBJECT},
};

/* --- shapes ---------------------------------------------------------------------------------------------------------- */

static int refuse(const struct buf *at, const cJSON *value, enum shape shape, struct lm_err *err)
{
	return lm_fail(err, LM_DATA, "%s: is %s, not %s", at->data, json_kind(value), shape_names[shape]);
}

static void step(struct buf *at, const char *member, size_t len)
{
	buf_printf(at, "%s%.*s", at->len ? "." : "", (int)len, member);
}

static void step_back(struct buf *at, size_t len)
{
	at->len = len;
	at->data[len] = '\0';
}

static int check_texts(const cJSON *value, struct buf *at, struct lm_err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, value) {
		if (cJSON_IsString(item))
			continue;
		step(at, item->string, strlen(item->string));
		return refuse(at, item, TEXT, err);
	}
	return 0;
}

static int check_shape(const cJSON *value, enum shape shape, struct buf *at, struct lm_err *err)
{
	static cJSON_bool (*const is[])(const cJSON *) = {cJSON_IsObject, cJSON_IsArray, cJSON_IsString, cJSON_IsObject, cJSON_IsBool,
							  cJSON_IsNumber};

	if (!is[shape](value))
		return refuse(at, value, shape, err);
	return shape == TEXTS ? check_texts(value, at, err) : 0;
}

static int check(const cJSON *value, const char *path, enum shape shape, struct buf *at, struct lm_err *err);

static int check_items(const cJSON *list, const char *path, enum shape shape, struct buf *at, struct lm_err *err)
{
	size_t before = at->len;
	const cJSON *item;
	int i = 0;

	if (!cJSON_IsArray(list))
		return refuse(at, list, LIST, err);
	cJSON_ArrayForEach(item, list) {
		buf_printf(at, "[%d]", i++);
		if (check(item, path, shape, at, err) < 0)
			return -1;
		step_back(at, before);
	}
	return 0;
}

/* What is missing or null is fine. The depth is that of a path in the tables. */
static int check(const cJSON *value, const char *path, enum shape shape, struct buf *at, struct lm_err *err)
{
	size_t len = strcspn(path, ".["), before = at->len;
	const cJSON *member;
	int failed;

	if (!value || cJSON_IsNull(value))
		return 0;
	if (!*path)
		return check_shape(value, shape, at, err);
	if (!cJSON_IsObject(value))
		return refuse(at, value, OBJECT, err);
	cJSON_ArrayForEach(member, value)
		if (strlen(member->string) == len && strncmp(member->string, path, len) == 0)
			break;
	if (!member || cJSON_IsNull(member))
		return 0;
	step(at, path, len);
	path += len;
	if (strncmp(path, "[]", 2) == 0)
		failed = check_items(member, path + 2 + (path[2] == '.'), shape, at, err);
	else
		failed = check(member, path + (*path == '.'), shape, at, err);
	if (!failed)
		step_back(at, before);
	return failed;
}

static int check_all(const cJSON *object, const struct place *places, size_t count, struct lm_err *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		auto_buf struct buf at = {0};

		if (check(object, places[i].path, places[i].shape, &at, err) < 0)
			return -1;
	}
	return 0;
}

/* --- what the API server adds ---------------------------------------------------------------------------------------- */

static bool is_namespaced(int kind)
{
	return kind == CLUSTER_POD || kind == (int)(CLUSTER_OTHER + OBJECT_CLAIM) || kind == (int)(CLUSTER_OTHER + OBJECT_CAPACITY);
}

static void set_text(cJSON *object, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	cJSON_AddStringToObject(object, key, value);
}

/* What is limited and not requested is requested. */
static void request_limits(cJSON *container)
{
	cJSON *resources = cJSON_GetObjectItemCaseSensitive(container, "resources");
	const cJSON *limits = read_object(resources, "limits"), *limit;
	cJSON *requests = cJSON_GetObjectItemCaseSensitive(resources, "requests");

	if (!limits)
		return;
	if (!cJSON_IsObject(requests)) {
		cJSON_DeleteItemFromObjectCaseSensitive(resources, "requests");
		requests = cJSON_AddObjectToObject(resources, "requests");
	}
	cJSON_ArrayForEach(limit, limits)
		if (!json_get(requests, limit->string))
			cJSON_AddItemToObject(requests, limit->string, cJSON_Duplicate(limit, true));
}

static void host_ports(cJSON *container)
{
	cJSON *port;

	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(container, "ports")) {
		const cJSON *number = json_get(port, "containerPort");

		if (cJSON_IsNumber(number) && !json_get(port, "hostPort"))
			cJSON_AddNumberToObject(port, "hostPort", number->valuedouble);
	}
}

static void complete_pod(const cJSON *pod)
{
	static const char *const lists[] = {"containers", "initContainers"};
	const cJSON *spec = read_member(pod, "spec");
	bool host = read_true(spec, "hostNetwork");
	cJSON *container;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		cJSON_ArrayForEach(container, cJSON_GetObjectItemCaseSensitive(spec, lists[i])) {
			request_limits(container);
			if (host)
				host_ports(container);
		}
}

static void complete_identity(cJSON *metadata, int kind)
{
	const char *name = read_text(metadata, "name");

	if (is_namespaced(kind) && !read_text(metadata, "namespace")[0])
		set_text(metadata, "namespace", "default");
	if (!read_text(metadata, "uid")[0]) {
		const char *namespace_ = read_text(metadata, "namespace");
		auto_free char *uid = xasprintf("%s%s%s", namespace_, *namespace_ ? "/" : "", name);

		set_text(metadata, "uid", uid);
	}
}

int cluster_complete(cJSON *object, struct lm_err *err)
{
	int kind = cluster_kind(object);
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	bool written_by_hand;

	if (check_all(object, of_all, ARRAY_SIZE(of_all), err) < 0)
		return -1;
	if (!read_text(metadata, "name")[0])
		return lm_fail(err, LM_DATA, "metadata.name: is missing");
	written_by_hand = !read_text(metadata, "uid")[0];
	complete_identity(metadata, kind);
	if (kind == CLUSTER_NODE && check_all(object, of_node, ARRAY_SIZE(of_node), err) < 0)
		return -1;
	if (kind == CLUSTER_POD && check_all(object, of_pod, ARRAY_SIZE(of_pod), err) < 0)
		return -1;
	if (kind == CLUSTER_POD && written_by_hand)
		complete_pod(object);
	return 0;
}
