/* http_tls.h against libcurl, with certificates made for each run, in both versions of TLS: E11 and E12. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/http_keys.h"
#include "lib/http_tls.h"
#include "lib/mem.h"
#include "tests/testing/authority.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

static const char *folder;

static char *in_folder(const char *name, const char *suffix)
{
	return xasprintf("%s/%s%s", folder, name, suffix);
}

static void issue(const char *name, const char *ca, int days, const char *extensions)
{
	authority_issue(folder, ca, &(struct authority_wish){.name = name, .days = days, .extensions = extensions});
}

static void join_files(const char *out, const char *first, const char *second)
{
	auto_free char *a = in_folder(first, ""), *b = in_folder(second, ""), *c = in_folder(out, "");
	auto_free char *a_text = test_read(a), *b_text = test_read(b), *both = xasprintf("%s%s", a_text, b_text);

	test_write(c, both);
}

static int setup(void **state)
{
	(void)state;
	folder = test_folder();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	authority_make(folder, "ca");
	authority_make(folder, "other-ca");
	issue("server", "ca", 2, "subjectAltName=IP:127.0.0.1");
	issue("server2", "ca", 2, "subjectAltName=IP:127.0.0.1");
	issue("named", "ca", 2, "subjectAltName=DNS:latency-sched.kube-system.svc");
	issue("expired", "ca", -1, "subjectAltName=IP:127.0.0.1");
	issue("between", "ca", 2, "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign");
	issue("leaf", "between", 2, "subjectAltName=IP:127.0.0.1");
	join_files("chain.pem", "leaf.pem", "between.pem");
	issue("client", "ca", 2, "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\nsubjectAltName=DNS:Somebody.example,URI:spiffe://mesh/somebody");
	issue("plain-client", "ca", 2, NULL);
	issue("stranger", "other-ca", 2, "extendedKeyUsage=clientAuth");
	issue("expired-client", "ca", -1, "extendedKeyUsage=clientAuth");
	issue("server-only", "ca", 2, "extendedKeyUsage=serverAuth");
	issue("no-signer", "ca", 2, "extendedKeyUsage=clientAuth\nkeyUsage=keyEncipherment");
	join_files("both-cas.pem", "ca.pem", "other-ca.pem");
	return 0;
}

/* --- a server ------------------------------------------------------------------------------------------------------------ */

static struct {
	pthread_mutex_t lock;
	int count, by_reason[HTTP_TLS_REASONS];
	char text[500], peer[80];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(void *arg, const struct http_tls_refusal *refusal)
{
	(void)arg;
	pthread_mutex_lock(&told.lock);
	told.count++;
	told.by_reason[refusal->reason]++;
	snprintf(told.text, sizeof(told.text), "%s", refusal->text);
	snprintf(told.peer, sizeof(told.peer), "%s", refusal->peer);
	pthread_mutex_unlock(&told.lock);
}

static int told_of(enum http_tls_reason reason)
{
	int count;

	pthread_mutex_lock(&told.lock);
	count = told.by_reason[reason];
	pthread_mutex_unlock(&told.lock);
	return count;
}

static atomic_int slow_begun;
static atomic_bool slow_may_end;

static void answer_hello(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)request;
	buf_str(&reply->body, "hello\n");
}

static void answer_echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	buf_add(&reply->body, request->body, request->body_len);
}

static bool may_end(void *arg)
{
	(void)arg;
	return atomic_load(&slow_may_end);
}

static void answer_slowly(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)request;
	atomic_fetch_add(&slow_begun, 1);
	test_wait(may_end, arg, WAIT_MS);
	buf_str(&reply->body, "slow\n");
}

struct site {
	struct http_tls_settings settings;
	char *cert, *key, *ca;
	struct http_tls *tls;
	struct http_server *server;
	int port;
	int64_t mono_ms;		/* what http_tls_look is told */
};

static void site_start(struct site *s, bool own_threads)
{
	static const struct http_route routes[] = {{"GET", "/hello", answer_hello}, {"GET", "/slow", answer_slowly}, {"POST", "/echo", answer_echo}};
	struct http_settings settings = {.listen = "127.0.0.1:0", .routes = routes, .route_count = ARRAY_SIZE(routes), .own_threads = own_threads,
					 .max_body_bytes = (size_t)8 << 20};
	struct lm_err err;

	s->settings.cert_file = s->cert;
	s->settings.key_file = s->key;
	s->settings.client_ca_file = s->ca;
	s->settings.refused = note;
	if (http_tls_open(&s->settings, &s->tls, &err) < 0)
		fail_msg("%s", err.msg);
	settings.tls = s->tls;
	if (http_start(&settings, &s->server, &err) < 0)
		fail_msg("%s", err.msg);
	s->port = http_port(s->server);
}

static void site_open(struct site *s, const char *certificate, const char *ca, bool own_threads)
{
	*s = (struct site){.cert = in_folder(certificate, ".pem"), .key = in_folder(STREQ(certificate, "chain") ? "leaf" : certificate, ".key"),
			   .ca = ca ? in_folder(ca, ".pem") : NULL};
	site_start(s, own_threads);
}

static void site_close(struct site *s)
{
	http_stop(s->server);
	http_tls_close(s->tls);
	free(s->cert);
	free(s->key);
	free(s->ca);
}

/* --- a client ------------------------------------------------------------------------------------------------------------ */

struct caller {
	CURL *curl;
	struct buf body;
	char error[CURL_ERROR_SIZE];
	long status, connects;
};

static size_t take(char *data, size_t size, size_t count, void *arg)
{
	buf_add(&((struct caller *)arg)->body, data, size * count);
	return size * count;
}

