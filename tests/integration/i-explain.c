/* latency-sched explain and simulate as their users see them, and the dump of a running scheduler that they replay. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "tests/testing/sched.h"

#define NOW "2026-11-21T21:00:10Z"

static const char *folder;

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
	auto_free char *path = path_of(name);

	test_write(path, text);
}

/* Words separated by blanks; @NAME is a file of the folder. The exit code; *out is both streams, without a trailing blank a line. */
static int run(const char *words, char **out)
{
	const char *argv[24] = {test_program("latency-sched")};
	auto_free char *copy = xstrdup(words), *program = xstrdup(argv[0]);
	char *rest = copy, *word, *made[24] = {NULL};
	int n = 1, i, code;

	argv[0] = program;
	while ((word = strsep(&rest, " ")) != NULL) {
		made[n] = *word == '@' ? path_of(word + 1) : xstrdup(word);
		argv[n] = made[n];
		n++;
	}
	argv[n] = NULL;
	code = test_run(argv, 20, out);
	for (i = 1; i < n; i++)
		free(made[i]);
	return code;
}

static void prints(const char *words, int code, const char *text)
{
	auto_free char *out = NULL;
	int got = run(words, &out);

	if (got != code || !strstr(out, text))
		fail_msg("%s: %d, not %d; \"%s\" is wanted in: %s", words, got, code, text, out);
}

static cJSON *json(const char *words, int code)
{
	auto_free char *out = NULL;
	struct lm_err err;
	cJSON *tree;

	assert_int_equal(run(words, &out), code);
	tree = json_parse(out, strlen(out), JSON_DEPTH, &err);
	if (!tree)
		fail_msg("%s: %s", err.msg, out);
	return tree;
}

/* --- files ------------------------------------------------------------------------------------------------------------ */

#define NODE(name, more) "---\nkind: Node\nmetadata: {name: " name "}\n" more "\n"
#define ROOM "status: {allocatable: {cpu: 4, memory: 8Gi, pods: 110}}"

static int make_files(void **state)
{
	(void)state;
	folder = test_folder();
	write_file("cluster.yaml", NODE("edge-1", ROOM) NODE("edge-2", ROOM) NODE("edge-3", "spec: {taints: [{key: db, value: x, effect: NoSchedule}]}\n" ROOM)
		   NODE("edge-4", "status: {allocatable: {cpu: 100m, memory: 8Gi, pods: 110}}") NODE("edge-5", ROOM)
		   "---\nkind: Pod\nmetadata: {name: redis, labels: {app: redis}}\nspec: {nodeName: edge-1, containers: [{resources: {requests: {cpu: 500m}}}]}\n");
	write_file("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: api\n  labels: {delay_redis: \"25\"}\nspec:\n"
			       "  schedulerName: my-latency-scheduler\n  containers:\n  - resources: {limits: {cpu: 500m}}\n");
	write_file("big.yaml", "kind: Pod\nmetadata: {name: big}\nspec: {containers: [{resources: {limits: {cpu: 5}}}]}\n");
	write_file("pods.yaml", "kind: Pod\nmetadata: {name: one}\nspec: {containers: [{resources: {limits: {cpu: 3}}}]}\n---\n"
				"kind: Pod\nmetadata: {name: two}\nspec: {containers: [{resources: {limits: {cpu: 3}}}]}\n---\n"
				"kind: Pod\nmetadata: {name: three}\nspec: {containers: [{resources: {limits: {cpu: 3}}}]}\n---\n"
				"kind: Pod\nmetadata: {name: four}\nspec: {containers: [{resources: {limits: {cpu: 3}}}]}\n");
	write_file("matrix.json", "{\"version\":1,\"epoch\":\"e\",\"generation\":7,\"written\":\"2026-11-21T21:00:00Z\",\"period_s\":60,"
		   "\"nodes\":[\"edge-1\",\"edge-2\",\"edge-3\",\"edge-4\",\"edge-5\"],\"age_s\":[3,4,5,200,6],"
		   "\"load\":[{\"cpu\":0.3},{\"cpu\":0.75},{\"cpu\":0.1},{\"cpu\":0.1},{\"cpu\":0.2}],\"rtt_us\":[[0,412,900,30000,41000],"
		   "[409,0,500,31000,42000],[900,500,0,2000,43000],[30000,31000,2000,0,44000],[41000,42000,43000,44000,0]]}");
	return 0;
}

