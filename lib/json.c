#include "lib/json_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* An object of up to so many members is searched pair by pair for duplicate keys, a larger one is sorted. */
#define FEW_MEMBERS 12
/* cJSON's own limit is 1,000; ours is checked before. */
#define WHOLE_MAX 9007199254740992.0 /* 2^53: every whole number up to it is exact in a double */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *duplicate_of_many(const cJSON *object, size_t count)
{
	auto_free const char **keys = xcalloc(count, sizeof(*keys));
	const cJSON *member;
	size_t i = 0;

	cJSON_ArrayForEach(member, object)
		keys[i++] = member->string;
	qsort(keys, count, sizeof(*keys), by_text);
	for (i = 1; i < count; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			return keys[i];
	return NULL;
}

static const char *duplicate_of(const cJSON *object)
{
	const cJSON *a, *b;
	size_t count = 0;

	cJSON_ArrayForEach(a, object)
		if (++count > FEW_MEMBERS)
			return duplicate_of_many(object, (size_t)cJSON_GetArraySize(object));
	cJSON_ArrayForEach(a, object)
		for (b = a->next; b; b = b->next)
			if (a->string[0] == b->string[0] && strcmp(a->string, b->string) == 0)
				return a->string;
	return NULL;
}

/* Depth is bounded by the check of the text. */
static int refuse_duplicates(const cJSON *value, struct lm_err *err)
{
	const char *key = cJSON_IsObject(value) ? duplicate_of(value) : NULL;
	const cJSON *member;

	if (key)
		return lm_fail(err, LM_DATA, "duplicate key \"%.100s\"", key);
	cJSON_ArrayForEach(member, value) {
		if (!member->child || refuse_duplicates(member, err) == 0)
			continue;
		return member->string ? lm_wrap(err, "%.100s", member->string) : -1;
	}
	return 0;
}

cJSON *json_parse(const char *text, size_t len, int max_depth, struct lm_err *err)
{
	return json_check(text, len, max_depth, err) < 0 ? NULL : json_build(text, len, err);
}

cJSON *json_build(const char *text, size_t len, struct lm_err *err)
{
	auto_json cJSON *root = cJSON_ParseWithLength(text, len);

	if (!root) {
		lm_fail(err, LM_DATA, "not JSON, or memory is short");
		return NULL;
	}
	if (refuse_duplicates(root, err) < 0)
		return NULL;
	return steal(&root);
}

const char *json_kind(const cJSON *value)
{
	if (!value)
		return "nothing";
	switch (value->type & 0xff) {
	case cJSON_False:
	case cJSON_True:
		return "a boolean";
	case cJSON_NULL:
		return "null";
	case cJSON_Number:
		return "a number";
	case cJSON_String:
		return "a string";
	case cJSON_Array:
		return "an array";
	case cJSON_Object:
		return "an object";
	default:
		return "an unknown value";
	}
}

/* The member: 1 it is there and of the kind, 0 it is missing or null, -1 it is of another kind. */
static int find(const cJSON *object, const char *key, cJSON_bool (*is)(const cJSON *), const char *kind, const cJSON **out,
		struct lm_err *err)
{
	const cJSON *value = json_get(object, key);

	if (!value || cJSON_IsNull(value))
		return 0;
	if (!is(value))
		return lm_fail(err, LM_DATA, "%s: is %s, not %s", key, json_kind(value), kind);
	*out = value;
	return 1;
}

static int wanted(int found, const cJSON *object, const char *key, struct lm_err *err)
{
	if (found != 0)
		return found < 0 ? -1 : 0;
	return lm_fail(err, LM_DATA, json_get(object, key) ? "%s: is null" : "%s: is missing", key);
}

int json_may_object(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err)
{
	return find(object, key, cJSON_IsObject, "an object", out, err);
}

int json_may_array(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err)
{
	return find(object, key, cJSON_IsArray, "an array", out, err);
}

int json_may_string(const cJSON *object, const char *key, const char **out, struct lm_err *err)
{
	const cJSON *value = NULL;
	int found = find(object, key, cJSON_IsString, "a string", &value, err);

	if (found == 1)
		*out = value->valuestring;
	return found;
}

static int in_range(const char *key, double value, double min, double max, struct lm_err *err)
{
	if (value >= min && value <= max)
		return 0;
	return lm_fail(err, LM_DATA, "%s: %.17g is not in %.17g..%.17g", key, value, min, max);
}

int json_may_number(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err)
{
	const cJSON *value = NULL;
	int found = find(object, key, cJSON_IsNumber, "a number", &value, err);

	if (found != 1)
		return found;
	if (in_range(key, value->valuedouble, min, max, err) < 0)
		return -1;
	*out = value->valuedouble;
	return 1;
}

int json_may_i64(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out, struct lm_err *err)
{
	double value;
	int found = json_may_number(object, key, -WHOLE_MAX, WHOLE_MAX, &value, err);

	if (found != 1)
		return found;
	if (value != floor(value))
		return lm_fail(err, LM_DATA, "%s: %.17g is not a whole number", key, value);
	if (in_range(key, value, (double)min, (double)max, err) < 0)
		return -1;
	*out = (int64_t)value;
	return 1;
}

int json_may_bool(const cJSON *object, const char *key, bool *out, struct lm_err *err)
{
	const cJSON *value = NULL;
	int found = find(object, key, cJSON_IsBool, "a boolean", &value, err);

	if (found == 1)
		*out = cJSON_IsTrue(value);
	return found;
}

int json_want_object(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err)
{
	return wanted(json_may_object(object, key, out, err), object, key, err);
}

int json_want_array(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err)
{
	return wanted(json_may_array(object, key, out, err), object, key, err);
}

int json_want_string(const cJSON *object, const char *key, const char **out, struct lm_err *err)
{
	return wanted(json_may_string(object, key, out, err), object, key, err);
}

int json_want_number(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err)
{
	return wanted(json_may_number(object, key, min, max, out, err), object, key, err);
}

int json_want_i64(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out, struct lm_err *err)
{
	return wanted(json_may_i64(object, key, min, max, out, err), object, key, err);
}

int json_want_number_or_null(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err)
{
	if (cJSON_IsNull(json_get(object, key))) {
		*out = (double)NAN;
		return 0;
	}
	return json_want_number(object, key, min, max, out, err);
}

void cleanup_json(cJSON **value)
{
	cJSON_Delete(*value);
}
