#include "tests/lab/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/host.h"
#include "tests/lab/load.h"
#include "tests/lab/root.h"
#include "tests/lab/wire.h"

#define STOP_MS 5000

static int enter(const struct host *host, const char *kind, int type, struct lm_err *err)
{
	auto_close int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)host->pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, type) < 0)
		return lm_fail_errno(err, "%s: %s", host->name, path);
	return 0;
}

int guest_enter(const struct host *host, struct lm_err *err)
{
	/* the mounts last: /proc/PID is found in ours */
	if (load_join(host->name, err) < 0 || enter(host, "net", CLONE_NEWNET, err) < 0 || enter(host, "uts", CLONE_NEWUTS, err) < 0 ||
	    enter(host, "mnt", CLONE_NEWNS, err) < 0)
		return -1;
	return chdir("/") < 0 ? lm_fail_errno(err, "/") : 0;
}

/* uid 65532 that may ping: what the chart gives to a pod. */
static int become_pod(struct lm_err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = 1u << CAP_NET_RAW, .permitted = 1u << CAP_NET_RAW,
						  .inheritable = 1u << CAP_NET_RAW}};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setgid(GUEST_UID) < 0 || setuid(GUEST_UID) < 0 ||
	    syscall(SYS_capset, &header, data) < 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) < 0)
		return lm_fail_errno(err, "uid %d", GUEST_UID);
	umask(022);
	return 0;
}

/* With a umask of 077 the machine's build folder is closed to uid 65532: then the program stays root. */
static bool others_may_run(const char *program)
{
	char path[128];
	struct stat folder, file;

	snprintf(path, sizeof(path), ROOT_BUILD "/%s", program);
	return stat(ROOT_BUILD, &folder) < 0 || stat(path, &file) < 0 || (folder.st_mode & file.st_mode & S_IXOTH);
}

pid_t guest_spawn(const struct host *host, const char *const *argv, const char *log_path, struct lm_err *err)
{
	auto_close int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	bool as_pod;
	pid_t child;

	if (log < 0)
		return lm_fail_errno(err, "%s", log_path);
	child = fork();
	if (child < 0)
		return lm_fail_errno(err, "%s", argv[0]);
	if (child > 0)
		return child;
	dup2(log, 1);
	dup2(log, 2);
	as_pod = others_may_run(argv[0]);
	if (host && (guest_enter(host, err) < 0 || (as_pod && become_pod(err) < 0))) {
		dprintf(2, "%s\n", err->msg);
		_exit(126);
	}
	/* a change of uid clears it, so it comes last */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int guest_stop(pid_t pid, int signal)
{
	int64_t until = clock_mono_ms() + STOP_MS;
	int status;

	kill(pid, signal);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() > until)
			kill(pid, SIGKILL);
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void guest_path(const struct host *host, const char *name, char *path, size_t size)
{
	snprintf(path, size, "/proc/%d/root" HOST_VOLUME "/%s", (int)host->pid, name);
}

int guest_wire(struct topology *t, int from, int to, struct wire wire, bool both, struct lm_err *err)
{
	auto_close int dir = file_open_dir("/run/lab", err);
	auto_buf struct buf text = {0};

	t->wire[from][to] = wire;
	if (both)
		t->wire[to][from] = wire;
	if (dir < 0 || wire_change(t, from, to, both, err) < 0)
		return -1;
	topology_write(t, &text);
	return file_publish(dir, strrchr(TOPOLOGY_LIVE, '/') + 1, text.data, text.len, NULL, err);
}
