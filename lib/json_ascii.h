/* json_ascii.h - the inside of a string of printable ASCII without escapes, eight bytes at a time. For scanners of one writing. */
#ifndef LIB_JSON_ASCII_H
#define LIB_JSON_ASCII_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EACH_BYTE(byte) (0x0101010101010101u * (uint64_t)(byte))

/*
 * The highest bit of each byte that is a quote, a backslash, a control character, DEL or beyond. Above the lowest of them there may be wrong ones, for a borrow or
 * a carry begins in none but such a byte.
 */
static inline uint64_t ascii_special(uint64_t word)
{
	uint64_t quote = word ^ EACH_BYTE('"'), slash = word ^ EACH_BYTE('\\');

	return (((quote - EACH_BYTE(1)) & ~quote) | ((slash - EACH_BYTE(1)) & ~slash) | (word - EACH_BYTE(0x20)) | (word + EACH_BYTE(1)) | word) &
	       EACH_BYTE(0x80);
}

/* The bytes in their order in memory, the first one lowest. What is missing at the end is 0, which is special. */
static inline uint64_t ascii_load(const char *at, const char *end)
{
	uint64_t word = 0;

	if (end - at >= (ptrdiff_t)sizeof(word))
		memcpy(&word, at, sizeof(word));
	else
		memcpy(&word, at, (size_t)(end - at));
	return le64toh(word);
}

#endif
