#include "lib/http_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/http_keys.h"
#include "lib/http_tls_client.h"
#include "lib/http_tls_wire.h"
#include "lib/mem.h"

#define SETTLE_MS 1000
#define TLS_1_2 0x0303
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http_tls {
	struct http_tls_settings settings;
	pthread_mutex_t lock;		/* of `keys` */
	struct http_keys *keys;		/* in use for new connections */
	struct http_keys_stamp loaded, seen;	/* of the files: when they were loaded or refused; when they were looked at */
	int64_t next_mono_ms;
};

/* A connection, from its start to its end. */
struct http_tls_guest {
	struct http_tls *tls;
	struct http_keys *keys;
	gnutls_session_t session;
	struct http_tls_wire wire;
	char peer[INET6_ADDRSTRLEN + 10];
	unsigned hello_version;		/* legacy_version of ClientHello, TLS_1_2 for that and later ones; 0: none came */
	bool answered, verified, finished, told;
};

const char *const http_tls_reasons[] = {
	[HTTP_TLS_NO_CERTIFICATE] = "no_certificate", [HTTP_TLS_UNKNOWN_CA] = "unknown_ca", [HTTP_TLS_EXPIRED] = "expired", [HTTP_TLS_USAGE] = "usage",
	[HTTP_TLS_NAME] = "name", [HTTP_TLS_BAD_CERTIFICATE] = "bad_certificate", [HTTP_TLS_NOT_TLS] = "not_tls", [HTTP_TLS_PROTOCOL] = "protocol",
	[HTTP_TLS_BY_CLIENT] = "by_client", [HTTP_TLS_BROKEN_OFF] = "broken_off", [HTTP_TLS_REASONS] = NULL,
};

/* --- the files ----------------------------------------------------------------------------------------------------------- */

static struct http_tls_settings copy_settings(const struct http_tls_settings *from)
{
	struct http_tls_settings s = *from;
	const char **names = xcalloc(from->client_name_count + 1, sizeof(*names));
	size_t i;

	for (i = 0; i < from->client_name_count; i++)
		names[i] = xstrdup(from->client_names[i]);
	s.cert_file = xstrdup(from->cert_file);
	s.key_file = xstrdup(from->key_file);
	s.client_ca_file = xstrdup(from->client_ca_file);
	s.client_names = names;
	return s;
}

static void free_settings(const struct http_tls_settings *s)
{
	size_t i;

	for (i = 0; i < s->client_name_count; i++)
		free((void *)(uintptr_t)s->client_names[i]);
	free((void *)(uintptr_t)s->client_names);
	free((void *)(uintptr_t)s->cert_file);
	free((void *)(uintptr_t)s->key_file);
	free((void *)(uintptr_t)s->client_ca_file);
}

int http_tls_open(const struct http_tls_settings *settings, struct http_tls **out, struct lm_err *err)
{
	auto_free struct http_tls *tls = xcalloc(1, sizeof(*tls));

	http_keys_stamp(settings, &tls->loaded);
	tls->seen = tls->loaded;
	tls->keys = http_keys_load(settings, err);
	if (!tls->keys)
		return -1;
	tls->settings = copy_settings(settings);
	pthread_mutex_init(&tls->lock, NULL);
	*out = steal(&tls);
	return 0;
}

