#include "tests/testing/shelter.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

#define ROLE "latency-mesh.io/role"
#define COVERS "latency-mesh.io/covers"
#define PODS_MAX 110
#define WHOLE_MS 40000

/* --- start and end ---------------------------------------------------------------------------------------------------- */

static cJSON *all_pods(struct shelter *h)
{
	return standin_want(&h->s.api, 200, "GET", "/api/v1/pods", NULL);
}

void shelter_mark(struct shelter *h)
{
	cJSON_Delete(h->origin);
	h->origin = all_pods(h);
}

static void publish_even(struct shelter *h)
{
	auto_buf struct buf text = {0};
	int i, j;

	for (i = 0; i < h->s.name_count; i++)
		for (j = 0; j < h->s.name_count; j++)
			buf_str(&text, i == j ? "0 " : "5 ");
	sched_matrix(&h->s, 1, text.data);
}

void shelter_begin(struct shelter *h, const char *nodes)
{
	*h = (struct shelter){0};
	sched_begin(&h->s, NULL);
	standin_do(&h->s.api, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"" SHELTER_NAMESPACE "\"}}");
	sched_nodes(&h->s, nodes);
	publish_even(h);
	h->config = xasprintf("%s/sched.yaml", test_folder());
	test_write(h->config, "reserve:\n  enabled: true\n  namespace: " SHELTER_NAMESPACE "\n");
	h->options[0] = "--config";
	h->options[1] = h->config;
	shelter_mark(h);
}

void shelter_end(struct shelter *h)
{
	sched_end(&h->s);
	cJSON_Delete(h->origin);
	free(h->config);
}

void shelter_work(struct shelter *h)
{
	sched_start(&h->s, h->options);
	shelter_placed(h);
	shelter_whole(h);
}

void shelter_finish(struct shelter *h)
{
	assert_int_equal(sched_stop(&h->s, SIGTERM), 0);
	shelter_end(h);
}

/* --- the world -------------------------------------------------------------------------------------------------------- */

void shelter_pod_of(struct shelter *h, const char *name, const char *owner, const char *near, int cpu_milli, const char *label)
{
	auto_free char *opted = *label ? xasprintf(",\"latency-mesh.io/reserve\":\"%s\"", label) : xstrdup("");
	auto_free char *body = xasprintf(
		"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"%s\"%s},\"annotations\":{\"latency-mesh.io/near\":\"node/%s\","
		"\"latency-mesh.io/within\":\"node/%s<=20ms\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"%s\","
		"\"uid\":\"rs-%s\",\"controller\":true}]},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\","
		"\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%dm\",\"memory\":\"64Mi\"}}}]}}",
		name, owner, opted, near, near, owner, owner, cpu_milli);

	standin_do(&h->s.api, 201, "POST", "/api/v1/namespaces/default/pods", body);
}

void shelter_pod(struct shelter *h, const char *name, const char *owner, const char *near, int cpu_milli)
{
	shelter_pod_of(h, name, owner, near, cpu_milli, "true");
}

int64_t shelter_version(struct shelter *h)
{
	auto_json cJSON *list = all_pods(h);

	return atoll(text_at(list, "metadata.resourceVersion"));
}

static void taint(struct shelter *h, const char *node, bool on)
{
	auto_free char *path = xasprintf("/api/v1/nodes/%s", node);

	standin_do(&h->s.api, 200, "PATCH", path, on ? "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"},"
						       "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoSchedule\"}]}}"
						     : "{\"spec\":{\"taints\":null}}");
}

static int cpu_of(const cJSON *pod)
{
	const cJSON *containers = item_at(pod, "spec.containers");
	const char *text = text_at(containers ? containers->child : NULL, "resources.requests.cpu");

	return strchr(text, 'm') ? atoi(text) : atoi(text) * 1000;
}

static const char *label_of(const cJSON *pod, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item_at(pod, "metadata.labels"), key));
}

static const char *annotation_of(const cJSON *pod, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item_at(pod, "metadata.annotations"), key));
}

static bool has_role(const cJSON *pod, const char *role)
{
	const char *label = label_of(pod, ROLE);

	return STREQ(text_at(pod, "metadata.namespace"), SHELTER_NAMESPACE) && label && STREQ(label, role);
}

static bool is_opted(const cJSON *pod)
{
	const char *label = label_of(pod, "latency-mesh.io/reserve");

	return label && STREQ(label, "true");
}

