/*
 * lab-init.c - PID 1 of the laboratory's guest. lab.sh starts it; see there.
 *
 * root -> modules -> NFS server -> hosts -> links -> volumes and delays -> the command -> status -> power off
 *
 * One process does what scripts would need a few hundred for: each costs 0.1 s in the guest. The environment (words of the
 * kernel's command line) has lab_build, lab_out, lab_modules: folders of the machine. In lab_out stand `topology` and `command`, a
 * shell line; `status` is written there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/host.h"
#include "tests/lab/load.h"
#include "tests/lab/module.h"
#include "tests/lab/nfsd.h"
#include "tests/lab/root.h"
#include "tests/lab/wire.h"

#define FAILED 125

static const char *const modules[] = {"veth", "bridge", "sch_prio", "sch_netem", "cls_u32", "nfsv4", "nfsd", NULL};

static void say(const char *text)
{
	if (getenv("lab_verbose"))
		printf("lab: %6.2f s  %s\n", (double)clock_mono_ms() / 1e3, text);
}

/* The console is a terminal that would turn \n into \r\n. */
static void plain_console(void)
{
	struct termios t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (tcgetattr(1, &t) < 0)
		return;
	t.c_oflag &= ~(tcflag_t)OPOST;
	tcsetattr(1, TCSANOW, &t);
}

static int live_topology(const struct topology *t, struct lm_err *err)
{
	auto_close int dir = -1;
	auto_buf struct buf text = {0};

	dir = file_open_dir("/run/lab", err);
	topology_write(t, &text);
	return dir < 0 ? -1 : file_publish(dir, strrchr(TOPOLOGY_LIVE, '/') + 1, text.data, text.len, NULL, err);
}

static int hosts_up(struct topology *t, struct lm_err *err)
{
	struct host_control control[TOPOLOGY_MAX_HOSTS];

	for (int i = 0; i < t->count; i++)
		if (host_start(t, i, &control[i], err) < 0)
			return -1;
	if (wire_links(t, err) < 0)
		return -1;
	say("links");
	for (int i = 0; i < t->count; i++)
		if (host_connect(&control[i], err) < 0)
			return -1;
	if (wire_all(t, err) < 0)
		return -1;
	say("delays");
	for (int i = 0; i < t->count; i++)
		if (host_wait(t, i, &control[i], err) < 0)
			return -1;
	say("volumes");
	return live_topology(t, err);
}

static int start(struct lm_err *err)
{
	struct topology t;
	struct utsname kernel;
	char path[128];
	const char *build = getenv("lab_build"), *out = getenv("lab_out"), *folder = getenv("lab_modules");

	if (!build || !out || !folder)
		return lm_fail(err, LM_USAGE, "lab_build, lab_out or lab_modules is missing: lab.sh starts this program");
	if (root_make(build, out, folder, err) < 0)
		return lm_wrap(err, "root");
	say("root");
	uname(&kernel);
	snprintf(path, sizeof(path), ROOT_MODULES "/%s", kernel.release);
	if (module_load(path, modules, err) < 0)
		return -1;
	say("modules");
	if (topology_load(ROOT_OUT "/topology", &t, err) < 0 || load_prepare(err) < 0 || nfsd_prepare(err) < 0 ||
	    nfsd_start(&t, err) < 0)
		return -1;
	say("NFS server");
	return hosts_up(&t, err);
}

/* The command's exit status; other children that end meanwhile are nobody's business. */
static int run_command(void)
{
	pid_t child = fork(), ended;
	int status = 0;

	if (child == 0) {
		setsid();		setenv("HOME", "/tmp", 1);
		execl("/bin/sh", "sh", ROOT_OUT "/command", (char *)NULL);
		_exit(FAILED);
	}
	do
		ended = wait(&status);
	while (ended != child && (ended > 0 || errno == EINTR));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the kernel had to say, for the one who looks for the cause of a failure. */
static void save_kernel_log(void)
{
	static char text[1 << 17];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text));
	auto_close int fd = open(ROOT_OUT "/kernel.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (len > 0 && fd >= 0 && write(fd, text, (size_t)len) < 0)
		perror("lab: kernel.log");
}

static void save_status(int status)
{
	auto_close int fd = open(ROOT_OUT "/status", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%d\n", status) < 0)
		perror("lab: status");
}

/* It would say "System halted" between our lines. */
static void quiet_kernel(void)
{
	auto_close int fd = open("/proc/sys/kernel/printk", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0\n", 2) < 0)
		perror("lab: printk");
}

int main(void)
{
	struct lm_err err;
	int status = FAILED;

	if (getpid() != 1) {
		fprintf(stderr, "lab-init: is PID 1 of a guest; see tests/lab/lab.sh\n");
		return LM_USAGE;
	}
	setenv("PATH", ROOT_BUILD "/tests:" ROOT_BUILD ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	plain_console();
	if (start(&err) == 0)
		status = run_command();
	else
		printf("lab: %s\n", err.msg);
	save_kernel_log();
	save_status(status);
	fflush(stdout);
	sync();
	quiet_kernel();
	reboot(RB_POWER_OFF);
	return status;
}
