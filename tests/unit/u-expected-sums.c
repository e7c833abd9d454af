/* expected.h: for any history, sums are those of a recount, and more expected load never ranks a node higher. */
#include <stdio.h>

#include "lib/mem.h"
#include "tests/unit/expected_world.h"

#define NODES 7
#define PODS 60
#define STEPS 4000

static struct {
	bool there, terminating, assumed;
	int node;			/* -1: none */
	int64_t placed_ms, milli;
} model[PODS];

static void write_pod(int i, bool with_node)
{
	auto_free char *spec = xasprintf("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%lldm\"}}}]", (long long)model[i].milli);
	char name[16], node[16] = "";

	snprintf(name, sizeof(name), "p%d", i);
	if (with_node && model[i].node >= 0)
		snprintf(node, sizeof(node), "n%d", model[i].node);
	world_pod_of(&w, name, node, "", "", model[i].terminating ? "\"deletionTimestamp\":\"2026-11-21T21:00:00Z\"" : "", spec);
}

static void step_pod(struct rng *r, int i, int64_t now_ms)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "uid-p%d", i);
	if (!model[i].there) {
		memset(&model[i], 0, sizeof(model[i]));
		model[i].there = true;
		model[i].milli = rng_below(r, 4) * 300;
		model[i].node = rng_chance(r, 0.5) ? (int)rng_below(r, NODES) : -1;
		model[i].placed_ms = now_ms;
		write_pod(i, true);
	} else if (model[i].node < 0) {
		int32_t node;

		model[i].node = (int)rng_below(r, NODES);
		snprintf(uid, sizeof(uid), "n%d", model[i].node);
		node = cache_find_node(w.cache, uid);
		snprintf(uid, sizeof(uid), "uid-p%d", i);
		model[i].placed_ms = now_ms;
		model[i].assumed = node >= 0;
		if (node < 0)
			write_pod(i, true);
		else
			assert_true(cache_assume(w.cache, uid, (uint32_t)node));
	} else if (rng_chance(r, 0.3)) {
		cache_delete_pod(w.cache, uid);
		model[i].there = false;
	} else if (model[i].assumed && rng_chance(r, 0.3)) {
		cache_forget(w.cache, uid);
		model[i].node = -1;
		model[i].assumed = false;
	} else {
		int before = model[i].node;

		model[i].assumed = false;
		model[i].terminating |= rng_chance(r, 0.2);
		model[i].milli = rng_below(r, 4) * 300;
		if (rng_chance(r, 0.1))
			model[i].node = (int)rng_below(r, NODES);
		if (model[i].node != before)
			model[i].placed_ms = now_ms;
		write_pod(i, true);
	}
}

static void step(struct rng *r)
{
	int64_t now_ms = w.mono_ms += rng_below(r, 3000);
	char name[16];

	cache_set_time(w.cache, now_ms);
	if (rng_chance(r, 0.03)) {
		snprintf(name, sizeof(name), "n%u", rng_below(r, NODES));
		if (cache_find_node(w.cache, name) < 0)
			world_node(&w, name, "", "");
		else
			cache_delete_node(w.cache, name);
	} else if (rng_chance(r, 0.03)) {
		snprintf(name, sizeof(name), "n%u", rng_below(r, NODES));
		world_age(&w, name, rng_below(r, 200));
		world_take(&w);
	} else {
		step_pod(r, (int)rng_below(r, PODS), now_ms);
	}
}

/* From the model alone. */
static double recount(int node)
{
	char name[16];
	double sum = 0, since;
	int i;

	snprintf(name, sizeof(name), "n%d", node);
	for (i = 0; i < PODS; i++) {
		if (!model[i].there || model[i].node != node || model[i].terminating)
			continue;
		since = mesh_load_ms(w.mesh, matrix_find_node(w.mesh->matrix, name)) - (double)model[i].placed_ms;
		sum += (model[i].milli ? (double)model[i].milli : 100) * (since <= 0 ? 1 : since > 5.0 * (double)TAU_MS ? 0 : exp(-since / (double)TAU_MS));
	}
	return sum;
}

