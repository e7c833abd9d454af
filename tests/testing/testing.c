#include "tests/testing/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *given = getenv("TEST_SEED");

	if (!seed) {
		if (given)
			seed = strtoull(given, NULL, 10);
		else if (getrandom(&seed, 4, 0) != 4)
			seed = (uint64_t)clock_wall_ms();
		seed = seed ? seed : 1;
		printf("# seed %llu\n", (unsigned long long)seed);
		fflush(stdout);
	}
	return seed;
}

int test_rounds(int full)
{
	const char *given = getenv("TEST_ROUNDS");
	long percent = given ? strtol(given, NULL, 10) : 100;

	/* an empty or a foolish value must not make tests that test nothing */
	if (percent < 1 || percent > 100)
		percent = 100;
	return full * percent < 100 ? 1 : (int)(full * percent / 100);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
struct rng rng_make(uint64_t seed)
{
	return (struct rng){seed};
}

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(rng_next(r) % n);
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

bool rng_chance(struct rng *r, double probability)
{
	return rng_unit(r) < probability;
}

static char **folders;
static size_t folder_count, folder_room;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_folders(void)
{
	size_t i;

	if (getpid() != owner)
		return;
	for (i = 0; i < folder_count; i++) {
		nftw(folders[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
		free(folders[i]);
	}
	free(folders);
}

const char *test_folder(void)
{
	const char *base = getenv("TMPDIR");
	char *path = xasprintf("%s/lm-test-XXXXXX", base ? base : "/tmp");

	if (!mkdtemp(path))
		fail_msg("mkdtemp %s: %s", path, strerror(errno));
	if (!folder_count) {
		owner = getpid();
		atexit(remove_folders);
	}
	grow(&folders, &folder_room, folder_count + 1, sizeof(*folders));
	folders[folder_count++] = path;
	return path;
}

const char *test_program(const char *name)
{
	static char path[PATH_MAX + 64];
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int up;

	assert_true(len > 0);
	self[len] = '\0';
	for (up = 0; up < 2; up++) { /* BUILD/tests/u-x -> BUILD */
		slash = strrchr(self, '/');
		assert_non_null(slash);
		*slash = '\0';
	}
	snprintf(path, sizeof(path), "%s/%s", self, name);
	return path;
}

void test_write(const char *path, const char *text)
{
	auto_file FILE *file = fopen(path, "we");

	if (!file || fputs(text, file) < 0 || fflush(file) != 0)
		fail_msg("write %s: %s", path, strerror(errno));
}

char *test_read(const char *path)
{
	auto_file FILE *file = fopen(path, "re");
	struct buf b = {0};
	char block[65536];
	size_t len;

	if (!file)
		return NULL;
	while ((len = fread(block, 1, sizeof(block), file)) > 0)
		buf_add(&b, block, len);
	buf_add(&b, "", 0);
	return b.data;
}

void test_age(const char *path, int seconds)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = 0}};
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	times[1].tv_sec = st.st_mtim.tv_sec - seconds;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

int test_count(const char *path, const char *words)
{
	auto_free char *text = test_read(path);
	const char *at = text;
	int count = 0;

	while (at && (at = strstr(at, words))) {
		count++;
		at++;
	}
	return count;
}

int test_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void become(const char *const *argv, const char *const *environment, int output)
{
	size_t i;
	char **words;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	for (; environment && *environment; environment++)
		putenv(xstrdup(*environment));
	for (i = 0; argv[i]; i++)
		;
	words = xcalloc(i + 1, sizeof(*words));
	for (i = 0; argv[i]; i++)
		words[i] = xstrdup(argv[i]);
	execvp(words[0], words);
	dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

pid_t test_spawn(const char *const *argv, const char *const *environment, const char *output_path)
{
	auto_close int output = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	pid_t pid;

	if (output < 0)
		fail_msg("open %s: %s", output_path, strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(argv, environment, output);
	assert_true(pid > 0);
	return pid;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* -1 when it still runs after the time. */
static int wait_for(pid_t pid, int64_t timeout_ms)
{
	int64_t end = clock_mono_ms() + timeout_ms;
	int status;

	do {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return exit_code(status);
		if (got < 0 && errno == ECHILD)
			return 0;
		usleep(2000);
	} while (clock_mono_ms() < end);
	return -1;
}

static bool is_stopped(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid), *stat = test_read(path);

	return stat && strstr(stat, ") T ");
}

/* SIGCONT only where it is needed: it would undo the SIGSTOP by which LeakSanitizer stops its own process at the end. */
int test_stop(pid_t pid, int signal)
{
	int code;

	kill(pid, signal);
	if (is_stopped(pid))
		kill(pid, SIGCONT);
	code = wait_for(pid, 10000);
	if (code < 0) {
		kill(pid, SIGKILL);
		code = wait_for(pid, 10000);
	}
	return code;
}

int test_run(const char *const *argv, int timeout_s, char **output)
{
	auto_free char *path = xasprintf("%s/output", test_folder());
	pid_t pid = test_spawn(argv, NULL, path);
	int code = wait_for(pid, (int64_t)timeout_s * 1000);

	if (code < 0) {
		test_stop(pid, SIGKILL);
		fail_msg("%s: still running after %d s", argv[0], timeout_s);
	}
	if (output)
		*output = test_read(path);
	return code;
}

bool test_wait(bool (*ready)(void *arg), void *arg, int timeout_ms)
{
	int64_t end = clock_mono_ms() + timeout_ms;

	while (!ready(arg)) {
		if (clock_mono_ms() > end)
			return false;
		usleep(5000);
	}
	return true;
}

void test_deadline(const char *what, double figure, double limit, const char *unit)
{
	printf("# %s: %.6g %s (limit %.6g %s)\n", what, figure, unit, limit, unit);
	fflush(stdout);
	if (!(figure <= 3 * limit))
		fail_msg("%s: %.6g %s is above three times %.6g", what, figure, unit, limit);
}
