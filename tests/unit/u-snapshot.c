/* snapshot.h: the row scanner against cJSON's reading, strictness, the plain form. u-snapshot-random.c has what holds for any snapshot. */
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/mem.h"
#include "lib/snapshot.h"
#include "tests/testing/testing.h"

#define HEAD "{\"version\":1,\"epoch\":\"e\",\"generation\":4182,\"written\":\"2026-11-21T21:00:00.000Z\",\"period_s\":60,\"degraded_runs\":1,\n" \
	"\"nodes\":[\"a\",\"b\"],\"age_s\":[3,null],\"seen\":[[\"boot\",42],null],\"load\":[{\"cpu\":0.5},null],\n"
#define RTT "\"rtt_us\":[\n[0,412],\n[409.5,0]]"
#define WHOLE HEAD RTT ",\"jitter_us\":[[0,1],[2,0]],\"loss\":[[0,0.25],[null,0]],\"clients\":[\"milan\"],\"client_rtt_us\":[[1890],[null]]}"

static int parse(const char *text, struct snapshot *s, struct lm_err *err)
{
	*err = (struct lm_err){0};
	return snapshot_parse(text, strlen(text), s, err);
}

static void refuses(const char *text, const char *words)
{
	struct snapshot s;
	struct lm_err err;

	if (parse(text, &s, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.code, LM_DATA);
	if (!strstr(err.msg, words))
		fail_msg("\"%s\" does not say \"%s\" about %.200s", err.msg, words, text);
}

static void reads_every_member(void **state)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	(void)state;
	if (parse(WHOLE, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.epoch, "e");
	assert_int_equal(s.generation, 4182);
	assert_int_equal(s.written_ms, 1795294800000);
	assert_int_equal(s.degraded_runs, 1);
	assert_true(s.period_s == 60 && !s.is_plain && s.age_s[0] == 3 && isnan(s.age_s[1]));
	assert_string_equal(s.seen[0].boot_id, "boot");
	assert_int_equal(s.seen[0].seq, 42);
	assert_string_equal(s.seen[1].boot_id, "");
	assert_true(s.load[0].cpu == 0.5 && isnan(s.load[0].rx_bytes_per_s) && isnan(s.load[1].cpu));
	assert_true(s.link.rtt_us[1] == 412 && s.link.rtt_us[2] == 409.5f && s.link.jitter_us[2] == 2 && s.link.loss[1] == 0.25f);
	assert_true(isnan(s.link.loss[2]) && s.client.rtt_us[0] == 1890 && isnan(s.client.rtt_us[1]) && isnan(s.client.loss[0]));
}

/* As someone may write it by hand: in any place, without an age, with nodes that have no row. */
static void entry_and_estimates(void **state)
{
	auto_snapshot struct snapshot s = {0}, none = {0};
	struct lm_err err;

	(void)state;
	if (parse(HEAD RTT ",\"entry\":{\"b\":812.5, \"far.away\":-0, \"a\":1e3},\"clients\":[\"milan\"],\"client_rtt_us\":[[1890],[9000]],"
		  "\"client_estimate_us\":[[null],[8400.5]]}", &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.entry.nodes.count, 3);
	assert_string_equal(s.entry.nodes.items[1], "far.away");
	assert_true(s.entry.rate[0] == 812.5 && s.entry.rate[1] == 0 && !signbit(s.entry.rate[1]) && s.entry.rate[2] == 1000);
	assert_true(isnan(s.entry.age_s));
	assert_true(isnan(s.client_estimate_us[0]) && s.client_estimate_us[1] == 8400.5f && s.client.rtt_us[1] == 9000);
	assert_int_equal(parse(HEAD RTT ",\"entry\":null,\"entry_age_s\":null,\"client_estimate_us\":null}", &none, &err), 0);
	assert_true(none.entry.nodes.count == 0 && isnan(none.entry.age_s) && !none.client_estimate_us);
	snapshot_free(&none);
	assert_int_equal(parse(HEAD RTT ",\"entry\":{},\"entry_age_s\":12.5}", &none, &err), 0);
	assert_true(none.entry.nodes.count == 0 && none.entry.age_s == 12.5);
	snapshot_free(&none);
	assert_int_equal(parse(WHOLE, &none, &err), 0);
	assert_true(none.entry.nodes.count == 0 && isnan(none.entry.age_s) && !none.client_estimate_us);
}

static void bad_entries_and_estimates_are_refused(void **state)
{
	(void)state;
	refuses(HEAD RTT ",\"entry\":[]}", "entry: is an array");
	refuses(HEAD RTT ",\"entry\":{\"a\":null}}", "entry: a: null is not a number");
	refuses(HEAD RTT ",\"entry\":{\"a\":\"1\"}}", "entry: a: a string");
	refuses(HEAD RTT ",\"entry\":{\"a\":-1}}", "entry: a: -1 is not in 0..1e+13");
	refuses(HEAD RTT ",\"entry\":{\"a\":1e14}}", "entry: a: 1e+14");
	refuses(HEAD RTT ",\"entry\":{\"a\":1,\"A\":1}}", "entry: \"A\" is not a valid name");
	refuses(HEAD RTT ",\"entry\":{\"a\":1,\"a\":1}}", "entry (the value at line 5): duplicate key \"a\"");
	refuses(HEAD RTT ",\n\"entry\":{\"a\":NaN}}", "entry (the value at line 6)");
	refuses(HEAD RTT ",\"entry_age_s\":-1}", "entry_age_s: -1 is not in 0..");
	refuses(HEAD RTT ",\"entry_age_s\":\"1\"}", "entry_age_s: is a string");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\n\"client_estimate_us\":[[1]]}", "client_estimate_us[1][0]: line 6: there are too few rows");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_estimate_us\":[[1],[1,2]]}", "client_estimate_us[1][1]: line 5: the row has too many columns");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_estimate_us\":[[1],[6e7,2]]}", "too many columns");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_estimate_us\":[[1],[6.1e7]]}", "client_estimate_us[1][0]: line 5: 6.1e+07 is not in 0..6e+07");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_estimate_us\":[[1],[-1]]}", "client_estimate_us[1][0]");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_estimate_us\":[[1],[\"1\"]]}", "client_estimate_us[1][0]");
}