static void remove_pod(struct shelter *h, const cJSON *pod)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", text_at(pod, "metadata.namespace"), text_at(pod, "metadata.name"));

	standin_do(&h->s.api, 200, "DELETE", path, "{\"gracePeriodSeconds\":0}");
}

static const char *near_of(const cJSON *pod)
{
	return annotation_of(pod, "latency-mesh.io/near") + strlen("node/");
}

static double node_events(struct shelter *h)
{
	return h->s.pid ? sched_metric(&h->s, "latency_sched_watch_events_total{resource=\"nodes\"}") : NAN;
}

/* Watches of nodes and of pods are two: a scheduler that knew of the new pods first would send them where the old ones were. */
static void taint_and_tell(struct shelter *h, const char *node)
{
	double before = node_events(h);
	int64_t until = clock_mono_ms() + 2000;

	taint(h, node, true);
	while (node_events(h) <= before && clock_mono_ms() < until)
		usleep(5000);
}

int shelter_kill(struct shelter *h, const char *node)
{
	auto_json cJSON *list = all_pods(h);
	const cJSON *pod;
	int count = 0;

	taint_and_tell(h, node);
	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		auto_free char *name = NULL;

		if (!STREQ(text_at(pod, "spec.nodeName"), node) || STREQ(text_at(pod, "metadata.namespace"), SHELTER_NAMESPACE))
			continue;
		remove_pod(h, pod);
		if (!label_of(pod, "app"))
			continue; /* a tenant */
		name = xasprintf("%.20s-again-%d", text_at(pod, "metadata.name"), h->made++);
		shelter_pod_of(h, name, label_of(pod, "app"), near_of(pod), cpu_of(pod), is_opted(pod) ? "true" : "");
		count++;
	}
	return count;
}

void shelter_revive(struct shelter *h, const char *node)
{
	taint(h, node, false);
}

static int free_on(const cJSON *list, const char *node)
{
	int left = SHELTER_CPU;
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items"))
		if (STREQ(text_at(pod, "spec.nodeName"), node))
			left -= cpu_of(pod);
	return left;
}

static bool has_guard(const cJSON *list, const char *node)
{
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items"))
		if (has_role(pod, "guard") && STREQ(text_at(pod, "spec.nodeName"), node))
			return true;
	return false;
}

static bool is_tainted(struct shelter *h, const char *node)
{
	auto_free char *path = xasprintf("/api/v1/nodes/%s", node);
	int status;
	auto_json cJSON *object = standin_call(&h->s.api, "GET", path, NULL, &status);
	const cJSON *taints = item_at(object, "spec.taints");

	return status != 200 || (taints && taints->child);
}

static bool add_tenant(struct shelter *h, const char *node, int cpu_milli)
{
	auto_json cJSON *list = all_pods(h);
	auto_free char *body = NULL;

	if (free_on(list, node) < cpu_milli || has_guard(list, node) || is_tainted(h, node))
		return false;
	body = xasprintf("{\"metadata\":{\"name\":\"tenant-%d\"},\"spec\":{\"schedulerName\":\"default-scheduler\",\"nodeName\":\"%s\",\"containers\":"
			 "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%dm\"}}}]}}", h->tenants++, node, cpu_milli);
	standin_do(&h->s.api, 201, "POST", "/api/v1/namespaces/default/pods", body);
	return true;
}

int shelter_fill(struct shelter *h, int cpu_milli)
{
	int count = 0, i;

	for (i = 0; i < h->s.name_count; i++)
		while (add_tenant(h, h->s.names[i], cpu_milli))
			count++;
	return count;
}

/* --- what is there ---------------------------------------------------------------------------------------------------- */

static int room_on(const cJSON *list, const char *node, int *placeholders)
{
	const cJSON *pod;
	int sum = 0;

	*placeholders = 0;
	cJSON_ArrayForEach(pod, item_at(list, "items"))
		if (has_role(pod, "placeholder") && STREQ(text_at(pod, "spec.nodeName"), node)) {
			sum += cpu_of(pod);
			++*placeholders;
		}
	return sum;
}

int shelter_room(struct shelter *h, const char *node, int *placeholders)
{
	auto_json cJSON *list = all_pods(h);

	return room_on(list, node, placeholders);
}

