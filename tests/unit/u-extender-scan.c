/* extender/scan.h: a request read by the scanner is the one that the general parser reads, on bodies written in every way and broken in any; Go's own is scanned. */
#include "sched/extender/wire.c"	/* for both of its ways */

#include <stdio.h>

#include "tests/testing/testing.h"

#define ROUNDS 20000
#define POD "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u1\",\"labels\":{\"a\":\"]}\\\"[\\\\\"}},\"spec\":{\"containers\":[{\"x\":[1,{}]}]}}"

static int both_took, scanned;

/* What is wrong; NULL: they agree. */
static const char *differ(const struct wire_request *a, const struct wire_request *b)
{
	uint32_t i;

	if (a->count != b->count || a->whole != b->whole)
		return "another list";
	if (!STREQ(a->pod->uid, b->pod->uid) || !STREQ(a->pod->name, b->pod->name))
		return "another pod";
	for (i = 0; i < a->count; i++) {
		auto_buf struct buf quoted = {0};

		buf_json_string(&quoted, b->nodes[i].name);
		if (!STREQ(a->nodes[i].name, b->nodes[i].name))
			return "another name";
		if (a->nodes[i].raw_len != quoted.len || memcmp(a->nodes[i].raw, quoted.data, quoted.len) != 0)
			return "other bytes";
	}
	return NULL;
}

/* On a copy of exactly that size, so that a sanitizer sees a byte too far. */
static void check(const char *text, size_t len)
{
	struct wire_request quick = {0}, thorough = {0};
	auto_free char *exact = xmalloc(len + 1), *terminated = xmalloc(len + 1);
	bool by_scanner, taken;
	const char *wrong;
	struct lm_err err;

	memcpy(exact, text, len);
	memcpy(terminated, text, len);
	terminated[len] = '\0';
	exact = xrealloc(exact, len ? len : 1, 1);
	by_scanner = parse_scanned(exact, len, &quick);
	taken = len && parse_whole(terminated, len, &thorough, &err) == 0;
	if (by_scanner && !taken)
		fail_msg("only the scanner takes it: %s", terminated);
	wrong = by_scanner ? differ(&quick, &thorough) : NULL;
	if (wrong)
		fail_msg("%s: %s", wrong, terminated);
	scanned += by_scanner;
	both_took += taken;
	wire_free(&quick);
	wire_free(&thorough);
}

static const char *any(struct rng *rng, const char *const *texts, uint32_t count)
{
	return texts[rng_below(rng, count)];
}

static void add_name(struct buf *b, struct rng *rng, bool odd)
{
	static const char *const odd_names[] = {"", "a\\u0041", "\xc3\xa4", "\\\"", "a\\\\", "\x7f", "x\xe2\x80\xa8", "\xff", "\\ud83d\\ude00", "a\tb", "\\/"};
	uint32_t len = rng_below(rng, 20) + 1, i;

	if (odd && rng_chance(rng, 0.1)) {
		buf_str(b, any(rng, odd_names, ARRAY_SIZE(odd_names)));
		return;
	}
	if (odd && rng_chance(rng, 0.02))
		len = WIRE_NAME_MAX - 2 + rng_below(rng, 6);
	for (i = 0; i < len; i++)
		buf_char(b, "abcdefghijklmnopqrstuvwxyz0123456789-."[rng_below(rng, 38)]);
}

static void add_list(struct buf *b, struct rng *rng, bool odd)
{
	static const char *const blanks[] = {"", "", "", " ", "\n\t", "  \r"};
	uint32_t count = rng_below(rng, 12), i;

	buf_char(b, '[');
	for (i = 0; i < count; i++) {
		if (i)
			buf_char(b, ',');
		if (odd)
			buf_str(b, any(rng, blanks, ARRAY_SIZE(blanks)));
		buf_char(b, '"');
		add_name(b, rng, odd);
		buf_char(b, '"');
		if (odd)
			buf_str(b, any(rng, blanks, ARRAY_SIZE(blanks)));
	}
	buf_str(b, odd && rng_chance(rng, 0.03) ? ",]" : "]");
}

