/*
 * The extender's port with TLS and client certificates, asked by a real kube-scheduler: E11, who is refused and what a pod's condition says then; E12, all
 * certificates and both CAs are exchanged while pods are placed. Files are swapped as the kubelet swaps those of a Secret.
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
#include "sched/extender/tls.h"
#include "tests/e2e/rival.h"
#include "tests/e2e/wishes.h"
#include "tests/testing/authority.h"

#define SERVER_NAME "latency-sched.kube-system.svc"
#define CLIENT_NAME "system:kube-scheduler"
#define NEAR_A "\"latency-mesh.io/near\":\"node/a\",\"latency-mesh.io/within\":\"node/a<=1ms\""
#define WAITS_MS 30000
#define ROOM 40				/* pods on node a */

static const char *folder;		/* of the certificates */

static int setup(void **state)
{
	static const struct authority_wish server = {.name = "server", .days = 2, .extensions = "subjectAltName=DNS:" SERVER_NAME};
	static const struct authority_wish next_server = {.name = "next-server", .days = 3, .extensions = "subjectAltName=DNS:" SERVER_NAME};
	static const struct authority_wish client = {.name = "client", .common_name = CLIENT_NAME, .days = 2, .extensions = "extendedKeyUsage=clientAuth"};
	static const struct authority_wish next_client = {.name = "next-client", .common_name = CLIENT_NAME, .days = 2,
							  .extensions = "extendedKeyUsage=clientAuth"};

	(void)state;
	folder = test_folder();
	authority_make(folder, "ca");
	authority_make(folder, "next-ca");
	authority_issue(folder, "ca", &server);
	authority_issue(folder, "next-ca", &next_server);
	authority_issue(folder, "ca", &client);
	authority_issue(folder, "next-ca", &next_client);
	return 0;
}

static char *text_of(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", folder, name);
	char *text = test_read(path);

	assert_non_null(text);
	return text;
}

/* --- a Secret ------------------------------------------------------------------------------------------------------------ */

struct secret {
	char *path;
	int version;
};

/* tls.crt -> ..data/tls.crt, and ..data -> ..version-N, which is what changes. `ca` and `more_ca` (may be NULL) are one file. */
static void secret_put(struct secret *s, const char *name, const char *ca, const char *more_ca)
{
	auto_free char *cert_name = xasprintf("%s.pem", name), *key_name = xasprintf("%s.key", name);
	auto_free char *ca_name = xasprintf("%s.pem", ca), *more_name = xasprintf("%s.pem", more_ca ? more_ca : ca);
	auto_free char *cert = text_of(cert_name), *key = text_of(key_name), *first = text_of(ca_name), *second = text_of(more_name);
	auto_free char *cas = xasprintf("%s%s", first, more_ca ? second : "");
	const struct {
		const char *name, *text;
	} files[] = {{"tls.crt", cert}, {"tls.key", key}, {"ca.crt", cas}};
	auto_free char *version = xasprintf("..version-%d", ++s->version), *into = xasprintf("%s/%s", s->path, version);
	auto_free char *link = xasprintf("%s/..data", s->path), *new_link = xasprintf("%s/..data_tmp", s->path);
	size_t i;

	mkdir(s->path, 0755);
	assert_int_equal(mkdir(into, 0755), 0);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *file = xasprintf("%s/%s", into, files[i].name), *shown = xasprintf("%s/%s", s->path, files[i].name);
		auto_free char *to = xasprintf("..data/%s", files[i].name);

		test_write(file, files[i].text);
		if (s->version == 1)
			assert_int_equal(symlink(to, shown), 0);
	}
	assert_int_equal(symlink(version, new_link), 0);
	assert_int_equal(rename(new_link, link), 0);
}

static void secret_make(struct secret *s, const char *name, const char *certificate, const char *ca, const char *more_ca)
{
	*s = (struct secret){.path = xasprintf("%s/%s", folder, name)};
	secret_put(s, certificate, ca, more_ca);
}

/* --- both schedulers ------------------------------------------------------------------------------------------------------ */

struct beside {
	struct sched s;
	struct rival rival;
	struct secret ours, theirs;
};

