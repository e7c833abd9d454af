/*
 * Explain, simulate and the dump against decide() in this process, on random clusters: 1,000 pods each. What is compared with is made by the parsers of
 * the cache and mesh_take alone, without files.
 */
#include "tests/testing/crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
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
#define NOW "2026-11-21T21:00:00.000Z"

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

/* --- random clusters -------------------------------------------------------------------------------------------------- */

/* As the API would send it. */
static cJSON *api_object(const char *text, const char *kind, const char *node)
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

static void put(cJSON *object, cJSON *list)
{
	struct lm_err err;

	archive_put(w.archive, cluster_kind(object), object);
	if (cluster_put(w.cache, object, &err) != 1)
		fail_msg("%s", err.msg);
	cJSON_AddItemToArray(list, object);
}

static void put_nodes(struct crowd *c, cJSON *list)
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

static void put_pods(struct crowd *c, const char *prefix, int count, bool running, cJSON *list)
{
	int i;

	for (i = 0; i < count; i++) {
		auto_free char *text = crowd_pod(c, &(struct crowd_kind){prefix, "my-latency-scheduler", CROWD_ANY}, i);
		char node[24];

		snprintf(node, sizeof(node), "node-%u", rng_below(&c->rng, NODES));
		put(api_object(text, "Pod", running ? node : NULL), list);
	}
}

static void write_json(const char *path, cJSON *items)
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

static float random_rtt(struct rng *r)
{
	return rng_chance(r, 0.1) ? NAN : (float)(100 + rng_below(r, 30000)) / 10;
}

static void random_links(struct rng *r, struct snapshot_links *links, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		links->rtt_us[i] = random_rtt(r);
		links->jitter_us[i] = isnan(links->rtt_us[i]) ? NAN : (float)rng_below(r, 2000) / 10;
		links->loss[i] = isnan(links->rtt_us[i]) ? (rng_chance(r, 0.5) ? 1 : NAN) : (float)rng_below(r, 500) / 10000;
	}
}

/* Of some nodes, of one that the matrix does not know, and of one that is nowhere. */
static void random_entry(struct rng *r)
{
	int i;

	w.snapshot.entry.age_s = rng_chance(r, 0.1) ? (double)NAN : rng_below(r, 400);
	for (i = (int)rng_below(r, 4); i < NODES && i < 8; i++) {
		auto_free char *name = xasprintf("node-%d", rng_chance(r, 0.1) ? NODES + 5 : rng_chance(r, 0.2) ? NODES - 1 : i);

		snapshot_entry_add(&w.snapshot.entry, name, rng_below(r, 4000) / 8.0);
	}
}

/* Of what is known: some of it becomes a bound. */
static void random_estimates(struct rng *r)
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

static void random_snapshot(struct rng *r)
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

static void write_matrix(const char *path)
{
	auto_buf struct buf text = {0};

	snapshot_write(&w.snapshot, &text);
	test_write(path, text.data);
}

#define DEFAULT_NEAR "entry*3, client/milan, any:entry*0.5"

/* What the programs read from a file, as decide gets it. */
static void set_profile(void)
{
	struct lm_err err;

	profile_init(&w.profile, "my-latency-scheduler");
	ask_free(&w.profile.default_near);
	assert_int_equal(ask_parse_near("defaultNear", DEFAULT_NEAR, &w.profile.default_near, &err), 0);
	w.profile.weight_plain[SCORE_TRAFFIC] = 0.25;
	test_write(w.config, "defaultNear: \"" DEFAULT_NEAR "\"\nweights: {plain: {traffic: 0.25}}\n");
}

static void world_begin(uint64_t seed)
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

static void world_end(void)
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

static void take_matrix(int64_t mono_ms, int64_t wall_ms)
{
	struct mesh *next;

	assert_int_equal(mesh_take(matrix_build(&w.snapshot), w.mesh, false, false, mono_ms, wall_ms, &next), MESH_TAKEN);
	mesh_free(w.mesh);
	w.mesh = next;
}

static const struct pod *pending_pod(int i)
{
	auto_free char *name = xasprintf("pending-%04d", i);

	return cache_find_pod_named(w.cache, "default", name)->pod;
}

