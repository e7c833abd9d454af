#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"

static cJSON *named_pod(struct scene *s, const char *prefix, uint32_t i)
{
	struct rng *rng = &s->rng;
	cJSON *pod = make("{'kind':'Pod','metadata':{'name':'%s-%u','namespace':'%s','uid':'pod-%s-%u','labels':{}},"
			  "'spec':{'containers':[{'name':'c','image':'%s'}],'terminationGracePeriodSeconds':30},'status':{}}",
			  prefix, i, scene_namespace(s), prefix, i, PICK(rng, "i", "registry.test/web:1", "i:2"));

	if (rng_chance(rng, 0.85))
		put_text(pod, "metadata.labels.app", PICK(rng, "a", "a", "b", "c", "db"));
	if (rng_chance(rng, 0.5))
		put_text(pod, "metadata.labels.tier", PICK(rng, "x", "y", ""));
	if (rng_chance(rng, 0.3))
		put_text(pod, "metadata.labels.version", PICK(rng, "1", "2"));
	if (rng_chance(rng, 0.3))
		put_text(pod, "spec.priorityClassName", PICK(rng, PLANE_CLASSES));
	if (scene_has(s, TOPIC_RESOURCES, 0.04))
		put_text(pod, "spec.runtimeClassName", PLANE_RUNTIME);
	return pod;
}

static void add_container(struct scene *s, cJSON *pod)
{
	static const char *const more[] = {"'name':'more','image':'i'", "'name':'other','image':'i:3'"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(more) && rng_chance(&s->rng, 0.2); i++)
		push(pod, "spec.containers", make("{%s}", more[i]));
	if (rng_chance(&s->rng, 0.15))
		push(pod, "spec.initContainers", make("{'name':'first','image':'i'}"));
	if (rng_chance(&s->rng, 0.15))
		push(pod, "spec.initContainers", make("{'name':'side','image':'i','restartPolicy':'Always'}"));
	if (rng_chance(&s->rng, 0.05))
		push(pod, "spec.initContainers", make("{'name':'second','image':'i'}"));
}

/* --- pods on nodes ------------------------------------------------------------------------------------------------------- */

static const char *phase_of(struct scene *s)
{
	return PICK(&s->rng, "Running", "Running", "Running", "Running", "Running", "Running", "Running", "Running", "Pending", "Pending", "Succeeded",
		    "Failed", "Unknown");
}

static void resident(struct scene *s, uint32_t i)
{
	cJSON *pod = named_pod(s, "r", i);

	add_container(s, pod);
	put_text(pod, "spec.nodeName", scene_node(s));
	put_text(pod, "spec.schedulerName", PICK(&s->rng, "elsewhere", "elsewhere", PLANE_SCHEDULER));
	put_text(pod, "status.phase", phase_of(s));
	if (rng_chance(&s->rng, 0.07))
		put_text(pod, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
	if (scene_has(s, TOPIC_RESOURCES, 0.7))
		generate_requests(s, pod, false);
	if (scene_has(s, TOPIC_RESIZE, 0.25))
		generate_resize(s, pod);
	if (scene_has(s, TOPIC_PORTS, 0.2))
		generate_ports(s, pod);
	if (scene_has(s, TOPIC_PODAFFINITY, 0.12))
		generate_pod_affinity(s, pod, false);
	if (scene_has(s, TOPIC_VOLUMES, 0.4))
		generate_volumes(s, pod, false);
	cJSON_AddItemToArray(s->objects, pod);
}

/* --- pods to decide ------------------------------------------------------------------------------------------------------ */

/* Some of each other's company: with two or three topics a pod is odd enough, with all of them no node would do. */
static void pending(struct scene *s, uint32_t i)
{
	cJSON *pod = named_pod(s, "w", i);

	bool nominated = scene_has(s, TOPIC_NOMINATED, 0.2);

	add_container(s, pod);
	put_text(pod, "spec.schedulerName", PLANE_SCHEDULER);
	if (scene_has(s, TOPIC_RESOURCES, 0.6))
		generate_requests(s, pod, true);
	if (scene_has(s, TOPIC_PORTS, 0.15))
		generate_ports(s, pod);
	if (scene_has(s, TOPIC_TAINTS, 0.4))
		generate_tolerations(s, pod);
	if (scene_has(s, TOPIC_AFFINITY, 0.25))
		generate_node_affinity(s, pod);
	if (scene_has(s, TOPIC_PODAFFINITY, 0.25))
		generate_pod_affinity(s, pod, true);
	if (scene_has(s, TOPIC_SPREAD, 0.25))
		generate_spread(s, pod);
	if (scene_has(s, TOPIC_VOLUMES, 0.35) && !nominated)	/* README.md */
		generate_volumes(s, pod, true);
	if (scene_has(s, TOPIC_FEATURES, 0.1))
		generate_features(s, pod);
	if (nominated)
		put_text(pod, "status.nominatedNodeName", scene_node(s));
	cJSON_AddItemToArray(s->objects, pod);
}

void generate_pods(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < s->residents; i++)
		resident(s, i);
	for (i = 0; i < s->plan->pods; i++)
		pending(s, i);
}
