/*
 * watch.h - one open watch: reads the history, nothing is queued for it. The HTTP server calls watch_read from the thread of
 * the connection until it ends.
 */
#ifndef STANDIN_WATCH_H
#define STANDIN_WATCH_H

#include <stddef.h>
#include <sys/types.h>

struct watch;

#define WATCH_END (-1)		/* the stream is complete */
#define WATCH_CUT (-2)		/* the connection is to be broken */

/* Waits for something to send; returns the number of bytes, WATCH_END or WATCH_CUT. */
ssize_t watch_read(struct watch *w, char *to, size_t room);
void watch_free(struct watch *w);

#endif
