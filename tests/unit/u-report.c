/* report.h: what NODE.json may say, what is refused and by which name, round trips of random reports. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "tests/testing/testing.h"

#define HEAD "{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"9f-A\",\"seq\":42,"
#define LINK "\"addr\":\"10.0.0.2\",\"rtt_us\":412,\"min_us\":398,\"p95_us\":530,\"jitter_us\":21,\"loss\":0.25,\"sent\":20,\"received\":15," \
	"\"silent_s\":2.5"
#define WHOLE HEAD "\"written\":\"2026-11-21T21:00:00.000Z\",\"interval_s\":10,\"publish_s\":30,\"load\":{\"cpu\":0.31,\"rx_bytes_per_s\":120000," \
	"\"tx_bytes_per_s\":98000},\"peers\":{\"edge-2\":{" LINK "}},\"clients\":{\"milan\":{" LINK "}}}"

static int parse(const char *text, struct report *report, struct lm_err *err)
{
	*err = (struct lm_err){0};
	return report_parse(text, strlen(text), "edge-1", report, err);
}

static void reads_every_field(void **state)
{
	auto_report struct report r = {0};
	struct lm_err err;

	(void)state;
	if (parse(WHOLE, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(r.node, "edge-1");
	assert_string_equal(r.boot_id, "9f-A");
	assert_int_equal(r.seq, 42);
	assert_int_equal(r.written_ms, 1795294800000);
	assert_true(r.interval_s == 10 && r.publish_s == 30 && r.cpu == 0.31 && r.rx_bytes_per_s == 120000 && r.tx_bytes_per_s == 98000);
	assert_int_equal(r.peers.count, 1);
	assert_int_equal(r.clients.count, 1);
	assert_string_equal(r.peers.items[0].name, "edge-2");
	assert_string_equal(r.peers.items[0].addr, "10.0.0.2");
	assert_true(r.peers.items[0].rtt_us == 412 && r.peers.items[0].min_us == 398 && r.peers.items[0].p95_us == 530);
	assert_true(r.peers.items[0].jitter_us == 21 && r.peers.items[0].loss == 0.25);
	assert_int_equal(r.peers.items[0].sent, 20);
	assert_int_equal(r.peers.items[0].received, 15);
	assert_true(r.peers.items[0].silent_s == 2.5 && r.clients.items[0].silent_s == 2.5);
}

static void absent_and_null_are_unknown_not_zero(void **state)
{
	auto_report struct report r = {0};
	struct lm_err err;

	(void)state;
	assert_int_equal(parse(HEAD "\"load\":{\"cpu\":null},\"peers\":{\"b\":{\"rtt_us\":null,\"loss\":1}},\"later\":[{}]}", &r, &err), 0);
	assert_true(isnan(r.cpu) && isnan(r.rx_bytes_per_s) && isnan(r.tx_bytes_per_s));
	assert_int_equal(r.written_ms, -1);
	assert_true(isnan(r.peers.items[0].rtt_us) && isnan(r.peers.items[0].jitter_us) && isnan(r.peers.items[0].min_us));
	assert_true(r.peers.items[0].loss == 1);
	assert_true(isnan(r.peers.items[0].silent_s) && isnan(r.publish_s)); /* as older probes write */
	assert_string_equal(r.peers.items[0].addr, "");
	report_free(&r);
	assert_int_equal(parse(HEAD "\"publish_s\":null,\"peers\":{\"b\":{\"rtt_us\":null,\"loss\":1,\"silent_s\":null}}}", &r, &err), 0);
	assert_true(isnan(r.peers.items[0].silent_s) && isnan(r.publish_s));
}