/* How long a node was silent to whom: absent and null are unknown, and nobody is a witness of itself. */
static void silence(void **state)
{
	auto_snapshot struct snapshot s = {0}, none = {0};
	auto_buf struct buf text = {0};
	struct lm_err err;

	(void)state;
	if (parse(HEAD RTT ",\"lost_s\":[12.5,null],\"witnesses\":[1,0]}", &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(s.lost_s[0] == 12.5 && isnan(s.lost_s[1]) && s.witnesses[0] == 1 && s.witnesses[1] == 0);
	assert_int_equal(parse(HEAD RTT ",\"lost_s\":null,\"witnesses\":null}", &none, &err), 0);
	assert_true(isnan(none.lost_s[0]) && none.witnesses[0] == 0);
	snapshot_free(&none);
	assert_int_equal(parse(WHOLE, &none, &err), 0);
	assert_true(isnan(none.lost_s[0]) && isnan(none.lost_s[1]) && none.witnesses[0] == 0 && none.witnesses[1] == 0);
	snapshot_write(&none, &text);
	assert_null(strstr(text.data, "lost_s"));	/* where nothing is known the file is as it was before */
	assert_null(strstr(text.data, "witnesses"));
	refuses(HEAD RTT ",\"lost_s\":[1]}", "lost_s: has 1 items for 2 nodes");
	refuses(HEAD RTT ",\"lost_s\":[1,-1]}", "lost_s[1]: -1 is not in 0..1e+10");
	refuses(HEAD RTT ",\"lost_s\":[1,1e11]}", "lost_s[1]: 1e+11");
	refuses(HEAD RTT ",\"lost_s\":[1,\"1\"]}", "lost_s[1]: a string is not a number");
	refuses(HEAD RTT ",\"lost_s\":7}", "lost_s: is a number");
	refuses(HEAD RTT ",\"witnesses\":[1,0,0]}", "witnesses: has 3 items for 2 nodes");
	refuses(HEAD RTT ",\"witnesses\":[1,null]}", "witnesses[1]: null is not a number");
	refuses(HEAD RTT ",\"witnesses\":[2,0]}", "witnesses[0]: 2 is not a whole number in 0..1");
	refuses(HEAD RTT ",\"witnesses\":[0.5,0]}", "witnesses[0]: 0.5 is not a whole number");
	refuses(HEAD RTT ",\"witnesses\":[-1,0]}", "witnesses[0]: -1");
}

/* One more than there may be nodes; what the limit of the size leaves room for, however long the names are. */
static void entry_has_limits(void **state)
{
	auto_buf struct buf text = {0};
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;
	uint32_t i;

	(void)state;
	buf_str(&text, "{\"version\":1,\"nodes\":[],\"rtt_us\":[],\"entry\":{");
	for (i = 0; i < SNAPSHOT_MAX_NODES; i++)
		buf_printf(&text, "%s\"%0195u.x\":123456789.25", i ? "," : "", i);
	buf_str(&text, "}}");
	if (parse(text.data, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.entry.nodes.count, SNAPSHOT_MAX_NODES);
	assert_true(s.entry.rate[4999] == 123456789.25);
	assert_false(snapshot_entry_add(&s.entry, "one.more", 1));
	text.len -= 2;
	buf_str(&text, ",\"z\":1}}");
	refuses(text.data, "entry: more than 5000");
}

static void the_diagonal_is_zero_whatever_it_says(void **state)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("{\"version\":1,\"nodes\":[\"a\"],\"rtt_us\":[[77]],\"loss\":[[null]]}", &s, &err), 0);
	assert_true(s.link.rtt_us[0] == 0 && s.link.jitter_us[0] == 0 && s.link.loss[0] == 0);
	assert_string_equal(s.epoch, "");
	assert_int_equal(s.generation, 0);
	assert_true(s.period_s == 60 && isnan(s.age_s[0]));
	assert_int_equal(s.written_ms, -1);
}

static void m2_truncated_at_every_byte(void **state)
{
	size_t len;

	(void)state;
	for (len = 0; len < strlen(WHOLE); len++) {
		auto_free char *cut = xmalloc(len ? len : 1); /* not NUL-terminated: an overrun is seen by ASan */
		struct snapshot s;
		struct lm_err err;

		memcpy(cut, WHOLE, len);
		assert_int_equal(snapshot_parse(cut, len, &s, &err), -1);
		assert_int_equal(err.code, LM_DATA);
	}
}

static void m4_errors_name_member_row_and_column(void **state)
{
	(void)state;
	refuses(HEAD "\"rtt_us\":[\n[0,412],\n[409,\"x\"]]}", "rtt_us[1][1]: line 5: not a number or null");
	refuses(HEAD "\"rtt_us\":[[0,412],[409]]}", "rtt_us[1][1]: line 3: the row has too few columns");
	refuses(HEAD "\"rtt_us\":[[0,412],[]]}", "rtt_us[1][0]: line 3: the row has too few columns");
	refuses(HEAD "\"rtt_us\":[[0,412],[409,0,1]]}", "rtt_us[1][2]: line 3: the row has too many columns");
	refuses(HEAD "\"rtt_us\":[[0,412]]}", "rtt_us[1][0]: line 3: there are too few rows");
	refuses(HEAD "\"rtt_us\":[[0,412],[409,0],[1,1]]}", "rtt_us[2][0]: line 3: there are too many rows");
	refuses(HEAD "\"rtt_us\":[[0,412],7]}", "rtt_us: line 3: a row");
	refuses(HEAD "\"rtt_us\":[[0,412],[409,true]]}", "rtt_us[1][1]");
	refuses(HEAD "\"rtt_us\":[[0,412],[409,[0]]]}", "is wanted");
	refuses(HEAD "\"rtt_us\":[[0 412],[409,0]]}", "rtt_us[0][0]: line 3: `,` or `]` is wanted");
	refuses(HEAD "\"rtt_us\":{}}", "rtt_us: line 3: not an array of rows");
	refuses(HEAD "\"rtt_us\":null}", "rtt_us: is missing");
	refuses(HEAD "\"x\":0}", "rtt_us: is missing");
	refuses(HEAD RTT ",\"loss\":[[0,0],[1.5,0]]}", "loss[1][0]: line 5: 1.5 is not in 0..1");
	refuses(HEAD RTT ",\"clients\":[\"m\"],\"client_rtt_us\":[[1]]}", "client_rtt_us[1][0]");
	refuses("{\"version\":1,\"rtt_us\":[]}", "nodes: is missing");
	refuses("{\"version\":1,\"nodes\":7,\"rtt_us\":[]}", "nodes: is a number");
	refuses("{\"version\":1,\"nodes\":[\"a\",\"a\"],\"rtt_us\":[]}", "nodes[1]: \"a\" is listed twice");
	refuses("{\"version\":1,\"nodes\":[\"A\"],\"rtt_us\":[]}", "nodes[0]");
	refuses("{\"version\":1,\"nodes\":[7],\"rtt_us\":[]}", "nodes[0]: a number");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"age_s\":[1,2],\"rtt_us\":[[0]]}", "age_s: has 2 items for 1 nodes");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"age_s\":[-1],\"rtt_us\":[[0]]}", "age_s[0]: -1");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"seen\":[[1,2]],\"rtt_us\":[[0]]}", "seen[0]");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"seen\":[[\"b\",2,3]],\"rtt_us\":[[0]]}", "seen[0]");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"load\":[{\"cpu\":7}],\"rtt_us\":[[0]]}", "load[0]: cpu: 7");
	refuses("{\"version\":2,\"nodes\":[],\"rtt_us\":[]}", "version: 2 is newer");
	refuses("{\"version\":1,\"generation\":1.5,\"nodes\":[],\"rtt_us\":[]}", "generation");
	refuses("{\"version\":1,\"generation\":-1,\"nodes\":[],\"rtt_us\":[]}", "generation");
	refuses("{\"version\":1,\"written\":\"now\",\"nodes\":[],\"rtt_us\":[]}", "written");
}

