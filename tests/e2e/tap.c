#include "tests/e2e/tap.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define LINES_MAX 1024			/* connections over its whole life */
#define NOTICE_MS 20			/* that it shall stop is seen after that */
#define HTML "<html><body>Bad gateway</body></html>\n"

struct tap {
	int listener;
	struct sockaddr_in to;
	char url[64];
	atomic_bool stopping;
	pthread_t acceptor, lines[LINES_MAX];
	int line_count;
	pthread_mutex_t lock;		/* of what follows */
	struct tap_rule rule;
	struct tap_talk *talks;
	size_t count, room;
};

struct line {
	struct tap *tap;
	int client, server;		/* server -1: not dialled yet */
};

/* --- messages ------------------------------------------------------------------------------------------------------------ */

/* More bytes, or NOTICE_MS without any. False: the other end has closed, or we stop. */
static bool more(const struct tap *t, int fd, struct buf *b)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char bytes[65536];
	ssize_t len;

	if (t->stopping)
		return false;
	if (poll(&poll_fd, 1, NOTICE_MS) == 0)
		return true;
	len = recv(fd, bytes, sizeof(bytes), 0);
	if (len > 0)
		buf_add(b, bytes, (size_t)len);
	return len > 0;
}

/* A whole message with a Content-Length; *head is the length of its header. */
static bool read_message(const struct tap *t, int fd, struct buf *b, size_t *head)
{
	const char *end, *length;

	while (!b->data || !(end = strstr(b->data, "\r\n\r\n")))
		if (!more(t, fd, b))
			return false;
	*head = (size_t)(end + 4 - b->data);
	length = strcasestr(b->data, "\r\nContent-Length:");
	if (!length || length > end)
		return false;
	length += strlen("\r\nContent-Length:");
	for (size_t whole = *head + strtoul(length, NULL, 10); b->len < whole;)
		if (!more(t, fd, b))
			return false;
	return true;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
	ssize_t done;

	for (; len; bytes += done, len -= (size_t)done) {
		done = send(fd, bytes, len, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
	}
	return true;
}

static bool dial(struct line *l)
{
	int on = 1;

	if (l->server >= 0)
		return true;
	l->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(l->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(l->server, (const struct sockaddr *)&l->tap->to, sizeof(l->tap->to)) == 0;
}

/* --- one request --------------------------------------------------------------------------------------------------------- */

/* "POST /filter HTTP/1.1" -> "filter" */
static void verb_of(const char *request, char verb[16])
{
	const char *slash = strchr(request, '/');
	size_t len = slash ? strcspn(slash + 1, " ?") : 0;

	snprintf(verb, 16, "%.*s", (int)len, slash ? slash + 1 : "");
}

static void write_down(struct tap *t, const struct buf *request, size_t request_head, const struct buf *answer, size_t answer_head, bool spoiled)
{
	struct tap_talk talk = {.spoiled = spoiled, .asked_len = request->len - request_head, .said_len = answer->len - answer_head};

	verb_of(request->data, talk.verb);
	talk.asked = xstrndup(request->data + request_head, talk.asked_len);
	talk.said = xstrndup(answer->data + answer_head, talk.said_len);
	talk.status = atoi(answer->data + strcspn(answer->data, " "));
	pthread_mutex_lock(&t->lock);
	grow(&t->talks, &t->room, t->count + 1, sizeof(*t->talks));
	t->talks[t->count++] = talk;
	pthread_mutex_unlock(&t->lock);
}

static struct tap_rule rule_for(struct tap *t, const char *request)
{
	struct tap_rule rule;
	char verb[16];

	verb_of(request, verb);
	pthread_mutex_lock(&t->lock);
	rule = t->rule;
	pthread_mutex_unlock(&t->lock);
	return rule.verb && !STREQ(rule.verb, verb) ? (struct tap_rule){0} : rule;
}

static bool ask(struct line *l, const struct tap_rule *rule, const struct buf *request, struct buf *answer, size_t *head)
{
	if (rule->way == TAP_500)
		buf_str(answer, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
	else if (rule->way == TAP_NO_JSON)
		buf_printf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s", strlen(HTML), HTML);
	else
		return dial(l) && send_all(l->server, request->data, request->len) && read_message(l->tap, l->server, answer, head);
	*head = answer->len - (rule->way == TAP_NO_JSON ? strlen(HTML) : 0);
	return true;
}

static void pause_ms(const struct tap *t, int left_ms)
{
	for (; left_ms > 0 && !t->stopping; left_ms -= NOTICE_MS)
		usleep((left_ms < NOTICE_MS ? (unsigned)left_ms : NOTICE_MS) * 1000);
}

/* False: the connection has ended. */
static bool serve(struct line *l)
{
	auto_buf struct buf request = {0}, answer = {0};
	struct tap_rule rule;
	size_t request_head, head;

	if (!read_message(l->tap, l->client, &request, &request_head))
		return false;
	rule = rule_for(l->tap, request.data);
	if (!ask(l, &rule, &request, &answer, &head))
		return false;
	write_down(l->tap, &request, request_head, &answer, head, rule.way != TAP_PASS || rule.delay_ms > 0);
	pause_ms(l->tap, rule.delay_ms);
	if (rule.way == TAP_HALF)
		return send_all(l->client, answer.data, head + (answer.len - head) / 2) && false;
	return send_all(l->client, answer.data, answer.len);
}

/* Waits for the next request; false when either end has closed. */
static bool is_asked(const struct line *l)
{
	struct pollfd fds[2] = {{.fd = l->client, .events = POLLIN}, {.fd = l->server, .events = POLLIN}};

	while (!l->tap->stopping) {
		if (poll(fds, 2, NOTICE_MS) > 0)
			return !fds[1].revents;
	}
	return false;
}

static void *run_line(void *arg)
{
	struct line *l = arg;

	while (is_asked(l) && serve(l))
		;
	close(l->client);
	if (l->server >= 0)
		close(l->server);
	free(l);
	return NULL;
}

/* --- all of them --------------------------------------------------------------------------------------------------------- */

static void *run_acceptor(void *arg)
{
	struct tap *t = arg;
	struct pollfd fd = {.fd = t->listener, .events = POLLIN};
	int on = 1;

	while (!t->stopping && t->line_count < LINES_MAX) {
		struct line *l;
		int client = poll(&fd, 1, NOTICE_MS) > 0 ? accept4(t->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (client < 0)
			continue;
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		l = xcalloc(1, sizeof(*l));
		*l = (struct line){t, client, -1};
		if (pthread_create(&t->lines[t->line_count++], NULL, run_line, l) != 0)
			abort();
	}
	return NULL;
}

struct tap *tap_start(const char *to)
{
	struct tap *t = xcalloc(1, sizeof(*t));
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(here);

	t->to = here;
	t->to.sin_port = htons((uint16_t)atoi(strrchr(to, ':') + 1));
	pthread_mutex_init(&t->lock, NULL);
	t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(t->listener, (const struct sockaddr *)&here, len) < 0 || listen(t->listener, 128) < 0 ||
	    getsockname(t->listener, (struct sockaddr *)&here, &len) < 0)
		fail_msg("no port for a tap");
	snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%d", ntohs(here.sin_port));
	assert_int_equal(pthread_create(&t->acceptor, NULL, run_acceptor, t), 0);
	return t;
}

const char *tap_url(const struct tap *t)
{
	return t->url;
}

void tap_set(struct tap *t, const struct tap_rule *rule)
{
	pthread_mutex_lock(&t->lock);
	t->rule = *rule;
	pthread_mutex_unlock(&t->lock);
}

struct tap_talk *tap_talks(struct tap *t, size_t *count)
{
	struct tap_talk *talks;

	pthread_mutex_lock(&t->lock);
	*count = t->count;
	talks = xcalloc(t->count + 1, sizeof(*talks));
	if (t->count)
		memcpy(talks, t->talks, t->count * sizeof(*talks));
	pthread_mutex_unlock(&t->lock);
	return talks;
}

void tap_stop(struct tap *t)
{
	size_t i;

	if (!t)
		return;
	t->stopping = true;
	pthread_join(t->acceptor, NULL);
	while (t->line_count > 0)
		pthread_join(t->lines[--t->line_count], NULL);
	close(t->listener);
	for (i = 0; i < t->count; i++) {
		free(t->talks[i].asked);
		free(t->talks[i].said);
	}
	free(t->talks);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
