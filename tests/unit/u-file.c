/*
 * file.h: publishing is whole or not at all; reading takes regular files only, within its limit. The module is compiled into this test, with
 * system calls that can be made to fail as an NFS client's do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

enum call { CALL_OPEN, CALL_READ, CALL_WRITE, CALL_FSYNC, CALL_CLOSE, CALL_RENAME, CALL_COUNT };

static struct fault {
	enum call call;
	int number;	/* errno; 0: nothing fails */
	int times;	/* so often */
	bool done;	/* the server did it, and only the answer is lost */
	size_t at_most;	/* bytes a write takes at once; 0: all */
} fault;

static bool fails(enum call call)
{
	if (!fault.number || fault.call != call || fault.times-- <= 0)
		return false;
	errno = fault.number;
	return true;
}

static int faulty_openat(int dir, const char *name, int flags, ...)
{
	return !(flags & O_CREAT) && fails(CALL_OPEN) ? -1 : openat(dir, name, flags, 0644);
}

static ssize_t faulty_read(int fd, void *bytes, size_t len)
{
	return fails(CALL_READ) ? -1 : read(fd, bytes, len);
}

static ssize_t faulty_write(int fd, const void *bytes, size_t len)
{
	return fails(CALL_WRITE) ? -1 : write(fd, bytes, fault.at_most && len > fault.at_most ? fault.at_most : len);
}

static int faulty_fsync(int fd)
{
	return fails(CALL_FSYNC) ? -1 : fsync(fd);
}

static int faulty_close(int fd)
{
	int result = close(fd);

	return fails(CALL_CLOSE) ? -1 : result;
}

static int faulty_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (fault.call == CALL_RENAME && fault.number && fault.done)
		(void)!renameat(from_dir, from, to_dir, to);
	return fails(CALL_RENAME) ? -1 : renameat(from_dir, from, to_dir, to);
}

#define openat faulty_openat
#define read faulty_read
#define write faulty_write
#define fsync faulty_fsync
#define close faulty_close
#define renameat faulty_renameat
#include "lib/file.c"
#undef openat
#undef read
#undef write
#undef fsync
#undef close
#undef renameat

static void published_is_read_back(void **state)
{
	auto_close int dir = open(test_folder(), O_RDONLY | O_DIRECTORY);
	auto_file_text struct file_text text = {0};
	struct lm_err err = {0};
	struct timespec mtime = {0};

	(void)state;
	umask(077);
	assert_int_equal(file_publish(dir, "a.json", "one", 3, &mtime, &err), 0);
	assert_int_equal(file_publish(dir, "a.json", "three", 5, &mtime, &err), 0);
	umask(022);
	assert_int_equal(file_read(dir, "a.json", 100, FILE_NO_LINKS, &text, &err), 0);
	assert_int_equal(text.len, 5);
	assert_string_equal(text.data, "three");
	assert_int_equal(text.st.st_mode & 0777, 0644);
	assert_int_equal(text.st.st_mtim.tv_sec, mtime.tv_sec);
	assert_int_equal(file_read(dir, "a.json", 4, FILE_NO_LINKS, &(struct file_text){0}, &err), -1);
	assert_string_equal(err.msg, "`a.json` has 5 bytes, more than the limit of 4");
	assert_int_equal(err.code, LM_DATA);
}

