/*
 * What an operator of kube-scheduler expects, on a real API server: metrics that promtool finds nothing about, health that does not depend on the
 * API or the latency file, a log of JSON alone, an end that finishes what was begun, a configuration that changes while it runs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"
#include "tests/testing/logs.h"

#define OUTAGE_MS 10000
#define PODS 1000

static void begin(struct sched *s)
{
	e2e_begin(s);
	sched_nodes(s, "a b c");
	sched_matrix(s, 1, "0 5 9  5 0 9  9 9 0");
}

static void end(struct sched *s)
{
	assert_int_equal(sched_stop(s, SIGTERM), 0);
	logs_check_file(s->log);
	e2e_end(s);
}

/* Another process beside this one, on the same file. */
static struct sched beside(const struct sched *s)
{
	struct sched other = *s;

	other.pid = 0;
	other.log = NULL;
	return other;
}

/* Somebody else holds the Lease, for an hour: who starts now stands by. */
static void hold_lease(struct sched *s)
{
	char now[CLOCK_TEXT];
	auto_free char *body = NULL;

	clock_format(clock_wall_ms(), now);
	body = xasprintf("{\"metadata\":{\"name\":\"my-latency-scheduler\"},\"spec\":{\"holderIdentity\":\"somebody\",\"leaseDurationSeconds\":3600,"
			 "\"acquireTime\":\"%.23s000Z\",\"renewTime\":\"%.23s000Z\"}}", now, now);
	standin_do(&s->api, 201, "POST", "/apis/coordination.k8s.io/v1/namespaces/" E2E_NAMESPACE "/leases", body);
}

/* --- metrics --- */

static char *metrics_of(struct sched *s)
{
	int status;
	char *text = sched_fetch(s, "/metrics", &status);

	assert_int_equal(status, 200);
	return text;
}

static void must_lint(const char *text)
{
	auto_free char *path = xasprintf("%s/metrics", test_folder()), *line = xasprintf("promtool check metrics <%s", path), *output = NULL;
	int code;

	test_write(path, text);
	code = test_run((const char *const[]){"sh", "-c", line, NULL}, 30, &output);
	if (code != 0 || *output)
		fail_msg("promtool: %d: %s", code, output);
}

static void must_have(const char *text, const char *const *names)
{
	for (; *names; names++) {
		auto_free char *type = xasprintf("# TYPE %s ", *names), *help = xasprintf("# HELP %s ", *names);

		if (!strstr(text, type) || !strstr(text, help))
			fail_msg("%s is missing", *names);
	}
}

static const char *const expected[] = {
	"leader_election_master_status", "latency_sched_oldest_pending_pod_seconds", "latency_sched_oldest_assumed_pod_seconds",
	"latency_sched_api_requests_total", "latency_sched_api_request_seconds", "latency_sched_config_last_reload_successful",
	"latency_sched_config_last_reload_success_timestamp_seconds", "latency_sched_pending_pods", "latency_sched_bindings_total",
	"latency_sched_matrix_age_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
	"process_open_fds", "process_max_fds", "process_start_time_seconds", "latency_build_info", NULL,
};

/* The API shows a pod on its node before the scheduler has the answer. */
static void wait_for_bound(struct sched *s, double count)
{
	int tries;

	for (tries = 0; tries < 1000 && sched_metric(s, "latency_sched_bindings_total{outcome=\"bound\"}") < count; tries++)
		usleep(20000);
}

static void metrics_of_leader_and_standby_pass_promtool(void **state)
{
	auto_free char *leading = NULL, *standing = NULL;
	struct sched leader, standby;

	(void)state;
	begin(&leader);
	leader.elect = true;
	standby = beside(&leader);
	sched_start(&leader, NULL);
	assert_int_equal(sched_log_count(&leader, "\"msg\":\"leading\"", 1), 1);
	sched_start(&standby, NULL);
	sched_pod(&leader, "web", "\"latency-mesh.io/near\":\"node/b\"");
	sched_pod(&leader, "odd", "\"latency-mesh.io/near\":\"?\"");
	assert_string_equal(sched_where(&leader, "web"), "b");
	assert_string_equal(sched_refusal(&leader, "odd"), "Unschedulable");
	wait_for_bound(&leader, 1);
	leading = metrics_of(&leader);
	standing = metrics_of(&standby);
	must_lint(leading);
	must_lint(standing);
	must_have(leading, expected);
	must_have(standing, expected);
	assert_non_null(strstr(leading, "leader_election_master_status{name=\"my-latency-scheduler\"} 1\n"));
	assert_non_null(strstr(standing, "leader_election_master_status{name=\"my-latency-scheduler\"} 0\n"));
	assert_non_null(strstr(leading, "latency_sched_bindings_total{outcome=\"bound\"} 1\n"));
	assert_non_null(strstr(standing, "latency_sched_bindings_total{outcome=\"bound\"} 0\n"));
	assert_int_equal(sched_stop(&standby, SIGTERM), 0);
	logs_check_file(standby.log);
	free(standby.log);
	end(&leader);
}

