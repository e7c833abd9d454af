#include "lib/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
	return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t used;

	if (wall_ms < 0 || wall_ms > 253402300799999) /* the year 9999 */
		seconds = 0, wall_ms = 0;
	gmtime_r(&seconds, &tm);
	used = strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + used, CLOCK_TEXT - used, ".%03dZ", (int)(wall_ms % 1000));
}

static bool digits(const char **at, int count, int *value)
{
	*value = 0;
	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return true;
}

static bool mark(const char **at, char c)
{
	return *(*at)++ == c;
}

int clock_parse(const char *text, int64_t *wall_ms)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct tm tm = {0};
	const char *at = text;
	int decimals = 0, ms = 0;

	if (!digits(&at, 4, &tm.tm_year) || !mark(&at, '-') || !digits(&at, 2, &tm.tm_mon) || !mark(&at, '-') ||
	    !digits(&at, 2, &tm.tm_mday) || !mark(&at, 'T') || !digits(&at, 2, &tm.tm_hour) || !mark(&at, ':') ||
	    !digits(&at, 2, &tm.tm_min) || !mark(&at, ':') || !digits(&at, 2, &tm.tm_sec))
		return -1;
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > month_days[tm.tm_mon - 1] ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	if (tm.tm_mon == 2 && tm.tm_mday == 29 && (tm.tm_year % 4 != 0 || (tm.tm_year % 100 == 0 && tm.tm_year % 400 != 0)))
		return -1;
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9' && decimals < 9; at++, decimals++)
			if (decimals < 3)
				ms = ms * 10 + (*at - '0');
	if (at[-1] == '.' || strcmp(at, "Z") != 0)
		return -1;
	for (; decimals < 3; decimals++)
		ms *= 10;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}
