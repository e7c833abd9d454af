/*
 * http_socket.h - the socket that http.h listens on, and the descriptors that its connections need.
 */
#ifndef LIB_HTTP_SOCKET_H
#define LIB_HTTP_SOCKET_H

#include <sys/resource.h>

#include "lib/err.h"

#define HTTP_FDS_WANTED 65536
#define HTTP_FDS_SPARE 384		/* files, API and reader 128; another small server beside 256 */

/* As http_settings.listen. The descriptor, or -1: LM_USAGE for an address that is none, LM_UNAVAILABLE when it cannot be listened on; both name it. */
int http_socket_open(const char *listen_on, struct lm_err *err);
int http_socket_port(int fd);			/* 0: not known */

/* Raises the soft limit of descriptors to HTTP_FDS_WANTED, where the hard one allows. */
void http_raise_fd_limit(void);
rlim_t http_fds_wanted(rlim_t soft, rlim_t hard);	/* never lower than `soft` */
/* As many connections of those wanted as leave HTTP_FDS_SPARE of the soft limit to the rest of the program; half of it, where that would leave fewer. */
unsigned http_connections_fit(rlim_t soft, unsigned wanted);
unsigned http_connections_allowed(unsigned wanted);	/* by the limit as it is now */

#endif
