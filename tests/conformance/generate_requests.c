#include <stdio.h>
#include <string.h>

#include "tests/conformance/generate.h"
#include "tests/conformance/make.h"

#define REQUESTS "resources.requests"

static const char *cpu(struct scene *s)
{
	return rng_chance(&s->rng, 0.2) ? PICK(&s->rng, "0.1", "100u", "1e3", "1500000u", "0", "0.0005", "1Ki", "3.999")
					: PICK(&s->rng, "100m", "250m", "500m", "1", "2");
}

static const char *memory(struct scene *s)
{
	return rng_chance(&s->rng, 0.2) ? PICK(&s->rng, "100m", "1e9", "1Ei", "0.5Gi", "0", "1000000k", "1500M", "3Pi")
					: PICK(&s->rng, "64Mi", "512Mi", "1Gi", "2Gi", "4Gi");
}

static void container_requests(struct scene *s, cJSON *container)
{
	struct rng *rng = &s->rng;

	if (rng_chance(rng, 0.7))
		put_named(container, REQUESTS, "cpu", cpu(s));
	if (rng_chance(rng, 0.6))
		put_named(container, REQUESTS, "memory", memory(s));
	if (rng_chance(rng, 0.15))
		put_named(container, REQUESTS, "ephemeral-storage", PICK(rng, "1Gi", "5Gi", "0.1", "1e10", "20Gi"));
	if (rng_chance(rng, 0.12)) {
		const char *count = PICK(rng, "1", "2", "0", "1e1");

		put_named(container, REQUESTS, "example.com/gpu", count);
		put_named(container, "resources.limits", "example.com/gpu", count);
	}
	if (rng_chance(rng, 0.02)) {
		put_named(container, REQUESTS, "example.com/none", "1");
		put_named(container, "resources.limits", "example.com/none", "1");
	}
	if (rng_chance(rng, 0.1))	/* what is limited and not asked for is asked for */
		put_named(container, "resources.limits", "ephemeral-storage", PICK(rng, "20Gi", "50Gi"));
	if (rng_chance(rng, 0.05)) {
		const char *size = PICK(rng, "2Mi", "64Mi", "128Mi");

		put_named(container, REQUESTS, "memory", "64Mi");
		put_named(container, REQUESTS, "hugepages-2Mi", size);
		put_named(container, "resources.limits", "hugepages-2Mi", size);
	}
}

/* The API wants at least what the containers ask for together, so it is much. */
static void pod_level(struct scene *s, cJSON *pod)
{
	const cJSON *container;

	cJSON_ArrayForEach(container, get(pod, "spec.containers"))
		if (get(container, "resources"))
			return;
	cJSON_ArrayForEach(container, get(pod, "spec.initContainers"))
		if (get(container, "resources"))
			return;
	put_named(pod, "spec." REQUESTS, "cpu", PICK(&s->rng, "500m", "2", "3500m"));
	if (rng_chance(&s->rng, 0.5))
		put_named(pod, "spec." REQUESTS, "memory", PICK(&s->rng, "1Gi", "0.1Gi"));
}

void generate_requests(struct scene *s, cJSON *pod, bool pending)
{
	double chance = pending ? 0.8 : 0.6;
	cJSON *container;

	cJSON_ArrayForEach(container, get(pod, "spec.containers"))
		if (rng_chance(&s->rng, chance))
			container_requests(s, container);
	cJSON_ArrayForEach(container, get(pod, "spec.initContainers"))
		if (rng_chance(&s->rng, 0.6))
			container_requests(s, container);
	if (rng_chance(&s->rng, 0.1))
		pod_level(s, pod);
}

/* --- in-place resize: what the node gave, or was told to give, is not what the spec says ----------------------------------- */

static cJSON *given(struct scene *s, const cJSON *container)
{
	cJSON *status = make("{'name':'%s','image':'i','imageID':'','ready':true,'restartCount':0,'started':true,"
			     "'state':{'running':{'startedAt':'2026-01-01T00:00:00Z'}}}", get_text(container, "name"));

	if (rng_chance(&s->rng, 0.7)) {
		put_named(status, "allocatedResources", "cpu", cpu(s));
		put_named(status, "allocatedResources", "memory", memory(s));
	}
	if (rng_chance(&s->rng, 0.7))
		put_named(status, REQUESTS, "cpu", cpu(s));
	if (rng_chance(&s->rng, 0.6))
		put_named(status, REQUESTS, "memory", memory(s));
	return status;
}

void generate_resize(struct scene *s, cJSON *pod)
{
	static const char *const lists[][2] = {{"spec.containers", "status.containerStatuses"}, {"spec.initContainers", "status.initContainerStatuses"}};
	const cJSON *container;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		cJSON_ArrayForEach(container, get(pod, lists[i][0]))
			if (rng_chance(&s->rng, 0.85))
				push(pod, lists[i][1], given(s, container));
	if (rng_chance(&s->rng, 0.4))
		push(pod, "status.conditions", make("{'type':'PodResizePending','status':'True','reason':'%s','message':'m'}",
						     PICK(&s->rng, "Infeasible", "Deferred")));
	if (rng_chance(&s->rng, 0.2))
		push(pod, "status.conditions", make("{'type':'PodResizeInProgress','status':'True'}"));
	if (get(pod, "spec.resources") && rng_chance(&s->rng, 0.7)) {
		put_named(pod, "status." REQUESTS, "cpu", cpu(s));
		if (rng_chance(&s->rng, 0.6))
			put_named(pod, "status.allocatedResources", "cpu", cpu(s));
	}
}
