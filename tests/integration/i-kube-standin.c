/* The watch against the stand-in API server while its pods change and it makes trouble: what is seen becomes what is there. */
#include "lib/kube/watch.c"

#include "tests/testing/standin.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000
#define PODS "/api/v1/namespaces/default/pods"

enum { NAMES = 700, CHANGES = 900 };	/* more than one page of 500 */

struct mirror {
	uint64_t seen[NAMES], next[NAMES];
	bool replacing;
	int troubles;
	struct lm_err last;
};

static void on_begin(void *arg)
{
	struct mirror *m = arg;

	m->replacing = true;
	memset(m->next, 0, sizeof(m->next));
}

static void on_thing(void *arg, enum kube_event event, const cJSON *object)
{
	struct mirror *m = arg;
	uint64_t rv = strtoull(text_at(object, "metadata.resourceVersion"), NULL, 10);
	uint64_t *slot = &(m->replacing ? m->next : m->seen)[atoi(text_at(object, "metadata.name") + 1)];

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

static const struct kube_watch_handlers handlers = {on_begin, on_thing, on_replaced, on_trouble};

static void step(struct kube_watch *w, struct kube *k)
{
	int64_t left = kube_watch_tick(w, clock_mono_ms());

	kube_run(k, left > 5 ? 5 : left, NULL, 0);
}

/* What the server has, by its own list. */
static void truth(struct standin *api, uint64_t *have)
{
	auto_json cJSON *list = standin_want(api, 200, "GET", PODS, NULL);
	const cJSON *item;

	memset(have, 0, NAMES * sizeof(*have));
	cJSON_ArrayForEach(item, json_get(list, "items"))
		have[atoi(text_at(item, "metadata.name") + 1)] = strtoull(text_at(item, "metadata.resourceVersion"), NULL, 10);
}

static void make_pod(struct standin *api, int name)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"p%d\",\"labels\":{\"n\":\"0\"}},"
					 "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}", name);

	standin_do(api, 201, "POST", PODS, body);
}

/* True when the pod is there afterwards. */
static bool change_pod(struct standin *api, int name, bool is_there, struct rng *r)
{
	auto_free char *path = xasprintf(PODS "/p%d", name);
	auto_free char *label = xasprintf("{\"metadata\":{\"labels\":{\"n\":\"%u\"}}}", rng_below(r, 1000000));
	bool gone = is_there && rng_chance(r, 0.3);

	if (!is_there)
		make_pod(api, name);
	else if (gone)
		standin_do(api, 200, "DELETE", path, "{\"gracePeriodSeconds\":0}");
	else
		standin_do(api, 200, "PATCH", path, label);
	return !gone;
}

static void trouble(struct standin *api, struct rng *r)
{
	switch (rng_below(r, 40)) {
	case 0:
		standin_do(api, 200, "POST", "/standin/compact", "");
		break;
	case 1:
		standin_do(api, 200, "POST", "/standin/close", "");
		break;
	case 2:
		standin_do(api, 200, "POST", "/standin/close?cut=1", "");
		break;
	default:
		break;
	}
}

static void s9_s15_s16_what_is_seen_becomes_what_is_there(void **state)
{
	/* the watch reads; the changes are made by writes, which stay whole */
	static const char faults[] = "{\"rules\":[{\"verb\":\"list\",\"action\":\"status\",\"status\":500,\"probability\":0.2},"
				     "{\"verb\":\"list\",\"action\":\"reset\",\"probability\":0.1},"
				     "{\"verb\":\"watch\",\"action\":\"status\",\"status\":429,\"retryAfter\":\"0\",\"probability\":0.2},"
				     "{\"verb\":\"watch\",\"action\":\"drop\",\"probability\":0.2}]}";
	struct rng r = rng_make(test_seed());
	struct mirror *m = xcalloc(1, sizeof(*m));
	uint64_t *have = xcalloc(NAMES, sizeof(*have));
	bool *is_there = xcalloc(NAMES, sizeof(*is_there));
	struct kube_watch_stats stats;
	struct standin api;
	struct kube_watch *w;
	struct lm_err err;
	struct kube *k;
	int64_t end;
	int i;

	(void)state;
	limits.backoff_ms = 5;
	limits.backoff_max_ms = 40;
	standin_start(&api, (const char *const[]){"--bookmark-interval", "1s", NULL});
	for (i = 0; i < NAMES; i++, is_there[i - 1] = true)
		make_pod(&api, i);
	standin_faults(&api, faults);
	k = kube_new(&api.config, "test", &err);
	w = kube_watch_new(k, "/api/v1/pods", "fieldSelector=status.phase!%3DFailed", &handlers, m);
	for (i = 0; i < CHANGES; i++) {
		int name = (int)rng_below(&r, NAMES);

		is_there[name] = change_pod(&api, name, is_there[name], &r);
		trouble(&api, &r);
		step(w, k);
	}
	standin_faults(&api, "{\"rules\":[]}");
	truth(&api, have);
	end = clock_mono_ms() + WAIT_MS;
	while ((m->replacing || memcmp(m->seen, have, NAMES * sizeof(*have)) != 0) && clock_mono_ms() < end)
		step(w, k);
	stats = kube_watch_stats(w);
	printf("# %lld lists, %lld watches, %lld events, %lld bookmarks, %lld gone, %lld bad lines, %d troubles, last: %s\n",
	       (long long)stats.lists, (long long)stats.watches, (long long)stats.events, (long long)stats.bookmarks,
	       (long long)stats.gone, (long long)stats.bad_lines, m->troubles, m->troubles ? m->last.msg : "");
	assert_memory_equal(m->seen, have, NAMES * sizeof(*have));
	assert_int_equal(stats.bad_lines, 0);
	assert_int_equal(stats.stale, 0);
	kube_watch_free(w);
	kube_free(k);
	standin_stop(&api);
	free(m);
	free(have);
	free(is_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s9_s15_s16_what_is_seen_becomes_what_is_there),
	};

	return cmocka_run_group_tests_name("kube-standin", tests, NULL, NULL);
}
