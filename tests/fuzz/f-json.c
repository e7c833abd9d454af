/*
 * JSON of any bytes: what json_check accepts cJSON must read to its end, and what cJSON prints of it must be accepted again; what cJSON
 * refuses json_check must refuse too. The other way round json_check is the stricter one, on purpose.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("{\"a\":[1,-0,0.5,12e-3,1E+2],\"b\":{\"c\":null,\"d\":true,\"e\":false}}", "\"\\u00e9\\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "{\"a\":1,\"A\":2,\"\":{}}", " [ 1 , 2 ] ", "1234567890123456789012345678901234567890123456789012345678901234",
	    "[1.7976931348623157e308,1e-320]")

static void check_error(const struct lm_err *err)
{
	if (err->code != LM_DATA || !err->msg[0] || strchr(err->msg, '\n'))
		abort();
}

/* cJSON prints the largest doubles with 15 digits, rounded up to infinity. */
static bool has_largest(const cJSON *value)
{
	const cJSON *member;

	if (cJSON_IsNumber(value) && fabs(value->valuedouble) > 1.7976931348623e308)
		return true;
	cJSON_ArrayForEach(member, value)
		if (has_largest(member))
			return true;
	return false;
}

static void check_printed(const cJSON *root, const char *text)
{
	struct lm_err err;
	cJSON *again = json_parse(text, strlen(text), JSON_DEPTH, &err);

	if (again ? !cJSON_Compare(root, again, true) : !has_largest(root))
		abort();
	cJSON_Delete(again);
}

static void check_accepted(const char *text, size_t size)
{
	const char *end = NULL;
	cJSON *root = cJSON_ParseWithLengthOpts(text, size, &end, false);
	char *printed = root ? cJSON_PrintUnformatted(root) : NULL;
	struct lm_err err;
	cJSON *parsed;

	if (!printed)
		abort();
	for (; end < text + size; end++) /* cJSON read all of it */
		if (!strchr(" \t\r\n", *end))
			abort();
	parsed = json_parse(text, size, JSON_DEPTH, &err);
	if (parsed)
		check_printed(parsed, printed);
	else if (!strstr(err.msg, "duplicate key"))
		abort();
	cJSON_Delete(parsed);
	cJSON_Delete(root);
	cJSON_free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct lm_err err = {0};

	if (json_check(text, size, JSON_DEPTH, &err) == 0) {
		check_accepted(text, size);
	} else {
		check_error(&err);
		if (json_parse(text, size, JSON_DEPTH, &err))
			abort();
	}
	return 0;
}
