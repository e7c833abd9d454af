/*
 * The same cluster reached in two ways gives the same decisions: which node has which index, and which pod came first, is of no account.
 */
#include "tests/testing/world.h"

#include <math.h>
#include <stdlib.h>

#include "lib/mem.h"

#define NODES 9
#define PODS 40

static const char names[] = "a b c d e f g h i";

static const char *node_name(uint32_t i)
{
	static const char *const all[NODES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

	return all[i];
}

static void shuffle(struct rng *rng, uint32_t *order, uint32_t count)
{
	uint32_t i, at;

	for (i = 0; i < count; i++) {
		at = rng_below(rng, i + 1);
		order[i] = order[at];
		order[at] = i;
	}
}

static void put_node(struct world *w, uint32_t i)
{
	auto_free char *labels = xasprintf("\"topology.kubernetes.io/zone\":\"z%u\"", i % 3);

	world_node(w, node_name(i), labels, i % 4 ? "" : "\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]");
}

/* By its number alone, so that both worlds have the same ones. */
static void put_pod(struct world *w, uint32_t i)
{
	auto_free char *name = xasprintf("p%u", i), *labels = xasprintf("\"app\":\"x%u\"", i % 3);
	auto_free char *metadata = xasprintf("\"ownerReferences\":[{\"controller\":true,\"kind\":\"StatefulSet\",\"name\":\"o\",\"uid\":\"o%u\"}]", i % 4);
	auto_free char *spec = xasprintf("\"containers\":[{\"ports\":[{\"hostPort\":%u}],\"resources\":{\"requests\":{\"cpu\":\"%um\",\"x.org/gpu\":\"%u\"}}}],"
					 "\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
					 "\"topology.kubernetes.io/zone\",\"labelSelector\":{\"matchLabels\":{\"alone\":\"%u\"}}}]}}", 8000 + i % 7,
					 i * 37 % 900, i % 2, i % 11);

	world_pod_of(w, name, node_name(i * 5 % NODES), labels, "", metadata, spec);
}

static struct world *build(struct rng *rng, uint64_t links)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct rng link = rng_make(links);
	uint32_t order[PODS], i, k;

	world_begin(w, names, "milan");
	for (i = 0; i < NODES; i++)
		for (k = 0; k < NODES; k++)
			if (i != k && rng_chance(&link, 0.9))
				world_link(w, node_name(i), node_name(k), 100 + rng_below(&link, 9000), rng_below(&link, 500), 0.01 * rng_below(&link, 20));
	for (i = 0; i < NODES; i++) {
		world_client(w, node_name(i), "milan", 1000 + rng_below(&link, 9000));
		world_age(w, node_name(i), rng_below(&link, 400));
	}
	shuffle(rng, order, PODS);
	for (i = 0; i < PODS / 2; i++)
		put_pod(w, order[i]);
	for (i = 0; i < NODES; i++)
		cache_delete_node(w->cache, node_name(i));
	for (; i < PODS; i++)
		put_pod(w, order[i]);
	for (i = 0; i < PODS / 3; i++) {
		auto_free char *uid = xstrdup(cache_find_pod_named(w->cache, "default", "p7")->pod->uid);

		cache_delete_pod(w->cache, uid);
		put_pod(w, 7);
		put_pod(w, order[i]);
	}
	shuffle(rng, order, NODES);
	for (i = 0; i < NODES; i++)
		put_node(w, order[i]);
	return w;
}

static bool same_float(double a, double b)
{
	return (isnan(a) && isnan(b)) || !(a < b || a > b);
}

static void compare(struct world *a, struct world *b)
{
	uint32_t i;

	assert_string_equal(world_chosen(a), world_chosen(b));
	assert_int_equal(a->decision.runner_up < 0, b->decision.runner_up < 0);
	if (a->decision.runner_up >= 0)
		assert_string_equal(a->in.view->nodes[a->decision.runner_up].node->name, b->in.view->nodes[b->decision.runner_up].node->name);
	for (i = 0; i < NODES; i++) {
		auto_free char *reason = xstrdup(world_reason(a, node_name(i)));

		assert_string_equal(reason, world_reason(b, node_name(i)));
		if (a->decision.feasible)
			assert_true(same_float(world_total(a, node_name(i)), world_total(b, node_name(i))));
	}
}

static void decisions_do_not_know_the_past(void **state)
{
	static const struct {
		const char *labels, *annotations;
	} asks[] = {
		{"", ""},
		{"\"alone\":\"3\"", ""},
		{"", "\"latency-mesh.io/near\":\"app=x0\""},
		{"", "\"latency-mesh.io/near\":\"any app=x1, zone/z2*2, client/milan\""},
		{"\"delay_x2\":\"6\"", ""},
		{"", "\"latency-mesh.io/near\":\"mesh, app=x1*3\",\"latency-mesh.io/within\":\"any app=x0<=3ms\""},
		{"\"app\":\"x1\"", "\"latency-mesh.io/within\":\"app=x1<=9ms\""},
	};
	struct rng rng = rng_make(test_seed());
	int round;
	unsigned k;

	(void)state;
	for (round = 0; round < 40; round++) {
		uint64_t links = rng_next(&rng);
		struct world *a = build(&rng, links), *b = build(&rng, links);

		for (k = 0; k < ARRAY_SIZE(asks); k++) {
			world_decide(a, "new", asks[k].labels, asks[k].annotations);
			world_decide(b, "new", asks[k].labels, asks[k].annotations);
			compare(a, b);
		}
		world_end(a);
		world_end(b);
		free(a);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decisions_do_not_know_the_past)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
