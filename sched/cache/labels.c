#include "sched/cache/labels.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/read.h"

#define LABEL_VALUE_MAX 63

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

void labels_parse(const cJSON *object, struct labels *out)
{
	const cJSON *item;
	size_t room = 0;

	*out = (struct labels){0};
	if (!cJSON_IsObject(object))
		return;
	cJSON_ArrayForEach(item, object)
		if (cJSON_IsString(item)) {
			grow(&out->items, &room, out->count + 1, sizeof(*out->items));
			out->items[out->count++] = (struct label){xstrdup(item->string), xstrdup(item->valuestring)};
		}
	if (out->count > 1)
		qsort(out->items, out->count, sizeof(*out->items), by_key);
}

const char *labels_get(const struct labels *set, const char *key)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(set->items[middle].key, key);

		if (order == 0)
			return set->items[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	uint32_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (!STREQ(a->items[i].key, b->items[i].key) || !STREQ(a->items[i].value, b->items[i].value))
			return false;
	return true;
}

void labels_free(struct labels *set)
{
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		free(set->items[i].key);
		free(set->items[i].value);
	}
	free(set->items);
	*set = (struct labels){0};
}

/* As Go's strconv.ParseInt(text, 10, 64): a sign, digits, nothing else. */
static bool parse_i64(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && !*end;
}

/* At most 63 of letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; or empty. */
static bool is_label_value(const char *text)
{
	size_t len = strlen(text), i;

	if (len > LABEL_VALUE_MAX)
		return false;
	for (i = 0; i < len; i++) {
		bool inner = i > 0 && i < len - 1;

		if (!isalnum((unsigned char)text[i]) && !(inner && strchr("-_.", text[i])))
			return false;
	}
	return true;
}

static enum label_op op_of(const char *text)
{
	static const char *const names[] = {
		[LABEL_IN] = "In", [LABEL_NOT_IN] = "NotIn", [LABEL_EXISTS] = "Exists",
		[LABEL_DOES_NOT_EXIST] = "DoesNotExist", [LABEL_GT] = "Gt", [LABEL_LT] = "Lt",
	};
	unsigned op;

	for (op = 0; op < ARRAY_SIZE(names); op++)
		if (STREQ(text, names[op]))
			return (enum label_op)op;
	return LABEL_NEVER;
}

/* The rules of apimachinery's labels.NewRequirement: what breaks them makes the whole selector unusable. */
static bool is_sound(const struct requirement *r)
{
	int64_t number;
	uint32_t i;

	if (!r->key[0])
		return false;
	for (i = 0; i < r->value_count; i++)
		if (!is_label_value(r->values[i]))
			return false;
	switch (r->op) {
	case LABEL_IN:
	case LABEL_NOT_IN:
		return r->value_count > 0;
	case LABEL_EXISTS:
	case LABEL_DOES_NOT_EXIST:
		return r->value_count == 0;
	case LABEL_GT:
	case LABEL_LT:
		return r->value_count == 1 && parse_i64(r->values[0], &number);
	case LABEL_NEVER:
		break;
	}
	return false;
}

