/*
 * buf.h - a growing text buffer, for writing JSON, metrics and messages.
 *
 *	auto_buf struct buf b = {0};
 *	buf_printf(&b, "{\"node\":");
 *	buf_json_string(&b, node);
 *
 * data is NUL-terminated once anything was added (NULL before); len does not count the NUL. Never fails (see mem.h).
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, room;
};

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_i64(struct buf *b, int64_t value);
/* Shortest of at most `decimals` (0..6) digits after the point, trailing zeros dropped: 0.25, 3, 412.5. NaN and inf: null. */
void buf_decimal(struct buf *b, double value, int decimals);
/* A JSON string with its quotes. Text must be UTF-8; control characters (also C1 and U+2028, U+2029), `"` and `\` are escaped. NULL: null. */
void buf_json_string(struct buf *b, const char *text);
void buf_clear(struct buf *b);			/* keeps the memory */
void buf_free(struct buf *b);			/* and makes it {0} */
#define auto_buf __attribute__((cleanup(buf_free)))

#endif
