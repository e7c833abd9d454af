#include "tests/lab/root.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/mem.h"

#define NEW "/mnt"			/* every Debian has it */

/* Folders of the root that the guest has of its own. */
static const char *const own[] = {"proc", "sys", "dev", "run", "tmp", "mnt", "latency", "export", "lab", "var", NULL};

static bool is_own(const char *name)
{
	for (int i = 0; own[i]; i++)
		if (STREQ(own[i], name))
			return true;
	return false;
}

/* Links like /bin -> usr/bin are copied, folders bound; files of the root are not needed. */
static int take_over(const char *name, struct lm_err *err)
{
	char from[PATH_MAX], to[PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t len;

	snprintf(from, sizeof(from), "/%s", name);
	snprintf(to, sizeof(to), NEW "/%s", name);
	if (lstat(from, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode) && (len = readlink(from, target, sizeof(target) - 1)) > 0) {
		target[len] = '\0';
		return symlink(target, to) < 0 ? lm_fail_errno(err, "%s", to) : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (mkdir(to, 0755) < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
		return lm_fail_errno(err, "%s", to);
	return 0;
}

static int bind_machine(struct lm_err *err)
{
	DIR *root = opendir("/");
	const struct dirent *entry;
	int result = 0;

	if (!root)
		return lm_fail_errno(err, "/");
	while (result == 0 && (entry = readdir(root)))
		if (entry->d_name[0] != '.' && !is_own(entry->d_name))
			result = take_over(entry->d_name, err);
	closedir(root);
	return result;
}

static int fs(const char *type, const char *target, unsigned long flags, const char *data, struct lm_err *err)
{
	if (mkdir(target, 0755) < 0 && access(target, X_OK) < 0)
		return lm_fail_errno(err, "%s", target);
	return mount(type, target, type, flags, data) < 0 ? lm_fail_errno(err, "mount %s on %s", type, target) : 0;
}

static int own_folders(const char *build, const char *out, const char *modules, struct lm_err *err)
{
	if (mkdir(NEW "/lab", 0755) < 0 || mkdir(NEW "/latency", 0755) < 0 || mkdir(NEW "/mnt", 0755) < 0)
		return lm_fail_errno(err, NEW);
	if (fs("proc", NEW "/proc", 0, NULL, err) < 0 || fs("sysfs", NEW "/sys", 0, NULL, err) < 0 ||
	    fs("devtmpfs", NEW "/dev", 0, NULL, err) < 0 || fs("tmpfs", NEW "/run", 0, NULL, err) < 0 ||
	    fs("tmpfs", NEW "/tmp", 0, "mode=1777", err) < 0 || fs("tmpfs", NEW "/var", 0, NULL, err) < 0 ||
	    fs("tmpfs", NEW "/dev/shm", 0, "mode=1777", err) < 0)
		return -1;
	if (fs("hostfs", NEW ROOT_BUILD, MS_RDONLY, build, err) < 0 || fs("hostfs", NEW ROOT_MODULES, MS_RDONLY, modules, err) < 0)
		return -1;
	return fs("hostfs", NEW ROOT_OUT, 0, out, err);
}

int root_make(const char *build, const char *out, const char *modules, struct lm_err *err)
{
	if (mount("root", NEW, "tmpfs", 0, NULL) < 0)
		return lm_fail_errno(err, "tmpfs on " NEW);
	if (bind_machine(err) < 0 || own_folders(build, out, modules, err) < 0)
		return -1;
	if (chdir(NEW) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return lm_fail_errno(err, "pivot_root");
	return 0;
}
