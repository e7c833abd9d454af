#include "tests/conformance/opinion.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/conformance/make.h"

void opinion_add(struct opinion *v, const char *node)
{
	uint32_t at = v->count;

	v->nodes = xrealloc(v->nodes, v->count + 1, sizeof(*v->nodes));
	for (; at > 0 && strcmp(v->nodes[at - 1], node) > 0; at--)
		v->nodes[at] = v->nodes[at - 1];
	v->nodes[at] = xstrdup(node);
	v->count++;
}

/* Ours knows no preemption, and has no word on devices. "not found" is the node that the pod was nominated to, looked up for preemption. */
static void cut_preemption(char *text)
{
	static const char *const beginnings[] = {" no new claims to deallocate", " still not schedulable", " preemption:", ". not found"};
	size_t i;
	char *at;

	for (i = 0; i < ARRAY_SIZE(beginnings); i++)
		if ((at = strstr(text, beginnings[i])) != NULL)
			at[*at == '.'] = '\0';
}

/* " 3 recorded, 2 Insufficient cpu." -> " 2 Insufficient cpu." */
static void cut_recorded(char *text)
{
	char *end = strstr(text, RECORDED), *begin = end;

	if (!end)
		return;
	end += strlen(RECORDED);
	for (begin--; begin > text && isdigit((unsigned char)begin[-1]); begin--)
		;
	if (strncmp(end, ", ", 2) == 0)
		end += 2;
	else if (begin - text > 2 && strncmp(begin - 2, ", ", 2) == 0)
		begin -= 2;
	else
		end += *end == '.';
	memmove(begin, end, strlen(end) + 1);
}

char *opinion_reasons(const char *message)
{
	static const char head[] = " nodes are available:";
	const char *at = strstr(message, head);
	char *text;

	message = at && isdigit((unsigned char)*message) ? at + strlen(head) : message;
	text = xstrdup(message + (*message == ' '));
	cut_preemption(text);
	cut_recorded(text);
	return text;
}

static bool same_nodes(const struct opinion *a, const struct opinion *b)
{
	uint32_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (!STREQ(a->nodes[i], b->nodes[i]))
			return false;
	return true;
}

unsigned opinion_differs(const struct opinion *theirs, const struct opinion *ours)
{
	return (same_nodes(theirs, ours) ? 0u : OPINION_NODES) | (theirs->error || STREQ(theirs->reasons, ours->reasons) ? 0u : OPINION_REASONS);
}

/* --- what differs, in words ---------------------------------------------------------------------------------------------- */

static bool has_item(const char *reasons, const char *item, size_t len)
{
	const char *at = reasons;

	for (; (at = strstr(at, item)) != NULL; at++)
		if ((at == reasons || at[-1] == ' ') && strchr(",.", at[len]))
			return true;
	return false;
}

/* "2 node(s) had no available disk" -> "-node-s-had-no-available-disk" */
static void add_words(struct buf *out, const char *item)
{
	bool gap = true;

	for (; *item; item++) {
		if (isalpha((unsigned char)*item)) {
			if (gap && out->len)
				buf_char(out, '-');
			buf_char(out, (char)tolower((unsigned char)*item));
		}
		gap = !isalpha((unsigned char)*item);
	}
}

static void add_missing(struct buf *out, const char *of, const char *in)
{
	auto_free char *copy = xstrdup(of);
	char *rest = copy, *item;
	struct buf words = {0};
	size_t len = strlen(copy);

	if (len && copy[len - 1] == '.')
		copy[len - 1] = '\0';
	while ((item = strsep(&rest, ",")) != NULL) {
		item += *item == ' ';
		if (!*item || has_item(in, item, strlen(item)))
			continue;
		buf_clear(&words);
		add_words(&words, item);
		if (words.len && !(out->len && strstr(out->data, words.data)))
			buf_printf(out, "%s%s", out->len ? "-" : "", words.data);
	}
	buf_free(&words);
}

char *opinion_difference(const struct opinion *theirs, const struct opinion *ours)
{
	struct buf out = {0};

	add_missing(&out, theirs->reasons, ours->reasons);
	add_missing(&out, ours->reasons, theirs->reasons);
	if (!out.len)
		buf_str(&out, "nodes");
	if (out.len > 100)
		out.data[100] = '\0';
	return out.data;
}

void opinion_free(struct opinion *v)
{
	uint32_t i;

	for (i = 0; i < v->count; i++)
		free(v->nodes[i]);
	free(v->nodes);
	free(v->reasons);
	*v = (struct opinion){0};
}

cJSON *opinion_to_json(const struct opinion *v)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddItemToObject(json, "nodes", cJSON_CreateStringArray((const char *const *)v->nodes, (int)v->count));
	cJSON_AddStringToObject(json, "reasons", v->reasons);
	if (v->error)
		cJSON_AddTrueToObject(json, "error");
	return json;
}

void opinion_of_json(const cJSON *json, struct opinion *out)
{
	const cJSON *node;

	*out = (struct opinion){.reasons = xstrdup(get_text(json, "reasons")), .error = cJSON_IsTrue(get(json, "error"))};
	cJSON_ArrayForEach(node, get(json, "nodes"))
		opinion_add(out, node->valuestring);
}