static void refuses(const char *text, const char *words)
{
	struct report r;
	struct lm_err err;

	if (parse(text, &r, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.code, LM_DATA);
	if (!strstr(err.msg, words))
		fail_msg("\"%s\" does not say \"%s\" about %s", err.msg, words, text);
}

static void m1_empty_texts(void **state)
{
	(void)state;
	refuses("", "empty");
	refuses(" \n\t ", "empty");
	refuses("{}", "version");
	refuses("[]", "an array is not a report");
	refuses("null", "null is not a report");
}

static void m2_truncated_at_every_byte(void **state)
{
	size_t len;

	(void)state;
	for (len = 0; len < strlen(WHOLE); len++) {
		auto_free char *cut = xstrndup(WHOLE, len);

		refuses(cut, "");
	}
}

static void peer(const char *fields, const char *words)
{
	auto_free char *text = xasprintf(HEAD "\"peers\":{\"edge-2\":{%s}}}", fields);

	refuses(text, words);
}

static void m4_wrong_type_names_the_field(void **state)
{
	static const char *const wrong[] = {"\"1\"", "null", "true", "[1]", "{\"a\":1}"};
	static const char *const numbers[] = {"rtt_us", "min_us", "p95_us", "jitter_us", "loss", "silent_s", "sent", "received"};
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		for (j = 0; j < ARRAY_SIZE(wrong); j++) {
			auto_free char *words = xasprintf("peers.edge-2.%s: ", numbers[i]);
			auto_free char *field = xasprintf("\"%s\":%s", numbers[i], wrong[j]);

			if (i < 6 && j == 1) /* null is allowed: the error is the other, missing, one */
				continue;
			peer(field, words);
		}
	peer("\"rtt_us\":1,\"loss\":0,\"addr\":7", "peers.edge-2.addr: a number is not a string");
	peer("\"rtt_us\":1", "peers.edge-2.loss: missing");
	peer("\"loss\":0", "peers.edge-2.rtt_us: missing");
	refuses(HEAD "\"peers\":{\"b\":3}}", "peers.b: a number is not an object");
	refuses(HEAD "\"peers\":[]}", "peers: is an array, not an object");
	refuses("{\"version\":\"1\",\"node\":\"edge-1\"}", "version: is a string");
	refuses("{\"version\":1,\"node\":7}", "node: is a number");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":7}", "boot_id");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"x\",\"seq\":\"7\"}", "seq");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"x\",\"seq\":1.5}", "seq");
	refuses(HEAD "\"written\":5,\"peers\":{}}", "written");
	refuses(HEAD "\"written\":\"yesterday\",\"peers\":{}}", "written: \"yesterday\"");
	refuses(HEAD "\"interval_s\":\"10\",\"peers\":{}}", "interval_s");
	refuses(HEAD "\"publish_s\":\"30\",\"peers\":{}}", "publish_s");
	refuses(HEAD "\"publish_s\":0,\"peers\":{}}", "publish_s");
	refuses(HEAD "\"load\":[],\"peers\":{}}", "load");
	refuses(HEAD "\"load\":{\"cpu\":\"high\"},\"peers\":{}}", "load.cpu: a string is not a number");
	refuses(HEAD "\"load\":{\"cpu\":1.5},\"peers\":{}}", "load.cpu: 1.5 is not in 0..1");
}

static void m5_numbers_at_the_edge(void **state)
{
	static const char *const refused[] = {"NaN", "Infinity", "1e999", "-1", "-1e-9", "12345678901234567890", "60000001", "0x10", "1e8"};
	static const struct {
		const char *text;
		double value;
	} taken[] = {{"-0", 0}, {"1e-320", 1e-320}, {"60000000", 6e7}, {"0", 0}, {"4.12e2", 412}, {"-0.0", 0}};
	struct lm_err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		auto_free char *fields = xasprintf("\"rtt_us\":%s,\"loss\":0", refused[i]);

		peer(fields, "");
	}
	peer("\"rtt_us\":1,\"loss\":1.01", "peers.edge-2.loss: 1.01 is not in 0..1");
	peer("\"rtt_us\":1,\"loss\":0,\"silent_s\":-1", "peers.edge-2.silent_s: -1 is not in 0..1e+09");
	peer("\"rtt_us\":1,\"loss\":0,\"silent_s\":2e9", "peers.edge-2.silent_s: 2e+09 is not in 0..1e+09");
	peer("\"rtt_us\":1,\"loss\":0,\"sent\":1.5", "peers.edge-2.sent: 1.5 is not a whole number");
	peer("\"rtt_us\":1,\"loss\":0,\"sent\":3,\"received\":4", "peers.edge-2.received: 4 is more than were sent (3)");
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		auto_free char *text = xasprintf(HEAD "\"peers\":{\"b\":{\"rtt_us\":%s,\"loss\":0}}}", taken[i].text);
		auto_report struct report r = {0};

		assert_int_equal(parse(text, &r, &err), 0);
		assert_true(r.peers.items[0].rtt_us == taken[i].value && !signbit(r.peers.items[0].rtt_us));
	}
}

