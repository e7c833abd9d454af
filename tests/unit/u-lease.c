#include "sched/lease.c"

#include <stdio.h>

#include "tests/testing/testing.h"

#define WHOLE "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"mesh\",\"namespace\":\"kube-system\","	\
	"\"uid\":\"u1\",\"resourceVersion\":\"42\",\"labels\":{\"team\":\"a\"},\"managedFields\":[{\"manager\":\"x\"}]},\"spec\":{"	\
	"\"holderIdentity\":\"host_1\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-24T04:00:00.000001Z\","		\
	"\"renewTime\":\"2026-11-24T04:00:10.500000Z\",\"leaseTransitions\":3}}"

static struct lease want(const char *json)
{
	struct lease l;
	struct lm_err err;

	if (lease_parse(json, &l, &err) < 0)
		fail_msg("%s: %s", json, err.msg);
	return l;
}

static struct lease with_spec(const char *spec)
{
	auto_free char *json = xasprintf("{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":%s}", spec);

	return want(json);
}

static void a_whole_lease(void **state)
{
	struct lease l = want(WHOLE);

	(void)state;
	assert_string_equal(l.holder, "host_1");
	assert_int_equal(l.duration_s, 15);
	assert_int_equal(l.transitions, 3);
	assert_string_equal(l.acquire_time, "2026-11-24T04:00:00.000001Z");
	assert_string_equal(l.metadata, "{\"name\":\"mesh\",\"namespace\":\"kube-system\",\"uid\":\"u1\",\"resourceVersion\":\"42\","
					"\"labels\":{\"team\":\"a\"}}");
	lease_free(&l);
	assert_null(l.holder);
}

static void what_is_absent_or_nonsense_is_nobody_and_nothing(void **state)
{
	static const char *const specs[] = {
		"null", "{}", "{\"holderIdentity\":null,\"leaseDurationSeconds\":null,\"acquireTime\":null,\"leaseTransitions\":null}",
		"{\"holderIdentity\":7,\"leaseDurationSeconds\":\"15\",\"acquireTime\":[],\"leaseTransitions\":{}}",
		"{\"holderIdentity\":\"\",\"leaseDurationSeconds\":-15,\"leaseTransitions\":-1}",
		"{\"leaseDurationSeconds\":0,\"leaseTransitions\":1.5}",
		"{\"leaseDurationSeconds\":1e15,\"leaseTransitions\":99999999999}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		struct lease l = with_spec(specs[i]);

		assert_string_equal(l.holder, "");
		assert_int_equal(l.duration_s, 0);
		assert_int_equal(l.transitions, 0);
		assert_null(l.acquire_time);
		lease_free(&l);
	}
}

static void what_is_too_long_is_cut_or_left_out(void **state)
{
	char *name = xcalloc(1, 1001), *json;
	struct lease l;

	(void)state;
	memset(name, 'x', 1000);
	json = xasprintf("{\"holderIdentity\":\"%s\",\"acquireTime\":\"%s\"}", name, name);
	l = with_spec(json);
	assert_int_equal(strlen(l.holder), LEASE_HOLDER_MAX);
	assert_null(l.acquire_time);
	lease_free(&l);
	free(json);
	free(name);
}

static void what_is_no_lease_is_an_error(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "7", "{}", "{\"metadata\":7}", "{\"metadata\":{}}", "{\"metadata\":{\"resourceVersion\":7}}",
		"{\"metadata\":{\"resourceVersion\":\"\"}}", "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":[]}",
		"{\"metadata\":{\"resourceVersion\":\"1\"},\"metadata\":{}}",
	};
	auto_buf struct buf large = {0};
	struct lm_err err;
	struct lease l;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(lease_parse(texts[i], &l, &err), -1);
		assert_int_equal(err.code, LM_DATA);
	}
	buf_str(&large, "{\"metadata\":{\"resourceVersion\":\"1\",\"x\":\"");
	while (large.len <= LEASE_BYTES_MAX)
		buf_str(&large, "0123456789abcdef");
	buf_str(&large, "\"}}");
	assert_int_equal(lease_parse(large.data, &l, &err), -1);
	assert_int_equal(err.code, LM_DATA);
}