int shelter_guards(struct shelter *h)
{
	auto_json cJSON *list = all_pods(h);
	int count = 0, i;

	for (i = 0; i < h->s.name_count; i++)
		count += has_guard(list, h->s.names[i]);
	return count;
}

static const cJSON *pod_of_uid(const cJSON *list, const char *uid)
{
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items"))
		if (STREQ(text_at(pod, "metadata.uid"), uid))
			return pod;
	return NULL;
}

/* All covers of the cluster; each with "refuge" added. */
static cJSON *all_covers(const cJSON *list)
{
	cJSON *all = cJSON_CreateArray();
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		const char *text = has_role(pod, "placeholder") || has_role(pod, "guard") ? annotation_of(pod, COVERS) : NULL;
		cJSON *covers = text ? cJSON_Parse(text) : NULL;

		while (covers && covers->child) {
			cJSON *cover = cJSON_DetachItemFromArray(covers, 0);

			cJSON_AddStringToObject(cover, "refuge", text_at(pod, "spec.nodeName"));
			cJSON_AddItemToArray(all, cover);
		}
		cJSON_Delete(covers);
	}
	return all;
}

static const cJSON *cover_of(const cJSON *covers, const char *uid)
{
	const cJSON *cover;

	cJSON_ArrayForEach(cover, covers)
		if (STREQ(text_at(cover, "uid"), uid))
			return cover;
	return NULL;
}

const char *shelter_refuge(struct shelter *h, const char *name)
{
	static char refuge[64];
	auto_json cJSON *list = all_pods(h), *covers = all_covers(list);
	const cJSON *pod;

	refuge[0] = '\0';
	cJSON_ArrayForEach(pod, item_at(list, "items"))
		if (STREQ(text_at(pod, "metadata.name"), name) && STREQ(text_at(pod, "metadata.namespace"), "default"))
			snprintf(refuge, sizeof(refuge), "%s", text_at(cover_of(covers, text_at(pod, "metadata.uid")), "refuge"));
	return refuge;
}

/* Is what would come from one node to another held there? */
static bool holds(const cJSON *list, const cJSON *covers, const char *from, const char *refuge)
{
	int placeholders, room = room_on(list, refuge, &placeholders), need = 0, pods = 0;
	const cJSON *cover;

	cJSON_ArrayForEach(cover, covers) {
		const cJSON *pod = pod_of_uid(list, text_at(cover, "uid"));

		if (!pod || !STREQ(text_at(cover, "refuge"), refuge) || !STREQ(text_at(pod, "spec.nodeName"), from))
			continue;
		need += cpu_of(pod);
		pods++;
	}
	return room >= need && placeholders >= pods;
}

static const char *flaw_of_pods(const cJSON *list, const cJSON *covers)
{
	static char flaw[256];
	const cJSON *pod;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		const char *node = text_at(pod, "spec.nodeName"), *name = text_at(pod, "metadata.name");
		const cJSON *cover = cover_of(covers, text_at(pod, "metadata.uid"));

		snprintf(flaw, sizeof(flaw), "%s on \"%s\", with room on \"%s\"", name, node, text_at(cover, "refuge"));
		if (is_opted(pod) && (!*node || !cover || !STREQ(text_at(cover, "node"), node) || STREQ(text_at(cover, "refuge"), node)))
			return flaw;
		snprintf(flaw, sizeof(flaw), "guard %s is there", name);
		if (has_role(pod, "guard"))
			return flaw;
	}
	return NULL;
}

const char *shelter_flaw(struct shelter *h)
{
	auto_json cJSON *list = all_pods(h), *covers = all_covers(list);
	const char *flaw = flaw_of_pods(list, covers);
	int i, j;

	for (i = 0; !flaw && i < h->s.name_count; i++)
		for (j = 0; !flaw && j < h->s.name_count; j++)
			if (!holds(list, covers, h->s.names[i], h->s.names[j]))
				flaw = "a room is smaller than what its covers promise";
	return flaw;
}

void shelter_whole(struct shelter *h)
{
	int64_t end = clock_mono_ms() + WHOLE_MS;
	const char *flaw;

	while ((flaw = shelter_flaw(h)) != NULL && clock_mono_ms() < end)
		usleep(20000);
	if (flaw)
		fail_msg("the reserve does not get whole: %s", flaw);
}