/* --- explain ---------------------------------------------------------------------------------------------------------- */

static void tables_are_for_people(void **state)
{
	auto_free char *out = NULL, *line = NULL;
	char *rest;

	(void)state;
	assert_int_equal(run("explain --cluster @cluster.yaml --matrix @matrix.json --pod @pod.yaml --now " NOW, &out), 0);
	rest = strstr(out, "time: ");
	assert_non_null(rest);
	assert_string_equal(rest,
			    "time: 2026-11-21T21:00:10.000Z\n"
			    "weights: latency 0.7, cpu 0.3 (profile my-latency-scheduler)\n"
			    "RTT: to redis (label delay_redis)\n"
			    "\n"
			    "NODE    TOTAL  LATENCY   CPU      RTT   AGE\n"
			    "edge-1   91.0    100.0  70.0  0.00 ms  13 s\n"
			    "edge-2    1.0     12.1  25.0  0.41 ms  14 s  CPU busy: -15 points\n"
			    "\n"
			    "REFUSED  BY                REASON\n"
			    "edge-3   TaintToleration   node(s) had untolerated taint(s)\n"
			    "edge-4   NodeResourcesFit  Insufficient cpu\n"
			    "edge-5   Latency           node(s) exceeded the latency limit to redis (label delay_redis)\n"
			    "\n"
			    "default/api goes to edge-1 (91.0 points, 0.00 ms), next best is edge-2 (1.0 points, 0.41 ms)\n");
	for (rest = out; (line = strsep(&rest, "\n")) != NULL; line = NULL)
		if (!strstr(line, folder))
			assert_true(strlen(line) <= 100);
}

/* A bound is told from a measurement; the shares of the traffic, and when they are too old. */
static void estimates_and_entry_are_shown(void **state)
{
	auto_json cJSON *tree = NULL;
	const cJSON *node, *matrix;

	(void)state;
	write_file("guess.json", "{\"version\":1,\"epoch\":\"e\",\"generation\":7,\"written\":\"2026-11-21T21:00:00Z\",\"period_s\":60,"
		   "\"nodes\":[\"edge-1\",\"edge-2\"],\"age_s\":[3,4],\"rtt_us\":[[0,412],[409,0]],\"clients\":[\"milan\"],"
		   "\"client_rtt_us\":[[6000],[6400]],\"client_estimate_us\":[[null],[6200]],"
		   "\"entry\":{\"edge-1\":300,\"edge-2\":100,\"edge-9\":1},\"entry_age_s\":12}");
	write_file("near.yaml", "kind: Pod\nmetadata: {name: near, annotations: {latency-mesh.io/near: client/milan}}\n");
	write_file("entry.yaml", "kind: Pod\nmetadata: {name: near, annotations: {latency-mesh.io/within: entry<=0.11ms}}\n");
#define GUESS "explain --cluster @cluster.yaml --matrix @guess.json --now "
	prints(GUESS NOW " --pod @near.yaml", 0, "edge-2   96.8     96.8  <= 6.40 ms ~  14 s");
	prints(GUESS NOW " --pod @near.yaml", 0, "RTT: to client/milan (~: estimated, not measured)\n");
	prints(GUESS NOW " --pod @near.yaml", 0, "edge-1  100.0    100.0       6.00 ms  13 s");
	prints(GUESS NOW " --pod @near.yaml", 0, "\nentry: edge-1 75 %, edge-2 25 % of the traffic, 22 s old\n");
	prints(GUESS NOW " --pod @entry.yaml", 0, "default/near goes to edge-1 (");
	prints(GUESS "2026-11-21T21:10:00Z --pod @near.yaml", 0, "10 min old: too old to be used\n");
	prints(GUESS "2026-11-21T21:10:00Z --pod @entry.yaml", 1, "the data of where traffic enters are too old (latency-mesh.io/missing: deny)");
	tree = json(GUESS NOW " --pod @near.yaml --format json", 0);
	matrix = json_get(tree, "matrix");
	assert_true(cJSON_GetNumberValue(json_get(matrix, "entry_age_s")) == 22);
	assert_true(cJSON_GetNumberValue(json_get(json_get(matrix, "entry"), "edge-1")) == 0.75);
	cJSON_ArrayForEach(node, json_get(tree, "nodes"))
		assert_int_equal(cJSON_IsTrue(json_get(node, "estimate")), STREQ(read_text(node, "node"), "edge-2"));
}

