#include "lib/json_plain.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_ascii.h"
#include "lib/mem.h"

#define KEYS_MAX 40			/* of an object, compared pair by pair */
#define OPEN_KEYS_MAX 160		/* of an object and all that it lies in; of a pod they are about 60 */
#define DIGITS_MAX 15			/* exact in a double */
#define BYTES_PER_NODE 12		/* about what Go writes for a member; a text with shorter ones is not plain */
#define NODES_LEAST 16u

struct reader {
	char *at, *end;			/* in our copy, which ends with a NUL */
	cJSON *next, *last;		/* nodes that are free; their end */
	const char *const *unread;
	int depth;
	int hidden;			/* levels of what is not built */
	unsigned open;			/* keys of the objects that are not read to their end, and their first eight bytes */
	char *keys[OPEN_KEYS_MAX];
	uint64_t begins[OPEN_KEYS_MAX];
};

static bool take_value(struct reader *r, cJSON *node);

static bool take(struct reader *r, char c)
{
	bool there = *r->at == c;

	r->at += there;
	return there;
}

/* A place for a node; of what is not built one that is forgotten. NULL: there are too many. */
static cJSON *new_node(struct reader *r, cJSON *hidden)
{
	cJSON *node = r->hidden ? hidden : r->next < r->last ? r->next++ : NULL;

	if (node)
		*node = (cJSON){0};
	return node;
}

/* Its content; the quote at its end becomes a NUL. NULL: not plain. */
static char *take_string(struct reader *r)
{
	char *string = r->at + 1;
	uint64_t found;

	if (!take(r, '"'))
		return NULL;
	while (!(found = ascii_special(ascii_load(r->at, r->end))))
		r->at += 8;
	r->at += __builtin_ctzll(found) / 8;
	if (*r->at != '"')
		return NULL;
	*r->at++ = '\0';
	return string;
}

static bool take_number(struct reader *r, cJSON *node)
{
	const char *first = r->at;
	int64_t value = 0;

	for (; *r->at >= '0' && *r->at <= '9' && r->at - first < DIGITS_MAX; r->at++)
		value = value * 10 + (*r->at - '0');
	node->type = cJSON_Number;
	node->valuedouble = (double)value;
	node->valueint = value > INT_MAX ? INT_MAX : (int)value;
	return r->at > first && (*first != '0' || r->at - first == 1) && strchr(",]}", *r->at);	/* or the text's end */
}

static bool take_word(struct reader *r, cJSON *node, const char *word, int type)
{
	size_t len = strlen(word);

	if (strncmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	node->type = type;
	node->valueint = type == cJSON_True;
	return true;
}

static bool is_unread(const struct reader *r, const char *key)
{
	const char *const *unread;

	for (unread = r->unread; *unread; unread++)
		if (key[0] == (*unread)[0] && strcmp(key, *unread) == 0)
			return true;
	return false;
}

/* Other than those from `first` on: its object's. By its first eight bytes, mostly. */
static bool add_key(struct reader *r, unsigned first, char *key)
{
	uint64_t begin = ascii_load(key, r->at - 1);
	unsigned i;

	if (r->open == OPEN_KEYS_MAX || r->open - first == KEYS_MAX)
		return false;
	for (i = first; i < r->open; i++)
		if (r->begins[i] == begin && strcmp(r->keys[i], key) == 0)
			return false;
	r->keys[r->open] = key;
	r->begins[r->open++] = begin;
	return true;
}

/* As cJSON links them: the first one's prev is the last. */
static void link_member(cJSON *node, cJSON *member)
{
	cJSON *first = node->child;

	if (!first) {
		node->child = member->prev = member;
		return;
	}
	member->prev = first->prev;
	first->prev->next = member;
	first->prev = member;
}

static bool take_members(struct reader *r, cJSON *node)
{
	unsigned first = r->open;
	cJSON hidden;

	do {
		cJSON *member = new_node(r, &hidden);
		char *key = member ? take_string(r) : NULL;
		bool hides, good;

		if (!key || !add_key(r, first, key) || !take(r, ':'))
			return false;
		hides = r->hidden || is_unread(r, key);
		member->string = key;
		r->hidden += hides;
		good = take_value(r, member);
		r->hidden -= hides;
		if (!good)
			return false;
		if (!r->hidden)
			link_member(node, member);
	} while (take(r, ','));
	r->open = first;
	return take(r, '}');
}

static bool take_items(struct reader *r, cJSON *node)
{
	cJSON hidden;

	do {
		cJSON *item = new_node(r, &hidden);

		if (!item || !take_value(r, item))
			return false;
		if (!r->hidden)
			link_member(node, item);
	} while (take(r, ','));
	return take(r, ']');
}

static bool take_bracket(struct reader *r, cJSON *node)
{
	bool object = *r->at++ == '{', good;

	node->type = object ? cJSON_Object : cJSON_Array;
	r->depth++;
	good = r->depth <= JSON_DEPTH && (take(r, object ? '}' : ']') || (object ? take_members(r, node) : take_items(r, node)));
	r->depth--;
	return good;
}

static bool take_value(struct reader *r, cJSON *node)
{
	switch (*r->at) {
	case '"':
		node->type = cJSON_String;
		return (node->valuestring = take_string(r)) != NULL;
	case '{':
	case '[':
		return take_bracket(r, node);
	case 't':
		return take_word(r, node, "true", cJSON_True);
	case 'f':
		return take_word(r, node, "false", cJSON_False);
	case 'n':
		return take_word(r, node, "null", cJSON_NULL);
	default:
		return take_number(r, node);
	}
}

bool json_plain_parse(const char *text, size_t len, const char *const *unread, struct json_plain *out)
{
	size_t nodes = len / BYTES_PER_NODE + NODES_LEAST;
	struct reader r = {.unread = unread};

	*out = (struct json_plain){.text = xstrndup(text, len), .root = xmalloc(nodes * sizeof(*out->root))};
	r.at = out->text;
	r.end = r.at + len;
	r.next = out->root;
	r.last = out->root + nodes;
	if (take_value(&r, new_node(&r, NULL)) && r.at == r.end)
		return true;
	json_plain_free(out);
	return false;
}

void json_plain_free(struct json_plain *plain)
{
	free(plain->root);
	free(plain->text);
	*plain = (struct json_plain){0};
}