/* --- health --- */

static void must_be_well(struct sched *s)
{
	static const char *const paths[] = {"/livez", "/healthz", "/readyz"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		int status;
		auto_free char *body = sched_fetch(s, paths[i], &status);

		if (status != 200)
			fail_msg("%s: %d %s", paths[i], status, body);
	}
}

static void health_does_not_depend_on_api_or_volume(void **state)
{
	auto_free char *away = NULL;
	struct sched active, standby;
	int64_t until;
	int looks = 0;

	(void)state;
	begin(&active);
	hold_lease(&active);
	away = xasprintf("%s-away", active.folder);
	standby = beside(&active);
	standby.elect = true;
	sched_start(&active, NULL);
	sched_start(&standby, NULL); /* ready, as a standby is */
	e2e_apiserver("kill");
	assert_int_equal(rename(active.folder, away), 0);
	for (until = clock_mono_ms() + OUTAGE_MS; clock_mono_ms() < until; looks++) {
		must_be_well(&active);
		must_be_well(&standby);
		usleep(100000);
	}
	assert_true(looks > 10);
	assert_int_equal(rename(away, active.folder), 0);
	e2e_apiserver("start");
	sched_pod(&active, "after", "\"latency-mesh.io/near\":\"node/c\"");
	until = clock_mono_ms() + 60000;
	while (!*sched_where(&active, "after") && clock_mono_ms() < until)
		;
	assert_string_equal(active.where, "c");
	must_be_well(&active);
	must_be_well(&standby);
	assert_true(sched_log_count(&active, "\"watch interrupted\"", 1) <= 30); /* 10 s of tries of a dozen watches: a line for each reason, not for each try */
	assert_int_equal(sched_stop(&standby, SIGTERM), 0);
	logs_check_file(standby.log);
	assert_int_equal(sched_log_count(&standby, "\"pod bound\"", 0), 0);
	free(standby.log);
	end(&active);
}

/* --- SIGTERM --- */