/* Without `ignorable`: what goes wrong between them makes a pod wait. */
static void begin(struct beside *b, const char *test, const char *their_certificate, const char *more_ca, const char *server_name)
{
	auto_free char *our_name = xasprintf("%s-ours", test), *their_name = xasprintf("%s-theirs", test), *config = NULL;
	auto_free char *cert = NULL, *key = NULL, *ca = NULL;

	secret_make(&b->ours, our_name, "server", "ca", NULL);
	secret_make(&b->theirs, their_name, their_certificate, "ca", more_ca);
	cert = xasprintf("%s/tls.crt", b->ours.path);
	key = xasprintf("%s/tls.key", b->ours.path);
	ca = xasprintf("%s/ca.crt", b->ours.path);
	config = xasprintf("profiles:\n- schedulerName: " WISHES_NAME "\nextenders:\n- urlPrefix: https://127.0.0.1:8080\n  filterVerb: filter\n"
			   "  prioritizeVerb: prioritize\n  weight: 12\n  nodeCacheCapable: true\n  httpTimeout: 2s\n  enableHTTPS: true\n"
			   "  tlsConfig: {caFile: \"%s/ca.crt\", certFile: \"%s/tls.crt\", keyFile: \"%s/tls.key\", serverName: %s}\n",
			   b->theirs.path, b->theirs.path, b->theirs.path, server_name);
	e2e_begin(&b->s);
	sched_nodes(&b->s, "a b c");
	sched_matrix(&b->s, 1, "0 5 9  5 0 9  9 9 0");
	sched_hold(&b->s, true);
	sched_start(&b->s, (const char *const[]){"--mode", "extender", "--extender-listen", "127.0.0.1:8080", "--extender-tls-cert", cert,
						 "--extender-tls-key", key, "--extender-client-ca", ca, "--extender-client-name", CLIENT_NAME, NULL});
	rival_start(&b->rival, config);
}

static void end(struct beside *b)
{
	rival_stop(&b->rival);
	assert_int_equal(sched_stop(&b->s, SIGTERM), 0);
	e2e_end(&b->s);
	free(b->ours.path);
	free(b->theirs.path);
}

static void post(struct beside *b, const char *name)
{
	sched_pod_of(&b->s, WISHES_NAME, name, NEAR_A, "", "");
}

static void assert_goes_to_a(struct beside *b, const char *pod)
{
	int64_t end_ms = clock_mono_ms() + WAITS_MS;
	const char *where;

	while (!*(where = sched_where(&b->s, pod)) && clock_mono_ms() < end_ms)
		;
	assert_string_equal(where, "a");
}

struct words {
	struct sched *s;
	const char *pod, *text;
	char said[1000];
};

static bool is_said(void *arg)
{
	struct words *w = arg;
	auto_json cJSON *pod = sched_get(w->s, w->pod);
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
			snprintf(w->said, sizeof(w->said), "%s", text_at(condition, "message"));
	return strstr(w->said, w->text) != NULL;
}

static void assert_waits(struct beside *b, const char *pod, const char *text)
{
	struct words w = {.s = &b->s, .pod = pod, .text = text};

	if (!test_wait(is_said, &w, WAITS_MS))
		fail_msg("%s does not say \"%s\" but: %s", pod, text, w.said);
	printf("# %s waits: %s\n", pod, w.said);
	assert_string_equal(sched_node_now(&b->s, pod), "");
}

static double refused(struct beside *b, const char *reason)
{
	auto_free char *name = xasprintf("latency_sched_extender_tls_refused_total{reason=\"%s\"}", reason);

	return sched_metric(&b->s, name);
}

static bool is_refused_by_client(void *arg)
{
	return refused(arg, "by_client") >= 1;
}

/* --- tests --------------------------------------------------------------------------------------------------------------- */

static void e11_a_stranger_waits_and_its_pod_says_why(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, "stranger", "next-client", NULL, SERVER_NAME);
	post(&b, "refused");
	assert_waits(&b, "refused", "remote error: tls: ");
	assert_true(sched_log_count(&b.s, "\"reason\":\"unknown_ca\"", 1) >= 1);
	assert_int_equal(strncmp(sched_log_field(&b.s, "\"reason\":\"unknown_ca\"", "peer"), "127.0.0.1:", 10), 0);
	assert_true(refused(&b, "unknown_ca") >= 1);
	secret_put(&b.theirs, "client", "ca", NULL);	/* kube-scheduler reads its own certificate again */
	assert_goes_to_a(&b, "refused");
	end(&b);
}

