/* The dump against decide() in this process, on random clusters, and what is kept of their objects. */
#include "tests/unit/explain_world.h"

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
		cmocka_unit_test(a_dump_replays_every_decision),
		cmocka_unit_test(what_may_be_secret_is_not_kept),
		cmocka_unit_test(an_archive_follows_lists_and_watches),
	};

	return cmocka_run_group_tests_name("explain-dump", tests, NULL, NULL);
}