/* A pod that asks for nothing: an edge with more points says why it is no match, in the table and in simulate; nothing of it for a pod that asks, or without labels. */
static void the_cloud_takes_what_asks_for_nothing(void **state)
{
	auto_json cJSON *tree = NULL;
	const cJSON *node;

	(void)state;
	write_file("clouds.yaml", NODE("edge-1", ROOM) NODE("edge-2", ROOM) NODE("edge-4", "status: {allocatable: {cpu: 100m, memory: 8Gi, pods: 110}}")
		   "---\nkind: Node\nmetadata: {name: edge-5, labels: {kubernetes.io/role: cloud}}\n" ROOM "\n");
	write_file("plain.yaml", "kind: Pod\nmetadata: {name: plain}\nspec: {containers: [{resources: {limits: {cpu: 1}}}]}\n");
	write_file("off.yaml", "cloudLabels: []\n");
#define CLOUDS "explain --cluster @clouds.yaml --matrix @matrix.json --now " NOW
	prints(CLOUDS " --pod @plain.yaml", 0, "\ndefault/plain goes to edge-5 (");
	prints(CLOUDS " --pod @plain.yaml", 0, "\nNote: asks for no latency: to the cloud\n");
	prints(CLOUDS " --pod @plain.yaml", 0, "16 s  cloud\n");
	prints(CLOUDS " --pod @plain.yaml", 0, "13 s  no cloud: left free, for the pod asks for no latency\n");
	prints(CLOUDS " --pod @plain.yaml --config @off.yaml", 0, "\ndefault/plain goes to edge-1 (");
	prints(CLOUDS " --pod @big.yaml", 1, "default/big fits nowhere: ");
	prints("simulate --cluster @clouds.yaml --matrix @matrix.json --now " NOW " --pods @pods.yaml", 1, "asks for no latency: to the cloud\n");
	prints("simulate --cluster @clouds.yaml --matrix @matrix.json --now " NOW " --pods @pods.yaml", 1,
	       "asks for no latency, but none of the cloud's nodes (1) is feasible\n");
	tree = json(CLOUDS " --pod @plain.yaml --format json", 0);
	node = json_get(tree, "nodes")->child;
	assert_string_equal(read_text(node, "node"), "edge-5");
	assert_true(cJSON_IsTrue(json_get(node, "cloud")) && cJSON_IsFalse(json_get(node->next, "cloud")));
	assert_true(cJSON_GetNumberValue(json_get(node, "total")) < cJSON_GetNumberValue(json_get(node->next, "total")));
	cJSON_Delete(tree);
	tree = json(CLOUDS " --pod @plain.yaml --format json --config @off.yaml", 0);
	assert_true(cJSON_IsNull(json_get(json_get(tree, "nodes")->child, "cloud")));
}

static void json_has_numbers_and_nulls(void **state)
{
	auto_json cJSON *tree = json("explain --cluster @cluster.yaml --matrix @matrix.json --pod @pod.yaml --format json --now " NOW, 0);
	const cJSON *verdict = json_get(tree, "verdict"), *best = json_get(tree, "nodes")->child, *last = best;

	(void)state;
	assert_string_equal(read_text(tree, "now"), "2026-11-21T21:00:10.000Z");
	assert_string_equal(read_text(verdict, "node"), "edge-1");
	assert_string_equal(read_text(verdict, "runner_up"), "edge-2");
	assert_true(cJSON_IsNull(json_get(verdict, "message")) && cJSON_IsNumber(json_get(verdict, "total")));
	assert_string_equal(read_text(best, "node"), "edge-1");
	assert_true(cJSON_IsNumber(json_get(json_get(best, "scores"), "latency")) && cJSON_IsNull(json_get(json_get(best, "scores"), "free")));
	assert_true(cJSON_GetNumberValue(json_get(best, "age_s")) == 13 && cJSON_IsNull(json_get(best, "filter")));
	while (last->next)
		last = last->next;
	assert_string_equal(read_text(last, "filter"), "Latency");
	assert_true(cJSON_IsNull(json_get(last, "total")) && cJSON_GetNumberValue(json_get(last, "rtt_us")) == 41000);
}

