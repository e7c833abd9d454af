#include "tests/lab/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"

static const char *colour(const char *code)
{
	return getenv("lab_colour") ? code : "";
}

const char *screen_green(void) { return colour("\033[32m"); }
const char *screen_red(void) { return colour("\033[31m"); }
const char *screen_dim(void) { return colour("\033[2m"); }
const char *screen_plain(void) { return colour("\033[0m"); }

double screen_elapsed_s(void)
{
	return (double)clock_mono_ms() / 1e3;
}

void screen_title(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("\n%s%5.1f s%s  %s", screen_dim(), screen_elapsed_s(), screen_plain(), colour("\033[1m"));
	vprintf(fmt, ap);
	printf("%s\n", screen_plain());
	va_end(ap);
}

void screen_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("         ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void screen_bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%s%5.1f s  ", screen_red(), screen_elapsed_s());
	vprintf(fmt, ap);
	printf("%s\n", screen_plain());
	va_end(ap);
}