static void m5_numbers_at_the_edge(void **state)
{
	static const char *const refused[] = {
		"NaN", "Infinity", "1e999", "-1", "-1e-9", "+1", "01", "00", "-01", "1.", ".5", "1e", "1e+", "0x1", "1_0", "60000001", "1e8", "nul", "nulll",
		"12345678901234567890", "1 2", "--1", "-", "\"1\"", "00-1", "1.5.2",
		"0.00000000000000000000000000000000000000000000000000000000000000001",
	};
	static const struct {
		const char *text;
		double value;
	} taken[] = {
		{"-0", 0}, {"-0.0", 0}, {"0", 0}, {"1e-320", 0}, {"60000000", 6e7}, {"4.125E2", 412.5}, {"412.5", 412.5}, {"412.50000000000000000000", 412.5},
		{"1234567.1234567890123456789", 1234567.125}, {"0.1", 0.1f}, {"123456789012345e-10", 12345.6789012345f}, {"0e5", 0},
		{"0.000000000000001", 1e-15f}, {"999999999999999e-14", 9.99999999999999f},
	};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		auto_free char *text = xasprintf(HEAD "\"rtt_us\":[[0,%s],[1,0]]}", refused[i]);

		refuses(text, "rtt_us[0]");
	}
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		auto_free char *text = xasprintf(HEAD "\"rtt_us\":[[0,%s],[1,0]]}", taken[i].text);
		auto_snapshot struct snapshot s = {0};

		if (parse(text, &s, &err) < 0)
			fail_msg("%s: %s", taken[i].text, err.msg);
		if (s.link.rtt_us[1] != (float)taken[i].value || signbit(s.link.rtt_us[1]))
			fail_msg("%s gives %.9g", taken[i].text, (double)s.link.rtt_us[1]);
	}
}