static void decide_pod(const struct pod *pod, int64_t mono_ms)
{
	w.in = (struct decision_input){.view = cache_view(w.cache), .mesh = w.mesh, .pod = pod, .profile = &w.profile, .mono_ms = mono_ms};
	decide(w.decider, &w.in, &w.decision);
}

/* --- the programs ----------------------------------------------------------------------------------------------------- */

static cJSON *run(int (*command)(int, char **, FILE *), const char *option, const char *value, int *code)
{
	const char *const words[] = {"x", "--cluster", w.cluster, "--matrix", w.matrix, "--now", NOW, "--format", "json", "--config", w.config, option, value};
	char *argv[ARRAY_SIZE(words) + 1] = {NULL}, *text = NULL;
	size_t size, i;
	FILE *to = open_memstream(&text, &size);
	struct lm_err err;
	cJSON *json;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		argv[i] = xstrdup(words[i]);
	*code = command((int)ARRAY_SIZE(words), argv, to);
	fclose(to);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		free(argv[i]);
	json = json_parse(text, size, JSON_DEPTH, &err);
	if (!json)
		fail_msg("%s: %s", err.msg, text);
	free(text);
	return json;
}

static void expect_text(const cJSON *object, const char *key, const char *want)
{
	const char *got = cJSON_GetStringValue(json_get(object, key));

	if (!want || !got ? want != got : !STREQ(want, got))
		fail_msg("%s: %s, not %s", key, got ? got : "null", want ? want : "null");
}

static void expect_number(const cJSON *object, const char *key, double want, double within)
{
	const cJSON *item = json_get(object, key);

	assert_non_null(item);
	if (isnan(want) ? !cJSON_IsNull(item) : !cJSON_IsNumber(item) || fabs(item->valuedouble - want) > within)
		fail_msg("%s: %g, not %g", key, cJSON_GetNumberValue(item), want);
}

static const char *name_at(int32_t node)
{
	return node < 0 ? NULL : w.in.view->nodes[node].node->name;
}

static double at(const float *column, int32_t node)
{
	return column && node >= 0 ? (double)column[node] : NAN;
}

/* Of the decision that was made last. */
static void expect_verdict(const cJSON *verdict)
{
	auto_buf struct buf message = {0};

	if (w.decision.node < 0)
		decision_message(w.decider, &w.in, &w.decision, &message);
	expect_text(verdict, "node", name_at(w.decision.node));
	expect_text(verdict, "runner_up", name_at(w.decision.runner_up));
	expect_text(verdict, "message", message.data);
	expect_number(verdict, "total", w.decision.node < 0 ? NAN : at(w.decision.total, w.decision.node), 1e-3);
	assert_int_equal(cJSON_IsTrue(json_get(verdict, "estimate")), decision_is_estimate(&w.in, &w.decision));
	expect_number(verdict, "rtt_us", w.decision.node < 0 ? NAN : at(w.decision.rtt_us, w.decision.node), 0.1);
}

static void expect_nodes(const cJSON *nodes)
{
	const cJSON *item;
	bool cloud, in_cloud = false;
	double before = INFINITY;
	uint32_t seen = 0;

	cJSON_ArrayForEach(item, nodes) {
		int32_t node = cache_find_node(w.cache, cJSON_GetStringValue(json_get(item, "node")));
		uint8_t filter;

		assert_true(node >= 0 && w.decision.verdicts);
		filter = w.decision.verdicts[node].filter;
		assert_int_equal(cJSON_IsTrue(json_get(item, "feasible")), filter == 0);
		expect_text(item, "filter", filter ? filter_table[filter - 1]->name : NULL);
		expect_number(item, "total", filter ? NAN : at(w.decision.total, node), 1e-3);
		cloud = w.decision.cloud && !isnan(w.decision.cloud[node]);
		assert_int_equal(cJSON_IsNull(json_get(item, "cloud")), !w.decision.cloud);
		assert_int_equal(cJSON_IsTrue(json_get(item, "cloud")), cloud);
		expect_number(item, "rank", filter ? NAN : (double)++seen, 0);
		if (!filter && !cloud && in_cloud)
			before = INFINITY;	/* the edges come after it */
		assert_true(filter || !cloud || in_cloud || seen == 1);
		if (!filter && seen > 1)	/* the first may have won a tie */
			assert_true(at(w.decision.total, node) <= before);
		in_cloud = cloud;
		if (!filter && seen > 1)
			before = at(w.decision.total, node);
	}
	assert_int_equal(seen, w.decision.feasible);
	assert_int_equal(cJSON_GetArraySize(nodes), NODES);
}