static void m7_not_one_strict_document(void **state)
{
	(void)state;
	refuses(WHOLE "x", "something follows");
	refuses(WHOLE WHOLE, "something follows");
	refuses("\xef\xbb\xbf" WHOLE, "line 1, column 1");
	refuses(HEAD "\"peers\":{\"\xff\":{}}}", "UTF-8");
	refuses(HEAD "\"x\":\"a\nb\",\"peers\":{}}", "control character");
	refuses(HEAD "\"x\":\"\\ud800\",\"peers\":{}}", "surrogate");
	refuses(HEAD "\"seq\":43,\"peers\":{}}", "duplicate key \"seq\"");
	refuses(HEAD "\"peers\":{\"b\":{\"rtt_us\":1,\"loss\":0,\"rtt_us\":2}}}", "duplicate key \"rtt_us\"");
	refuses(HEAD "\"peers\":{\"b\":{\"rtt_us\":1,\"loss\":0},\"b\":{\"rtt_us\":1,\"loss\":0}}}", "duplicate key \"b\"");
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Depth is refused by the byte check. What is large is refused by its size: 64 KiB + 512 B a node (file.h reads no more). */
static void m8_deep_and_huge(void **state)
{
	size_t limit = REPORT_MAX_BYTES(1000), i;
	auto_buf struct buf deep = {0}, wide = {0};
	struct report r;
	struct lm_err err;
	long before;

	(void)state;
	assert_int_equal(limit, 64 * 1024 + 512 * 1000);
	for (i = 0; i < 10000; i++)
		buf_str(&deep, "[");
	refuses(deep.data, "too many levels");
	buf_str(&wide, HEAD "\"x\":[1");
	while (wide.len < limit - 32)
		buf_str(&wide, ",1");
	buf_str(&wide, "],\"peers\":{}}");
	before = peak_kib();
	assert_int_equal(parse(wide.data, &r, &err), 0);
	report_free(&r);
#ifndef __SANITIZE_ADDRESS__
	assert_true(peak_kib() - before < 100 * 1024);
#else
	(void)before;
#endif
}

static void m11_identity(void **state)
{
	struct report r;
	struct lm_err err;

	(void)state;
	assert_int_equal(report_parse(WHOLE, strlen(WHOLE), "edge-7", &r, &err), -1);
	assert_string_equal(err.msg, "node: \"edge-1\" is not the \"edge-7\" that the file's name says");
	assert_int_equal(report_parse(WHOLE, strlen(WHOLE), NULL, &r, &err), 0);
	report_free(&r);
	refuses("{\"version\":1,\"node\":\"../x\",\"boot_id\":\"b\",\"seq\":1,\"peers\":{}}", "node: \"../x\" is not a valid name");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"b\",\"seq\":1,\"peers\":{\"A\":{}}}", "peers: \"A\" is not a valid name");
	refuses("{\"version\":2,\"node\":\"edge-1\"}", "version: 2 is newer");
	refuses("{\"version\":0,\"node\":\"edge-1\"}", "version");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"\",\"seq\":1}", "boot_id: \"\"");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"a b\",\"seq\":1}", "boot_id: \"a b\"");
	refuses("{\"version\":1,\"node\":\"edge-1\",\"boot_id\":\"b\",\"seq\":0}", "seq");
	peer("\"rtt_us\":1,\"loss\":0,\"addr\":\"example.com\"", "no numeric address");
}

static double maybe(struct rng *rng, double value)
{
	return rng_chance(rng, 0.2) ? NAN : value;
}

static double tenths(struct rng *rng, uint32_t below)
{
	return (double)rng_below(rng, below) / 10;
}

