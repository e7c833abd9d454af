/*
 * TLS against a real API server: what is wrong is refused with its exact reason, said once, and over as soon as it is mended on disk; without
 * a restart. The certificates are cluster.sh's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/kube/config.h"
#include "lib/mem.h"
#include "tests/e2e/e2e.h"

#define MENDED_MS 60000			/* the limit that client.h promises */
#define FAILED_GETS "latency_sched_api_requests_total{method=\"GET\",code=\"<error>\"}"
#define REFUSED_GETS "latency_sched_api_requests_total{method=\"GET\",code=\"4xx\"}"

struct access {
	const char *ca, *tls_name;		/* NULL: as in the administrator's kubeconfig; none */
	const char *cert, *key;			/* NULL: the token of our account */
};

static char *pki(const char *name)
{
	return xasprintf("%s/pki/%s", e2e_out(), name);
}

/* A kubeconfig; the path lives until exit. */
static const char *kubeconfig_of(struct sched *s, const struct access *a)
{
	struct kube_source source = {.kubeconfig = s->kubeconfig};
	auto_free char *ca = pki("ca.crt"), *user = NULL, *text = NULL;
	struct kube_config c = {0};
	static int count;
	char *path = xasprintf("%s/kubeconfig-tls-%d", test_folder(), count++);
	struct lm_err err;

	if (kube_config_load(&source, &c, &err) < 0)
		fail_msg("%s", err.msg);
	user = a->cert ? xasprintf("client-certificate: \"%s\", client-key: \"%s\"", a->cert, a->key) : xasprintf("token: \"%s\"", c.token);
	text = xasprintf("apiVersion: v1\nkind: Config\nclusters: [{name: e2e, cluster: {server: \"%s\", certificate-authority: \"%s\"%s%s}}]\n"
			 "users: [{name: user, user: {%s}}]\ncontexts: [{name: e2e, context: {cluster: e2e, user: user}}]\ncurrent-context: e2e\n",
			 c.server, a->ca ? a->ca : ca, a->tls_name ? ", tls-server-name: " : "", a->tls_name ? a->tls_name : "", user);
	test_write(path, text);
	kube_config_free(&c);
	return path;
}

static void begin(struct sched *s, const struct access *a)
{
	e2e_begin(s);
	sched_nodes(s, "a b");
	sched_matrix(s, 1, "0 5  5 0");
	s->kubeconfig = kubeconfig_of(s, a);
}

/* Launched with what does not work: alive, not ready, and after many tries the reason stands in the log once. */
static void expect_refused(struct sched *s, const char *metric, const char *reason)
{
	int64_t end = clock_mono_ms() + 60000;

	sched_launch(s, NULL);
	while (!(sched_metric(s, metric) >= 6) && clock_mono_ms() < end)
		usleep(50000);
	assert_true(sched_metric(s, metric) >= 6);
	printf("# %s\n", sched_log_field(s, "\"watch interrupted\"", "error"));
	assert_int_equal(sched_log_count(s, "\"watch interrupted\"", 1), 1);
	if (!strstr(sched_log_field(s, "\"watch interrupted\"", "error"), reason))
		fail_msg("`%s` is not in: %s", reason, s->where);
	assert_int_equal(sched_http(s, "/livez"), 200);
	assert_int_equal(sched_http(s, "/readyz"), 500);
}

static void a_certificate_that_is_not_right_is_refused_with_the_reason(void **state)
{
	auto_free char *other = pki("other-ca.crt"), *foreign = xasprintf("unable to get local issuer certificate (trusted: the CA in `%s`)", other);
	const struct {
		struct access access;
		const char *reason;
	} cases[] = {
		{{.ca = other}, foreign},
		{{.tls_name = "expired.test"}, "the server's certificate is refused: certificate has expired"},
		{{.tls_name = "other-ca.test"}, "the server's certificate is refused: unable to get local issuer certificate"},
		{{.tls_name = "elsewhere.test"},
		 "the server's certificate is refused: no alternative certificate subject name matches target host name 'elsewhere.test'"},
	};
	struct sched s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(&s, &cases[i].access);
		sched_pod(&s, "web", "");
		expect_refused(&s, FAILED_GETS, cases[i].reason);
		assert_string_equal(sched_node_now(&s, "web"), "");
		assert_int_equal(sched_stop(&s, SIGTERM), 0);
		e2e_end(&s);
	}
}