static void m7_not_one_strict_document(void **state)
{
	(void)state;
	refuses("", "empty");
	refuses(WHOLE "x", "something follows");
	refuses(WHOLE "\n" WHOLE, "something follows");
	refuses("\xef\xbb\xbf" WHOLE, "line 1: an object");
	refuses("[" WHOLE "]", "an object");
	refuses(HEAD RTT ",\"x\":\"\xff\"}", "x (the value at line 5): line 1, column 2: not UTF-8");
	refuses(HEAD RTT ",\"\xff\":1}", "not UTF-8");
	refuses(HEAD RTT ",\"x\":\"\\ud800\"}", "surrogate");
	refuses(HEAD RTT ",\"x\":[1}}", "x (the value at line 5)");
	refuses(HEAD RTT ",\"x\":tru}", "x (the value at line 5)");
	refuses(HEAD RTT ",\"x\":}", "x (the value at line 5)");
	refuses(HEAD RTT ",}", "a key is wanted");
	refuses(HEAD RTT ",\"x\" 1}", "`:` is wanted");
	refuses(HEAD RTT "\"x\":1}", "`,` or `}` is wanted");
	refuses(HEAD RTT "," RTT "}", "duplicate key \"rtt_us\"");
	refuses(HEAD RTT ",\"rtt\\u005fus\":[]}", "duplicate key \"rtt_us\"");
	refuses(HEAD RTT ",\"x\":{\"y\":1e999}}", "too large");
	refuses("{\"version\":1,\"nodes\":[\"a\"],\"load\":[{\"cpu\":1,\"cpu\":1}],\"rtt_us\":[[0]]}", "load");
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void fill(struct buf *b, const char *begin, const char *item, size_t bytes, const char *end)
{
	size_t len = strlen(item);

	buf_clear(b);
	buf_str(b, begin);
	while (b->len < bytes)
		buf_add(b, item, len);
	buf_str(b, end);
}

/* 10,000 levels, a string of 100 MB, arrays of 10 million items: refused by a line, without memory beyond that of the text. */
static void m8_deep_and_huge(void **state)
{
	auto_buf struct buf b = {0};
	long before;

	(void)state;
	fill(&b, HEAD RTT ",\"x\":", "[", 10000, "}");
	refuses(b.data, "");
	fill(&b, "{\"version\":1,\"nodes\":[\"a\"],\"rtt_us\":[[", "[", 10000, "]]}");
	refuses(b.data, "rtt_us");
	fill(&b, HEAD RTT ",\"x\":\"", "0123456789abcdef0123456789abcdef0123456789abcdef", 100000000, "\"}");
	before = peak_kib();
	refuses(b.data, "100000"); /* unknown members are let be, the size is not */
	fill(&b, "{\"version\":1,\"rtt_us\":[],\"nodes\":[1", ",1,1,1,1,1,1,1,1,1,1", 20000000, "]}");
	refuses(b.data, "bytes are more than 2625536");
	fill(&b, "{\"version\":1,\"nodes\":[\"a\"],\"rtt_us\":[[0", ",1,1,1,1,1,1,1,1,1,1", 20000000, "]]}");
	refuses(b.data, "the limit for 1 nodes");
	fill(&b, "{\"version\":1,\"nodes\":[\"a\"],\"rtt_us\":[[0", ",1,1,1,1,1,1,1,1,1,1", 1000000, "]]}");
	refuses(b.data, "rtt_us[0][1]: line 1: the row has too many columns");
	fill(&b, "{\"a\":{\"b\":1", ",\"c\":1", 20000000, "}}");
	refuses(b.data, "bytes are more than");
	fill(&b, "{\"", "a", 100000000, "\":1}");
	refuses(b.data, "a key is too long");
	assert_true(peak_kib() - before < 64 * 1024);
}

static void plain_form_of_the_predecessors(void **state)
{
	auto_snapshot struct snapshot s = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse("{\"edge-1\":{\"edge-2\":0.412,\"edge-3\":null},\n \"edge-2\":{\"edge-1\":0.409,\"edge-2\":5,\"edge-3\":0}}", &s, &err), 0);
	assert_true(s.is_plain);
	assert_int_equal(s.nodes.count, 3);
	assert_string_equal(s.nodes.items[2], "edge-3");
	assert_true(s.link.rtt_us[1] == 412.0f && s.link.rtt_us[3] == 409.0f && s.link.rtt_us[4] == 0);
	assert_true(isnan(s.link.rtt_us[2]) && isnan(s.link.rtt_us[5]) && isnan(s.age_s[0]) && isnan(s.load[0].cpu));
	refuses("{}", "an empty object is no snapshot");
	refuses("{\"a\":{\"b\":\"x\"}}", "a (the value at line 1): b: a string is not a number of milliseconds");
	refuses("{\"a\":\n{\"b\":-1}}", "a (the value at line 2): b: -1 is not in 0..60000");
	refuses("{\"a\":{\"b\":1e9}}", "b: 1e+09");
	refuses("{\"a\":7}", "a number is not an object of node names");
	refuses("{\"version\":\"1\"}", "version (the value at line 1): a string");
	refuses("{\"a\":{\"B\":1}}", "\"B\" is not a valid node name");
	refuses("{\"a\":{\"b\":1,\"b\":2}}", "duplicate key \"b\"");
	refuses("{\"a\":{},\"a\":{}}", "duplicate key \"a\"");
}

