/* http_route.h - for http.c: what a request says before its body, and who sent it. */
#ifndef LIB_HTTP_ROUTE_H
#define LIB_HTTP_ROUTE_H

#include <microhttpd.h>
#include <netinet/in.h>

#include "lib/http.h"

/* NULL: none. *known becomes true when there is one of another method. HEAD is answered by GET's. */
const struct http_route *http_route_find(const struct http_route *route, size_t count, const char *method, const char *path, bool *known);
void http_route_query(struct MHD_Connection *connection, struct buf *out);	/* adds it, decoded, without its `?` */
const char *http_route_header(struct MHD_Connection *connection, const char *name);	/* "" when there is none */
/* As http_request.peer. An IPv4 client of a socket for both is "::ffff:10.0.0.7" to it, and "10.0.0.7" to us. */
void http_route_peer(struct MHD_Connection *connection, char text[static INET6_ADDRSTRLEN]);

#endif
