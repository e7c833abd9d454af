/* http_tls.h against libcurl, with certificates made for each run, in both versions of TLS: who is let in (E11), and files that are bad at the start. */
#include <gnutls/gnutls.h>
#include <stdbool.h>

static bool without_verify;

static void set_verify(gnutls_session_t session, gnutls_certificate_verify_function *verify)
{
	if (!without_verify)
		gnutls_session_set_verify_function(session, verify);
}
#define gnutls_session_set_verify_function set_verify
#include "lib/http_tls.c"

#include <stdatomic.h>
#include <sys/socket.h>

static atomic_int looks;		/* at sockets */

static ssize_t counted_recv(int fd, void *data, size_t size, int flags)
{
	atomic_fetch_add(&looks, 1);
	return recv(fd, data, size, flags);
}
#define recv counted_recv
#include "lib/http_tls_wire.c"
#undef recv

#include <unistd.h>

#include "tests/unit/tls_site.h"

static void site_open(struct site *s, const char *certificate, const char *ca, bool own_threads)
{
	*s = (struct site){.cert = in_folder(certificate, ".pem"), .key = in_folder(STREQ(certificate, "chain") ? "leaf" : certificate, ".key"),
			   .ca = ca ? in_folder(ca, ".pem") : NULL};
	site_start(s, own_threads);
}

/* --- E11 ------------------------------------------------------------------------------------------------------------------ */

static void e11_clients_are_let_in_by_their_certificate_alone(void **state)
{
	int version, threads;
	struct site s;

	(void)state;
	for (threads = 0; threads <= 1; threads++) {
		site_open(&s, "server", "ca", threads);
		for (version = 12; version <= 13; version++) {
			expect_works(s.port, "client", version);
			expect_works(s.port, "plain-client", version);
			expect_refused(s.port, NULL, version, version == 13 ? "certificate required" : "handshake failure", HTTP_TLS_NO_CERTIFICATE, "has no certificate");
			expect_refused(s.port, "stranger", version, "unknown ca", HTTP_TLS_UNKNOWN_CA, "subject CN=stranger, issuer CN=other-ca");
			expect_refused(s.port, "expired-client", version, "certificate", HTTP_TLS_EXPIRED, "has expired");
			expect_refused(s.port, "server-only", version, "unsupported certificate", HTTP_TLS_USAGE, "extended key usage");
			expect_refused(s.port, "no-signer", version, "unsupported certificate", HTTP_TLS_USAGE, "(key usage)");
			expect_works(s.port, "client", version);
		}
		site_close(&s);
	}
}

/* A library that does not call what we gave it must not let anybody in. */
static void e11_who_was_not_verified_is_not_let_in(void **state)
{
	struct caller c;
	struct site s;
	int version;

	(void)state;
	without_verify = true;
	site_open(&s, "server", "ca", false);
	for (version = 12; version <= 15; version++) {
		caller_open(&c, version > 13 ? "stranger" : NULL, version > 13 ? version - 2 : version);
		assert_int_not_equal(call(&c, s.port, "/hello"), CURLE_OK);
		assert_int_equal(c.status, 0);
		caller_close(&c);
	}
	site_close(&s);
	without_verify = false;
}

static void e11_without_a_client_ca_nobody_is_asked(void **state)
{
	struct site s;
	int version;

	(void)state;
	site_open(&s, "server", NULL, false);
	for (version = 12; version <= 13; version++) {
		expect_works(s.port, NULL, version);
		expect_works(s.port, "stranger", version);
	}
	site_close(&s);
}

