#include "sched/extender/scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>

#include "lib/json_ascii.h"
#include "lib/mem.h"


#define KEY "NodeNames"
#define KEY_MEMBER "\"" KEY "\":"

struct text {
	const char *at, *end;
};

/* --- to the list: a walk that is right for a text that json_parse takes; for any other it only has to end ------------------ */

static void skip_blanks(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t' || *t->at == '\r'))
		t->at++;
}

static bool is_at(const struct text *t, char c)
{
	return t->at < t->end && *t->at == c;
}

static bool skip_char(struct text *t, char c)
{
	skip_blanks(t);
	if (!is_at(t, c))
		return false;
	t->at++;
	skip_blanks(t);
	return true;
}

/* A quote ends a string when an even number of backslashes is before it. */
static bool is_escaped(const char *begin, const char *quote)
{
	const char *at = quote;

	while (at > begin && at[-1] == '\\')
		at--;
	return (quote - at) % 2;
}

static void skip_string(struct text *t)
{
	const char *begin = t->at + 1, *at = begin;

	while (at < t->end && (at = memchr(at, '"', (size_t)(t->end - at))) != NULL && is_escaped(begin, at))
		at++;
	t->at = at && at < t->end ? at + 1 : t->end;
}

static void skip_value(struct text *t)
{
	int depth = 0;

	do {
		char c = t->at < t->end ? *t->at : '\0';

		if (c == '"') {
			skip_string(t);
			continue;
		}
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (depth < 0 || (depth == 0 && c == ','))
			return;
		t->at++;
	} while (t->at < t->end && (depth || (*t->at != ',' && *t->at != '}' && *t->at != ']')));
}

/* Go writes it last: its bracket is the last of that kind, if no name has one, and nothing but `}` may follow the list (is_last). */
static bool find_last(struct text *t)
{
	const char *begin = t->at, *at = memrchr(begin, '[', (size_t)(t->end - begin));
	size_t len = sizeof("," KEY_MEMBER) - 1;

	if (!at || (size_t)(at - begin) < len || memcmp(at - len, "," KEY_MEMBER, len) != 0)
		return false;
	t->at = at;
	return true;
}

/* To the value of the member; keys with escapes are none of ours. */
static bool find_list(struct text *t)
{
	if (!skip_char(t, '{'))
		return false;
	while (is_at(t, '"')) {
		const char *key = t->at + 1;

		skip_string(t);
		if (!skip_char(t, ':'))
			return false;
		if (strncasecmp(key, KEY "\"", sizeof(KEY)) == 0)
			return is_at(t, '[');
		skip_value(t);
		if (!skip_char(t, ','))
			return false;
	}
	return false;
}

/* --- the list -------------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word, uint64_t key)
{
	hash = (hash ^ word) * key;
	return hash ^ hash >> 32;
}

/*
 * Behind the opening quote: copies the name, and its hash into *hash. Who sends may choose names, but does not know this process' key: no list of names makes
 * all look-ups collide. The length; 0: not of our kind.
 */
static size_t copy_name(const struct text *t, uint64_t key, char *to, uint64_t *hash)
{
	const char *at = t->at;
	uint64_t h = key, word, found;
	size_t len;

	for (;; at += 8, to += 8) {
		word = ascii_load(at, t->end);
		found = ascii_special(word);
		if (found || at - t->at > WIRE_NAME_MAX)
			break;
		h = mix(h, word, key);
		word = htole64(word);
		memcpy(to, &word, 8);
	}
	if (!found)
		return 0;
	len = (size_t)__builtin_ctzll(found) / 8;
	at += len;
	if (at == t->end || *at != '"' || at - t->at > WIRE_NAME_MAX)
		return 0;
	*hash = mix(mix(h, len ? word << (64 - 8 * len) : 0, key), (uint64_t)(at - t->at), key);
	word = htole64(len ? word & (UINT64_MAX >> (64 - 8 * len)) : 0);
	memcpy(to, &word, 8);		/* with its NUL: there are eight bytes of room behind the names */
	return (size_t)(at - t->at);
}

