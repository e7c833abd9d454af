/*
 * b-decide.c - one decision at 1,000 nodes (argument: another number), each with 5 pods on it, half of a core and 1 GiB asked for: a node as target, a
 * selector that matches 1, 3 and 30 pods, a limit, and a pod that asks nothing. The pods' sizes differ, so that nothing can be remembered
 * from the decision before. Times include filters, scores, ties and the verdict of every node. Of five batches the one with the best median
 * is printed, with its own p99: the machine has other guests.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/decide.h"
#include "tests/testing/testing.h"

#define ROUNDS 2000
#define BATCHES 5
#define PODS 64

struct bench {
	struct cache *cache;
	struct mesh *mesh;
	struct decider *decider;
	struct profile profile;
	struct rng rng;
	uint32_t nodes;
	bool placing;			/* before each decision a pod comes on a node */
};

static cJSON *tree(const char *text)
{
	struct lm_err err;
	cJSON *json = json_parse(text, strlen(text), JSON_DEPTH_API, &err);

	if (!json) {
		fprintf(stderr, "b-decide: %s: %s\n", text, err.msg);
		exit(70);
	}
	return json;
}

static void add_node(struct bench *b, uint32_t i)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"node-%04u\",\"uid\":\"n%u\",\"resourceVersion\":\"1\",\"labels\":"
					 "{\"kubernetes.io/hostname\":\"node-%04u\",\"topology.kubernetes.io/zone\":\"z%u\"}},\"spec\":{},"
					 "\"status\":{\"allocatable\":{\"cpu\":\"16\",\"memory\":\"64Gi\",\"pods\":\"110\"}}}", i, i, i, i % 10);
	auto_json cJSON *json = tree(text);
	struct lm_err err;

	cache_put_node(b->cache, node_parse(json, &err));
}

/* `spec` is more of the spec, with a comma at its end, or "". */
static struct pod *make_pod(const char *name, int64_t node, const char *app, uint32_t cpu_milli, const char *annotations, const char *spec)
{
	auto_free char *where = node >= 0 ? xasprintf("node-%04" PRId64, node) : xstrdup("");
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"u-%s\",\"resourceVersion\":\"1\","
					 "\"labels\":{\"app\":\"%s\"},\"annotations\":{%s},\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"%s\","
					 "\"uid\":\"o-%s\",\"controller\":true}]},\"spec\":{%s\"nodeName\":\"%s\",\"containers\":[{\"name\":\"c\","
					 "\"resources\":{\"requests\":{\"cpu\":\"%um\",\"memory\":\"1Gi\"}}}]}}", name, name, app, annotations, app, app,
					 spec, where, cpu_milli);
	auto_json cJSON *json = tree(text);
	struct lm_err err;

	return pod_parse(json, &err);
}