static int by_value(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void requirement_parse(const cJSON *item, struct requirement *out)
{
	const cJSON *values = read_list(item, "values"), *value;

	*out = (struct requirement){.key = xstrdup(read_text(item, "key")), .op = op_of(read_text(item, "operator"))};
	out->values = xcalloc(read_count(values), sizeof(*out->values));
	cJSON_ArrayForEach(value, values)
		if (cJSON_IsString(value))
			out->values[out->value_count++] = xstrdup(value->valuestring);
	qsort(out->values, out->value_count, sizeof(*out->values), by_value);
}

static void requirements_free(struct requirement *items, uint32_t count)
{
	uint32_t i, j;

	for (i = 0; i < count; i++) {
		for (j = 0; j < items[i].value_count; j++)
			free(items[i].values[j]);
		free(items[i].values);
		free(items[i].key);
	}
	free(items);
}

static bool has_value(const struct requirement *r, const char *value)
{
	return bsearch(&value, r->values, r->value_count, sizeof(*r->values), by_value) != NULL;
}

bool requirement_matches(const struct requirement *r, const struct labels *labels)
{
	const char *have = labels_get(labels, r->key);
	int64_t number, bound;

	switch (r->op) {
	case LABEL_IN:
		return have && has_value(r, have);
	case LABEL_NOT_IN:
		return !have || !has_value(r, have);
	case LABEL_EXISTS:
		return have != NULL;
	case LABEL_DOES_NOT_EXIST:
		return have == NULL;
	case LABEL_GT:
	case LABEL_LT:
		if (!have || !parse_i64(have, &number) || !parse_i64(r->values[0], &bound))
			return false;
		return r->op == LABEL_GT ? number > bound : number < bound;
	case LABEL_NEVER:
		break;
	}
	return false;
}

static void push_requirement(struct selector *selector, struct requirement r)
{
	selector->items = xrealloc(selector->items, selector->count + 1u, sizeof(*selector->items));
	selector->items[selector->count++] = r;
}

/* matchLabels are requirements "In" with one value. */
static struct requirement equality(const char *key, const char *value)
{
	struct requirement r = {.key = xstrdup(key), .op = LABEL_IN, .values = xcalloc(1, sizeof(*r.values)), .value_count = 1};

	r.values[0] = xstrdup(value);
	return r;
}

void selector_add(struct selector *selector, const char *key, const char *value)
{
	if (!selector->is_nil)
		push_requirement(selector, equality(key, value));
}

void selector_parse(const cJSON *selector, struct selector *out)
{
	const cJSON *pairs = read_object(selector, "matchLabels"), *list = read_list(selector, "matchExpressions"), *item;
	uint32_t i;

	*out = (struct selector){.is_nil = !cJSON_IsObject(selector)};
	if (out->is_nil)
		return;
	cJSON_ArrayForEach(item, pairs)
		if (cJSON_IsString(item))
			push_requirement(out, equality(item->string, item->valuestring));
	cJSON_ArrayForEach(item, list) {
		struct requirement r;

		requirement_parse(item, &r);
		push_requirement(out, r);
	}
	for (i = 0; i < out->count; i++) {
		struct requirement *r = &out->items[i];

		if (is_sound(r) && r->op != LABEL_GT && r->op != LABEL_LT)
			continue;
		r->op = LABEL_NEVER; /* a metav1.LabelSelector knows no Gt and Lt */
		out->invalid = true;
	}
}

const struct requirement *selector_equality(const struct selector *selector)
{
	uint32_t i;

	for (i = 0; i < selector->count; i++)
		if (selector->items[i].op == LABEL_IN && selector->items[i].value_count == 1)
			return &selector->items[i];
	return NULL;
}

bool selector_matches(const struct selector *selector, const struct labels *labels)
{
	uint32_t i;

	if (selector->is_nil)
		return false;
	for (i = 0; i < selector->count; i++)
		if (!requirement_matches(&selector->items[i], labels))
			return false;
	return true;
}

void selector_free(struct selector *selector)
{
	requirements_free(selector->items, selector->count);
	*selector = (struct selector){0};
}

/* Fields have one key, metadata.name, with In or NotIn and exactly one value. */
static bool is_sound_field(const struct requirement *r)
{
	return STREQ(r->key, "metadata.name") && (r->op == LABEL_IN || r->op == LABEL_NOT_IN) && r->value_count == 1;
}

static void node_term_parse(const cJSON *object, struct node_term *out)
{
	const cJSON *expressions = read_list(object, "matchExpressions"), *fields = read_list(object, "matchFields"), *item;

	*out = (struct node_term){0};
	out->expressions = xcalloc(read_count(expressions), sizeof(*out->expressions));
	out->fields = xcalloc(read_count(fields), sizeof(*out->fields));
	cJSON_ArrayForEach(item, expressions) {
		requirement_parse(item, &out->expressions[out->expression_count]);
		if (!is_sound(&out->expressions[out->expression_count++]))
			out->invalid = true;
	}
	cJSON_ArrayForEach(item, fields) {
		requirement_parse(item, &out->fields[out->field_count]);
		if (!is_sound_field(&out->fields[out->field_count++]))
			out->invalid = true;
	}
}

void node_selector_parse(const cJSON *required, struct node_selector *out)
{
	const cJSON *terms = read_list(required, "nodeSelectorTerms"), *item;

	*out = (struct node_selector){.present = cJSON_IsObject(required)};
	if (!out->present)
		return;
	out->terms = xcalloc(read_count(terms), sizeof(*out->terms));
	cJSON_ArrayForEach(item, terms)
		node_term_parse(item, &out->terms[out->count++]);
}

void node_selector_parse_term(const cJSON *term, struct node_selector *out)
{
	*out = (struct node_selector){.present = true, .terms = xcalloc(1, sizeof(*out->terms)), .count = 1};
	node_term_parse(term, out->terms);
}

static bool term_matches(const struct node_term *term, const struct labels *labels, const char *node_name)
{
	uint32_t i;

	if (term->invalid || term->expression_count + term->field_count == 0)
		return false;
	for (i = 0; i < term->expression_count; i++)
		if (!requirement_matches(&term->expressions[i], labels))
			return false;
	for (i = 0; node_name[0] && i < term->field_count; i++)
		if (STREQ(term->fields[i].values[0], node_name) != (term->fields[i].op == LABEL_IN))
			return false;
	return true;
}

bool node_selector_matches(const struct node_selector *selector, const struct labels *labels, const char *node_name)
{
	uint32_t i;

	if (!selector->present)
		return true;
	for (i = 0; i < selector->count; i++)
		if (term_matches(&selector->terms[i], labels, node_name))
			return true;
	return false;
}

uint32_t node_selector_size(const struct node_selector *selector)
{
	uint32_t size = selector->count, i;

	for (i = 0; i < selector->count; i++)
		size += selector->terms[i].expression_count + selector->terms[i].field_count;
	return size;
}

void node_selector_free(struct node_selector *selector)
{
	uint32_t i;

	for (i = 0; i < selector->count; i++) {
		requirements_free(selector->terms[i].expressions, selector->terms[i].expression_count);
		requirements_free(selector->terms[i].fields, selector->terms[i].field_count);
	}
	free(selector->terms);
	*selector = (struct node_selector){0};
}
