/* options.h: precedence, every type, every refusal with its code and words, and that what is printed is read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/options.h"
#include "lib/options_private.h"
#include "tests/testing/testing.h"

struct settings {
	const char *dir;
	struct option_list names;
	bool watch;
	int64_t tries, interval_ms, limit;
	double weight_near, weight_far;
	int mode;
};

static const char *const modes[] = {"standalone", "extender", NULL};
static const char *const sections[] = {"profiles", NULL};
static const struct option_spec specs[] = {
	{"dir", OPT_STRING, offsetof(struct settings, dir), "DIR", NULL, OPT_REQUIRED, .help = "the volume"},
	{"name", OPT_LIST, offsetof(struct settings, names), "NAME", "first", 0, .help = "a name"},
	{"watch", OPT_FLAG, offsetof(struct settings, watch), NULL, NULL, 0, .help = "stay"},
	{"tries", OPT_INTEGER, offsetof(struct settings, tries), "N", "3", 0, .min = 1, .max = 9, .help = "how often"},
	{"interval", OPT_DURATION, offsetof(struct settings, interval_ms), "TIME", "60s", 0, .min = 500, .max = 3600e3, .help = "how long"},
	{"weights.near", OPT_NUMBER, offsetof(struct settings, weight_near), "W", "0.7", OPT_FILE_ONLY, .min = 0, .max = 1000, .help = "near"},
	{"weights.far", OPT_NUMBER, offsetof(struct settings, weight_far), "W", "0.3", OPT_FILE_ONLY, .help = "far"},
	{"limit", OPT_INTEGER, offsetof(struct settings, limit), "N", NULL, 0, .min = 1, .max = 9, .help = "no default"},
	{"mode", OPT_CHOICE, offsetof(struct settings, mode), "MODE", "standalone", 0, .choices = modes, .help = "what to be"},
};
static const struct options_program program = {
	.name = "latency-test", .summary = "For the test.", .usage = "--dir DIR [options]", .environment = "LATENCY_TEST",
	.specs = specs, .spec_count = ARRAY_SIZE(specs), .config = true, .sections = sections,
};

static struct lm_err err;

/* Words end with NULL. */
static int parse(struct settings *s, struct options *o, const char *first, ...)
{
	char *argv[20] = {xstrdup("latency-test"), NULL};
	int argc = 1, result;
	va_list ap;

	va_start(ap, first);
	for (; first; first = va_arg(ap, const char *))
		argv[argc++] = xstrdup(first);
	va_end(ap);
	*s = (struct settings){0};
	err = (struct lm_err){0};
	result = options_parse(&program, argc, argv, s, o, &err);
	while (argc > 0)
		free(argv[--argc]);
	return result;
}

static void defaults_and_every_type(void **state)
{
	struct settings s;
	struct options o;

	(void)state;
	assert_int_equal(parse(&s, &o, "--dir", "/d", NULL), 0);
	assert_string_equal(s.dir, "/d");
	assert_int_equal(s.names.count, 1);
	assert_string_equal(s.names.items[0], "first");
	assert_int_equal(s.interval_ms, 60000);
	assert_true(!s.watch && s.tries == 3 && s.weight_near > 0.69 && s.mode == 0 && o.log_level == LOG_INFO);
	assert_false(options_given(&o, "tries"));
	options_free(&o);
	assert_int_equal(parse(&s, &o, "--dir=/d", "--name", "a", "--name=b", "--watch", "--tries=9", "--interval", "1.5s", "--mode",
			       "extender", "--log-format=json", "--log-level", "debug", NULL), 0);
	assert_true(s.names.count == 2 && STREQ(s.names.items[1], "b"));
	assert_true(s.watch && s.tries == 9 && s.interval_ms == 1500 && s.mode == 1);
	assert_true(o.log_format == LOG_JSON && o.log_level == LOG_DEBUG && options_given(&o, "tries"));
	options_free(&o);
}