/* A reader in a tight loop against a writer: old or new, whole, always there. */
static void readers_never_see_a_mixture(void **state)
{
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	auto_free char *text = xmalloc(50000);
	struct lm_err err = {0};
	pid_t writer;
	int i, status;

	(void)state;
	memset(text, 'a', 50000);
	assert_int_equal(file_publish(dir, "x", text, 50000, NULL, &err), 0);
	writer = fork();
	if (writer == 0) {
		for (i = 0; i < 200; i++) {
			memset(text, 'a' + i % 26, 50000);
			if (file_publish(dir, "x", text, 50000, NULL, &err) < 0)
				_exit(1);
		}
		_exit(0);
	}
	do {
		auto_file_text struct file_text now = {0};

		if (file_read(dir, "x", 50000, FILE_NO_LINKS, &now, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(now.len, 50000);
		for (i = 1; i < 50000; i++)
			if (now.data[i] != now.data[0])
				fail_msg("a mixture at byte %d", i);
	} while (waitpid(writer, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
}

static void only_regular_files_are_read(void **state)
{
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct file_text text;
	struct lm_err err = {0};

	(void)state;
	assert_int_equal(file_publish(dir, "real", "x", 1, NULL, &err), 0);
	assert_int_equal(symlinkat("real", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(file_read(dir, "link", 10, FILE_NO_LINKS, &text, &err), -1);
	assert_string_equal(err.msg, "`link` is a symbolic link");
	assert_int_equal(file_read(dir, "fifo", 10, FILE_NO_LINKS, &text, &err), -1);
	assert_string_equal(err.msg, "`fifo` is not a regular file");
	assert_int_equal(file_read(dir, "folder", 10, FILE_NO_LINKS, &text, &err), -1);
	assert_int_equal(file_read(dir, "none", 10, FILE_NO_LINKS, &text, &err), -1);
	assert_int_equal(err.code, LM_NOINPUT);
	assert_int_equal(file_read(dir, "link", 10, FILE_FOLLOW, &text, &err), 0);
	file_text_free(&text);
}

static int count_entries(const char *folder)
{
	auto_free char *command = xasprintf("ls -A '%s' | wc -l", folder);
	FILE *pipe = popen(command, "r");
	int n = -1;

	assert_int_equal(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

static void a_failed_publish_leaves_the_old_file_and_no_litter(void **state)
{
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	auto_file_text struct file_text text = {0};
	struct lm_err err = {0};

	(void)state;
	assert_int_equal(mkdirat(dir, "busy", 0700), 0); /* a file cannot be renamed over a folder */
	assert_int_equal(file_publish(dir, "busy", "x", 1, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "publish `busy`: rename"));
	assert_int_equal(err.code, LM_IO);
	assert_int_equal(count_entries(folder), 1);
	assert_int_equal(file_publish(dir, "f", "x", 1, NULL, &err), 0);
	assert_int_equal(file_read(dir, "f", 1, FILE_NO_LINKS, &text, &err), 0);
}

static void expect_text(int dir, const char *name, const char *text)
{
	auto_file_text struct file_text now = {0};
	struct lm_err err = {0};

	if (file_read(dir, name, 100, FILE_NO_LINKS, &now, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(now.data, text);
}

/* NFS tells of a full disk at any of them. */
static void an_error_at_any_step_keeps_the_old_file(void **state)
{
	static const struct {
		enum call call;
		int number;
		const char *message;
	} cases[] = {
		{CALL_WRITE, ENOSPC, "publish `f`: write: No space left on device"}, {CALL_FSYNC, EDQUOT, "publish `f`: fsync: Disk quota exceeded"},
		{CALL_FSYNC, EIO, "publish `f`: fsync: Input/output error"}, {CALL_CLOSE, ENOSPC, "publish `f`: close: No space left on device"},
		{CALL_CLOSE, EIO, "publish `f`: close: Input/output error"}, {CALL_RENAME, EIO, "publish `f`: rename: Input/output error"},
	};
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct lm_err err = {0};
	size_t i;

	(void)state;
	assert_int_equal(file_publish(dir, "f", "old", 3, NULL, &err), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fault = (struct fault){.call = cases[i].call, .number = cases[i].number, .times = 1};
		assert_int_equal(file_publish(dir, "f", "new", 3, NULL, &err), -1);
		fault.number = 0;
		assert_string_equal(err.msg, cases[i].message);
		assert_true(err.code == LM_IO && err.os_errno == cases[i].number);
		expect_text(dir, "f", "old");
		assert_int_equal(count_entries(folder), 1);
	}
	fault = (struct fault){.call = CALL_WRITE, .number = EINTR, .times = 3, .at_most = 2};
	assert_int_equal(file_publish(dir, "f", "newer", 5, NULL, &err), 0);
	fault = (struct fault){0};
	expect_text(dir, "f", "newer");
}

/* The server may have renamed and lost the answer: what stands under the name decides. No temporary stays in any case. */
static void a_rename_with_a_lost_answer_is_a_success(void **state)
{
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct lm_err err = {0};

	(void)state;
	fault = (struct fault){.call = CALL_RENAME, .number = EIO, .times = 1, .done = true};
	assert_int_equal(file_publish(dir, "f", "one", 3, NULL, &err), 0);
	expect_text(dir, "f", "one");
	assert_int_equal(count_entries(folder), 1);
	/* not renamed, but the old file says the same */
	fault = (struct fault){.call = CALL_RENAME, .number = EIO, .times = 1};
	assert_int_equal(file_publish(dir, "f", "one", 3, NULL, &err), 0);
	assert_int_equal(count_entries(folder), 1);
	/* a longer one that only begins the same */
	fault = (struct fault){.call = CALL_RENAME, .number = EIO, .times = 1};
	assert_int_equal(file_publish(dir, "f", "on", 2, NULL, &err), -1);
	fault = (struct fault){0};
	assert_int_equal(count_entries(folder), 1);
	expect_text(dir, "f", "one");
}

static void a_stale_handle_is_opened_again_three_times(void **state)
{
	static const enum call calls[] = {CALL_OPEN, CALL_READ};
	auto_close int dir = open(test_folder(), O_RDONLY | O_DIRECTORY);
	struct file_text text;
	struct lm_err err = {0};
	size_t i;

	(void)state;
	assert_int_equal(file_publish(dir, "f", "x", 1, NULL, &err), 0);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		fault = (struct fault){.call = calls[i], .number = ESTALE, .times = 2};
		expect_text(dir, "f", "x");
		fault = (struct fault){.call = calls[i], .number = ESTALE, .times = 4};
		assert_int_equal(file_read(dir, "f", 10, FILE_NO_LINKS, &text, &err), -1);
		assert_true(err.os_errno == ESTALE && err.code == LM_IO);
		assert_int_equal(fault.times, 0);
	}
	fault = (struct fault){0};
}

static void sweep_takes_only_our_old_litter(void **state)
{
	const char *folder = test_folder();
	auto_close int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct timespec now = {0}, old[2] = {{0}, {0}};
	struct lm_err err = {0};

	(void)state;
	assert_int_equal(file_server_now(dir, &now, &err), 0);
	assert_true(labs(now.tv_sec - time(NULL)) < 60);
	assert_int_equal(file_publish(dir, ".tmp-1-old", "x", 1, NULL, &err), 0);
	assert_int_equal(file_publish(dir, ".tmp-2-new", "x", 1, NULL, &err), 0);
	assert_int_equal(file_publish(dir, ".nfs0001", "x", 1, NULL, &err), 0);
	assert_int_equal(file_publish(dir, "edge-1.json", "x", 1, NULL, &err), 0);
	old[0].tv_sec = old[1].tv_sec = now.tv_sec - 7200;
	assert_int_equal(utimensat(dir, ".tmp-1-old", old, 0), 0);
	assert_int_equal(utimensat(dir, ".nfs0001", old, 0), 0);
	assert_int_equal(file_sweep(dir, &now, 1000), 1);
	assert_int_equal(count_entries(folder), 3);
	assert_int_equal(file_sweep(dir, &now, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_is_read_back),
		cmocka_unit_test(readers_never_see_a_mixture),
		cmocka_unit_test(only_regular_files_are_read),
		cmocka_unit_test(a_failed_publish_leaves_the_old_file_and_no_litter),
		cmocka_unit_test(an_error_at_any_step_keeps_the_old_file),
		cmocka_unit_test(a_rename_with_a_lost_answer_is_a_success),
		cmocka_unit_test(a_stale_handle_is_opened_again_three_times),
		cmocka_unit_test(sweep_takes_only_our_old_litter),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
