#include "sched/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define FIRST_BYTES ((size_t)16 * 1024)
#define ALIGN ((size_t)64)		/* a cache line */

struct arena_block {
	struct arena_block *older;
	size_t size, used;
	_Alignas(64) char bytes[];
};

static struct arena_block *add_block(struct arena *a, size_t size)
{
	size_t whole = (sizeof(struct arena_block) + size + ALIGN - 1) / ALIGN * ALIGN;
	struct arena_block *block = aligned_alloc(ALIGN, whole);

	if (!block)
		block = xmalloc((size_t)-1);	/* out of memory: ends the process as mem.h has it */
	block->older = a->blocks;
	block->size = size;
	block->used = 0;
	a->blocks = block;
	return block;
}

void *arena_alloc_dirty(struct arena *a, size_t size)
{
	struct arena_block *block = a->blocks;
	char *at;

	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!block || block->size - block->used < size) {
		size_t next = block ? block->size * 2 : FIRST_BYTES;

		block = add_block(a, next > size ? next : size);
	}
	at = block->bytes + block->used;
	block->used += size;
	return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(arena_alloc_dirty(a, size), 0, size);
}

const char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	text = arena_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

void arena_reset(struct arena *a)
{
	size_t all = 0;
	struct arena_block *block;

	if (!a->blocks)
		return;
	a->blocks->used = 0;
	if (!a->blocks->older)
		return;
	for (block = a->blocks; block; block = block->older)
		all += block->size;
	arena_free(a);
	add_block(a, all);
}

void arena_free(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *block = a->blocks;

		a->blocks = block->older;
		free(block);
	}
}
