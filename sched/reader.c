#include "sched/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/reader_wire.h"

#define RESTART_MS 100
#define RESTART_MAX_MS 30000
#define HEALTHY_MS 60000	/* a process that lived so long starts the back-off anew */
#define QUEUED_NEWS 16

struct reader {
	char *file, *program;
	int64_t poll_ms, silent_ms;
	int socket, inotify;		/* -1: none */
	pid_t pid;			/* 0: none */
	pid_t left_behind[READER_LEFT_BEHIND_MAX];
	int64_t started_ms, heard_ms, restart_at_ms;
	int64_t starts;
	int deaths;			/* in a row */
	uint64_t loading, done;		/* the last LOADING, the last outcome */
	bool gave_up;			/* waited in vain for what is loading now */
	bool hold, looked, failed;
	struct reader_news news[QUEUED_NEWS];
	size_t news_count;
};

/* --- starting --- */

/* Between fork and exec: only what is safe there. The ends are first moved out of the way of the places that they get. */
static _Noreturn void become_child(const char *program, char **argv, int socket, int inotify, pid_t parent)
{
	char *const empty[] = {NULL};
	sigset_t none;
	int moved_socket = fcntl(socket, F_DUPFD, 10), moved_inotify = fcntl(inotify, F_DUPFD, 10);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() != parent || dup2(moved_socket, READER_CHILD_SOCKET) < 0 || dup2(moved_inotify, READER_CHILD_INOTIFY) < 0)
		_exit(LM_SOFTWARE);
	close_range(READER_CHILD_INOTIFY + 1, ~0u, 0);
	execve(program, argv, empty);
	_exit(LM_SOFTWARE);
}

static int launch(struct reader *r, int64_t mono_ms, struct lm_err *err)
{
	auto_free char *poll_text = xasprintf("%" PRId64, r->poll_ms);
	char name[] = "latency-sched", verb[] = "reader";
	char *argv[] = {name, verb, r->file, poll_text, NULL};
	pid_t self = getpid(), pid;
	int pair[2];

	r->started_ms = r->heard_ms = mono_ms;
	r->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->inotify < 0)
		return lm_fail_errno(err, "inotify");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return lm_fail_errno(err, "socketpair");
	pid = fork();
	if (pid == 0)
		become_child(r->program, argv, pair[1], r->inotify, self);
	close(pair[1]);
	r->socket = pair[0];
	if (pid < 0)
		return lm_fail_errno(err, "fork");
	r->pid = pid;
	r->starts++;
	return 0;
}

static void close_ends(struct reader *r)
{
	cleanup_close(&r->socket);
	cleanup_close(&r->inotify);
	r->socket = r->inotify = -1;
	r->loading = r->done = 0;
	r->gave_up = false;
}

int reader_start(const struct reader_settings *settings, struct reader **out, struct lm_err *err)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	r->file = xstrdup(settings->file);
	r->program = xstrdup(settings->program ? settings->program : "/proc/self/exe");
	r->poll_ms = settings->poll_ms;
	r->silent_ms = settings->silent_ms ? settings->silent_ms : READER_SILENT_MS;
	r->socket = r->inotify = -1;
	if (launch(r, clock_mono_ms(), err) < 0) {
		reader_end(r);
		return lm_wrap(err, "start the reader");
	}
	*out = r;
	return 0;
}

void reader_end(struct reader *r)
{
	size_t i;

	if (!r)
		return;
	if (r->pid)
		kill(r->pid, SIGKILL);
	close_ends(r);
	if (r->pid)
		waitpid(r->pid, NULL, WNOHANG);
	for (i = 0; i < r->news_count; i++)
		matrix_unref(r->news[i].matrix);
	free(r->file);
	free(r->program);
	free(r);
}

/* --- death --- */

static void queue_news(struct reader *r, struct reader_news news)
{
	if (r->news_count == QUEUED_NEWS) { /* nobody takes them: the newest count */
		matrix_unref(r->news[0].matrix);
		memmove(&r->news[0], &r->news[1], (QUEUED_NEWS - 1) * sizeof(r->news[0]));
		r->news_count--;
	}
	r->news[r->news_count++] = news;
}

