#include "lib/http_route.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

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

const char *http_route_header(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

	return value ? value : "";
}

void http_route_peer(struct MHD_Connection *connection, char text[static INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *from = info ? info->client_addr : NULL;
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	text[0] = '\0';
	if (from && from->sa_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN);
	} else if (from && from->sa_family == AF_INET6) {
		memcpy(&v6, from, sizeof(v6));
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
		else
			inet_ntop(AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN);
	}
}

bool http_is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t len = strlen(json);

	return strncasecmp(content_type, json, len) == 0 && strchr("; \t", content_type[len]);	/* its end is one of them, too */
}

const char *http_refusal_text(int status)
{
	switch (status) {
	case 408:
		return "the body came too slowly";
	case 413:
		return "the body is too large";
	case 431:
		return "the header is too large";
	case 503:
		return "too many bodies at a time";
	default:
		return "this is no HTTP";
	}
}
