/*
 * reader_wire.h - what the reader process (reader_child.c) says to the scheduler (reader.c): messages of one fixed size over a
 * SOCK_SEQPACKET pair, one way.
 *
 * LOADING is sent before the inotify events are read and before a file is opened; it is answered by exactly one outcome (any
 * other kind but BEAT) of the same `load`. So a scheduler that sees no unread events and no open LOADING knows that nothing is
 * on its way.
 */
#ifndef SCHED_READER_WIRE_H
#define SCHED_READER_WIRE_H

#include <stdint.h>

#define READER_WIRE_MAGIC 0x6c6d7231u	/* "lmr1": both sides are one program, but a message is checked like any input */

enum reader_kind {
	READER_BEAT,		/* alive, nothing happened */
	READER_LOADING,
	READER_MATRIX,		/* comes with a sealed memfd */
	READER_SAME,		/* the file has the content that was sent last */
	READER_NOTHING,		/* the events were not about it */
	READER_UNFINISHED,	/* did not parse, is tried again at once: someone is writing */
	READER_FAILED,		/* the same for longer, or no file: `text` says why */
	READER_KINDS,
};

struct reader_message {
	uint32_t magic;
	uint32_t kind;			/* enum reader_kind */
	uint64_t load;			/* 1, 2, ... of LOADING and its outcome */
	int64_t mtime_ms;		/* of the file, by its server's clock; MATRIX */
	int64_t noticed_ms;		/* wall clock: when the change was noticed */
	uint32_t by_event;		/* noticed by inotify, not by the poll */
	uint32_t hold;			/* a file `hold` lies beside it */
	int32_t code;			/* enum lm_code; FAILED */
	char text[404];			/* FAILED; NUL-terminated */
};

/* Where the child finds its two ends. */
#define READER_CHILD_SOCKET 3
#define READER_CHILD_INOTIFY 4

#endif