void shelter_placed(struct shelter *h)
{
	int64_t end = clock_mono_ms() + WHOLE_MS;
	bool all = false;

	while (!all && clock_mono_ms() < end) {
		auto_json cJSON *list = all_pods(h);
		const cJSON *pod;

		all = true;
		cJSON_ArrayForEach(pod, item_at(list, "items"))
			all = all && *text_at(pod, "spec.nodeName");
		if (!all)
			usleep(10000);
	}
	assert_true(all);
}

const char *shelter_busiest(struct shelter *h)
{
	auto_json cJSON *list = all_pods(h);
	int best = 0, most = -1, i;
	const cJSON *pod;

	for (i = 0; i < h->s.name_count; i++) {
		int count = 0;

		cJSON_ArrayForEach(pod, item_at(list, "items"))
			count += is_opted(pod) && STREQ(text_at(pod, "spec.nodeName"), h->s.names[i]);
		if (count > most) {
			most = count;
			best = i;
		}
	}
	return h->s.names[best];
}

void shelter_edit(struct shelter *h, const char *pod, const char *metadata)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/default/pods/%s", pod), *body = xasprintf("{\"metadata\":%s}", metadata);

	standin_do(&h->s.api, 200, "PATCH", path, body);
}

/* --- the judge -------------------------------------------------------------------------------------------------------- */

struct scene {
	cJSON *pods;			/* an object: by uid */
};

static void judge_node(const struct scene *scene, const char *node, int64_t version, int tenant_milli)
{
	int sum = 0, count = 0;
	bool guard = false;
	const cJSON *pod;

	cJSON_ArrayForEach(pod, scene->pods) {
		if (!STREQ(text_at(pod, "spec.nodeName"), node))
			continue;
		sum += cpu_of(pod);
		count++;
		guard = guard || has_role(pod, "guard");
	}
	if (sum > SHELTER_CPU || count > PODS_MAX)
		fail_msg("at version %lld node %s has %d pods that ask for %dm", (long long)version, node, count, sum);
	if (tenant_milli && !guard && SHELTER_CPU - sum >= tenant_milli)
		fail_msg("at version %lld a tenant of %dm would get onto node %s", (long long)version, tenant_milli, node);
}

static void take_event(struct scene *scene, const cJSON *event)
{
	const cJSON *pod = item_at(event, "object"), *before;
	const char *uid = text_at(pod, "metadata.uid"), *was;

	before = cJSON_GetObjectItemCaseSensitive(scene->pods, uid);
	was = text_at(before, "spec.nodeName");
	if (*was && !STREQ(was, text_at(pod, "spec.nodeName")))
		fail_msg("pod %s went from %s to %s", text_at(pod, "metadata.name"), was, text_at(pod, "spec.nodeName"));
	cJSON_DeleteItemFromObjectCaseSensitive(scene->pods, uid);
	if (!STREQ(text_at(event, "type"), "DELETED"))
		cJSON_AddItemToObject(scene->pods, uid, cJSON_Duplicate(pod, true));
}

void shelter_judge(struct shelter *h, int64_t from, int64_t until, int tenant_milli, const char *except)
{
	auto_free char *path = xasprintf("/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion=%s", text_at(h->origin, "metadata.resourceVersion"));
	auto_free char *text = standin_text(&h->s.api, path);
	struct scene scene = {.pods = cJSON_CreateObject()};
	char *rest = text, *line;
	const cJSON *pod;
	int events = 0, i;

	cJSON_ArrayForEach(pod, item_at(h->origin, "items"))
		cJSON_AddItemToObject(scene.pods, text_at(pod, "metadata.uid"), cJSON_Duplicate(pod, true));
	while ((line = strsep(&rest, "\n")) != NULL) {
		auto_json cJSON *event = *line ? cJSON_Parse(line) : NULL;
		int64_t version = atoll(text_at(event, "object.metadata.resourceVersion"));

		if (!event || STREQ(text_at(event, "type"), "BOOKMARK"))
			continue;
		assert_string_not_equal(text_at(event, "type"), "ERROR");
		take_event(&scene, event);
		events++;
		for (i = 0; i < h->s.name_count; i++)
			judge_node(&scene, h->s.names[i], version,
				   version >= from && version <= until && !STREQ(h->s.names[i], except) ? tenant_milli : 0);
	}
	cJSON_Delete(scene.pods);
	printf("# %d events judged\n", events);
	assert_true(events > 0);
}
