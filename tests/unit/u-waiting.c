/*
 * Pods that wait for each other: what is said about them depends on who there is, not on what came first, and is said in bounded time.
 */
#include "tests/testing/world.h"

#include <string.h>

#include "lib/mem.h"

#define WITHIN "\"latency-mesh.io/within\":\"app=%s<=5ms\",\"latency-mesh.io/missing\":\"deny\""

static const struct pod *waiting_pod(struct world *w, const char *name, const char *app, const char *for_app)
{
	auto_free char *label = xasprintf("\"app\":\"%s\"", app), *annotation = xasprintf(WITHIN, for_app);

	return world_pod(w, name, "", label, annotation);
}

/* Every pod of a layer waits for every pod of the next one: 32^6 ways lead to the last layer, whose pods wait for what never comes. */
static void layers_without_a_cycle(void **state)
{
	struct world w;
	int layer, i;

	(void)state;
	world_begin(&w, "a b", "");
	for (layer = 0; layer < 10; layer++)
		for (i = 0; i < 40; i++) {
			auto_free char *name = xasprintf("l%d-%d", layer, i), *app = xasprintf("l%d", layer), *next = xasprintf("l%d", layer + 1);

			waiting_pod(&w, name, app, next);
		}
	world_again(&w, "l0-0");
	assert_string_equal(world_message(&w), "0/2 nodes are available: no pod matches app=l1 in namespace default (latency-mesh.io/missing: deny).");
	world_end(&w);
}

/* The shortest names win, whatever the order of the events was. */
static void the_same_words_in_any_order(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round, i;

	(void)state;
	for (round = 0; round < 20; round++) {
		struct world w;
		int order[100];

		world_begin(&w, "a b", "");
		for (i = 0; i < 100; i++) {
			uint32_t at = rng_below(&rng, (uint32_t)i + 1);

			order[i] = order[at];
			order[at] = i;
		}
		waiting_pod(&w, "first", "x", "y");
		for (i = 0; i < 100; i++) {
			auto_free char *name = xasprintf("y-%02d", order[i]);

			waiting_pod(&w, name, "y", order[i] % 2 ? "x" : "z");	/* the even ones lead nowhere */
		}
		world_again(&w, "first");
		assert_non_null(strstr(world_message(&w), "in a cycle: this pod -> default/y-01 -> this pod"));
		world_end(&w);
	}
}

/* Those that wait, and none that has a node, is ended or leaves; the first by name when there are too many. */
static void who_waits(void **state)
{
	const struct cached_pod *found[3];
	struct world w;
	int i;

	(void)state;
	world_begin(&w, "a b", "");
	for (i = 9; i >= 0; i--) {
		auto_free char *name = xasprintf("p%d", (i * 7) % 10);

		waiting_pod(&w, name, "x", "y");
	}
	world_pod(&w, "p0", "a", "\"app\":\"x\"", "");
	assert_true(cache_assume(w.cache, cache_find_pod_named(w.cache, "default", "p2")->pod->uid, 0));
	assert_int_equal(view_pods_pending(cache_view(w.cache), "default", "app", "x", found, 3), 3);
	assert_string_equal(found[0]->pod->name, "p1");
	assert_string_equal(found[1]->pod->name, "p3");
	assert_string_equal(found[2]->pod->name, "p4");
	cache_forget(w.cache, cache_find_pod_named(w.cache, "default", "p2")->pod->uid);
	assert_int_equal(view_pods_pending(cache_view(w.cache), "default", "app", "x", found, 2), 2);
	assert_string_equal(found[1]->pod->name, "p2");
	assert_int_equal(view_pods_pending(cache_view(w.cache), "default", "app", "y", found, 3), 0);
	assert_int_equal(view_pods_pending(cache_view(w.cache), "other", "app", "x", found, 3), 0);
	assert_int_equal(view_pods_pending(cache_view(w.cache), "default", "app", "x", found, 0), 0);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits),
		cmocka_unit_test(the_same_words_in_any_order),
		cmocka_unit_test(layers_without_a_cycle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
