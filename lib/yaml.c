#include "lib/yaml.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/file.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/names.h"

#define YAML_MAX_BYTES ((size_t)1 << 20)

static const struct yaml_limits usual = {.bytes = YAML_MAX_BYTES, .levels = 16, .nodes = 100000};

struct loader {
	yaml_parser_t parser;
	const struct yaml_limits *limits;
	int64_t nodes;
	struct lm_err *err;
};

static int refuse(const struct loader *l, const yaml_mark_t *at, const char *what)
{
	return lm_fail(l->err, LM_DATA, "line %zu, column %zu: %s", at->line + 1, at->column + 1, what);
}

static int next_event(struct loader *l, yaml_event_t *event)
{
	if (yaml_parser_parse(&l->parser, event))
		return 0;
	memset(event, 0, sizeof(*event));
	return refuse(l, &l->parser.problem_mark, l->parser.problem ? l->parser.problem : "not YAML");
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (STREQ(text, *words))
			return true;
	return false;
}

/* A decimal number of the core schema: [-+]? digits [. digits] [e digits]; also 0x and 0o. */
static bool is_number(const char *text, double *value)
{
	const char *p = text + (*text == '-' || *text == '+');
	char *end;

	if (strncmp(p, "0o", 2) == 0 && p == text && strspn(p + 2, "01234567") == strlen(p + 2) && p[2]) {
		*value = (double)strtoull(p + 2, NULL, 8);
		return true;
	}
	if (strncmp(p, "0x", 2) == 0 && p == text && strspn(p + 2, "0123456789abcdefABCDEF") == strlen(p + 2) && p[2]) {
		*value = (double)strtoull(p + 2, NULL, 16);
		return true;
	}
	if (strspn(p, "0123456789.eE+-") != strlen(p) || strcspn(p, "0123456789") > 1 || (*p != '.' && (*p < '0' || *p > '9')))
		return false;
	*value = strtod(text, &end);
	return *end == '\0' && isfinite(*value);
}

/* A plain scalar by YAML 1.2's core schema; a quoted or block one is a string. */
static cJSON *scalar(const yaml_event_t *event)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	const char *text = (const char *)event->data.scalar.value;
	double number;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (is_one_of(text, nulls))
			return cJSON_CreateNull();
		if (is_one_of(text, trues))
			return cJSON_CreateTrue();
		if (is_one_of(text, falses))
			return cJSON_CreateFalse();
		if (is_number(text, &number))
			return cJSON_CreateNumber(number);
	}
	return cJSON_CreateString(text);
}

static const char *forbidden(const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases are not accepted";
	case YAML_SCALAR_EVENT:
		if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
			return "a NUL in a string";
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		return NULL;
	}
	if (anchor)
		return "anchors are not accepted";
	return tag ? "tags are not accepted" : NULL;
}

static cJSON *load_value(struct loader *l, const yaml_event_t *event, int depth);

static int load_sequence(struct loader *l, cJSON *array, int depth)
{
	for (;;) {
		yaml_event_t event;
		cJSON *item;
		bool end;

		if (next_event(l, &event) < 0)
			return -1;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		item = end ? NULL : load_value(l, &event, depth);
		yaml_event_delete(&event);
		if (end)
			return 0;
		if (!item)
			return -1;
		cJSON_AddItemToArray(array, item);
	}
}

/* The key of the next member; *end at the end of the mapping. The caller frees it. */
static int load_key(struct loader *l, struct names *keys, char **key, bool *end)
{
	yaml_event_t event;
	int failed = 0;

	if (next_event(l, &event) < 0)
		return -1;
	*end = event.type == YAML_MAPPING_END_EVENT;
	if (*end)
		;
	else if (forbidden(&event))
		failed = refuse(l, &event.start_mark, forbidden(&event));
	else if (event.type != YAML_SCALAR_EVENT)
		failed = refuse(l, &event.start_mark, "a key must be a string");
	else if (event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && STREQ((const char *)event.data.scalar.value, "<<"))
		failed = refuse(l, &event.start_mark, "merge keys are not accepted");
	else if (names_add(keys, (const char *)event.data.scalar.value) == NAMES_NONE)
		failed = refuse(l, &event.start_mark, "a key for the second time");
	else
		*key = xstrdup((const char *)event.data.scalar.value);
	yaml_event_delete(&event);
	return failed;
}

