#include "lib/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"

static void *out_of_memory(size_t size)
{
	fprintf(stderr, "out of memory (%zu bytes)\n", size);
	_exit(LM_SOFTWARE);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	return p ? p : out_of_memory(size);
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	return p ? p : out_of_memory(count * size);
}

void *xrealloc(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count ? count : 1, size ? size : 1);

	return p ? p : out_of_memory(count * size);
}

char *xstrdup(const char *text)
{
	return text ? xstrndup(text, strlen(text)) : NULL;
}

char *xstrndup(const char *text, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = out_of_memory(0);
	va_end(ap);
	return text;
}

void grow(void *items, size_t *room, size_t need, size_t size)
{
	void **array = items;
	size_t next = *room ? *room : 8;

	if (need <= *room)
		return;
	while (next < need)
		next = next > SIZE_MAX / 2 ? need : next * 2;
	*array = xrealloc(*array, next, size);
	*room = next;
}

void cleanup_free(void *pointer)
{
	void *held;

	memcpy(&held, pointer, sizeof(held));
	free(held);
}

void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}
