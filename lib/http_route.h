/* http_route.h - for http.c: what a request's first line says. */
#ifndef LIB_HTTP_ROUTE_H
#define LIB_HTTP_ROUTE_H

#include <microhttpd.h>

#include "lib/http.h"

/* NULL: none. *known becomes true when there is one of another method. HEAD is answered by GET's. */
const struct http_route *http_route_find(const struct http_route *route, size_t count, const char *method, const char *path, bool *known);
void http_route_query(struct MHD_Connection *connection, struct buf *out);	/* adds it, decoded, without its `?` */

#endif