static void explain_says_what_decide_does(void **state)
{
	int world, i, code, placed = 0;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		world_begin(test_seed() + (uint64_t)world);
		take_matrix(0, NOW_MS);
		for (i = 0; i < PENDING; i++) {
			const struct pod *pod = pending_pod(i);
			auto_free char *key = xasprintf("default/%s", pod->name);
			auto_json cJSON *json = run(explain_run, "--pod", key, &code);

			decide_pod(pod, 0);
			assert_int_equal(code, w.decision.node < 0 ? 1 : 0);
			expect_verdict(json_get(json, "verdict"));
			expect_nodes(json_get(json, "nodes"));
			placed += w.decision.node >= 0;
		}
		world_end();
	}
	printf("# %d pods, %d have a place\n", WORLDS * PENDING, placed);
	assert_true(placed > WORLDS * PENDING / 2);
}

/* A pod that runs is explained as if it did not: the same as when it was decided on. */
static void a_pod_that_runs_is_taken_off_its_node(void **state)
{
	int i, code;

	(void)state;
	world_begin(test_seed() + 1000);
	take_matrix(0, NOW_MS);
	for (i = 0; i < RUNNING; i++) {
		auto_free char *key = xasprintf("default/running-%04d", i), *uid = xasprintf("uid-running-%04d", i);
		auto_json cJSON *json = run(explain_run, "--pod", key, &code);
		const struct pod *pod = cache_find_pod(w.cache, uid)->pod;
		auto_free char *node = xstrdup(pod->node);
		auto_json cJSON *object = NULL;
		size_t count, k;
		auto_free struct archived **items = archive_sorted(w.archive, &count);
		struct lm_err err;

		for (k = 0; k < count && !STREQ(items[k]->uid, uid); k++)
			;
		object = json_parse(items[k]->text, strlen(items[k]->text), JSON_DEPTH_API, &err);
		expect_text(json_get(json, "pod"), "was_on", node);
		cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, "spec"), "nodeName");
		assert_int_equal(cluster_put(w.cache, object, &err), 1);
		decide_pod(cache_find_pod(w.cache, uid)->pod, 0);
		expect_verdict(json_get(json, "verdict"));
		cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(object, "spec"), "nodeName", node);
		assert_int_equal(cluster_put(w.cache, object, &err), 1);
	}
	world_end();
}

static void simulate_places_as_decide_and_assume_do(void **state)
{
	int world, i, code, pending;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		auto_json cJSON *json = NULL;
		const cJSON *item;

		world_begin(test_seed() + (uint64_t)world);
		take_matrix(0, NOW_MS);
		cache_set_time(w.cache, 0);
		json = run(simulate_run, "--pods", w.pods, &code);
		item = json_get(json, "pods")->child;
		for (i = 0, pending = 0; i < PENDING; i++, item = item->next) {
			const struct pod *pod = pending_pod(i);

			assert_non_null(item);
			decide_pod(pod, 0);
			expect_text(item, "name", pod->name);
			expect_verdict(item);
			pending += w.decision.node < 0;
			if (w.decision.node >= 0)
				assert_true(cache_assume(w.cache, pod->uid, (uint32_t)w.decision.node));
		}
		assert_null(item);
		expect_number(json, "pending", pending, 0);
		assert_int_equal(code, pending ? 1 : 0);
		world_end();
	}
}

/* --- the dump --------------------------------------------------------------------------------------------------------- */

