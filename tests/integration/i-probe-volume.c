/* The real latency-probe in a network namespace of its own: a volume that is full, hangs, or cannot be written; signals. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "tests/integration/probe.h"

/* --- the volume ------------------------------------------------------------------------------------------------------ */

static int count_temporaries(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, ".tmp-", 5) == 0;
	closedir(dir);
	return n;
}

static bool has_space_error(void *arg)
{
	return metric(arg, "latency_probe_publish_errors_total{reason=\"no_space\"}") >= 1;
}

/* P24: a file system that is really full. */
static void p24_no_space(void **state)
{
	struct probe *p = *state;
	auto_free char *mount_it = xasprintf("mount -t tmpfs -o size=64k tmpfs %s", p->nodes);
	auto_free char *fill = xasprintf("head -c 56k /dev/zero >%s/ballast; head -c 64k /dev/zero >>%s/ballast 2>/dev/null; true", p->nodes, p->nodes);
	auto_free char *ballast = xasprintf("%s/ballast", p->nodes), *unmount = xasprintf("umount -l %s", p->nodes);
	int64_t seq;

	wire_run(mount_it);
	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms --listen 127.0.0.1:0");
	assert_true(test_wait(has_report, p, 10000));
	wire_run(fill);
	assert_true(test_wait(has_space_error, p, 10000));
	seq = seq_of(p);	/* the old file, whole */
	assert_true(seq > 0);
	usleep(500000);
	assert_int_equal(seq_of(p), seq);
	assert_int_equal(count_temporaries(p->nodes), 0);
	assert_true(metric(p, "latency_probe_rounds_total") > 3);
	assert_true(metric(p, "latency_probe_publish_errors_total{reason=\"no_space\"}") <= 4);	/* no tight loop */
	assert_int_equal(unlink(ballast), 0);
	while (seq_of(p) <= seq + 3)	/* the newest, not the one that failed */
		usleep(20000);
	assert_int_equal(stop(p, SIGTERM), 0);
	wire_run(unmount);
}

static pid_t thread_of(pid_t pid, const char *name)
{
	auto_free char *tasks = xasprintf("/proc/%d/task", (int)pid);
	DIR *dir = opendir(tasks);
	const struct dirent *entry;
	pid_t found = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		auto_free char *path = xasprintf("%s/%s/comm", tasks, entry->d_name), *comm = test_read(path);

		if (comm && strncmp(comm, name, strlen(name)) == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}

/* Where it may be stopped: waiting for work, or in a call that a file server can hang. Elsewhere it could hold malloc's lock. */
static bool holds_nothing(pid_t thread)
{
	static const long calls[] = {SYS_futex, SYS_openat, SYS_read, SYS_write, SYS_fsync, SYS_fstat, SYS_newfstatat, SYS_close, SYS_rename,
				     SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_getdents64};
	auto_free char *path = xasprintf("/proc/%d/syscall", (int)thread), *text = test_read(path);
	size_t i;

	for (i = 0; text && i < ARRAY_SIZE(calls); i++)
		if (*text >= '0' && *text <= '9' && strtol(text, NULL, 10) == calls[i])
			return true;
	return false;
}

/* Stops the thread that does the file work with ptrace, as a hung NFS server would stop it. */
static pid_t hang_volume(const struct probe *p)
{
	pid_t thread = thread_of(p->pid, "volume");
	int tries = 0;

	assert_true(thread > 0);
	assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
	for (;;) {
		assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
		assert_int_equal(waitpid(thread, NULL, __WALL), thread);
		if (holds_nothing(thread))
			return thread;
		assert_true(++tries < 1000);
		assert_int_equal(ptrace(PTRACE_CONT, thread, NULL, NULL), 0);
		usleep(1000);
	}
}

static void p23_volume_hangs(void **state)
{
	struct probe *p = *state;
	double rounds;
	pid_t thread;
	int64_t seq, start_ms;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms --listen 127.0.0.1:0");
	assert_true(test_wait(has_report, p, 10000));
	thread = hang_volume(p);
	seq = seq_of(p);
	rounds = metric(p, "latency_probe_rounds_total");
	usleep(1500000);
	assert_true(metric(p, "latency_probe_rounds_total") >= rounds + 5);
	assert_true(metric(p, "latency_probe_publish_stuck") >= 1);
	expect_in(p, "/healthz", "HTTP/1.1 200");
	expect_in(p, "/healthz", "does not answer");
	assert_int_equal(seq_of(p), seq);
	assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
	while (seq_of(p) <= seq + 2)
		usleep(20000);
	assert_true(metric(p, "latency_probe_publish_stuck") <= 0);
	start_ms = clock_mono_ms();
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM", (double)(clock_mono_ms() - start_ms), 1000, "ms");
}

/* SIGTERM while the volume hangs: the end does not wait for it. */
static void p23_sigterm_while_the_volume_hangs(void **state)
{
	struct probe *p = *state;
	int64_t start_ms;
	pid_t thread;
	int status;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"]}}");
	start(p, "--interval 100ms --publish 100ms");
	assert_true(test_wait(has_report, p, 10000));
	thread = hang_volume(p);
	start_ms = clock_mono_ms();
	kill(p->pid, SIGTERM);
	while (waitpid(thread, &status, __WALL | WNOHANG) == 0)	/* exit() of the other thread ends this one, too */
		usleep(5000);
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM with a hung volume", (double)(clock_mono_ms() - start_ms), 5000, "ms");
}