static void a_pod_in_the_cluster_has_a_name(void **state)
{
	(void)state;
	prints("explain --cluster @cluster.yaml --pod redis", 0, "It is on edge-1.");
	prints("explain --cluster @cluster.yaml --pod default/redis --matrix @matrix.json --now " NOW, 0, "it is here");
	prints("explain --cluster @cluster.yaml --pod default/redis", 0, "latency data: none");
	prints("explain --cluster @cluster.yaml --pod prod/redis", 66, "no pod prod/redis in ");
}

static void what_fits_nowhere_ends_with_1(void **state)
{
	auto_json cJSON *tree = json("explain --cluster @cluster.yaml --pod @big.yaml --format json", 1);

	(void)state;
	assert_string_equal(read_text(json_get(tree, "verdict"), "message"), "0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu.");
	assert_true(cJSON_IsNull(json_get(json_get(tree, "verdict"), "node")));
	prints("explain --cluster @cluster.yaml --pod @big.yaml", 1, "default/big fits nowhere: 0/5 nodes are available: ");
}

/* Refused as a whole: no node has a word of its own. */
static void what_cannot_be_read_is_told_as_the_scheduler_does(void **state)
{
	auto_json cJSON *tree = NULL;

	(void)state;
	write_file("odd.yaml", "kind: Pod\nmetadata: {name: odd, annotations: {latency-mesh.io/near: \"node/\"}}\n");
	prints("explain --cluster @cluster.yaml --pod @odd.yaml", 1, "default/odd fits nowhere: 0/5 nodes are available: ");
	tree = json("explain --cluster @cluster.yaml --pod @odd.yaml --format json", 1);
	assert_true(cJSON_IsTrue(json_get(json_get(tree, "verdict"), "refused_whole")));
	assert_true(cJSON_IsNull(json_get(json_get(tree, "nodes")->child, "filter")));
}

static void the_configuration_is_that_of_the_scheduler(void **state)
{
	auto_json cJSON *tree = NULL;

	(void)state;
	write_file("sched.yaml", "profiles:\n- schedulerName: roomy\n  weights: {near: {latency: 0, cpu: 0, free: 1}}\n- schedulerName: my-latency-scheduler\n");
	tree = json("explain --cluster @cluster.yaml --matrix @matrix.json --pod @pod.yaml --config @sched.yaml --profile roomy --format json", 0);
	assert_string_equal(read_text(tree, "profile"), "roomy");
	assert_true(cJSON_GetNumberValue(json_get(json_get(tree, "weights"), "free")) == 1);
	cJSON_Delete(tree);
	tree = json("explain --cluster @cluster.yaml --matrix @matrix.json --pod @pod.yaml --config @sched.yaml --format json", 0);
	assert_string_equal(read_text(tree, "profile"), "my-latency-scheduler");
	write_file("bad.yaml", "wieghts: {}\n");
	prints("explain --cluster @cluster.yaml --pod @pod.yaml --config @bad.yaml", 78, "wieghts");
}

static void what_cannot_be_used_is_said(void **state)
{
	(void)state;
	prints("explain --cluster @pods.yaml --pod @pods.yaml", 65, "4 pods, not one");
	write_file("service.yaml", "kind: Service\nmetadata: {name: x}\n");
	prints("explain --cluster @cluster.yaml --pod @service.yaml", 65, "service.yaml: there is no pod in it");
	prints("explain --cluster @cluster.yaml --pod @pod.yaml --matrix @nowhere.json", 66, "nowhere.json");
	prints("explain --cluster @cluster.yaml --pod @pod.yaml --matrix @cluster.yaml", 65, "cluster.yaml: ");
	prints("explain --help", 0, "Exit codes: 0 it has a place, 1 it fits nowhere");
	write_file("note.yaml", "kind: List\nlatencyMesh: {version: 2}\nitems: []\n");
	prints("explain --cluster @note.yaml --pod @pod.yaml", 65, "note.yaml: latencyMesh: version: 2 is not in 1..1");
}

/* --- simulate --------------------------------------------------------------------------------------------------------- */