static void add_pods(struct bench *b)
{
	uint32_t i;

	for (i = 0; i < b->nodes * 5; i++) {
		char name[32], app[32];

		snprintf(name, sizeof(name), "pod-%u", i);
		snprintf(app, sizeof(app), "app-%u", i % 200);
		cache_put_pod(b->cache, make_pod(name, rng_below(&b->rng, b->nodes), app, 500, "", ""));
	}
	for (i = 0; i < 34; i++) {
		const char *app = i < 1 ? "one" : i < 4 ? "three" : "thirty";
		char name[32];

		snprintf(name, sizeof(name), "target-%u", i);
		cache_put_pod(b->cache, make_pod(name, rng_below(&b->rng, b->nodes), app, 100, "", ""));
	}
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Nodes in 10 regions, 0.2 to 2 ms within one, 5 to 150 ms between two. */
static void add_mesh(struct bench *b)
{
	auto_snapshot struct snapshot s = {0};
	struct names names = {0}, none = {0};
	struct mesh *first;
	struct matrix *matrix;
	double begin_us;
	uint32_t i, j;

	for (i = 0; i < b->nodes; i++) {
		char name[32];

		snprintf(name, sizeof(name), "node-%04u", (i * 7919u) % b->nodes);
		names_add(&names, name);
	}
	snapshot_init(&s, &names, &none);
	s.period_s = 60;
	for (i = 0; i < names.count; i++) {
		s.age_s[i] = 5;
		s.load[i].cpu = rng_unit(&b->rng) * 0.8;
		for (j = 0; j < names.count; j++) {
			double base = i % 10 == j % 10 ? 200 : 5000 + 14000 * fabs((double)(i % 10) - (double)(j % 10));
			size_t at = (size_t)i * names.count + j;

			if (i == j)
				continue;
			s.link.rtt_us[at] = (float)(base * (1 + 0.5 * rng_unit(&b->rng)));
			s.link.jitter_us[at] = (float)(20 + 40 * rng_unit(&b->rng));
			s.link.loss[at] = 0;
		}
	}
	if (mesh_take(matrix_build(&s), NULL, false, true, 0, 0, &first) != MESH_TAKEN)
		exit(70);
	s.generation++;
	matrix = matrix_build(&s);
	begin_us = now_us();
	if (mesh_take(matrix, first, false, true, 0, 0, &b->mesh) != MESH_TAKEN)
		exit(70);
	printf("figure mesh_take_%u %.1f ms\n", b->nodes, (now_us() - begin_us) / 1e3);
	mesh_free(first);
	names_free(&names);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One batch; sorted. */
static void batch(struct bench *b, const char *name, struct pod *const *pods, int64_t mono_ms, double *took_us)
{
	struct decision decision;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++) {
		bool moved = b->placing && (cache_forget(b->cache, "u-burst"), cache_assume(b->cache, "u-burst", rng_below(&b->rng, b->nodes)));
		struct decision_input in = {.view = cache_view(b->cache), .mesh = b->mesh, .pod = pods[i % PODS], .profile = &b->profile,
					    .mono_ms = mono_ms};
		double begin_us = now_us();

		if (b->placing && !moved)
			exit(70);
		decide(b->decider, &in, &decision);
		took_us[i] = now_us() - begin_us;
		if (decision.node < 0) {
			fprintf(stderr, "b-decide: %s: no node\n", name);
			exit(70);
		}
	}
	qsort(took_us, ROUNDS, sizeof(took_us[0]), by_value);
}

/* goal_us 0: none. */
static void measure_spec(struct bench *b, const char *name, const char *annotations, const char *spec, int64_t mono_ms, double goal_us)
{
	static double took_us[ROUNDS];
	double p50_us = INFINITY, p99_us = INFINITY;
	struct pod *pods[PODS];
	uint32_t i;

	for (i = 0; i < PODS; i++) {
		char pod[64];

		snprintf(pod, sizeof(pod), "asks-%u", i);
		pods[i] = make_pod(pod, -1, "web", 100 + 10 * i, annotations, spec);
	}
	for (i = 0; i < BATCHES; i++) {
		batch(b, name, pods, mono_ms, took_us);
		if (took_us[ROUNDS / 2] >= p50_us)
			continue;
		p50_us = took_us[ROUNDS / 2];
		p99_us = took_us[ROUNDS / 100 * 99];
	}
	for (i = 0; i < PODS; i++)
		pod_free(pods[i]);
	printf("figure decide_%u_%s_p50 %.1f us", b->nodes, name, p50_us);
	if (goal_us > 0)
		printf(" (goal %g)", goal_us);
	printf("\nfigure decide_%u_%s_p99 %.1f us\n", b->nodes, name, p99_us);
	fflush(stdout);
}

static void measure(struct bench *b, const char *name, const char *annotations, int64_t mono_ms, double goal_us)
{
	measure_spec(b, name, annotations, "", mono_ms, goal_us);
}

#define SELECTOR "\"labelSelector\":{\"matchLabels\":{\"app\":\"app-7\"}}"
#define SPREAD(key, when) "{\"maxSkew\":9,\"topologyKey\":\"" key "\",\"whenUnsatisfiable\":\"" when "\"," SELECTOR "}"
#define APART "\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"kubernetes.io/hostname\"," SELECTOR "}]}"

/* What other pods are where: two constraints over 10 zones and all hosts; one pod a host. */
static void measure_terms(struct bench *b)
{
	measure_spec(b, "spread", "", "\"topologySpreadConstraints\":[" SPREAD("topology.kubernetes.io/zone", "DoNotSchedule") ","
				      SPREAD("kubernetes.io/hostname", "ScheduleAnyway") "],", 0, 0);
	measure_spec(b, "apart", "", "\"affinity\":{" APART "},", 0, 0);
}

/* Every pod was placed in the last five minutes before the load was measured, or after that; and one more before each decision. */
static void measure_placing(struct bench *b)
{
	uint32_t i;

	for (i = 0; i < b->nodes * 5; i++) {
		char uid[32];

		snprintf(uid, sizeof(uid), "u-pod-%u", i);
		cache_set_placed(b->cache, uid, (int64_t)rng_below(&b->rng, 400000) - 300000);
	}
	cache_set_time(b->cache, 0);
	cache_put_pod(b->cache, make_pod("burst", -1, "web", 100, "", ""));
	b->placing = true;
	measure(b, "placing", "\"latency-mesh.io/near\":\"node/node-0007\"", 0, 0);
	b->placing = false;
}

int main(int argc, char **argv)
{
	struct bench b = {.cache = cache_new(), .decider = decider_new(), .rng = rng_make(42)};
	double goal = 10;
	uint32_t i;

	b.nodes = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
	goal = b.nodes == 1000 ? goal : 0;
	profile_init(&b.profile, "bench");
	for (i = 0; i < b.nodes; i++)
		add_node(&b, i);
	add_pods(&b);
	add_mesh(&b);
	measure(&b, "node", "\"latency-mesh.io/near\":\"node/node-0007\"", 0, goal);
	measure(&b, "selector_1", "\"latency-mesh.io/near\":\"app=one\"", 0, goal);
	measure(&b, "selector_3", "\"latency-mesh.io/near\":\"app=three\"", 0, 0);
	measure(&b, "selector_30", "\"latency-mesh.io/near\":\"app=thirty\"", 0, 0);
	measure(&b, "limit", "\"latency-mesh.io/within\":\"app=one<=40ms\"", 0, 0);
	measure(&b, "nothing", "", 0, 0);
	measure_terms(&b);
	measure(&b, "node_aged", "\"latency-mesh.io/near\":\"node/node-0007\"", 300000, 0);
	measure_placing(&b);
	memset(b.profile.weight_asking, 0, sizeof(b.profile.weight_asking));	/* every node ties with every other */
	measure(&b, "all_tie", "\"latency-mesh.io/near\":\"app=one\"", 0, 0);
	decider_free(b.decider);
	mesh_free(b.mesh);
	profile_free(&b.profile);
	cache_free(b.cache);
	return 0;
}
