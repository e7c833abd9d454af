#include "merge/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#define NODES "nodes"
#define NODES_MODE 02775
#define LOCK ".merge-lock"
#define LOCK_WAIT_MS 10000
#define GENERATION_MAX (((int64_t)1 << 53) - 1)

/* --- folders ------------------------------------------------------------------------------------------------------- */

static int open_nodes(int dir_fd, struct lm_err *err)
{
	int fd = openat(dir_fd, NODES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT || (mkdirat(dir_fd, NODES, NODES_MODE) < 0 && errno != EEXIST))
		return lm_fail_errno(err, "folder `" NODES "`");
	fd = openat(dir_fd, NODES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lm_fail_errno(err, "folder `" NODES "`");
	if (fchmod(fd, NODES_MODE) < 0) /* what the umask took away */
		log_warn("mode of the folder nodes", FIELDS(LS("error", strerror(errno))));
	return fd;
}

int volume_open(const struct settings *settings, struct volume *out, struct lm_err *err)
{
	*out = (struct volume){-1, -1, -1};
	out->dir_fd = file_open_dir(settings->dir, err);
	if (out->dir_fd < 0)
		return -1;
	out->nodes_fd = open_nodes(out->dir_fd, err);
	out->snapshot_fd = out->nodes_fd < 0 ? -1 : file_open_dir(settings->snapshot_dir, err);
	if (out->snapshot_fd >= 0)
		return 0;
	volume_close(out);
	return out->nodes_fd < 0 ? lm_wrap(err, "`%s`", settings->dir) : -1;
}

void volume_close(const struct volume *v)
{
	cleanup_close(&v->dir_fd);
	cleanup_close(&v->nodes_fd);
	cleanup_close(&v->snapshot_fd);
}

int volume_now(const struct volume *v, struct timespec *now, struct lm_err *err)
{
	struct lm_err ignored;

	if (file_server_now(v->dir_fd, now, &ignored) == 0)
		return 0;
	return file_server_now(v->snapshot_fd, now, err);
}

/* --- the past ------------------------------------------------------------------------------------------------------ */

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return fmax(0, (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9);
}

int past_load(const struct volume *v, struct past *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	struct timespec now;
	struct lm_err trouble;

	*out = (struct past){0};
	if (file_read(v->snapshot_fd, PUBLISH_STATE, SNAPSHOT_MAX_BYTES, FILE_NO_LINKS, &text, &trouble) < 0) {
		if (trouble.os_errno == ENOENT)
			return 0;
		/* Not read is not the same as lost: starting over would forget every row for one bad moment of the file server. */
		if (trouble.os_errno) {
			*err = trouble;
			return -1;
		}
	}
	if (text.data && snapshot_parse(text.data, text.len, &out->state, &trouble) == 0 && !out->state.is_plain) {
		out->has_state = true;
		if (file_server_now(v->snapshot_fd, &now, err) < 0)
			return -1;
		out->elapsed_s = seconds_between(&text.st.st_mtim, &now);
		return 0;
	}
	if (out->state.is_plain)
		lm_fail(&trouble, LM_DATA, "has no version");
	snapshot_free(&out->state);
	log_warn("the merger's state is lost, starting anew", FIELDS(LS("file", PUBLISH_STATE), LS("error", trouble.msg)));
	return 0;
}

void past_free(struct past *past)
{
	snapshot_free(&past->state);
	past->has_state = false;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* What cannot be told counts as there: `hold` and a file of someone else are respected then. */
static bool exists(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* -1, 0 and "" when there is nothing, or nothing that can be understood: an edit that does not parse stops nothing. */
static int peek(int dir_fd, const char *name, size_t max_bytes, char epoch[SNAPSHOT_EPOCH_MAX + 1], int64_t *generation)
{
	auto_file_text struct file_text text = {0};
	struct lm_err ignored;

	epoch[0] = '\0';
	*generation = 0;
	if (file_read(dir_fd, name, max_bytes, FILE_NO_LINKS, &text, &ignored) < 0)
		return -1;
	return snapshot_peek(text.data, text.len, epoch, generation, &ignored);
}

static int new_epoch(char epoch[SNAPSHOT_EPOCH_MAX + 1], struct lm_err *err)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return lm_fail_errno(err, "random numbers");
	snprintf(epoch, SNAPSHOT_EPOCH_MAX + 1, "%016llx", (unsigned long long)random);
	return 0;
}

/*
 * Two mergers at once (a CronJob started double) take turns in publishing, so that no lower generation replaces a higher one. This is a
 * courtesy, not what files rely on: where locks do not work, or one is held for too long by who died with his machine, the publisher
 * goes on without, and then looks again whether the state is still its own before it replaces the file. -1: not locked.
 */
static int take_turn(int dir_fd)
{
	int fd = openat(dir_fd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int64_t end_ms = clock_mono_ms() + LOCK_WAIT_MS;

	while (fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		if ((errno != EAGAIN && errno != EACCES) || clock_mono_ms() > end_ms) {
			close(fd);
			return -1;
		}
		usleep(10000);
	}
	return fd;
}

static bool is_still_ours(const struct volume *v, const struct snapshot *s)
{
	char epoch[SNAPSHOT_EPOCH_MAX + 1];
	int64_t generation;

	peek(v->snapshot_fd, PUBLISH_STATE, SNAPSHOT_MAX_BYTES, epoch, &generation);
	return generation == s->generation && STREQ(epoch, s->epoch);
}

/*
 * The state's series goes on; without one, or at its end, a new one begins. So it does where the file is gone or cannot be understood:
 * readers may have used an edit of a higher generation before, and would refuse the series until it comes there. The file is anybody's,
 * so no more of it is read than a matrix of these nodes may have.
 */
static int number_next(const struct volume *v, struct snapshot *next, struct lm_err *err)
{
	char file_epoch[SNAPSHOT_EPOCH_MAX + 1];
	size_t max_bytes = snapshot_max_bytes(next->nodes.count, next->clients.count);
	int64_t of_state, of_file;
	int found;

	peek(v->snapshot_fd, PUBLISH_STATE, SNAPSHOT_MAX_BYTES, next->epoch, &of_state);
	found = peek(v->snapshot_fd, PUBLISH_FILE, max_bytes, file_epoch, &of_file);
	next->generation = (of_state > of_file ? of_state : of_file) + 1;
	next->written_ms = clock_wall_ms();
	if (next->generation <= GENERATION_MAX && next->epoch[0] && found == 0)
		return 0;
	if (next->generation > GENERATION_MAX)
		next->generation = 1;
	return new_epoch(next->epoch, err);
}

int publish_snapshot(const struct volume *v, struct snapshot *next, bool has_known, struct published *out, struct lm_err *err)
{
	auto_close int turn = take_turn(v->snapshot_fd);
	auto_buf struct buf text = {0};

	*out = (struct published){.held = exists(v->snapshot_fd, PUBLISH_HOLD)};
	if (!has_known && exists(v->snapshot_fd, PUBLISH_FILE) && !exists(v->snapshot_fd, PUBLISH_STATE)) {
		out->skipped = true;
		return 0;
	}
	if (number_next(v, next, err) < 0)
		return -1;
	snapshot_write(next, &text);
	out->bytes = text.len;
	if (file_publish(v->snapshot_fd, PUBLISH_STATE, text.data, text.len, NULL, err) < 0)
		return -1;
	out->held = exists(v->snapshot_fd, PUBLISH_HOLD); /* it may have come since */
	if (out->held || (turn < 0 && !is_still_ours(v, next)))
		return 0;
	return file_publish(v->snapshot_fd, PUBLISH_FILE, text.data, text.len, NULL, err);
}

int publish_last_clients(const struct volume *v, struct peer_list *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	struct peers peers;

	*out = (struct peer_list){0};
	if (file_read(v->dir_fd, PUBLISH_PEERS, PEERS_MAX_BYTES, FILE_NO_LINKS, &text, err) < 0 || peers_parse(text.data, text.len, &peers, err) < 0)
		return -1;
	*out = peers.clients;
	peer_list_free(&peers.nodes);
	return 0;
}

int publish_peers(const struct volume *v, const struct peers *peers, bool *changed, struct lm_err *err)
{
	auto_file_text struct file_text old = {0};
	auto_buf struct buf text = {0};
	struct lm_err ignored;

	peers_write(peers, &text);
	*changed = file_read(v->dir_fd, PUBLISH_PEERS, PEERS_MAX_BYTES, FILE_NO_LINKS, &old, &ignored) < 0 || old.len != text.len ||
		   memcmp(old.data, text.data, text.len) != 0;
	return *changed ? file_publish(v->dir_fd, PUBLISH_PEERS, text.data, text.len, NULL, err) : 0;
}
