/*
 * A thousand pods on two hundred nodes through the stand-in and the real latency-sched, with faults on a tenth of its requests: all are
 * bound, each once, none where it does not fit; also when the scheduler is killed twenty times on the way. The judge (tests/testing/fit.h)
 * reads the server's state and log; that it finds each kind of wrong binding is shown by i-fit.c.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/crowd.h"
#include "tests/testing/fit.h"
#include "tests/testing/standin.h"

#define SCHEDULER "my-latency-scheduler"
#define NODES 200
#define PODS 1000
#define KILLS 20
#define LIMIT_MS 120000		/* of a run; the issue names none */
#define POD_PATH "/api/v1/namespaces/default/pods"

static int judge(struct standin *api, struct buf *faults)
{
	auto_free char *state_text = standin_text(api, "/standin/state"), *log = standin_text(api, "/standin/log");
	auto_json cJSON *state = cJSON_Parse(state_text);

	assert_non_null(state);
	return fit_check(&(struct fit_input){.state = state, .log = log, .scheduler = SCHEDULER, .rtt_us = crowd_rtt_us}, faults);
}

static void make_nodes(struct standin *api, struct crowd *c)
{
	int i;

	for (i = 0; i < NODES; i++) {
		auto_free char *body = crowd_node(c, i);

		standin_do(api, 201, "POST", "/api/v1/nodes", body);
	}
}

static void make_pods(struct standin *api, struct crowd *c, int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		struct crowd_kind kind = {"pod", rng_chance(&c->rng, 0.02) ? "somebody-else" : SCHEDULER, CROWD_ANY};
		auto_free char *body = crowd_pod(c, &kind, i);

		standin_do(api, 201, "POST", POD_PATH, body);
	}
}

/* A tenth of the requests of each of these meets one of seven faults. */
static void set_faults(struct standin *api)
{
	static const char *const targets[] = {
		"\"method\":\"POST\",\"path\":\"*/binding\"", "\"method\":\"PATCH\",\"path\":\"*/status\"", "\"path\":\"*/events*\"",
		"\"verb\":\"list\",\"path\":\"/api/v1/*\"", "\"verb\":\"get\",\"path\":\"/api/v1/*\"", "\"verb\":\"watch\",\"path\":\"/api/v1/*\""};
	static const char *const actions[] = {
		"\"action\":\"delay\",\"delay_ms\":50", "\"action\":\"drop\"", "\"action\":\"drop\",\"when\":\"after\"",
		"\"action\":\"status\",\"status\":409", "\"action\":\"status\",\"status\":429,\"retryAfter\":\"1\"",
		"\"action\":\"status\",\"status\":500", "\"action\":\"status\",\"status\":500,\"when\":\"after\""};
	auto_buf struct buf b = {0};
	size_t i, k;

	buf_printf(&b, "{\"seed\":%u,\"rules\":[", (unsigned)test_seed());
	for (i = 0; i < ARRAY_SIZE(targets); i++)
		for (k = 0; k < ARRAY_SIZE(actions); k++)
			buf_printf(&b, "%s{%s,%s,\"probability\":0.015}", i || k ? "," : "", targets[i], actions[k]);
	buf_str(&b, "]}");
	standin_faults(api, b.data);
}

struct thousand {
	struct standin api;
	const char *folder;
	char *file, *log;
	int wanted;			/* pods of our scheduler */
	int64_t began_ms;
};

static pid_t start_scheduler(const struct thousand *t)
{
	return test_spawn((const char *const[]){test_program("latency-sched"), "--server", t->api.url, "--latency-file", t->file, "--leader-elect=false", NULL}, NULL, t->log);
}

static long stat_of(struct thousand *t, const char *name)
{
	auto_free char *stats = standin_text(&t->api, "/standin/stats");
	auto_json cJSON *object = cJSON_Parse(stats);

	return (long)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Pods of a scheduler, those on a node or all; from the state, which meets no faults. */
static int pods_of(struct thousand *t, const char *scheduler, bool bound)
{
	auto_free char *state_text = standin_text(&t->api, "/standin/state");
	auto_json cJSON *state = cJSON_Parse(state_text);
	const cJSON *item;
	int count = 0;

	cJSON_ArrayForEach(item, item_at(state, "items"))
		count += STREQ(text_at(item, "kind"), "Pod") && STREQ(text_at(item, "spec.schedulerName"), scheduler) &&
			(!bound || *text_at(item, "spec.nodeName"));
	return count;
}

/* The pods that wait, with what their condition says. */
static void show_waiting(struct thousand *t)
{
	auto_free char *state_text = standin_text(&t->api, "/standin/state");
	auto_json cJSON *state = cJSON_Parse(state_text);
	const cJSON *item, *condition;
	int shown = 0;

	cJSON_ArrayForEach(item, item_at(state, "items"))
		if (STREQ(text_at(item, "kind"), "Pod") && STREQ(text_at(item, "spec.schedulerName"), SCHEDULER) &&
		    !*text_at(item, "spec.nodeName") && shown++ < 20) {
			printf("# waiting: %s", text_at(item, "metadata.name"));
			cJSON_ArrayForEach(condition, item_at(item, "status.conditions"))
				printf(" %s=%s %s", text_at(condition, "type"), text_at(condition, "status"), text_at(condition, "message"));
			printf("\n");
		}
}

static void show_log(const struct thousand *t)
{
	auto_free char *log = test_read(t->log);
	size_t len = log ? strlen(log) : 0;

	printf("# the scheduler's log ends with:\n%s\n", log ? log + (len > 8000 ? len - 8000 : 0) : "");
	fflush(stdout);
}

/* Waits until so many pods are bound. */
static void until_bound(struct thousand *t, long count)
{
	while (stat_of(t, "binds") < count) {
		if (clock_mono_ms() - t->began_ms > LIMIT_MS) {
			show_log(t);
			show_waiting(t);
			fail_msg("%ld of %ld bound after %d s", stat_of(t, "binds"), count, LIMIT_MS / 1000);
		}
		usleep(2000);
	}
}

static void begin(struct thousand *t, struct crowd *c)
{
	*t = (struct thousand){.folder = test_folder()};
	t->file = xasprintf("%s/cluster-latency.json", t->folder);
	t->log = xasprintf("%s/scheduler.log", t->folder);
	standin_start(&t->api, (const char *const[]){"--history", "3000", "--bookmark-interval", "1s", NULL});
	crowd_write_matrix(c, t->file);
	make_nodes(&t->api, c);
	make_pods(&t->api, c, 0, PODS / 2);
	t->wanted = PODS;
}

/* No process has the folder in its command line any more: the scheduler's reader has ended with it. */
static bool nobody_is_left(void *folder)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (proc && (entry = readdir(proc))) {
		auto_free char *path = xasprintf("/proc/%s/cmdline", entry->d_name);
		auto_file FILE *file = atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid() ? fopen(path, "re") : NULL;
		char line[4096];
		size_t len = file ? fread(line, 1, sizeof(line), file) : 0;

		found = found || memmem(line, len, folder, strlen(folder));
	}
	if (proc)
		closedir(proc);
	return !found;
}

