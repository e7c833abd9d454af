#include "lib/kube/lines.c"

#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "tests/testing/testing.h"

struct seen {
	struct buf text;	/* each line and `|` */
	int count, stop_at;	/* stop_at 0: never */
};

static bool keep(void *arg, const char *line, size_t len)
{
	struct seen *s = arg;

	buf_add(&s->text, line, len);
	buf_char(&s->text, '|');
	return ++s->count != s->stop_at;
}

static void expect(const char *bytes, const char *lines)
{
	struct lines l = {.max_bytes = 100};
	struct seen s = {0};

	assert_int_equal(lines_feed(&l, bytes, strlen(bytes), keep, &s), LINES_OK);
	assert_string_equal(s.text.data ? s.text.data : "", lines);
	lines_clear(&l);
	buf_free(&s.text);
}

static void lines_of_one_chunk(void **state)
{
	(void)state;
	expect("", "");
	expect("a", "");
	expect("a\n", "a|");
	expect("a\nb\n", "a|b|");
	expect("a\r\nb\r\n", "a|b|");
	expect("\n\n\r\na\n\nb", "a|");
	expect("a\rb\n", "a\rb|");
}

/* Random text of lines, fed whole and in random pieces of 1 byte to all of it: the same lines. */
static void s21_any_chunks_give_the_same_lines(void **state)
{
	static const char *const parts[] = {"\n", "\r\n", "\r", "{\"a\":\"", "\xc3\xa4", "\\u00e4", "\xf0\x9f\x98\x80", "x",
		"\"}\n", "0123456789"};
	struct rng r = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		struct lines whole = {.max_bytes = 1 << 20}, cut = {.max_bytes = 1 << 20};
		struct seen a = {0}, b = {0};
		auto_buf struct buf text = {0};
		uint32_t pieces = rng_below(&r, 80), most = 1 + rng_below(&r, rng_chance(&r, 0.5) ? 3 : 200), i;
		size_t at, len;

		for (i = 0; i < pieces; i++)
			buf_str(&text, parts[rng_below(&r, ARRAY_SIZE(parts))]);
		assert_int_equal(lines_feed(&whole, text.data, text.len, keep, &a), LINES_OK);
		for (at = 0; at < text.len; at += len) {
			len = 1 + rng_below(&r, most);
			if (len > text.len - at)
				len = text.len - at;
			assert_int_equal(lines_feed(&cut, text.data + at, len, keep, &b), LINES_OK);
		}
		assert_int_equal(a.count, b.count);
		assert_string_equal(a.text.data ? a.text.data : "", b.text.data ? b.text.data : "");
		assert_int_equal(whole.rest.len, cut.rest.len);
		lines_clear(&whole);
		lines_clear(&cut);
		buf_free(&a.text);
		buf_free(&b.text);
	}
}

static void too_long_lines_are_refused_at_the_limit(void **state)
{
	struct seen s = {0};
	size_t len, cut;

	(void)state;
	for (len = 8; len <= 12; len++)
		for (cut = 0; cut <= len; cut++) {
			struct lines l = {.max_bytes = 10};
			char text[16] = "0123456789ab";
			enum lines_result result;

			text[len] = '\n';
			result = lines_feed(&l, text, cut, keep, &s);
			if (result == LINES_OK)
				result = lines_feed(&l, text + cut, len + 1 - cut, keep, &s);
			assert_int_equal(result, len <= 10 ? LINES_OK : LINES_TOO_LONG);
			lines_clear(&l);
		}
	buf_free(&s.text);
}

/* Many chunks of a line that never ends must not be copied over and over, nor kept beyond the limit. */
static void an_endless_line_stops(void **state)
{
	struct lines l = {.max_bytes = 1 << 20};
	char chunk[1000];
	struct seen s = {0};
	int chunks = 0;

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	while (lines_feed(&l, chunk, sizeof(chunk), keep, &s) == LINES_OK)
		chunks++;
	assert_int_equal(chunks, (1 << 20) / 1000);
	assert_int_equal(s.count, 0);
	lines_clear(&l);
}

struct owner {
	struct lines *lines;
	int count;
};

static bool free_the_owner(void *arg, const char *line, size_t len)
{
	struct owner *o = arg;

	assert_int_equal(len, 2);
	assert_memory_equal(line, "ab", 2);
	lines_clear(o->lines);
	free(o->lines);
	o->count++;
	return false;
}

static void a_function_may_free_everything(void **state)
{
	static const char text[] = "ab\ncd\n";
	size_t cut;

	(void)state;
	for (cut = 0; cut < 2; cut++) {
		struct owner o = {.lines = xcalloc(1, sizeof(struct lines))};

		o.lines->max_bytes = 10;
		assert_int_equal(lines_feed(o.lines, text, cut, free_the_owner, &o), LINES_OK);
		assert_int_equal(lines_feed(o.lines, text + cut, 6 - cut, free_the_owner, &o), LINES_STOPPED);
		assert_int_equal(o.count, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_one_chunk),
		cmocka_unit_test(s21_any_chunks_give_the_same_lines),
		cmocka_unit_test(too_long_lines_are_refused_at_the_limit),
		cmocka_unit_test(an_endless_line_stops),
		cmocka_unit_test(a_function_may_free_everything),
	};

	return cmocka_run_group_tests_name("kube-lines", tests, NULL, NULL);
}
