/*
 * b-reserve.c - one plan of a reserve at 1,000 nodes and 2,000 covered pods (arguments: other numbers, and a reserve.most in per cent): 16 cores and 64 GiB a node, two thirds of it
 * taken by others, nodes on a plane (round trips by distance, up to 30 ms), each covered pod within 5, 10 or 20 ms of some node. Of the pods a tenth
 * keeps off its own kind and a tenth is near another app. Prints how long a plan takes from nothing and with the one before, and its overhead beside what
 * no plan could beat: the failure that brings most.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/reserve/plan.h"
#include "tests/testing/testing.h"

struct bench {
	struct cache *cache;
	struct mesh *mesh;
	struct profile profile;
	struct rng rng;
	uint32_t nodes, pods;
	double *x, *y;
	double *brings;			/* milli-CPU of the covered pods by node */
	double most;			/* 0: no limit */
};

static cJSON *tree(const char *text)
{
	struct lm_err err;
	cJSON *json = json_parse(text, strlen(text), JSON_DEPTH_API, &err);

	if (!json) {
		fprintf(stderr, "b-reserve: %s: %s\n", text, err.msg);
		exit(70);
	}
	return json;
}

static void add_node(struct bench *b, uint32_t i)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"node-%04u\",\"uid\":\"n%u\",\"labels\":{\"kubernetes.io/hostname\":\"node-%04u\"}},\"spec\":{},"
					 "\"status\":{\"allocatable\":{\"cpu\":\"16\",\"memory\":\"64Gi\",\"pods\":\"110\"}}}", i, i, i);
	auto_json cJSON *json = tree(text);
	struct lm_err err;

	cache_put_node(b->cache, node_parse(json, &err));
}

static void add_pod(struct bench *b, const char *name, uint32_t node, uint32_t cpu_milli, uint32_t mib, const char *metadata, const char *spec)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"00000000-0000-0000-0000-%s\"%s},\"spec\":"
					 "{\"nodeName\":\"node-%04u\",%s\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"%um\",\"memory\":\"%uMi\"}}}]}}",
					 name, name, metadata, node, spec, cpu_milli, mib);
	auto_json cJSON *json = tree(text);
	struct lm_err err;

	cache_put_pod(b->cache, pod_parse(json, &err));
}

static double ms_between(const struct bench *b, uint32_t i, uint32_t k)
{
	return 0.2 + 30 * hypot(b->x[i] - b->x[k], b->y[i] - b->y[k]);
}

static void add_covered(struct bench *b, uint32_t i)
{
	static const int limits_ms[] = {5, 10, 20};
	uint32_t node = rng_below(&b->rng, b->nodes), app = rng_below(&b->rng, b->pods / 10 + 1), cpu = 100 + 50 * rng_below(&b->rng, 19);
	bool anti = rng_chance(&b->rng, 0.1), chained = rng_chance(&b->rng, 0.1);
	auto_free char *other = chained ? xasprintf(",any:app=app-%u<=20ms", rng_below(&b->rng, b->pods / 10 + 1)) : xstrdup("");
	auto_free char *name = xasprintf("covered-%u", i);
	auto_free char *metadata = xasprintf(",\"labels\":{\"app\":\"app-%u\",\"latency-mesh.io/reserve\":\"true\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\","
					     "\"name\":\"rs-%u\",\"uid\":\"owner-%u\",\"controller\":true}],\"annotations\":{\"latency-mesh.io/within\":"
					     "\"node/node-%04u<=%dms%s\"}", app, app, app, node, limits_ms[rng_below(&b->rng, 3)], other);
	auto_free char *spec = anti ? xasprintf("\"schedulerName\":\"ours\",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":"
						"[{\"topologyKey\":\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"app-%u\"}}}]}},", app) :
			       xstrdup("\"schedulerName\":\"ours\",");

	b->brings[node] += cpu;
	add_pod(b, name, node, cpu, 64 * (1 + rng_below(&b->rng, 16)), metadata, spec);
}

