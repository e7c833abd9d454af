/* Pods: what the server adds and refuses at creation and update (resource.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/apiserver/answer.h"
#include "tests/apiserver/pods.h"

static const char *name_of(const cJSON *object)
{
	return json_text_at(object, "metadata.name");
}

void pod_set_condition(cJSON *pod, const char *type, const char *status, const char *reason, const char *message)
{
	cJSON *state = json_make_object(pod, "status");
	cJSON *list = cJSON_GetObjectItemCaseSensitive(state, "conditions");
	static const char *const gone[] = {"reason", "message", "observedGeneration"};
	cJSON *item, *condition = NULL;
	char now[32];
	size_t i;

	if (!cJSON_IsArray(list)) {
		list = cJSON_CreateArray();
		json_set(state, "conditions", list);
	}
	cJSON_ArrayForEach(item, list)
		if (STREQ(json_text_at(item, "type"), type))
			condition = item;
	if (!condition) {
		condition = cJSON_CreateObject();
		cJSON_AddItemToArray(list, condition);
	}
	time_text(now);
	if (!STREQ(json_text_at(condition, "status"), status))
		json_set_text(condition, "lastTransitionTime", now);
	json_set_text(condition, "type", type);
	json_set_text(condition, "status", status);
	json_set(condition, "lastProbeTime", cJSON_CreateNull());
	for (i = 0; i < ARRAY_SIZE(gone); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(condition, gone[i]);
	if (reason)
		json_set_text(condition, "reason", reason);
	if (message)
		json_set_text(condition, "message", message);
}

static void default_ports(cJSON *container, bool host_network)
{
	cJSON *port;

	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(container, "ports")) {
		const cJSON *number = cJSON_GetObjectItemCaseSensitive(port, "containerPort");

		json_default_text(port, "protocol", "TCP");
		if (host_network && number && !cJSON_GetObjectItemCaseSensitive(port, "hostPort"))
			cJSON_AddItemToObject(port, "hostPort", cJSON_Duplicate(number, true));
	}
}

/* requests := limits, where a limit has no request. */
static void default_requests(cJSON *container)
{
	cJSON *resources_ = json_make_object(container, "resources");
	const cJSON *limits = cJSON_GetObjectItemCaseSensitive(resources_, "limits"), *limit;
	cJSON *requests;

	if (!cJSON_IsObject(limits) || !limits->child)
		return;
	requests = json_make_object(resources_, "requests");
	cJSON_ArrayForEach(limit, limits)
		if (!cJSON_GetObjectItemCaseSensitive(requests, limit->string))
			cJSON_AddItemToObject(requests, limit->string, cJSON_Duplicate(limit, true));
}

static bool is_latest(const char *image)
{
	const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');

	return !tag || STREQ(tag, ":latest");
}

static void default_containers(cJSON *list, bool host_network)
{
	cJSON *container;

	cJSON_ArrayForEach(container, list) {
		default_ports(container, host_network);
		default_requests(container);
		json_default_text(container, "terminationMessagePath", "/dev/termination-log");
		json_default_text(container, "terminationMessagePolicy", "File");
		json_default_text(container, "imagePullPolicy", is_latest(json_text_at(container, "image")) ? "Always" : "IfNotPresent");
	}
}

/* The admission plugin DefaultTolerationSeconds. */
static void default_tolerations(cJSON *spec)
{
	static const char *const keys[] = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"};
	cJSON *list = cJSON_GetObjectItemCaseSensitive(spec, "tolerations"), *item;
	size_t i;

	if (!cJSON_IsArray(list)) {
		list = cJSON_CreateArray();
		json_set(spec, "tolerations", list);
	}
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		bool there = false;

		cJSON_ArrayForEach(item, list) {
			const char *key = json_text_at(item, "key"), *effect = json_text_at(item, "effect");

			there = there || ((!*key || STREQ(key, keys[i])) && (!*effect || STREQ(effect, "NoExecute")));
		}
		if (there)
			continue;
		item = cJSON_CreateObject();
		json_set_text(item, "key", keys[i]);
		json_set_text(item, "operator", "Exists");
		json_set_text(item, "effect", "NoExecute");
		json_set_number(item, "tolerationSeconds", 300);
		cJSON_AddItemToArray(list, item);
	}
}