static int load_mapping(struct loader *l, cJSON *object, int depth)
{
	__attribute__((cleanup(names_free))) struct names keys = {0};

	for (;;) {
		auto_free char *key = NULL;
		yaml_event_t event;
		cJSON *item;
		bool end;

		if (load_key(l, &keys, &key, &end) < 0)
			return -1;
		if (end)
			return 0;
		if (next_event(l, &event) < 0)
			return -1;
		item = load_value(l, &event, depth);
		yaml_event_delete(&event);
		if (!item)
			return -1;
		cJSON_AddItemToObject(object, key, item);
	}
}

static cJSON *load_value(struct loader *l, const yaml_event_t *event, int depth)
{
	auto_json cJSON *value = NULL;

	if (forbidden(event)) {
		refuse(l, &event->start_mark, forbidden(event));
		return NULL;
	}
	if (++l->nodes > l->limits->nodes || depth == l->limits->levels) {
		refuse(l, &event->start_mark, depth == l->limits->levels ? "too many levels" : "too many values");
		return NULL;
	}
	if (event->type == YAML_SCALAR_EVENT)
		return scalar(event);
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		value = cJSON_CreateArray();
		return load_sequence(l, value, depth + 1) < 0 ? NULL : steal(&value);
	}
	value = cJSON_CreateObject();
	return load_mapping(l, value, depth + 1) < 0 ? NULL : steal(&value);
}

/* The stream is start, documents, end. Libyaml gives an event for each; the first value event is of the document. */
static int load_stream(struct loader *l, cJSON *documents, int max_documents)
{
	int count = 0;

	for (;;) {
		yaml_event_t event;
		yaml_event_type_t type;
		cJSON *root = NULL;
		int failed = 0;

		if (next_event(l, &event) < 0)
			return -1;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && count++ == max_documents)
			failed = refuse(l, &event.start_mark, "a second document");
		else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT ||
			 type == YAML_ALIAS_EVENT)
			failed = (root = load_value(l, &event, 0)) ? 0 : -1;
		yaml_event_delete(&event);
		if (failed)
			return -1;
		if (cJSON_IsNull(root))
			cJSON_Delete(root);
		else if (root)
			cJSON_AddItemToArray(documents, root);
		if (type == YAML_STREAM_END_EVENT)
			return 0;
	}
}

static cJSON *parse(const char *text, size_t len, const struct yaml_limits *limits, int max_documents, struct lm_err *err)
{
	struct loader l = {.limits = limits, .err = err};
	auto_json cJSON *documents = NULL;
	int failed;

	if (len > limits->bytes) {
		lm_fail(err, LM_DATA, "%zu bytes are more than the limit of %zu", len, limits->bytes);
		return NULL;
	}
	if (!yaml_parser_initialize(&l.parser)) {
		lm_fail(err, LM_SOFTWARE, "memory is short");
		return NULL;
	}
	documents = cJSON_CreateArray();
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
	failed = load_stream(&l, documents, max_documents);
	yaml_parser_delete(&l.parser);
	return failed ? NULL : steal(&documents);
}

cJSON *yaml_documents(const char *text, size_t len, const struct yaml_limits *limits, struct lm_err *err)
{
	return parse(text, len, limits, INT_MAX, err);
}

cJSON *yaml_parse(const char *text, size_t len, struct lm_err *err)
{
	auto_json cJSON *documents = parse(text, len, &usual, 1, err);

	if (!documents)
		return NULL;
	return documents->child ? cJSON_DetachItemFromArray(documents, 0) : cJSON_CreateObject();
}

cJSON *yaml_load(const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	cJSON *root;

	if (file_read(AT_FDCWD, path, YAML_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return NULL;
	root = yaml_parse(text.data, text.len, err);
	if (!root)
		lm_wrap(err, "%s", path);
	return root;
}
