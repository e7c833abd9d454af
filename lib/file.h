/*
 * file.h - reading files that others write, and publishing files that others read, on local disks and NFS.
 *
 * Publishing is atomic: a reader sees the old file or the new one, never a mixture. A temporary `.tmp-PID-RANDOM` is made
 * with O_EXCL in the same directory, written, fsync'ed, closed (each checked: NFS reports a full disk at any of them) and
 * renamed. On any failure the temporary is removed and the old file stays. After a failed rename the final file is read
 * again: NFS may have renamed and lost the answer; equal bytes mean success.
 *
 * Reading opens the path anew each time (that is what makes NFS revalidate), with O_NOFOLLOW and O_NONBLOCK so that neither
 * a link nor a FIFO planted under the name can harm, takes regular files only and stops at a limit. ESTALE is tried again for 0.12 s.
 * Nothing here uses mmap or locks.
 */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/err.h"

/*
 * Reads a whole file. `dir_fd` is AT_FDCWD or a directory. The text is NUL-terminated beyond len; the caller frees it.
 * Larger than max_bytes: LM_DATA that names both sizes. `st` (may be NULL) is of the opened file. With `follow` links are
 * followed (a file that the user named on the command line); without, a link is refused (a file under the volume).
 */
struct file_text {
	char *data;
	size_t len;
	struct stat st;
};
void file_text_free(struct file_text *text);
#define auto_file_text __attribute__((cleanup(file_text_free)))

enum file_links { FILE_NO_LINKS, FILE_FOLLOW };
int file_read(int dir_fd, const char *name, size_t max_bytes, enum file_links links, struct file_text *out, struct lm_err *err);

/*
 * Publishes data under `name` (no slash) in the directory, mode 0644. `mtime` (may be NULL) gets the time that the file's
 * server gave to it.
 */
int file_publish(int dir_fd, const char *name, const void *data, size_t len, struct timespec *mtime, struct lm_err *err);

/* The file server's clock: the mtime of a temporary that is made and removed. */
int file_server_now(int dir_fd, struct timespec *now, struct lm_err *err);

/*
 * Removes this program's own litter: regular files `.tmp-*` of our uid that are older than an hour by the server's clock
 * `now`. Looks at most at `max_entries` directory entries a call. Returns how many were removed; errors are not errors here.
 */
int file_sweep(int dir_fd, const struct timespec *now, int max_entries);

/* Opens a directory; the caller closes it. LM_NOINPUT where there is none. */
int file_open_dir(const char *path, struct lm_err *err);

#endif
