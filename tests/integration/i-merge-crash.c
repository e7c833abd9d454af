/*
 * latency-merge killed at every system call, two of them at once, a folder full of litter: cluster-latency.json is always the old file or
 * the new one, complete.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

#ifdef TEST_SANITIZED
#define KILLS_MAX 40		/* a sanitizer's start takes long */
#else
#define KILLS_MAX 100000
#endif

static char *dir;

static void new_volume(void)
{
	auto_free char *nodes = NULL;

	dir = xstrdup(test_folder());
	nodes = xasprintf("%s/nodes", dir);
	assert_int_equal(mkdir(nodes, 0755), 0);
}

static void put_report(int node, int seq)
{
	auto_free char *path = xasprintf("%s/nodes/edge-%d.json", dir, node), *temporary = xasprintf("%s/nodes/.new", dir);
	auto_free char *text = xasprintf("{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"b\",\"seq\":%d,\"peers\":{"
					 "\"edge-%d\":{\"rtt_us\":%d,\"loss\":0}}}", node, seq, node % 3 + 1, 100 + seq);

	test_write(temporary, text);
	assert_int_equal(rename(temporary, path), 0);
}

/* Whatever happened: the file is there and whole. Its generation, and a check value of the numbers in it. */
static int64_t look(int *seq)
{
	auto_free char *path = xasprintf("%s/cluster-latency.json", dir), *text = test_read(path);
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	assert_non_null(text);
	if (snapshot_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s in %s", err.msg, text);
	assert_int_equal(s.nodes.count, 3);
	assert_true(s.link.rtt_us[1] == s.link.rtt_us[5]); /* of one run, never a mixture: all nodes report the same number */
	*seq = (int)s.link.rtt_us[1] - 100;
	return s.generation;
}

static void merges(void)
{
	auto_free char *said = NULL;

	if (test_run((const char *const[]){test_program("latency-merge"), "--dir", dir, NULL}, 60, &said) != 0)
		fail_msg("%s", said);
}

/* --- M26 ----------------------------------------------------------------------------------------------------------- */

/* Stops at the first call that opens a folder: before it nothing touches the volume, and a start has hundreds of calls. */
static int stop_at_volume(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]) + (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_SIZE(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* The program at its first call that touches the volume. */
static pid_t start_traced(void)
{
	pid_t pid = fork();
	int status, null;

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDERR_FILENO);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the leak check cannot run under ptrace */
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || stop_at_volume() < 0)
			_exit(126);
		execl(test_program("latency-merge"), "latency-merge", "--dir", dir, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		fail_msg("ptrace is not permitted here");
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
	do {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			fail_msg("ended with status %d before it touched the volume", status);
	} while (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8));
	return pid;
}

/* To where the main thread enters its next system call (which is where the one before has ended); false when the program ended. */
static bool step(pid_t pid, int *status, struct __ptrace_syscall_info *call)
{
	void *signal = NULL;

	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, NULL, signal);
		assert_int_equal(waitpid(pid, status, 0), pid);
		if (!WIFSTOPPED(*status))
			return false;
		signal = NULL;
		if (WSTOPSIG(*status) == (SIGTRAP | 0x80)) {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(*call), call) > 0 && call->op == PTRACE_SYSCALL_INFO_ENTRY)
				return true;
			continue;
		}
		signal = WSTOPSIG(*status) == SIGTRAP ? NULL : (void *)(uintptr_t)WSTOPSIG(*status);
	}
}

/* Runs to the stop number `last` and kills it there; false when it ended before. */
static bool kill_at(int last)
{
	struct __ptrace_syscall_info call;
	pid_t pid = start_traced();
	int stop, status;

	for (stop = 1; step(pid, &status, &call); stop++) {
		if (stop < last)
			continue;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		return true;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

/* What a killed run left, which later ones would look at: their number of system calls shall stay the same. */
static void remove_litter(void)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;

	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, ".tmp-", 5) == 0)
			assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
	closedir(folder);
}

static int count_stops(void)
{
	struct __ptrace_syscall_info call;
	pid_t pid = start_traced();
	int stops = 0, status;

	while (step(pid, &status, &call))
		stops++;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return stops;
}

static void m26_killed_at_every_system_call(void **state)
{
	int stops, at, seq = 1, before_seq, kills = 0, stride;
	struct rng rng = rng_make(test_seed());
	int64_t before, after;

	(void)state;
	new_volume();
	for (at = 1; at <= 3; at++)
		put_report(at, seq);
	merges();
	stops = count_stops();
	assert_true(stops > 40);
	stride = stops / KILLS_MAX + 1;
	before = look(&before_seq);
	for (at = (int)rng_below(&rng, (uint32_t)stride); at < stops + 500; at += stride) {
		int node, now_seq;
		bool killed;

		seq++;
		for (node = 1; node <= 3; node++)
			put_report(node, seq);
		killed = kill_at(at);
		after = look(&now_seq);
		kills += killed;
		assert_true(after == before ? now_seq == before_seq : (after > before && now_seq == seq));
		before = after;
		before_seq = now_seq;
		remove_litter();
		if (!killed)
			break;
	}
	printf("# killed at %d of %d stops from the first on that touches the volume\n", kills, stops);
	seq++;
	for (at = 1; at <= 3; at++)
		put_report(at, seq);
	merges();
	assert_true(look(&before_seq) > before && before_seq == seq);
	free(dir);
}

/* --- M25 ----------------------------------------------------------------------------------------------------------- */

#define ROUNDS 25
#define AT_ONCE 3

