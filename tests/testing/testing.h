/*
 * testing.h - what the tests share: seeds, temporary folders, child processes, bounded waits. Every process that a test starts
 * ends with the test (parent-death signal), every folder is removed at exit.
 *
 * A unit test is tests/unit/u-MODULE.c with cmocka; it may include the module's .c to reach statics. An integration test is
 * tests/integration/i-NAME.c (cmocka) or i-NAME.sh (prints TAP). A test that stands for a case of the fault list has the case in its name:
 * m2_truncated_at_every_byte.
 */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>
#include <cmocka.h>

/* Built with a sanitizer, by either compiler: memory is another, and all takes longer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED
#endif
#endif

/* Seed of this run: $TEST_SEED, else random. Printed at first use as "# seed N", so that a failure can be repeated. */
uint64_t test_seed(void);

/* How often to repeat what is random: full, or $TEST_ROUNDS per cent of it (1 to 100; tests/run.sh sets it where a round is slow), at least 1. */
int test_rounds(int full);

struct rng {
	uint64_t state;
};
struct rng rng_make(uint64_t seed);
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n);			/* 0..n-1; n > 0 */
double rng_unit(struct rng *r);					/* [0,1) */
bool rng_chance(struct rng *r, double probability);

/* A new folder, removed at exit with all in it. The string lives until exit. */
const char *test_folder(void);
/* Path of a program of this build: test_program("latency-merge"). The build folder is that of the running test. */
const char *test_program(const char *name);
/* Writes a file (in place); fails the test on error. */
void test_write(const char *path, const char *text);
/* Reads a file; the caller frees; NULL when it is not there. */
char *test_read(const char *path);
/* It was last written so much earlier. */
void test_age(const char *path, int seconds);
/* How often a file holds the words; 0 when it is not there. */
int test_count(const char *path, const char *words);
int test_open_files(void);	/* of this process; to compare with an earlier call */

/* Starts a program with its output (both streams) into a file; ends with the test. environment: "NAME=VALUE" items added, NULL-terminated, or NULL. */
pid_t test_spawn(const char *const *argv, const char *const *environment, const char *output_path);
/* Runs to its end, at most timeout_s; the exit code, or 128 + signal. *output (may be NULL) is both streams, freed by the caller. */
int test_run(const char *const *argv, int timeout_s, char **output);
/* Ends a child: signal, then waits; SIGKILL after 10 s. Returns exit code or 128 + signal. */
int test_stop(pid_t pid, int signal);

/* Calls `ready` each 5 ms until it is true; false after timeout_ms. */
bool test_wait(bool (*ready)(void *arg), void *arg, int timeout_ms);

/* A deadline of an issue: prints the figure; fails only above 3 times the limit (machines are noisy). */
void test_deadline(const char *what, double figure, double limit, const char *unit);

#endif