static void pods_are_placed_one_after_the_other(void **state)
{
	auto_json cJSON *tree = json("simulate --cluster @cluster.yaml --pods @pods.yaml --format json --now " NOW, 1);
	const cJSON *pod = json_get(tree, "pods")->child;
	int i;

	(void)state;
	assert_true(cJSON_GetNumberValue(json_get(tree, "placed")) == 3 && cJSON_GetNumberValue(json_get(tree, "pending")) == 1);
	for (i = 0; i < 3; i++, pod = pod->next)
		assert_true(*read_text(pod, "node"));
	assert_string_equal(read_text(pod, "name"), "four");
	assert_string_equal(read_text(pod, "message"), "0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu.");
	prints("simulate --cluster @cluster.yaml --pods @pods.yaml", 1, "3 placed, 1 not");
	prints("simulate --cluster @cluster.yaml --pods @pod.yaml --matrix @matrix.json --now " NOW, 0,
	       "POD          NODE        RTT  TOTAL  REASON\ndefault/api  edge-1  0.00 ms   91.0\n\n1 placed, 0 not\n");
}

/* redis has no limit of its own, and edge-5 is 42 ms from edge-2. */
static void the_configurations_latency_limit_holds_here_too(void **state)
{
	auto_free char *out = NULL;

	(void)state;
	write_file("limit.yaml", "defaultNear: node/edge-2\nmaxLatency: 41.9ms\n");
	prints("explain --cluster @cluster.yaml --matrix @matrix.json --pod redis --config @limit.yaml --now " NOW, 0,
	       "edge-5   MaxLatency        node(s) exceeded the latency limit to node/edge-2\n");
	write_file("limit.yaml", "defaultNear: node/edge-2\nmaxLatency: 42ms\n");
	assert_int_equal(run("explain --cluster @cluster.yaml --matrix @matrix.json --pod redis --config @limit.yaml --now " NOW, &out), 0);
	assert_true(strstr(out, "\nedge-5 ") && strstr(out, "\nedge-5 ") < strstr(out, "\nREFUSED "));	/* a candidate: exactly the limit passes */
	write_file("limit.yaml", "noData: deny\n");
	prints("simulate --cluster @cluster.yaml --pods @pods.yaml --config @limit.yaml", 1,
	       "0/5 nodes are available: there are no latency data (noData: deny).");
}

/* --- the dump --------------------------------------------------------------------------------------------------------- */

static void a_running_scheduler_writes_what_explain_replays(void **state)
{
	const char *dump = folder;
	auto_free char *target = xasprintf("%s/dump", dump), *cluster = xasprintf("%s/cluster.json", target), *text = NULL, *words = NULL, *wide = NULL;
	auto_json cJSON *tree = NULL;
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, (const char *const[]){"--dump", target, NULL});
	sched_pod_of(&s, "my-latency-scheduler", "web", "\"latency-mesh.io/near\":\"node/b\"", "", "");
	assert_string_equal(sched_where(&s, "web"), "b");
	sched_pod_of(&s, "my-latency-scheduler", "stuck", "\"latency-mesh.io/near\":\"node/b\"", "", ",\"nodeSelector\":{\"disk\":\"ssd\"}");
	assert_string_equal(sched_refusal(&s, "stuck"), "Unschedulable");
	assert_int_equal(sched_log_count(&s, "pod bound", 1), 1);
	kill(s.pid, SIGUSR1);
	assert_int_equal(sched_log_count(&s, "\"dump written\"", 1), 1);

	text = test_read(cluster);
	assert_true(text && strstr(text, "latencyMesh") && !strstr(text, "managedFields"));
	words = xasprintf("explain --cluster %s --pod default/web --format json", target);
	tree = json(words, 0);
	assert_string_equal(read_text(json_get(tree, "verdict"), "node"), "b");
	assert_string_equal(read_text(json_get(tree, "pod"), "was_on"), "b");
	assert_true(cJSON_GetNumberValue(json_get(json_get(tree, "matrix"), "generation")) == 1);
	wide = xasprintf("explain --cluster %s --pod stuck", target);
	prints(wide, 1, "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.");
	sched_finish(&s);
}

static void without_a_folder_the_signal_says_so(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a");
	sched_matrix(&s, 1, "0");
	sched_start(&s, NULL);
	kill(s.pid, SIGUSR1);
	assert_int_equal(sched_log_count(&s, "no dump is written without the option --dump", 1), 1);
	sched_finish(&s);
}

