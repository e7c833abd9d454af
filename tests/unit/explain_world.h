/*
 * explain_world.h - a random cluster twice: as files for the programs, and in a real cache with a mesh, without files.
 */
#ifndef TESTS_UNIT_EXPLAIN_WORLD_H
#define TESTS_UNIT_EXPLAIN_WORLD_H

#include "tests/testing/crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/dump.h"
#include "sched/explain.h"
#include "sched/filter/filter.h"
#include "sched/simulate.h"

#define WORLDS test_rounds(25)		/* 10 and more have all that a_dump_replays_every_decision varies */
#define NODES 24
#define RUNNING 60
#define PENDING 40
#define NOW_MS INT64_C(1795294800000)	/* 2026-11-21T21:00:00Z */

struct world {
	struct rng rng;
	const char *folder;		/* the same for all worlds */
	char *cluster, *matrix, *pods, *config;
	struct cache *cache;
	struct archive *archive;
	struct decider *decider;
	struct profile profile;
	struct snapshot snapshot;
	struct mesh *mesh;
	struct decision_input in;
	struct decision decision;
};

static struct world w;

/* As the API would send it. */
static inline cJSON *api_object(const char *text, const char *kind, const char *node)
{
	struct lm_err err;
	cJSON *object = json_parse(text, strlen(text), JSON_DEPTH_API, &err), *metadata;
	auto_free char *uid = NULL;

	if (!object)
		fail_msg("%s: %s", err.msg, text);
	metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	uid = xasprintf("uid-%s", read_text(metadata, "name"));
	cJSON_AddStringToObject(object, "kind", kind);
	cJSON_AddStringToObject(object, "apiVersion", "v1");
	cJSON_AddStringToObject(metadata, "uid", uid);
	if (STREQ(kind, "Pod"))
		cJSON_AddStringToObject(metadata, "namespace", "default");
	if (node)
		cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(object, "spec"), "nodeName", node);
	return object;
}

static inline void put(cJSON *object, cJSON *list)
{
	struct lm_err err;

	archive_put(w.archive, cluster_kind(object), object);
	if (cluster_put(w.cache, object, &err) != 1)
		fail_msg("%s", err.msg);
	cJSON_AddItemToArray(list, object);
}

static inline void put_nodes(struct crowd *c, cJSON *list)
{
	int i;

	for (i = 0; i < NODES; i++) {
		auto_free char *text = crowd_node(c, i);
		cJSON *node = api_object(text, "Node", NULL);

		if (rng_chance(&c->rng, 0.1))
			cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(node, "metadata"), "labels"),
						"node-role.kubernetes.io/cloud", "");
		put(node, list);
	}
}

static inline void put_pods(struct crowd *c, const char *prefix, int count, bool running, cJSON *list)
{
	int i;

	for (i = 0; i < count; i++) {
		auto_free char *text = crowd_pod(c, &(struct crowd_kind){prefix, "my-latency-scheduler", CROWD_ANY}, i);
		char node[24];

		snprintf(node, sizeof(node), "node-%u", rng_below(&c->rng, NODES));
		put(api_object(text, "Pod", running ? node : NULL), list);
	}
}

static inline void write_json(const char *path, cJSON *items)
{
	cJSON *list = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(list, "kind", "List");
	cJSON_AddItemToObject(list, "items", items);
	text = cJSON_PrintUnformatted(list);
	test_write(path, text);
	cJSON_free(text);
	cJSON_Delete(list);
}

static inline float random_rtt(struct rng *r)
{
	return rng_chance(r, 0.1) ? NAN : (float)(100 + rng_below(r, 30000)) / 10;
}

static inline void random_links(struct rng *r, struct snapshot_links *links, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		links->rtt_us[i] = random_rtt(r);
		links->jitter_us[i] = isnan(links->rtt_us[i]) ? NAN : (float)rng_below(r, 2000) / 10;
		links->loss[i] = isnan(links->rtt_us[i]) ? (rng_chance(r, 0.5) ? 1 : NAN) : (float)rng_below(r, 500) / 10000;
	}
}

/* Of some nodes, of one that the matrix does not know, and of one that is nowhere. */
static inline void random_entry(struct rng *r)
{
	int i;

	w.snapshot.entry.age_s = rng_chance(r, 0.1) ? (double)NAN : rng_below(r, 400);
	for (i = (int)rng_below(r, 4); i < NODES && i < 8; i++) {
		auto_free char *name = xasprintf("node-%d", rng_chance(r, 0.1) ? NODES + 5 : rng_chance(r, 0.2) ? NODES - 1 : i);

		snapshot_entry_add(&w.snapshot.entry, name, rng_below(r, 4000) / 8.0);
	}
}

/* Of what is known: some of it becomes a bound. */
static inline void random_estimates(struct rng *r)
{
	uint32_t i;

	if (rng_chance(r, 0.5))
		snapshot_want_estimates(&w.snapshot);
	for (i = 0; w.snapshot.client_estimate_us && i < w.snapshot.nodes.count; i++) {
		if (isnan(w.snapshot.client.rtt_us[i]) || rng_chance(r, 0.5))
			continue;
		w.snapshot.client.jitter_us[i] = w.snapshot.client.loss[i] = NAN;
		w.snapshot.client_estimate_us[i] = (float)rng_below(r, 30000) / 10;
	}
}

