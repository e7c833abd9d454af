/*
 * mem.h - memory and clean-up at the end of a scope.
 *
 * Small allocations never fail: xmalloc and its kin end the process with exit code 70 and one line when memory is out (the
 * only place of lib/ that does). What is sized by input from outside is bounded by a limit before it is allocated.
 *
 * A variable with an auto_ type is released when its scope ends, on every path. It must be initialised. Give it away with
 * steal():
 *
 *	auto_free char *text = xstrdup("x");
 *	*out = steal(&text);
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>
#include <stdio.h>

void *xmalloc(size_t size);			/* not cleared */
void *xcalloc(size_t count, size_t size);	/* zeroed; the product is checked */
void *xrealloc(void *old, size_t count, size_t size);
char *xstrdup(const char *text);		/* NULL stays NULL */
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grows *items (an array of `size`-byte elements) so that it can hold `need` of them; doubles. *room is its capacity. */
void grow(void *items, size_t *room, size_t need, size_t size);

void cleanup_free(void *pointer);		/* of a variable that holds a pointer from malloc */
void cleanup_close(const int *fd);		/* ignores -1 */
void cleanup_file(FILE **file);
#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_close __attribute__((cleanup(cleanup_close)))
#define auto_file __attribute__((cleanup(cleanup_file)))

/* The value of *pointer, which becomes NULL. */
#define steal(pointer) (__extension__({ __typeof__(*(pointer)) stolen_ = *(pointer); *(pointer) = NULL; stolen_; }))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define STREQ(a, b) (strcmp((a), (b)) == 0)

#endif