/* Where and how many points: by name, as the rows of the two caches differ. */
static void expect_same(const struct decision_input *in, const struct decision *d, const struct decider *decider)
{
	auto_buf struct buf here = {0}, there = {0};
	uint32_t i;

	decision_message(w.decider, &w.in, &w.decision, &here);
	decision_message(decider, in, d, &there);
	assert_string_equal(there.data, here.data);
	assert_int_equal(d->feasible, w.decision.feasible);
	assert_int_equal(d->refused_by_pod, w.decision.refused_by_pod);
	assert_true((d->node < 0) == (w.decision.node < 0));
	if (d->node >= 0)
		assert_string_equal(in->view->nodes[d->node].node->name, name_at(w.decision.node));
	assert_true((d->runner_up < 0) == (w.decision.runner_up < 0));
	if (d->runner_up >= 0)
		assert_string_equal(in->view->nodes[d->runner_up].node->name, name_at(w.decision.runner_up));
	for (i = 0; d->verdicts && i < d->count; i++) {
		int32_t mine = cache_find_node(w.cache, in->view->nodes[i].node->name);

		assert_true((d->expected ? d->expected[i] : 0) == (w.decision.expected ? w.decision.expected[mine] : 0));
		assert_int_equal(d->verdicts[i].filter, w.decision.verdicts[mine].filter);
		assert_int_equal(d->verdicts[i].detail, w.decision.verdicts[mine].detail);
		if (!d->verdicts[i].filter && fabsf(d->total[i] - w.decision.total[mine]) > 1e-3f)
			fail_msg("%s: %g points, not %g", name_at(mine), (double)d->total[i], (double)w.decision.total[mine]);
	}
}

static int expected;			/* nodes of which load was expected in a replay */

