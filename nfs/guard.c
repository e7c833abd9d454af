#include "nfs/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define LAST_WORDS_MS 1000		/* between a child's last message and its end; closing files can hang too */

enum kind { STEP, MOUNT, FINDING, END };

struct message {			/* one write(2), so it is never cut */
	enum kind kind;
	int mount_id;
	struct finding finding;		/* STEP: its name */
};
_Static_assert(sizeof(struct message) <= PIPE_BUF, "a message is written in one piece");

struct guard {
	int fd;
	char step[sizeof(((struct finding *)NULL)->name)];
};

/* --- the child's end ------------------------------------------------------------------------------------------------- */

static void post(const struct guard *g, const struct message *message)
{
	if (write(g->fd, message, sizeof(*message)) != sizeof(*message))
		_exit(LM_SOFTWARE);	/* nobody listens any more */
}

void guard_step(struct guard *g, const char *name)
{
	struct message message = {.kind = STEP};

	snprintf(g->step, sizeof(g->step), "%s", name);
	memcpy(message.finding.name, g->step, sizeof(g->step));
	post(g, &message);
}

void guard_mount(struct guard *g, int mount_id)
{
	post(g, &(struct message){.kind = MOUNT, .mount_id = mount_id});
}

void guard_tell(struct guard *g, enum verdict verdict, int code, const char *fmt, ...)
{
	struct message message = {.kind = FINDING, .finding = {.verdict = verdict, .code = verdict == VERDICT_BAD ? code : 0}};
	va_list ap;

	memcpy(message.finding.name, g->step, sizeof(g->step));
	va_start(ap, fmt);
	vsnprintf(message.finding.text, sizeof(message.finding.text), fmt, ap);
	va_end(ap);
	post(g, &message);
}

static void child(guard_work *work, void *arg, int fd, pid_t parent)
{
	struct guard g = {.fd = fd};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(LM_SOFTWARE);
	work(arg, &g);
	post(&g, &(struct message){.kind = END});
	_exit(0);
}

/* --- the parent's end ------------------------------------------------------------------------------------------------ */

/* 1 with a message, 0 when the pipe is closed, -1 when it was silent for too long. */
static int next_message(int fd, int64_t silent_ms, struct message *out)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t end_ms = clock_mono_ms() + silent_ms, left_ms;

	while ((left_ms = end_ms - clock_mono_ms()) > 0) {
		int ready = poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);

		if (ready > 0)
			return read(fd, out, sizeof(*out)) == sizeof(*out);
		if (ready < 0 && errno != EINTR)
			return 0;
	}
	return -1;
}

/* The child has said all or died: its status, if it comes soon. */
static bool ended(pid_t pid, int *status)
{
	for (int64_t end_ms = clock_mono_ms() + LAST_WORDS_MS; clock_mono_ms() < end_ms; usleep(5000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
	return false;
}

static int hear(int fd, pid_t pid, int64_t silent_ms, const struct guard_listener *listener, struct lm_err *err)
{
	char step[sizeof(((struct finding *)NULL)->name)] = "start";
	struct message message;
	int got, status = 0;

	while ((got = next_message(fd, silent_ms, &message)) == 1) {
		if (message.kind == END) {
			ended(pid, &status);
			return 0;
		}
		if (message.kind == STEP)
			memcpy(step, message.finding.name, sizeof(step));
		else if (message.kind == MOUNT && listener->mount)
			listener->mount(listener->arg, message.mount_id);
		else if (message.kind == FINDING)
			listener->finding(listener->arg, &message.finding);
	}
	if (got < 0) {
		lm_fail(err, LM_IO, "%s: no answer after %.3g s", step, (double)silent_ms / 1e3);
		err->os_errno = ETIMEDOUT;
		return -1;
	}
	if (!ended(pid, &status))
		return lm_fail(err, LM_SOFTWARE, "%s: the test ended without a word", step);
	if (WIFSIGNALED(status))
		return lm_fail(err, LM_SOFTWARE, "%s: the test was ended by signal %d (%s)", step, WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	return lm_fail(err, LM_SOFTWARE, "%s: the test ended with code %d", step, WEXITSTATUS(status));
}

int guard_run(guard_work *work, void *arg, int64_t silent_ms, const struct guard_listener *listener, struct lm_err *err)
{
	pid_t parent = getpid(), pid;
	auto_close int from = -1;
	int pipe_fds[2], result;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return lm_fail_errno(err, "pipe");
	from = pipe_fds[0];
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		close(pipe_fds[1]);
		return lm_fail_errno(err, "fork");
	}
	if (pid == 0) {
		close(from);
		child(work, arg, pipe_fds[1], parent);
	}
	close(pipe_fds[1]);
	result = hear(from, pid, silent_ms, listener, err);
	if (result < 0)
		kill(pid, SIGKILL);
	return result;
}