static void flag_over_environment_over_file_over_default(void **state)
{
	auto_free char *path = xasprintf("%s/c.yaml", test_folder());
	struct settings s;
	struct options o;

	(void)state;
	test_write(path, "tries: 5\ninterval: 2s\nname: [x, y]\nweights:\n  near: 0.25\nprofiles:\n- anything: 1\nwatch: true\n");
	assert_int_equal(parse(&s, &o, "--dir", "/d", "--config", path, NULL), 0);
	assert_true(s.tries == 5 && s.interval_ms == 2000 && s.names.count == 2 && s.weight_near == 0.25 && s.watch);
	assert_non_null(json_get(o.file, "profiles"));
	options_free(&o);
	setenv("LATENCY_TEST_TRIES", "6", 1);
	setenv("LATENCY_TEST_NAME", "e1, e2,e3 ", 1);
	setenv("LATENCY_TEST_WEIGHTS_NEAR", "0.5", 1);
	assert_int_equal(parse(&s, &o, "--dir", "/d", "--config", path, NULL), 0);
	assert_true(s.tries == 6 && s.names.count == 3 && STREQ(s.names.items[1], "e2") && STREQ(s.names.items[2], "e3") && s.weight_near == 0.5);
	options_free(&o);
	assert_int_equal(parse(&s, &o, "--dir", "/d", "--config", path, "--tries", "7", "--name", "n", NULL), 0);
	assert_true(s.tries == 7 && s.names.count == 1 && STREQ(s.names.items[0], "n"));
	options_free(&o);
	setenv("LATENCY_TEST_TRIES", "x", 1);
	assert_int_equal(parse(&s, &o, "--dir", "/d", NULL), -1);
	assert_string_equal(err.msg, "LATENCY_TEST_TRIES: \"x\" is no whole number");
	unsetenv("LATENCY_TEST_TRIES");
	setenv("LATENCY_TEST_CONFIG", path, 1);
	assert_int_equal(parse(&s, &o, "--dir", "/d", NULL), 0);
	assert_int_equal(s.tries, 5);
	options_free(&o);
	unsetenv("LATENCY_TEST_CONFIG");
	unsetenv("LATENCY_TEST_NAME");
	unsetenv("LATENCY_TEST_WEIGHTS_NEAR");
}

static void bad_words_are_quoted(void **state)
{
	static const struct {
		const char *words[3];
		const char *message;
	} bad[] = {
		{{"--nonsense"}, "unknown option `--nonsense`"}, {{"--nonsense=1"}, "unknown option `--nonsense`"}, {{"-x"}, "unknown option `-x`"},
		{{"operand"}, "unexpected argument `operand`"}, {{"--weights.near=1"}, "unknown option `--weights.near`"},
		{{"--tries"}, "--tries: a value is missing (N)"}, {{"--tries", "ten"}, "--tries: \"ten\" is no whole number"},
		{{"--tries=10"}, "--tries: \"10\" is not in 1..9"}, {{"--tries= 3"}, "is no whole number"},
		{{"--interval", "5 parsecs"}, "--interval: \"5 parsecs\" is no duration (examples: 500ms, 10s, 1m)"},
		{{"--interval", "10"}, "is no duration"}, {{"--interval", "-1s"}, "is no duration"}, {{"--interval=1ms"}, "is not in 0.5s..3600s"},
		{{"--interval=infs"}, "is no duration"}, {{"--interval=0x1s"}, "is no duration"},
		{{"--mode", "other"}, "--mode: \"other\" is none of standalone, extender"}, {{"--watch=maybe"}, "is neither true nor false"},
		{{"--dir="}, "--dir: the value is empty"}, {{"--log-level", "loud"}, "is none of debug, info, warn, error"},
		{{"--tries=3", "--tries=4"}, "--tries: given twice"},
	};
	struct settings s;
	struct options o;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(&s, &o, bad[i].words[0], bad[i].words[1], NULL), -1);
		if (!strstr(err.msg, bad[i].message) || err.code != LM_USAGE)
			fail_msg("%s: got \"%s\" (%d)", bad[i].words[0], err.msg, (int)err.code);
	}
	assert_int_equal(parse(&s, &o, "--watch", NULL), -1);
	assert_string_equal(err.msg, "--dir DIR is missing");
}