static void replay(const char *folder, int64_t mono_ms)
{
	struct offline_options options = {.cluster = folder, .config = w.config};
	struct decision_input in;
	struct decision d;
	struct offline o;
	struct lm_err err;
	uint32_t i;

	if (offline_open(&o, &options, &err) < 0)
		fail_msg("%s", err.msg);
	for (i = 0; i < PENDING; i++)
		if (cache_find_pod(w.cache, pending_pod((int)i)->uid)->node < 0)
			offline_want_name(&o, "default", pending_pod((int)i)->name);
	if (offline_load(&o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(o.now_ms == NOW_MS);
	for (i = 0; i < o.keys.count; i++) {
		decide_pod(cache_find_pod_named(w.cache, "default", strchr(o.keys.items[i], '/') + 1)->pod, mono_ms);
		offline_decide(&o, i, &in, &d);
		expect_same(&in, &d, o.decider);
	}
	for (i = 0; i < w.decision.count; i++)
		expected += w.decision.expected && w.decision.expected[i] > 0;
	offline_close(&o);
}

/* At times before it: the telemetry knows some of them, and others in part. */
static void assume_some(int64_t mono_ms)
{
	int i;

	for (i = 0; i < PENDING; i += 3) {
		decide_pod(pending_pod(i), mono_ms);
		cache_set_time(w.cache, mono_ms - rng_below(&w.rng, 600000));
		if (w.decision.node >= 0)
			assert_true(cache_assume(w.cache, w.in.pod->uid, (uint32_t)w.decision.node));
	}
}

/* Loads that come down a little, traffic that moves a little: hysteresis keeps some classes and some shares. And a link that is another one. */
static void second_generation(struct rng *r, bool edit)
{
	uint32_t i;

	for (i = 0; i < w.snapshot.nodes.count; i++)
		w.snapshot.load[i].cpu -= rng_below(r, 60) / 1000.0;
	for (i = 0; i < w.snapshot.nodes.count; i++)
		if (w.snapshot.load[i].cpu < 0)
			w.snapshot.load[i].cpu = 0;
	for (i = 1; i <= w.snapshot.nodes.count; i += w.snapshot.nodes.count - 1) {	/* in both directions */
		w.snapshot.link.rtt_us[i] = 777;
		w.snapshot.link.jitter_us[i] = w.snapshot.link.loss[i] = 0;
	}
	for (i = 0; i < w.snapshot.entry.nodes.count; i++)
		w.snapshot.entry.rate[i] *= 1 + rng_unit(r) / 3;
	w.snapshot.generation += !edit;
}

/* That form has no loads. */
static void make_plain(void)
{
	uint32_t i;

	w.snapshot.is_plain = true;
	for (i = 0; i < w.snapshot.nodes.count; i++)
		w.snapshot.load[i].cpu = NAN;
}

static void a_dump_replays_every_decision(void **state)
{
	auto_free char *folder = xasprintf("%s/dump", test_folder());
	int world;

	(void)state;
	for (world = 0; world < WORLDS; world++) {
		int64_t mono_ms = 500000 + world * 20000;	/* the later, the older the data */
		struct dump_input in = {.mono_ms = mono_ms, .wall_ms = NOW_MS};
		struct lm_err err;

		world_begin(test_seed() + 5000 + (uint64_t)world);
		if (world % 10 == 9)
			make_plain();
		if (world % 5)
			take_matrix(1000, NOW_MS - 400000);
		second_generation(&w.rng, world % 2);
		if (world % 5)
			take_matrix(300000, NOW_MS - 200000);
		if (world % 5 == 3) {
			struct mesh *held;

			assert_int_equal(mesh_take(matrix_build(&w.snapshot), w.mesh, true, false, 400000, NOW_MS, &held), MESH_TAKEN);
			mesh_free(w.mesh);
			w.mesh = held;
		}
		assume_some(mono_ms);
		in.cache = w.cache;
		in.archive = w.archive;
		in.mesh = w.mesh;
		if (dump_write(folder, &in, &err) < 0)
			fail_msg("%s", err.msg);
		replay(folder, mono_ms);
		world_end();
	}
	printf("# load is expected of %d nodes of %d worlds\n", expected, WORLDS);
	assert_true(expected > WORLDS);
}

/* --- the archive ------------------------------------------------------------------------------------------------------ */

static const char *text_of_only(struct archive *a, size_t *count)
{
	auto_free struct archived **items = archive_sorted(a, count);

	return *count ? items[0]->text : "";
}

static void what_may_be_secret_is_not_kept(void **state)
{
	static const char pod[] =
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"x\",\"uid\":\"u\",\"labels\":{\"env\":\"prod\",\"args\":\"y\"},\"managedFields\":[{\"a\":1}],"
		"\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{secret}\",\"command\":\"kept\"}},"
		"\"spec\":{\"nodeSelector\":{\"command\":\"z\"},\"containers\":[{\"name\":\"c\",\"env\":[{\"value\":\"secret\"}],\"command\":[\"secret\"],"
		"\"args\":[\"secret\"],\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":[{\"envFrom\":[{\"secret\":1}],\"name\":\"i\"}]}}";
	struct archive *a = archive_new();
	struct lm_err err;
	auto_json cJSON *object = json_parse(pod, strlen(pod), JSON_DEPTH_API, &err);
	size_t count;

	(void)state;
	archive_put(a, CLUSTER_POD, object);
	assert_string_equal(text_of_only(a, &count),
			    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"x\",\"uid\":\"u\","
			    "\"labels\":{\"env\":\"prod\",\"args\":\"y\"},\"annotations\":{\"command\":\"kept\"}},\"spec\":{\"nodeSelector\":{\"command\":\"z\"},"
			    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":[{\"name\":\"i\"}]}}");
	archive_free(a);
}

static void put_named(struct archive *a, int kind, const char *name, const char *uid, bool gone)
{
	auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\"}}", name, uid);
	struct lm_err err;
	auto_json cJSON *object = json_parse(text, strlen(text), JSON_DEPTH_API, &err);

	(gone ? archive_delete : archive_put)(a, kind, object);
}

static void an_archive_follows_lists_and_watches(void **state)
{
	struct archive *a = archive_new();
	size_t count;

	(void)state;
	put_named(a, CLUSTER_NODE, "a", "1", false);
	put_named(a, CLUSTER_POD, "a", "2", false);
	put_named(a, CLUSTER_POD, "a", "3", false);
	put_named(a, CLUSTER_POD, "a", "2", true);	/* late news of the one before */
	text_of_only(a, &count);
	assert_int_equal(count, 2);
	archive_begin(a, CLUSTER_POD);
	put_named(a, CLUSTER_POD, "b", "4", false);
	archive_end(a, CLUSTER_POD);
	text_of_only(a, &count);
	assert_int_equal(count, 2);
	put_named(a, CLUSTER_POD, "b", "4", true);
	put_named(a, CLUSTER_NODE, "a", "1", true);
	text_of_only(a, &count);
	assert_true(count == 0 && archive_bytes(a) == 0);
	archive_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(explain_says_what_decide_does),
		cmocka_unit_test(a_pod_that_runs_is_taken_off_its_node),
		cmocka_unit_test(simulate_places_as_decide_and_assume_do),
		cmocka_unit_test(a_dump_replays_every_decision),
		cmocka_unit_test(what_may_be_secret_is_not_kept),
		cmocka_unit_test(an_archive_follows_lists_and_watches),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
