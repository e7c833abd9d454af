#include "nfs/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"

#define NAME ".check-mount"
#define SLOT_MS 500
#define CYCLE 10			/* slots */
#define EDITED 5			/* the first of two in which it is written in place */
#define GONE 8				/* the first of two in which it is not there */
#define LOOK_US 50000
#define SIGN_OF_LIFE_MS 1000
#define FRESH_S 2.0			/* the README's promise */
#define NOISE 3

bool peer_is_gone_at(int64_t slot)
{
	return slot % CYCLE >= GONE;
}

bool peer_is_edited_at(int64_t slot)
{
	return slot % CYCLE == EDITED || slot % CYCLE == EDITED + 1;
}

static int open_dir(const struct peer *p, struct guard *g)
{
	struct lm_err err;
	int fd;

	guard_step(g, "folder");
	fd = file_open_dir(p->dir, &err);
	if (fd < 0)
		guard_tell(g, VERDICT_BAD, (int)err.code, "%s", err.msg);
	return fd;
}

/* --- the writer -------------------------------------------------------------------------------------------------------- */

/* As an editor or `cat >` does it. */
static int edit(int dir_fd, const char *text, struct lm_err *err)
{
	auto_close int fd = openat(dir_fd, NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fsync(fd) < 0)
		return lm_fail_errno(err, "edit `" NAME "`");
	return 0;
}

static int write_slot(int dir_fd, int64_t slot, struct lm_err *err)
{
	char text[64];

	if (peer_is_gone_at(slot))
		return unlinkat(dir_fd, NAME, 0) < 0 && errno != ENOENT ? lm_fail_errno(err, "delete `" NAME "`") : 0;
	snprintf(text, sizeof(text), "%" PRId64 " end\n", slot);
	return peer_is_edited_at(slot) ? edit(dir_fd, text, err) : file_publish(dir_fd, NAME, text, strlen(text), NULL, err);
}

void peer_write(void *arg, struct guard *g)
{
	const struct peer *p = arg;
	auto_close int dir_fd = open_dir(p, g);
	int64_t begin_ms = clock_mono_ms(), first = clock_wall_ms() / SLOT_MS, slot = 0;
	struct lm_err err;

	if (dir_fd < 0)
		return;
	for (; clock_mono_ms() - begin_ms < p->time_ms; slot++) {
		int64_t rest_ms = begin_ms + slot * SLOT_MS - clock_mono_ms();

		if (rest_ms > 0)
			usleep((useconds_t)rest_ms * 1000);
		guard_step(g, "write");
		if (write_slot(dir_fd, first + slot, &err) < 0) {
			guard_tell(g, VERDICT_BAD, (int)err.code, "%s", err.msg);
			return;
		}
	}
	unlinkat(dir_fd, NAME, 0);
	guard_tell(g, VERDICT_OK, 0, "%" PRId64 " changes written in %.3g s; what the other pod says is the result", slot,
		   (double)p->time_ms / 1e3);
}

/* --- the watcher --------------------------------------------------------------------------------------------------------- */

void peer_see(struct peer_seen *s, int64_t slot, int64_t written_ms, int64_t now_ms)
{
	int64_t next = s->last + 1;
	double late_s, *worst;

	if (s->versions && slot == s->last)
		return;
	s->versions++;
	if (s->versions > 1 && slot < s->last) {
		s->backwards++;
	} else if (s->versions > 1) {
		/* late is what the first version was that could have been seen since the last one, not the one that was */
		while (peer_is_gone_at(next) && next < slot)
			next++;
		late_s = (double)(now_ms - written_ms) / 1e3 +
			 (double)(written_ms - s->last_ms) / 1e3 * (double)(slot - next) / (double)(slot - s->last);
		worst = s->was_gone ? &s->appeared_s : peer_is_edited_at(next) ? &s->edited_s : &s->replaced_s;
		if (late_s > *worst)
			*worst = late_s;
	}
	s->last = slot;
	s->last_ms = written_ms;
	s->was_gone = false;
}

void peer_end(struct peer_seen *s, int64_t now_ms)
{
	double unseen_s = (double)(now_ms - s->last_ms) / 1e3 - 2.0 * SLOT_MS / 1e3;

	if (s->versions && s->was_gone && now_ms - s->last_ms > CYCLE * SLOT_MS && unseen_s > s->appeared_s)
		s->appeared_s = unseen_s;
}

