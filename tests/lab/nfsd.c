#include "tests/lab/nfsd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define FOREVER "2147483647"		/* when an answer expires, in seconds since 1970 */
#define OWNER 65532

/* One write(2): the kernel takes a line each. */
static int put(const char *path, const char *text, struct lm_err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return lm_fail_errno(err, "%s", path);
	return 0;
}

int nfsd_prepare(struct lm_err *err)
{
	/* without a place for its clients' names the server would not end its grace period */
	if (mkdir("/var/lib", 0755) < 0 || mkdir("/var/lib/nfs", 0755) < 0 || mkdir("/var/lib/nfs/v4recovery", 0755) < 0)
		return lm_fail_errno(err, "/var/lib/nfs");
	if (mkdir(NFSD_EXPORT, 0755) < 0 || mount("export", NFSD_EXPORT, "tmpfs", 0, "mode=2775,uid=65532,gid=65532") < 0)
		return lm_fail_errno(err, "%s", NFSD_EXPORT);
	if (mkdir(NFSD_EXPORT "/nodes", 0755) < 0 || chown(NFSD_EXPORT "/nodes", OWNER, OWNER) < 0 ||
	    chmod(NFSD_EXPORT "/nodes", 02775) < 0)
		return lm_fail_errno(err, "%s/nodes", NFSD_EXPORT);
	if (mount("nfsd", "/proc/fs/nfsd", "nfsd", 0, NULL) < 0)
		return lm_fail_errno(err, "/proc/fs/nfsd");
	if (put("/proc/fs/nfsd/versions", "-2 -3 +4 +4.1 +4.2\n", err) < 0 || put("/proc/fs/nfsd/nfsv4gracetime", "10\n", err) < 0 ||
	    put("/proc/fs/nfsd/nfsv4leasetime", "10\n", err) < 0)
		return -1;
	return 0;
}

static int answers(const struct topology *t, struct lm_err *err)
{
	char line[160];

	for (int i = 0; i < t->count; i++) {
		if (t->host[i].client)
			continue;
		snprintf(line, sizeof(line), "nfsd %s " FOREVER " *\n", t->host[i].addr);
		if (put("/proc/net/rpc/auth.unix.ip/channel", line, err) < 0)
			return -1;
	}
	/* group, kind of file system number (1: the number alone), the number, path */
	if (put("/proc/net/rpc/nfsd.fh/channel", "* 1 \\x00000000 " FOREVER " " NFSD_EXPORT "\n", err) < 0)
		return -1;
	/* 0x2000 has a number, 0x400 no subtree check, 2 any port; neither root squash (4) nor async (0x10) */
	return put("/proc/net/rpc/nfsd.export/channel", "* " NFSD_EXPORT " " FOREVER " 0x2402 65534 65534 0\n", err);
}

int nfsd_start(const struct topology *t, struct lm_err *err)
{
	if (put("/proc/fs/nfsd/threads", "4\n", err) < 0 || answers(t, err) < 0)
		return -1;
	return put("/proc/fs/nfsd/v4_end_grace", "Y\n", err);
}

int nfsd_stop(struct lm_err *err)
{
	return put("/proc/fs/nfsd/threads", "0\n", err);
}
