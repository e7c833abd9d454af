/*
 * server.h - HTTP and HTTPS for the stand-in by libmicrohttpd, a thread a connection: a watch and a delay simply wait.
 */
#ifndef STANDIN_SERVER_H
#define STANDIN_SERVER_H

#include "lib/err.h"
#include "tests/apiserver/api.h"

struct server_settings {
	const char *listen;			/* "127.0.0.1:0", "[::1]:8080" */
	const char *cert_pem, *key_pem;		/* both or none */
};

struct server;

int server_start(const struct server_settings *settings, struct api *api, struct server **out, struct lm_err *err);
int server_port(const struct server *s);
void server_stop(struct server *s);		/* api->stopping was set before */

#endif
