/* http_tls.h against libcurl, with certificates made for each run, in both versions of TLS: E11 and E12. */
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

#include <curl/curl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/http.h"
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
	issue("foreign", "other-ca", 2, "subjectAltName=IP:127.0.0.1");
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
	atomic_int count;
	int by_reason[HTTP_TLS_REASONS];
	char text[500], peer[80];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(void *arg, const struct http_tls_refusal *refusal)
{
	(void)arg;
	pthread_mutex_lock(&told.lock);
	atomic_fetch_add(&told.count, 1);
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
	struct http_settings settings = {.listen = "127.0.0.1:0", .routes = routes, .route_count = ARRAY_SIZE(routes), .threads = own_threads ? 3 : 0,
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
	int count = atomic_load(&told.count);
	struct caller c;

	caller_open(&c, certificate, version);
	expect_answer(&c, port, "/hello", "hello\n");
	caller_close(&c);
	assert_int_equal(atomic_load(&told.count), count);
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
	int count = atomic_load(&told.count);
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
	assert_int_equal(atomic_load(&told.count), count + 1);
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

/* --- E12 ------------------------------------------------------------------------------------------------------------------ */

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
		cmocka_unit_test(e12_a_new_certificate_is_used_and_nothing_is_dropped),
		cmocka_unit_test(e12_a_new_ca_with_a_request_in_flight),
		cmocka_unit_test(e12_a_broken_pair_is_kept_out_until_it_is_mended),
		cmocka_unit_test(bad_files_are_named),
	};

	return cmocka_run_group_tests_name("http-tls", tests, setup, NULL);
}
