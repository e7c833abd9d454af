/* The real latency-sched as an operator sees it: health by name, metrics, its log, and a configuration that changes while it runs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/conffile.h"
#include "tests/testing/logs.h"
#include "tests/testing/sched.h"

static void expect_answer(struct sched *s, const char *path, int status, const char *body)
{
	int got;
	auto_free char *text = sched_fetch(s, path, &got);

	assert_int_equal(got, status);
	assert_string_equal(text, body);
}

/* --- health --- */

static void health_has_the_names_of_kube_scheduler(void **state)
{
	static const char *const paths[] = {"/livez/ping", "/livez/leaderElection", "/healthz/ping", "/readyz/ping", "/readyz/informer-sync",
					    "/readyz/sched-handler-sync", "/readyz/shutdown", "/livez", "/healthz", "/readyz"};
	struct sched s;
	size_t i;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		expect_answer(&s, paths[i], 200, "ok");
	expect_answer(&s, "/readyz?verbose&exclude=latency-file", 200,
		      "[+]ping ok\n[+]informer-sync ok\n[+]sched-handler-sync ok\n[+]latency-file excluded: ok\n[+]shutdown ok\nreadyz check passed\n");
	assert_int_equal(sched_http(&s, "/livez/nothing"), 404);
	sched_finish(&s);
}

struct draining {
	struct sched *s;
	int live, ready;
};

static bool is_draining(void *arg)
{
	struct draining *d = arg;

	d->ready = sched_http(d->s, "/readyz/shutdown");
	d->live = sched_http(d->s, "/livez");
	return d->ready == 500;
}

static void a_draining_one_is_alive_and_not_ready(void **state)
{
	struct draining d = {.live = 0};
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"POST\",\"path\":\"*/binding\",\"action\":\"delay\",\"delay_ms\":3000}]}");
	sched_start(&s, NULL);
	sched_pod(&s, "slow", "");
	while (sched_metric(&s, "latency_sched_bindings_open") < 1)
		usleep(5000);
	kill(s.pid, SIGTERM);
	d.s = &s;
	assert_true(test_wait(is_draining, &d, 2000));
	assert_int_equal(d.live, 200);
	sched_finish(&s);
}

/* --- the log --- */

/* The back-off is longer than sched_log_count waits when the dice say so. */
static int back_again(struct sched *s, int least)
{
	int tries, count = 0;

	for (tries = 0; tries < 3 && count < least; tries++)
		count = sched_log_count(s, "\"watch goes on\"", least);
	return count;
}

/* All requests of the scheduler meet a broken connection, its watches first. */
static void cut(struct sched *s, bool on)
{
	standin_faults(&s->api, on ? "{\"rules\":[{\"path\":\"/api*\",\"action\":\"reset\"}]}" : "{\"rules\":[]}");
	if (on)
		standin_do(&s->api, 200, "POST", "/standin/close?cut=1", NULL);
}

static void a_run_full_of_trouble_logs_json_and_nothing_else(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"POST\",\"path\":\"*/binding\",\"action\":\"status\",\"status\":500,\"count\":2}]}");
	sched_pod(&s, "web", "\"latency-mesh.io/near\":\"node/b\"");
	assert_string_equal(sched_where(&s, "web"), "b");
	sched_pod(&s, "odd", "\"latency-mesh.io/near\":\"\\\" \\u001b[2J\\n\\\\\"");
	assert_string_equal(sched_refusal(&s, "odd"), "Unschedulable");
	test_write(s.file, "{\"a\":");
	assert_int_equal(sched_log_count(&s, "the last good one stays", 1), 1);
	cut(&s, true);
	/* once a cause: what was open is cut, and what is opened then is reset */
	assert_in_range(sched_log_count(&s, "\"watch interrupted\"", 1), 1, 2);
	cut(&s, false);
	assert_true(back_again(&s, 2) >= 2);
	kill(s.pid, SIGHUP);
	assert_int_equal(sched_log_count(&s, "configuration loaded", 1), 1);
	assert_int_equal(sched_http(&s, "/livez"), 200);
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	assert_true(logs_check_file(s.log) > 10);
	sched_end(&s);
}

static void what_keeps_it_from_starting_is_json_too(void **state)
{
	auto_free char *program = xstrdup(test_program("latency-sched")), *listen = NULL;
	struct sched s;
	size_t i;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	listen = xasprintf("127.0.0.1:%d", s.port);
	{
		const char *const taken[] = {program, "--server", s.api.url, "--latency-file", s.file, "--log-format", "json", "--listen", listen, NULL};
		const char *const no_api[] = {program, "--kubeconfig", "/nowhere", "--latency-file", s.file, "--log-format=json", NULL};
		const struct {
			const char *const *argv;
			int code;
			const char *words;
		} cases[] = {{taken, LM_UNAVAILABLE, "Address already in use"}, {no_api, LM_NOINPUT, "/nowhere"}};

		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			auto_free char *output = NULL;

			assert_int_equal(test_run(cases[i].argv, 10, &output), cases[i].code);
			assert_true(logs_check(output) == 1);
			assert_non_null(strstr(output, cases[i].words));
			assert_non_null(strstr(output, "\"level\":\"error\""));
		}
	}
	sched_finish(&s);
}

