#include "sched/extender/prune.h"

#include <stdbool.h>

#include "lib/mem.h"
#include "sched/extender/plain.h"

#define DEPTH_MAX 8
#define KEYS_MAX 16			/* of an object, compared pair by pair */
#define DIGITS_MAX 15			/* exact in any reader */

struct piece {
	const char *at;
	size_t len;
};

/* The same as the archive's list (archive.c), which is tested to decide alike. */
static const struct piece unread[] = {
	{"env", 3}, {"envFrom", 7}, {"command", 7}, {"args", 4}, {"livenessProbe", 13}, {"readinessProbe", 14}, {"startupProbe", 12},
	{"lifecycle", 9}, {"volumeMounts", 12}, {"volumeDevices", 13}, {"managedFields", 13},
};

struct walk {
	const char *at, *end;
	int depth, deepest;
};

static bool value(struct walk *w);

static bool is_at(const struct walk *w, char c)
{
	return w->at < w->end && *w->at == c;
}

static bool take(struct walk *w, char c)
{
	bool there = is_at(w, c);

	w->at += there;
	return there;
}

static bool string(struct walk *w)
{
	uint64_t found;

	if (!take(w, '"'))
		return false;
	while (!(found = plain_special(plain_load(w->at, w->end))))
		w->at += 8;
	w->at += __builtin_ctzll(found) / 8;
	return take(w, '"');
}

static bool number(struct walk *w)
{
	const char *first = w->at;

	while (w->at < w->end && *w->at >= '0' && *w->at <= '9')
		w->at++;
	return w->at - first <= DIGITS_MAX && (*first != '0' || w->at - first == 1) && !is_at(w, '.') && !is_at(w, 'e') && !is_at(w, 'E');
}

static bool word(struct walk *w, const char *text, size_t len)
{
	if ((size_t)(w->end - w->at) < len || memcmp(w->at, text, len) != 0)
		return false;
	w->at += len;
	return true;
}

static bool is_new(const struct piece *keys, unsigned count, const struct piece *key)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (keys[i].len == key->len && memcmp(keys[i].at, key->at, key->len) == 0)
			return false;
	return true;
}

static bool members(struct walk *w)
{
	struct piece keys[KEYS_MAX];
	unsigned count = 0;

	do {
		struct piece *key = &keys[count];

		if (count == KEYS_MAX)
			return false;
		key->at = w->at;
		if (!string(w))
			return false;
		key->len = (size_t)(w->at - key->at);
		if (!is_new(keys, count++, key) || !take(w, ':') || !value(w))
			return false;
	} while (take(w, ','));
	return take(w, '}');
}

static bool items(struct walk *w)
{
	do
		if (!value(w))
			return false;
	while (take(w, ','));
	return take(w, ']');
}

static bool bracket(struct walk *w)
{
	bool object = *w->at++ == '{', good;

	if (++w->depth > w->deepest)
		w->deepest = w->depth;
	good = w->depth <= DEPTH_MAX && (take(w, object ? '}' : ']') || (object ? members(w) : items(w)));
	w->depth--;
	return good;
}

static bool value(struct walk *w)
{
	switch (w->at < w->end ? *w->at : '\0') {
	case '"':
		return string(w);
	case '{':
	case '[':
		return bracket(w);
	case 't':
		return word(w, "true", 4);
	case 'f':
		return word(w, "false", 5);
	case 'n':
		return word(w, "null", 4);
	default:
		return is_at(w, '-') ? false : number(w) && w->at[-1] >= '0' && w->at[-1] <= '9';
	}
}

/* Is what ends before `colon` one of the keys? With a backslash before it, it is but the end of one. */
static bool is_unread(const char *begin, const char *colon)
{
	size_t i, room = (size_t)(colon - begin);

	for (i = 0; i < ARRAY_SIZE(unread); i++) {
		const char *open = colon - unread[i].len - 2;

		if (room >= unread[i].len + 3 && *open == '"' && open[-1] != '\\' && memcmp(open + 1, unread[i].at, unread[i].len) == 0)
			return true;
	}
	return false;
}

static void add_hollow(struct buf *out, bool object, int depth)
{
	int i;

	buf_str(out, !object ? "[" : depth > 1 ? "{\"\":" : "{");
	for (i = 1; i < depth; i++)
		buf_char(out, '[');
	for (i = 1; i < depth; i++)
		buf_char(out, ']');
	buf_char(out, object ? '}' : ']');
}

void prune(const char *text, size_t len, struct buf *out)
{
	const char *end = text + len, *kept = text, *colon = text;

	while (end - colon > 1 && (colon = memchr(colon, ':', (size_t)(end - colon) - 1)) != NULL) {
		struct walk w = {.at = ++colon, .end = end};

		if ((*colon != '[' && *colon != '{') || colon - text < 2 || colon[-2] != '"' || !is_unread(text, colon - 1) || !value(&w))
			continue;
		buf_add(out, kept, (size_t)(colon - kept));
		add_hollow(out, *colon == '{', w.deepest);
		kept = colon = w.at;
	}
	buf_add(out, kept, (size_t)(end - kept));
}
