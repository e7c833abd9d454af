#include "nfs/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"

#define POD_UID 65532
#define NODES "nodes"
#define NODES_MODE 02775
#define ENTRIES_MAX 100000

void trial_name(char name[static 48])
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)clock_mono_us();
	snprintf(name, 48, ".tmp-%d-%016llx", (int)getpid(), (unsigned long long)random);
}

void trial_failed(const struct trial *t, const struct lm_err *err)
{
	guard_tell(t->guard, VERDICT_BAD, (int)err->code, "%s", err->msg);
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

static void tell_mount(const struct trial *t)
{
	auto_free char *path = xasprintf("/proc/self/fdinfo/%d", t->dir_fd);
	auto_file_text struct file_text text = {0};
	struct lm_err ignored;
	const char *at;
	int id;

	if (file_read(AT_FDCWD, path, 65536, FILE_FOLLOW, &text, &ignored) == 0 && (at = strstr(text.data, "mnt_id:")) != NULL &&
	    sscanf(at + strlen("mnt_id:"), "%d", &id) == 1)
		guard_mount(t->guard, id);
}

static int count_entries(const struct trial *t, struct lm_err *err)
{
	int count = 0, fd = openat(t->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		cleanup_close(&fd);
		return lm_fail_errno(err, "list the folder");
	}
	errno = 0;
	while (count < ENTRIES_MAX && readdir(dir))
		count++;
	if (errno)
		count = lm_fail_errno(err, "list the folder");
	closedir(dir);
	return count;
}

static void reading(struct trial *t)
{
	auto_file_text struct file_text text = {0};
	struct lm_err err;
	int entries = count_entries(t, &err);

	if (entries < 0) {
		trial_failed(t, &err);
		return;
	}
	entries -= 2;
	if (file_read(t->dir_fd, "cluster-latency.json", SNAPSHOT_MAX_BYTES, FILE_NO_LINKS, &text, &err) == 0)
		guard_tell(t->guard, VERDICT_OK, 0, "%d entries; cluster-latency.json has %zu bytes, written %lld s ago",
			   entries, text.len, (long long)(clock_wall_ms() / 1000 - text.st.st_mtim.tv_sec));
	else if (err.os_errno == ENOENT)
		guard_tell(t->guard, VERDICT_OK, 0, "%d entries; no cluster-latency.json yet", entries);
	else
		trial_failed(t, &err);
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

/* Why it is not allowed, in words that lead to the remedy. */
static void tell_refused(const struct trial *t, int dir_fd, const char *what, const struct lm_err *err)
{
	struct stat st;

	if (err->os_errno == EROFS)
		guard_tell(t->guard, VERDICT_BAD, LM_PERM, "mounted read-only: the scheduler can use it (try --read-only), "
			   "probes and merger cannot");
	else if ((err->os_errno == EACCES || err->os_errno == EPERM) && fstat(dir_fd, &st) == 0)
		guard_tell(t->guard, VERDICT_BAD, LM_PERM, "uid %d, gid %d may not write%s: it is of %d:%d with mode %04o. On "
			   "the server: chown 65532:65532 and chmod 2775%s", (int)geteuid(), (int)getegid(), what,
			   (int)st.st_uid, (int)st.st_gid, st.st_mode & 07777, geteuid() == 0 ? " (and root of a client is "
			   "usually nobody there: root_squash)" : "");
	else
		trial_failed(t, err);
}

static int written_is_read(struct trial *t, const char *text, struct lm_err *err)
{
	auto_file_text struct file_text got = {0};

	if (file_publish(t->dir_fd, t->name, text, strlen(text), NULL, err) < 0 ||
	    file_read(t->dir_fd, t->name, 4096, FILE_NO_LINKS, &got, err) < 0)
		return -1;
	t->made = got.st;
	if (got.len != strlen(text) || memcmp(got.data, text, got.len) != 0)
		return lm_fail(err, LM_IO, "read back other bytes than were written");
	if (got.st.st_nlink != 1)
		return lm_fail(err, LM_IO, "a new file has %u links", (unsigned)got.st.st_nlink);
	return 0;
}

static int is_exclusive(const struct trial *t, struct lm_err *err)
{
	auto_close int fd = openat(t->dir_fd, t->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0 && errno == EEXIST)
		return 0;
	return fd < 0 ? lm_fail_errno(err, "create") : lm_fail(err, LM_IO, "O_EXCL made a file that was there");
}

static bool writing(struct trial *t)
{
	int64_t begin_us = clock_mono_us(), end_us;
	struct lm_err err;

	if (written_is_read(t, "the old one\n", &err) < 0) {
		tell_refused(t, t->dir_fd, " here", &err);
		return false;
	}
	if (written_is_read(t, "the new one\n", &err) < 0 || is_exclusive(t, &err) < 0) {
		trial_failed(t, &err);
		return false;
	}
	end_us = clock_mono_us();
	guard_tell(t->guard, VERDICT_OK, 0, "create, write, fsync, close, rename over the old one, read back: %.1f ms each",
		   (double)(end_us - begin_us) / 2e3);
	return true;
}

static void owner(struct trial *t)
{
	int uid = (int)geteuid(), gid = (int)getegid(), got_uid = (int)t->made.st_uid, got_gid = (int)t->made.st_gid;

	if (got_uid == uid && uid == POD_UID)
		guard_tell(t->guard, VERDICT_OK, 0, "%d:%d, as who wrote it", got_uid, got_gid);
	else if (got_uid == uid)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%d:%d, as who wrote it; but pods run as %d: try again as that "
			   "(runAsUser)", got_uid, got_gid, POD_UID);
	else if (got_uid == POD_UID)
		guard_tell(t->guard, VERDICT_OK, 0, "%d:%d: the server makes uid %d, gid %d into that (all_squash), so whoever "
			   "edits can be replaced", got_uid, got_gid, uid, gid);
	else if (uid == 0)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%d:%d: the server does not trust root (root_squash): edit as uid %d",
			   got_uid, got_gid, POD_UID);
	else
		guard_tell(t->guard, VERDICT_WARNING, 0, "%d:%d: the server makes uid %d into that; it works while all pods "
			   "become the same, but a program's temporaries are not known as its own and stay after a crash. In the "
			   "export: all_squash,anonuid=65532,anongid=65532", got_uid, got_gid, uid);
}

