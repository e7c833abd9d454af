/* What sched/extender/tls.h says about certificates: their end, near and come, and files that cannot be read for a while. */
#include <stdio.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static struct buf said;			/* the messages, a line each */

static void note(const char *msg, const struct log_field *fields)
{
	(void)fields;
	buf_printf(&said, "%s\n", msg);
}
#define log_warn note
#define log_info note
#include "sched/extender/tls.c"

#include <sys/resource.h>

#include "tests/testing/authority.h"
#include "tests/testing/testing.h"

static const char *folder;
static char *cert, *key;

static void issue(const char *name, int days)
{
	authority_issue(folder, "ca", &(struct authority_wish){.name = name, .days = days});
}

static int setup(void **state)
{
	(void)state;
	folder = test_folder();
	cert = xasprintf("%s/tls.crt", folder);
	key = xasprintf("%s/tls.key", folder);
	authority_make(folder, "ca");
	issue("long", 30);
	issue("short", 6);
	issue("shorter", 5);
	issue("ended", -1);
	return 0;
}

static int cleanup(void **state)
{
	(void)state;
	free(cert);
	free(key);
	buf_free(&said);
	return 0;
}

static void put(const char *name)
{
	auto_free char *cert_from = xasprintf("%s/%s.pem", folder, name), *key_from = xasprintf("%s/%s.key", folder, name);
	auto_free char *cert_text = test_read(cert_from), *key_text = test_read(key_from);

	test_write(cert, cert_text);
	test_write(key, key_text);
}

/* What was said since the last call is exactly this. */
static void expect_said(const char *text)
{
	assert_string_equal(said.data ? said.data : "", text);
	buf_free(&said);
}

static struct tls *open_with(const char *name, struct metrics *stats)
{
	struct settings settings = {.extender_tls_cert = cert, .extender_tls_key = key};
	struct tls *tls;
	struct lm_err err;

	put(name);
	if (tls_open(&settings, stats, &tls, &err) < 0)
		fail_msg("%s", err.msg);
	return tls;
}

/* As the loop does, for `rounds` of looks. */
static void look(struct tls *tls, int64_t *mono_ms, int rounds)
{
	int64_t until_ms = *mono_ms + (int64_t)rounds * (HTTP_TLS_LOOK_MS + 2000);

	for (; *mono_ms < until_ms; *mono_ms += 1000)
		tls_look(tls, *mono_ms);
}

#define LOADED "certificates loaded\n"
#define OPENED "TLS; clients are not asked for certificates\n"
#define SOON "the extender's certificate expires soon\n"
#define ENDED "the extender's certificate has expired: clients refuse it\n"
#define REFUSED "certificates refused: those in use stay\n"

static void the_end_is_told_before_and_when_it_has_come(void **state)
{
	struct metrics *stats = stats_new();
	struct tls *tls = open_with("long", stats);
	int64_t mono_ms = clock_mono_ms();

	(void)state;
	look(tls, &mono_ms, 1);
	expect_said(OPENED);
	put("short");
	look(tls, &mono_ms, 3);
	expect_said(LOADED SOON);
	put("shorter");
	look(tls, &mono_ms, 3);
	expect_said(LOADED SOON);
	put("ended");
	look(tls, &mono_ms, 3);
	expect_said(LOADED ENDED);
	put("long");
	look(tls, &mono_ms, 3);
	expect_said(LOADED);
	tls_close(tls);
	tls = open_with("ended", stats);
	expect_said(OPENED ENDED);
	tls_close(tls);
	metrics_free(stats);
}

/* Without a descriptor to open them with. Of each try that fails the counter knows; the log has the same words once, and others at once. */
static void what_may_pass_is_tried_again_and_said_once(void **state)
{
	struct metrics *stats = stats_new();
	struct tls *tls = open_with("long", stats);
	int64_t mono_ms = clock_mono_ms();
	struct rlimit limit, none;

	(void)state;
	expect_said(OPENED);
	put("short");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	look(tls, &mono_ms, 4);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_said(REFUSED);
	assert_true(metrics_get(stats, STAT_TLS_RELOADS, CONFIG_REFUSED) >= 3);
	look(tls, &mono_ms, 3);
	expect_said(LOADED SOON);		/* no change of theirs told that there are descriptors again */
	test_write(key, "no key");
	look(tls, &mono_ms, 3);
	expect_said(REFUSED);
	look(tls, &mono_ms, 3);
	expect_said("");
	assert_int_equal((int)metrics_get(stats, STAT_TLS_RELOADS, CONFIG_LOADED), 1);
	tls_close(tls);
	metrics_free(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_told_before_and_when_it_has_come),
		cmocka_unit_test(what_may_pass_is_tried_again_and_said_once),
	};

	return cmocka_run_group_tests_name("extender-tls", tests, setup, cleanup);
}
