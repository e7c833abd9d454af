#include "tests/e2e/cost.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

static double peak_mib(const char *pid)
{
	auto_free char *path = xasprintf("/proc/%s/status", pid), *text = test_read(path);
	const char *line = text ? strstr(text, "\nVmHWM:") : NULL;

	return line ? strtod(line + 7, NULL) / 1024 : 0;
}

/* `3 (name) S 1 ...`: the 14th and 15th words are clock ticks in user and system. */
static void add_process(struct cost *sum, const char *pid, const char *name)
{
	auto_free char *path = xasprintf("/proc/%s/stat", pid), *text = test_read(path);
	const char *from = text ? strchr(text, '(') : NULL, *to = text ? strrchr(text, ')') : NULL;
	unsigned long user, system;

	if (!from || !to || (size_t)(to - from - 1) != strlen(name) || strncmp(from + 1, name, strlen(name)) != 0)
		return;
	if (sscanf(to + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return;
	sum->cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	sum->peak_mib += peak_mib(pid);
	sum->processes++;
}

struct cost cost_of(const char *name)
{
	struct cost sum = {0};
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	assert_non_null(proc);
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			add_process(&sum, entry->d_name, name);
	closedir(proc);
	return sum;
}
