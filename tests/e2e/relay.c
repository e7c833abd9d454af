#include "tests/e2e/relay.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

#define PAIRS_MAX 512
#define NOTICE_MS 2			/* a change of the state is seen after that */
#define STOPPING (-1)

struct ends {
	int client, server;		/* server -1: not put through yet */
};

struct relay {
	int listener;
	struct sockaddr_in to;
	char url[64];
	pthread_t thread;
	atomic_int wanted, state;
	struct ends pairs[PAIRS_MAX];
	size_t count;
};

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void hang_up(struct relay *r, size_t i)
{
	close(r->pairs[i].client);
	if (r->pairs[i].server >= 0)
		close(r->pairs[i].server);
	r->pairs[i] = r->pairs[--r->count];
}

static void take_call(struct relay *r)
{
	struct ends new = {accept4(r->listener, NULL, NULL, SOCK_CLOEXEC), -1};

	if (new.client < 0)
		return;
	r->pairs[r->count++] = new;
	if (r->state == RELAY_CUT || r->count == PAIRS_MAX)
		hang_up(r, r->count - 1);
}

static void put_through(struct relay *r, size_t i)
{
	struct ends *pair = &r->pairs[i];
	int on = 1;

	pair->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(pair->server, (const struct sockaddr *)&r->to, sizeof(r->to)) < 0) {
		hang_up(r, i);
		return;
	}
	setsockopt(pair->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(pair->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool pass(int from, int to)
{
	char bytes[65536];
	ssize_t len = recv(from, bytes, sizeof(bytes), 0), done = 0, more = 1;

	for (; done < len && more > 0; done += more)
		more = send(to, bytes + done, (size_t)(len - done), MSG_NOSIGNAL);
	return len > 0 && more > 0;
}

static void turn(struct relay *r)
{
	struct pollfd fds[2 * PAIRS_MAX + 1];
	size_t count, i;

	for (i = r->count; i-- > 0 && r->state != RELAY_NO_REQUESTS;)
		if (r->pairs[i].server < 0)
			put_through(r, i);
	count = r->count;
	fds[0] = (struct pollfd){.fd = r->listener, .events = POLLIN};
	for (i = 0; i < count; i++) {
		fds[2 * i + 1] = (struct pollfd){.fd = r->state == RELAY_NO_REQUESTS ? -1 : r->pairs[i].client, .events = POLLIN};
		fds[2 * i + 2] = (struct pollfd){.fd = r->state == RELAY_NO_ANSWERS ? -1 : r->pairs[i].server, .events = POLLIN};
	}
	if (poll(fds, 2 * count + 1, NOTICE_MS) <= 0)
		return;
	for (i = count; i-- > 0;)	/* from the end: what moves into a hole has been served */
		if ((fds[2 * i + 1].revents && !pass(r->pairs[i].client, r->pairs[i].server)) ||
		    (fds[2 * i + 2].revents && !pass(r->pairs[i].server, r->pairs[i].client)))
			hang_up(r, i);
	if (fds[0].revents)
		take_call(r);
}

static void *run(void *arg)
{
	struct relay *r = arg;

	while (r->wanted != STOPPING) {
		atomic_store(&r->state, atomic_load(&r->wanted));
		while (r->state == RELAY_CUT && r->count)
			hang_up(r, r->count - 1);
		turn(r);
	}
	while (r->count)
		hang_up(r, r->count - 1);
	return NULL;
}

struct relay *relay_start(const char *to)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	struct sockaddr_in here = loopback(0);
	socklen_t len = sizeof(here);

	r->to = loopback(atoi(strrchr(to, ':') + 1));
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(r->listener, (const struct sockaddr *)&here, len) < 0 || listen(r->listener, 128) < 0 ||
	    getsockname(r->listener, (struct sockaddr *)&here, &len) < 0)
		fail_msg("no port for a relay");
	snprintf(r->url, sizeof(r->url), "%.*s:%d", (int)(strrchr(to, ':') - to), to, ntohs(here.sin_port));
	assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
	return r;
}

const char *relay_url(const struct relay *r)
{
	return r->url;
}

void relay_set(struct relay *r, enum relay_state state)
{
	atomic_store(&r->wanted, (int)state);
	while (atomic_load(&r->state) != (int)state)
		usleep(200);
}

void relay_stop(struct relay *r)
{
	atomic_store(&r->wanted, STOPPING);
	pthread_join(r->thread, NULL);
	close(r->listener);
	free(r);
}