static void add_member(struct buf *b, struct rng *rng)
{
	static const char *const keys[] = {"NodeNames", "nodenames", "NODENAMES", "NodeName\\u0073", "Nodes", "nodes", "Pod", "Other", "x\\\"NodeNames"};
	static const char *const values[] = {"null", "[]", "{}", "{\"items\":[]}", "{\"items\":[{\"metadata\":{\"name\":\"n\"}}]}", "7", "\"\"", "[[\"a\"]]", "[\"a\",1]", POD,
					     "{\"NodeNames\":[\"inner\"]}"};

	buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", any(rng, keys, ARRAY_SIZE(keys)));
	if (rng_chance(rng, 0.4))
		add_list(b, rng, true);
	else
		buf_str(b, any(rng, values, ARRAY_SIZE(values)));
}

static void make(struct buf *b, struct rng *rng)
{
	uint32_t more;

	buf_clear(b);
	if (rng_chance(rng, 0.5)) {	/* as Go writes it, almost */
		buf_str(b, "{\"Pod\":" POD ",\"Nodes\":null,\"NodeNames\":");
		add_list(b, rng, rng_chance(rng, 0.5));
		buf_str(b, rng_chance(rng, 0.9) ? "}\n" : "}x");
		return;
	}
	buf_char(b, '{');
	for (more = rng_below(rng, 5); more; more--)
		add_member(b, rng);
	buf_printf(b, "%s\"Pod\":" POD "}", b->len > 1 ? "," : "");
}

static void mutate(struct buf *b, struct rng *rng)
{
	uint32_t changes = rng_below(rng, 4);

	for (; changes && b->len; changes--) {
		size_t at = rng_below(rng, (uint32_t)b->len);

		if (rng_chance(rng, 0.5))
			b->data[at] = "\",:[]{}\\ x\n\0\x80"[rng_below(rng, 13)];
		else if (rng_chance(rng, 0.5))
			memmove(b->data + at, b->data + at + 1, b->len-- - at);
		else
			b->len = at;
	}
}

static void the_scanner_reads_what_the_parser_reads(void **state)
{
	struct rng rng = rng_make(test_seed());
	auto_buf struct buf b = {0};
	int i;

	(void)state;
	both_took = scanned = 0;
	for (i = 0; i < ROUNDS; i++) {
		make(&b, &rng);
		if (i % 2)
			mutate(&b, &rng);
		check(b.data, b.len);
	}
	printf("# of %d bodies the parser took %d, the scanner %d\n", ROUNDS, both_took, scanned);
	assert_true(scanned > ROUNDS / 10 && both_took > scanned);
}

static void gos_own_writing_is_scanned(void **state)
{
	static const char text[] = "{\"Pod\":" POD ",\"Nodes\":null,\"NodeNames\":[\"worker-1.eu\",\"b\"]}\n";
	struct wire_request r;

	(void)state;
	assert_true(parse_scanned(text, strlen(text), &r));
	assert_int_equal(r.count, 2);
	assert_string_equal(r.nodes[0].name, "worker-1.eu");
	wire_free(&r);
}

/* Of each length up to the limit, in front of each special byte. */
static void a_name_of_each_length(void **state)
{
	size_t len;

	(void)state;
	for (len = 1; len <= WIRE_NAME_MAX + 1; len++) {
		static const char ends[] = "\"\\\x1f\x7f\x80\xff";
		auto_free char *name = xmalloc(len + 1);
		size_t i;

		memset(name, 'n', len);
		name[len] = '\0';
		for (i = 0; i < strlen(ends); i++) {
			auto_free char *text = xasprintf("{\"NodeNames\":[\"%s%c],\"Pod\":" POD "}", name, ends[i]);
			struct wire_request r;

			check(text, strlen(text));
			assert_int_equal(parse_scanned(text, strlen(text), &r), ends[i] == '"' && len <= WIRE_NAME_MAX);
			if (r.count)
				assert_string_equal(r.nodes[0].name, name);
			wire_free(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scanner_reads_what_the_parser_reads),
		cmocka_unit_test(gos_own_writing_is_scanned),
		cmocka_unit_test(a_name_of_each_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
