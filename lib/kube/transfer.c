#include "lib/kube/transfer.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/kube/url.h"
#include "lib/mem.h"
#include "lib/version.h"

#define MAX_BYTES_DEFAULT ((size_t)16 << 20)
#define ERROR_BODY_BYTES ((size_t)64 << 10)	/* of a stream that was refused */
#define RETRY_AFTER_MAX_S 60
#define CONNECT_MS 5000L
#define READ_BYTES 65536L
#define IDLE_CONNECTION_S 80L	/* kube-apiserver closes one after 90 s, and what becomes of a write just then is unknown */
#define CONNECTION_LIFE_S 300L	/* so that connections spread again after an API server was restarted */

/*
 * A dead peer is noticed after user_timeout_ms, with or without bytes in flight: when it comes to the limit the kernel
 * looks at TCP_USER_TIMEOUT, on an idle connection at each keep-alive probe. Variables for the tests, like the next one.
 */
static int user_timeout_ms = 45000;
static long keepalive_idle_s = 15, keepalive_interval_s = 10;
/* libcurl's own default would notice a new CA after a day. */
static long ca_reread_s = 60;

/* For options whose failure would be a bug of ours. */
#define SET(easy, option, value)                                                      \
	do {                                                                          \
		CURLcode set_ = curl_easy_setopt(easy, option, value);                \
		assert(set_ == CURLE_OK);                                             \
		(void)set_;                                                           \
	} while (0)

static void config_copy(struct kube_config *to, const struct kube_config *from)
{
	*to = (struct kube_config){
		.server = xstrdup(from->server),
		.ca_file = xstrdup(from->ca_file),
		.ca_data = xstrdup(from->ca_data),
		.cert_file = xstrdup(from->cert_file),
		.cert_data = xstrdup(from->cert_data),
		.key_file = xstrdup(from->key_file),
		.key_data = xstrdup(from->key_data),
		.tls_server_name = xstrdup(from->tls_server_name),
		.proxy_url = xstrdup(from->proxy_url),
		.insecure = from->insecure,
	};
}

/* The URL then has the name that the certificate must have, the connection goes to the server, and so does the Host header. */
static void use_tls_name(struct endpoint *e)
{
	struct url_parts parts;
	auto_free char *route = NULL;

	url_split(e->config.server, &parts);
	e->base = xasprintf("%s://%s:%s%s", parts.scheme, e->config.tls_server_name, parts.port, parts.path);
	e->host_header = xasprintf("Host: %s:%s", parts.host, parts.port);
	route = xasprintf("%s:%s:%s:%s", e->config.tls_server_name, parts.port, parts.host, parts.port);
	e->connect_to = curl_slist_append(NULL, route);
	url_parts_free(&parts);
}

void endpoint_init(struct endpoint *e, const struct kube_config *config, const char *program)
{
	*e = (struct endpoint){.agent = xasprintf("%s/%s", program, lm_version)};
	config_copy(&e->config, config);
	if (config->tls_server_name)
		use_tls_name(e);
	else
		e->base = xstrdup(config->server);
}

void endpoint_free(struct endpoint *e)
{
	kube_config_free(&e->config);
	free(e->base);
	free(e->host_header);
	curl_slist_free_all(e->connect_to);
	free(e->agent);
	*e = (struct endpoint){0};
}

void endpoint_distrust(struct endpoint *e, int64_t mono_ms)
{
	e->ca_fresh_until_ms = mono_ms + 1000 * ca_reread_s;
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	bool streams = t->is_stream && transfer_status(t) == 200;
	size_t max = t->is_stream ? ERROR_BODY_BYTES : t->max_bytes;

	(void)one;
	t->heard_mono_ms = clock_mono_ms();
	if (!streams && len > max - t->in.len) {
		t->too_large = true;
		if (!t->is_stream)
			return 0;	/* libcurl ends the transfer */
		len = max - t->in.len;
		buf_add(&t->in, bytes, len);
		return 0;
	}
	buf_add(&t->in, bytes, len);
	return len;
}

