/*
 * journal.h - every write and its outcome, in commit order: what GET /standin/log shows.
 */
#ifndef STANDIN_JOURNAL_H
#define STANDIN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

/* What a request knows of its own write; for bindings also what was bound. */
struct journal_note {
	int64_t seq;			/* of its line; 0: none yet */
	bool committed;
	int64_t version;		/* of the last commit */
	char pod[512], uid[64], node[256];
};

struct journal;

struct journal *journal_new(void);
void journal_free(struct journal *j);
/* At a commit, under the store's lock, so that lines are in commit order. Gives the note its line. */
void journal_commit(struct journal *j, const char *method, const char *path, const char *fault, struct journal_note *note);
/* When the answer is decided: fills in the code, and makes the line of a write that committed nothing. */
void journal_answered(struct journal *j, const char *method, const char *path, const char *fault, struct journal_note *note, int code);
/* JSON lines with seq > since. */
void journal_write(struct journal *j, int64_t since, struct buf *out);

#endif