static void finish(struct thousand *t, pid_t scheduler, int kills)
{
	auto_buf struct buf faults = {0};
	double took_s;
	int wrong;

	until_bound(t, t->wanted);
	took_s = (double)(clock_mono_ms() - t->began_ms) / 1000;
	assert_int_equal(test_stop(scheduler, SIGTERM), 0);
	wrong = judge(&t->api, &faults);
	printf("# %d pods on %d nodes, %d kills: all bound after %.2f s, %ld faults in %ld requests\n", PODS, NODES, kills, took_s,
	       stat_of(t, "faults"), stat_of(t, "requests"));
	fflush(stdout);
	if (wrong) {
		printf("# the judge says:\n%s", faults.data);
		show_log(t);
		fail_msg("%d wrong", wrong);
	}
	assert_int_equal(stat_of(t, "binds"), t->wanted);
	assert_true(stat_of(t, "faults") > PODS / 20);
	assert_int_equal(pods_of(t, "somebody-else", true), 0);
	assert_true(test_wait(nobody_is_left, (void *)(uintptr_t)t->file, 10000));
	standin_stop(&t->api);
	free(t->file);
	free(t->log);
}

static void s15_a_thousand_pods_with_faults_are_bound_once_where_they_fit(void **state)
{
	struct crowd c = {.rng = rng_make(test_seed()), .nodes = NODES, .size = 1};
	struct thousand t;
	pid_t scheduler;

	(void)state;
	begin(&t, &c);
	set_faults(&t.api);
	t.began_ms = clock_mono_ms();
	scheduler = start_scheduler(&t);
	make_pods(&t.api, &c, PODS / 2, PODS);
	t.wanted = pods_of(&t, SCHEDULER, false);
	until_bound(&t, t.wanted / 2);
	standin_do(&t.api, 200, "POST", "/standin/close?cut=1", NULL);
	standin_do(&t.api, 200, "POST", "/standin/compact", NULL);
	finish(&t, scheduler, 0);
}

/*
 * What the dead one had sent is finished before the next one starts. A binding that the server still holds back would otherwise be done after
 * the next one's list, where no scheduler could know of it; in a cluster the restart of a container takes longer than that.
 */
static void kill_scheduler(struct thousand *t, pid_t scheduler)
{
	assert_int_equal(test_stop(scheduler, SIGKILL), 128 + SIGKILL);
	do
		usleep(60000);
	while (stat_of(t, "inFlight") > 0);
}

static void s35_the_same_with_a_scheduler_that_is_killed_twenty_times(void **state)
{
	struct crowd c = {.rng = rng_make(test_seed() + 1), .nodes = NODES, .size = 1};
	struct thousand t;
	pid_t scheduler;
	int kill_;

	(void)state;
	begin(&t, &c);
	make_pods(&t.api, &c, PODS / 2, PODS);
	t.wanted = pods_of(&t, SCHEDULER, false);
	set_faults(&t.api);
	t.began_ms = clock_mono_ms();
	scheduler = start_scheduler(&t);
	for (kill_ = 1; kill_ <= KILLS; kill_++) {
		until_bound(&t, (long)t.wanted * kill_ / (KILLS + 1));
		usleep(rng_below(&c.rng, 20000));
		assert_true(stat_of(&t, "binds") < t.wanted);	/* it is really on the way */
		kill_scheduler(&t, scheduler);
		scheduler = start_scheduler(&t);
	}
	finish(&t, scheduler, KILLS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(s15_a_thousand_pods_with_faults_are_bound_once_where_they_fit),
		cmocka_unit_test(s35_the_same_with_a_scheduler_that_is_killed_twenty_times),
	};

	return cmocka_run_group_tests_name("thousand", tests, NULL, NULL);
}