/* --- nodes/ ---------------------------------------------------------------------------------------------------------- */

/* Makes and removes a file as a probe would; *st is the file's. */
static int write_in(int dir_fd, struct stat *st, struct lm_err *err)
{
	char name[48];
	int failed;

	trial_name(name);
	if (file_publish(dir_fd, name, "{}\n", 3, NULL, err) < 0)
		return -1;
	failed = fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? lm_fail_errno(err, "stat `%s`", name) : 0;
	if (unlinkat(dir_fd, name, 0) < 0 && !failed)
		failed = lm_fail_errno(err, "delete `%s`", name);
	return failed;
}

static void judge_nodes(const struct trial *t, int fd, const char *which, struct lm_err *err)
{
	struct stat folder, file;

	if (fstat(fd, &folder) < 0) {
		lm_fail_errno(err, "nodes");
		trial_failed(t, err);
	} else if (write_in(fd, &file, err) < 0) {
		tell_refused(t, fd, " in nodes/", err);
	} else if ((folder.st_mode & NODES_MODE) != NODES_MODE || file.st_gid != folder.st_gid) {
		guard_tell(t->guard, VERDICT_WARNING, 0, "%s %04o instead of 2775, and of group %d a new file is of group %d: "
			   "who is not uid %d cannot write there (all our pods are)", which, folder.st_mode & 07777,
			   (int)folder.st_gid, (int)file.st_gid, (int)folder.st_uid);
	} else {
		guard_tell(t->guard, VERDICT_OK, 0, "%s %04o, and new files are of its group %d", which, folder.st_mode & 07777,
			   (int)file.st_gid);
	}
}

/* Before the first probe or merger has made it: a folder of another name, made and removed as they would. */
static void made_anew(const struct trial *t)
{
	char name[48];
	struct lm_err err;
	int fd = -1;

	trial_name(name);
	if (mkdirat(t->dir_fd, name, 0775) < 0 || (fd = openat(t->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    fchmod(fd, NODES_MODE) < 0) {
		lm_fail_errno(&err, "make a folder");
		trial_failed(t, &err);
	} else {
		judge_nodes(t, fd, "not there yet; a folder made as probes and merger make it has mode", &err);
	}
	cleanup_close(&fd);
	unlinkat(t->dir_fd, name, AT_REMOVEDIR);
}

static void nodes(struct trial *t)
{
	auto_close int fd = openat(t->dir_fd, NODES, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct lm_err err;

	if (fd < 0 && errno == ENOENT) {
		made_anew(t);
	} else if (fd < 0) {
		lm_fail_errno(&err, NODES);
		trial_failed(t, &err);
	} else {
		judge_nodes(t, fd, "mode", &err);
	}
}

/* --- all ------------------------------------------------------------------------------------------------------------- */

void trial_run(void *arg, struct guard *g)
{
	static const struct {
		const char *name;
		void (*run)(struct trial *t);
	} steps[] = {
		{"owner", owner}, {"nodes/", nodes}, {"rename", trial_rename}, {"deleted file", trial_deleted},
		{"lock", trial_lock}, {"inotify", trial_inotify}, {"clock", trial_clock},
	};
	struct trial *t = arg;
	struct lm_err err;

	t->guard = g;
	guard_step(g, "folder");
	t->dir_fd = file_open_dir(t->dir, &err);
	if (t->dir_fd < 0) {
		trial_failed(t, &err);
		return;
	}
	tell_mount(t);
	trial_name(t->name);
	guard_step(g, "reading");
	reading(t);
	guard_step(g, "writing");
	if (!t->reads_only && writing(t)) {
		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			guard_step(g, steps[i].name);
			steps[i].run(t);
		}
		guard_step(g, "deleting");
		if (unlinkat(t->dir_fd, t->name, 0) < 0) {
			lm_fail_errno(&err, "delete `%s`", t->name);
			trial_failed(t, &err);
		}
	}
	guard_step(g, "space");
	trial_space(t);
}
