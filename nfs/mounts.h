/*
 * mounts.h - which mount a path is on, from /proc/self/mountinfo (proc(5)). Reading it asks no file server, so it also works while
 * one hangs.
 *
 *	36 35 0:98 / /latency rw,relatime master:1 - nfs4 10.0.0.10:/share rw,vers=4.1,hard,...
 *	id parent  root point  options  [fields]     type source           super
 *
 * Blank, tab, newline, backslash and `#` stand there as \040 and so on; they are decoded. Strict: a line that has not this form is
 * LM_DATA with its number, for a table that is half understood may name the wrong mount.
 */
#ifndef NFS_MOUNTS_H
#define NFS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define MOUNTS_MAX 20000
#define MOUNTS_MAX_BYTES ((size_t)16 << 20)

struct mount {
	int id, parent;
	char *root;		/* the folder of the file system that is mounted */
	char *point;		/* where, as this process sees it */
	char *options;		/* of this mount: rw, noexec ... */
	char *type;		/* nfs4, ext4, overlay ... */
	char *source;		/* 10.0.0.10:/share; may be empty */
	char *super;		/* of the file system: vers=4.1, hard ... */
};

struct mounts {
	struct mount *items;
	size_t count, room;
};

/* On failure nothing is to be freed. The strings are of *out. */
int mounts_parse(const char *text, size_t len, struct mounts *out, struct lm_err *err);
int mounts_load(struct mounts *out, struct lm_err *err);		/* of this process */
void mounts_free(struct mounts *m);
#define auto_mounts __attribute__((cleanup(mounts_free)))

/* NULL when there is none. */
const struct mount *mounts_by_id(const struct mounts *m, int id);
/*
 * As the kernel would walk there: from the root to the mount on each folder of the path, so that what is hidden under another mount
 * is not found. The path is absolute and clean (mounts_clean); links in it are not followed.
 */
const struct mount *mounts_of_path(const struct mounts *m, const char *path);

/* Absolute, without `.`, `..`, `//` and a last `/`. Nobody is asked whether it exists. The caller frees. */
char *mounts_clean(const char *path);

/*
 * Finds NAME or NAME=VALUE in a list with commas. The value is copied to `value` (may be NULL), cut when too long, "" without one.
 */
bool mounts_option(const char *list, const char *name, char *value, size_t size);

#endif
