/* A post and observations.json of any bytes: refused with one line, or figures in range that survive being written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "merge/observe.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("{\"observations\":[{\"group\":\"milan\",\"node\":\"n1\",\"ms\":12.3,\"count\":40},{\"group\":\"rome\",\"node\":\"n2\",\"ms\":0.05}]}",
	    "{\"observations\":[{\"group\":\"milan\",\"node\":\"n1\",\"ms\":60000,\"count\":1000000000}]}", "{\"observations\":[]}", "[]",
	    "{\"version\":1,\"reporters\":{\"10.0.0.7\":{\"milan\":{\"n1\":[12.31,40,3.5],\"n2\":[0.05,1000,0]},\"rome\":{\"n1\":[60000,0,1e6]}},"
	    "\"2001:db8::/64\":{\"milan\":{\"n1\":[1,1,1]}}}}")

static void check_observed(const struct observe *o)
{
	struct observed observed;
	size_t g, c;

	observe_collect(o, &observed);
	for (g = 0; g < observed.count; g++)
		for (c = 0; c < observed.groups[g].count; c++) {
			const struct observed_cell *cell = &observed.groups[g].cells[c];

			if (!name_is_valid(observed.groups[g].name) || !cell->reporters || cell->node >= observed.nodes.count)
				abort();
			if (!(cell->rtt_us >= OBSERVE_MS_MIN * 998 && cell->rtt_us <= OBSERVE_MS_MAX * 1002))
				abort();
		}
	observed_free(&observed);
}

static void check_error(const struct lm_err *err)
{
	if (err->code != LM_DATA || !err->msg[0] || strchr(err->msg, '\n'))
		abort();
}

static void check_post(struct observe *o, const char *text, size_t size)
{
	struct observe_tally tally = {0};
	struct observe_post post;
	struct lm_err err = {0};

	if (observe_post_parse(text, size, &post, &tally, &err) < 0)
		check_error(&err);
	else if (!observe_post(o, "10.0.0.1", post.items, post.count, 1000, &tally) || tally.accepted > post.count)
		abort();
	observe_post_free(&post);
	check_observed(o);
}

static void check_file(struct observe *o, const char *text, size_t size)
{
	struct lm_err err = {0};
	struct buf written = {0};
	uint32_t reporters, cells;

	if (observe_check(text, size, &reporters, &cells, &err) < 0)
		check_error(&err);
	if (observe_read(o, text, size, 1000, 0, &err) < 0) {
		check_error(&err);
	} else {
		observe_write(o, 1000, &written);
		if (observe_check(written.data, written.len, &reporters, &cells, &err) < 0 || cells != observe_cells(o))
			abort();
	}
	check_observed(o);
	buf_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct observe *posts = observe_new(), *file = observe_new();
	struct names nodes = {0};

	names_add(&nodes, "n1");
	names_add(&nodes, "n2");
	observe_expect(posts, &nodes, NULL);
	observe_expect(file, &nodes, NULL);
	check_post(posts, (const char *)data, size);
	check_file(file, (const char *)data, size);
	observe_free(posts);
	observe_free(file);
	names_free(&nodes);
	return 0;
}
