/*
 * merge_volume.h - latency-merge under test: a volume with reports, runs of the program, and what it wrote.
 */
#ifndef TESTS_INTEGRATION_MERGE_VOLUME_H
#define TESTS_INTEGRATION_MERGE_VOLUME_H

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

static char *dir;			/* the volume of the running test */

static inline int new_volume(void **state)
{
	auto_free char *nodes = NULL;

	(void)state;
	dir = xstrdup(test_folder());
	nodes = xasprintf("%s/nodes", dir);
	assert_int_equal(mkdir(nodes, 0755), 0);
	return 0;
}

static inline int drop_volume(void **state)
{
	(void)state;
	free(dir);
	return 0;
}

static inline char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static inline void put(const char *name, const char *text)
{
	auto_free char *path = path_of(name);

	test_write(path, text);
}

static inline char *get(const char *name)
{
	auto_free char *path = path_of(name);

	return test_read(path);
}

static inline void put_report(int node, const char *boot, int seq, double rtt_us)
{
	auto_free char *name = xasprintf("nodes/edge-%d.json", node);
	auto_free char *text = xasprintf("{\"version\":1,\"node\":\"edge-%d\",\"boot_id\":\"%s\",\"seq\":%d,\"interval_s\":10,\"load\":{\"cpu\":0.5},\"peers\":{"
					 "\"edge-%d\":{\"rtt_us\":%g,\"jitter_us\":1,\"loss\":0}}}", node, boot, seq, node == 1 ? 2 : 1, rtt_us);

	put(name, text);
}

static inline struct snapshot load(const char *name)
{
	auto_free char *text = get(name);
	struct snapshot s;
	struct lm_err err;

	if (!text)
		fail_msg("%s is not there", name);
	if (snapshot_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	return s;
}

static inline int64_t generation(void)
{
	struct snapshot s = load("cluster-latency.json");
	int64_t found = s.generation;

	snapshot_free(&s);
	return found;
}

/* A run with up to 6 more words; its exit code, and what it said. */
static inline int merge(char **said, const char *const *more)
{
	const char *argv[12] = {test_program("latency-merge"), "--dir", dir};
	int count = 3;

	for (; more && *more; more++)
		argv[count++] = *more;
	return test_run(argv, 60, said);
}

#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

static inline void merges(const char *const *more)
{
	auto_free char *said = NULL;
	int code = merge(&said, more);

	if (code)
		fail_msg("exit code %d: %s", code, said);
}

static inline void says(const char *said, const char *words)
{
	if (!strstr(said, words))
		fail_msg("\"%s\" is not in: %s", words, said);
}

#endif
