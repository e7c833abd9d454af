/*
 * tls_site.h - what the tests of http_tls.h share: certificates made for the run, a server that uses them, and a client (libcurl) with its own.
 */
#ifndef TESTS_UNIT_TLS_SITE_H
#define TESTS_UNIT_TLS_SITE_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/http.h"
#include "lib/http_tls.h"
#include "lib/mem.h"
#include "tests/testing/authority.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000

static const char *folder;

static inline char *in_folder(const char *name, const char *suffix)
{
	return xasprintf("%s/%s%s", folder, name, suffix);
}

static inline void issue(const char *name, const char *ca, int days, const char *extensions)
{
	authority_issue(folder, ca, &(struct authority_wish){.name = name, .days = days, .extensions = extensions});
}

static inline void join_files(const char *out, const char *first, const char *second)
{
	auto_free char *a = in_folder(first, ""), *b = in_folder(second, ""), *c = in_folder(out, "");
	auto_free char *a_text = test_read(a), *b_text = test_read(b), *both = xasprintf("%s%s", a_text, b_text);

	test_write(c, both);
}

static inline int setup(void **state)
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

static inline void note(void *arg, const struct http_tls_refusal *refusal)
{
	(void)arg;
	pthread_mutex_lock(&told.lock);
	atomic_fetch_add(&told.count, 1);
	told.by_reason[refusal->reason]++;
	snprintf(told.text, sizeof(told.text), "%s", refusal->text);
	snprintf(told.peer, sizeof(told.peer), "%s", refusal->peer);
	pthread_mutex_unlock(&told.lock);
}

static inline int told_of(enum http_tls_reason reason)
{
	int count;

	pthread_mutex_lock(&told.lock);
	count = told.by_reason[reason];
	pthread_mutex_unlock(&told.lock);
	return count;
}

static atomic_int slow_begun;
static atomic_bool slow_may_end;

static inline void answer_hello(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	(void)request;
	buf_str(&reply->body, "hello\n");
}

static inline void answer_echo(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg;
	buf_add(&reply->body, request->body, request->body_len);
}

static inline bool may_end(void *arg)
{
	(void)arg;
	return atomic_load(&slow_may_end);
}

static inline void answer_slowly(void *arg, const struct http_request *request, struct http_reply *reply)
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

static inline void site_start(struct site *s, bool own_threads)
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

static inline void site_close(struct site *s)
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

static inline size_t take(char *data, size_t size, size_t count, void *arg)
{
	buf_add(&((struct caller *)arg)->body, data, size * count);
	return size * count;
}

/* CURL_SSLVERSION_TLSv1_2 means that or later, so the most is told too. */
static inline long exactly(int version)
{
	if (version == 11)
		return CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1;
	return version == 12 ? CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2 : CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3;
}

static inline void set_text(CURL *curl, CURLoption option, const char *name, const char *suffix)
{
	auto_free char *path = in_folder(name, suffix);

	assert_int_equal(curl_easy_setopt(curl, option, path), CURLE_OK);
}

/* `certificate` NULL: none. */
static inline void caller_open(struct caller *c, const char *certificate, int version)
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

static inline void caller_close(struct caller *c)
{
	curl_easy_cleanup(c->curl);
	buf_free(&c->body);
}

static inline CURLcode call(struct caller *c, int port, const char *path)
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

static inline void expect_answer(struct caller *c, int port, const char *path, const char *body)
{
	if (call(c, port, path) != CURLE_OK || c->status != 200)
		fail_msg("%s: %ld %s", path, c->status, c->error);
	assert_string_equal(c->body.data, body);
}

static inline void expect_works(int port, const char *certificate, int version)
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

static inline bool is_told(void *arg)
{
	const struct awaited *a = arg;

	return told_of(a->reason) > a->before;
}

/* The client hears `alert` (OpenSSL's word), we are told the reason and the text, once. */
static inline void expect_refused(int port, const char *certificate, int version, const char *alert, enum http_tls_reason reason, const char *text)
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

#endif
