/* What is tried on a mount: by a child that may hang, on a local folder, and with two clients. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "nfs/guard.h"
#include "nfs/mounts.h"
#include "nfs/peer.h"
#include "nfs/trial.h"
#include "tests/testing/testing.h"
#include "tests/unit/mount_heard.h"

static void on_mount(void *arg, int id)
{
	((struct heard *)arg)->mount = id;
}

/* --- the child ------------------------------------------------------------------------------------------------------------- */

static void hang(void *arg, struct guard *g)
{
	guard_step(g, "reading");
	guard_tell(g, VERDICT_OK, 0, "%s", (const char *)arg);
	guard_step(g, "writing");
	for (;;)
		pause();
}

static void crash(void *arg, struct guard *g)
{
	(void)arg;
	guard_step(g, "lock");
	raise(SIGKILL);
}

static void talk(void *arg, struct guard *g)
{
	(void)arg;
	guard_mount(g, 36);
	for (int i = 0; i < 30; i++) {
		guard_step(g, "rename");	/* slow, but alive */
		usleep(20000);
	}
	guard_step(g, "a name that is longer than there is room for");
	guard_tell(g, VERDICT_BAD, LM_PERM, "%01000d", 7);
}

static void a_hung_child_is_left_behind(void **state)
{
	struct heard h = {0};
	struct guard_listener listener = {on_finding, on_mount, &h};
	struct lm_err err;
	int64_t begin_ms = clock_mono_ms();

	(void)state;
	assert_int_equal(guard_run(hang, (void *)(uintptr_t)"fine", 200, &listener, &err), -1);
	assert_true(err.code == LM_IO && err.os_errno == ETIMEDOUT);
	assert_string_equal(err.msg, "writing: no answer after 0.2 s");
	assert_string_equal(h.text.data, "0 reading fine\n");
	test_deadline("a hung child is given up", (double)(clock_mono_ms() - begin_ms), 400, "ms");
	buf_free(&h.text);
}

static void a_child_that_dies_is_our_bug(void **state)
{
	struct heard h = {0};
	struct guard_listener listener = {on_finding, on_mount, &h};
	struct lm_err err;

	(void)state;
	assert_int_equal(guard_run(crash, NULL, 60000, &listener, &err), -1);
	assert_int_equal(err.code, LM_SOFTWARE);
	assert_non_null(strstr(err.msg, "lock: the test was ended by signal 9"));
}

static void a_slow_child_is_heard_to_its_end(void **state)
{
	struct heard h = {0};
	struct guard_listener listener = {on_finding, on_mount, &h};
	struct lm_err err;

	(void)state;
	assert_int_equal(guard_run(talk, NULL, 500, &listener, &err), 0);
	assert_int_equal(h.mount, 36);
	assert_true(h.count[VERDICT_BAD] == 1 && h.code == LM_PERM);
	assert_non_null(strstr(h.text.data, "2 a name that is longer t"));
	buf_free(&h.text);
}

/* --- trials on a local folder ------------------------------------------------------------------------------------------------ */

static void a_local_folder_passes_and_is_left_empty(void **state)
{
	struct heard h = {0};
	struct guard_listener listener = {on_finding, on_mount, &h};
	struct trial trial = {.dir = test_folder()};
	struct lm_err err;

	(void)state;
	assert_int_equal(guard_run(trial_run, &trial, 60000, &listener, &err), 0);
	if (h.count[VERDICT_BAD])
		fail_msg("%s", h.text.data);
	assert_non_null(strstr(h.text.data, "0 rename replaced 40 times"));
	assert_non_null(strstr(h.text.data, "0 lock works"));
	assert_non_null(strstr(h.text.data, "0 inotify tells"));
	assert_int_equal(rmdir(trial.dir), 0);		/* so it is empty */
	assert_int_equal(mkdir(trial.dir, 0700), 0);
	buf_free(&h.text);
}

static void what_is_not_there_or_no_folder(void **state)
{
	auto_free char *missing = xasprintf("%s/missing", test_folder()), *file = xasprintf("%s/file", test_folder());
	const char *const dirs[] = {missing, file};

	(void)state;
	test_write(file, "x");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct heard h = {0};
		struct guard_listener listener = {on_finding, on_mount, &h};
		struct trial trial = {.dir = dirs[i]};
		struct lm_err err;

		assert_int_equal(guard_run(trial_run, &trial, 60000, &listener, &err), 0);
		assert_true(h.count[VERDICT_BAD] == 1 && h.count[VERDICT_OK] == 0 && h.code == LM_NOINPUT);
		buf_free(&h.text);
	}
}

