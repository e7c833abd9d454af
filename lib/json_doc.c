#include "lib/json_doc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define EXACT_DIGITS 15		/* any number of so many is exact in a double */

/* The text has passed json_check: nothing can be wrong any more, and it ends with a NUL. */
struct builder {
	char *at;
	cJSON *next;
};

static void build(struct builder *b, cJSON *node);

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_blanks(struct builder *b)
{
	while (is_blank(*b->at))
		b->at++;
}

/* --- strings, in place ------------------------------------------------------------------------------------------------- */

static unsigned hex4(const char *at)
{
	unsigned value = 0;
	int i;

	for (i = 0; i < 4; i++)
		value = value * 16 + (at[i] <= '9' ? (unsigned)(at[i] - '0') : (unsigned)((at[i] | 0x20) - 'a') + 10);
	return value;
}

static char *put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* Behind the backslash. It never takes more bytes than its writing had. */
static char *unescape(struct builder *b, char *to)
{
	static const char from[] = "bfnrt", plain[] = "\b\f\n\r\t";
	const char *found = strchr(from, *b->at);
	unsigned code;

	if (*b->at != 'u') {
		*to = found ? plain[found - from] : *b->at;
		b->at++;
		return to + 1;
	}
	code = hex4(b->at + 1);
	b->at += 5;
	if (code >= 0xd800 && code < 0xdc00) {
		code = 0x10000 + ((code - 0xd800) << 10) + (hex4(b->at + 2) - 0xdc00);
		b->at += 6;
	}
	return put_utf8(to, code);
}

/* At the opening quote. */
static char *take_string(struct builder *b)
{
	char *string = ++b->at, *to;

	while (*b->at != '"' && *b->at != '\\')
		b->at++;
	for (to = b->at; *b->at != '"';) {
		if (*b->at == '\\') {
			b->at++;
			to = unescape(b, to);
		} else {
			*to++ = *b->at++;
		}
	}
	b->at++;
	*to = '\0';
	return string;
}

/* --- values ------------------------------------------------------------------------------------------------------------ */

static double take_number(struct builder *b)
{
	const char *first = b->at;
	int64_t whole = 0;
	char *end;

	for (end = b->at; *end >= '0' && *end <= '9' && end - first <= EXACT_DIGITS; end++)
		whole = whole * 10 + (*end - '0');
	if (end > first && end - first <= EXACT_DIGITS && *end != '.' && *end != 'e' && *end != 'E') {
		b->at = end;
		return (double)whole;
	}
	return strtod(first, &b->at);
}

static void build_number(struct builder *b, cJSON *node)
{
	double value = take_number(b);

	node->type = cJSON_Number;
	node->valuedouble = value;
	node->valueint = value >= INT_MAX ? INT_MAX : value <= (double)INT_MIN ? INT_MIN : (int)value;
}

static void build_word(struct builder *b, cJSON *node)
{
	node->type = *b->at == 't' ? cJSON_True : *b->at == 'f' ? cJSON_False : cJSON_NULL;
	node->valueint = node->type == cJSON_True;
	b->at += *b->at == 'f' ? 5 : 4;
}

/* As cJSON links them: the first one's prev is the last. */
static void build_members(struct builder *b, cJSON *node, bool object)
{
	cJSON *last = NULL;

	for (b->at++, skip_blanks(b); *b->at != '}' && *b->at != ']'; skip_blanks(b)) {
		cJSON *member = b->next++;

		if (object) {
			member->string = take_string(b);
			skip_blanks(b);
			b->at++;
			skip_blanks(b);
		}
		build(b, member);
		member->prev = last;
		*(last ? &last->next : &node->child) = member;
		last = member;
		skip_blanks(b);
		if (*b->at != ',')
			break;
		b->at++;
	}
	b->at++;
	if (last)
		node->child->prev = last;
}

/* Depth is bounded by json_check. */
static void build(struct builder *b, cJSON *node)
{
	switch (*b->at) {
	case '"':
		node->type = cJSON_String;
		node->valuestring = take_string(b);
		return;
	case '{':
	case '[':
		node->type = *b->at == '{' ? cJSON_Object : cJSON_Array;
		build_members(b, node, node->type == cJSON_Object);
		return;
	case 't':
	case 'f':
	case 'n':
		build_word(b, node);
		return;
	default:
		build_number(b, node);
	}
}

/* At least as many as there are values: each but the first one of its bracket follows a comma. */
static size_t most_nodes(const char *text, size_t len)
{
	size_t i, most = 1;

	for (i = 0; i < len; i++)
		most += (text[i] == ',') | (text[i] == '[') | (text[i] == '{');
	return most;
}

int json_doc_parse(const char *text, size_t len, int max_depth, struct json_doc *out, struct lm_err *err)
{
	struct builder b;

	*out = (struct json_doc){0};
	if (json_check(text, len, max_depth, err) < 0)
		return -1;
	out->text = xstrndup(text, len);
	out->root = xcalloc(most_nodes(text, len), sizeof(*out->root));
	b = (struct builder){.at = out->text, .next = out->root + 1};
	skip_blanks(&b);
	build(&b, out->root);
	if (json_check_keys(out->root, err) == 0)
		return 0;
	json_doc_free(out);
	return -1;
}

void json_doc_free(struct json_doc *doc)
{
	free(doc->root);
	free(doc->text);
	*doc = (struct json_doc){0};
}