static void add_all(struct bench *b)
{
	uint32_t i, k;

	for (i = 0; i < b->nodes; i++) {
		b->x[i] = rng_unit(&b->rng);
		b->y[i] = rng_unit(&b->rng);
		add_node(b, i);
		for (k = 0; k < 6; k++) {
			auto_free char *name = xasprintf("tenant-%u-%u", i, k);

			add_pod(b, name, i, 500 + 100 * rng_below(&b->rng, 25), 4096 + 512 * rng_below(&b->rng, 8), "", "");
		}
	}
	for (i = 0; i < b->pods; i++)
		add_covered(b, i);
}

static void take_mesh(struct bench *b)
{
	struct names nodes = {0}, clients = {0};
	struct snapshot s;
	uint32_t i, k;

	for (i = 0; i < b->nodes; i++) {
		auto_free char *name = xasprintf("node-%04u", i);

		names_add(&nodes, name);
	}
	snapshot_init(&s, &nodes, &clients);
	snprintf(s.epoch, sizeof(s.epoch), "bench");
	for (i = 0; i < b->nodes; i++) {
		s.age_s[i] = 0;
		for (k = 0; k < b->nodes; k++) {
			size_t at = (size_t)i * b->nodes + k;

			s.link.rtt_us[at] = i == k ? 0 : (float)(1000 * ms_between(b, i, k));
			s.link.jitter_us[at] = s.link.loss[at] = 0;
		}
	}
	mesh_take(matrix_build(&s), NULL, false, false, 0, 0, &b->mesh);
	snapshot_free(&s);
	names_free(&nodes);
}

static const struct profile *profile_of(const void *arg, const char *scheduler_name)
{
	const struct bench *b = arg;

	return STREQ(scheduler_name, "ours") ? &b->profile : NULL;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void plan_once(struct bench *b, struct decider *d, const char *what, const struct covers *previous, struct plan *out)
{
	const struct reserve_settings settings = {.enabled = true, .namespace_ = "mesh", .most = b->most};
	const struct plan_input in = {.cache = b->cache, .mesh = b->mesh, .profile = profile_of, .profile_arg = b, .settings = &settings, .previous = previous};
	double from = now_ms(), most = 0;
	size_t i, k, moved = 0;

	plan_make(d, &in, out);
	for (i = 0; i < b->nodes; i++)
		most = b->brings[i] > most ? b->brings[i] : most;
	for (i = k = 0; previous && i < out->covers.count && k < previous->count; i++) {	/* both sorted by uid */
		while (k < previous->count && strcmp(previous->items[k].uid, out->covers.items[i].uid) < 0)
			k++;
		moved += k < previous->count && STREQ(previous->items[k].uid, out->covers.items[i].uid) &&
			 !STREQ(previous->items[k].refuge, out->covers.items[i].refuge);
	}
	printf("%-28s %6.0f ms of CPU, %zu covered, %zu uncovered, %zu rooms, overhead %.3f %% (CPU %.3f %%, least %.3f %%), %zu moved\n", what, now_ms() - from,
	       out->covers.count, out->uncovered_count, out->room_count, 100 * out->overhead, 100 * out->overhead_cpu,
	       100 * most / (16000.0 * b->nodes), moved);
}

int main(int argc, char **argv)
{
	struct bench b = {.cache = cache_new(), .rng = rng_make(1), .nodes = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000,
			  .pods = argc > 2 ? (uint32_t)atoi(argv[2]) : 2000, .most = argc > 3 ? atof(argv[3]) / 100 : 0};
	struct decider *d = decider_new();
	auto_plan struct plan first = {0}, second = {0}, third = {0};

	b.x = xcalloc(b.nodes, sizeof(*b.x));
	b.y = xcalloc(b.nodes, sizeof(*b.y));
	b.brings = xcalloc(b.nodes, sizeof(*b.brings));
	profile_init(&b.profile, "ours");
	take_mesh(&b);
	add_all(&b);
	mesh_free(b.mesh);
	take_mesh(&b);
	plan_once(&b, d, "from nothing", NULL, &first);
	plan_once(&b, d, "again", &first.covers, &second);
	add_covered(&b, b.pods);
	plan_once(&b, d, "after one more pod", &second.covers, &third);
	mesh_free(b.mesh);
	profile_free(&b.profile);
	decider_free(d);
	cache_free(b.cache);
	free(b.x);
	free(b.y);
	free(b.brings);
	return 0;
}
