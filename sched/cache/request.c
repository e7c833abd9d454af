/*
 * The request of a pod, as component-helpers/resource/helpers.go sums it (PodRequests with UseStatusResources for a pod that is on a node).
 */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/exact.h"
#include "sched/cache/read.h"

#define auto_exact __attribute__((cleanup(exact_free)))

/* Where the sums stand while containers are walked. */
struct sums {
	const cJSON *pod;
	bool on_node;			/* then what the kubelet has allocated counts too */
	bool infeasible;		/* a resize that can't be: the wish in the spec is void */
	struct exact app;		/* containers and sidecars */
	struct exact sidecars;		/* those so far */
	struct exact init;		/* the largest moment of the start */
};

static void sums_free(struct sums *s)
{
	exact_free(&s->app);
	exact_free(&s->sidecars);
	exact_free(&s->init);
}

/* Takes over what `more` holds. */
static void max_and_free(struct exact *to, struct exact *more)
{
	exact_max(to, more);
	exact_free(more);
}

static int parse_max(const cJSON *list, const char *path, struct exact *to, struct lm_err *err)
{
	struct exact part;

	if (exact_parse(list, &part, NULL, err) < 0)
		return lm_wrap(err, "%s", path);
	max_and_free(to, &part);
	return 0;
}

/* PodResizePending with reason Infeasible. */
static bool resize_is_infeasible(const cJSON *status)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, read_list(status, "conditions"))
		if (STREQ(read_text(condition, "type"), "PodResizePending"))
			return STREQ(read_text(condition, "reason"), "Infeasible");
	return false;
}

static const cJSON *status_of(const cJSON *statuses, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, statuses)
		if (STREQ(read_text(item, "name"), name))
			return item;
	return NULL;
}

/* What is asked, or with an in-place resize under way the largest of asked, actual and allocated. `status` NULL: asked alone. */
static int resized(const struct sums *s, const cJSON *asked, const cJSON *status, const char *path, struct exact *out, struct lm_err *err)
{
	const cJSON *actual = read_member(read_member(status, "resources"), "requests");

	*out = (struct exact){0};
	if (!status || !cJSON_IsObject(read_member(status, "resources")))
		return parse_max(asked, path, out, err);
	if (!s->infeasible && parse_max(asked, path, out, err) < 0)
		return -1;
	if (parse_max(actual, "status", out, err) < 0)
		return -1;
	return parse_max(read_member(status, "allocatedResources"), "status", out, err);
}

static int container_request(const struct sums *s, const cJSON *container, const char *statuses, const char *path, struct exact *out,
			     struct lm_err *err)
{
	const cJSON *asked = read_member(read_member(container, "resources"), "requests"), *status = NULL;

	if (s->on_node && statuses)
		status = status_of(read_list(read_member(s->pod, "status"), statuses), read_text(container, "name"));
	return resized(s, asked, status, path, out, err);
}

static int add_containers(struct sums *s, struct lm_err *err)
{
	const cJSON *container;
	unsigned at = 0;

	cJSON_ArrayForEach(container, read_list(read_member(s->pod, "spec"), "containers")) {
		auto_exact struct exact request = {0};
		char path[64];

		snprintf(path, sizeof(path), "spec.containers[%u].resources.requests", at++);
		if (container_request(s, container, "containerStatuses", path, &request, err) < 0)
			return -1;
		exact_add(&s->app, &request);
	}
	return 0;
}

/* A sidecar (restartPolicy Always) stays; any other init container runs beside the sidecars that started before it. */
static int add_init_container(struct sums *s, const cJSON *container, const char *path, struct lm_err *err)
{
	bool sidecar = STREQ(read_text(container, "restartPolicy"), "Always");
	auto_exact struct exact request = {0};

	if (container_request(s, container, sidecar ? "initContainerStatuses" : NULL, path, &request, err) < 0)
		return -1;
	if (sidecar) {
		exact_add(&s->app, &request);
		exact_add(&s->sidecars, &request);
		exact_max(&s->init, &s->sidecars);
	} else {
		exact_add(&request, &s->sidecars);
		exact_max(&s->init, &request);
	}
	return 0;
}

static int add_init_containers(struct sums *s, struct lm_err *err)
{
	const cJSON *container;
	unsigned at = 0;

	cJSON_ArrayForEach(container, read_list(read_member(s->pod, "spec"), "initContainers")) {
		char path[64];

		snprintf(path, sizeof(path), "spec.initContainers[%u].resources.requests", at++);
		if (add_init_container(s, container, path, err) < 0)
			return -1;
	}
	return 0;
}

/* cpu, memory and huge pages that are set for the pod as a whole replace the sum of its containers; nothing else does. */
static int replace_pod_level(const struct sums *s, struct exact *out, struct lm_err *err)
{
	const cJSON *asked = read_member(read_member(read_member(s->pod, "spec"), "resources"), "requests");
	const cJSON *status = s->on_node ? read_member(s->pod, "status") : NULL, *item;
	auto_exact struct exact level = {0};
	uint32_t i;

	if (!cJSON_IsObject(asked))
		return 0;
	if (resized(s, asked, status, "spec.resources.requests", &level, err) < 0)
		return -1;
	cJSON_ArrayForEach(item, asked) {
		if (STREQ(item->string, "cpu"))
			out->cpu = level.cpu;
		if (STREQ(item->string, "memory"))
			out->memory = level.memory;
	}
	for (i = 0; i < level.others.scalar_count; i++)
		if (strncmp(level.others.scalars[i].name, "hugepages-", strlen("hugepages-")) == 0)
			resources_set_scalar(&out->others, level.others.scalars[i].name, level.others.scalars[i].amount);
	return 0;
}

static int add_overhead(const struct sums *s, struct exact *out, struct lm_err *err)
{
	auto_exact struct exact overhead = {0};

	if (exact_parse(read_member(read_member(s->pod, "spec"), "overhead"), &overhead, NULL, err) < 0)
		return lm_wrap(err, "spec.overhead");
	exact_add(out, &overhead);
	return 0;
}

int resources_of_pod(const cJSON *pod, struct resources *out, struct lm_err *err)
{
	__attribute__((cleanup(sums_free))) struct sums s = {.pod = pod};

	*out = (struct resources){0};
	s.on_node = read_text(read_member(pod, "spec"), "nodeName")[0] != '\0';
	s.infeasible = resize_is_infeasible(read_member(pod, "status"));
	if (add_containers(&s, err) < 0 || add_init_containers(&s, err) < 0)
		return -1;
	exact_max(&s.app, &s.init);
	if (replace_pod_level(&s, &s.app, err) < 0 || add_overhead(&s, &s.app, err) < 0)
		return -1;
	exact_round(&s.app, out);
	return 0;
}
