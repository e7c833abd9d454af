/*
 * reader_place.h - what the tests of the reader (sched/reader.h) share: a folder with the latency file, a reader, its news. A test program is its own reader: its
 * main() begins with as_reader.
 */
#ifndef TESTS_UNIT_READER_PLACE_H
#define TESTS_UNIT_READER_PLACE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sched/reader.h"
#include "sched/reader_wire.h"
#include "tests/testing/testing.h"

/* The process itself, with a memory that can be short: while FILE.full is there. */
static char full_path[512];

static inline int scarce_memfd(const struct matrix *m, int *fd, struct lm_err *err)
{
	if (access(full_path, F_OK) == 0)
		return lm_fail(err, LM_IO, "no room for a matrix");
	return matrix_to_memfd(m, fd, err);
}

#define BEAT_MS 300
#define matrix_to_memfd scarce_memfd
#include "sched/reader_child.c"
#undef matrix_to_memfd

#define PATIENCE_MS 10000	/* a loaded machine; what is asserted is order, not time */

/* The reader's exit code, when this program was started as the reader; else -1. */
static inline int as_reader(int argc, char **argv)
{
	if (argc > 2)
		snprintf(full_path, sizeof(full_path), "%s.full", argv[2]);
	if (argc > 1 && STREQ(argv[1], "reader"))
		return reader_child_main(argc - 1, argv + 1);
	/* A file that is cut and written again goes to the disk at once (ext4), a hundred ms each time where it is busy. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return -1;
}

struct place {
	char *folder, *file, *hold;
	struct reader *reader;
	struct reader_news news;	/* the last one of `expect` */
};

static inline void expect_forget(struct place *p)
{
	matrix_unref(p->news.matrix);
	p->news = (struct reader_news){0};
}

static inline void begin(struct place *p)
{
	*p = (struct place){.folder = xasprintf("%s/latency", test_folder())};
	p->file = xasprintf("%s/cluster-latency.json", p->folder);
	p->hold = xasprintf("%s/hold", p->folder);
	assert_int_equal(mkdir(p->folder, 0755), 0);
}

static inline void start_as(struct place *p, const struct reader_settings *settings)
{
	struct reader_settings given = *settings;
	struct lm_err err;

	given.file = p->file;
	if (reader_start(&given, &p->reader, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void start(struct place *p, int64_t poll_ms)
{
	start_as(p, &(struct reader_settings){.poll_ms = poll_ms});
}

static inline void end(struct place *p)
{
	expect_forget(p);
	reader_end(p->reader);
	free(p->folder);
	free(p->file);
	free(p->hold);
}

/* The next news of that kind; what comes before it is dropped. */
static inline bool next_news(struct place *p, enum reader_news_kind kind, int64_t patience_ms)
{
	int64_t until = clock_mono_ms() + patience_ms;

	do {
		reader_tick(p->reader, clock_mono_ms());
		expect_forget(p);
		while (reader_take(p->reader, &p->news)) {
			if (p->news.kind == kind)
				return true;
			expect_forget(p);
		}
		usleep(2000);
	} while (clock_mono_ms() < until);
	return false;
}

static inline void expect(struct place *p, enum reader_news_kind kind)
{
	if (!next_news(p, kind, PATIENCE_MS))
		fail_msg("no news of kind %d", (int)kind);
}

static inline char *text_of(int rtt_us)
{
	return xasprintf("{\"version\":1,\"epoch\":\"e\",\"generation\":1,\"nodes\":[\"a\",\"b\"],\"rtt_us\":[[0,%d],[%d,0]]}\n",
			 rtt_us, rtt_us);
}

static inline double rtt_of(const struct place *p)
{
	return (double)matrix_node_row(p->news.matrix, 0).rtt_us[1];
}

static inline void write_file(struct place *p, int rtt_us, bool by_rename)
{
	auto_free char *text = text_of(rtt_us), *beside = xasprintf("%s/.new", p->folder);

	test_write(by_rename ? beside : p->file, text);
	if (by_rename)
		assert_int_equal(rename(beside, p->file), 0);
}

/* A whole file, and a reader that has read it. */
static inline void begin_reading(struct place *p, int rtt_us, int64_t poll_ms)
{
	begin(p);
	write_file(p, rtt_us, true);
	start(p, poll_ms);
	expect(p, READER_NEWS_MATRIX);
}

#endif
