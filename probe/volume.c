#include "probe/volume.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "probe/stats.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 60000
#define SWEEP_EACH_MS 3600000
#define SWEEP_ENTRIES 20000		/* that one sweep looks at, at most */
#define LOG_EACH_MS 60000
#define STOP_WAIT_MS 1000

struct volume {
	char *peers_path, *output_dir, *file_name;
	int64_t stuck_ms;
	struct metrics *m;
	pthread_t thread;
	pthread_mutex_t lock;			/* of all to the next blank line */
	pthread_cond_t work, done;
	bool stop, stopped;
	int64_t looks_asked, looks_done;
	int64_t asked_ms;			/* since when something waits; 0: nothing does */
	struct peers fresh;			/* a list that was not taken yet */
	bool has_fresh;
	enum peerfile_state state;
	struct lm_err state_err;
	struct buf report;			/* to be written; len 0: nothing */
	bool writing;
	int64_t retry_ms;			/* not before */
	struct lm_err write_err;		/* of the last try; code 0: it succeeded */

	struct peerfile file;			/* of the thread alone */
	int64_t backoff_ms, swept_ms;
	struct log_gate gate, stuck_gate;
};

/* --- writing, without the lock --------------------------------------------------------------------------------------- */

static int publish_reason(const struct lm_err *err)
{
	switch (err->os_errno) {
	case ENOSPC: case EDQUOT: case EFBIG:
		return PUBLISH_NO_SPACE;
	case EACCES: case EPERM: case EROFS:
		return PUBLISH_PERMISSION;
	case ENOENT: case ENOTDIR:
		return PUBLISH_MISSING;
	case ESTALE:
		return PUBLISH_STALE;
	default:
		return PUBLISH_IO;
	}
}

static int open_folder(const char *path, struct lm_err *err)
{
	int fd = file_open_dir(path, err);

	if (fd >= 0 || err->os_errno != ENOENT || mkdir(path, 0775) < 0)
		return fd;
	fd = file_open_dir(path, err);
	if (fd >= 0 && fchmod(fd, 02775) < 0)	/* whatever the umask; the group is inherited */
		log_warn("folder made, but its mode is not 2775", FIELDS(LS("folder", path)));
	return fd;
}

static void sweep(struct volume *v, int dir)
{
	struct timespec now;
	struct lm_err ignored;
	int64_t now_ms = clock_mono_ms();
	int removed;

	if (v->swept_ms && now_ms - v->swept_ms < SWEEP_EACH_MS)
		return;
	v->swept_ms = now_ms;
	if (file_server_now(dir, &now, &ignored) < 0)
		return;
	removed = file_sweep(dir, &now, SWEEP_ENTRIES);
	if (removed > 0)
		log_info("old temporary files removed", FIELDS(LI("count", removed)));
}

static int write_report(struct volume *v, const struct buf *report, struct lm_err *err)
{
	int tries;

	for (tries = 0; tries < 2; tries++) {
		auto_close int dir = open_folder(v->output_dir, err);

		if (dir >= 0 && file_publish(dir, v->file_name, report->data, report->len, NULL, err) == 0) {
			sweep(v, dir);
			return 0;
		}
		if (err->os_errno != ESTALE)
			break;
	}
	return lm_wrap(err, "%s", v->output_dir);
}

static void note_failure(struct volume *v, const struct lm_err *err)
{
	int64_t held_back;

	metrics_add(v->m, STAT_PUBLISH_ERRORS, publish_reason(err), 1);
	if (log_gate_open(&v->gate, LOG_EACH_MS, &held_back))
		log_warn("cannot publish, will try again", FIELDS(LS("reason", err->msg), LI("repeated", held_back)));
}

/* --- the thread ------------------------------------------------------------------------------------------------------ */

static void unlock(struct volume *v)
{
	pthread_mutex_unlock(&v->lock);
}

static void lock(struct volume *v)
{
	pthread_mutex_lock(&v->lock);
}

static void look(struct volume *v)
{
	int64_t asked = v->looks_asked;
	struct peers peers = {0};
	struct lm_err err = {0};
	bool is_new;
	int got;

	unlock(v);
	got = peerfile_look(&v->file, &peers, &is_new, &err);
	if (got < 0)
		metrics_add(v->m, STAT_PEERS_ERRORS, v->file.state == PEERFILE_BAD ? PEERS_BAD : PEERS_MISSING, 1);
	if (got < 0 && is_new)
		log_warn(v->file.state == PEERFILE_BAD ? "bad peer list, the last good one stays" : "waiting for the peer list",
			 FIELDS(LS("reason", err.msg)));
	lock(v);
	v->looks_done = asked;
	v->state = v->file.state;
	v->state_err = err;
	if (got > 0) {
		peers_free(&v->fresh);
		v->fresh = peers;
		v->has_fresh = true;
	}
}

static void write_newest(struct volume *v)
{
	struct buf report = v->report;
	struct lm_err err = {0};
	int failed;

	v->report = (struct buf){0};
	v->writing = true;
	unlock(v);
	failed = write_report(v, &report, &err);
	if (failed)
		note_failure(v, &err);
	else
		metrics_add(v->m, STAT_PUBLISHED, 0, 1);
	lock(v);
	v->writing = false;
	v->write_err = err;
	if (failed) {
		v->backoff_ms = v->backoff_ms ? v->backoff_ms * 2 : BACKOFF_FIRST_MS;
		if (v->backoff_ms > BACKOFF_MOST_MS)
			v->backoff_ms = BACKOFF_MOST_MS;
		v->retry_ms = clock_mono_ms() + v->backoff_ms;
	} else {
		v->write_err.code = 0;
		v->backoff_ms = 0;
		v->retry_ms = 0;
	}
	if (failed && v->report.len == 0) {
		v->report = report;
		return;
	}
	buf_free(&report);
}