static void random_links(struct report_links *links, const char *prefix, struct rng *rng)
{
	uint32_t count = rng_below(rng, 20), i;

	for (i = 0; i < count; i++) {
		auto_free char *name = xasprintf("%s-%u", prefix, i);
		struct report_link *link = report_links_add(links, name);

		free(link->addr);
		link->addr = xstrdup(rng_chance(rng, 0.5) ? "10.1.2.3" : rng_chance(rng, 0.5) ? "fe80::1%eth0" : "");
		link->rtt_us = maybe(rng, tenths(rng, 600000000));
		link->min_us = maybe(rng, tenths(rng, 1000));
		link->p95_us = maybe(rng, tenths(rng, 1000));
		link->jitter_us = maybe(rng, tenths(rng, 1000));
		link->loss = maybe(rng, (double)rng_below(rng, 10001) / 10000);
		link->silent_s = maybe(rng, (double)rng_below(rng, 1000000) / 1000);
		link->sent = rng_below(rng, 1000);
		link->received = link->sent ? rng_below(rng, (uint32_t)link->sent) : 0;
	}
}

static void same(double a, double b)
{
	assert_true((isnan(a) && isnan(b)) || a == b);
}

static void same_links(const struct report_links *a, const struct report_links *b)
{
	size_t i;

	assert_int_equal(a->count, b->count);
	for (i = 0; i < a->count; i++) {
		assert_string_equal(a->items[i].name, b->items[i].name);
		assert_string_equal(a->items[i].addr, b->items[i].addr);
		same(a->items[i].rtt_us, b->items[i].rtt_us);
		same(a->items[i].min_us, b->items[i].min_us);
		same(a->items[i].p95_us, b->items[i].p95_us);
		same(a->items[i].jitter_us, b->items[i].jitter_us);
		same(a->items[i].loss, b->items[i].loss);
		same(a->items[i].silent_s, b->items[i].silent_s);
		assert_int_equal(a->items[i].sent, b->items[i].sent);
		assert_int_equal(a->items[i].received, b->items[i].received);
	}
}

static void what_is_written_is_read_back(void **state)
{
	struct rng rng = rng_make(test_seed());
	int round;

	(void)state;
	for (round = 0; round < 200; round++) {
		auto_report struct report out = {.node = xstrdup("edge-1"), .boot_id = "b-1", .seq = 1 + (int64_t)rng_below(&rng, 1u << 31),
						 .written_ms = (int64_t)rng_below(&rng, 1u << 31) * 1000, .interval_s = 1 + rng_below(&rng, 60)};
		auto_report struct report back = {0};
		auto_buf struct buf text = {0};
		struct lm_err err;

		out.publish_s = maybe(&rng, 1 + rng_below(&rng, 60));
		out.cpu = maybe(&rng, (double)rng_below(&rng, 10001) / 10000);
		out.rx_bytes_per_s = maybe(&rng, rng_below(&rng, 1u << 31));
		out.tx_bytes_per_s = maybe(&rng, rng_below(&rng, 1u << 31));
		random_links(&out.peers, "edge", &rng);
		random_links(&out.clients, "client", &rng);
		report_write(&out, &text);
		if (report_parse(text.data, text.len, "edge-1", &back, &err) < 0)
			fail_msg("%s in %s", err.msg, text.data);
		assert_int_equal(out.seq, back.seq);
		assert_int_equal(out.written_ms, back.written_ms);
		same(out.interval_s, back.interval_s);
		same(out.publish_s, back.publish_s);
		same(out.cpu, back.cpu);
		same(out.rx_bytes_per_s, back.rx_bytes_per_s);
		same(out.tx_bytes_per_s, back.tx_bytes_per_s);
		same_links(&out.peers, &back.peers);
		same_links(&out.clients, &back.clients);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
		cmocka_unit_test(absent_and_null_are_unknown_not_zero),
		cmocka_unit_test(m1_empty_texts),
		cmocka_unit_test(m2_truncated_at_every_byte),
		cmocka_unit_test(m4_wrong_type_names_the_field),
		cmocka_unit_test(m5_numbers_at_the_edge),
		cmocka_unit_test(m7_not_one_strict_document),
		cmocka_unit_test(m8_deep_and_huge),
		cmocka_unit_test(m11_identity),
		cmocka_unit_test(what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