static void the_names_of_the_certificate_work(void **state)
{
	static const char *const names[] = {"localhost", "kubernetes.default", "kubernetes.default.svc"};
	struct sched s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		begin(&s, &(struct access){.tls_name = names[i]});
		sched_start(&s, NULL);
		sched_pod(&s, "web", "");
		assert_true(*sched_where(&s, "web"));
		assert_int_equal(sched_stop(&s, SIGTERM), 0);
		e2e_end(&s);
	}
}

/* --- mended while it runs --- */

static void copy(const char *from, const char *to)
{
	auto_free char *text = test_read(from), *fresh = xasprintf("%s.new", to);

	assert_non_null(text);
	test_write(fresh, text);
	assert_int_equal(rename(fresh, to), 0);
}

static bool is_ready(void *s)
{
	return sched_http(s, "/readyz") == 200;
}

static void expect_mended(struct sched *s, const char *what)
{
	int64_t from = clock_mono_ms();

	assert_true(test_wait(is_ready, s, 3 * MENDED_MS));
	test_deadline(what, (double)(clock_mono_ms() - from), MENDED_MS, "ms");
	sched_pod(s, "web", "");
	assert_true(*sched_where(s, "web"));
	assert_true(sched_log_count(s, "\"watch goes on\"", 2) >= 2);
	assert_int_equal(sched_stop(s, SIGTERM), 0);
}

static void a_ca_that_is_replaced_on_disk_is_used(void **state)
{
	auto_free char *file = xasprintf("%s/ca.crt", test_folder()), *wrong = pki("other-ca.crt"), *right = pki("ca.crt");
	struct sched s;

	(void)state;
	copy(wrong, file);
	begin(&s, &(struct access){.ca = file});
	expect_refused(&s, FAILED_GETS, "unable to get local issuer certificate");
	copy(right, file);
	expect_mended(&s, "a CA replaced on disk is in use");
	e2e_end(&s);
}

static void a_client_certificate_that_is_replaced_on_disk_is_used(void **state)
{
	auto_free char *cert = xasprintf("%s/client.crt", test_folder()), *key = xasprintf("%s/client.key", test_folder());
	auto_free char *wrong = pki("stranger.crt"), *wrong_key = pki("stranger.key"), *right = pki("client.crt"), *right_key = pki("client.key");
	struct sched s;

	(void)state;
	copy(wrong, cert);
	copy(wrong_key, key);
	begin(&s, &(struct access){.cert = cert, .key = key});
	expect_refused(&s, REFUSED_GETS, "list: 401 Unauthorized");
	copy(right, cert);
	copy(right_key, key);
	expect_mended(&s, "a client certificate replaced on disk is in use");
	e2e_end(&s);
}

/* A key that does not belong to its certificate, for a moment between the two renames: said with the file's name. */
static void a_client_certificate_without_its_key_is_named(void **state)
{
	auto_free char *cert = pki("client.crt"), *key = pki("stranger.key");
	struct sched s;

	(void)state;
	begin(&s, &(struct access){.cert = cert, .key = key});
	expect_refused(&s, FAILED_GETS, "TLS: client certificate: unable to set private key file");
	assert_non_null(strstr(sched_log_field(&s, "\"watch interrupted\"", "error"), key));
	assert_int_equal(sched_stop(&s, SIGTERM), 0);
	e2e_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_that_is_not_right_is_refused_with_the_reason),
		cmocka_unit_test(the_names_of_the_certificate_work),
		cmocka_unit_test(a_ca_that_is_replaced_on_disk_is_used),
		cmocka_unit_test(a_client_certificate_that_is_replaced_on_disk_is_used),
		cmocka_unit_test(a_client_certificate_without_its_key_is_named),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
