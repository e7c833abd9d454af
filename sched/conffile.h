/*
 * conffile.h - notices that the configuration file changed: a mounted ConfigMap changes by a swap of symbolic links, and nobody sends a signal.
 *
 * The file is read every CONFFILE_LOOK_MS. What counts is its content, once it was the same in two looks: a file that is written in place is never
 * met half-way. That it is gone or cannot be read is a change too, so that the reload says why.
 * A file on a network file system is left alone, for a look could hang the loop: there a signal is needed.
 */
#ifndef SCHED_CONFFILE_H
#define SCHED_CONFFILE_H

#include <stdbool.h>
#include <stdint.h>

#define CONFFILE_LOOK_MS 2000

struct conffile {
	char *path;			/* NULL: none, or not looked at */
	int64_t next_mono_ms;
	uint64_t known, last;		/* of the content: what was loaded or refused; what the last look saw */
};

/* `path` is copied and may be NULL. Call it when the file was just loaded. */
void conffile_open(struct conffile *f, const char *path, int64_t mono_ms);
void conffile_close(struct conffile *f);
/* True when the caller should load it now: once for each content, whatever becomes of it. */
bool conffile_changed(struct conffile *f, int64_t mono_ms);
/* The caller is about to load it for another reason. */
void conffile_known(struct conffile *f);

#endif
