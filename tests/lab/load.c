#include "tests/lab/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define FILES "/run/lab/stat"
#define TICK_US 10000			/* USER_HZ is 100 everywhere */

int load_prepare(struct lm_err *err)
{
	if ((mkdir("/run/lab", 0755) < 0 && errno != EEXIST) || mkdir(FILES, 0755) < 0)
		return lm_fail_errno(err, FILES);
	return mount("cgroup2", LOAD_CGROUPS, "cgroup2", 0, NULL) < 0 ? lm_fail_errno(err, LOAD_CGROUPS) : 0;
}

static int write_line(const char *path, int flags, const char *line)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);

	return fd >= 0 && pwrite(fd, line, strlen(line), 0) == (ssize_t)strlen(line) ? 0 : -1;
}

/* Microseconds of processor that the cgroup used since it was made. */
static long long used_us(const char *host)
{
	char path[128], text[256];
	auto_close int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), LOAD_CGROUPS "/%s/cpu.stat", host);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	return strncmp(text, "usage_usec ", 11) == 0 ? strtoll(text + 11, NULL, 10) : 0;
}

void load_tick(const char *host)
{
	char path[128], line[80];
	long long used = used_us(host) / TICK_US, all = (long long)clock_mono_us() / TICK_US;

	/* always the same length: one write in place is never seen half done */
	snprintf(line, sizeof(line), "cpu  %010lld 0 0 %010lld 0 0 0 0 0 0\n", used, all > used ? all - used : 0);
	snprintf(path, sizeof(path), FILES "/%s", host);
	write_line(path, O_CREAT, line);
}

int load_start(const char *host, struct lm_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), LOAD_CGROUPS "/%s", host);
	if (mkdir(path, 0755) < 0)
		return lm_fail_errno(err, "%s", path);
	load_tick(host);
	snprintf(path, sizeof(path), FILES "/%s", host);
	return mount(path, "/proc/stat", NULL, MS_BIND, NULL) < 0 ? lm_fail_errno(err, "%s on /proc/stat", path) : 0;
}

int load_join(const char *host, struct lm_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), LOAD_CGROUPS "/%s/cgroup.procs", host);
	return write_line(path, 0, "0\n") < 0 ? lm_fail_errno(err, "%s", path) : 0;
}