void http_tls_close(struct http_tls *tls)
{
	if (!tls)
		return;
	http_keys_drop(tls->keys);
	free_settings(&tls->settings);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

int64_t http_tls_end_wall_s(const struct http_tls *tls)
{
	return tls->keys->end_wall_s;	/* only the caller's thread changes `keys` */
}

static struct http_keys *hold_keys(struct http_tls *tls)
{
	struct http_keys *keys;

	pthread_mutex_lock(&tls->lock);
	keys = tls->keys;
	http_keys_hold(keys);
	pthread_mutex_unlock(&tls->lock);
	return keys;
}

static void use_keys(struct http_tls *tls, struct http_keys *keys)
{
	struct http_keys *before = tls->keys;

	pthread_mutex_lock(&tls->lock);
	tls->keys = keys;
	pthread_mutex_unlock(&tls->lock);
	http_keys_drop(before);
}

static int reload(struct http_tls *tls, struct lm_err *err)
{
	struct http_keys *keys = http_keys_load(&tls->settings, err);

	if (!keys)
		return -1;
	if (memcmp(keys->digest, tls->keys->digest, sizeof(keys->digest)) == 0) {
		http_keys_drop(keys);
		return 0;
	}
	use_keys(tls, keys);
	return 1;
}

/* No descriptor or memory, a bad moment of the file server: no change of the files tells when that is over. One that is missing changes when it comes. */
static bool may_pass(const struct lm_err *err)
{
	return (err->os_errno && err->os_errno != ENOENT) || err->code == LM_SOFTWARE;
}

int http_tls_look(struct http_tls *tls, int64_t mono_ms, struct lm_err *err)
{
	struct http_keys_stamp now;
	bool settled;
	int result;

	if (mono_ms < tls->next_mono_ms)
		return 0;
	http_keys_stamp(&tls->settings, &now);
	settled = http_keys_same(&now, &tls->seen);
	tls->seen = now;
	tls->next_mono_ms = mono_ms + (settled ? HTTP_TLS_LOOK_MS : SETTLE_MS);
	if (!settled || http_keys_same(&now, &tls->loaded))
		return 0;
	tls->loaded = now;
	result = reload(tls, err);
	if (result < 0 && may_pass(err))
		memset(&tls->loaded, 0, sizeof(tls->loaded));
	return result;
}

/* --- a handshake --------------------------------------------------------------------------------------------------------- */

static void tell(struct http_tls_guest *g, enum http_tls_reason reason, const char *text)
{
	struct http_tls_refusal refusal = {reason, g->peer, text};

	if (!g->told && g->tls->settings.refused)
		g->tls->settings.refused(g->tls->settings.arg, &refusal);
	g->told = true;
}

/*
 * The library does not send all alerts itself, and libmicrohttpd none: the client would see a connection that ends. And an end at once would be a reset,
 * for in TLS 1.3 the client's first request is on its way already: that overtakes the alert. So the session gets no further byte, and ends when the
 * client goes.
 */
static void judge(struct http_tls_guest *g)
{
	struct http_tls_verdict v = http_tls_judge(g->session, &g->tls->settings);

	g->verified = v.accepted;
	if (v.accepted)
		return;
	tell(g, v.reason, v.text);
	gnutls_alert_send(g->session, GNUTLS_AL_FATAL, v.alert);
	http_tls_wire_drain(&g->wire);
}

/* on_message lets no session finish that was not verified. */
static int verify(gnutls_session_t session)
{
	struct http_tls_guest *g = gnutls_session_get_ptr(session);

	if (!g->verified && !g->told)
		judge(g);
	return 0;
}

/* The library refuses it too, but without an alert. */
static int refuse_old(struct http_tls_guest *g)
{
	tell(g, HTTP_TLS_PROTOCOL, "the client has no TLS 1.2 or later");
	gnutls_alert_send(g->session, GNUTLS_AL_FATAL, GNUTLS_A_PROTOCOL_VERSION);
	return GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
}

/* In TLS 1.3 the library checks the key usage before it calls `verify`, and would not say why. AGAIN: it waits for a message that does not come. */
static int look_before_proof(struct http_tls_guest *g)
{
	if (g->tls->settings.client_ca_file && !g->verified && !g->told)
		judge(g);
	return g->told ? GNUTLS_E_AGAIN : 0;
}

static int on_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message)
{
	struct http_tls_guest *g = gnutls_session_get_ptr(session);

	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming && message->size >= 2)
		g->hello_version = (unsigned)message->data[0] << 8 | message->data[1];
	if (g->hello_version && g->hello_version < TLS_1_2 && !g->told)
		return refuse_old(g);
	if (type == GNUTLS_HANDSHAKE_SERVER_HELLO && !incoming)
		g->answered = true;
	if (type == GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY && incoming && when == GNUTLS_HOOK_PRE)
		return look_before_proof(g);
	if (type != GNUTLS_HANDSHAKE_FINISHED || !incoming || when != GNUTLS_HOOK_POST)
		return 0;
	/* also when it had all of the handshake before it was refused, and when no library called `verify` */
	if (g->tls->settings.client_ca_file && !g->verified)
		return GNUTLS_E_CERTIFICATE_ERROR;
	g->finished = g->wire.settled = true;
	return 0;
}