static bool wants_look(const struct volume *v)
{
	return v->looks_done < v->looks_asked;
}

/* The condition variables use CLOCK_MONOTONIC; our times CLOCK_BOOTTIME: only the difference is carried over. */
static void wait_until(struct volume *v, pthread_cond_t *cond, int64_t until_ms)
{
	int64_t left_ms = until_ms - clock_mono_ms();
	struct timespec t;

	if (left_ms <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += left_ms / 1000;
	t.tv_nsec += left_ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, &v->lock, &t);
}

static void *run(void *arg)
{
	struct volume *v = arg;

	lock(v);
	while (!v->stop) {
		bool may_write = v->report.len > 0 && clock_mono_ms() >= v->retry_ms;

		if (wants_look(v)) {
			look(v);
		} else if (may_write) {
			write_newest(v);
		} else {
			v->asked_ms = 0;
			if (v->report.len > 0)
				wait_until(v, &v->work, v->retry_ms);
			else
				pthread_cond_wait(&v->work, &v->lock);
			continue;
		}
		v->asked_ms = clock_mono_ms();
		pthread_cond_broadcast(&v->done);
	}
	v->stopped = true;
	pthread_cond_broadcast(&v->done);
	unlock(v);
	return NULL;
}

/* --- for the probing thread ------------------------------------------------------------------------------------------ */

struct volume *volume_start(const struct volume_settings *settings)
{
	struct volume *v = xcalloc(1, sizeof(*v));
	pthread_condattr_t attr;

	v->m = settings->m;
	v->stuck_ms = settings->stuck_ms;
	v->peers_path = xstrdup(settings->peers_path);
	v->output_dir = xstrdup(settings->output_dir);
	v->file_name = xstrdup(settings->file_name);
	v->file.path = v->peers_path;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->work, &attr);
	pthread_cond_init(&v->done, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&v->thread, NULL, run, v) != 0)
		abort();
	pthread_setname_np(v->thread, "volume");
	return v;
}

static void ask(struct volume *v)
{
	if (!v->asked_ms)
		v->asked_ms = clock_mono_ms();
	pthread_cond_signal(&v->work);
}

bool volume_peers(struct volume *v, int64_t wait_ms, struct peers *out, enum peerfile_state *state, struct lm_err *why)
{
	int64_t until_ms = clock_mono_ms() + wait_ms, mine;
	bool taken;

	lock(v);
	if (!wants_look(v))	/* else one is waited for already */
		v->looks_asked++;
	mine = v->looks_asked;
	ask(v);
	while (v->looks_done < mine && clock_mono_ms() < until_ms)
		wait_until(v, &v->done, until_ms);
	taken = v->has_fresh;
	if (taken) {
		*out = v->fresh;
		v->fresh = (struct peers){0};
		v->has_fresh = false;
	}
	*state = v->state;
	if (why)
		*why = v->state_err;
	unlock(v);
	return taken;
}

void volume_put(struct volume *v, struct buf *report)
{
	lock(v);
	buf_free(&v->report);
	v->report = *report;
	*report = (struct buf){0};
	ask(v);
	unlock(v);
}

int volume_flush(struct volume *v, int64_t wait_ms, struct lm_err *err)
{
	int64_t until_ms = clock_mono_ms() + wait_ms;
	bool pending;
	int failed = 0;

	lock(v);
	v->retry_ms = 0;
	v->write_err.code = 0;
	ask(v);
	while ((pending = v->report.len > 0 || v->writing) && !v->write_err.code && clock_mono_ms() < until_ms)
		wait_until(v, &v->done, until_ms);
	if (pending && v->write_err.code) {
		*err = v->write_err;
		failed = -1;
	} else if (pending) {
		failed = lm_fail(err, LM_IO, "%s: no answer from the volume in %lld ms", v->output_dir, (long long)wait_ms);
	}
	unlock(v);
	return failed;
}

bool volume_is_stuck(struct volume *v)
{
	bool stuck;

	lock(v);
	stuck = v->asked_ms && clock_mono_ms() - v->asked_ms > v->stuck_ms;
	if (stuck && log_gate_open(&v->stuck_gate, LOG_EACH_MS, NULL))
		log_warn("the volume does not answer, pinging goes on", FIELDS(LS("folder", v->output_dir)));
	metrics_set(v->m, STAT_PUBLISH_STUCK, 0, stuck);
	unlock(v);
	return stuck;
}

bool volume_stop(struct volume *v)
{
	int64_t until_ms = clock_mono_ms() + STOP_WAIT_MS;

	lock(v);
	v->stop = true;
	pthread_cond_signal(&v->work);
	while (!v->stopped && clock_mono_ms() < until_ms)
		wait_until(v, &v->done, until_ms);
	if (!v->stopped) {
		unlock(v);
		pthread_detach(v->thread);
		return false;
	}
	unlock(v);
	pthread_join(v->thread, NULL);
	peers_free(&v->fresh);
	buf_free(&v->report);
	peerfile_free(&v->file);
	pthread_cond_destroy(&v->work);
	pthread_cond_destroy(&v->done);
	pthread_mutex_destroy(&v->lock);
	free(v->peers_path);
	free(v->output_dir);
	free(v->file_name);
	free(v);
	return true;
}
