#include "sched/dump_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/options.h"
#include "sched/cluster.h"
#include "sched/dump.h"
#include "sched/settings.h"

#define AT(field) offsetof(struct dump_command, field)
#define LOOK_US 20000
#define WORDS_MAX 1000

struct dump_command {
	int64_t pid, timeout_ms;
	const char *folder;
	bool matrix;
};

static const struct option_spec specs[] = {
	{"pid", OPT_INTEGER, AT(pid), "PID", "1", 0, 1, 4194304, .help = "the scheduler's process; 1 is the one of a container"},
	{"timeout", OPT_DURATION, AT(timeout_ms), "TIME", "10s", 0, 100, 600e3, .help = "how long the dump is waited for"},
	{"folder", OPT_STRING, AT(folder), "FOLDER", NULL, 0, .help = "where it is written; default: what --dump of that process says"},
	{"matrix", OPT_FLAG, AT(matrix), NULL, NULL, 0, .help = "print the matrix of the last dump, and ask for no new one"},
};

static const struct options_program dump_program = {
	.name = "latency-sched dump",
	.summary = "asks a running scheduler what it knows, and prints it for `explain` and `simulate`",
	.usage = "[--pid PID] [--timeout TIME] [--folder FOLDER] [--matrix]",
	.environment = "LATENCY_DUMP",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.epilogue = "Exit codes: 0 printed, 64 usage, 66 no such process or no dump so far, 69 no dump in time, 74 I/O, 77 permission,\n"
		    "78 the scheduler runs without --dump.\n",
};

/* --- the process ------------------------------------------------------------------------------------------------------- */

static FILE *open_proc(const struct dump_command *c, const char *name, struct lm_err *err)
{
	auto_free char *path = xasprintf("/proc/%lld/%s", (long long)c->pid, name);
	FILE *file = fopen(path, "re");

	if (!file)
		lm_fail_errno(err, "process %lld (--pid)", (long long)c->pid);
	return file;
}

/* One that does not block the signal, to read it from a descriptor, would be ended by it. */
static int check_process(const struct dump_command *c, struct lm_err *err)
{
	auto_file FILE *file = open_proc(c, "status", err);
	unsigned long long blocked = 0;
	char line[256];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	if (!(blocked >> (SIGUSR1 - 1) & 1))
		return lm_fail(err, LM_NOINPUT, "process %lld is no latency-sched that schedules (--pid)", (long long)c->pid);
	return 0;
}

/* Its words, which the caller frees with *text. How many; -1. */
static int read_words(const struct dump_command *c, char **text, char *words[static WORDS_MAX + 1], struct lm_err *err)
{
	auto_file FILE *file = open_proc(c, "cmdline", err);
	size_t room = 0, used = 0;
	ssize_t len;
	int count = 0;

	if (!file)
		return -1;
	len = getdelim(text, &room, EOF, file);
	for (; len > 0 && used < (size_t)len && count < WORDS_MAX; used += strlen(*text + used) + 1)
		words[count++] = *text + used;
	words[count] = NULL;
	return count ? count : lm_fail(err, LM_NOINPUT, "process %lld has no command line (--pid)", (long long)c->pid);
}

/* The caller frees. */
static char *folder_of(const struct dump_command *c, struct lm_err *err)
{
	auto_free char *text = NULL;
	char *words[WORDS_MAX + 1], *folder = NULL;
	struct settings *settings;
	int count = read_words(c, &text, words, err);

	if (count < 0)
		return NULL;
	settings = settings_load(count, words, err);
	if (!settings) {
		err->code = LM_CONFIG;	/* not how this one was called */
		lm_wrap(err, "process %lld", (long long)c->pid);
		return NULL;
	}
	if (settings->dump)
		folder = xstrdup(settings->dump);
	else
		lm_fail(err, LM_CONFIG, "process %lld runs without --dump", (long long)c->pid);
	settings_free(settings);
	return folder;
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

/* False: there is none, or it cannot be looked at; then reading it will say why. */
static bool is_another(const char *path, const struct stat *before)
{
	struct stat now;

	if (stat(path, &now) < 0)
		return errno != ENOENT;
	return now.st_ino != before->st_ino || now.st_mtim.tv_sec != before->st_mtim.tv_sec || now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

static int wait_for_dump(const struct dump_command *c, const char *path, struct lm_err *err)
{
	int64_t end_ms = clock_mono_ms() + c->timeout_ms;
	struct stat before = {0};

	if (stat(path, &before) < 0 && errno != ENOENT)
		return lm_fail_errno(err, "look at `%s`", path);
	if (kill((pid_t)c->pid, SIGUSR1) < 0)
		return lm_fail_errno(err, "ask process %lld", (long long)c->pid);
	while (!is_another(path, &before)) {
		if (clock_mono_ms() >= end_ms)
			return lm_fail(err, LM_UNAVAILABLE, "no new %.200s in %.1f s: the scheduler's log may say why (--folder, --timeout)", path,
				       (double)c->timeout_ms / 1e3);
		usleep(LOOK_US);
	}
	return 0;
}

static int print_file(const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, path, CLUSTER_MAX_BYTES, FILE_NO_LINKS, &text, err) < 0)
		return -1;
	if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
		return lm_fail_errno(err, "write to standard output");
	return 0;
}

static int run(const struct dump_command *c, struct lm_err *err)
{
	auto_free char *folder = NULL, *path = NULL;

	if ((!c->matrix || !c->folder) && check_process(c, err) < 0)
		return -1;
	folder = c->folder ? xstrdup(c->folder) : folder_of(c, err);
	if (!folder)
		return -1;
	path = xasprintf("%s/%s", folder, c->matrix ? CLUSTER_LATENCY_FILE : DUMP_CLUSTER_FILE);
	if (!c->matrix && wait_for_dump(c, path, err) < 0)
		return -1;
	return print_file(path, err);
}

int dump_command_main(int argc, char **argv)
{
	struct dump_command command = {0};
	struct options options;
	struct lm_err err;
	int code = 0;

	if (options_parse(&dump_program, argc, argv, &command, &options, &err) < 0)
		return options_fail(&dump_program, &err);
	log_setup(options.log_level, options.log_format);
	if (!options.done && run(&command, &err) < 0)
		code = options_fail(&dump_program, &err);
	options_free(&options);
	return code;
}
