/* The watch against the stand-in API server while its pods change and it makes trouble: what is seen becomes what is there. */
#include "lib/kube/watch.c"

#include "tests/testing/mirror.h"

#define WAIT_MS 20000

enum { CHANGES = 900 };

static void step(struct kube_watch *w, struct kube *k)
{
	int64_t left = kube_watch_tick(w, clock_mono_ms());

	kube_run(k, left > 5 ? 5 : left, NULL, 0);
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
	bool *is_there = xcalloc(MIRROR_NAMES, sizeof(*is_there));
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
	for (i = 0; i < MIRROR_NAMES; i++)
		is_there[i] = mirror_change(&api, i, false, &r);
	standin_faults(&api, faults);
	k = kube_new(&api.config, "test", &err);
	w = kube_watch_new(k, "/api/v1/pods", "fieldSelector=status.phase!%3DFailed", &mirror_handlers, m);
	for (i = 0; i < CHANGES; i++) {
		int name = (int)rng_below(&r, MIRROR_NAMES);

		is_there[name] = mirror_change(&api, name, is_there[name], &r);
		trouble(&api, &r);
		step(w, k);
	}
	standin_faults(&api, "{\"rules\":[]}");
	mirror_list(m, &api);
	end = clock_mono_ms() + WAIT_MS;
	while (!mirror_is_equal(m) && clock_mono_ms() < end)
		step(w, k);
	stats = kube_watch_stats(w);
	printf("# %lld lists, %lld watches, %lld events, %lld bookmarks, %lld gone, %lld bad lines, %d troubles, last: %s\n",
	       (long long)stats.lists, (long long)stats.watches, (long long)stats.events, (long long)stats.bookmarks,
	       (long long)stats.gone, (long long)stats.bad_lines, m->troubles, m->troubles ? m->last.msg : "");
	assert_memory_equal(m->seen, m->listed, sizeof(m->seen));
	assert_int_equal(stats.bad_lines, 0);
	assert_int_equal(stats.stale, 0);
	kube_watch_free(w);
	kube_free(k);
	standin_stop(&api);
	free(m);
	free(is_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s9_s15_s16_what_is_seen_becomes_what_is_there),
	};

	return cmocka_run_group_tests_name("kube-standin", tests, NULL, NULL);
}
