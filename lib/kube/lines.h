/*
 * lines.h - cuts a stream of bytes into lines, wherever the chunks begin and end. Private to the watch.
 *
 * However the bytes are cut into chunks, the same lines come out. A line ends with `\n` (a `\r` before it is dropped), empty lines
 * are skipped, and what stands behind the last `\n` waits for more. A line that lies inside one chunk is not copied.
 */
#ifndef LIB_KUBE_LINES_H
#define LIB_KUBE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

struct lines {
	struct buf rest;	/* a line whose end has not come yet */
	size_t max_bytes;	/* of a line; set it before use */
};

/* False stops; the line is not NUL-terminated. */
typedef bool line_fn(void *arg, const char *line, size_t len);

enum lines_result { LINES_OK, LINES_STOPPED, LINES_TOO_LONG };
/* After anything but LINES_OK only lines_clear may follow; a function that stops may free the struct's owner. */
enum lines_result lines_feed(struct lines *l, const char *bytes, size_t len, line_fn *line, void *arg);
void lines_clear(struct lines *l);		/* forgets the rest and frees its memory */

#endif