/* Any text, cut or changed at any place, is refused or read, and what was read can be written. */
static void broken_texts(void **state)
{
	struct rng r = rng_make(test_seed());
	size_t len = strlen(WHOLE);
	int i, read = 0;

	(void)state;
	for (i = 0; i < 20000; i++) {
		auto_free char *text = xstrdup(WHOLE);
		auto_buf struct buf out = {0};
		struct lm_err err;
		struct lease l;

		text[rng_below(&r, (uint32_t)len)] = (char)(' ' + (int)rng_below(&r, 95));
		if (rng_chance(&r, 0.2))
			text[rng_below(&r, (uint32_t)len)] = '\0';
		if (lease_parse(text, &l, &err) < 0)
			continue;
		read++;
		lease_print(&(struct lease_write){.namespace_ = "n", .name = "m", .holder = l.holder, .duration_s = 15,
						  .transitions = l.transitions, .acquire_time = l.acquire_time,
						  .metadata = l.metadata}, &out);
		assert_int_equal(json_check(out.data, out.len, JSON_DEPTH_API, &err), 0);
		lease_free(&l);
	}
	assert_true(read > 1000);
}

static void it_is_written_as_the_api_wants_it(void **state)
{
	auto_buf struct buf made = {0}, renewed = {0}, released = {0};

	(void)state;
	lease_print(&(struct lease_write){.namespace_ = "kube-system", .name = "mesh", .holder = "a\"b", .duration_s = 15,
					  .renew_wall_us = 1764000000000042}, &made);
	assert_string_equal(made.data,
			    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"mesh\",\"namespace\":\"kube-system\"},"
			    "\"spec\":{\"holderIdentity\":\"a\\\"b\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2025-11-24T16:00:00.000042Z\","
			    "\"renewTime\":\"2025-11-24T16:00:00.000042Z\",\"leaseTransitions\":0}}");
	lease_print(&(struct lease_write){.namespace_ = "n", .name = "m", .holder = "b", .duration_s = 15, .transitions = 4,
					  .renew_wall_us = 1764000000999999, .acquire_time = "2026-11-24T04:00:00.000001Z",
					  .metadata = "{\"resourceVersion\":\"7\"}"}, &renewed);
	assert_string_equal(renewed.data,
			    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"7\"},"
			    "\"spec\":{\"holderIdentity\":\"b\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-24T04:00:00.000001Z\","
			    "\"renewTime\":\"2025-11-24T16:00:00.999999Z\",\"leaseTransitions\":4}}");
	lease_print(&(struct lease_write){.namespace_ = "n", .name = "m", .holder = "", .duration_s = 1,
					  .metadata = "{}"}, &released);
	assert_non_null(strstr(released.data, "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,"));
}

static void times_have_six_decimals(void **state)
{
	struct rng r = rng_make(test_seed());
	int i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		int64_t us = (int64_t)(rng_unit(&r) * 4e15), ms;
		char text[MICRO_TIME], tail[16];

		micro_time(us, text);
		assert_int_equal(strlen(text), strlen("2026-11-24T04:00:00.000001Z"));
		assert_int_equal(clock_parse(text, &ms), 0);
		assert_int_equal(ms, us / 1000);
		snprintf(tail, sizeof(tail), "%06dZ", (int)(us % 1000000));
		assert_string_equal(text + 20, tail);
	}
}

static void its_text_changes_with_what_steers_and_with_nothing_else(void **state)
{
	static const char *const others[] = {
		"{\"holderIdentity\":\"b\",\"leaseDurationSeconds\":15,\"acquireTime\":\"x\",\"renewTime\":\"y\",\"leaseTransitions\":3}",
		"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":16,\"acquireTime\":\"x\",\"renewTime\":\"y\",\"leaseTransitions\":3}",
		"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"z\",\"renewTime\":\"y\",\"leaseTransitions\":3}",
		"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"x\",\"renewTime\":\"z\",\"leaseTransitions\":3}",
		"{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"x\",\"renewTime\":\"y\",\"leaseTransitions\":4}",
	};
	struct lease one = with_spec("{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":15,\"acquireTime\":\"x\",\"renewTime\":\"y\",\"leaseTransitions\":3}");
	struct lease same = with_spec("{\"leaseTransitions\":3,\"strategy\":\"new\",\"holderIdentity\":\"a\",\"renewTime\":\"y\",\"acquireTime\":\"x\",\"leaseDurationSeconds\":15}");
	size_t i;

	(void)state;
	assert_string_equal(one.spec, same.spec);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		struct lease other = with_spec(others[i]);

		assert_string_not_equal(one.spec, other.spec);
		lease_free(&other);
	}
	lease_free(&one);
	lease_free(&same);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_lease),
		cmocka_unit_test(what_is_absent_or_nonsense_is_nobody_and_nothing),
		cmocka_unit_test(what_is_too_long_is_cut_or_left_out),
		cmocka_unit_test(what_is_no_lease_is_an_error),
		cmocka_unit_test(broken_texts),
		cmocka_unit_test(it_is_written_as_the_api_wants_it),
		cmocka_unit_test(times_have_six_decimals),
		cmocka_unit_test(its_text_changes_with_what_steers_and_with_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