static bool has_ended(pid_t pid, int *status)
{
	pid_t got = waitpid(pid, status, WNOHANG);

	assert_true(got >= 0);
	return got == pid;
}

/* Reads the file as quickly as it can until all of them have ended. Generations never go back. */
static void watch_the_file(const pid_t *pids, int64_t *last, int64_t *reads)
{
	bool ended[AT_ONCE] = {false};
	int64_t end_ms = clock_mono_ms() + 60000;
	int left = AT_ONCE, i, seq, status;

	while (left) {
		int64_t now = look(&seq);

		assert_true(clock_mono_ms() < end_ms);
		if (now < *last)
			fail_msg("generation %lld after %lld", (long long)now, (long long)*last);
		*last = now;
		++*reads;
		usleep(500);
		for (i = 0; i < AT_ONCE; i++) {
			if (ended[i] || !has_ended(pids[i], &status))
				continue;
			assert_int_equal(status, 0);
			ended[i] = true;
			left--;
		}
	}
}

/* One that stays up and one-shots in threes beside it, as a CronJob that was started double: files whole, no generation twice or back. */
static void m25_several_mergers_at_once(void **state)
{
	const char *argv[] = {test_program("latency-merge"), "--dir", "", "--watch", "--interval", "1s", NULL};
	const char *once[] = {test_program("latency-merge"), "--dir", "", NULL};
	auto_free char *output = NULL;
	int64_t last, reads = 0, first;
	pid_t watcher, pids[AT_ONCE];
	int i, round, seq;

	(void)state;
	new_volume();
	argv[2] = once[2] = dir;
	output = xasprintf("%s/output", dir);
	for (i = 1; i <= 3; i++)
		put_report(i, 1);
	merges();
	first = last = look(&seq);
	watcher = test_spawn(argv, NULL, output);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < AT_ONCE; i++)
			pids[i] = test_spawn(once, NULL, output);
		watch_the_file(pids, &last, &reads);
	}
	assert_int_equal(test_stop(watcher, SIGTERM), 0);
	last = look(&seq);
	assert_true(last >= first + ROUNDS * AT_ONCE); /* each took a number of its own */
	printf("# %lld reads, generation %lld after %d runs\n", (long long)reads, (long long)last, ROUNDS * AT_ONCE);
	free(dir);
}

/* --- M29 ----------------------------------------------------------------------------------------------------------- */

#define LITTER 100000
#define LINKS 5000			/* of one inode, so that making them is quick */

/* In memory where there is room: making and removing so many names is what takes the time on a disk. */
static void new_large_volume(void)
{
	struct statvfs memory;
	const char *before = getenv("TMPDIR");
	auto_free char *base = before ? xstrdup(before) : NULL;

	if (statvfs("/dev/shm", &memory) == 0 && memory.f_favail > 2 * LITTER && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	new_volume();
	if (base)
		setenv("TMPDIR", base, 1);
	else
		unsetenv("TMPDIR");
}

static void make_litter(int dir_fd, const struct timespec *when)
{
	char first[64], name[64];
	int i;

	for (i = 0; i < LITTER; i++) {
		snprintf(name, sizeof(name), ".tmp-%d-%016x", 1 + i % 7, (unsigned)i);
		if (i % LINKS == 0) {
			int fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

			assert_true(fd >= 0);
			assert_int_equal(futimens(fd, (const struct timespec[2]){*when, *when}), 0);
			close(fd);
			memcpy(first, name, sizeof(first));
		} else {
			assert_int_equal(linkat(dir_fd, first, dir_fd, name, 0), 0);
		}
	}
}

static int count_entries(const char *prefix)
{
	auto_free char *command = xasprintf("ls -f %s/nodes | grep -c '^%s'", dir, prefix), *said = NULL;

	test_run((const char *const[]){"sh", "-c", command, NULL}, 60, &said);
	return atoi(said);
}

static void m29_a_folder_full_of_litter(void **state)
{
	struct timespec now, old;
	int i, fd, before = LITTER, seq;

	(void)state;
	new_large_volume();
	for (i = 1; i <= 3; i++)
		put_report(i, 1);
	clock_gettime(CLOCK_REALTIME, &now);
	old = now;
	old.tv_sec -= 2 * 3600;
	{
		auto_free char *nodes = xasprintf("%s/nodes", dir), *young = xasprintf("%s/nodes/.tmp-9-young", dir);
		auto_free char *nfs = xasprintf("%s/nodes/.nfs0123", dir), *dot = xasprintf("%s/nodes/.hidden.json", dir);

		fd = open(nodes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		make_litter(fd, &old);
		close(fd);
		test_write(young, "x");
		test_write(nfs, "x");
		test_write(dot, "x");
	}
	for (i = 0; i < 20 && count_entries("\\.tmp-") > 1; i++) {
		int left;

		merges();
		left = count_entries("\\.tmp-");
		assert_true(left < before);		/* each run does some of it */
		assert_true(before - left <= 20000);	/* and no more than its bound */
		before = left;
		look(&seq);
		assert_int_equal(seq, 1);
	}
	assert_int_equal(count_entries("\\.tmp-9-young"), 1);
	assert_int_equal(count_entries("\\.tmp-"), 1);
	assert_int_equal(count_entries("\\.nfs0123"), 1);
	assert_int_equal(count_entries("\\.hidden.json"), 1);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m26_killed_at_every_system_call),
		cmocka_unit_test(m25_several_mergers_at_once),
		cmocka_unit_test(m29_a_folder_full_of_litter),
	};

	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