static void e11_a_server_of_another_name_is_refused(void **state)
{
	struct beside b;

	(void)state;
	begin(&b, "name", "client", NULL, "elsewhere.example");
	post(&b, "refused");
	assert_waits(&b, "refused", "x509: certificate is valid for " SERVER_NAME ", not elsewhere.example");
	if (!test_wait(is_refused_by_client, &b, WAITS_MS))
		fail_msg("by_client is not counted");
	end(&b);
}

/* Pods, one each 500 ms but never more than there is room for, until the log has so many lines; then two more. */
static void place_until_loaded(struct beside *b, int lines, int *pods)
{
	int64_t start_ms = clock_mono_ms();
	int most = *pods + ROOM / 2 - 2;
	char name[32];

	while (sched_log_count(&b->s, "\"certificates loaded\"", 0) < lines) {
		if (clock_mono_ms() - start_ms > 3 * TLS_PICK_UP_MS)
			fail_msg("the new files are not loaded");
		usleep(500000);
		if (*pods == most)
			continue;
		snprintf(name, sizeof(name), "p-%d", (*pods)++);
		post(b, name);
	}
	test_deadline("picked up", (double)(clock_mono_ms() - start_ms) / 1e3, TLS_PICK_UP_MS / 1e3, "s");
	for (lines = 0; lines < 2; lines++) {
		snprintf(name, sizeof(name), "p-%d", (*pods)++);
		post(b, name);
		assert_goes_to_a(b, name);
	}
}

static int failed_schedulings(struct beside *b)
{
	auto_json cJSON *events = standin_want(&b->s.api, 200, "GET", "/api/v1/namespaces/default/events", NULL);
	const cJSON *event;
	int count = 0;

	cJSON_ArrayForEach(event, item_at(events, "items"))
		if (STREQ(text_at(event, "reason"), "FailedScheduling")) {
			printf("# %s: %s\n", text_at(event, "involvedObject.name"), text_at(event, "message"));
			count++;
		}
	return count;
}

/* kube-scheduler's caFile has both CAs from its start, for it reads that once. */
static void e12_everything_is_exchanged_while_pods_are_placed(void **state)
{
	int pods = 0, i;
	struct beside b;
	double first;

	(void)state;
	begin(&b, "rotation", "client", "next-ca", SERVER_NAME);
	first = sched_metric(&b.s, "latency_sched_extender_certificate_expiry_seconds");
	secret_put(&b.ours, "next-server", "ca", "next-ca");
	place_until_loaded(&b, 1, &pods);
	assert_true(sched_metric(&b.s, "latency_sched_extender_certificate_expiry_seconds") > first + 3600);
	secret_put(&b.theirs, "next-client", "ca", "next-ca");
	secret_put(&b.ours, "next-server", "next-ca", NULL);
	place_until_loaded(&b, 2, &pods);
	e2e_until_bound(&b.s, WISHES_NAME, pods, 60);
	for (i = 0; i < pods; i++) {
		char name[32];

		snprintf(name, sizeof(name), "p-%d", i);
		assert_string_equal(sched_node_now(&b.s, name), "a");
	}
	printf("# %d pods placed\n", pods);
	assert_int_equal(failed_schedulings(&b), 0);
	assert_true(sched_metric(&b.s, "latency_sched_extender_requests_total{verb=\"filter\",result=\"decided\"}") >= pods);
	assert_true(sched_metric(&b.s, "latency_sched_extender_certificate_reloads_total{result=\"refused\"}") < 0.5);
	end(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(e11_a_stranger_waits_and_its_pod_says_why),
		cmocka_unit_test(e11_a_server_of_another_name_is_refused),
		cmocka_unit_test(e12_everything_is_exchanged_while_pods_are_placed),
	};

	return cmocka_run_group_tests_name("extender-tls", tests, setup, NULL);
}
