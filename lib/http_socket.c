#include "lib/http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define BACKLOG 4096		/* the kernel's net.core.somaxconn holds too */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

/* "ADDR:PORT", "[v6]:PORT", ":PORT". */
static int parse_address(const char *listen, struct address *out, struct lm_err *err)
{
	const char *colon = strrchr(listen, ':');
	auto_free char *host = colon ? xstrndup(listen, (size_t)(colon - listen)) : NULL;
	size_t len = host ? strlen(host) : 0;
	char *end = NULL;
	unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;

	*out = (struct address){0};
	if (!end || *end || port > 65535)
		return lm_fail(err, LM_USAGE, "`%s` is no address to listen on (examples: 0.0.0.0:3000, [::1]:3000, :3000)", listen);
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	if (!*host || inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		return 0;
	}
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) != 1)
		return lm_fail(err, LM_USAGE, "`%s`: \"%s\" is no numeric address", listen, host);
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons((uint16_t)port);
	return 0;
}

/* The socket is ours, not the library's, so that the reason of a failure is exact; without IPv6, ":PORT" is IPv4 alone. */
int http_socket_open(const char *listen_on, struct lm_err *err)
{
	struct address a;
	int fd, on = 1, off = 0;
	socklen_t len;

	if (parse_address(listen_on, &a, err) < 0)
		return -1;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && listen_on[0] == ':') {
		uint16_t port = a.v6.sin6_port;

		a = (struct address){.v4 = {.sin_family = AF_INET, .sin_port = port}};
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	len = a.any.sa_family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (a.any.sa_family == AF_INET || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
	    bind(fd, &a.any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	lm_fail_errno(err, "listen on `%s`", listen_on);
	err->code = LM_UNAVAILABLE;
	cleanup_close(&fd);
	return -1;
}

int http_socket_port(int fd)
{
	struct address a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

rlim_t http_fds_wanted(rlim_t soft, rlim_t hard)
{
	rlim_t wanted = hard < HTTP_FDS_WANTED ? hard : HTTP_FDS_WANTED;

	return soft < wanted ? wanted : soft;
}

/* Accepting needs descriptors; a low soft limit is a default of shells, not a decision. */
void http_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = http_fds_wanted(limit.rlim_cur, limit.rlim_max);
	setrlimit(RLIMIT_NOFILE, &limit);
}

unsigned http_connections_fit(rlim_t soft, unsigned wanted)
{
	rlim_t most = soft > 2 * HTTP_FDS_SPARE ? soft - HTTP_FDS_SPARE : soft / 2;

	return most < wanted ? (unsigned)most : wanted;
}

unsigned http_connections_allowed(unsigned wanted)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? wanted : http_connections_fit(limit.rlim_cur, wanted);
}
