/* http_tls.h against libcurl: certificates, keys and client CAs that change while it runs (E12). */
#include <unistd.h>

#include "tests/unit/tls_site.h"

static void copy_file(const char *from, const char *suffix, const char *to)
{
	auto_free char *path = in_folder(from, suffix), *text = test_read(path);

	assert_non_null(text);
	test_write(to, text);
}

static void put(const struct site *s, const char *certificate, const char *key, const char *ca)
{
	if (certificate)
		copy_file(certificate, ".pem", s->cert);
	if (key)
		copy_file(key, ".key", s->key);
	if (ca)
		copy_file(ca, ".pem", s->ca);
}

/* A site whose files may be changed. */
static void site_open_apart(struct site *s, const char *certificate, const char *ca)
{
	static int count;
	auto_free char *name = xasprintf("site-%d", count++);

	*s = (struct site){.cert = in_folder(name, ".crt"), .key = in_folder(name, ".private"), .ca = in_folder(name, ".ca")};
	put(s, certificate, certificate, ca);
	site_start(s, false);
}

/* As the program calls it, each second; until something happens, or for two rounds of looks. *took_ms (may be NULL) is when. */
static int look(struct site *s, int64_t *took_ms, struct lm_err *err)
{
	int64_t start_ms = s->mono_ms;
	int result = 0;

	while (result == 0 && s->mono_ms < start_ms + 2 * HTTP_TLS_LOOK_MS + 2000) {
		s->mono_ms += 1000;
		result = http_tls_look(s->tls, s->mono_ms, err);
	}
	if (took_ms)
		*took_ms = s->mono_ms - start_ms;
	return result;
}

static void expect_trusts(int port, const char *client_ca, const char *certificate, bool works)
{
	struct caller c;

	caller_open(&c, certificate, 13);
	set_text(c.curl, CURLOPT_CAINFO, client_ca, ".pem");
	if ((call(&c, port, "/hello") == CURLE_OK) != works)
		fail_msg("%s, %s: %s", client_ca, certificate, c.error);
	caller_close(&c);
}

static void e12_a_new_certificate_is_used_and_nothing_is_dropped(void **state)
{
	struct caller kept;
	struct lm_err err;
	int64_t took_ms, end_s;
	struct site s;

	(void)state;
	site_open_apart(&s, "server", "ca");
	end_s = http_tls_end_wall_s(s.tls);
	assert_true(end_s > clock_wall_ms() / 1000 + 86400 && end_s < clock_wall_ms() / 1000 + 3 * 86400);
	assert_int_equal(look(&s, NULL, &err), 0);
	caller_open(&kept, "client", 13);
	expect_answer(&kept, s.port, "/hello", "hello\n");
	expect_answer(&kept, s.port, "/hello", "hello\n");
	assert_int_equal(kept.connects, 0);
	put(&s, "foreign", "foreign", NULL);
	assert_int_equal(look(&s, &took_ms, &err), 1);
	printf("# in use %lld ms after the change\n", (long long)took_ms);
	assert_true(took_ms <= 60000);
	expect_trusts(s.port, "other-ca", "client", true);
	expect_trusts(s.port, "ca", "client", false);
	expect_answer(&kept, s.port, "/hello", "hello\n");
	assert_int_equal(kept.connects, 0);
	assert_int_not_equal(call(&kept, s.port, "/hello"), CURLE_OK);	/* that was the last of this connection; it trusts no new one */
	caller_close(&kept);
	assert_int_equal(look(&s, NULL, &err), 0);
	site_close(&s);
}

struct slow_call {
	struct caller caller;
	int port;
};

static void *run_slow_call(void *arg)
{
	struct slow_call *c = arg;

	call(&c->caller, c->port, "/slow");
	return NULL;
}

static bool has_begun(void *arg)
{
	return atomic_load(&slow_begun) > *(int *)arg;
}

static void e12_a_new_ca_with_a_request_in_flight(void **state)
{
	int version;

	(void)state;
	for (version = 12; version <= 13; version++) {
		int begun = atomic_load(&slow_begun);
		struct slow_call slow = {0};
		struct lm_err err;
		pthread_t thread;
		struct site s;

		atomic_store(&slow_may_end, false);
		site_open_apart(&s, "server", "ca");
		caller_open(&slow.caller, "client", version);
		slow.port = s.port;
		assert_int_equal(pthread_create(&thread, NULL, run_slow_call, &slow), 0);
		assert_true(test_wait(has_begun, &begun, WAIT_MS));
		put(&s, NULL, NULL, "other-ca");
		assert_int_equal(look(&s, NULL, &err), 1);
		expect_works(s.port, "stranger", version);
		expect_refused(s.port, "client", version, "unknown ca", HTTP_TLS_UNKNOWN_CA, "subject CN=client");
		atomic_store(&slow_may_end, true);
		pthread_join(thread, NULL);
		if (slow.caller.status != 200)
			fail_msg("the request in flight: %ld %s", slow.caller.status, slow.caller.error);
		assert_string_equal(slow.caller.body.data, "slow\n");
		assert_int_not_equal(call(&slow.caller, s.port, "/hello"), CURLE_OK);	/* of a CA that went: not by the old connection either */
		caller_close(&slow.caller);
		site_close(&s);
	}
}

static void expect_kept_out(struct site *s, const char *words, const char *file)
{
	struct lm_err err;

	assert_int_equal(look(s, NULL, &err), -1);
	printf("# %s\n", err.msg);
	assert_non_null(strstr(err.msg, words));
	assert_non_null(strstr(err.msg, file));
	assert_int_equal(look(s, NULL, &err), 0);	/* said once */
	expect_works(s->port, "client", 13);
	expect_works(s->port, "client", 12);
}

static void e12_a_broken_pair_is_kept_out_until_it_is_mended(void **state)
{
	struct lm_err err;
	struct site s;

	(void)state;
	site_open_apart(&s, "server", "ca");
	put(&s, "server2", NULL, NULL);
	expect_kept_out(&s, "is not that of the certificate", s.key);
	put(&s, NULL, "server2", NULL);
	assert_int_equal(look(&s, NULL, &err), 1);
	expect_works(s.port, "client", 13);
	assert_int_equal(unlink(s.cert), 0);
	expect_kept_out(&s, "No such file", s.cert);
	test_write(s.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	expect_kept_out(&s, "a certificate in it cannot be read", s.cert);
	put(&s, "server2", NULL, NULL);
	assert_int_equal(look(&s, NULL, &err), 0);	/* what is in use came back */
	test_write(s.ca, "");
	expect_kept_out(&s, "there is no PEM certificate in it", s.ca);
	put(&s, "server", "server", "both-cas");
	assert_int_equal(look(&s, NULL, &err), 1);
	expect_works(s.port, "stranger", 13);
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e12_a_new_certificate_is_used_and_nothing_is_dropped),
		cmocka_unit_test(e12_a_new_ca_with_a_request_in_flight),
		cmocka_unit_test(e12_a_broken_pair_is_kept_out_until_it_is_mended),
	};

	return cmocka_run_group_tests_name("http-tls", tests, setup, NULL);
}