/* A connection keeps the client certificate that it began with. When that is not accepted (any more) the next one may have another. */
static size_t on_header(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)bytes;
	if (t->by_certificate && transfer_status(t) == 401)
		SET(t->easy, CURLOPT_FORBID_REUSE, 1L);
	t->heard_mono_ms = clock_mono_ms();
	return one * len;
}

/*
 * The connection stands and the request goes out now. libcurl repeats a request by itself when a kept connection turns out to be
 * closed, whatever the method; the second time a write is stopped here, for the first one may have been carried out.
 */
static int on_ready(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct transfer *t = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	if (t->is_write && t->sent)
		return CURL_PREREQFUNC_ABORT;
	t->sent = !t->may_send; /* a guarded one: when its body went out, for without it nothing is carried out */
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *to, size_t one, size_t room, void *arg)
{
	struct transfer *t = arg;
	size_t left = t->body_len - t->body_at, len = left < one * room ? left : one * room;

	if (!t->may_send(t->may_send_arg)) {
		t->withheld = true;
		return CURL_READFUNC_ABORT;
	}
	memcpy(to, t->body + t->body_at, len);
	t->body_at += len;
	t->sent = t->body_at == t->body_len; /* a body that is not whole is not carried out either */
	return len;
}

/* libcurl starts over on another connection. When anything of the body was sent, on_ready ends it. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;

	assert(origin == SEEK_SET && offset >= 0 && (size_t)offset <= t->body_len);
	t->body_at = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype type)
{
	(void)arg;
	(void)type;
	/* Only TCP sockets know it; on others a failure does not matter. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
	return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob blob = {.data = pem, .len = pem ? strlen(pem) : 0, .flags = CURL_BLOB_NOCOPY};

	if (pem)
		SET(easy, option, &blob);
}

static void set_tls(CURL *easy, const struct endpoint *e)
{
	const struct kube_config *c = &e->config;

	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(easy, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	SET(easy, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
	SET(easy, CURLOPT_CA_CACHE_TIMEOUT, clock_mono_ms() < e->ca_fresh_until_ms ? 0L : ca_reread_s);
	SET(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);	/* a resumed session would not look at the CA */
	if (c->ca_file || c->ca_data)
		SET(easy, CURLOPT_CAPATH, NULL);	/* else the system's CAs are trusted beside ours */
	if (c->ca_file)
		SET(easy, CURLOPT_CAINFO, c->ca_file);
	set_blob(easy, CURLOPT_CAINFO_BLOB, c->ca_data);
	if (c->cert_file)
		SET(easy, CURLOPT_SSLCERT, c->cert_file);
	if (c->key_file)
		SET(easy, CURLOPT_SSLKEY, c->key_file);
	set_blob(easy, CURLOPT_SSLCERT_BLOB, c->cert_data);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, c->key_data);
}

