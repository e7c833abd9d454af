#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "sched/reader.h"
#include "sched/reader_wire.h"

#define HOLD_NAME "hold"
#ifndef BEAT_MS
#define BEAT_MS 1000
#endif
#define FULL_READ_MS 30000	/* what stat does not show is seen at last then */
#define RACY_READS 3		/* a file that changed just now is read so often again: a second change may share its time stamp */
#define UNFINISHED_TRIES 4	/* before a file that does not parse is called bad */
#define WATCHED (IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static const int64_t retry_ms[] = {20, 50, 100, 200};

/* What identifies a version of the file without reading it. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct child {
	char *folder, *name;
	int64_t poll_ms;
	uint64_t load;
	int watch;			/* -1: none */
	dev_t watched_dev;
	ino_t watched_ino;
	struct stamp stamp;
	bool has_stamp, hold;
	uint64_t sent_digest, bad_digest;	/* of the text that was handed over; of one that did not parse */
	bool has_sent, has_bad;
	struct lm_err bad;		/* why */
	int racy, failures;		/* reads still to do; failed ones in a row */
	int64_t read_mono_ms, sent_mono_ms, next_ms;
};

/* A look at the file: why, and since when. */
struct look {
	bool by_event;
	int64_t noticed_ms;
};

/* --- to the scheduler --- */

static void send_message(struct child *c, struct reader_message *m, int fd)
{
	struct iovec part = {m, sizeof(*m)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	m->magic = READER_WIRE_MAGIC;
	m->hold = c->hold;
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	while (sendmsg(READER_CHILD_SOCKET, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			_exit(0); /* the scheduler is gone */
	c->sent_mono_ms = clock_mono_ms();
}

static void say_loading(struct child *c)
{
	struct reader_message m = {.kind = READER_LOADING, .load = ++c->load};

	send_message(c, &m, -1);
}

static void say(struct child *c, enum reader_kind kind)
{
	struct reader_message m = {.kind = kind, .load = c->load};

	send_message(c, &m, -1);
}

static void say_failed(struct child *c, const struct lm_err *err)
{
	struct reader_message m = {.kind = READER_FAILED, .load = c->load, .code = (int32_t)err->code};

	snprintf(m.text, sizeof(m.text), "%.*s", (int)sizeof(m.text) - 1, err->msg);
	send_message(c, &m, -1);
}

/* --- the file --- */

/* Not for security: equal content in equal state. Eight bytes a step. */
static uint64_t text_digest(const char *text, size_t len)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ len, word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, text, len);
	h = (h ^ word) * 0xc4ceb9fe1a85ec53u;
	return h ^ (h >> 29);
}

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && same_time(a->mtime, b->mtime) &&
		same_time(a->ctime, b->ctime);
}

/* By opening it: a stat alone may be answered from an NFS client's cache. */
static bool look_at_stamp(const struct child *c, int dir, struct stamp *out)
{
	auto_close int fd = openat(dir, c->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	*out = stamp_of(&st);
	return true;
}

static bool look_for_hold(int dir)
{
	auto_close int fd = openat(dir, HOLD_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);

	return fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != ESTALE);
}

/* Frees the text on the way: text, snapshot and matrix of a large mesh are never all in memory. */
static int build(struct file_text *text, int *fd, struct lm_err *err)
{
	auto_snapshot struct snapshot snapshot = {0};
	auto_matrix struct matrix *matrix = NULL;

	if (snapshot_parse(text->data, text->len, &snapshot, err) < 0)
		return -1;
	file_text_free(text);
	matrix = matrix_build(&snapshot);
	snapshot_free(&snapshot);
	return matrix_to_memfd(matrix, fd, err);
}

/* Unfinished for a while, then bad. */
static void refuse(struct child *c, const struct lm_err *err)
{
	c->failures++;
	if (err->code == LM_DATA && c->failures < UNFINISHED_TRIES)
		say(c, READER_UNFINISHED);
	else
		say_failed(c, err);
}

/* Parses text that was not seen before and hands the matrix over. */
static void hand_over(struct child *c, struct file_text *text, uint64_t digest, const struct look *look)
{
	struct reader_message m = {.kind = READER_MATRIX, .load = c->load, .by_event = look->by_event,
				   .noticed_ms = look->noticed_ms};
	auto_close int fd = -1;

	m.mtime_ms = (int64_t)text->st.st_mtim.tv_sec * 1000 + text->st.st_mtim.tv_nsec / 1000000;
	c->has_bad = false;
	if (build(text, &fd, &c->bad) < 0) {
		c->has_bad = c->bad.code == LM_DATA; /* a lack of memory passes */
		c->bad_digest = digest;
		refuse(c, &c->bad);
		return;
	}
	c->failures = 0;
	c->sent_digest = digest;
	c->has_sent = true;
	send_message(c, &m, fd);
}

/* Exactly one outcome for the LOADING that the caller sent. */
static void load(struct child *c, int dir, const struct look *look)
{
	auto_file_text struct file_text text = {0};
	struct stamp before = c->stamp;
	bool had_stamp = c->has_stamp;
	struct lm_err err;
	uint64_t digest;

	c->has_stamp = false;
	if (file_read(dir, c->name, SNAPSHOT_MAX_BYTES, FILE_NO_LINKS, &text, &err) < 0) {
		refuse(c, &err);
		return;
	}
	c->stamp = stamp_of(&text.st);
	c->has_stamp = true;
	c->read_mono_ms = clock_mono_ms();
	if (!had_stamp || !same_stamp(&before, &c->stamp))
		c->racy = RACY_READS;
	digest = text_digest(text.data, text.len);
	if (c->has_sent && digest == c->sent_digest) {
		c->failures = 0;
		say(c, READER_SAME);
	} else if (c->has_bad && digest == c->bad_digest) {
		refuse(c, &c->bad);
	} else {
		hand_over(c, &text, digest, look);
	}
}

