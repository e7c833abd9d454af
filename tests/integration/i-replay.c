/*
 * For 1,000 pods the running scheduler and `simulate` decide the same, node by node and word by word; and `explain` says of a dump what the
 * conditions of the pods that wait say. The cluster is one of the conformance tests' (without volumes), with latency requests and a held matrix.
 *
 * The scheduler tries again what it refused, simulate does not. A refusal changes nothing for others, so simulate gets each pod once, where its
 * placement stands in the log, or its first refusal. Those are the pods in the order of their priority, but for those whose place came by a later try.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "sched/cluster.h"
#include "tests/conformance/generate.h"
#include "tests/conformance/latency.h"
#include "tests/conformance/make.h"
#include "tests/testing/fates.h"
#include "tests/testing/sched.h"

#define NODES 60
#define KNOWN_NODES 57			/* the last ones are not in the matrix */
#define RESIDENTS 200
#define PODS 1000
#define EXPLAINED 50
#define LIMIT_MS 120000
#define LOOK_US 200000

struct wish {
	uint32_t rank;			/* by priority; 0 is decided first */
	bool unreadable;		/* nothing makes the scheduler try it again */
};

struct replay {
	struct sched sched;
	struct rng rng;
	struct fates fates;		/* of our pods */
	struct wish wishes[PODS];	/* the same index */
	char *cluster, *pods, *dump;	/* paths */
	cJSON *lists[3];		/* as they were before: nodes, namespaces, pods */
};

static const char *const list_paths[] = {"/api/v1/nodes", "/api/v1/namespaces", "/api/v1/pods"};

/* --- the cluster ------------------------------------------------------------------------------------------------------- */

static char *key_of(const cJSON *pod)
{
	return xasprintf("%s/%s", text_at(pod, "metadata.namespace"), text_at(pod, "metadata.name"));
}

/* Names and priorities of ours: a random order of 1 .. PODS. */
static void make_ours(struct replay *t, cJSON *pod)
{
	auto_free char *key = key_of(pod);
	uint32_t i = fates_add(&t->fates, key), other = rng_below(&t->rng, i + 1);

	t->wishes[i].rank = t->wishes[other].rank;
	t->wishes[other].rank = i;
	put_text(pod, "spec.schedulerName", "my-latency-scheduler");
	t->wishes[i].unreadable = !latency_ask(&t->rng, NODES, pod);
}

/* The stand-in stores what it gets: what a real API server would add is added here. */
static void complete(struct replay *t, cJSON *object)
{
	auto_free char *key = key_of(object);
	uint32_t i = names_find(&t->fates.keys, key);
	struct lm_err err;

	cJSON_AddStringToObject(object, "apiVersion", "v1");
	if (i != NAMES_NONE)
		put(object, "spec.priority", cJSON_CreateNumber(PODS - t->wishes[i].rank));
	if (cluster_complete(object, &err) < 0)
		fail_msg("%s: %s", key, err.msg);
}

static char *cluster_text(struct replay *t)
{
	struct plan plan = {.topics = TOPIC_ALL & ~(unsigned)TOPIC_VOLUMES, .pods = PODS};
	struct scene scene = {.rng = t->rng, .plan = &plan, .taints = 0.05, .nodes = NODES, .residents = RESIDENTS};
	cJSON *list = make("{'kind':'List','apiVersion':'v1'}"), *object;
	char *text;

	scene.objects = cJSON_AddArrayToObject(list, "items");
	generate_namespaces(&scene);
	generate_nodes(&scene);
	generate_pods(&scene);
	t->rng = scene.rng;
	cJSON_ArrayForEach(object, scene.objects)
		if (strncmp(get_text(object, "metadata.name"), "w-", 2) == 0)
			make_ours(t, object);
	cJSON_ArrayForEach(object, scene.objects)
		complete(t, object);
	text = cJSON_PrintUnformatted(list);
	cJSON_Delete(list);
	return text;
}

static void write_tree(const char *path, const cJSON *tree)
{
	auto_free char *text = cJSON_PrintUnformatted(tree);

	test_write(path, text);
}

/* The answers of the API, a file each, in a folder. */
static void read_cluster(struct replay *t)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(list_paths); i++) {
		auto_free char *path = xasprintf("%s/%zu.json", t->cluster, i);

		t->lists[i] = standin_want(&t->sched.api, 200, "GET", list_paths[i], NULL);
		write_tree(path, t->lists[i]);
	}
}

static void begin(struct replay *t)
{
	auto_free char *state = xasprintf("%s/state.json", test_folder()), *text = NULL;
	auto_buf struct buf matrix = {0};

	*t = (struct replay){.rng = rng_make(test_seed()), .cluster = xstrdup(test_folder())};
	t->pods = xasprintf("%s/pods", test_folder());
	t->dump = xasprintf("%s/dump", test_folder());
	text = cluster_text(t);
	test_write(state, text);
	sched_begin(&t->sched, (const char *const[]){"--state", state, NULL});
	latency_matrix(&t->rng, KNOWN_NODES, &matrix);
	sched_publish(&t->sched, matrix.data);
	sched_hold(&t->sched, true);
	read_cluster(t);
	sched_start(&t->sched, (const char *const[]){"--dump", t->dump, "--bindings", "256", "--qps", "1000000", "--burst", "1000000", NULL});
}