static bool take_name(struct text *t, struct scan *s, uint64_t key, char **to, uint64_t *hash)
{
	size_t len;

	if (!is_at(t, '"') || s->count == WIRE_NODES_MAX)
		return false;
	t->at++;
	len = copy_name(t, key, *to, hash);
	if (!len)
		return false;
	s->nodes[s->count++] = (struct wire_node){.name = *to, .raw = t->at - 1, .raw_len = len + 2};
	*to += len + 1;
	t->at += len + 1;
	return true;
}

/* The names one behind the other; hashes[i] is that of name i. */
static bool take_names(struct text *t, struct scan *s, uint64_t *hashes, uint64_t key)
{
	char *to = s->names;

	s->list = t->at++;
	skip_blanks(t);
	while (!is_at(t, ']')) {
		if (!take_name(t, s, key, &to, &hashes[s->count]))
			return false;
		if (is_at(t, ','))
			t->at++;
		else if (!skip_char(t, ','))
			break;
		skip_blanks(t);
		if (is_at(t, ']'))	/* a comma at the end */
			return false;
	}
	if (!is_at(t, ']'))
		return false;
	s->list_len = (size_t)(++t->at - s->list);
	return true;
}

/* --- each once ------------------------------------------------------------------------------------------------------------- */

struct slot {
	uint32_t hash, node;		/* from 1; 0: empty */
};

static bool is_there(struct slot *slots, size_t mask, const struct scan *s, uint32_t i, uint64_t hash)
{
	size_t at = hash & mask, len = s->nodes[i].raw_len;

	for (; slots[at].node; at = (at + 1) & mask) {
		const struct wire_node *other = &s->nodes[slots[at].node - 1];

		if (slots[at].hash == (uint32_t)(hash >> 32) && other->raw_len == len && memcmp(other->raw, s->nodes[i].raw, len) == 0)
			return true;
	}
	slots[at] = (struct slot){(uint32_t)(hash >> 32), i + 1};
	return false;
}

static bool is_each_once(const struct scan *s, const uint64_t *hashes)
{
	auto_free struct slot *slots = NULL;
	size_t room = 16;
	uint32_t i;

	while (room < (size_t)s->count * 2)
		room *= 2;
	slots = xcalloc(room, sizeof(*slots));
	for (i = 0; i < s->count; i++)
		if (is_there(slots, room - 1, s, i, hashes[i]))
			return false;
	return true;
}

static uint64_t secret(void)
{
	uint64_t number = EACH_BYTE(0x5b);

	if (getauxval(AT_RANDOM))
		memcpy(&number, (const void *)getauxval(AT_RANDOM), sizeof(number));
	return number | 1;
}

/* A name takes four bytes of the list at least, and its NUL fewer than its quotes and comma: the text's length bounds both. */
static bool scan_list(struct text *t, struct scan *s)
{
	size_t bytes = (size_t)(t->end - t->at), room = bytes / 4 < WIRE_NODES_MAX ? bytes / 4 : WIRE_NODES_MAX;
	auto_free uint64_t *hashes = xmalloc((room + 1) * sizeof(*hashes));

	s->names = xmalloc(bytes + 16);
	s->nodes = xmalloc((room + 1) * sizeof(*s->nodes));
	return take_names(t, s, hashes, secret()) && is_each_once(s, hashes);
}

/* What is before the last brace of a text that json_parse takes is a member of the outermost object. */
static bool is_last(const struct text *t)
{
	return t->end - t->at == 1 && *t->at == '}';
}

bool scan_names(const char *text, size_t len, struct scan *out)
{
	struct text t = {text, text + len};

	*out = (struct scan){0};
	if (find_last(&t) && scan_list(&t, out) && is_last(&t))
		return true;
	scan_free(out);
	t.at = text;
	if (find_list(&t) && scan_list(&t, out))
		return true;
	scan_free(out);
	return false;
}

void scan_free(struct scan *s)
{
	free(s->nodes);
	free(s->names);
	*s = (struct scan){0};
}
