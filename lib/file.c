#include "lib/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/mem.h"

#define STALE_TRIES 4
#define STALE_PAUSE_US 20000	/* then twice and three times as long: a client was seen to need 150 ms to drop an old handle */
#define TEMPORARY ".tmp-"
#define TEMPORARY_NAME 48
#define SWEEP_AGE_S 3600

void file_text_free(struct file_text *text)
{
	free(text->data);
	*text = (struct file_text){0};
}

/* Up to `max` bytes and one more, so that a file that grows while it is read is noticed. */
static int read_all(int fd, const char *name, size_t max, struct file_text *out, struct lm_err *err)
{
	size_t room = out->st.st_size > 0 && (size_t)out->st.st_size <= max ? (size_t)out->st.st_size + 1 : 4096;
	auto_free char *data = xmalloc(room + 1);
	size_t len = 0;
	ssize_t got;

	for (;;) {
		got = read(fd, data + len, room - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return lm_fail_errno(err, "read `%s`", name);
		if (got == 0)
			break;
		len += (size_t)got;
		if (len > max)
			return lm_fail(err, LM_DATA, "`%s` is larger than %zu bytes", name, max);
		if (len == room) {
			room = room * 2 > max + 1 ? max + 1 : room * 2;
			data = xrealloc(data, room + 1, 1);
		}
	}
	data[len] = '\0';
	out->data = steal(&data);
	out->len = len;
	return 0;
}

static int read_once(int dir_fd, const char *name, size_t max, enum file_links links, struct file_text *out, struct lm_err *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (links == FILE_FOLLOW ? 0 : O_NOFOLLOW);
	auto_close int fd = openat(dir_fd, name, flags);

	if (fd < 0 && errno == ELOOP && links == FILE_NO_LINKS)
		return lm_fail(err, LM_DATA, "`%s` is a symbolic link", name);
	if (fd < 0)
		return lm_fail_errno(err, "open `%s`", name);
	if (fstat(fd, &out->st) < 0)
		return lm_fail_errno(err, "stat `%s`", name);
	if (!S_ISREG(out->st.st_mode))
		return lm_fail(err, LM_DATA, "`%s` is not a regular file", name);
	if (out->st.st_size > 0 && (uint64_t)out->st.st_size > max)
		return lm_fail(err, LM_DATA, "`%s` has %lld bytes, more than the limit of %zu", name, (long long)out->st.st_size, max);
	return read_all(fd, name, max, out, err);
}

int file_read(int dir_fd, const char *name, size_t max_bytes, enum file_links links, struct file_text *out, struct lm_err *err)
{
	int tries;

	*out = (struct file_text){0};
	for (tries = 1; read_once(dir_fd, name, max_bytes, links, out, err) < 0; tries++) {
		if (err->os_errno != ESTALE || tries == STALE_TRIES)
			return -1;
		usleep(STALE_PAUSE_US * (useconds_t)tries);
	}
	return 0;
}

static int make_temporary(int dir_fd, char name[static TEMPORARY_NAME], struct lm_err *err)
{
	unsigned char random[8];
	uint64_t number;
	int fd;

	do {
		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return lm_fail_errno(err, "random numbers");
		memcpy(&number, random, sizeof(number));
		snprintf(name, TEMPORARY_NAME, TEMPORARY "%d-%016llx", (int)getpid(), (unsigned long long)number);
		fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		return lm_fail_errno(err, "make a temporary file");
	return fd;
}

static int write_all(int fd, const char *data, size_t len, struct lm_err *err)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return lm_fail_errno(err, "write");
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

/* Writes, fsyncs, takes the time and closes; each can be where NFS tells of a full disk. The mode is not left to the umask. */
static int fill_temporary(int fd, const void *data, size_t len, struct timespec *mtime, struct lm_err *err)
{
	struct stat st;
	int failed = write_all(fd, data, len, err);

	if (!failed && fchmod(fd, 0644) < 0)
		failed = lm_fail_errno(err, "chmod");
	if (!failed && fsync(fd) < 0)
		failed = lm_fail_errno(err, "fsync");
	if (!failed && fstat(fd, &st) < 0)
		failed = lm_fail_errno(err, "stat");
	if (close(fd) < 0 && !failed)
		failed = lm_fail_errno(err, "close");
	if (!failed && mtime)
		*mtime = st.st_mtim;
	return failed;
}

/* After a rename that failed: did the server do it and lose the answer? */
static bool is_there(int dir_fd, const char *name, const void *data, size_t len)
{
	auto_file_text struct file_text now = {0};
	struct lm_err ignored;

	return file_read(dir_fd, name, len, FILE_NO_LINKS, &now, &ignored) == 0 && now.len == len && memcmp(now.data, data, len) == 0;
}

int file_publish(int dir_fd, const char *name, const void *data, size_t len, struct timespec *mtime, struct lm_err *err)
{
	char temporary[TEMPORARY_NAME];
	struct lm_err failure;
	int fd = make_temporary(dir_fd, temporary, err);

	if (fd < 0)
		return lm_wrap(err, "publish `%s`", name);
	if (fill_temporary(fd, data, len, mtime, err) < 0) {
		unlinkat(dir_fd, temporary, 0);
		return lm_wrap(err, "publish `%s`", name);
	}
	if (renameat(dir_fd, temporary, dir_fd, name) == 0)
		return 0;
	lm_fail_errno(&failure, "publish `%s`: rename", name);
	unlinkat(dir_fd, temporary, 0); /* also when the bytes are there: they may be those of the old file */
	if (is_there(dir_fd, name, data, len))
		return 0;
	*err = failure;
	return -1;
}

int file_server_now(int dir_fd, struct timespec *now, struct lm_err *err)
{
	char temporary[TEMPORARY_NAME];
	int fd = make_temporary(dir_fd, temporary, err);
	int failed;

	if (fd < 0)
		return lm_wrap(err, "the file server's clock");
	failed = fill_temporary(fd, "\n", 1, now, err);
	unlinkat(dir_fd, temporary, 0);
	return failed ? lm_wrap(err, "the file server's clock") : 0;
}

int file_sweep(int dir_fd, const struct timespec *now, int max_entries)
{
	int removed = 0, fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat st;

	if (!dir) {
		cleanup_close(&fd);
		return 0;
	}
	while (max_entries-- > 0 && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) != 0)
			continue;
		if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
			continue;
		if (now->tv_sec - st.st_mtim.tv_sec > SWEEP_AGE_S && unlinkat(dir_fd, entry->d_name, 0) == 0)
			removed++;
	}
	closedir(dir);
	return removed;
}

int file_open_dir(const char *path, struct lm_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? lm_fail_errno(err, "open folder `%s`", path) : fd;
}