static void the_program_says_it_by_its_exit_code(void **state)
{
	const char *program = test_program("check-mount"), *dir = test_folder();
	auto_free char *text = NULL, *help = NULL, *missing = NULL;
	const char *const good[] = {program, dir, NULL}, *const none[] = {program, NULL}, *const two[] = {program, dir, dir, NULL};
	const char *const gone[] = {program, "/nowhere/at/all", NULL}, *const both[] = {program, dir, "--write", "--watch", NULL};
	const char *const alone[] = {program, dir, "--watch", "--time", "1s", NULL}, *const ask[] = {program, "--help", NULL};

	(void)state;
	if (access(program, X_OK) < 0)
		skip();
	assert_int_equal(test_run(good, 60, &text), 0);
	assert_non_null(strstr(text, "\nsafe: 0 bad, "));
	assert_int_equal(test_run(none, 60, NULL), 64);
	assert_int_equal(test_run(two, 60, NULL), 64);
	assert_int_equal(test_run(both, 60, NULL), 64);
	assert_int_equal(test_run(gone, 60, &missing), 66);
	assert_non_null(strstr(missing, "\nNOT SAFE: 1 bad"));
	assert_int_equal(test_run(alone, 60, NULL), 66);
	assert_int_equal(test_run(ask, 60, &help), 0);
	assert_non_null(strstr(help, "Exit codes:"));
}

/* --- two clients ------------------------------------------------------------------------------------------------------------ */

static struct peer_seen unseen(void)
{
	return (struct peer_seen){.replaced_s = -1, .edited_s = -1, .appeared_s = -1};
}

static void lateness_is_of_the_first_version_missed(void **state)
{
	struct peer_seen s = unseen();

	(void)state;
	peer_see(&s, 100, 50000, 50040);	/* the first says nothing: it may have been there for long */
	assert_true(s.replaced_s < 0);
	peer_see(&s, 101, 50500, 50550);
	assert_true(s.replaced_s > 0.049 && s.replaced_s < 0.051);
	peer_see(&s, 101, 50500, 59000);	/* the same again */
	assert_true(s.replaced_s < 0.051 && s.versions == 2);
	peer_see(&s, 104, 52000, 52100);	/* 102 was written at 51.0: 1.1 s late */
	assert_true(s.replaced_s > 1.09 && s.replaced_s < 1.11);
	peer_see(&s, 105, 52500, 52800);	/* written in place */
	assert_true(s.edited_s > 0.29 && s.edited_s < 0.31);
	peer_see(&s, 107, 53500, 53500);
	s.was_gone = true;
	peer_see(&s, 112, 56000, 56200);	/* 108 and 109 were gone, 110 came at 55.0 */
	assert_true(s.appeared_s > 1.19 && s.appeared_s < 1.21);
	assert_int_equal(s.backwards, 0);
	peer_see(&s, 111, 55500, 56300);
	assert_int_equal(s.backwards, 1);
}

static void what_never_came_back_counts(void **state)
{
	struct peer_seen s = unseen(), fine = unseen();

	(void)state;
	peer_see(&s, 107, 53500, 53500);
	fine = s;
	s.was_gone = true;
	peer_end(&s, 83500);
	assert_true(s.appeared_s > 28.9 && s.appeared_s < 29.1);
	peer_end(&fine, 83500);			/* seen to the end: the writer ended */
	assert_true(fine.appeared_s < 0);
	fine.was_gone = true;
	peer_end(&fine, 54500);			/* gone just now */
	assert_true(fine.appeared_s < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hung_child_is_left_behind),
		cmocka_unit_test(a_child_that_dies_is_our_bug),
		cmocka_unit_test(a_slow_child_is_heard_to_its_end),
		cmocka_unit_test(a_local_folder_passes_and_is_left_empty),
		cmocka_unit_test(what_is_not_there_or_no_folder),
		cmocka_unit_test(the_program_says_it_by_its_exit_code),
		cmocka_unit_test(lateness_is_of_the_first_version_missed),
		cmocka_unit_test(what_never_came_back_counts),
	};

	return cmocka_run_group_tests_name("mount", tests, NULL, NULL);
}
