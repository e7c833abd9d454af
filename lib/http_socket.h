/*
 * http_socket.h - the socket that http.h listens on, and the descriptors that its connections need.
 */
#ifndef LIB_HTTP_SOCKET_H
#define LIB_HTTP_SOCKET_H

#include <sys/resource.h>

#include "lib/err.h"

#define HTTP_FDS_WANTED 65536

/* As http_settings.listen. The descriptor, or -1: LM_USAGE for an address that is none, LM_UNAVAILABLE when it cannot be listened on; both name it. */
int http_socket_open(const char *listen_on, struct lm_err *err);
int http_socket_port(int fd);			/* 0: not known */

/* Raises the soft limit of descriptors to HTTP_FDS_WANTED, where the hard one allows. */
void http_raise_fd_limit(void);
rlim_t http_fds_wanted(rlim_t soft, rlim_t hard);	/* never lower than `soft` */

#endif
