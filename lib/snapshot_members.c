/* The top level of the document, cut into members. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/snapshot_rows.h"

#define KEY_MAX_BYTES 1024

struct cut {
	const char *text, *at, *end;
	struct lm_err *err;
};

long snapshot_line(const char *text, const char *at)
{
	long line = 1;

	while ((text = memchr(text, '\n', (size_t)(at - text))) != NULL) {
		text++;
		line++;
	}
	return line;
}

static int refuse(const struct cut *c, const char *what)
{
	return lm_fail(c->err, LM_DATA, "line %ld: %s", snapshot_line(c->text, c->at < c->end ? c->at : c->end), what);
}

static void skip_blanks(struct cut *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
		c->at++;
}

static bool take(struct cut *c, char mark)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != mark)
		return false;
	c->at++;
	return true;
}

/* At a quote; to behind the closing one. */
static bool skip_string(struct cut *c)
{
	for (c->at++; c->at < c->end; c->at++) {
		if (*c->at == '"') {
			c->at++;
			return true;
		}
		if (*c->at == '\\')
			c->at++;
	}
	return false;
}

/* At `{` or `[`; counts brackets outside of strings. Whether they match in kind is found by who parses the slice. */
static bool skip_nested(struct cut *c)
{
	size_t depth = 0;

	while (c->at < c->end) {
		switch (*c->at) {
		case '"':
			if (!skip_string(c))
				return false;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		default:
			break;
		}
		c->at++;
		if (!depth)
			return true;
	}
	return false;
}

/* At the `[` of an array of rows: rows hold no strings and no brackets, so that memchr finds their ends. */
static int skip_rows(struct cut *c)
{
	const char *close;

	c->at++;
	if (take(c, ']'))
		return 0;
	do {
		if (!take(c, '['))
			return refuse(c, "a row, `[`, is wanted");
		close = memchr(c->at, ']', (size_t)(c->end - c->at));
		if (!close)
			return refuse(c, "the text ends within a matrix");
		c->at = close + 1;
	} while (take(c, ','));
	return take(c, ']') ? 0 : refuse(c, "`,` or `]` is wanted after a row");
}

static bool is_matrix(const char *key)
{
	if (strncmp(key, "client_", 7) == 0)
		key += 7;
	return STREQ(key, "rtt_us") || STREQ(key, "jitter_us") || STREQ(key, "loss") || STREQ(key, "estimate_us");
}

static int skip_value(struct cut *c, const char *key)
{
	skip_blanks(c);
	if (c->at == c->end)
		return refuse(c, "the text ends too early");
	if (*c->at == '[' && is_matrix(key))
		return skip_rows(c) < 0 ? lm_wrap(c->err, "%s", key) : 0;
	if (*c->at == '"')
		return skip_string(c) ? 0 : refuse(c, "unfinished string");
	if (*c->at == '{' || *c->at == '[')
		return skip_nested(c) ? 0 : refuse(c, "the text ends too early");
	while (c->at < c->end && !strchr(",}] \t\r\n", *c->at))
		c->at++;
	return 0;
}

static int scan_key(struct cut *c, char **out)
{
	auto_json cJSON *key = NULL;
	const char *open;

	skip_blanks(c);
	if (c->at == c->end || *c->at != '"')
		return refuse(c, "a key is wanted");
	open = c->at;
	if (!skip_string(c))
		return refuse(c, "unfinished string");
	if (c->at - open > KEY_MAX_BYTES)
		return refuse(c, "a key is too long");
	key = json_parse(open, (size_t)(c->at - open), 1, c->err);
	if (!key)
		return lm_wrap(c->err, "key at line %ld", snapshot_line(c->text, open));
	*out = xstrdup(key->valuestring);
	return take(c, ':') ? 0 : refuse(c, "`:` is wanted");
}

static int scan_member(struct cut *c, struct snapshot_members *out)
{
	auto_free char *key = NULL;
	struct snapshot_member member;

	if (scan_key(c, &key) < 0)
		return -1;
	if (out->keys.count >= SNAPSHOT_MEMBERS_MAX)
		return refuse(c, "too many members");
	if (names_add(&out->keys, key) == NAMES_NONE)
		return lm_fail(c->err, LM_DATA, "line %ld: duplicate key \"%.100s\"", snapshot_line(c->text, c->at), key);
	skip_blanks(c);
	member.value = c->at;
	if (skip_value(c, key) < 0)
		return -1;
	member.len = (size_t)(c->at - member.value);
	grow(&out->items, &out->room, out->keys.count, sizeof(*out->items));
	out->items[out->keys.count - 1] = member;
	return 0;
}

static int scan_object(struct cut *c, struct snapshot_members *out)
{
	skip_blanks(c);
	if (c->at == c->end)
		return lm_fail(c->err, LM_DATA, "the text is empty");
	if (!take(c, '{'))
		return refuse(c, "an object, `{`, is wanted");
	if (!take(c, '}')) {
		do
			if (scan_member(c, out) < 0)
				return -1;
		while (take(c, ','));
		if (!take(c, '}'))
			return refuse(c, c->at == c->end ? "the text ends too early" : "`,` or `}` is wanted");
	}
	skip_blanks(c);
	return c->at == c->end ? 0 : refuse(c, "something follows the JSON value");
}

int snapshot_members_scan(const char *text, size_t len, struct snapshot_members *out, struct lm_err *err)
{
	struct cut c = {text, text, text + len, err};

	*out = (struct snapshot_members){0};
	if (scan_object(&c, out) < 0) {
		snapshot_members_free(out);
		return -1;
	}
	return 0;
}

const struct snapshot_member *snapshot_members_find(const struct snapshot_members *members, const char *key)
{
	uint32_t index = names_find(&members->keys, key);

	return index == NAMES_NONE ? NULL : &members->items[index];
}

void snapshot_members_free(struct snapshot_members *members)
{
	names_free(&members->keys);
	free(members->items);
	*members = (struct snapshot_members){0};
}