/* The session is gone by now. What the client was told by an alert has been told here too; this is about the rest. */
static void tell_end(struct http_tls_guest *g)
{
	auto_free char *text = NULL;

	if (g->finished || g->told || g->wire.first_count == 0)
		return;
	if (http_tls_wire_is_other(&g->wire)) {
		tell(g, HTTP_TLS_NOT_TLS, http_tls_wire_is_http(&g->wire) ? "plain HTTP on the port of TLS" : "what came is not TLS");
	} else if (g->answered && g->wire.alert) {
		text = xasprintf("the client refuses our certificate or what we offer%s%s", g->wire.alert_code ? ": " : "",
				 g->wire.alert_code ? gnutls_alert_get_name((gnutls_alert_description_t)g->wire.alert_code) : "");
		tell(g, HTTP_TLS_BY_CLIENT, text);
	} else if (g->hello_version && !g->answered) {
		tell(g, HTTP_TLS_PROTOCOL, "the client offers no version, cipher or curve that is taken");
	} else {
		tell(g, HTTP_TLS_BROKEN_OFF, "the handshake ended in the middle: the client went or fell silent");
	}
}

/* --- connections --------------------------------------------------------------------------------------------------------- */

static void name_peer(const struct sockaddr *address, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";
	unsigned port = 0;

	if (address && address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		port = ntohs(v4->sin_port);
	} else if (address && address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

		inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &v6->sin6_addr.s6_addr[12] : v6->sin6_addr.s6_addr, text, sizeof(text));
		port = ntohs(v6->sin6_port);
	}
	snprintf(out, size, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, port);
}

struct http_tls_guest *http_tls_begin(struct http_tls *tls, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct http_tls_guest *g;

	if (!session || !session->tls_session || !fd)
		return NULL;
	g = xcalloc(1, sizeof(*g));
	g->tls = tls;
	g->session = session->tls_session;
	g->keys = hold_keys(tls);
	name_peer(address ? address->client_addr : NULL, g->peer, sizeof(g->peer));
	gnutls_session_set_ptr(g->session, g);
	gnutls_credentials_set(g->session, GNUTLS_CRD_CERTIFICATE, g->keys->credentials);
	gnutls_handshake_set_hook_function(g->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
	http_tls_wire_attach(&g->wire, g->session, fd->connect_fd);
	if (tls->settings.client_ca_file) {
		gnutls_certificate_server_set_request(g->session, GNUTLS_CERT_REQUEST);	/* `verify` requires it, and says so */
		gnutls_certificate_send_x509_rdn_sequence(g->session, 1);		/* 1: no */
		gnutls_session_set_verify_function(g->session, verify);
	}
	return g;
}

void http_tls_end(struct http_tls_guest *guest)
{
	if (!guest)
		return;
	tell_end(guest);
	http_keys_drop(guest->keys);
	free(guest);
}

bool http_tls_is_old(const struct http_tls_guest *guest)
{
	bool old;

	if (!guest)
		return false;
	pthread_mutex_lock(&guest->tls->lock);
	old = guest->keys != guest->tls->keys;
	pthread_mutex_unlock(&guest->tls->lock);
	return old;
}

/* Never called: each session has certificates of its own. A session that had not would have none. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *ca, int ca_count, const gnutls_pk_algorithm_t *algorithms,
			  int algorithm_count, gnutls_pcert_st **certificates, unsigned *count, gnutls_privkey_t *key)
{
	(void)session;
	(void)ca;
	(void)ca_count;
	(void)algorithms;
	(void)algorithm_count;
	(void)certificates;
	(void)count;
	(void)key;
	return -1;
}

void http_tls_options(struct MHD_OptionItem *items)
{
	static char priorities[] = PRIORITIES;

	items[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
	items[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)no_certificate};
	items[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}
