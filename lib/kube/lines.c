#include "lib/kube/lines.h"

#include <stdint.h>
#include <string.h>

static bool give(const char *bytes, size_t len, line_fn *line, void *arg)
{
	if (len > 0 && bytes[len - 1] == '\r')
		len--;
	return len == 0 || line(arg, bytes, len);
}

/* The line that began in earlier chunks; it is taken out first, for the function may free everything. */
static bool give_rest(struct lines *l, line_fn *line, void *arg)
{
	auto_buf struct buf whole = l->rest;

	l->rest = (struct buf){0};
	return give(whole.data, whole.len, line, arg);
}

enum lines_result lines_feed(struct lines *l, const char *bytes, size_t len, line_fn *line, void *arg)
{
	size_t max = l->max_bytes;

	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t part = end ? (size_t)(end - bytes) : len;
		bool more;

		if (part > max - l->rest.len)
			return LINES_TOO_LONG;
		if (!end || l->rest.len > 0)
			buf_add(&l->rest, bytes, part);
		if (!end)
			return LINES_OK;
		more = l->rest.len > 0 ? give_rest(l, line, arg) : give(bytes, part, line, arg);
		if (!more)
			return LINES_STOPPED;
		bytes += part + 1;
		len -= part + 1;
	}
	return LINES_OK;
}

void lines_clear(struct lines *l)
{
	buf_free(&l->rest);
}