/* What is to be added to our clock to have the server's. A read-only mount has no way to ask. */
static bool server_offset(int dir_fd, int64_t *offset_ms)
{
	int64_t before_ms = clock_wall_ms();
	struct timespec now;
	struct lm_err ignored;

	if (file_server_now(dir_fd, &now, &ignored) < 0)
		return false;
	*offset_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (before_ms + clock_wall_ms()) / 2;
	return true;
}

struct watch {
	struct peer_seen seen;
	int64_t offset_ms;
	int stale, unfinished, broken;
	struct lm_err first;		/* of the broken */
};

static void look(int dir_fd, struct watch *w)
{
	auto_file_text struct file_text text = {0};
	struct lm_err err;
	int64_t slot, written_ms;
	int end = 0;

	if (file_read(dir_fd, NAME, 4096, FILE_NO_LINKS, &text, &err) < 0) {
		if (err.os_errno == ENOENT)
			w->seen.was_gone = true;
		else if (err.os_errno == ESTALE)
			w->stale++;
		else if (w->broken++ == 0)
			w->first = err;
		return;
	}
	if (sscanf(text.data, "%" SCNd64 " end%n", &slot, &end) != 1 || end == 0) {
		w->unfinished++;	/* an edit in place may be seen so: whoever reads looks again, and so do we */
		return;
	}
	written_ms = (int64_t)text.st.st_mtim.tv_sec * 1000 + text.st.st_mtim.tv_nsec / 1000000;
	peer_see(&w->seen, slot, written_ms, clock_wall_ms() + w->offset_ms);
}

static void tell_late(struct guard *g, const char *name, double late_s, const char *what)
{
	guard_step(g, name);
	if (late_s < 0)
		guard_tell(g, VERDICT_WARNING, 0, "%s: never seen, try a longer --time", what);
	else if (late_s > FRESH_S * NOISE)
		guard_tell(g, VERDICT_BAD, LM_CONFIG, "%s: seen after %.1f s at the latest; write lookupcache=positive, "
			   "actimeo=1", what, late_s);
	else
		guard_tell(g, late_s > FRESH_S ? VERDICT_WARNING : VERDICT_OK, 0, "%s: seen after %.2f s at the latest", what,
			   late_s);
}

static void tell_watched(struct guard *g, const struct peer *p, const struct watch *w, bool has_clock)
{
	guard_step(g, "watch");
	if (w->seen.versions == 0) {
		guard_tell(g, VERDICT_BAD, LM_NOINPUT, "in %.3g s no file of another pod came: does check-mount --write run on "
			   "another node, on the same volume?", (double)p->time_ms / 1e3);
		return;
	}
	if (w->broken || w->seen.backwards)
		guard_tell(g, VERDICT_BAD, LM_IO, "%d versions seen, %d reads failed, %d times an older one came after a "
			   "newer%s%s", w->seen.versions, w->broken, w->seen.backwards, w->broken ? ": " : "", w->broken ?
			   w->first.msg : "");
	else
		guard_tell(g, VERDICT_OK, 0, "%d versions seen, none after a newer one; read again for %d unfinished edits and "
			   "%d stale handles%s", w->seen.versions, w->unfinished, w->stale, has_clock ? "" : "; read-only: times "
			   "are right if this node's clock is the server's");
	tell_late(g, "replaced", w->seen.replaced_s, "a file that another node replaced");
	tell_late(g, "edited", w->seen.edited_s, "a file that another node wrote in place");
	tell_late(g, "appeared", w->seen.appeared_s, "a file that was not there, made by another node");
}

void peer_watch(void *arg, struct guard *g)
{
	const struct peer *p = arg;
	auto_close int dir_fd = open_dir(p, g);
	int64_t begin_ms, sign_ms = 0;
	struct watch w = {.seen = {.replaced_s = -1, .edited_s = -1, .appeared_s = -1}};
	bool has_clock;

	if (dir_fd < 0)
		return;
	has_clock = server_offset(dir_fd, &w.offset_ms);
	for (begin_ms = clock_mono_ms(); clock_mono_ms() - begin_ms < p->time_ms; usleep(LOOK_US)) {
		if (clock_mono_ms() - sign_ms > SIGN_OF_LIFE_MS) {
			guard_step(g, "watch");
			sign_ms = clock_mono_ms();
		}
		look(dir_fd, &w);
	}
	peer_end(&w.seen, clock_wall_ms() + w.offset_ms);
	tell_watched(g, p, &w, has_clock);
}
