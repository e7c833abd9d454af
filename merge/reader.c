#include "merge/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

enum state { IDLE, ASKED, ANSWERED, QUIT, LEFT_BEHIND };

/* A thread and the one request it works on. Owned by the reader, after LEFT_BEHIND and QUIT by the thread itself. */
struct worker {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state state;
	reader_function *read;
	int dir_fd;			/* its own: the caller may close his */
	char name[256];
	size_t max_bytes;
	int result;
	struct file_text text;
	struct lm_err err;
};

struct reader {
	reader_function *read;
	struct worker *worker;		/* NULL: none at the moment */
};

/* Of the process: threads cannot be counted by a reader that is gone before them. */
static atomic_int stuck;

static void worker_free(struct worker *w)
{
	cleanup_close(&w->dir_fd);
	file_text_free(&w->text);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
}

/* With the lock held, and again when it returns. The fields of a request belong to the thread until it has answered. */
static void answer(struct worker *w)
{
	struct file_text text = {0};
	struct lm_err err = {0};
	int result;

	pthread_mutex_unlock(&w->lock);
	result = w->read(w->dir_fd, w->name, w->max_bytes, FILE_NO_LINKS, &text, &err);
	pthread_mutex_lock(&w->lock);
	w->result = result;
	w->text = text;
	w->err = err;
	if (w->state == ASKED) {
		w->state = ANSWERED;
		pthread_cond_signal(&w->changed);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (w->state != QUIT && w->state != LEFT_BEHIND) {
		if (w->state == ASKED)
			answer(w);
		else
			pthread_cond_wait(&w->changed, &w->lock);
	}
	if (w->state == LEFT_BEHIND)
		atomic_fetch_sub(&stuck, 1);
	pthread_mutex_unlock(&w->lock);
	worker_free(w);
	return NULL;
}

static struct worker *worker_new(reader_function *read, struct lm_err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	pthread_condattr_t attributes;
	pthread_attr_t detached;
	pthread_t thread;
	int failed;

	*w = (struct worker){.state = IDLE, .read = read, .dir_fd = -1};
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &detached, work, w);
	pthread_attr_destroy(&detached);
	if (failed) {
		worker_free(w);
		errno = failed;
		lm_fail_errno(err, "start a thread");
		return NULL;
	}
	return w;
}

struct reader *reader_new(reader_function *read)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	r->read = read;
	return r;
}

static struct timespec deadline_in(int timeout_ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout_ms / 1000;
	at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

static int ask(struct worker *w, int dir_fd, const char *name, size_t max_bytes, struct lm_err *err)
{
	cleanup_close(&w->dir_fd);
	w->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (w->dir_fd < 0)
		return lm_fail_errno(err, "open `%s`", name);
	memcpy(w->name, name, strlen(name) + 1);
	w->max_bytes = max_bytes;
	w->state = ASKED;
	pthread_cond_signal(&w->changed);
	return 0;
}

int reader_read(struct reader *r, int dir_fd, const char *name, size_t max_bytes, int timeout_ms, struct file_text *out,
		struct lm_err *err)
{
	struct timespec deadline = deadline_in(timeout_ms);
	struct worker *w;
	int result;

	*out = (struct file_text){0};
	if (strlen(name) >= sizeof(w->name))
		return lm_fail(err, LM_DATA, "`%.40s...`: the name is too long", name);
	if (!r->worker && atomic_load(&stuck) >= READER_STUCK_MAX)
		return lm_fail(err, LM_IO, "`%s`: the volume does not answer, %d reads hang", name, READER_STUCK_MAX);
	if (!r->worker)
		r->worker = worker_new(r->read, err);
	w = r->worker;
	if (!w)
		return -1;
	pthread_mutex_lock(&w->lock);
	if (ask(w, dir_fd, name, max_bytes, err) < 0) {
		pthread_mutex_unlock(&w->lock);
		return -1;
	}
	while (w->state == ASKED && pthread_cond_timedwait(&w->changed, &w->lock, &deadline) == 0)
		;
	if (w->state == ASKED) {
		w->state = LEFT_BEHIND;
		r->worker = NULL;
		atomic_fetch_add(&stuck, 1);
		pthread_mutex_unlock(&w->lock);
		errno = ETIMEDOUT;
		return lm_fail_errno(err, "read `%s`", name);
	}
	result = w->result;
	*out = w->text;
	w->text = (struct file_text){0};
	if (result < 0)
		*err = w->err;
	w->state = IDLE;
	pthread_mutex_unlock(&w->lock);
	return result;
}

void reader_free(struct reader *r)
{
	struct worker *w = r->worker;

	if (w) {
		pthread_mutex_lock(&w->lock);
		w->state = QUIT;
		pthread_cond_signal(&w->changed);
		pthread_mutex_unlock(&w->lock);
	}
	free(r);
}
