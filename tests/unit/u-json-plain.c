/* json_plain.h: what it takes json_parse takes too, with the same tree but for what is unread; and what Go writes it does take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json_plain.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define ROUNDS 60000

static const char *const unread[] = {"env", "managedFields", NULL};

/* --- texts ----------------------------------------------------------------------------------------------------------------- */

static void add_value(struct rng *rng, struct buf *b, int depth);

static const char *any(struct rng *rng, const char *const *texts, uint32_t count)
{
	return texts[rng_below(rng, count)];
}

#define ANY(rng, texts) any(rng, texts, ARRAY_SIZE(texts))

static void add_key(struct rng *rng, struct buf *b, unsigned i)
{
	static const char *const keys[] = {"env", "managedFields", "name", "a", "environment", "envy", "", "kubernetes.io/a-long-one", "kubernetes.io/b"};

	if (rng_chance(rng, 0.5))
		buf_printf(b, "\"k%u\"", i);
	else
		buf_printf(b, "\"%s\"", ANY(rng, keys));
}

static void add_bracket(struct rng *rng, struct buf *b, int depth, bool object)
{
	unsigned i, count = rng_chance(rng, 0.02) ? 45 : rng_below(rng, 5);

	buf_char(b, object ? '{' : '[');
	for (i = 0; i < count; i++) {
		if (i)
			buf_char(b, ',');
		if (object) {
			add_key(rng, b, i);
			buf_char(b, ':');
		}
		add_value(rng, b, depth - 1);
	}
	buf_char(b, object ? '}' : ']');
}

static void add_value(struct rng *rng, struct buf *b, int depth)
{
	static const char *const plain[] = {"\"\"", "\"value\"", "\"service-07.shop.svc.cluster.local:5000\"", "\"/var/run\"", "\"12345678\"", "0", "7", "30",
					    "2147483647", "2147483648", "123456789012345", "true", "false", "null", "{}", "[]"};
	static const char *const odd[] = {"\"a\\\"b\"", "\"\\u0041\"", "\"\xc3\xa9\"", "\"\x7f\"", "\"\t\"", "01", "-1", "-0", "1.5", "1e3", "1e999", "1234567890123456",
					  "12345678901234567890", "tru", "nulls", "True", "", " 1", "1 ", "\"x", "}", "]"};
	double chance = rng_unit(rng);

	if (depth > 0 && chance < 0.5)
		add_bracket(rng, b, depth, chance < 0.3);
	else
		buf_str(b, chance < 0.99 ? ANY(rng, plain) : ANY(rng, odd));
}

static void break_it(struct rng *rng, struct buf *b)
{
	static const char bytes[] = "\"\\{}[],: 0e.-\n";
	uint32_t at = rng_below(rng, (uint32_t)b->len);

	if (rng_chance(rng, 0.3))
		b->len = at;
	else
		b->data[at] = rng_chance(rng, 0.1) ? (char)rng_below(rng, 256) : bytes[rng_below(rng, sizeof(bytes))];	/* its NUL too */
	buf_add(b, "", 0);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------- */

/* As the plain reader leaves a tree. */
static void hollow(cJSON *value)
{
	cJSON *member;

	cJSON_ArrayForEach(member, value) {
		if (member->string && (STREQ(member->string, unread[0]) || STREQ(member->string, unread[1])))
			while (member->child)
				cJSON_DeleteItemFromArray(member, 0);
		hollow(member);
	}
}

/* True: it was taken. On a copy of exactly that size, so that a sanitizer sees a byte too far. */
static bool check(const struct buf *text)
{
	auto_free char *exact = xmalloc(text->len ? text->len : 1), *a = NULL, *b = NULL;
	auto_json cJSON *tree = NULL;
	struct json_plain plain;
	struct lm_err err;
	bool taken;

	memcpy(exact, text->data, text->len);
	taken = json_plain_parse(exact, text->len, unread, &plain);
	if (!taken) {
		assert_null(plain.root);
		return false;
	}
	tree = json_parse(exact, text->len, JSON_DEPTH, &err);
	if (!tree)
		fail_msg("only the plain reader takes it: %s (%s)", text->data, err.msg);
	hollow(tree);
	a = cJSON_PrintUnformatted(tree);
	b = cJSON_PrintUnformatted(plain.root);
	if (!STREQ(a, b) || !cJSON_Compare(tree, plain.root, true) || cJSON_GetArraySize(tree) != cJSON_GetArraySize(plain.root))
		fail_msg("%s: %s, not %s", text->data, b, a);
	json_plain_free(&plain);
	return true;
}

static void what_it_takes_is_what_json_parse_takes(void **state)
{
	struct rng rng = rng_make(test_seed());
	int i, rounds = test_rounds(ROUNDS), taken = 0, broken_taken = 0, broken = 0;

	(void)state;
	for (i = 0; i < rounds; i++) {
		auto_buf struct buf text = {0};
		bool breaks = rng_chance(&rng, 0.4);

		add_value(&rng, &text, (int)rng_below(&rng, 6) + (rng_chance(&rng, 0.01) ? 16 : 0));
		breaks &= text.len > 0;
		if (breaks)
			break_it(&rng, &text);
		broken += breaks;
		buf_add(&text, "", 0);
		*(breaks ? &broken_taken : &taken) += check(&text);
	}
	printf("# %d of %d texts taken, %d of %d that were changed\n", taken, rounds - broken, broken_taken, broken);
	assert_true(taken > rounds / 5 && broken_taken > 0);
}

static void the_limits(void **state)
{
	static const char *const refused[] = {"{\"a\":1,\"a\":2}", "{\"x\":{\"env\":[{\"name\":1,\"name\":2}]}}", "{\"longer-than-8\":1,\"longer-than-8\":1}", "[1,]", "{\"a\":1,}",
					      "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "{\"env\":[}", "", "[", "\"", "[1]x"};
	static const char *const taken[] = {"{\"a\":1,\"b\":2}", "{\"x\":{\"env\":[{\"name\":1},{\"name\":2}]}}", "{\"longer-than-8\":1,\"longer-than-9\":1}", "[1]",
					    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "7"};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		auto_buf struct buf text = {0};

		buf_str(&text, refused[i]);
		if (check(&text))
			fail_msg("%s is taken", refused[i]);
	}
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		auto_buf struct buf text = {0};

		buf_str(&text, taken[i]);
		if (!check(&text))
			fail_msg("%s is not taken", taken[i]);
	}
}

/* Objects of 40 members, each in the last member of the one before. */
static void add_nest(struct buf *b, int levels)
{
	int i;

	buf_char(b, '{');
	for (i = 0; i < 40; i++) {
		buf_printf(b, "%s\"key-%d-of-40\":", i ? "," : "", i);
		if (i < 39 || levels == 1)
			buf_char(b, '0');
		else
			add_nest(b, levels - 1);
	}
	buf_char(b, '}');
}

/* 160 keys may be open at a time; those of objects that have ended are not, however many they are. */
static void keys_of_objects_in_objects(void **state)
{
	auto_buf struct buf four = {0}, five = {0}, many = {0};
	int i;

	(void)state;
	add_nest(&four, 4);
	assert_true(check(&four));
	add_nest(&five, 5);
	assert_false(check(&five));
	for (i = 0; i < 20; i++) {
		buf_char(&many, i ? ',' : '[');
		add_nest(&many, 3);
	}
	buf_char(&many, ']');
	assert_true(check(&many));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_takes_is_what_json_parse_takes),
		cmocka_unit_test(the_limits),
		cmocka_unit_test(keys_of_objects_in_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
