#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "nfs/trial.h"

#define REPLACEMENTS 40
#define SIZE 20000			/* several pages: a write that is not atomic shows */
#define EVENT_MS 1000
#define SILLY_MS 3000
#define SKEW_S 2.0
#define FREE_BYTES (64ull << 20)	/* 500 nodes; 1,000 have 148 MB of reports and up to four matrices of 15 MB */
#define FREE_INODES 2000

/* --- replacing while someone reads ------------------------------------------------------------------------------------ */

struct race {
	const struct trial *t;
	atomic_bool over;
	int reads, mixtures, gone, stale, failed;
	struct lm_err first;		/* of gone and failed */
};

static bool is_whole(const struct file_text *text)
{
	for (size_t i = 1; i < text->len; i++)
		if (text->data[i] != text->data[0])
			return false;
	return text->len == SIZE;
}

static void *read_on(void *arg)
{
	struct race *r = arg;

	while (!r->over || r->reads == 0) {
		auto_file_text struct file_text text = {0};
		struct lm_err err;

		r->reads++;
		if (file_read(r->t->dir_fd, r->t->name, SIZE * 2, FILE_NO_LINKS, &text, &err) == 0) {
			r->mixtures += !is_whole(&text);
			continue;
		}
		if (err.os_errno == ESTALE) {
			r->stale++;
			continue;
		}
		if (r->gone + r->failed == 0)
			r->first = err;
		*(err.os_errno == ENOENT ? &r->gone : &r->failed) += 1;
	}
	return NULL;
}

void trial_rename(struct trial *t)
{
	struct race r = {.t = t};
	struct lm_err err;
	pthread_t reader;
	char data[SIZE];
	int result = 0;

	memset(data, 'a', sizeof(data));
	if (file_publish(t->dir_fd, t->name, data, sizeof(data), NULL, &err) < 0) {
		trial_failed(t, &err);
		return;
	}
	if (pthread_create(&reader, NULL, read_on, &r) != 0) {
		guard_tell(t->guard, VERDICT_WARNING, 0, "not tried: no thread");
		return;
	}
	for (int i = 0; i < REPLACEMENTS && result == 0; i++) {
		memset(data, 'a' + i % 26, sizeof(data));
		result = file_publish(t->dir_fd, t->name, data, sizeof(data), NULL, &err);
		guard_step(t->guard, "rename");
	}
	r.over = true;
	pthread_join(reader, NULL);
	if (result < 0)
		trial_failed(t, &err);
	else if (r.mixtures || r.gone || r.failed || r.stale == r.reads)
		guard_tell(t->guard, VERDICT_BAD, LM_IO, "of %d reads while the file was replaced %d times: %d mixtures of two "
			   "files, %d times no file, %d errors, %d stale handles%s%s", r.reads, REPLACEMENTS, r.mixtures,
			   r.gone, r.failed, r.stale, r.first.msg[0] ? ": " : "", r.first.msg);
	else if (r.stale)	/* opened, and replaced before it was read; three times running, in this race */
		guard_tell(t->guard, VERDICT_OK, 0, "replaced %d times, read %d times meanwhile: always the old file or the new "
			   "one (%d times ESTALE, healed by the next look)", REPLACEMENTS, r.reads, r.stale);
	else
		guard_tell(t->guard, VERDICT_OK, 0, "replaced %d times, read %d times meanwhile: always the old file or the new "
			   "one", REPLACEMENTS, r.reads);
}

/* --- deleting what is open --------------------------------------------------------------------------------------------- */

