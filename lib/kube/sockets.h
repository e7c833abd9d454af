/*
 * sockets.h - the sockets of a multi handle of libcurl, watched by epoll: a turn costs as much as there is to do, however many
 * requests are in flight. (curl_multi_perform looks at each of them each time, with a system call.) Private to the client.
 *
 *	sockets_init(&s, multi);
 *	while (...) {
 *		sockets_act(&s);		what is ready and what is due; libcurl's callbacks run in here
 *		... curl_multi_info_read ...
 *		sockets_wait(&s, wait_ms, fds, count);
 *	}
 *	curl_multi_cleanup(multi);
 *	sockets_close(&s);
 */
#ifndef LIB_KUBE_SOCKETS_H
#define LIB_KUBE_SOCKETS_H

#include <curl/curl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKETS_FDS_MAX 64		/* of others, in sockets_wait */

struct sockets {
	CURLM *multi;
	int epoll;
	int64_t due_mono_ms;		/* of libcurl's own timers; INT64_MAX: none */
};

void sockets_init(struct sockets *s, CURLM *multi);		/* s must stay where it is */
void sockets_close(struct sockets *s);
void sockets_act(struct sockets *s);
/* Until one is ready, something is due, one of `fds` has an event, or wait_ms are over; revents are set. */
void sockets_wait(const struct sockets *s, int64_t wait_ms, struct pollfd *fds, size_t count);

#endif
