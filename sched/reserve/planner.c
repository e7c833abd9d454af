#include "sched/reserve/planner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"

#define READ_BYTES (64 * 1024)
#define READS_A_POLL 16			/* so that a large plan does not hold up a decision: the rest waits in the pipe */
#define PIPE_BYTES (1024 * 1024)
#define NICENESS 10			/* decisions come first where both share a processor */
#define CHILD_FD 3

struct planner {
	pid_t pid;			/* 0: none */
	pid_t leaving;			/* was told to end, and is not collected yet; 0: none */
	int fd;				/* what it says; -1: it says nothing any more */
	int64_t begun_mono_ms, took_ms;
	struct buf text;
};

struct planner *planner_new(void)
{
	struct planner *p = xcalloc(1, sizeof(*p));

	p->fd = -1;
	p->took_ms = -1;
	return p;
}

/* It waits for nothing but its pipe, so the signal ends it at once, and who waits for that does not wait. */
static void end_at_once(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void planner_free(struct planner *p)
{
	if (!p)
		return;
	if (p->pid)
		end_at_once(p->pid);
	if (p->leaving)
		end_at_once(p->leaving);
	cleanup_close(&p->fd);
	buf_free(&p->text);
	free(p);
}

/* --- the child ------------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return false;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* More memory than the cluster's copy and that: an end of its own, before the kernel ends whoever is largest. */
static void limit_memory(void)
{
	auto_close int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[100] = "";
	unsigned long long pages = 0;
	struct rlimit most;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	pages = strtoull(text, NULL, 10);
	most.rlim_cur = most.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + PLANNER_MAX_GROWTH;
	if (pages)
		setrlimit(RLIMIT_AS, &most);
}

/* No thread but this one is here, and no lock that another one held is touched: glibc's fork sees to malloc's, and nothing logs. */
static _Noreturn void plan_and_end(const struct plan_input *in, int out, pid_t parent)
{
	struct plan plan = {0};
	struct buf text = {0};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(out, CHILD_FD) < 0)
		_exit(LM_SOFTWARE);
	close_range(CHILD_FD + 1, ~0u, 0);	/* connections end when the scheduler closes them, not when this does */
	limit_memory();
	prctl(PR_SET_DUMPABLE, 0);		/* a crash writes no image of a large memory */
	setpriority(PRIO_PROCESS, 0, NICENESS);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(PLANNER_MAX_MS / 1000 + 1);
	plan_make(decider_new(), in, &plan);
	plan_print(&plan, &text);
	buf_char(&text, '\n');			/* nobody takes a half for the whole */
	_exit(write_all(CHILD_FD, text.data, text.len) ? 0 : LM_IO);
}

/* --- the scheduler's side -------------------------------------------------------------------------------------------- */

static void collect(pid_t *pid)
{
	if (*pid && waitpid(*pid, NULL, WNOHANG) != 0)
		*pid = 0;
}

bool planner_start(struct planner *p, const struct plan_input *in, struct lm_err *err)
{
	pid_t self = getpid(), pid;
	int ends[2];

	collect(&p->leaving);
	if (p->pid || p->leaving) {
		lm_fail(err, LM_TEMPFAIL, "the process of the plan before is still there");
		return false;
	}
	if (pipe2(ends, O_CLOEXEC) < 0) {
		lm_fail_errno(err, "pipe");
		return false;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);	/* fewer turns; as it was where that is not allowed */
	pid = fork();
	if (pid == 0)
		plan_and_end(in, ends[1], self);
	if (pid < 0)
		lm_fail_errno(err, "fork");
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	p->pid = pid;
	p->fd = ends[0];
	p->begun_mono_ms = in->mono_ms;
	buf_clear(&p->text);
	return true;
}

/* Whatever became of it: it is over, for us. */
static void let_go(struct planner *p, int64_t mono_ms)
{
	p->leaving = p->pid;
	p->pid = 0;
	collect(&p->leaving);
	if (p->leaving)
		kill(p->leaving, SIGKILL);	/* one that has said all is about to end, and does so */
	cleanup_close(&p->fd);
	p->fd = -1;
	p->took_ms = mono_ms - p->begun_mono_ms;
}

static enum planner_state give_up(struct planner *p, int64_t mono_ms, struct lm_err *err, const char *why)
{
	let_go(p, mono_ms);
	buf_free(&p->text);
	lm_fail(err, LM_SOFTWARE, "%s", why);
	return PLANNER_FAILED;
}

/* True: it said all that it will say, whole or not. */
static bool take_text(struct planner *p)
{
	char part[READ_BYTES];
	ssize_t n = 1;
	int i;

	for (i = 0; n > 0 && i < READS_A_POLL && p->text.len <= PLANNER_MAX_BYTES; i++) {
		n = read(p->fd, part, sizeof(part));
		if (n > 0)
			buf_add(&p->text, part, (size_t)n);
	}
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static enum planner_state use(struct planner *p, int64_t mono_ms, struct plan *out, struct lm_err *err)
{
	struct buf text = p->text;
	int code;

	p->text = (struct buf){0};
	let_go(p, mono_ms);
	code = plan_parse(text.data, text.len - 1, out, err);
	buf_free(&text);
	if (code == 0)
		return PLANNER_DONE;
	lm_wrap(err, "what the plan's process says");
	return PLANNER_FAILED;
}

/* It ended, or is about to, before it said all. */
static enum planner_state bury(struct planner *p, int64_t mono_ms, struct lm_err *err)
{
	auto_free char *why = NULL;
	int status;
	pid_t ended = waitpid(p->pid, &status, WNOHANG);

	if (ended == 0)
		return PLANNER_BUSY;
	p->pid = 0;
	if (ended < 0) /* who started us told the kernel not to keep children for us (SIGCHLD ignored) */
		why = xstrdup("the plan's process ended without a plan");
	else if (WIFSIGNALED(status))
		why = xasprintf("the plan's process was ended by signal %d", WTERMSIG(status));
	else
		why = xasprintf("the plan's process ended with code %d, without a plan", WEXITSTATUS(status));
	return give_up(p, mono_ms, err, why);
}

enum planner_state planner_poll(struct planner *p, int64_t mono_ms, struct plan *out, struct lm_err *err)
{
	collect(&p->leaving);
	if (!p->pid)
		return PLANNER_IDLE;
	if (p->fd >= 0 && take_text(p)) {
		if (p->text.len && p->text.data[p->text.len - 1] == '\n')
			return use(p, mono_ms, out, err);
		cleanup_close(&p->fd);
		p->fd = -1;
	}
	if (p->text.len > PLANNER_MAX_BYTES)
		return give_up(p, mono_ms, err, "the plan is larger than is taken");
	if (mono_ms - p->begun_mono_ms >= PLANNER_MAX_MS)
		return give_up(p, mono_ms, err, "the plan took too long");
	return p->fd < 0 ? bury(p, mono_ms, err) : PLANNER_BUSY;
}

int planner_fd(const struct planner *p)
{
	return p->fd;
}

int64_t planner_took_ms(const struct planner *p)
{
	return p->took_ms;
}
