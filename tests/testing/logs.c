#include "tests/testing/logs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

#define LINE_DEPTH 4

static const char *text_of(const cJSON *object, const char *name, const char *line)
{
	const char *text = cJSON_GetStringValue(json_get(object, name));

	if (!text || !*text)
		fail_msg("`%s` is missing: %s", name, line);
	return text;
}

static void check_line(const char *line)
{
	struct lm_err err;
	auto_json cJSON *object = json_parse(line, strlen(line), LINE_DEPTH, &err);
	const char *level;
	int64_t ms;
	int i = 0;

	if (!object)
		fail_msg("%s: %s", err.msg, line);
	text_of(object, "msg", line);
	if (clock_parse(text_of(object, "time", line), &ms) < 0)
		fail_msg("`time` is none: %s", line);
	level = text_of(object, "level", line);
	while (log_level_names[i] && !STREQ(log_level_names[i], level))
		i++;
	if (!log_level_names[i])
		fail_msg("`level` is none: %s", line);
}

int logs_check(const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *line;
	int count = 0;

	while ((line = strsep(&rest, "\n")) != NULL && rest) {
		check_line(line);
		count++;
	}
	assert_string_equal(line, ""); /* the last one is whole too */
	return count;
}

int logs_check_file(const char *path)
{
	auto_free char *text = test_read(path);

	assert_non_null(text);
	return logs_check(text);
}
