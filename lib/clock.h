/*
 * clock.h - time. Durations and deadlines use the monotonic clock; the wall clock is for text and for other machines.
 * A time carries its clock and unit in its name: wall_ms, mono_ms, mono_us.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);		/* since 1970, UTC */
int64_t clock_mono_ms(void);		/* CLOCK_BOOTTIME: a suspended machine's time counts */
int64_t clock_mono_us(void);

/* "2026-11-21T21:00:00.000Z" */
#define CLOCK_TEXT 25
void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT]);
/* RFC 3339 in UTC, with 0 to 9 decimals of the second; years 1970 to 9999. Returns 0, or -1 when it is nothing of that. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