static void e11_tls_1_1_is_refused(void **state)
{
	struct site s;

	(void)state;
	site_open(&s, "server", "ca", false);
	expect_refused(s.port, "client", 11, "protocol version", HTTP_TLS_PROTOCOL, "no TLS 1.2 or later");
	site_close(&s);
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends the text and reads until the server closes. */
static char *talk(int port, const char *text, size_t len)
{
	auto_close int fd = dial(port);
	struct buf b = {0};
	char block[4096];
	ssize_t got;

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
	while ((got = recv(fd, block, sizeof(block), 0)) > 0)
		buf_add(&b, block, (size_t)got);
	buf_add(&b, "", 0);
	return b.data;
}

static void e11_what_is_not_tls_is_refused(void **state)
{
	static const char http[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", rubbish[] = "SSH-2.0-OpenSSH_9.2\r\n";
	auto_free char *answer = NULL, *none = NULL;
	struct awaited http_told, other_told;
	struct site s;

	(void)state;
	site_open(&s, "server", "ca", false);
	http_told = (struct awaited){HTTP_TLS_NOT_TLS, told_of(HTTP_TLS_NOT_TLS)};
	answer = talk(s.port, http, strlen(http));
	printf("# %.24s\n", answer);
	assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
	assert_non_null(strstr(answer, "https:// is wanted here\n"));
	assert_true(test_wait(is_told, &http_told, WAIT_MS));
	assert_string_equal(told.text, "plain HTTP on the port of TLS");
	other_told = (struct awaited){HTTP_TLS_NOT_TLS, told_of(HTTP_TLS_NOT_TLS)};
	none = talk(s.port, rubbish, strlen(rubbish));
	assert_true(test_wait(is_told, &other_told, WAIT_MS));
	assert_string_equal(told.text, "what came is not TLS");
	expect_works(s.port, "client", 13);
	site_close(&s);
}

/* The client's part: it does not talk to a server that it does not know. We hear its alert. */
static void e11_clients_refuse_a_wrong_or_expired_server(void **state)
{
	static const struct {
		const char *certificate, *words;
	} servers[] = {{"named", "no alternative certificate subject name matches"}, {"expired", "certificate has expired"}};
	size_t i;
	int version;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(servers); i++)
		for (version = 12; version <= 13; version++) {
			struct awaited by_client = {HTTP_TLS_BY_CLIENT, told_of(HTTP_TLS_BY_CLIENT)};
			struct caller c;
			struct site s;

			site_open(&s, servers[i].certificate, "ca", false);
			caller_open(&c, "client", version);
			assert_int_not_equal(call(&c, s.port, "/hello"), CURLE_OK);
			printf("# %s\n", c.error);
			assert_non_null(strstr(c.error, servers[i].words));
			caller_close(&c);
			if (STREQ(servers[i].certificate, "expired")) {
				assert_true(test_wait(is_told, &by_client, WAIT_MS));
				printf("#   told: %s\n", told.text);
			}
			site_close(&s);
		}
}

/* Before the first byte, in the middle of the first message, and after an answer in plain text that they do not heed. Others are served meanwhile. */
static void who_stalls_in_the_handshake_keeps_nobody_busy(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} begun[] = {{"", 0}, {"\x16\x03", 2}, {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, {"GET / HTTP/1.1\r\n\r\n", 18}};
	int fds[40], threads;
	size_t i;

	(void)state;
	for (threads = 0; threads <= 1; threads++) {
		struct site s;
		int before;

		site_open(&s, "server", "ca", threads);
		for (i = 0; i < ARRAY_SIZE(fds); i++) {
			fds[i] = dial(s.port);
			assert_int_equal(send(fds[i], begun[i % 4].bytes, begun[i % 4].len, MSG_NOSIGNAL), (ssize_t)begun[i % 4].len);
		}
		usleep(100000);
		before = atomic_load(&looks);
		usleep(500000);
		printf("# %d looks at sockets of which nothing comes\n", atomic_load(&looks) - before);
		assert_true(atomic_load(&looks) - before < 10 * (int)ARRAY_SIZE(fds));	/* thousands when something spins */
		expect_works(s.port, "client", 13);
		for (i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i]);
		site_close(&s);
	}
}

static void a_chain_is_sent_whole(void **state)
{
	struct site s;
	int version;

	(void)state;
	site_open(&s, "chain", "ca", false);
	for (version = 12; version <= 13; version++)
		expect_works(s.port, "client", version);
	site_close(&s);
}

static void names_let_in(void **state)
{
	static const char *const lists[][2] = {{"client", NULL}, {"nobody", "client"}, {"somebody.EXAMPLE", NULL}, {"spiffe://mesh/somebody", NULL}};
	static const char *const strangers[] = {"clien", "Client", "spiffe://mesh/Somebody", "example"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lists) + ARRAY_SIZE(strangers); i++) {
		bool in = i < ARRAY_SIZE(lists);
		struct site s = {.cert = in_folder("server", ".pem"), .key = in_folder("server", ".key"), .ca = in_folder("ca", ".pem"),
				 .settings = {.client_names = in ? lists[i] : &strangers[i - ARRAY_SIZE(lists)], .client_name_count = in && lists[i][1] ? 2 : 1}};

		site_start(&s, false);
		if (in)
			expect_works(s.port, "client", 13);
		else
			expect_refused(s.port, "client", i & 1 ? 12 : 13, "access denied", HTTP_TLS_NAME, "none of the names");
		site_close(&s);
	}
}

