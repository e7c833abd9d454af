/*
 * probe.h - the real latency-probe under test: a folder with peers.json and nodes/, the program with its words, and what it reports.
 */
#ifndef TESTS_INTEGRATION_PROBE_H
#define TESTS_INTEGRATION_PROBE_H

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "tests/testing/fetch.h"
#include "tests/testing/testing.h"
#include "tests/testing/wire.h"

#define ARGS_MAX 40

/* A folder with peers.json and nodes/, and the program when it runs. */
struct probe {
	const char *folder;
	char *peers, *nodes, *report, *log;
	pid_t pid;
};

static inline int setup(void **state)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	wire_reset();
	p->folder = test_folder();
	p->peers = xasprintf("%s/peers.json", p->folder);
	p->nodes = xasprintf("%s/nodes", p->folder);
	p->report = xasprintf("%s/nodes/n1.json", p->folder);
	p->log = xasprintf("%s/log", p->folder);
	assert_int_equal(mkdir(p->nodes, 0775), 0);
	*state = p;
	return 0;
}

static inline int teardown(void **state)
{
	struct probe *p = *state;

	if (p->pid > 0)
		test_stop(p->pid, SIGKILL);
	free(p->peers);
	free(p->nodes);
	free(p->report);
	free(p->log);
	free(p);
	return 0;
}

/* The command line: the required options, then those of the test (separated by blanks). */
static inline void command(const struct probe *p, const char *more, const char **argv, char *words)
{
	size_t n = 0;
	char *at, *rest = words;

	argv[n++] = test_program("latency-probe");
	argv[n++] = "--node";
	argv[n++] = "n1";
	argv[n++] = "--peers";
	argv[n++] = p->peers;
	argv[n++] = "--output";
	argv[n++] = p->nodes;
	snprintf(words, 1024, "%s", more);
	while ((at = strtok_r(rest, " ", &rest)) && n < ARGS_MAX - 1)
		argv[n++] = at;
	argv[n] = NULL;
}

static inline void start(struct probe *p, const char *more)
{
	const char *argv[ARGS_MAX];
	char words[1024];

	command(p, more, argv, words);
	p->pid = test_spawn(argv, NULL, p->log);
}

static inline int stop(struct probe *p, int signal)
{
	int code = test_stop(p->pid, signal);

	p->pid = 0;
	return code;
}

static inline int once(const struct probe *p, const char *more, char **output)
{
	const char *argv[ARGS_MAX];
	char words[1024];

	command(p, more, argv, words);
	return test_run(argv, 30, output);
}

/* True when the report is there and valid; fails the test when it is there and not. */
static inline bool read_report(const struct probe *p, struct report *out)
{
	auto_free char *text = test_read(p->report);
	struct lm_err err;

	if (!text)
		return false;
	if (report_parse(text, strlen(text), "n1", out, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	return true;
}

static inline int64_t seq_of(const struct probe *p)
{
	auto_report struct report r = {0};

	return read_report(p, &r) ? r.seq : 0;
}

static inline bool has_report(void *arg)
{
	return seq_of(arg) > 0;
}

/* --- HTTP ------------------------------------------------------------------------------------------------------------ */

static inline int port_of(const struct probe *p)
{
	return fetch_port(p->log);
}

static inline bool is_listening(void *arg)
{
	return port_of(arg) > 0;
}

/* The whole answer, head and body; the caller frees. */
static inline char *get(struct probe *p, const char *path)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf b = {0};
	char block[4096];
	ssize_t len;

	assert_true(test_wait(is_listening, p, 10000));
	at.sin_port = htons((uint16_t)port_of(p));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	len = snprintf(block, sizeof(block), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(write(fd, block, (size_t)len), len);
	while ((len = read(fd, block, sizeof(block))) > 0)
		buf_add(&b, block, (size_t)len);
	buf_add(&b, "", 0);
	return b.data;
}

static inline void expect_in(struct probe *p, const char *path, const char *wanted)
{
	auto_free char *text = get(p, path);

	if (!strstr(text, wanted))
		fail_msg("%s lacks `%s`:\n%s", path, wanted, text);
}

static inline double metric(struct probe *p, const char *name)
{
	auto_free char *text = get(p, "/metrics"), *start_of_line = xasprintf("\n%s ", name);
	const char *at = strstr(text, start_of_line);

	if (!at)
		fail_msg("no metric %s:\n%s", name, text);
	return strtod(at + strlen(start_of_line), NULL);
}

/* --- refusals -------------------------------------------------------------------------------------------------------- */

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
