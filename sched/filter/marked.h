/*
 * marked.h - walks the few marked nodes of a column of bits, eight nodes a step.
 */
#ifndef SCHED_FILTER_MARKED_H
#define SCHED_FILTER_MARKED_H

#include <stdint.h>
#include <string.h>

/* The first node at or after `from` that has a bit of `bits`; `count` when there is none. */
static inline uint32_t next_marked(const uint8_t *column, uint32_t count, uint8_t bits, uint32_t from)
{
	const uint64_t eight = bits * UINT64_C(0x0101010101010101);
	uint64_t word;

	for (; from + sizeof(word) <= count; from += (uint32_t)sizeof(word)) {
		memcpy(&word, column + from, sizeof(word));
		if (word & eight)
			break;
	}
	while (from < count && !(column[from] & bits))
		from++;
	return from;
}

#endif