/* P28: the last report is published, quickly. */
static void p28_sigterm_publishes(void **state)
{
	struct probe *p = *state;
	int64_t start_ms, seq;

	test_write(p->peers, "{\"version\":1,\"nodes\":{\"a\":[\"10.77.1.1\"],\"dead\":[\"10.77.1.2\"]}}");
	wire_rule(0x0102, (struct wire_answer){.silent = true});
	start(p, "--interval 2s --publish 1h");
	assert_true(test_wait(has_report, p, 10000));
	seq = seq_of(p);
	start_ms = clock_mono_ms();
	assert_int_equal(stop(p, SIGTERM), 0);
	test_deadline("end after SIGTERM", (double)(clock_mono_ms() - start_ms), 1000, "ms");
	assert_int_equal(seq_of(p), seq + 1);
	assert_int_equal(count_temporaries(p->nodes), 0);
}

static void make_old(const char *folder)
{
	struct timespec times[2] = {{.tv_sec = clock_wall_ms() / 1000 - 7200}, {.tv_sec = clock_wall_ms() / 1000 - 7200}};
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, ".tmp-", 5) == 0)
			assert_int_equal(utimensat(dirfd(dir), entry->d_name, times, 0), 0);
	closedir(dir);
}

/* P28: killed at random moments while it writes all the time. The report is always whole; litter goes at the next start, once it is old. */
static void p28_sigkill_leaves_no_partial_file(void **state)
{
	struct probe *p = *state;
	struct rng rng = rng_make(test_seed());
	auto_free char *planted = xasprintf("%s/.tmp-1-00000000deadbeef", p->nodes), *fresh = xasprintf("%s/.tmp-1-00000000feedf00d", p->nodes);
	auto_buf struct buf peers = {0};
	int i, litter;

	buf_str(&peers, "{\"version\":1,\"nodes\":{");
	for (i = 0; i < 400; i++)
		buf_printf(&peers, "%s\"p%d\":[\"10.77.2.%d\"]", i ? "," : "", i, i % 200);
	buf_str(&peers, "}}");
	test_write(p->peers, peers.data);
	for (i = 0; i < 20; i++) {
		start(p, "--interval 50ms --publish 50ms --pings 1");
		assert_true(test_wait(has_report, p, 10000));
		usleep(rng_below(&rng, 120000));
		stop(p, SIGKILL);
		assert_true(seq_of(p) > 0);
	}
	litter = count_temporaries(p->nodes);
	printf("# temporaries that 20 kills left behind: %d\n", litter);
	test_write(planted, "half a repo");
	make_old(p->nodes);
	test_write(fresh, "of a writer that is at it");
	assert_int_equal(once(p, "--once --interval 200ms", NULL), 0);
	assert_int_equal(count_temporaries(p->nodes), 1);
	assert_int_equal(access(fresh, F_OK), 0);
}

/* --- refusals -------------------------------------------------------------------------------------------------------- */

/* --once where nothing can be written: the folder's parent is missing; a file is in its place. */
static void refuses_what_cannot_be_written(void **state)
{
	struct probe *p = *state;
	auto_free char *nowhere = xasprintf("%s/no/where", p->folder), *output = NULL, *again = NULL;
	const char *argv[] = {test_program("latency-probe"), "--node", "n1", "--peers", p->peers, "--output", nowhere, "--once",
			      "--interval", "200ms", NULL};

	test_write(p->peers, "{\"version\":1,\"nodes\":{}}");
	assert_int_equal(test_run(argv, 20, &output), 66);
	assert_non_null(strstr(output, "no/where"));
	argv[6] = p->peers;
	assert_int_equal(test_run(argv, 20, &again), 66);
	assert_non_null(strstr(again, "peers.json"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(p24_no_space), CASE(p23_volume_hangs), CASE(p23_sigterm_while_the_volume_hangs), CASE(p28_sigterm_publishes),
		CASE(p28_sigkill_leaves_no_partial_file), CASE(refuses_what_cannot_be_written),
	};

	(void)argc;
	wire_enter(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
