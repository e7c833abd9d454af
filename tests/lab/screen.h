/*
 * screen.h - what a person sees: lines with the time since the guest's start, colour only when lab.sh saw a terminal.
 */
#ifndef TESTS_LAB_SCREEN_H
#define TESTS_LAB_SCREEN_H

double screen_elapsed_s(void);
void screen_title(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* a step begins */
void screen_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* part of a step */
void screen_bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Words around a part of a line; "" without colour. */
const char *screen_green(void), *screen_red(void), *screen_dim(void), *screen_plain(void);

#endif
