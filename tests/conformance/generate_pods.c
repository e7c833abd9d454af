#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"
#include "tests/conformance/plane.h"

static cJSON *named_pod(struct world *w, const char *prefix, uint32_t i)
{
	struct rng *rng = &w->rng;
	cJSON *pod = make("{'kind':'Pod','metadata':{'name':'%s-%u','namespace':'%s','uid':'pod-%s-%u','labels':{}},"
			  "'spec':{'containers':[{'name':'c','image':'%s'}],'terminationGracePeriodSeconds':30},'status':{}}",
			  prefix, i, world_namespace(w), prefix, i, PICK(rng, "i", "registry.test/web:1", "i:2"));

	if (rng_chance(rng, 0.85))
		put_text(pod, "metadata.labels.app", PICK(rng, "a", "a", "b", "c", "db"));
	if (rng_chance(rng, 0.5))
		put_text(pod, "metadata.labels.tier", PICK(rng, "x", "y", ""));
	if (rng_chance(rng, 0.3))
		put_text(pod, "metadata.labels.version", PICK(rng, "1", "2"));
	if (rng_chance(rng, 0.3))
		put_text(pod, "spec.priorityClassName", PICK(rng, PLANE_CLASSES));
	if (world_has(w, TOPIC_RESOURCES, 0.04))
		put_text(pod, "spec.runtimeClassName", PLANE_RUNTIME);
	return pod;
}

static void add_container(struct world *w, cJSON *pod)
{
	static const char *const more[] = {"'name':'more','image':'i'", "'name':'other','image':'i:3'"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(more) && rng_chance(&w->rng, 0.2); i++)
		push(pod, "spec.containers", make("{%s}", more[i]));
	if (rng_chance(&w->rng, 0.15))
		push(pod, "spec.initContainers", make("{'name':'first','image':'i'}"));
	if (rng_chance(&w->rng, 0.15))
		push(pod, "spec.initContainers", make("{'name':'side','image':'i','restartPolicy':'Always'}"));
	if (rng_chance(&w->rng, 0.05))
		push(pod, "spec.initContainers", make("{'name':'second','image':'i'}"));
}

/* --- pods on nodes ------------------------------------------------------------------------------------------------------- */

static const char *phase_of(struct world *w)
{
	return PICK(&w->rng, "Running", "Running", "Running", "Running", "Running", "Running", "Running", "Running", "Pending", "Pending", "Succeeded",
		    "Failed", "Unknown");
}

static void resident(struct world *w, uint32_t i)
{
	cJSON *pod = named_pod(w, "r", i);

	add_container(w, pod);
	put_text(pod, "spec.nodeName", world_node(w));
	put_text(pod, "spec.schedulerName", PICK(&w->rng, "elsewhere", "elsewhere", PLANE_SCHEDULER));
	put_text(pod, "status.phase", phase_of(w));
	if (rng_chance(&w->rng, 0.07))
		put_text(pod, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z");
	if (world_has(w, TOPIC_RESOURCES, 0.7))
		generate_requests(w, pod, false);
	if (world_has(w, TOPIC_RESIZE, 0.25))
		generate_resize(w, pod);
	if (world_has(w, TOPIC_PORTS, 0.2))
		generate_ports(w, pod);
	if (world_has(w, TOPIC_PODAFFINITY, 0.12))
		generate_pod_affinity(w, pod, false);
	if (world_has(w, TOPIC_VOLUMES, 0.4))
		generate_volumes(w, pod, false);
	cJSON_AddItemToArray(w->objects, pod);
}

/* --- pods to decide ------------------------------------------------------------------------------------------------------ */

/* Some of each other's company: with two or three topics a pod is odd enough, with all of them no node would do. */
static void pending(struct world *w, uint32_t i)
{
	cJSON *pod = named_pod(w, "w", i);

	bool nominated = world_has(w, TOPIC_NOMINATED, 0.08);

	add_container(w, pod);
	put_text(pod, "spec.schedulerName", PLANE_SCHEDULER);
	if (world_has(w, TOPIC_RESOURCES, 0.6))
		generate_requests(w, pod, true);
	if (world_has(w, TOPIC_PORTS, 0.15))
		generate_ports(w, pod);
	if (world_has(w, TOPIC_TAINTS, 0.4))
		generate_tolerations(w, pod);
	if (world_has(w, TOPIC_AFFINITY, 0.25))
		generate_node_affinity(w, pod);
	if (world_has(w, TOPIC_PODAFFINITY, 0.25))
		generate_pod_affinity(w, pod, true);
	if (world_has(w, TOPIC_SPREAD, 0.25))
		generate_spread(w, pod);
	if (world_has(w, TOPIC_VOLUMES, 0.35) && !nominated)	/* README.md */
		generate_volumes(w, pod, true);
	if (world_has(w, TOPIC_FEATURES, 0.1))
		generate_features(w, pod);
	if (nominated)
		put_text(pod, "status.nominatedNodeName", world_node(w));
	cJSON_AddItemToArray(w->objects, pod);
}

void generate_pods(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->residents; i++)
		resident(w, i);
	for (i = 0; i < w->plan->pods; i++)
		pending(w, i);
}
