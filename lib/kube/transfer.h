/*
 * transfer.h - one request as libcurl sees it: the options of its easy handle, its bytes, and the words for its failure. Private
 * to the client (client.c owns the calls and talks to everybody; this file talks to libcurl's easy handles only).
 */
#ifndef LIB_KUBE_TRANSFER_H
#define LIB_KUBE_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/kube/client.h"

/* What all requests of a client have in common. */
struct endpoint {
	struct kube_config config;
	char *base;			/* what goes before the path: "https://10.0.0.1:6443" */
	char *host_header;		/* "Host: ..." when TLS goes by another name than the server's; NULL */
	struct curl_slist *connect_to;	/* the same */
	char *agent;			/* "latency-sched/1.0" */
	int64_t ca_fresh_until_ms;	/* a certificate was refused: until then the CA is read anew for each connection */
};

struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t body_len, body_at;	/* of a guarded one: how much libcurl has taken */
	bool (*may_send)(void *arg);	/* NULL: not guarded */
	void *may_send_arg;
	struct buf in;			/* bytes of the answer that nobody has taken yet */
	size_t max_bytes;
	bool is_stream, is_write;	/* is_write: may change something, so it must not be sent twice */
	bool by_certificate;		/* of a file, which may be renewed */
	bool sent, too_large, withheld;	/* withheld: may_send said no */
	int64_t heard_mono_ms;		/* of the start or of the last byte */
	char text[CURL_ERROR_SIZE];
};

void endpoint_init(struct endpoint *e, const struct kube_config *config, const char *program);	/* copies */
void endpoint_free(struct endpoint *e);								/* wipes secrets */

void transfer_init(struct transfer *t, const struct endpoint *e, const struct kube_request *request, bool is_stream);
/* A server's certificate was refused: perhaps by an old CA that is kept in memory. */
void endpoint_distrust(struct endpoint *e, int64_t mono_ms);
/* Headers of the next try, with this token (may be NULL), and what the last one left is dropped. */
void transfer_prepare(struct transfer *t, const struct endpoint *e, const struct kube_request *request, const char *token);
/* After a 401: true when the next try goes out on a new connection, with the client certificate that lies there then. */
bool transfer_renew(struct transfer *t);
void transfer_free(struct transfer *t);
int transfer_status(const struct transfer *t);			/* HTTP, 0 before there is one */
int64_t transfer_retry_after_ms(const struct transfer *t);	/* -1: absent or garbage */
/* "https://10.0.0.1:6443: certificate refused: ..." */
void transfer_error(const struct transfer *t, const struct endpoint *e, CURLcode result, struct lm_err *err);

#endif