static void bad_files_name_the_place(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"nonsense: 1\n", "unknown key `nonsense`"}, {"weights:\n  nah: 1\n", "unknown key `weights.nah`"}, {"tries: [1]\n", "tries: is an array"},
		{"tries: x\n", "tries: \"x\" is no whole number"}, {"name: x\n", "name: is a string, not an array"}, {"weights: 1\n", "unknown key `weights`"},
		{"- 1\n", "is an array, not an object"}, {"tries: 1\ntries: 2\n", "line 2, column 1: a key for the second time"}, {"a: &x 1\n", "anchors"},
		{"config: x\n", "unknown key `config`"}, {"print-config: true\n", "unknown key `print-config`"}, {"tries: {", "line 2"}, {"dir: 5\n", "dir: is a number, not a string: put it in quotes"}, {"name: [1.10]\n", "name: is a number, not a string: put it in quotes"},
		{"dir: true\n", "dir: is a boolean, not a string"}, {"name: []\n", "name: the list is empty"}, {"weights.near: 1\nweights: {near: 2}\n", "weights.near: given twice"},
		{"weights:\n  near: 2000\n", "weights.near: \"2000\" is not in"},
	};
	auto_free char *path = xasprintf("%s/c.yaml", test_folder());
	struct settings s;
	struct options o;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		test_write(path, bad[i].text);
		assert_int_equal(parse(&s, &o, "--dir=/d", "--config", path, NULL), -1);
		if (!strstr(err.msg, bad[i].message) || !strstr(err.msg, path) || err.code != LM_CONFIG)
			fail_msg("%s: got \"%s\" (%d)", bad[i].text, err.msg, (int)err.code);
	}
	unlink(path);
	assert_int_equal(parse(&s, &o, "--dir=/d", "--config", path, NULL), -1);
	assert_int_equal(err.code, LM_NOINPUT);
}

/* A Service named latency-test in the pod's namespace puts these into every container's environment. */
static void variables_of_a_service_are_not_ours(void **state)
{
	static const char *const names[] = {"_PORT", "_SERVICE_HOST", "_SERVICE_PORT", "_SERVICE_PORT_HTTP", "_PORT_8080_TCP", "_PORT_8080_TCP_PORT"};
	struct settings s;
	struct options o;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *name = xasprintf("LATENCY_TEST%s", names[i]);

		setenv(name, "tcp://10.0.0.1:8080", 1);
	}
	assert_int_equal(parse(&s, &o, "--dir", "/d", NULL), 0);
	options_free(&o);
	setenv("LATENCY_TEST_PRINT_CONFIG", "true", 1); /* a flag alone */
	assert_int_equal(parse(&s, &o, "--dir", "/d", NULL), 0);
	assert_false(o.print_config);
	options_free(&o);
	unsetenv("LATENCY_TEST_PRINT_CONFIG");
}

/* "--help" says how an option is called in the environment by an example that exists. */
static void help_names_a_variable_that_works(void **state)
{
	char *bytes = NULL;
	size_t len;
	FILE *file = open_memstream(&bytes, &len);

	(void)state;
	options_help(&program, file);
	fclose(file);
	assert_non_null(strstr(bytes, "LATENCY_TEST_LOG_LEVEL"));
	assert_null(strstr(bytes, "LATENCY_TEST_NAME"));
	free(bytes);
}

static void what_is_printed_is_read_back(void **state)
{
	auto_free char *path = xasprintf("%s/p.yaml", test_folder());
	struct settings s, again;
	struct options o;
	FILE *file;

	(void)state;
	assert_int_equal(parse(&s, &o, "--dir", "/d: \"x\"", "--name=a", "--name=b,c", "--tries=4", "--interval=90s", "--watch", "--mode=extender",
			       "--log-level=warn", NULL), 0);
	file = fopen(path, "we");
	options_print(&o, file);
	fclose(file);
	options_free(&o);
	assert_int_equal(parse(&again, &o, "--config", path, NULL), 0);
	assert_string_equal(again.dir, "/d: \"x\"");
	assert_true(again.names.count == 2 && STREQ(again.names.items[1], "b,c"));
	assert_true(again.tries == 4 && again.interval_ms == 90000 && again.watch && again.mode == 1 && o.log_level == LOG_WARN);
	assert_true(again.weight_near > 0.69 && again.weight_far > 0.29);
	options_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_and_every_type),
		cmocka_unit_test(flag_over_environment_over_file_over_default),
		cmocka_unit_test(bad_words_are_quoted),
		cmocka_unit_test(bad_files_name_the_place),
		cmocka_unit_test(variables_of_a_service_are_not_ours),
		cmocka_unit_test(help_names_a_variable_that_works),
		cmocka_unit_test(what_is_printed_is_read_back),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