/* Both watches brought something: what follows is a new trouble, without the back-off of the one before. */
static void watches_bring_news(struct sched *s)
{
	int64_t end = clock_mono_ms() + 60000;

	standin_node(&s->api, "news", "4", "8Gi", "");
	while (sched_metric(s, "latency_sched_nodes") < 4 && clock_mono_ms() < end)
		usleep(20000);
	sched_pod(s, "news", "");
	assert_true(*sched_where(s, "news") && sched_log_count(s, "pod bound", 1) == 1);
}

/* Two watches and many tries, one line for each reason; and one for each when they are back. */
static void an_outage_is_said_once(void **state)
{
	struct sched s;
	int said;

	(void)state;
	sched_begin_abc(&s);
	sched_start(&s, NULL);
	cut(&s, true);
	while (sched_metric(&s, "latency_sched_api_requests_total{method=\"WATCH\",code=\"<error>\"}") < 8)
		usleep(20000);
	said = sched_log_count(&s, "\"watch interrupted\"", 1);
	assert_true(said <= 2); /* cut off in the middle, and then refused: two reasons */
	cut(&s, false);
	assert_true(back_again(&s, 2) >= 2); /* each kind says it */
	assert_int_equal(sched_http(&s, "/readyz"), 200);
	watches_bring_news(&s);
	/* Soon again, and for another reason. */
	standin_faults(&s.api, "{\"rules\":[{\"path\":\"/api*\",\"action\":\"status\",\"status\":503}]}");
	standin_do(&s.api, 200, "POST", "/standin/close", NULL);
	assert_int_equal(sched_log_count(&s, "503", 1), 1);
	assert_true(sched_log_count(&s, "\"watch interrupted\"", said + 1) <= said + 2); /* "ended at once" may come before it */
	cut(&s, false);
	assert_true(back_again(&s, 3) >= 3);
	sched_finish(&s);
}

/* --- metrics --- */

static void requests_to_the_api_are_counted_by_method_and_code(void **state)
{
	struct sched s;

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"POST\",\"path\":\"*/binding\",\"action\":\"status\",\"status\":429,\"count\":1},"
			       "{\"method\":\"POST\",\"path\":\"*/binding\",\"action\":\"status\",\"status\":503,\"count\":1}]}");
	sched_start(&s, NULL);
	sched_pod(&s, "web", "");
	assert_true(*sched_where(&s, "web"));
	assert_int_equal(sched_events(&s, "web", "Scheduled", 1), 1);
	assert_true(sched_metric(&s, "latency_sched_api_requests_total{method=\"POST\",code=\"429\"}") == 1);
	assert_true(sched_metric(&s, "latency_sched_api_requests_total{method=\"POST\",code=\"5xx\"}") == 1);
	assert_true(sched_metric(&s, "latency_sched_api_requests_total{method=\"POST\",code=\"4xx\"}") == 0);
	while (sched_metric(&s, "latency_sched_events_sent_total") < 1)
		usleep(5000);
	assert_true(sched_metric(&s, "latency_sched_api_requests_total{method=\"POST\",code=\"2xx\"}") == 2); /* binding, event */
	assert_true(sched_metric(&s, "latency_sched_api_requests_total{method=\"GET\",code=\"2xx\"}") >= 4); /* two lists; the pod, twice */
	assert_true(sched_metric(&s, "latency_sched_api_request_seconds_count{method=\"POST\"}") == 4);
	sched_finish(&s);
}

struct ages {
	struct sched *s;
	double pending, assumed;
};

static bool is_old(void *arg)
{
	struct ages *a = arg;

	a->pending = sched_metric(a->s, "latency_sched_oldest_pending_pod_seconds");
	a->assumed = sched_metric(a->s, "latency_sched_oldest_assumed_pod_seconds");
	return a->pending > 1 && a->assumed > 1;
}

static bool is_quiet(void *arg)
{
	return !is_old(arg) && ((struct ages *)arg)->pending == 0 && ((struct ages *)arg)->assumed == 0;
}

