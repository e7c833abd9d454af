/* TLS of the client against `openssl s_server`, with certificates made for each run: S49, and the CA's rotation of S11. */
#include "lib/kube/transfer.c"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

static const char *folder;

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void openssl(const char *command)
{
	auto_free char *line = xasprintf("cd %s && openssl %s", folder, command);
	const char *const argv[] = {"sh", "-c", line, NULL};
	auto_free char *output = NULL;

	if (test_run(argv, 60, &output) != 0)
		fail_msg("%s\n%s", line, output);
}

__attribute__((format(printf, 1, 2))) static void openssl_f(const char *fmt, ...)
{
	auto_free char *command = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	openssl(command);
}

static void make_ca(const char *name)
{
	openssl_f("ecparam -name prime256v1 -genkey -noout -out %s.key", name);
	openssl_f("req -x509 -key %s.key -subj '/CN=%s' -days 2 -out %s.pem", name, name, name);
}

static void make_certificate(const char *name, const char *ca, int days, const char *alternative_names)
{
	auto_free char *extension = xasprintf("%s/%s.ext", folder, name);
	auto_free char *line = xasprintf("subjectAltName=%s\n", alternative_names);

	test_write(extension, line);
	openssl_f("ecparam -name prime256v1 -genkey -noout -out %s.key", name);
	openssl_f("req -new -key %s.key -subj '/CN=%s' -out %s.csr", name, name, name);
	openssl_f("x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days %d -extfile %s.ext -out %s.pem", name,
		ca, ca, days, name, name);
}

static int setup(void **state)
{
	(void)state;
	folder = test_folder();
	make_ca("ca");
	make_ca("other-ca");
	make_certificate("good", "ca", 2, "IP:127.0.0.1");
	make_certificate("expired", "ca", -1, "IP:127.0.0.1");
	make_certificate("named", "ca", 2, "DNS:kubernetes.default.svc");
	make_certificate("other", "other-ca", 2, "IP:127.0.0.1");
	make_certificate("client", "ca", 2, "DNS:somebody");
	make_certificate("stranger", "other-ca", 2, "DNS:somebody");
	make_certificate("successor", "ca", 2, "DNS:somebody");
	return 0;
}

/* --- openssl s_server ------------------------------------------------------------------------------------------------- */

struct server {
	pid_t pid;
	int port;
	char *output;
};

static bool has_port(void *arg)
{
	struct server *s = arg;
	auto_free char *text = test_read(s->output);
	const char *at = text ? strstr(text, "ACCEPT") : NULL;

	/* the port is told only when any was asked for */
	return at && strchr(at, '\n') && (s->port || sscanf(at, "ACCEPT 127.0.0.1:%d", &s->port) == 1);
}

/* `more` is split at blanks. */
static struct server server_start(const char *certificate, int port, const char *more)
{
	static int count;
	struct server s = {.port = port, .output = xasprintf("%s/server-%d", folder, count++)};
	auto_free char *line = xasprintf("cd %s && exec openssl s_server -www -accept 127.0.0.1:%d -cert %s.pem -key %s.key %s", folder, port,
					 certificate, certificate, more);
	const char *const argv[] = {"sh", "-c", line, NULL};

	s.pid = test_spawn(argv, NULL, s.output);
	if (!test_wait(has_port, &s, WAIT_MS)) {
		auto_free char *text = test_read(s.output);

		fail_msg("openssl s_server: %s", text);
	}
	return s;
}

static void server_stop(struct server *s)
{
	test_stop(s->pid, SIGTERM);
	free(s->output);
}

/* --- one request ------------------------------------------------------------------------------------------------------ */

static int get(struct kube *k, struct lm_err *err)
{
	auto_free char *body = NULL;
	int status = 0;

	if (kube_call_wait(k, &(struct kube_request){.method = "GET", .path = "/", .timeout_ms = WAIT_MS},
			&status, &body, err) < 0)
		return -1;
	assert_int_equal(status, 200);
	return 0;
}

static struct kube *client_of(int port, struct kube_config c)
{
	auto_free char *url = xasprintf("https://127.0.0.1:%d", port);
	struct lm_err err;
	struct kube *k;

	c.server = url;
	k = kube_new(&c, "test", &err);
	assert_non_null(k);
	return k;
}