/* CURL_SSLVERSION_TLSv1_2 means that or later, so the most is told too. */
static long exactly(int version)
{
	if (version == 11)
		return CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1;
	return version == 12 ? CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2 : CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3;
}

static void set_text(CURL *curl, CURLoption option, const char *name, const char *suffix)
{
	auto_free char *path = in_folder(name, suffix);

	assert_int_equal(curl_easy_setopt(curl, option, path), CURLE_OK);
}

/* `certificate` NULL: none. */
static void caller_open(struct caller *c, const char *certificate, int version)
{
	*c = (struct caller){.curl = curl_easy_init()};
	set_text(c->curl, CURLOPT_CAINFO, "ca", ".pem");
	if (certificate) {
		set_text(c->curl, CURLOPT_SSLCERT, certificate, ".pem");
		set_text(c->curl, CURLOPT_SSLKEY, certificate, ".key");
	}
	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, exactly(version));
	if (version == 11)
		curl_easy_setopt(c->curl, CURLOPT_SSL_CIPHER_LIST, "ALL:@SECLEVEL=0");
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)WAIT_MS);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
}

static void caller_close(struct caller *c)
{
	curl_easy_cleanup(c->curl);
	buf_free(&c->body);
}

static CURLcode call(struct caller *c, int port, const char *path)
{
	auto_free char *url = xasprintf("https://127.0.0.1:%d%s", port, path);
	CURLcode code;

	buf_free(&c->body);
	c->error[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
	curl_easy_getinfo(c->curl, CURLINFO_NUM_CONNECTS, &c->connects);
	return code;
}

static void expect_answer(struct caller *c, int port, const char *path, const char *body)
{
	if (call(c, port, path) != CURLE_OK || c->status != 200)
		fail_msg("%s: %ld %s", path, c->status, c->error);
	assert_string_equal(c->body.data, body);
}

static void expect_works(int port, const char *certificate, int version)
{
	struct caller c;

	caller_open(&c, certificate, version);
	expect_answer(&c, port, "/hello", "hello\n");
	caller_close(&c);
}

struct awaited {
	enum http_tls_reason reason;
	int before;
};

static bool is_told(void *arg)
{
	const struct awaited *a = arg;

	return told_of(a->reason) > a->before;
}

/* The client hears `alert` (OpenSSL's word), we are told the reason and the text, once. */
static void expect_refused(int port, const char *certificate, int version, const char *alert, enum http_tls_reason reason, const char *text)
{
	struct awaited a = {reason, told_of(reason)};
	int count = told.count;
	struct caller c;
	CURLcode code;

	caller_open(&c, certificate, version);
	code = call(&c, port, "/hello");
	printf("# TLS %d, %s: curl: %s\n", version, certificate ? certificate : "no certificate", c.error);
	if (code == CURLE_OK)
		fail_msg("%s was let in", certificate);
	if (!strstr(c.error, alert))
		fail_msg("\"%s\" is not in: %s", alert, c.error);
	caller_close(&c);
	if (!test_wait(is_told, &a, WAIT_MS))
		fail_msg("nobody was told %s, but: %s", http_tls_reasons[reason], told.text);
	printf("#   told: %s from %s: %s\n", http_tls_reasons[reason], told.peer, told.text);
	assert_non_null(strstr(told.text, text));
	assert_int_equal(strncmp(told.peer, "127.0.0.1:", 10), 0);
	assert_int_equal(told.count, count + 1);
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
			expect_refused(s.port, "expired-client", version, "certificate expired", HTTP_TLS_EXPIRED, "has expired");
			expect_refused(s.port, "server-only", version, "unsupported certificate", HTTP_TLS_USAGE, "extended key usage");
			expect_refused(s.port, "no-signer", version, "unsupported certificate", HTTP_TLS_USAGE, "(key usage)");
			expect_works(s.port, "client", version);
		}
		site_close(&s);
	}
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
	expect_refused(s.port, "client", 11, "", HTTP_TLS_PROTOCOL, "an older version alone");
	site_close(&s);
}

/* Sends the text and reads until the server closes. */
static char *talk(int port, const char *text, size_t len)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf b = {0};
	char block[4096];
	ssize_t got;

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
	while ((got = recv(fd, block, sizeof(block), 0)) > 0)
		buf_add(&b, block, (size_t)got);
	buf_add(&b, "", 0);
	return b.data;
}

static void e11_what_is_not_tls_is_refused(void **state)
{
	static const char http[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", rubbish[] = "SSH-2.0-OpenSSH_9.2\r\n";
	static const char hello_torn[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
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
	(void)hello_torn;
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
			struct caller c;
			struct site s;

			site_open(&s, servers[i].certificate, "ca", false);
			caller_open(&c, "client", version);
			assert_int_not_equal(call(&c, s.port, "/hello"), CURLE_OK);
			printf("# %s\n", c.error);
			assert_non_null(strstr(c.error, servers[i].words));
			caller_close(&c);
			site_close(&s);
		}
	assert_true(told_of(HTTP_TLS_BY_CLIENT) > 0);
	printf("# told: %s\n", told.text);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e11_clients_are_let_in_by_their_certificate_alone),
		cmocka_unit_test(e11_without_a_client_ca_nobody_is_asked),
		cmocka_unit_test(e11_tls_1_1_is_refused),
		cmocka_unit_test(e11_what_is_not_tls_is_refused),
		cmocka_unit_test(e11_clients_refuse_a_wrong_or_expired_server),
		cmocka_unit_test(a_chain_is_sent_whole),
		cmocka_unit_test(names_let_in),
		cmocka_unit_test(large_bodies_go_through),
	};

	return cmocka_run_group_tests_name("http-tls", tests, setup, NULL);
}