static const char *qos_class(const cJSON *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	bool any = false, guaranteed = true;
	const cJSON *container;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		cJSON_ArrayForEach(container, cJSON_GetObjectItemCaseSensitive(spec, lists[i])) {
			const cJSON *requests = json_at(container, "resources.requests"), *limits = json_at(container, "resources.limits");

			any = any || json_at(requests, "cpu") || json_at(requests, "memory");
			guaranteed = guaranteed && json_at(limits, "cpu") && json_at(limits, "memory") &&
				cJSON_Compare(requests, limits, true);
		}
	return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static int check_containers(const struct resource *r, const cJSON *pod, struct answer *a)
{
	const cJSON *list = json_at(pod, "spec.containers"), *container;
	char place[64];
	int i = 0;

	if (!cJSON_IsArray(list) || !list->child)
		return answer_invalid(a, r, name_of(pod), "spec.containers", "FieldValueRequired", "Required value");
	cJSON_ArrayForEach(container, list) {
		snprintf(place, sizeof(place), "spec.containers[%d].name", i);
		if (!*json_text_at(container, "name"))
			return answer_invalid(a, r, name_of(pod), place, "FieldValueRequired", "Required value");
		snprintf(place, sizeof(place), "spec.containers[%d].image", i++);
		if (!*json_text_at(container, "image"))
			return answer_invalid(a, r, name_of(pod), place, "FieldValueRequired", "Required value");
	}
	return 0;
}

static void default_spec(cJSON *spec)
{
	bool host_network = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(spec, "hostNetwork"));

	default_containers(cJSON_GetObjectItemCaseSensitive(spec, "containers"), host_network);
	default_containers(cJSON_GetObjectItemCaseSensitive(spec, "initContainers"), host_network);
	default_tolerations(spec);
	json_default_text(spec, "restartPolicy", "Always");
	json_default_text(spec, "dnsPolicy", "ClusterFirst");
	json_default_text(spec, "schedulerName", "default-scheduler");
	json_default_text(spec, "preemptionPolicy", "PreemptLowerPriority");
	json_make_object(spec, "securityContext");
	if (!cJSON_GetObjectItemCaseSensitive(spec, "terminationGracePeriodSeconds"))
		json_set_number(spec, "terminationGracePeriodSeconds", 30);
	if (!cJSON_GetObjectItemCaseSensitive(spec, "priority"))
		json_set_number(spec, "priority", 0);
	if (!cJSON_GetObjectItemCaseSensitive(spec, "enableServiceLinks"))
		json_set(spec, "enableServiceLinks", cJSON_CreateTrue());
}

static bool is_gated(const cJSON *pod)
{
	const cJSON *gates = json_at(pod, "spec.schedulingGates");

	return cJSON_IsArray(gates) && gates->child;
}