static void check_sums(void)
{
	struct decider *used = w.decider;
	float expected[NODES];
	uint8_t load[NODES];
	char name[16];
	uint32_t count;
	int i;

	world_again(&w, "asks");
	if (!w.decision.expected)	/* no node is there */
		return;
	count = w.in.view->count;
	memcpy(expected, w.decision.expected, count * sizeof(float));
	memcpy(load, w.decision.load, count);
	w.decider = decider_new();	/* one that counts from the beginning */
	world_again(&w, "asks");
	assert_memory_equal(w.decision.expected, expected, count * sizeof(float));
	assert_memory_equal(w.decision.load, load, count);
	assert_int_equal(w.decider->lookup.full_count, used->lookup.full_count);
	decider_free(w.decider);
	w.decider = used;
	for (i = 0; i < NODES; i++) {
		int32_t node;

		snprintf(name, sizeof(name), "n%d", i);
		node = cache_find_node(w.cache, name);
		if (node >= 0)
			expect_near((double)expected[node] * 8000, recount(i), 0.05);
	}
}

static void sums_are_those_of_a_recount(void **state)
{
	struct rng r = rng_make(test_seed());
	int i, steps;

	(void)state;
	world_begin(&w, "n0 n1 n2 n3 n4 n5 n6", "");
	for (i = 0; i < NODES; i++)
		w.snapshot.load[i].cpu = rng_unit(&r);
	cache_replace_pods_begin(w.cache);
	cache_replace_pods_end(w.cache, NULL, NULL);
	world_pod(&w, "asks", "", "", "");
	memset(model, 0, sizeof(model));
	world_again(&w, "asks");
	for (steps = 0; steps < STEPS; steps++) {
		for (i = rng_chance(&r, 0.01) ? 300 : 1; i > 0; i--)	/* more than a view remembers */
			step(&r);
		check_sums();
	}
	world_end(&w);
}

/* With more expected of x it ranks as before or lower. */
static void check_rank(int x)
{
	double before[NODES];
	char name[16], there[16];
	int y;

	world_again(&w, "asks");
	for (y = 0; y < NODES; y++) {
		snprintf(name, sizeof(name), "n%d", y);
		before[y] = world_total(&w, name);
	}
	snprintf(there, sizeof(there), "n%d", x);
	put("more", there, CPU("700m"));
	world_again(&w, "asks");
	for (y = 0; y < NODES; y++) {
		double now;

		snprintf(name, sizeof(name), "n%d", y);
		now = world_total(&w, name);
		if (isnan(before[x]) && !isnan(before[y]))
			assert_true(isnan(world_total(&w, there)));
		if (y != x && before[x] < before[y] - 1e-3 && world_total(&w, there) > now + 1e-3)
			fail_msg("%s got %g against %g of %s, and had %g against %g", there, world_total(&w, there), now, name, before[x], before[y]);
	}
	cache_delete_pod(w.cache, "uid-more");
}

static void more_expected_never_ranks_higher(void **state)
{
	struct rng r = rng_make(test_seed() + 1);
	int round, x, y;
	char a[16], b[16];

	(void)state;
	for (round = 0; round < 500; round++) {
		world_begin(&w, "n0 n1 n2 n3 n4 n5 n6", "");
		cache_replace_pods_begin(w.cache);
		cache_replace_pods_end(w.cache, NULL, NULL);
		cache_set_time(w.cache, 0);
		for (x = 0; x < NODES; x++)
			for (y = 0; y < x; y++) {
				snprintf(a, sizeof(a), "n%d", x);
				snprintf(b, sizeof(b), "n%d", y);
				world_rtt(&w, a, b, 100 + rng_below(&r, 2000));
			}
		for (x = 0; x < NODES; x++)
			w.snapshot.load[x].cpu = rng_unit(&r);
		world_pod(&w, "asks", "", "", rng_chance(&r, 0.5) ? NEAR("node/n0") : "");
		for (x = 0; x < NODES; x++)
			check_rank(x);
		world_end(&w);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_a_recount),
		cmocka_unit_test(more_expected_never_ranks_higher),
	};
#undef T

	return cmocka_run_group_tests_name("expected-sums", tests, NULL, NULL);
}