/* --- the folder --- */

/* A watch is on an inode: the folder may be another one by now (mounted over, moved, made anew). */
static void keep_watch(struct child *c, int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0 || (c->watch >= 0 && st.st_dev == c->watched_dev && st.st_ino == c->watched_ino))
		return;
	if (c->watch >= 0)
		inotify_rm_watch(READER_CHILD_INOTIFY, c->watch);
	c->watch = inotify_add_watch(READER_CHILD_INOTIFY, c->folder, WATCHED); /* without one the poll is all there is */
	c->watched_dev = st.st_dev;
	c->watched_ino = st.st_ino;
}

static bool is_ours(struct child *c, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW)
		return true;
	if (event->wd != c->watch)
		return false;
	if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
		c->watch = event->mask & IN_IGNORED ? -1 : c->watch;
		c->watched_ino = 0; /* keep_watch makes a new one */
		return true;
	}
	return event->len && (STREQ(event->name, c->name) || STREQ(event->name, HOLD_NAME));
}

/* Reads all events that there are. True when one is about the file, `hold` or the folder. */
static bool drain_events(struct child *c)
{
	_Alignas(struct inotify_event) char bytes[16384];
	const struct inotify_event *event;
	bool ours = false;
	ssize_t len, at;

	while ((len = read(READER_CHILD_INOTIFY, bytes, sizeof(bytes))) > 0)
		for (at = 0; at < len; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(const void *)(bytes + at);
			ours |= is_ours(c, event);
		}
	return ours;
}

static void schedule(struct child *c)
{
	int64_t now = clock_mono_ms(), wait = c->poll_ms;
	size_t tried = (size_t)(c->failures - 1);

	if (c->failures > 0 && tried < ARRAY_SIZE(retry_ms) && retry_ms[tried] < wait)
		wait = retry_ms[tried];
	c->next_ms = now + wait;
}

static void look_after_event(struct child *c)
{
	struct look look = {true, clock_wall_ms()};
	struct lm_err err;
	int folder;

	say_loading(c); /* before the events are read: see reader_wire.h */
	if (!drain_events(c)) {
		say(c, READER_NOTHING);
		return;
	}
	folder = file_open_dir(c->folder, &err);
	if (folder < 0) {
		refuse(c, &err);
	} else {
		keep_watch(c, folder);
		c->hold = look_for_hold(folder);
		load(c, folder, &look);
		close(folder);
	}
	schedule(c);
}

static bool worth_a_read(struct child *c, int dir)
{
	struct stamp now;

	if (c->failures > 0 && c->failures < UNFINISHED_TRIES)
		return true;
	if (!c->has_stamp || !look_at_stamp(c, dir, &now) || !same_stamp(&now, &c->stamp))
		return true;
	if (c->racy > 0) {
		c->racy--;
		return true;
	}
	return clock_mono_ms() - c->read_mono_ms >= FULL_READ_MS;
}

static void look_by_poll(struct child *c)
{
	struct look look = {false, clock_wall_ms()};
	bool hold = c->hold;
	struct lm_err err;
	auto_close int folder = file_open_dir(c->folder, &err);

	if (folder >= 0) {
		keep_watch(c, folder);
		c->hold = look_for_hold(folder);
	}
	if (folder < 0) {
		say_loading(c);
		refuse(c, &err);
	} else if (worth_a_read(c, folder)) {
		say_loading(c);
		load(c, folder, &look);
	} else if (hold != c->hold || clock_mono_ms() - c->sent_mono_ms >= BEAT_MS) {
		say(c, READER_BEAT);
	}
	schedule(c);
}

/* --- the process --- */

static bool split_path(struct child *c, const char *path)
{
	const char *slash = strrchr(path, '/');

	c->folder = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	c->name = xstrdup(slash ? slash + 1 : path);
	return *c->name != '\0';
}

static void run(struct child *c)
{
	struct pollfd fds[2] = {{.fd = READER_CHILD_INOTIFY, .events = POLLIN}, {.fd = READER_CHILD_SOCKET, .events = POLLRDHUP}};

	for (;;) {
		int64_t now = clock_mono_ms(), beat_ms = c->sent_mono_ms + BEAT_MS;
		int64_t wait = (c->next_ms < beat_ms ? c->next_ms : beat_ms) - now;

		if (poll(fds, 2, wait > 0 ? (int)wait : 0) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		if (fds[0].revents)
			look_after_event(c);
		if (clock_mono_ms() >= c->next_ms)
			look_by_poll(c);
		else if (clock_mono_ms() - c->sent_mono_ms >= BEAT_MS) /* a long poll is no silence */
			say(c, READER_BEAT);
	}
}

/* Where memory is short (a giant file under the name) this process is to go, not the scheduler beside it. */
static void be_the_first_victim(void)
{
	auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		return; /* only a help */
}

int reader_child_main(int argc, char **argv)
{
	struct child c = {.watch = -1};
	char *end;

	if (argc != 3 || !split_path(&c, argv[1]) || fcntl(READER_CHILD_SOCKET, F_GETFD) < 0) {
		fprintf(stderr, "reader: is started by the scheduler only\n");
		return LM_USAGE;
	}
	c.poll_ms = strtoll(argv[2], &end, 10);
	/* Large blocks go back to the system when they are freed, instead of growing the heap for good. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
	prctl(PR_SET_NAME, "latency-reader");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	be_the_first_victim();
	signal(SIGPIPE, SIG_IGN);
	c.next_ms = clock_mono_ms();
	run(&c);
	free(c.folder);
	free(c.name);
	return 0;
}
