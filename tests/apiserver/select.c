#include "tests/apiserver/select.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

void select_free(struct select *s)
{
	size_t i, k;

	for (i = 0; i < s->count; i++) {
		for (k = 0; k < s->terms[i].value_count; k++)
			free(s->terms[i].values[k]);
		free(s->terms[i].values);
		free(s->terms[i].key);
	}
	free(s->terms);
	*s = (struct select){0};
}

static struct select_term *add_term(struct select *s, int field, char *key, enum select_op op)
{
	grow(&s->terms, &s->room, s->count + 1, sizeof(*s->terms));
	s->terms[s->count] = (struct select_term){.field = field, .key = key, .op = op};
	return &s->terms[s->count++];
}

static void add_value(struct select_term *t, const char *text, size_t len)
{
	grow(&t->values, &t->value_room, t->value_count + 1, sizeof(*t->values));
	t->values[t->value_count++] = xstrndup(text, len);
}

static int find_field(const struct resource *r, const char *name, size_t len)
{
	int i;

	for (i = 0; i < FIELDS_MAX && r->fields[i].name; i++)
		if (strlen(r->fields[i].name) == len && memcmp(r->fields[i].name, name, len) == 0)
			return i;
	return -1;
}

/* One of `key=value`, `key==value`, `key!=value` of a field selector, up to `end`. */
static int parse_field(const struct resource *r, const char *term, const char *end, const char *whole, struct select *out,
		       struct answer *a)
{
	size_t key_len = strcspn(term, "=!");
	const char *op = term + key_len;
	bool no = *op == '!';
	const char *value = op + (no || (op[0] == '=' && op[1] == '=') ? 2 : 1);
	int field;

	if (op >= end || (no && op[1] != '=') || value > end)
		return answer_bad_request(a, "invalid selector: '%s'; can't understand '%.*s'", whole, (int)(end - term), term);
	field = find_field(r, term, key_len);
	if (field < 0 && r->id == LEASES)
		return answer_bad_request(a, "\"%.*s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
					  (int)key_len, term);
	if (field < 0)
		return answer_bad_request(a, "field label not supported: %.*s", (int)key_len, term);
	add_value(add_term(out, field, NULL, no ? SELECT_NOT_IN : SELECT_IN), value, (size_t)(end - value));
	return 0;
}

static int parse_fields(const struct resource *r, const char *text, struct select *out, struct answer *a)
{
	const char *at = text;

	while (*at) {
		const char *end = at + strcspn(at, ",");

		if (end > at && parse_field(r, at, end, text, out, a) < 0)
			return -1;
		at = *end ? end + 1 : end;
	}
	return 0;
}

static const char *blanks(const char *at)
{
	return at + strspn(at, " ");
}

static const char *word(const char *at, size_t *len)
{
	at = blanks(at);
	*len = strcspn(at, " ,()=!<>");
	return at;
}

/* `(a, b)` after in or notin; NULL when it is something else. */
static const char *parse_values(const char *at, struct select_term *t)
{
	size_t len;

	at = blanks(at);
	if (*at++ != '(')
		return NULL;
	for (;;) {
		at = word(at, &len);
		add_value(t, at, len);
		at = blanks(at + len);
		if (*at == ')')
			return at + 1;
		if (*at++ != ',')
			return NULL;
	}
}

/* The operator after a label's key and its values; NULL when it cannot be understood. */
static const char *parse_operator(const char *at, char *key, struct select *out)
{
	static const struct {
		const char *sign;
		enum select_op op;
		bool list;
	} signs[] = {{"==", SELECT_IN, false}, {"!=", SELECT_NOT_IN, false}, {"=", SELECT_IN, false}, {">", SELECT_ABOVE, false},
		     {"<", SELECT_BELOW, false}, {"in ", SELECT_IN, true}, {"in(", SELECT_IN, true}, {"notin ", SELECT_NOT_IN, true},
		     {"notin(", SELECT_NOT_IN, true}};
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(signs); i++) {
		size_t sign_len = strlen(signs[i].sign);
		struct select_term *t;

		if (strncmp(at, signs[i].sign, sign_len) != 0)
			continue;
		t = add_term(out, -1, key, signs[i].op);
		if (signs[i].list)
			return parse_values(at + sign_len - 1, t);
		at = word(at + sign_len, &len);
		add_value(t, at, len);
		return at + len;
	}
	add_term(out, -1, key, SELECT_EXISTS);
	return at;
}

static int parse_labels(const char *text, struct select *out, struct answer *a)
{
	const char *at = blanks(text);
	size_t len;

	while (*at) {
		bool absent = *at == '!';

		at = word(at + absent, &len);
		if (!len)
			return answer_bad_request(a, "unable to parse requirement: found '%s', expected: identifier", at);
		if (absent) {
			add_term(out, -1, xstrndup(at, len), SELECT_ABSENT);
			at = blanks(at + len);
		} else {
			char *key = xstrndup(at, len);

			at = parse_operator(blanks(at + len), key, out);
			at = at ? blanks(at) : NULL;
		}
		if (!at || (*at && *at != ','))
			return answer_bad_request(a, "unable to parse requirement: found '%s', expected: in, notin, =, ==, !=, gt, lt", at ? at : text);
		at = *at ? blanks(at + 1) : at;
	}
	return 0;
}

int select_parse(const struct resource *r, const char *fields, const char *labels, struct select *out, struct answer *a)
{
	if (fields && parse_fields(r, fields, out, a) < 0)
		return -1;
	if (labels && parse_labels(labels, out, a) < 0)
		return -1;
	return 0;
}

static bool is_number(const char *text, long long *out)
{
	char *end;

	*out = strtoll(text, &end, 10);
	return *text && !*end;
}

static bool compare(const struct select_term *t, const char *value)
{
	long long mine, limit;

	if (!value || !is_number(value, &mine) || !is_number(t->values[0], &limit))
		return false;
	return t->op == SELECT_ABOVE ? mine > limit : mine < limit;
}

static bool term_matches(const struct select_term *t, const struct revision *r)
{
	const cJSON *label = t->field < 0 ? cJSON_GetObjectItemCaseSensitive(r->labels, t->key) : NULL;
	const char *value = t->field >= 0 ? r->fields[t->field] : cJSON_GetStringValue(label);
	bool listed = false;
	size_t i;

	for (i = 0; i < t->value_count; i++)
		listed = listed || (value && STREQ(value, t->values[i]));
	switch (t->op) {
	case SELECT_IN: return listed;
	case SELECT_NOT_IN: return !listed;
	case SELECT_EXISTS: return value;
	case SELECT_ABSENT: return !value;
	case SELECT_ABOVE:
	case SELECT_BELOW: break;
	}
	return compare(t, value);
}

bool select_matches(const struct select *s, const struct revision *r)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (!term_matches(&s->terms[i], r))
			return false;
	return true;
}