static void end(struct replay *t)
{
	size_t i;

	sched_finish(&t->sched);
	for (i = 0; i < ARRAY_SIZE(t->lists); i++)
		cJSON_Delete(t->lists[i]);
	fates_free(&t->fates);
	free(t->cluster);
	free(t->pods);
	free(t->dump);
}

/* --- what the scheduler did -------------------------------------------------------------------------------------------- */

static bool is_behind(const struct replay *t, uint32_t i, int at)
{
	const struct fate *f = &t->fates.items[i];

	return !f->placed_at && f->last_at <= (t->wishes[i].unreadable ? 0 : at);
}

/* Pods without a place that were not tried since that line. */
static int behind(const struct replay *t, int at)
{
	uint32_t i;
	int count = 0;

	for (i = 0; i < PODS; i++)
		count += is_behind(t, i, at);
	return count;
}

static _Noreturn void fail_late(const struct replay *t)
{
	const struct fate *f = t->fates.items;
	uint32_t i, shown = 0;

	for (i = 0; i < PODS && shown < 10; i++)
		if (is_behind(t, i, t->fates.loaded_at) && ++shown)
			printf("# %s: rank %u, line %d: %s\n", t->fates.keys.items[i], t->wishes[i].rank, f[i].last_at, f[i].last ? f[i].last : "");
	fflush(stdout);
	fail_msg("%d pods without a decision after %d s", behind(t, t->fates.loaded_at), LIMIT_MS / 1000);
	abort();
}

static void look_again(struct replay *t, int64_t end_ms)
{
	if (clock_mono_ms() > end_ms)
		fail_late(t);
	usleep(LOOK_US);
	fates_read(&t->fates, t->sched.log);
}

/* Until all pods without a place were refused once more and for good: after the last placement, each after a look at everything. */
static void wait_for_rest(struct replay *t)
{
	int64_t end_ms = clock_mono_ms() + LIMIT_MS;
	int asked = 0;

	while (behind(t, 0))
		look_again(t, end_ms);
	do {
		kill(t->sched.pid, SIGHUP);
		for (asked++; t->fates.loads < asked || behind(t, t->fates.loaded_at);)
			look_again(t, end_ms);
	} while (t->fates.placed_at > t->fates.loaded_at);
}

static const char *condition_of(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
			return text_at(condition, "message");
	return "";
}

/* True when the server has each pod as the log says. */
static bool server_agrees(struct replay *t)
{
	auto_json cJSON *list = standin_want(&t->sched.api, 200, "GET", list_paths[2], NULL);
	const cJSON *pod;
	int agreed = 0;

	cJSON_ArrayForEach(pod, item_at(list, "items")) {
		auto_free char *key = key_of(pod);
		uint32_t i = names_find(&t->fates.keys, key);

		if (i == NAMES_NONE)
			continue;
		if (t->fates.items[i].placed_at)
			agreed += STREQ(text_at(pod, "spec.nodeName"), t->fates.items[i].node);
		else
			agreed += !*text_at(pod, "spec.nodeName") && STREQ(condition_of(pod), t->fates.items[i].last);
	}
	return agreed == PODS;
}

static bool is_settled(void *arg)
{
	struct replay *t = arg;

	fates_read(&t->fates, t->sched.log);
	return server_agrees(t);
}

/* --- what is decided from files ---------------------------------------------------------------------------------------- */

static const struct replay *sorted;	/* of by_decision */

static int decided_at(const struct fate *f)
{
	return f->placed_at ? f->placed_at : f->first_at;
}

static int by_decision(const void *a, const void *b)
{
	return decided_at(&sorted->fates.items[*(const uint32_t *)a]) - decided_at(&sorted->fates.items[*(const uint32_t *)b]);
}

/* First tries are in the order of priority, whatever else goes on. */
static void check_priorities(const struct replay *t)
{
	int at[PODS], i;

	for (i = 0; i < PODS; i++)
		at[t->wishes[i].rank] = t->fates.items[i].first_at ? t->fates.items[i].first_at : t->fates.items[i].placed_at;
	for (i = 1; i < PODS; i++)
		if (at[i] < at[i - 1])
			fail_msg("rank %d was decided in line %d, rank %d before it in line %d", i, at[i], i - 1, at[i - 1]);
}

static void write_pods(struct replay *t)
{
	cJSON *list = make("{'kind':'List'}"), *items = cJSON_AddArrayToObject(list, "items");
	const cJSON *pods[PODS], *pod;
	uint32_t order[PODS], i;

	cJSON_ArrayForEach(pod, item_at(t->lists[2], "items")) {
		auto_free char *key = key_of(pod);

		i = names_find(&t->fates.keys, key);
		if (i != NAMES_NONE)
			pods[i] = pod;
	}
	for (i = 0; i < PODS; i++)
		order[i] = i;
	sorted = t;
	qsort(order, PODS, sizeof(order[0]), by_decision);
	for (i = 0; i < PODS; i++) {
		cJSON *copy = cJSON_Duplicate(pods[order[i]], true);

		cJSON_AddStringToObject(copy, "kind", "Pod");
		cJSON_AddItemToArray(items, copy);
	}
	write_tree(t->pods, list);
	cJSON_Delete(list);
}