static void a_dump_that_fails_is_logged_and_nothing_else_happens(void **state)
{
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a");
	sched_matrix(&s, 1, "0");
	sched_start(&s, (const char *const[]){"--dump", "/nowhere/dump", NULL});
	kill(s.pid, SIGUSR1);
	assert_int_equal(sched_log_count(&s, "\"dump failed\"", 1), 1);
	assert_non_null(strstr(sched_log_field(&s, "\"dump failed\"", "error"), "make folder `/nowhere/dump`: No such file"));
	sched_pod(&s, "web", "");
	assert_string_equal(sched_where(&s, "web"), "a");
	sched_finish(&s);
}

/* `latency-sched dump` with more words about a scheduler. */
static int ask_for_dump(const struct sched *s, const char *more, char **out)
{
	auto_free char *words = xasprintf("dump --pid %d%s%s", (int)s->pid, *more ? " " : "", more);

	return run(words, out);
}

static void dump_asks_and_prints(void **state)
{
	auto_free char *target = path_of("asked"), *cluster = path_of("asked/cluster.json"), *latency = path_of("asked/cluster-latency.json");
	auto_free char *none = NULL, *first = NULL, *second = NULL, *matrix = NULL, *cluster_now = NULL, *latency_now = NULL;
	struct sched s;

	(void)state;
	sched_begin(&s, NULL);
	sched_nodes(&s, "a b");
	sched_matrix(&s, 1, "0 5  5 0");
	sched_start(&s, (const char *const[]){"--dump", target, NULL});
	assert_int_equal(ask_for_dump(&s, "--matrix", &none), 66);
	assert_int_equal(ask_for_dump(&s, "", &first), 0);
	assert_int_equal(ask_for_dump(&s, "", &second), 0);
	assert_int_equal(ask_for_dump(&s, "--matrix", &matrix), 0);
	cluster_now = test_read(cluster);
	latency_now = test_read(latency);
	assert_string_equal(second, cluster_now);
	assert_string_equal(matrix, latency_now);
	assert_true(strstr(first, "latencyMesh") && strcmp(first, second) != 0);	/* the times differ */
	assert_int_equal(sched_log_count(&s, "\"dump written\"", 2), 2);
	sched_finish(&s);
}

static void dump_says_why_there_is_none(void **state)
{
	auto_free char *without = NULL, *late = NULL, *mine = xasprintf("dump --pid %d", (int)getpid());
	struct sched s;

	(void)state;
	prints(mine, 66, "is no latency-sched that schedules (--pid)");	/* and the signal is not sent */
	sched_begin(&s, NULL);
	sched_nodes(&s, "a");
	sched_matrix(&s, 1, "0");
	sched_start(&s, NULL);
	assert_int_equal(ask_for_dump(&s, "", &without), 78);
	assert_non_null(strstr(without, "runs without --dump\n"));
	assert_int_equal(sched_log_count(&s, "no dump is written", 0), 0);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	sched_start(&s, (const char *const[]){"--dump", "/nowhere/dump", NULL});
	assert_int_equal(ask_for_dump(&s, "--timeout 300ms", &late), 69);
	assert_non_null(strstr(late, "no new /nowhere/dump/cluster.json in 0.3 s"));
	assert_int_equal(sched_log_count(&s, "\"dump failed\"", 1), 1);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_for_people),
		cmocka_unit_test(estimates_and_entry_are_shown),
		cmocka_unit_test(the_cloud_takes_what_asks_for_nothing),
		cmocka_unit_test(json_has_numbers_and_nulls),
		cmocka_unit_test(a_pod_in_the_cluster_has_a_name),
		cmocka_unit_test(the_configurations_latency_limit_holds_here_too),
		cmocka_unit_test(what_fits_nowhere_ends_with_1),
		cmocka_unit_test(what_cannot_be_read_is_told_as_the_scheduler_does),
		cmocka_unit_test(the_configuration_is_that_of_the_scheduler),
		cmocka_unit_test(what_cannot_be_used_is_said),
		cmocka_unit_test(pods_are_placed_one_after_the_other),
		cmocka_unit_test(a_running_scheduler_writes_what_explain_replays),
		cmocka_unit_test(without_a_folder_the_signal_says_so),
		cmocka_unit_test(a_dump_that_fails_is_logged_and_nothing_else_happens),
		cmocka_unit_test(dump_asks_and_prints),
		cmocka_unit_test(dump_says_why_there_is_none),
	};

	return cmocka_run_group_tests_name("explain", tests, make_files, NULL);
}
