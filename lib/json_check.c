/*
 * The byte check of json.h: RFC 8259 in full, so that cJSON never sees what it is lax about. One pass, no recursion: a bit per
 * level says whether it is an object or an array.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_check.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define DEPTH_MAX 64
#define NUMBER_MAX_BYTES 63	/* some versions of cJSON read no more of a number */
#define MANAGED_FIELDS "\"managedFields\""

struct scan {
	const char *begin, *at, *end;
	uint64_t is_object;		/* by level; bit 0 is the innermost */
	int depth, max_depth;
	size_t values;
	struct json_found *found;	/* NULL: our own files, nothing is let through */
	bool at_managed_fields;		/* the value is that of this key */
	struct lm_err *err;
};

static int refuse(const struct scan *s, const char *at, const char *what)
{
	const char *p, *line = s->begin;
	long lines = 1;

	for (p = s->begin; p < at; p++)
		if (*p == '\n') {
			lines++;
			line = p + 1;
		}
	return lm_fail(s->err, LM_DATA, "line %ld, column %ld: %s", lines, (long)(at - line) + 1, what);
}

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* Four hexadecimal digits at p, or -1. */
static int hex4(const struct scan *s, const char *p)
{
	int value = 0, i;

	if (s->end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* At the `\`. cJSON ends its strings at a NUL, so that \u0000 would cut one silently: refused, or noted for json_parse_api. */
static int check_escape(struct scan *s)
{
	int unit;

	if (s->end - s->at < 2 || !s->at[1] || !strchr("\"\\/bfnrtu", s->at[1]))
		return refuse(s, s->at, "bad escape in a string");
	if (s->at[1] != 'u') {
		s->at += 2;
		return 0;
	}
	unit = hex4(s, s->at + 2);
	if (unit == 0 && s->found) {
		s->found->nul = true;
		s->at += 6;
		return 0;
	}
	if (unit <= 0)
		return refuse(s, s->at, unit < 0 ? "\\u needs four hexadecimal digits" : "\\u0000 in a string");
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return refuse(s, s->at, "lone low surrogate");
	s->at += 6;
	if (unit < 0xd800 || unit > 0xdbff)
		return 0;
	unit = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' ? hex4(s, s->at + 2) : -1;
	if (unit < 0xdc00 || unit > 0xdfff)
		return refuse(s, s->at, "lone high surrogate");
	s->at += 6;
	return 0;
}

/* At the opening quote. */
static int check_string(struct scan *s)
{
	const char *open = s->at++;
	size_t len;

	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at;

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c >= 0x20 && c < 0x80 && c != '\\') {
			s->at++;
		} else if (c == '\\') {
			if (check_escape(s) < 0)
				return -1;
		} else if (c < 0x20) {
			return refuse(s, s->at, "control character in a string");
		} else {
			len = utf8_len(s->at, (size_t)(s->end - s->at));
			if (len == 0)
				return refuse(s, s->at, "not UTF-8");
			s->at += len;
		}
	}
	return refuse(s, open, "unfinished string");
}

static bool digits(struct scan *s)
{
	const char *first = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > first;
}

/* Only an exponent or very many digits can overflow a double. */
static bool is_finite(const char *first, const char *end, bool exponent)
{
	char text[NUMBER_MAX_BYTES + 1];

	if (!exponent)
		return true;
	memcpy(text, first, (size_t)(end - first));
	text[end - first] = '\0';
	return isfinite(strtod(text, NULL));
}

static int check_number(struct scan *s)
{
	const char *first = s->at;
	bool exponent = false;

	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (!digits(s))
		return refuse(s, first, "not a value");
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!digits(s))
			return refuse(s, first, "a number needs digits after its point");
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		exponent = true;
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (!digits(s))
			return refuse(s, first, "a number needs digits after its e");
	}
	if (s->at < s->end && ((*s->at >= '0' && *s->at <= '9') || *s->at == '.'))
		return refuse(s, first, "bad number");
	if (s->at - first > NUMBER_MAX_BYTES)
		return refuse(s, first, "a number is too long");
	if (!is_finite(first, s->at, exponent))
		return refuse(s, first, "a number is too large");
	return 0;
}

static int check_word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(s->end - s->at) >= len && memcmp(s->at, words[i], len) == 0) {
			s->at += len;
			return 0;
		}
	}
	return refuse(s, s->at, s->at < s->end ? "not a value" : "the text ends too early");
}

static int open_level(struct scan *s, bool object)
{
	if (s->depth == s->max_depth)
		return refuse(s, s->at, "too many levels");
	s->depth++;
	s->is_object = s->is_object << 1 | object;
	s->at++;
	skip_blanks(s);
	return 0;
}

static void close_level(struct scan *s)
{
	s->depth--;
	s->is_object >>= 1;
	s->at++;
}

/* A key and its colon. */
static int check_key(struct scan *s)
{
	const char *key = s->at;

	if (s->at == s->end || *s->at != '"')
		return refuse(s, s->at, s->at < s->end ? "a key is wanted" : "the text ends too early");
	if (check_string(s) < 0)
		return -1;
	s->at_managed_fields = s->found && (size_t)(s->at - key) == strlen(MANAGED_FIELDS) && memcmp(key, MANAGED_FIELDS, strlen(MANAGED_FIELDS)) == 0;
	skip_blanks(s);
	if (s->at == s->end || *s->at != ':')
		return refuse(s, s->at, "`:` is wanted");
	s->at++;
	skip_blanks(s);
	return 0;
}

/* An array that nobody will read, however deep: only its strings are looked at, and where it ends. */
static int cut_out(struct scan *s)
{
	const char *from = s->at;
	size_t depth = 0;

	do {
		if (s->at == s->end)
			return refuse(s, s->at, "the text ends too early");
		if (*s->at == '"') {
			if (check_string(s) < 0)
				return -1;
			continue;
		}
		depth += *s->at == '[' || *s->at == '{';
		depth -= *s->at == ']' || *s->at == '}';
		s->at++;
	} while (depth);
	grow(&s->found->cuts, &s->found->room, s->found->count + 1, sizeof(*s->found->cuts));
	s->found->cuts[s->found->count++] = (struct json_cut){(size_t)(from - s->begin), (size_t)(s->at - from)};
	return 0;
}

/* A value, or the beginning of one: *complete is false after a bracket that has members. */
static int begin_value(struct scan *s, bool *complete)
{
	char c = s->at < s->end ? *s->at : '\0';
	bool object = c == '{', unread = s->at_managed_fields && c == '[';

	*complete = true;
	s->values++;
	s->at_managed_fields = false;
	if (unread)
		return cut_out(s);
	if (c == '"')
		return check_string(s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return check_number(s);
	if (c != '{' && c != '[')
		return check_word(s);
	if (open_level(s, object) < 0)
		return -1;
	if (s->at < s->end && *s->at == (object ? '}' : ']')) {
		close_level(s);
		return 0;
	}
	*complete = false;
	return object ? check_key(s) : 0;
}

/* After a value: closes levels, up to the next value. */
static int after_value(struct scan *s)
{
	for (;;) {
		bool object = s->is_object & 1;

		skip_blanks(s);
		if (s->depth == 0)
			return 0;
		if (s->at == s->end)
			return refuse(s, s->at, "the text ends too early");
		if (*s->at == (object ? '}' : ']')) {
			close_level(s);
			continue;
		}
		if (*s->at != ',')
			return refuse(s, s->at, object ? "`,` or `}` is wanted" : "`,` or `]` is wanted");
		s->at++;
		skip_blanks(s);
		return object ? check_key(s) : 0;
	}
}

static int check(struct scan *s)
{
	bool complete;

	skip_blanks(s);
	if (s->at == s->end)
		return lm_fail(s->err, LM_DATA, "the text is empty");
	do {
		if (begin_value(s, &complete) < 0)
			return -1;
		if (complete && after_value(s) < 0)
			return -1;
	} while (s->depth > 0);
	skip_blanks(s);
	return s->at == s->end ? 0 : refuse(s, s->at, "something follows the JSON value");
}

int json_check(const char *text, size_t len, int max_depth, struct lm_err *err)
{
	struct scan s = {.begin = text, .at = text, .end = text + len, .err = err};

	s.max_depth = max_depth < DEPTH_MAX ? max_depth : DEPTH_MAX;
	return check(&s);
}

int json_find(const char *text, size_t len, struct json_found *found, struct lm_err *err)
{
	struct scan s = {.begin = text, .at = text, .end = text + len, .max_depth = JSON_DEPTH_API, .found = found, .err = err};
	int code = check(&s);

	found->values = s.values;
	return code;
}
