#include "tests/testing/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

static int number_of(const cJSON *pod)
{
	int i = atoi(text_at(pod, "metadata.name") + 1);

	assert_in_range(i, 0, MIRROR_NAMES - 1);
	return i;
}

static uint64_t version_of(const cJSON *pod)
{
	return strtoull(text_at(pod, "metadata.resourceVersion"), NULL, 10);
}

static void on_begin(void *arg)
{
	struct mirror *m = arg;

	m->replacing = true;
	memset(m->next, 0, sizeof(m->next));
}

static void on_pod(void *arg, enum kube_event event, const cJSON *object)
{
	struct mirror *m = arg;
	uint64_t rv = version_of(object);
	uint64_t *slot = &(m->replacing ? m->next : m->seen)[number_of(object)];

	assert_true(rv >= *slot);
	*slot = event == KUBE_DELETED ? 0 : rv;
}

static void on_replaced(void *arg)
{
	struct mirror *m = arg;

	memcpy(m->seen, m->next, sizeof(m->seen));
	m->replacing = false;
}

static void on_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct mirror *m = arg;

	(void)retry_in_ms;
	m->troubles++;
	m->last = *err;
}

const struct kube_watch_handlers mirror_handlers = {on_begin, on_pod, on_replaced, on_trouble};

void mirror_list(struct mirror *m, struct standin *api)
{
	auto_json cJSON *list = standin_want(api, 200, "GET", MIRROR_PODS, NULL);
	const cJSON *item;

	memset(m->listed, 0, sizeof(m->listed));
	cJSON_ArrayForEach(item, json_get(list, "items"))
		m->listed[number_of(item)] = version_of(item);
}

bool mirror_is_equal(const struct mirror *m)
{
	return !m->replacing && !memcmp(m->seen, m->listed, sizeof(m->seen));
}

char *mirror_pod(int i)
{
	return xasprintf("{\"metadata\":{\"name\":\"p%d\",\"labels\":{\"n\":\"0\"}},\"spec\":{\"schedulerName\":\"nobody\",\"containers\":"
			 "[{\"name\":\"c\",\"image\":\"i\"}]}}", i);
}

bool mirror_change(struct standin *api, int i, bool is_there, struct rng *r)
{
	auto_free char *path = xasprintf(MIRROR_PODS "/p%d", i), *body = mirror_pod(i);
	auto_free char *label = xasprintf("{\"metadata\":{\"labels\":{\"n\":\"%u\"}}}", rng_below(r, 1000000));
	bool gone = is_there && rng_chance(r, 0.34);

	if (!is_there)
		standin_do(api, 201, "POST", MIRROR_PODS, body);
	else if (gone)
		standin_do(api, 200, "DELETE", path, "{\"gracePeriodSeconds\":0}");
	else
		standin_do(api, 200, "PATCH", path, label);
	return !gone;
}