static void expect_works(int port, struct kube_config c)
{
	struct kube *k = client_of(port, c);
	struct lm_err err;

	if (get(k, &err) < 0)
		fail_msg("%s", err.msg);
	kube_free(k);
}

/* The error begins with the server's URL and has each of the words. */
static void expect_refused(int port, struct kube_config c, const char *words, const char *more_words)
{
	auto_free char *url = xasprintf("https://127.0.0.1:%d: ", port);
	struct kube *k = client_of(port, c);
	struct lm_err err;

	assert_int_equal(get(k, &err), -1);
	assert_int_equal(err.code, LM_UNAVAILABLE);
	printf("# %s\n", err.msg + strlen(url));
	assert_ptr_equal(strstr(err.msg, url), err.msg);
	if (!strstr(err.msg, words) || !strstr(err.msg, more_words))
		fail_msg("`%s` and `%s` are not in: %s", words, more_words, err.msg);
	kube_free(k);
}

/* --- tests ------------------------------------------------------------------------------------------------------------ */

static void s49_the_right_ca_works_and_a_wrong_one_is_named(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *other = in_folder("other-ca.pem"), *nowhere = in_folder("nowhere.pem");
	auto_free char *ca_text = test_read(ca), *other_text = test_read(other);
	struct server s = server_start("good", 0, "");

	(void)state;
	expect_works(s.port, (struct kube_config){.ca_file = ca});
	expect_works(s.port, (struct kube_config){.ca_data = ca_text});
	expect_refused(s.port, (struct kube_config){.ca_file = other},
		"the server's certificate is refused: unable to get local issuer certificate", other);
	expect_refused(s.port, (struct kube_config){.ca_data = other_text},
		"the server's certificate is refused", "certificate-authority-data");
	expect_refused(s.port, (struct kube_config){0}, "the server's certificate is refused", "the system's CAs");
	expect_refused(s.port, (struct kube_config){.ca_file = nowhere}, "TLS: CA: ", nowhere);
	expect_works(s.port, (struct kube_config){.insecure = true});
	server_stop(&s);
}

static void s49_an_expired_certificate(void **state)
{
	auto_free char *ca = in_folder("ca.pem");
	struct server s = server_start("expired", 0, "");

	(void)state;
	expect_refused(s.port, (struct kube_config){.ca_file = ca},
		"the server's certificate is refused: certificate has expired", ca);
	server_stop(&s);
}

static void s49_a_certificate_of_another_name(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *name = xstrdup("kubernetes.default.svc"), *wrong = xstrdup("elsewhere");
	struct server s = server_start("named", 0, "");

	(void)state;
	expect_refused(s.port, (struct kube_config){.ca_file = ca}, "the server's certificate is refused", "'127.0.0.1'");
	expect_refused(s.port, (struct kube_config){.ca_file = ca, .tls_server_name = wrong},
		"the server's certificate is refused", "'elsewhere'");
	expect_works(s.port, (struct kube_config){.ca_file = ca, .tls_server_name = name});
	server_stop(&s);
}

static void s49_tls_1_1(void **state)
{
	auto_free char *ca = in_folder("ca.pem");
	struct server s = server_start("good", 0, "-tls1_1 -cipher ALL:@SECLEVEL=0");

	(void)state;
	expect_refused(s.port, (struct kube_config){.ca_file = ca}, "TLS: ", "protocol");
	server_stop(&s);
}

static void s49_client_certificates(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *cert = in_folder("client.pem"), *key = in_folder("client.key"),
		*bad = in_folder("ca.pem");
	auto_free char *cert_text = test_read(cert), *key_text = test_read(key);
	struct server s = server_start("good", 0, "-Verify 1 -verify_return_error -CAfile ca.pem");

	(void)state;
	expect_works(s.port, (struct kube_config){.ca_file = ca, .cert_file = cert, .key_file = key});
	expect_works(s.port, (struct kube_config){.ca_file = ca, .cert_data = cert_text, .key_data = key_text});
	expect_refused(s.port, (struct kube_config){.ca_file = ca}, "certificate required", "");
	expect_refused(s.port, (struct kube_config){.ca_file = ca, .cert_file = cert, .key_file = bad},
		"TLS: client certificate: ", bad);
	server_stop(&s);
}

