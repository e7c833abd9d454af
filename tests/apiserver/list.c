/*
 * get and list (api.h). A page after the first shows the same version as the first: the table is taken back through the history,
 * which is what makes `continue` expire. A continue token is VERSION~KEY with `/` as `~`; clients must not look into it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/apiserver/api.h"
#include "tests/apiserver/select.h"

#define LATEST (-1)

struct query {
	int64_t version;		/* to show; LATEST */
	int64_t limit;			/* 0: none */
	char after[KEY_MAX];		/* the last key of the page before; "" */
	struct select select;
};

int object_get(struct api *api, struct call *call, struct answer *a)
{
	const struct resource *r = call->target.resource;
	char key[KEY_MAX];
	const struct revision *found;
	int64_t at_least;
	int code = 0;

	if (parse_version(call_arg(call, "resourceVersion"), &at_least, a) < 0)
		return -1;
	call_key(call, key);
	store_lock(api->store);
	found = store_find(api->store, r->id, key);
	if (at_least > store_version(api->store)) {
		code = answer_too_large(a, at_least, store_version(api->store));
	} else if (found) {
		a->code = 200;
		revision_write(found, r, found->version, true, &a->body);
		buf_char(&a->body, '\n');
	} else {
		code = answer_not_found(a, r, call->target.name);
	}
	store_unlock(api->store);
	return code;
}

static void token_make(int64_t version, const char *key, char *text, size_t size)
{
	char *slash;

	snprintf(text, size, "%lld~%s", (long long)version, key);
	for (slash = strchr(text, '/'); slash; slash = strchr(slash, '/'))
		*slash = '~';
}

static int token_parse(const char *text, struct query *q, struct answer *a)
{
	char *end, *tilde;

	q->version = strtoll(text, &end, 10);
	if (end == text || *end != '~' || strlen(end) > sizeof(q->after))
		return answer_bad_request(a, "invalid continue token: continue key is not valid: encoded start key is not valid");
	snprintf(q->after, sizeof(q->after), "%s", end + 1);
	tilde = strchr(q->after, '~');
	if (tilde)
		*tilde = '/';
	return 0;
}

const struct resource list_options = {.group = "meta.k8s.io", .kind = "ListOptions"};

static int forbidden_match(struct answer *a, const char *text)
{
	return answer_invalid(a, &list_options, "", "resourceVersionMatch", "FieldValueForbidden", "Forbidden: %s", text);
}

/* What resourceVersion and resourceVersionMatch mean. `*at_least`: the server must have seen this version. */
static int parse_wanted_version(const struct call *call, struct query *q, int64_t *at_least, struct answer *a)
{
	const char *text = call_arg(call, "resourceVersion"), *match = call_arg(call, "resourceVersionMatch");
	bool exact = match && STREQ(match, "Exact");

	q->version = LATEST;
	if (parse_version(text, at_least, a) < 0)
		return -1;
	if (match && *match && (!text || !*text))
		return forbidden_match(a, "resourceVersionMatch is forbidden unless resourceVersion is provided");
	if (match && *match && !exact && !STREQ(match, "NotOlderThan"))
		return answer_invalid(a, &list_options, "", "resourceVersionMatch", "FieldValueNotSupported",
				      "Unsupported value: \"%.40s\": supported values: \"Exact\", \"NotOlderThan\", \"\"", match);
	if (exact && *at_least == 0)
		return forbidden_match(a, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
	if (*at_least && (exact || ((!match || !*match) && q->limit)))
		q->version = *at_least;
	return 0;
}

static int parse_query(const struct call *call, struct query *q, int64_t *at_least, struct answer *a)
{
	const char *token = call_arg(call, "continue");

	if (call_number(call, "limit", &q->limit, a) < 0 ||
	    select_parse(call->target.resource, call_arg(call, "fieldSelector"), call_arg(call, "labelSelector"), &q->select, a) < 0)
		return -1;
	q->limit = q->limit < 0 ? 0 : q->limit;
	if (parse_wanted_version(call, q, at_least, a) < 0)
		return -1;
	if (!token || !*token)
		return 0;
	if (*at_least)
		return answer_bad_request(a, "specifying resource version is not allowed when using continue");
	return token_parse(token, q, a);
}

/* One page of a table; returns the key that the next one begins after, or NULL when this was the last. */
static const char *write_items(const struct call *call, const struct query *q, const struct table *t, struct buf *items, size_t *left)
{
	const char *last = NULL;
	int64_t shown = 0;
	size_t i;

	*left = 0;
	for (i = 0; i < t->count; i++) {
		const struct revision *r = t->items[i];

		if (!call_covers(call, r) || (*q->after && strcmp(r->key, q->after) <= 0) || !select_matches(&q->select, r))
			continue;
		if (q->limit && shown == q->limit) {
			(*left)++;
			continue;
		}
		if (shown++)
			buf_char(items, ',');
		revision_write(r, call->target.resource, r->version, false, items);
		last = r->key;
	}
	return *left ? last : NULL;
}

void list_begin(const struct resource *form, int64_t version, struct buf *out)
{
	char api_version[API_VERSION_MAX];

	resource_api_version(form, api_version, sizeof(api_version));
	buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%lld\"", form->kind, api_version,
		   (long long)version);
}

static void write_list(const struct call *call, const struct query *q, const struct table *t, int64_t version, struct answer *a)
{
	auto_buf struct buf items = {0};
	char token[KEY_MAX + 32];
	size_t left;
	const char *last = write_items(call, q, t, &items, &left);

	a->code = 200;
	list_begin(call->target.resource, version, &a->body);
	if (last) {
		token_make(q->version == LATEST && *q->after ? LATEST : version, last, token, sizeof(token));
		buf_printf(&a->body, ",\"continue\":\"%s\"", token);
		if (!q->select.count)
			buf_printf(&a->body, ",\"remainingItemCount\":%zu", left);
	}
	buf_str(&a->body, "},\"items\":[");
	buf_add(&a->body, items.data, items.len);
	buf_str(&a->body, "]}\n");
}

static int too_old(const struct query *q, struct answer *a)
{
	char token[KEY_MAX + 32];

	if (!*q->after)
		return answer_expired(a, NULL, "The resourceVersion for the provided list is too old.");
	token_make(LATEST, q->after, token, sizeof(token));
	return answer_expired(a, token, "The provided continue parameter is too old to display a consistent list result. You can start a new list "
			      "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
			      "results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, "
			      "or deleted between the time the first chunk was returned and now may show up in the list.");
}

/* With the lock. */
static int list_at(struct api *api, struct call *call, const struct query *q, int64_t at_least, struct answer *a)
{
	enum resource_id id = call->target.resource->id;
	int64_t now = store_version(api->store);
	struct table then;

	if (at_least > now || q->version > now)
		return answer_too_large(a, at_least > now ? at_least : q->version, now);
	if (q->version == LATEST || q->version == now) {
		write_list(call, q, store_table(api->store, id), now, a);
		return 0;
	}
	if (q->version < store_floor(api->store, id))
		return too_old(q, a);
	then = store_table_at(api->store, id, q->version);
	write_list(call, q, &then, q->version, a);
	free(then.items);
	return 0;
}

int object_list(struct api *api, struct call *call, struct answer *a)
{
	struct query q = {0};
	int64_t at_least;
	int code = parse_query(call, &q, &at_least, a);

	if (code == 0) {
		store_lock(api->store);
		code = list_at(api, call, &q, at_least, a);
		store_unlock(api->store);
	}
	select_free(&q.select);
	return code;
}