static int count_silly(int dir_fd)
{
	int count = 0, fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		cleanup_close(&fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		count += strncmp(entry->d_name, ".nfs", 4) == 0;
	closedir(dir);
	return count;
}

void trial_deleted(struct trial *t)
{
	int before = count_silly(t->dir_fd), during, after;
	struct lm_err err;
	char name[48], byte;
	ssize_t got;
	int fd;

	trial_name(name);
	if (file_publish(t->dir_fd, name, "x", 1, NULL, &err) < 0) {
		trial_failed(t, &err);
		return;
	}
	fd = openat(t->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (unlinkat(t->dir_fd, name, 0) < 0) {
		lm_fail_errno(&err, "delete an open file");
		trial_failed(t, &err);
		cleanup_close(&fd);
		return;
	}
	during = count_silly(t->dir_fd) - before;
	got = fd < 0 ? -1 : pread(fd, &byte, 1, 0);
	cleanup_close(&fd);
	/* the client removes it on its own, soon */
	for (int64_t end_ms = clock_mono_ms() + SILLY_MS; (after = count_silly(t->dir_fd) - before) > 0 && clock_mono_ms() < end_ms;)
		usleep(20000);
	if (got != 1)
		guard_tell(t->guard, VERDICT_WARNING, 0, "an open file that is deleted cannot be read on: a reader begins again "
			   "(ours do)");
	else if (after > 0)
		guard_tell(t->guard, VERDICT_WARNING, 0, "an open file that is deleted stays as .nfs... after it is closed; such "
			   "files can be removed by hand");
	else
		guard_tell(t->guard, VERDICT_OK, 0, "an open file that is deleted can be read to its end%s", during > 0 ? " (it "
			   "is called .nfs... meanwhile)" : "");
}

/* --- what helps, where it works ---------------------------------------------------------------------------------------- */

void trial_lock(struct trial *t)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	auto_close int one = openat(t->dir_fd, t->name, O_RDWR | O_CLOEXEC);
	auto_close int two = openat(t->dir_fd, t->name, O_RDWR | O_CLOEXEC);

	if (one < 0 || two < 0 || fcntl(one, F_OFD_SETLK, &whole) < 0)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%s: two mergers at once do not take turns; they check again before "
			   "they publish, so nothing breaks", strerror(errno));
	else if (fcntl(two, F_OFD_SETLK, &whole) == 0)
		guard_tell(t->guard, VERDICT_WARNING, 0, "two have the same lock: two mergers at once do not take turns; they "
			   "check again before they publish");
	else
		guard_tell(t->guard, VERDICT_OK, 0, "works: two mergers at once take turns");
}

static bool event_came(int fd)
{
	_Alignas(struct inotify_event) char events[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, EVENT_MS) == 1 && read(fd, events, sizeof(events)) > 0;
}

void trial_inotify(struct trial *t)
{
	auto_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	auto_free char *path = xasprintf("/proc/self/fd/%d", t->dir_fd);
	struct lm_err err;

	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO) < 0)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%s: an edit on the scheduler's own node is found by the poll alone, "
			   "within 2 s", strerror(errno));
	else if (file_publish(t->dir_fd, t->name, "x", 1, NULL, &err) < 0)
		trial_failed(t, &err);
	else if (!event_came(fd))
		guard_tell(t->guard, VERDICT_WARNING, 0, "no event after a change here: an edit is found by the poll alone, "
			   "within 2 s");
	else
		guard_tell(t->guard, VERDICT_OK, 0, "tells of changes made on this node; those of other nodes the poll finds, "
			   "within 2 s");
}

/* Ages are taken from the server's clock; only right after a start does the scheduler compare it with its own. */
void trial_clock(struct trial *t)
{
	int64_t before_ms = clock_wall_ms(), after_ms;
	struct timespec now;
	struct lm_err err;
	double ahead_s, unsure_s;

	if (file_server_now(t->dir_fd, &now, &err) < 0) {
		trial_failed(t, &err);
		return;
	}
	after_ms = clock_wall_ms();
	unsure_s = (double)(after_ms - before_ms) / 2e3;
	ahead_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)(before_ms + after_ms) / 2e3;
	if (ahead_s > SKEW_S + unsure_s || ahead_s < -SKEW_S - unsure_s)
		guard_tell(t->guard, VERDICT_WARNING, 0, "the server is %.1f s %s of this node: after a start of the scheduler "
			   "ages are wrong by that; is there NTP on both?", ahead_s < 0 ? -ahead_s : ahead_s, ahead_s < 0 ?
			   "behind" : "ahead");
	else
		guard_tell(t->guard, VERDICT_OK, 0, "the server's is %+.3f s from this node's, known to %.3f s", ahead_s,
			   unsure_s + 0.001);
}

void trial_space(struct trial *t)
{
	struct statvfs v;
	struct lm_err err;
	unsigned long long bytes;

	if (fstatvfs(t->dir_fd, &v) < 0) {
		lm_fail_errno(&err, "free space");
		trial_failed(t, &err);
		return;
	}
	bytes = (unsigned long long)v.f_bavail * v.f_frsize;
	if (v.f_files && v.f_favail < FREE_INODES)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%llu MiB and %llu files free: a file for each node and temporaries "
			   "want %d", bytes >> 20, (unsigned long long)v.f_favail, FREE_INODES);
	else if (bytes < FREE_BYTES)
		guard_tell(t->guard, VERDICT_WARNING, 0, "%llu MiB free: 500 nodes want %llu, 1,000 nodes 256", bytes >> 20,
			   FREE_BYTES >> 20);
	else
		guard_tell(t->guard, VERDICT_OK, 0, "%llu MiB and %llu files free", bytes >> 20, (unsigned long long)v.f_favail);
}