static void set_network(CURL *easy, const struct endpoint *e)
{
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	/* a request that ends while its name is being resolved leaves that thread behind; else it would wait for it, whatever its own limit is */
	SET(easy, CURLOPT_QUICK_EXIT, 1L);
	SET(easy, CURLOPT_PROTOCOLS_STR, strncmp(e->base, "https:", 6) == 0 ? "https" : "http");
	SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* "": no proxy, whatever the environment says */
	SET(easy, CURLOPT_PROXY, e->config.proxy_url ? e->config.proxy_url : "");
	SET(easy, CURLOPT_NOPROXY, e->config.proxy_url ? "" : "*");
	SET(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(easy, CURLOPT_TCP_KEEPIDLE, keepalive_idle_s);
	SET(easy, CURLOPT_TCP_KEEPINTVL, keepalive_interval_s);
	SET(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	SET(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
	SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
	SET(easy, CURLOPT_BUFFERSIZE, READ_BYTES);
	SET(easy, CURLOPT_USERAGENT, e->agent);
	SET(easy, CURLOPT_PATH_AS_IS, 1L);
	if (e->connect_to)
		SET(easy, CURLOPT_CONNECT_TO, e->connect_to);
}

static void set_callbacks(struct transfer *t)
{
	SET(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	SET(t->easy, CURLOPT_WRITEDATA, t);
	SET(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	SET(t->easy, CURLOPT_HEADERDATA, t);
	SET(t->easy, CURLOPT_PREREQFUNCTION, on_ready);
	SET(t->easy, CURLOPT_PREREQDATA, t);
	SET(t->easy, CURLOPT_ERRORBUFFER, t->text);
}

/* The body is fetched when it is to go out, not before; on the wire it looks the same. */
static void set_guarded_body(struct transfer *t, const struct kube_request *request)
{
	assert(t->body_len > 0);
	t->may_send = request->may_send;
	t->may_send_arg = request->may_send_arg;
	SET(t->easy, CURLOPT_POST, 1L);
	SET(t->easy, CURLOPT_READFUNCTION, on_body);
	SET(t->easy, CURLOPT_READDATA, t);
	SET(t->easy, CURLOPT_SEEKFUNCTION, on_rewind);
	SET(t->easy, CURLOPT_SEEKDATA, t);
}

static void set_method(struct transfer *t, const struct kube_request *request)
{
	const char *m = request->method;
	bool body = request->body || STREQ(m, "POST") || STREQ(m, "PUT") || STREQ(m, "PATCH");

	t->is_write = !STREQ(m, "GET");
	if (body) {
		t->body = xstrdup(request->body ? request->body : "");
		t->body_len = strlen(t->body);
		SET(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
		if (request->may_send)
			set_guarded_body(t, request);
		else
			SET(t->easy, CURLOPT_POSTFIELDS, t->body);
	}
	if (t->is_write)
		SET(t->easy, CURLOPT_CUSTOMREQUEST, m);
}

void transfer_init(struct transfer *t, const struct endpoint *e, const struct kube_request *request, bool is_stream)
{
	auto_free char *url = xasprintf("%s%s", e->base, request->path);

	assert(request->path[0] == '/');
	*t = (struct transfer){.is_stream = is_stream, .max_bytes = request->max_bytes ? request->max_bytes : MAX_BYTES_DEFAULT};
	t->by_certificate = e->config.cert_file != NULL;
	t->easy = curl_easy_init();
	assert(t->easy);
	SET(t->easy, CURLOPT_URL, url);
	SET(t->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	set_network(t->easy, e);
	set_tls(t->easy, e);
	set_callbacks(t);
	set_method(t, request);
}

static void wipe_headers(struct curl_slist *headers)
{
	struct curl_slist *at;

	for (at = headers; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(headers);
}

static void add_header(struct transfer *t, const char *name, const char *value)
{
	auto_free char *line = xasprintf("%s: %s", name, value);

	t->headers = curl_slist_append(t->headers, line);
	assert(t->headers);
	explicit_bzero(line, strlen(line));
}

void transfer_prepare(struct transfer *t, const struct endpoint *e, const struct kube_request *request, const char *token)
{
	wipe_headers(t->headers);
	t->headers = curl_slist_append(NULL, "Accept: application/json");
	t->headers = curl_slist_append(t->headers, "Expect:");	/* no 100-continue: it costs a round trip */
	if (t->body)
		add_header(t, "Content-Type", request->content_type ? request->content_type : "application/json");
	if (token) {
		auto_free char *bearer = xasprintf("Bearer %s", token);

		add_header(t, "Authorization", bearer);
		explicit_bzero(bearer, strlen(bearer));
	}
	if (e->host_header)
		t->headers = curl_slist_append(t->headers, e->host_header);
	SET(t->easy, CURLOPT_HTTPHEADER, t->headers);
	buf_clear(&t->in);
	t->sent = t->too_large = t->withheld = false;
	t->body_at = 0;
	t->text[0] = '\0';
	t->heard_mono_ms = clock_mono_ms();
}

bool transfer_renew(struct transfer *t)
{
	if (!t->by_certificate)
		return false;
	SET(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	SET(t->easy, CURLOPT_FORBID_REUSE, 0L);
	return true;
}

void transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	wipe_headers(t->headers);
	free(t->body);
	buf_free(&t->in);
	*t = (struct transfer){0};
}

int transfer_status(const struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

int64_t transfer_retry_after_ms(const struct transfer *t)
{
	struct curl_header *header;
	int64_t seconds;
	time_t date;
	const char *p;

	if (curl_easy_header(t->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK || !header->value[0])
		return -1;
	for (p = header->value, seconds = 0; isdigit((unsigned char)*p); p++)
		seconds = seconds > RETRY_AFTER_MAX_S ? seconds : seconds * 10 + (*p - '0');
	if (*p) {
		date = curl_getdate(header->value, NULL);
		if (date < 0 || !isalpha((unsigned char)header->value[0]))
			return -1;
		seconds = (int64_t)date - clock_wall_ms() / 1000;
	}
	if (seconds < 0)
		seconds = 0;
	return (seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds) * 1000;
}

/* "certificate has expired" of "SSL certificate problem: certificate has expired". */
static const char *without(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : text;
}

/* "wrong version number" of "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number, errno 0". */
static void tls_error(const char *server, const char *text, struct lm_err *err)
{
	const char *at = strstr(text, "SSL routines::"), *words = at ? at + strlen("SSL routines::") : text, *end = strstr(words, ", errno ");

	lm_fail(err, LM_UNAVAILABLE, "%s: TLS: %.*s", server, (int)(end ? (size_t)(end - words) : strlen(words)), words);
}

static void certificate_error(const struct transfer *t, const struct endpoint *e, struct lm_err *err)
{
	const char *why = without(without(t->text, "SSL certificate problem: "), "SSL: ");
	const struct kube_config *c = &e->config;
	auto_free char *ca = c->ca_file ? xasprintf("the CA in `%s`", c->ca_file) : NULL;
	const char *trusted = ca ? ca : c->ca_data ? "certificate-authority-data" : "the system's CAs";

	lm_fail(err, LM_UNAVAILABLE, "%s: the server's certificate is refused: %s (trusted: %s)", c->server, why, trusted);
}

void transfer_error(const struct transfer *t, const struct endpoint *e, CURLcode result, struct lm_err *err)
{
	const char *server = e->config.server, *text = t->text[0] ? t->text : curl_easy_strerror(result);
	long number = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
	if (t->withheld)
		lm_fail(err, LM_UNAVAILABLE, "%s: not sent: its sender may not write any more", server);
	else if (t->too_large)
		lm_fail(err, LM_UNAVAILABLE, "%s: the answer is larger than %zu bytes", server, t->max_bytes);
	else if (result == CURLE_PEER_FAILED_VERIFICATION)
		certificate_error(t, e, err);
	else if (result == CURLE_SSL_CONNECT_ERROR || strstr(text, "SSL routines::"))
		tls_error(server, text, err);
	else if (result == CURLE_SSL_CERTPROBLEM)
		lm_fail(err, LM_UNAVAILABLE, "%s: TLS: client certificate: %s", server, text);
	else if (result == CURLE_SSL_CACERT_BADFILE)
		lm_fail(err, LM_UNAVAILABLE, "%s: TLS: CA: %s", server, text);
	else if (result == CURLE_COULDNT_CONNECT && number)
		lm_fail(err, LM_UNAVAILABLE, "%s: connect: %s", server, strerror((int)number));
	else if (result == CURLE_ABORTED_BY_CALLBACK || result == CURLE_GOT_NOTHING)
		lm_fail(err, LM_UNAVAILABLE, "%s: the connection was closed before an answer came", server);
	else
		lm_fail(err, LM_UNAVAILABLE, "%s: %s", server, text);
	err->os_errno = (int)number;
}
