/* plain.h - for scan.c and prune.c: strings of printable ASCII without escapes, eight bytes at a time. */
#ifndef SCHED_EXTENDER_PLAIN_H
#define SCHED_EXTENDER_PLAIN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define PLAIN_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/*
 * The highest bit of each byte that is a quote, a backslash, a control character, DEL or beyond. Above the lowest of them there may be wrong ones, for a borrow or
 * a carry begins in none but such a byte.
 */
static inline uint64_t plain_special(uint64_t word)
{
	uint64_t quote = word ^ PLAIN_EACH('"'), slash = word ^ PLAIN_EACH('\\');

	return (((quote - PLAIN_EACH(1)) & ~quote) | ((slash - PLAIN_EACH(1)) & ~slash) | (word - PLAIN_EACH(0x20)) | (word + PLAIN_EACH(1)) | word) &
	       PLAIN_EACH(0x80);
}

/* The bytes in their order in memory, the first one lowest. What is missing at the end is 0, which is special. */
static inline uint64_t plain_load(const char *at, const char *end)
{
	size_t left = (size_t)(end - at);
	uint64_t word = 0;

	if (left >= sizeof(word))
		memcpy(&word, at, sizeof(word));
	else
		memcpy(&word, at, left);
	return le64toh(word);
}

#endif
