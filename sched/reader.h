/*
 * reader.h - the process that owns the latency file, as the scheduler sees it.
 *
 *	scheduler                      reader process (this program again, started as `PROGRAM reader ...`)
 *	---------                      ------------------------------------------------------------------
 *	reader_start  ---- exec ---->  inotify on the directory, and a poll by open + fstat
 *	reader_settle <--- events? --  the same inotify instance: the scheduler polls it, the child reads it
 *	reader_take   <--- messages -  hold, errors, and each new matrix as a sealed memfd
 *
 * A read that hangs (NFS) or a parser that crashes happens there. The scheduler never waits for it: at exit it is killed and
 * not waited for; when it dies it is started again (0.1 s, doubling to 30 s); after 30 s without a sign of life it is killed
 * and replaced, and one that cannot die (state D) is left behind. It starts with an empty environment, no file but its two, and
 * no secrets of this process.
 *
 *	reader_start(&settings, &reader, &err);
 *	each turn:		wait_ms = reader_tick(reader, now);  poll reader_fd too;
 *	before a decision:	reader_settle(reader, 100);
 *	after either:		while (reader_take(reader, &news)) ...
 *
 * One thread.
 */
#ifndef SCHED_READER_H
#define SCHED_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/matrix.h"

#define READER_SILENT_MS 30000		/* then it is replaced */
#define READER_LEFT_BEHIND_MAX 4	/* killed ones that did not die yet; no new one is started beyond that */

struct reader_settings {
	const char *file;
	int64_t poll_ms;
	const char *program;		/* NULL: this one, /proc/self/exe */
	int64_t silent_ms;		/* 0: READER_SILENT_MS */
};

enum reader_news_kind {
	READER_NEWS_MATRIX,		/* `matrix` is the caller's */
	READER_NEWS_SAME,		/* the file is again as it was handed over last */
	READER_NEWS_HOLD,		/* nothing but `hold` changed */
	READER_NEWS_FAILED,		/* `error`: the file cannot be used; the last good matrix stays */
	READER_NEWS_DIED,		/* `error`: the process ended or was replaced; it is being restarted */
};

struct reader_news {
	enum reader_news_kind kind;
	bool hold;			/* as of this news; not of DIED */
	struct matrix *matrix;
	int64_t mtime_ms, noticed_ms;	/* wall clocks: the file's server's, ours */
	bool by_event;
	struct lm_err error;
};

struct reader;

int reader_start(const struct reader_settings *settings, struct reader **out, struct lm_err *err);
void reader_end(struct reader *r);			/* kills, does not wait; NULL is fine */
/* Readable: call reader_take. -1 while there is none; may be another one after reader_tick. */
int reader_fd(const struct reader *r);
/* Restarts and replaces. Returns milliseconds until it is needed again. */
int64_t reader_tick(struct reader *r, int64_t mono_ms);
/* True with one piece of news; call until false. */
bool reader_take(struct reader *r, struct reader_news *news);
/*
 * Waits until every change that this machine made to the file before the call is loaded or refused, at most limit_ms. A load
 * that once took longer is not waited for again: the old matrix is used until it comes. False when it was given up.
 */
bool reader_settle(struct reader *r, int64_t limit_ms);
/* Nothing is there to take, and reader_settle would not wait. Any thread, while the one that owns the reader does nothing with it. */
bool reader_is_settled(const struct reader *r);
/* Whether the first look at the file is over, with whatever outcome. */
bool reader_looked(const struct reader *r);
int64_t reader_heard_mono_ms(const struct reader *r);	/* the last sign of life */
int64_t reader_starts(const struct reader *r);
int reader_pid(const struct reader *r);			/* 0: none now */

/* The process itself: main() calls it when argv[1] is "reader". argv: reader FILE POLL_MS. Returns an exit code. */
int reader_child_main(int argc, char **argv);

#endif