/* As the scheduler writes it into the condition; the caller frees. */
static char *message_of(const cJSON *verdict)
{
	const char *note = text_at(verdict, "note");

	return xasprintf("%s%s%s%s", text_at(verdict, "message"), *note ? " (" : "", note, *note ? ")" : "");
}

static cJSON *run(const char *const *words, int limit_s)
{
	const char *argv[16] = {test_program("latency-sched")};
	auto_free char *out = NULL, *program = xstrdup(argv[0]);
	struct lm_err err;
	cJSON *tree;
	int i, code;

	argv[0] = program;
	for (i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	code = test_run(argv, limit_s, &out);
	tree = code <= 1 ? json_parse(out, strlen(out), JSON_DEPTH, &err) : NULL;
	if (!tree)
		fail_msg("%s: %d: %.2000s", words[0], code, out);
	return tree;
}

static bool is_same(const struct fate *f, const cJSON *verdict)
{
	auto_free char *message = message_of(verdict);

	if (!f->placed_at)
		return !*text_at(verdict, "node") && STREQ(message, f->first);
	return STREQ(text_at(verdict, "node"), f->node) && STREQ(text_at(verdict, "runner_up"), f->runner_up);
}

static int differences(const struct replay *t, const cJSON *tree)
{
	const cJSON *pod;
	int count = 0, pods = 0;

	cJSON_ArrayForEach(pod, item_at(tree, "pods")) {
		auto_free char *key = xasprintf("%s/%s", text_at(pod, "namespace"), text_at(pod, "name"));
		uint32_t i = names_find(&t->fates.keys, key);
		const struct fate *f = &t->fates.items[i];

		assert_true(i != NAMES_NONE);
		pods++;
		if (is_same(f, pod) || ++count > 10)
			continue;
		printf("# %s, number %d: the scheduler: %s, then %s (%s); simulate: %s, then %s (%s)\n", key, pods, f->placed_at ? f->node : "nowhere",
		       f->placed_at ? f->runner_up : "", f->placed_at ? "" : f->first, text_at(pod, "node"), text_at(pod, "runner_up"),
		       text_at(pod, "message"));
	}
	assert_int_equal(pods, PODS);
	return count;
}

static void tell(const struct replay *t)
{
	int i, placed = 0, later = 0;

	for (i = 0; i < PODS; i++) {
		placed += t->fates.items[i].placed_at != 0;
		later += t->fates.items[i].placed_at && t->fates.items[i].first_at;
	}
	printf("# %d of %d pods placed, %d of them not at the first try; %d decisions\n", placed, PODS, later, t->fates.decisions);
	fflush(stdout);
	assert_in_range(placed, PODS / 5, PODS - EXPLAINED);
}

/* --- the tests --------------------------------------------------------------------------------------------------------- */

static struct replay world;

static int live(void **state)
{
	(void)state;
	begin(&world);
	wait_for_rest(&world);
	if (!test_wait(is_settled, &world, LIMIT_MS))
		fail_msg("the server's pods are not as the log says");
	tell(&world);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	end(&world);
	return 0;
}

static void pods_are_first_tried_in_the_order_of_priority(void **state)
{
	(void)state;
	check_priorities(&world);
}

static void simulate_places_a_thousand_pods_as_the_scheduler_did(void **state)
{
	auto_json cJSON *tree = NULL;

	(void)state;
	write_pods(&world);
	tree = run((const char *const[]){"simulate", "--cluster", world.cluster, "--pods", world.pods, "--matrix", world.sched.file, "--format", "json", NULL}, 120);
	assert_int_equal(differences(&world, tree), 0);
}

static void explain_says_of_a_dump_what_conditions_say(void **state)
{
	int i, explained = 0;

	(void)state;
	kill(world.sched.pid, SIGUSR1);
	assert_int_equal(sched_log_count(&world.sched, "\"dump written\"", 1), 1);
	for (i = 0; i < PODS && explained < EXPLAINED; i++) {
		const char *key = world.fates.keys.items[i];
		auto_json cJSON *tree = NULL;
		auto_free char *message = NULL;

		if (world.fates.items[i].placed_at)
			continue;
		tree = run((const char *const[]){"explain", "--cluster", world.dump, "--pod", key, "--format", "json", NULL}, 60);
		message = message_of(item_at(tree, "verdict"));
		if (!STREQ(message, world.fates.items[i].last))
			fail_msg("%s: the condition: %s; explain: %s", key, world.fates.items[i].last, message);
		explained++;
	}
	assert_int_equal(explained, EXPLAINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_first_tried_in_the_order_of_priority),
		cmocka_unit_test(simulate_places_a_thousand_pods_as_the_scheduler_did),
		cmocka_unit_test(explain_says_of_a_dump_what_conditions_say),
	};

	return cmocka_run_group_tests_name("replay", tests, live, leave);
}