static void peek_reads_what_a_bad_rest_lets_it(void **state)
{
	char epoch[SNAPSHOT_EPOCH_MAX + 1] = "?";
	struct lm_err err;
	int64_t generation;
	static const char odd[] = "{\"rtt_us\":[[true]],\"generation\":7,\"nodes\":8,\"epoch\":\"x\",\"version\":1}";

	(void)state;
	assert_int_equal(snapshot_peek(odd, strlen(odd), epoch, &generation, &err), 0);
	assert_string_equal(epoch, "x");
	assert_int_equal(generation, 7);
	assert_int_equal(snapshot_peek("{\"a\":{}}", 8, epoch, &generation, &err), 0);
	assert_int_equal(generation, 0);
	assert_int_equal(snapshot_peek(odd, strlen(odd) - 1, epoch, &generation, &err), -1);
	assert_int_equal(snapshot_peek("{\"version\":1,\"generation\":\"7\"}", 30, NULL, &generation, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_member),
		cmocka_unit_test(entry_and_estimates),
		cmocka_unit_test(bad_entries_and_estimates_are_refused),
		cmocka_unit_test(silence),
		cmocka_unit_test(entry_has_limits),
		cmocka_unit_test(the_diagonal_is_zero_whatever_it_says),
		cmocka_unit_test(m2_truncated_at_every_byte),
		cmocka_unit_test(m4_errors_name_member_row_and_column),
		cmocka_unit_test(m5_numbers_at_the_edge),
		cmocka_unit_test(m7_not_one_strict_document),
		cmocka_unit_test(m8_deep_and_huge),
		cmocka_unit_test(plain_form_of_the_predecessors),
		cmocka_unit_test(peek_reads_what_a_bad_rest_lets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
