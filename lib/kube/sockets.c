#include "lib/kube/sockets.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/clock.h"

#define READY_MAX 64

/* libcurl says what a socket is to be watched for. It takes it back before it closes it, but for one that is still connecting: that has left
 * the set by then, and its number may be another thread's, which the kernel refuses to remove since it is not in the set. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *ignored)
{
	struct sockets *s = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	(void)ignored;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	return errno == EEXIST && epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long wait_ms, void *arg)
{
	struct sockets *s = arg;

	(void)multi;
	s->due_mono_ms = wait_ms < 0 ? INT64_MAX : clock_mono_ms() + wait_ms;
	return 0;
}

void sockets_init(struct sockets *s, CURLM *multi)
{
	*s = (struct sockets){.multi = multi, .epoll = epoll_create1(EPOLL_CLOEXEC), .due_mono_ms = INT64_MAX};
	assert(s->epoll >= 0);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, s);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, s);
}

void sockets_close(struct sockets *s)
{
	close(s->epoll);
	s->epoll = -1;
}

static int what_happened(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

void sockets_act(struct sockets *s)
{
	struct epoll_event ready[READY_MAX];
	int count = epoll_wait(s->epoll, ready, READY_MAX, 0), running, i;

	for (i = 0; i < count; i++)
		curl_multi_socket_action(s->multi, ready[i].data.fd, what_happened(ready[i].events), &running);
	if (clock_mono_ms() < s->due_mono_ms)
		return;
	s->due_mono_ms = INT64_MAX;	/* libcurl sets the next one */
	curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

void sockets_wait(const struct sockets *s, int64_t wait_ms, struct pollfd *fds, size_t count)
{
	struct pollfd all[SOCKETS_FDS_MAX + 1] = {{.fd = s->epoll, .events = POLLIN}};
	int64_t left = s->due_mono_ms == INT64_MAX ? wait_ms : s->due_mono_ms - clock_mono_ms();
	size_t i;

	assert(count <= SOCKETS_FDS_MAX);
	left = left < wait_ms ? left : wait_ms;
	left = left < 0 ? 0 : left;
	for (i = 0; i < count; i++)
		all[i + 1] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
	if (poll(all, (nfds_t)count + 1, left > INT_MAX ? INT_MAX : (int)left) <= 0)
		return;
	for (i = 0; i < count; i++)
		fds[i].revents = all[i + 1].revents;
}