static void make_pod(void *arg, int i, char **path, char **body)
{
	(void)arg;
	*path = xstrdup("/api/v1/namespaces/default/pods");
	*body = xasprintf("{\"metadata\":{\"name\":\"pod-%d\"},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":[{\"name\":\"c\","
			  "\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]}}", i);
}

static int count_scheduled(struct sched *s)
{
	auto_json cJSON *list = standin_want(&s->api, 200, "GET", "/apis/events.k8s.io/v1/namespaces/default/events", NULL);
	const cJSON *event;
	int count = 0;

	cJSON_ArrayForEach(event, item_at(list, "items"))
		count += STREQ(text_at(event, "reason"), "Scheduled");
	return count;
}

/* One process, from its start to its end somewhere in the middle. How many bindings were open when it was told to end. */
static int one_life(struct sched *s, struct rng *rng)
{
	struct audit audit;
	int asked = 0, done = 0, open;
	int64_t begun;
	size_t i;
	long from = audit_mark();

	sched_start(s, (const char *const[]){"--bindings", "16", NULL});
	assert_true(sched_log_count(s, "\"pod bound\"", 1) >= 1);
	usleep(rng_below(rng, 50000));
	begun = clock_mono_ms();
	assert_int_equal(sched_stop(s, SIGTERM), 0);
	test_deadline("drained", (double)(clock_mono_ms() - begun), 10000, "ms");
	audit_read(&audit, from);
	for (i = 0; i < audit.count; i++) {
		asked += audit_is_binding(&audit.entries[i]);
		done += audit_is_bound(&audit.entries[i]);
	}
	audit_free(&audit);
	open = atoi(sched_log_field(s, "\"msg\":\"draining\"", "bindings_open"));
	printf("# %d bindings, %d of them open at SIGTERM\n", done, open);
	assert_int_equal(asked, done);				/* none was asked for in vain, */
	assert_int_equal(sched_log_count(s, "\"pod bound\"", 0), done); /* and each answer was waited for */
	assert_string_equal(sched_log_field(s, "\"msg\":\"stopped\"", "bindings_open"), "0");
	assert_string_equal(sched_log_field(s, "\"msg\":\"stopped\"", "events_open"), "0");
	logs_check_file(s->log);
	return open;
}

static void sigterm_finishes_each_binding_that_was_begun(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round, bound = 0, open = 0;
	struct sched s;

	(void)state;
	e2e_begin(&s);
	e2e_nodes(&s, "n", 20, "16", "32Gi", "");
	e2e_all(&s, "POST", PODS, make_pod, NULL);
	for (round = 0; round < 20 && (round < 3 || !open); round++) {
		open += one_life(&s, &rng);
		bound = e2e_bound(&s, NULL);
		assert_int_equal(count_scheduled(&s), bound);	/* each has its event */
		assert_true(bound < PODS);
	}
	assert_true(open > 0);
	/* The others are for the next one. */
	sched_start(&s, NULL);
	e2e_until_bound(&s, "my-latency-scheduler", PODS, 60);
	end(&s);
}

/* --- the configuration --- */

#define BY_LATENCY "weights: {near: {latency: 1, cpu: 0, free: 0}}\n"
#define BY_ROOM "weights: {near: {latency: 0, cpu: 0, free: 1}}\n"

static void expect_near_b(struct sched *s, const char *name, bool near)
{
	sched_pod(s, name, "\"latency-mesh.io/near\":\"node/b\"");
	assert_true(*sched_where(s, name));
	assert_int_equal(STREQ(s->where, "b"), near);
}

static void a_configuration_is_reloaded_whole_or_not_at_all(void **state)
{
	auto_free char *config = xasprintf("%s/sched.yaml", test_folder());
	struct sched s;

	(void)state;
	begin(&s);
	standin_do(&s.api, 201, "POST", "/api/v1/namespaces/default/pods", /* b is full, so that free room speaks against it */
		   "{\"metadata\":{\"name\":\"load\"},\"spec\":{\"nodeName\":\"b\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":"
		   "{\"cpu\":\"3\",\"memory\":\"6Gi\"}}}]}}");
	test_write(config, BY_LATENCY);
	sched_start(&s, (const char *const[]){"--config", config, NULL});
	expect_near_b(&s, "one", true);
	test_write(config, BY_ROOM);
	kill(s.pid, SIGHUP);
	assert_int_equal(sched_log_count(&s, "configuration loaded", 1), 1);
	assert_string_equal(sched_log_field(&s, "configuration loaded", "because"), "SIGHUP");
	expect_near_b(&s, "two", false);
	test_write(config, BY_LATENCY);
	assert_int_equal(sched_log_count(&s, "configuration loaded", 2), 2);
	assert_string_equal(sched_log_field(&s, "configuration loaded", "because"), "the file changed");
	expect_near_b(&s, "three", true);
	test_write(config, BY_ROOM "bindings: many\n");
	assert_int_equal(sched_log_count(&s, "configuration refused: the one in force stays", 1), 1);
	assert_non_null(strstr(sched_log_field(&s, "configuration refused", "error"), "bindings"));
	assert_true(sched_metric(&s, "latency_sched_config_last_reload_successful") == 0);
	expect_near_b(&s, "four", true);
	assert_int_equal(sched_http(&s, "/livez"), 200);
	assert_int_equal(sched_http(&s, "/readyz"), 200);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_of_leader_and_standby_pass_promtool),
		cmocka_unit_test(health_does_not_depend_on_api_or_volume),
		cmocka_unit_test(sigterm_finishes_each_binding_that_was_begun),
		cmocka_unit_test(a_configuration_is_reloaded_whole_or_not_at_all),
	};

	return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