int pod_on_create(const struct resource *r, cJSON *pod, struct answer *a)
{
	cJSON *state;

	if (check_containers(r, pod, a) < 0)
		return -1;
	if (is_gated(pod) && *json_text_at(pod, "spec.nodeName"))
		return answer_invalid(a, r, name_of(pod), "spec.nodeName", "FieldValueForbidden",
				      "Forbidden: cannot be set until all schedulingGates have been cleared");
	default_spec(json_make_object(pod, "spec"));
	json_set_number(json_make_object(pod, "metadata"), "generation", 1);
	json_set(pod, "status", cJSON_CreateObject());
	state = json_make_object(pod, "status");
	json_set_text(state, "phase", "Pending");
	if (is_gated(pod))
		pod_set_condition(pod, "PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
	json_set_text(state, "qosClass", qos_class(json_at(pod, "spec")));
	return 0;
}

/* Takes from the old spec what may change, so that the rest can be compared. */
static bool spec_may_change(const cJSON *pod, const cJSON *old)
{
	static const char *const gated[] = {"nodeSelector", "affinity"};
	static const char *const always[] = {"tolerations", "schedulingGates", "activeDeadlineSeconds", "terminationGracePeriodSeconds"};
	cJSON *probe = cJSON_Duplicate(json_at(pod, "spec"), true), *container;
	const cJSON *before = json_at(old, "spec");
	const cJSON *old_list = json_at(before, "containers"), *old_container = old_list ? old_list->child : NULL;
	bool same;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		json_take(probe, before, always[i]);
	for (i = 0; is_gated(old) && i < ARRAY_SIZE(gated); i++)
		json_take(probe, before, gated[i]);
	cJSON_ArrayForEach(container, cJSON_GetObjectItemCaseSensitive(probe, "containers")) {
		if (old_container)
			json_take(container, old_container, "image");
		old_container = old_container ? old_container->next : NULL;
	}
	same = cJSON_Compare(probe, before, true);
	cJSON_Delete(probe);
	return same;
}

/* Gates can only be removed. */
static int check_gates(const struct resource *r, const cJSON *pod, const cJSON *old, struct answer *a)
{
	const cJSON *gate, *before;
	char field[64];
	int i = 0;

	cJSON_ArrayForEach(gate, json_at(pod, "spec.schedulingGates")) {
		bool known = false;

		cJSON_ArrayForEach(before, json_at(old, "spec.schedulingGates"))
			known = known || STREQ(json_text_at(gate, "name"), json_text_at(before, "name"));
		snprintf(field, sizeof(field), "spec.schedulingGates[%d].name", i++);
		if (!known)
			return answer_invalid(a, r, name_of(pod), field, "FieldValueForbidden",
					      "Forbidden: only deletion is allowed, but found new scheduling gate '%.100s'", json_text_at(gate, "name"));
	}
	return 0;
}

/* A gated pod's may get more, but not others. */
static int check_node_selector(const struct resource *r, const cJSON *pod, const cJSON *old, struct answer *a)
{
	const cJSON *mine = json_at(pod, "spec.nodeSelector"), *item;
	auto_free char *shown = mine ? cJSON_PrintUnformatted(mine) : xstrdup("null");

	cJSON_ArrayForEach(item, json_at(old, "spec.nodeSelector"))
		if (!cJSON_Compare(cJSON_GetObjectItemCaseSensitive(mine, item->string), item, true))
			return answer_invalid(a, r, name_of(pod), "spec.nodeSelector", "FieldValueInvalid", "Invalid value: %.1000s: only additions "
					      "to spec.nodeSelector are allowed (no mutations or deletions)", shown);
	return 0;
}

/* What its Go type gives each condition. */
static void complete_conditions(cJSON *pod)
{
	static const char *const times[] = {"lastProbeTime", "lastTransitionTime"};
	cJSON *item;
	size_t i;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json_make_object(pod, "status"), "conditions")) {
		json_default_text(item, "status", "");
		for (i = 0; i < ARRAY_SIZE(times); i++)
			if (!cJSON_GetObjectItemCaseSensitive(item, times[i]))
				json_set(item, times[i], cJSON_CreateNull());
	}
}

static int update_status(const struct resource *r, cJSON *pod, const cJSON *old, struct answer *a)
{
	const char *nominated = json_text_at(pod, "status.nominatedNodeName");

	json_take(pod, old, "spec");
	json_take(json_make_object(pod, "metadata"), json_at(old, "metadata"), "ownerReferences");
	complete_conditions(pod);
	if (*nominated && *json_text_at(pod, "spec.nodeName") && !STREQ(nominated, json_text_at(old, "status.nominatedNodeName")))
		return answer_invalid(a, r, name_of(pod), "status.nominatedNodeName", "FieldValueForbidden",
				      "Forbidden: may not be set on pods that are already bound to a node");
	return 0;
}

int pod_on_update(const struct resource *r, cJSON *pod, const cJSON *old, bool status, struct answer *a)
{
	cJSON *meta = json_make_object(pod, "metadata");

	if (status)
		return update_status(r, pod, old, a);
	json_take(pod, old, "status");
	if (check_containers(r, pod, a) < 0 || check_gates(r, pod, old, a) < 0)
		return -1;
	if (is_gated(old) && check_node_selector(r, pod, old, a) < 0)
		return -1;
	if (!spec_may_change(pod, old))
		return answer_invalid(a, r, name_of(pod), "spec", "FieldValueForbidden",
				      "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
				      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
				      "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
	if (!cJSON_Compare(json_at(pod, "spec"), json_at(old, "spec"), true))
		json_set_number(meta, "generation", cJSON_GetNumberValue(json_at(old, "metadata.generation")) + 1);
	return 0;
}

const char *pod_binding_refusal(const cJSON *pod, char *text, size_t size)
{
	const char *node = json_text_at(pod, "spec.nodeName");

	if (json_at(pod, "metadata.deletionTimestamp"))
		snprintf(text, size, "pod %s is being deleted, cannot be assigned to a host", name_of(pod));
	else if (*node)
		snprintf(text, size, "pod %s is already assigned to node \"%s\"", name_of(pod), node);
	else if (is_gated(pod))
		snprintf(text, size, "pod %s has non-empty .spec.schedulingGates", name_of(pod));
	else
		return NULL;
	return text;
}