static void large_bodies_go_through(void **state)
{
	auto_buf struct buf large = {0};
	int version, threads, i;
	struct site s;

	(void)state;
	for (i = 0; i < 1 << 18; i++)
		buf_printf(&large, "%08x", (unsigned)i);
	for (threads = 0; threads <= 1; threads++) {
		site_open(&s, "server", "ca", threads);
		for (version = 12; version <= 13; version++) {
			struct caller c;

			caller_open(&c, "client", version);
			curl_easy_setopt(c.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)large.len);
			curl_easy_setopt(c.curl, CURLOPT_POSTFIELDS, large.data);
			expect_answer(&c, s.port, "/echo", large.data);
			expect_answer(&c, s.port, "/echo", large.data);
			assert_int_equal(c.connects, 0);
			caller_close(&c);
		}
		site_close(&s);
	}
}

/* --- files at the start ---------------------------------------------------------------------------------------------------- */

static void expect_no_start(const char *certificate, const char *key, const char *ca, enum lm_code code, const char *words, const char *file)
{
	struct http_tls_settings settings = {.cert_file = certificate, .key_file = key, .client_ca_file = ca};
	struct http_tls *tls;
	struct lm_err err;

	assert_int_equal(http_tls_open(&settings, &tls, &err), -1);
	printf("# %s\n", err.msg);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, words));
	assert_non_null(strstr(err.msg, file));
}

static void bad_files_are_named(void **state)
{
	auto_free char *cert = in_folder("server", ".pem"), *key = in_folder("server", ".key"), *other = in_folder("client", ".key"),
		*nowhere = in_folder("nowhere", ""), *encrypted = in_folder("encrypted", ".key"), *old = in_folder("encrypted-old", ".key"),
		*torn = in_folder("torn", ".pem"), *large = in_folder("large", ".pem"), *text = test_read(cert), *blank = xcalloc(1, HTTP_TLS_FILE_BYTES + 2);

	(void)state;
	authority_openssl(folder, "pkcs8 -topk8 -in server.key -passout pass:secret -out encrypted.key");
	authority_openssl(folder, "ec -in server.key -aes128 -passout pass:secret -out encrypted-old.key");
	text[strlen(text) / 2] = '\0';
	test_write(torn, text);
	memset(blank, ' ', HTTP_TLS_FILE_BYTES + 1);
	test_write(large, blank);
	expect_no_start(nowhere, key, NULL, LM_NOINPUT, "No such file", nowhere);
	expect_no_start(cert, nowhere, NULL, LM_NOINPUT, "No such file", nowhere);
	expect_no_start(cert, key, nowhere, LM_NOINPUT, "No such file", nowhere);
	expect_no_start(folder, key, NULL, LM_DATA, "not a regular file", folder);
	expect_no_start(torn, key, NULL, LM_DATA, "cannot be read", torn);
	expect_no_start(cert, key, torn, LM_DATA, "cannot be read", torn);
	expect_no_start(large, key, NULL, LM_DATA, "more than the limit", large);
	expect_no_start(key, key, NULL, LM_DATA, "no PEM certificate", key);
	expect_no_start(cert, cert, NULL, LM_DATA, "no PEM private key", cert);
	expect_no_start(cert, key, key, LM_DATA, "no PEM certificate", key);
	expect_no_start(cert, other, NULL, LM_DATA, "is not that of the certificate", other);
	expect_no_start(cert, encrypted, NULL, LM_DATA, "the key is encrypted", encrypted);
	expect_no_start(cert, old, NULL, LM_DATA, "the key is encrypted", old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e11_clients_are_let_in_by_their_certificate_alone),
		cmocka_unit_test(e11_who_was_not_verified_is_not_let_in),
		cmocka_unit_test(e11_without_a_client_ca_nobody_is_asked),
		cmocka_unit_test(e11_tls_1_1_is_refused),
		cmocka_unit_test(e11_what_is_not_tls_is_refused),
		cmocka_unit_test(e11_clients_refuse_a_wrong_or_expired_server),
		cmocka_unit_test(who_stalls_in_the_handshake_keeps_nobody_busy),
		cmocka_unit_test(a_chain_is_sent_whole),
		cmocka_unit_test(names_let_in),
		cmocka_unit_test(large_bodies_go_through),
		cmocka_unit_test(bad_files_are_named),
	};

	return cmocka_run_group_tests_name("http-tls", tests, setup, NULL);
}
