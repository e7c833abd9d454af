#include "lib/kube/page.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

/*
 * The text passed json_check, so it is well-formed: the functions below only look for where values end. They still never go beyond
 * `end`, whatever comes.
 */
struct span {
	const char *from;
	size_t len;
};

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end)
			p++;
	return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if ((*p == '}' || *p == ']' || *p == ',') && depth == 0) {
			return p;	/* the end of a bare value */
		} else {
			depth -= *p == '}' || *p == ']';
			p++;
		}
		if (depth == 0 && p < end && (p[-1] == '"' || p[-1] == '}' || p[-1] == ']'))
			return p;
	}
	return end;
}

/* The next member of an object, with *p behind `{` or `,`. False at the end. */
static bool next_member(const char **p, const char *end, struct span *key, struct span *value)
{
	const char *at = skip_blanks(*p, end), *key_end;

	if (at < end && *at == ',')
		at = skip_blanks(at + 1, end);
	if (at >= end || *at != '"')
		return false;
	key_end = skip_string(at, end);
	*key = (struct span){at + 1, (size_t)(key_end - at) - 2};
	at = skip_blanks(key_end, end);
	if (at >= end || *at != ':')
		return false;
	at = skip_blanks(at + 1, end);
	*value = (struct span){at, (size_t)(skip_value(at, end) - at)};
	*p = at + value->len;
	while (value->len > 0 && strchr(" \t\r\n", at[value->len - 1]))
		value->len--;
	return true;
}

static bool is_key(const struct span *key, const char *name)
{
	return key->len == strlen(name) && memcmp(key->from, name, key->len) == 0;
}

static int take_once(struct span *into, const struct span *value, const char *name, struct lm_err *err)
{
	if (into->from)
		return lm_fail(err, LM_DATA, "duplicate key \"%s\"", name);
	*into = *value;
	return 0;
}

static int check_kind(const struct span *kind, struct lm_err *err)
{
	auto_json cJSON *value = kind->from ? json_parse_api(kind->from, kind->len, 0, err) : NULL;
	const char *name = cJSON_IsString(value) ? value->valuestring : "";
	size_t len = strlen(name);

	if (len > 4 && STREQ(name + len - 4, "List"))
		return 0;
	return lm_fail(err, LM_DATA, "not a list: its kind is `%.60s`", name);
}

static int open_metadata(struct page *page, const struct span *metadata, struct lm_err *err)
{
	page->metadata = metadata->from ? json_parse_api(metadata->from, metadata->len, 0, err) : NULL;
	if (!cJSON_IsObject(page->metadata))
		return lm_fail(err, LM_DATA, "metadata: is %s, not an object", json_kind(page->metadata));
	if (json_want_string(page->metadata, "resourceVersion", &page->resource_version, err) < 0 ||
	    json_may_string(page->metadata, "continue", &page->next, err) < 0)
		return lm_wrap(err, "metadata");
	if (!*page->resource_version)
		return lm_fail(err, LM_DATA, "metadata.resourceVersion: is empty");
	return 0;
}

static int open_items(struct page *page, const struct span *items, struct lm_err *err)
{
	if (!items->from)
		return lm_fail(err, LM_DATA, "items: is missing");
	if (items->len == 4 && memcmp(items->from, "null", 4) == 0) {
		page->at = page->end = items->from;	/* how Go writes an empty list */
		return 0;
	}
	if (*items->from != '[')
		return lm_fail(err, LM_DATA, "items: is no array");
	page->at = items->from + 1;
	page->end = items->from + items->len - 1;
	return 0;
}

static int open_list(struct page *page, const char *text, size_t len, struct lm_err *err)
{
	const char *end = text + len, *p = skip_blanks(text, end);
	struct span key, value, kind = {0}, metadata = {0}, items = {0};

	if (json_check_api(text, len, err) < 0)
		return -1;
	if (*p != '{')
		return lm_fail(err, LM_DATA, "not a list: no object");
	for (p++; next_member(&p, end, &key, &value);)
		if ((is_key(&key, "kind") && take_once(&kind, &value, "kind", err) < 0) ||
		    (is_key(&key, "metadata") && take_once(&metadata, &value, "metadata", err) < 0) ||
		    (is_key(&key, "items") && take_once(&items, &value, "items", err) < 0))
			return -1;
	if (check_kind(&kind, err) < 0 || open_metadata(page, &metadata, err) < 0)
		return -1;
	return open_items(page, &items, err);
}

int page_open(struct page *page, const char *text, size_t len, struct lm_err *err)
{
	*page = (struct page){.next = ""};
	if (open_list(page, text, len, err) == 0)
		return 0;
	page_close(page);
	return -1;
}

int page_next(struct page *page, cJSON **item, struct lm_err *err)
{
	const char *from = skip_blanks(page->at, page->end), *end;

	if (from < page->end && *from == ',')
		from = skip_blanks(from + 1, page->end);
	if (from >= page->end)
		return 0;
	end = skip_value(from, page->end);
	page->at = end;
	*item = json_parse_api(from, (size_t)(end - from), 0, err);
	if (!*item)
		return lm_wrap(err, "items");
	if (cJSON_IsObject(*item))
		return 1;
	lm_fail(err, LM_DATA, "items: one is %s, not an object", json_kind(*item));
	cJSON_Delete(*item);
	*item = NULL;
	return -1;
}

void page_close(struct page *page)
{
	cJSON_Delete(page->metadata);
	*page = (struct page){0};
}
