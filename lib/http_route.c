#include "lib/http_route.h"

#include <string.h>

#include "lib/mem.h"

static bool is_path_of(const struct http_route *route, const char *path)
{
	size_t len = strlen(route->path);

	return len > 1 && route->path[len - 1] == '/' ? strncmp(path, route->path, len) == 0 : STREQ(route->path, path);
}

const struct http_route *http_route_find(const struct http_route *route, size_t count, const char *method, const char *path, bool *known)
{
	for (; count--; route++) {
		if (!is_path_of(route, path))
			continue;
		*known = true;
		if (STREQ(route->method, method) || (STREQ(route->method, "GET") && STREQ(method, "HEAD")))
			return route;
	}
	return NULL;
}

/* A query as it came would need a look into the raw request; libmicrohttpd gives it decoded, argument by argument. */
static enum MHD_Result add_argument(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *query = arg;

	(void)kind;
	buf_printf(query, "%s%s%s%s", query->len ? "&" : "", key, value ? "=" : "", value ? value : "");
	return MHD_YES;
}

void http_route_query(struct MHD_Connection *connection, struct buf *out)
{
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, out);
}