static void ages_grow_while_a_binding_is_stuck_and_go_back_to_0(void **state)
{
	struct sched s;
	struct ages ages = {.s = &s};

	(void)state;
	sched_begin_abc(&s);
	standin_faults(&s.api, "{\"rules\":[{\"method\":\"POST\",\"path\":\"*/binding\",\"action\":\"delay\",\"delay_ms\":4000}]}");
	sched_start(&s, NULL);
	sched_pod(&s, "slow", "");
	assert_true(test_wait(is_old, &ages, 10000));
	assert_true(test_wait(is_quiet, &ages, 10000));
	sched_finish(&s);
}

/* --- the configuration --- */

#define BY_LATENCY "weights: {near: {latency: 1, cpu: 0, free: 0}}\n"
#define BY_ROOM "weights: {near: {latency: 0, cpu: 0, free: 1}}\n"

/* As the kubelet does it: ..data is a link to a folder, and another link takes its place. */
static void swap(const char *folder, int version, const char *text)
{
	auto_free char *dir = xasprintf("%s/..v%d", folder, version), *file = xasprintf("%s/sched.yaml", dir);
	auto_free char *fresh = xasprintf("%s/..data_tmp", folder), *data = xasprintf("%s/..data", folder);

	assert_int_equal(mkdir(dir, 0755), 0);
	test_write(file, text);
	assert_int_equal(symlink(strrchr(dir, '/') + 1, fresh), 0);
	assert_int_equal(rename(fresh, data), 0);
}

static void a_configmap_is_taken_when_it_changes(void **state)
{
	const char *folder = test_folder();
	auto_free char *config = xasprintf("%s/sched.yaml", folder);
	struct sched s;
	double loaded;
	int64_t begun;

	(void)state;
	sched_begin_abc(&s);
	sched_pod_of(&s, "default-scheduler", "load", "", "", ",\"nodeName\":\"b\",\"overhead\":{\"cpu\":\"3\",\"memory\":\"6Gi\"}");
	swap(folder, 1, BY_LATENCY);
	assert_int_equal(symlink("..data/sched.yaml", config), 0);
	sched_start(&s, (const char *const[]){"--config", config, NULL});
	loaded = sched_metric(&s, "latency_sched_config_last_reload_success_timestamp_seconds");
	sched_pod(&s, "fast", "\"latency-mesh.io/near\":\"node/b\"");
	assert_string_equal(sched_where(&s, "fast"), "b");

	begun = clock_mono_ms();
	swap(folder, 2, BY_ROOM);
	assert_int_equal(sched_log_count(&s, "configuration loaded", 1), 1);
	test_deadline("a changed configuration is in force", (double)(clock_mono_ms() - begun), 3 * CONFFILE_LOOK_MS, "ms");
	assert_string_equal(sched_log_field(&s, "configuration loaded", "because"), "the file changed");
	assert_true(sched_metric(&s, "latency_sched_config_last_reload_success_timestamp_seconds") > loaded);
	sched_pod(&s, "roomy", "\"latency-mesh.io/near\":\"node/b\"");
	assert_true(*sched_where(&s, "roomy"));
	assert_string_not_equal(s.where, "b");

	/* What cannot be used is said once, and the one in force stays. */
	swap(folder, 3, "wieghts: {}\n");
	assert_int_equal(sched_log_count(&s, "configuration refused", 1), 1);
	assert_non_null(strstr(sched_log_field(&s, "configuration refused", "error"), "wieghts"));
	assert_true(sched_metric(&s, "latency_sched_config_last_reload_successful") == 0);
	sched_pod(&s, "roomy-2", "\"latency-mesh.io/near\":\"node/b\"");
	assert_true(*sched_where(&s, "roomy-2"));
	assert_string_not_equal(s.where, "b");
	swap(folder, 4, BY_LATENCY "log-level: warn\n");
	assert_int_equal(sched_log_count(&s, "configuration refused", 1), 1);
	while (sched_metric(&s, "latency_sched_config_last_reload_successful") != 1)
		usleep(20000);
	assert_true(sched_metric(&s, "latency_sched_config_reloads_total{result=\"loaded\"}") == 2);
	sched_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(health_has_the_names_of_kube_scheduler),
		cmocka_unit_test(a_draining_one_is_alive_and_not_ready),
		cmocka_unit_test(a_run_full_of_trouble_logs_json_and_nothing_else),
		cmocka_unit_test(what_keeps_it_from_starting_is_json_too),
		cmocka_unit_test(an_outage_is_said_once),
		cmocka_unit_test(requests_to_the_api_are_counted_by_method_and_code),
		cmocka_unit_test(ages_grow_while_a_binding_is_stuck_and_go_back_to_0),
		cmocka_unit_test(a_configmap_is_taken_when_it_changes),
	};

	return cmocka_run_group_tests_name("sched-ops", tests, NULL, NULL);
}
