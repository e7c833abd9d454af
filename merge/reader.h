/*
 * reader.h - reading files of a volume that may hang.
 *
 * file_read with a deadline: the read runs on a thread of its own, so that a file server that does not answer costs one file its
 * row and not the whole run. A read that is late is left behind (a hung NFS call cannot be interrupted); its thread ends by itself
 * whenever the call returns, and its file descriptor and memory go with it. When READER_STUCK_MAX of them wait, the volume is
 * given up until one returns.
 *
 * One reader is used by one thread.
 */
#ifndef MERGE_READER_H
#define MERGE_READER_H

#include "lib/file.h"

#define READER_STUCK_MAX 4

/* What reads a file; file_read, or a test's. */
typedef int reader_function(int dir_fd, const char *name, size_t max_bytes, enum file_links links, struct file_text *out, struct lm_err *err);

struct reader;

struct reader *reader_new(reader_function *read);
/* Like file_read without links; LM_IO with ETIMEDOUT when there was no answer in time. */
int reader_read(struct reader *r, int dir_fd, const char *name, size_t max_bytes, int timeout_ms, struct file_text *out,
		struct lm_err *err);
void reader_free(struct reader *r);		/* never waits for a late read */

#endif
