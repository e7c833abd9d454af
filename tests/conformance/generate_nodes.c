#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"

#define CONDITION "node.kubernetes.io/"

static void labels(struct scene *s, cJSON *node, uint32_t i)
{
	struct rng *rng = &s->rng;
	char name[32];

	snprintf(name, sizeof(name), "n-%u", i);
	if (rng_chance(rng, 0.95))
		put_named(node, "metadata.labels", "kubernetes.io/hostname", name);
	if (rng_chance(rng, 0.88))
		put_named(node, "metadata.labels", "topology.kubernetes.io/zone",
			  PICK(rng, "eu-west1-a", "eu-west1-b", "eu-west1-c", "eu-west1-a", "eu-west1-b", ""));
	if (rng_chance(rng, 0.75))
		put_named(node, "metadata.labels", "topology.kubernetes.io/region", PICK(rng, "r-1", "r-1", "r-2"));
	if (rng_chance(rng, 0.25))
		put_named(node, "metadata.labels", "rack", PICK(rng, "1", "2"));
	if (rng_chance(rng, 0.6))
		put_named(node, "metadata.labels", "disk", PICK(rng, "ssd", "hdd", ""));
	if (rng_chance(rng, 0.7))
		put_named(node, "metadata.labels", "rank", PICK(rng, "1", "5", "10", "007", "x", "", "9223372036854775807", "9223372036854775808", "1.5", "0"));
	if (rng_chance(rng, 0.05))
		put_named(node, "metadata.labels", "failure-domain.beta.kubernetes.io/zone", PICK(rng, "eu-west1-a", "eu-west1-b"));
}

static void taints(struct scene *s, cJSON *node)
{
	static const char *const keys[] = {"dedicated", "gpu", CONDITION "not-ready", CONDITION "unschedulable", CONDITION "disk-pressure", "spot"};
	cJSON *taint;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!rng_chance(&s->rng, s->taints))
			continue;
		taint = make("{'key':'%s','effect':'%s'}", keys[i], PICK(&s->rng, "NoSchedule", "NoExecute", "PreferNoSchedule", "NoSchedule"));
		if (rng_chance(&s->rng, 0.5))
			put_text(taint, "value", PICK(&s->rng, "a", "b", "10"));
		push(node, "spec.taints", taint);
	}
}

/* Absent ones are zero, whole lists may be. */
static void allocatable(struct scene *s, cJSON *node)
{
	struct rng *rng = &s->rng;
	const char *at = "status.allocatable";
	bool odd = scene_has(s, TOPIC_RESOURCES, 0.25);

	put(node, at, cJSON_CreateObject());
	if (scene_has(s, TOPIC_RESOURCES, 0.02))
		return;
	put_named(node, at, "pods", scene_has(s, TOPIC_RESOURCES, 0.12) ? PICK(rng, "0", "1", "3", "1e1") : "110");
	put_named(node, at, "cpu", odd ? PICK(rng, "0.1", "1e3", "1500m", "0", "3.5", "1Ki", "999999u") : PICK(rng, "2", "4", "4", "8"));
	put_named(node, at, "memory", odd ? PICK(rng, "1Ei", "1e9", "0.5Gi", "8E", "100m", "1000000k", "0") : PICK(rng, "4Gi", "8Gi", "16Gi"));
	if (rng_chance(rng, 0.8))
		put_named(node, at, "ephemeral-storage", odd ? PICK(rng, "1e10", "0.1", "1Ei") : PICK(rng, "10Gi", "100Gi"));
	if (rng_chance(rng, 0.4))
		put_named(node, at, "example.com/gpu", PICK(rng, "0", "1", "4", "1e3"));
	if (rng_chance(rng, 0.2))
		put_named(node, at, "hugepages-2Mi", PICK(rng, "64Mi", "0", "1Gi"));
}

static void features(struct scene *s, cJSON *node)
{
	if (rng_chance(&s->rng, 0.6))
		push(node, "status.declaredFeatures", cJSON_CreateString("RestartAllContainersOnContainerExits"));
	if (rng_chance(&s->rng, 0.6))
		push(node, "status.declaredFeatures", cJSON_CreateString("UserNamespacesHostNetworkSupport"));
	if (rng_chance(&s->rng, 0.05))
		push(node, "status.declaredFeatures", cJSON_CreateString("Zeal"));
}

void generate_nodes(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < s->nodes; i++) {
		cJSON *node = make("{'kind':'Node','metadata':{'name':'n-%u'},'spec':{}}", i);

		labels(s, node, i);
		allocatable(s, node);
		if (s->plan->topics & TOPIC_TAINTS)
			taints(s, node);
		if (s->plan->topics & TOPIC_FEATURES)
			features(s, node);
		if (scene_has(s, TOPIC_NODES, 0.08))
			put(node, "spec.unschedulable", cJSON_CreateTrue());
		cJSON_AddItemToArray(s->objects, node);
	}
}