static void bury(struct reader *r, const char *why, int64_t mono_ms)
{
	struct reader_news news = {.kind = READER_NEWS_DIED, .hold = r->hold};
	int64_t wait = RESTART_MS;
	int i;

	if (mono_ms - r->started_ms >= HEALTHY_MS)
		r->deaths = 0;
	for (i = 0; i < r->deaths && wait < RESTART_MAX_MS; i++)
		wait *= 2;
	wait = wait < RESTART_MAX_MS ? wait : RESTART_MAX_MS;
	r->deaths++;
	r->restart_at_ms = mono_ms + wait;
	lm_fail(&news.error, LM_SOFTWARE, "%s, next start in %" PRId64 " ms", why, wait);
	r->pid = 0;
	close_ends(r);
	queue_news(r, news);
}

static bool leave_behind(struct reader *r, pid_t pid)
{
	size_t i;

	for (i = 0; i < READER_LEFT_BEHIND_MAX; i++)
		if (!r->left_behind[i]) {
			r->left_behind[i] = pid;
			return true;
		}
	return false;
}

/* Collects those that died after all. True when there is room for one more. */
static bool reap_left_behind(struct reader *r)
{
	bool room = false;
	size_t i;

	for (i = 0; i < READER_LEFT_BEHIND_MAX; i++) {
		if (r->left_behind[i] && waitpid(r->left_behind[i], NULL, WNOHANG) != 0)
			r->left_behind[i] = 0;
		room |= !r->left_behind[i];
	}
	return room;
}

static void replace_silent(struct reader *r, int64_t mono_ms)
{
	auto_free char *why = xasprintf("the reader was silent for %" PRId64 " s and is replaced",
					(mono_ms - r->heard_ms) / 1000);

	kill(r->pid, SIGKILL);
	if (waitpid(r->pid, NULL, WNOHANG) == 0)
		leave_behind(r, r->pid);
	bury(r, why, mono_ms);
}

static void check_alive(struct reader *r, int64_t mono_ms)
{
	auto_free char *why = NULL;
	int status;
	pid_t ended = waitpid(r->pid, &status, WNOHANG);

	if (ended < 0) { /* who started us told the kernel not to keep children for us (SIGCHLD ignored) */
		bury(r, "the reader ended", mono_ms);
	} else if (ended == r->pid) {
		why = WIFSIGNALED(status) ? xasprintf("the reader was ended by signal %d", WTERMSIG(status))
					  : xasprintf("the reader ended with code %d", WEXITSTATUS(status));
		bury(r, why, mono_ms);
	} else if (mono_ms - r->heard_ms >= r->silent_ms) {
		replace_silent(r, mono_ms);
	}
}

int64_t reader_tick(struct reader *r, int64_t mono_ms)
{
	struct lm_err err;
	bool room = reap_left_behind(r);

	if (r->pid)
		check_alive(r, mono_ms);
	if (!r->pid && room && mono_ms >= r->restart_at_ms && launch(r, mono_ms, &err) < 0)
		bury(r, err.msg, mono_ms);
	if (!r->pid)
		return r->restart_at_ms > mono_ms ? r->restart_at_ms - mono_ms : 1000;
	return r->heard_ms + r->silent_ms > mono_ms ? r->heard_ms + r->silent_ms - mono_ms : 0;
}

/* --- messages --- */

static void take_fd(struct msghdr *message, int *fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
}