static inline void random_snapshot(struct rng *r)
{
	struct names nodes = {0}, clients = {0};
	double oldest = rng_chance(r, 0.5) ? 100 : 900;
	uint32_t i;
	char name[24];

	for (i = 0; i < NODES - 1; i++) {	/* one that the matrix does not know */
		snprintf(name, sizeof(name), "node-%u", i);
		names_add(&nodes, name);
	}
	names_add(&clients, "milan");
	snapshot_init(&w.snapshot, &nodes, &clients);
	random_links(r, &w.snapshot.link, (size_t)nodes.count * nodes.count);
	random_links(r, &w.snapshot.client, nodes.count);
	for (i = 0; i < nodes.count; i++) {
		w.snapshot.link.rtt_us[i * (nodes.count + 1)] = w.snapshot.link.jitter_us[i * (nodes.count + 1)] =
			w.snapshot.link.loss[i * (nodes.count + 1)] = 0;
		w.snapshot.age_s[i] = rng_below(r, (uint32_t)oldest);
		w.snapshot.load[i].cpu = rng_chance(r, 0.02) ? NAN : rng_below(r, 1000) / 1000.0;
		w.snapshot.load[i].rx_bytes_per_s = rng_chance(r, 0.02) ? (double)NAN : rng_below(r, 1u << 24);
		w.snapshot.load[i].tx_bytes_per_s = rng_below(r, 1u << 22);
	}
	random_entry(r);
	random_estimates(r);
	names_free(&nodes);
	names_free(&clients);
	snprintf(w.snapshot.epoch, sizeof(w.snapshot.epoch), "e");
	w.snapshot.generation = 7;
	w.snapshot.written_ms = NOW_MS - rng_below(r, 60000);
}

static inline void write_matrix(const char *path)
{
	auto_buf struct buf text = {0};

	snapshot_write(&w.snapshot, &text);
	test_write(path, text.data);
}

#define DEFAULT_NEAR "entry*3, client/milan, any:entry*0.5"

/* What the programs read from a file, as decide gets it. */
static inline void set_profile(void)
{
	struct lm_err err;

	profile_init(&w.profile, "my-latency-scheduler");
	ask_free(&w.profile.default_near);
	assert_int_equal(ask_parse_near("defaultNear", DEFAULT_NEAR, &w.profile.default_near, &err), 0);
	w.profile.weight_plain[SCORE_TRAFFIC] = 0.25;
	test_write(w.config, "defaultNear: \"" DEFAULT_NEAR "\"\nweights: {plain: {traffic: 0.25}}\n");
}

static inline void world_begin(uint64_t seed)
{
	const char *folder = w.folder ? w.folder : test_folder();
	cJSON *all = cJSON_CreateArray(), *pending = cJSON_CreateArray();
	struct crowd crowd = {.rng = rng_make(seed), .nodes = NODES, .size = 1};
	const cJSON *item;

	w = (struct world){.rng = rng_make(seed + 1), .folder = folder, .cache = cache_new(), .archive = archive_new(), .decider = decider_new()};
	w.cluster = xasprintf("%s/cluster.json", folder);
	w.matrix = xasprintf("%s/matrix.json", folder);
	w.pods = xasprintf("%s/pods.json", folder);
	w.config = xasprintf("%s/config.yaml", folder);
	set_profile();
	put_nodes(&crowd, all);
	put_pods(&crowd, "running", RUNNING, true, all);
	put_pods(&crowd, "pending", PENDING, false, pending);
	cJSON_ArrayForEach(item, pending)
		cJSON_AddItemToArray(all, cJSON_Duplicate(item, true));
	write_json(w.cluster, all);
	write_json(w.pods, pending);
	random_snapshot(&w.rng);
	write_matrix(w.matrix);
}

static inline void world_end(void)
{
	mesh_free(w.mesh);
	snapshot_free(&w.snapshot);
	profile_free(&w.profile);
	decider_free(w.decider);
	archive_free(w.archive);
	cache_free(w.cache);
	free(w.cluster);
	free(w.matrix);
	free(w.pods);
	free(w.config);
}

static inline void take_matrix(int64_t mono_ms, int64_t wall_ms)
{
	struct mesh *next;

	assert_int_equal(mesh_take(matrix_build(&w.snapshot), w.mesh, false, false, mono_ms, wall_ms, &next), MESH_TAKEN);
	mesh_free(w.mesh);
	w.mesh = next;
}

static inline const struct pod *pending_pod(int i)
{
	auto_free char *name = xasprintf("pending-%04d", i);

	return cache_find_pod_named(w.cache, "default", name)->pod;
}

static inline void decide_pod(const struct pod *pod, int64_t mono_ms)
{
	w.in = (struct decision_input){.view = cache_view(w.cache), .mesh = w.mesh, .pod = pod, .profile = &w.profile, .mono_ms = mono_ms};
	decide(w.decider, &w.in, &w.decision);
}

static inline const char *name_at(int32_t node)
{
	return node < 0 ? NULL : w.in.view->nodes[node].node->name;
}

#endif