static void plain(struct scripted_request *r)
{
	scripted_reply(r, 200, NULL, "{}");
}

static void s49_a_server_without_tls(void **state)
{
	auto_free char *ca = in_folder("ca.pem");
	struct scripted *s = scripted_start(plain, NULL);

	(void)state;
	expect_refused(scripted_port(s), (struct kube_config){.ca_file = ca}, "TLS: ", "wrong version number");
	scripted_stop(s);
}

/* A new CA file and a server with a certificate of it: connections trust it within the time that a CA is kept. */
static void s11_a_rotated_ca_is_trusted(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *other = in_folder("other-ca.pem"), *file = in_folder("rotating.pem"),
		*text = test_read(ca), *other_text = test_read(other);
	struct server s = server_start("good", 0, "");
	int64_t end;
	struct lm_err err;
	struct kube *k;
	int result, port = s.port;

	(void)state;
	ca_reread_s = 1;
	test_write(file, text);
	k = client_of(port, (struct kube_config){.ca_file = file});
	assert_int_equal(get(k, &err), 0);
	server_stop(&s);
	s = server_start("other", port, "");
	assert_int_equal(get(k, &err), -1);
	test_write(file, other_text);
	for (end = clock_mono_ms() + WAIT_MS; (result = get(k, &err)) < 0 && clock_mono_ms() < end;)
		usleep(50000);
	if (result < 0)
		fail_msg("%s", err.msg);
	kube_free(k);
	server_stop(&s);
	ca_reread_s = 60;
}

/* With a CA that is kept for a minute: after a refusal it is read again at once. */
static void a_mended_ca_is_trusted_by_the_next_request(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *other = in_folder("other-ca.pem"), *file = in_folder("mended.pem"),
		*text = test_read(ca), *other_text = test_read(other);
	struct server s = server_start("good", 0, "");
	struct lm_err err;
	struct kube *k;
	int i;

	(void)state;
	assert_int_equal(ca_reread_s, 60);
	test_write(file, other_text);
	k = client_of(s.port, (struct kube_config){.ca_file = file});
	for (i = 0; i < 3; i++) {
		test_write(file, other_text);
		assert_int_equal(get(k, &err), -1);
		assert_non_null(strstr(err.msg, "the server's certificate is refused"));
		test_write(file, text);
		if (get(k, &err) < 0)
			fail_msg("%s", err.msg);
	}
	kube_free(k);
	server_stop(&s);
}

/* The kubelet swaps the files under their names: what is read is what lies there when a connection begins. */
static void rotated_client_certificates_are_used(void **state)
{
	auto_free char *ca = in_folder("ca.pem"), *cert = in_folder("rotating-client.pem"), *key = in_folder("rotating-client.key");
	static const char *const names[] = {"client", "stranger", "client", "successor"};
	struct server s = server_start("good", 0, "-Verify 1 -verify_return_error -CAfile ca.pem");
	struct kube *k = client_of(s.port, (struct kube_config){.ca_file = ca, .cert_file = cert, .key_file = key});
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *pem = xasprintf("%s/%s.pem", folder, names[i]), *pem_text = test_read(pem);
		auto_free char *pem_key = xasprintf("%s/%s.key", folder, names[i]), *key_text = test_read(pem_key);

		test_write(cert, pem_text);
		test_write(key, key_text);
		if (STREQ(names[i], "stranger")) {
			assert_int_equal(get(k, &err), -1);
			printf("# %s\n", err.msg);
			assert_non_null(strstr(err.msg, "TLS: "));
		} else if (get(k, &err) < 0) {
			fail_msg("%s", err.msg);
		}
	}
	kube_free(k);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s49_the_right_ca_works_and_a_wrong_one_is_named),
		cmocka_unit_test(s49_an_expired_certificate),
		cmocka_unit_test(s49_a_certificate_of_another_name),
		cmocka_unit_test(s49_tls_1_1),
		cmocka_unit_test(s49_client_certificates),
		cmocka_unit_test(s49_a_server_without_tls),
		cmocka_unit_test(s11_a_rotated_ca_is_trusted),
		cmocka_unit_test(a_mended_ca_is_trusted_by_the_next_request),
		cmocka_unit_test(rotated_client_certificates_are_used),
	};

	return cmocka_run_group_tests_name("kube-tls", tests, setup, NULL);
}