/* 1: a message; 0: none now; -1: the other end is gone. */
static int receive(struct reader *r, struct reader_message *m, int *fd)
{
	struct iovec part = {m, sizeof(*m)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = CMSG_LEN(sizeof(int))}; /* no room for a second one in the padding */
	ssize_t len;

	*fd = -1;
	if (r->socket < 0)
		return 0;
	do
		len = recvmsg(r->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -1;
	take_fd(&message, fd);
	m->text[sizeof(m->text) - 1] = '\0';
	return len == sizeof(*m) && m->magic == READER_WIRE_MAGIC && m->kind < READER_KINDS ? 1 : -1;
}

static void failed_news(struct reader *r, const struct reader_message *m, const struct lm_err *err)
{
	struct reader_news news = {.kind = READER_NEWS_FAILED, .hold = m->hold, .error = *err};

	queue_news(r, news);
}

static bool matrix_news(struct reader *r, const struct reader_message *m, int fd)
{
	struct reader_news news = {.kind = READER_NEWS_MATRIX, .hold = m->hold, .mtime_ms = m->mtime_ms,
				   .noticed_ms = m->noticed_ms,
				   .by_event = m->by_event};
	struct lm_err err;

	if (matrix_from_memfd(fd, &news.matrix, &err) < 0) {
		failed_news(r, m, &err);
		return false;
	}
	queue_news(r, news);
	return true;
}

/* False: a matrix was lost. The process believes that we have it, so only a new one sends it again. */
static bool handle(struct reader *r, const struct reader_message *m, int fd)
{
	struct lm_err err = {.code = LM_DATA};
	bool taken = true;

	if (m->kind == READER_LOADING) {
		r->loading = m->load;
		r->gave_up = false;
		return true;
	}
	if (m->kind != READER_BEAT) {
		r->done = m->load;
		r->looked = true;
		r->gave_up = false;
	}
	if (m->kind == READER_MATRIX) {
		r->failed = false;
		taken = matrix_news(r, m, fd);
	} else if (m->kind == READER_FAILED) {
		r->failed = true;
		lm_fail(&err, (enum lm_code)m->code, "%s", m->text);
		failed_news(r, m, &err);
	} else if (m->kind == READER_SAME && r->failed) {
		r->failed = false;
		queue_news(r, (struct reader_news){.kind = READER_NEWS_SAME, .hold = m->hold});
	} else if (r->hold != (bool)m->hold) {
		queue_news(r, (struct reader_news){.kind = READER_NEWS_HOLD, .hold = m->hold});
	}
	r->hold = m->hold;
	return taken;
}

/* Everything that is in the socket now. */
static void drain(struct reader *r)
{
	struct reader_message m;
	int got, fd;

	while ((got = receive(r, &m, &fd)) > 0) {
		r->heard_ms = clock_mono_ms();
		if (!handle(r, &m, fd)) {
			got = -1;
			break;
		}
		cleanup_close(&fd);
	}
	if (got < 0) {
		cleanup_close(&fd);
		kill(r->pid, SIGKILL);
		close_ends(r); /* reader_tick sees the death */
	}
}

bool reader_take(struct reader *r, struct reader_news *news)
{
	if (!r->news_count)
		drain(r);
	if (!r->news_count)
		return false;
	*news = r->news[0];
	memmove(&r->news[0], &r->news[1], --r->news_count * sizeof(r->news[0]));
	return true;
}

static bool readable(int fd, int64_t wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&p, 1, wait_ms > 0 ? (int)wait_ms : 0) > 0;
}

bool reader_settle(struct reader *r, int64_t limit_ms)
{
	int64_t end = 0, now;

	for (;;) {
		bool unread = readable(r->inotify, 0); /* before the socket is read: LOADING is sent before events are */

		drain(r);
		if ((!unread && r->loading == r->done) || r->socket < 0)
			return true;
		if (r->gave_up)
			return false;
		now = clock_mono_ms();
		end = end ? end : now + limit_ms;
		if (now >= end) {
			r->gave_up = true;
			return false;
		}
		readable(r->socket, end - now);
	}
}

bool reader_is_settled(const struct reader *r)
{
	struct pollfd fds[2] = {{.fd = r->inotify, .events = POLLIN}, {.fd = r->socket, .events = POLLIN}};

	return !r->news_count && (r->loading == r->done || r->gave_up) && poll(fds, ARRAY_SIZE(fds), 0) == 0;
}

bool reader_looked(const struct reader *r)
{
	return r->looked;
}

int reader_fd(const struct reader *r)
{
	return r->socket;
}

int64_t reader_heard_mono_ms(const struct reader *r)
{
	return r->heard_ms;
}

int64_t reader_starts(const struct reader *r)
{
	return r->starts;
}

int reader_pid(const struct reader *r)
{
	return r->pid;
}
