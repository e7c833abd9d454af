#include "tests/e2e/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/e2e/e2e.h"

static FILE *audit_open(void)
{
	auto_free char *path = xasprintf("%s/audit.log", e2e_out());
	FILE *file = fopen(path, "re");

	if (!file)
		fail_msg("%s: cannot be read (cluster.sh --audit writes)", path);
	return file;
}

long audit_mark(void)
{
	auto_file FILE *file = audit_open();

	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	return ftell(file);
}

/* "2026-11-24T04:21:02.935039Z", with its microseconds. */
static int64_t time_us(const char *text)
{
	const char *dot = strchr(text, '.');
	int64_t wall_ms;
	char digits[7] = "000000";
	size_t i;

	if (clock_parse(text, &wall_ms) < 0)
		fail_msg("audit: a time \"%s\"", text);
	for (i = 0; dot && i < 6 && dot[1 + i] >= '0' && dot[1 + i] <= '9'; i++)
		digits[i] = dot[1 + i];
	return wall_ms / 1000 * 1000000 + strtol(digits, NULL, 10);
}

/* The first of the list that the authenticator of tokens adds. */
static const char *credential_of(const cJSON *line)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(item_at(line, "user.extra"), AUDIT_CREDENTIAL);
	const char *id = cJSON_GetStringValue(cJSON_GetArrayItem(list, 0));

	return id ? id : "";
}

static struct audit_entry entry_of(const cJSON *line)
{
	const cJSON *body = item_at(line, "requestObject");
	bool is_binding = STREQ(text_at(line, "objectRef.subresource"), "binding") || STREQ(text_at(line, "objectRef.resource"), "bindings");

	return (struct audit_entry){
		.at_us = time_us(text_at(line, "requestReceivedTimestamp")),
		.done_us = time_us(text_at(line, "stageTimestamp")),
		.verb = text_at(line, "verb"),
		.user = text_at(line, "user.username"),
		.agent = text_at(line, "userAgent"),
		.uri = text_at(line, "requestURI"),
		.resource = text_at(line, "objectRef.resource"),
		.subresource = text_at(line, "objectRef.subresource"),
		.namespace_ = text_at(line, "objectRef.namespace"),
		.name = text_at(line, "objectRef.name"),
		.address = cJSON_GetStringValue(cJSON_GetArrayItem(item_at(line, "sourceIPs"), 0)),
		.credential = credential_of(line),
		.code = (int)cJSON_GetNumberValue(item_at(line, "responseStatus.code")),
		.uid = is_binding ? text_at(body, "metadata.uid") : "",
		.node = is_binding ? text_at(body, "target.name") : "",
		.holder = text_at(line, "requestObject.spec.holderIdentity"),
		.body = body,
	};
}

static int by_time(const void *a, const void *b)
{
	const struct audit_entry *x = a, *y = b;

	return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

void audit_read(struct audit *a, long from)
{
	auto_file FILE *file = audit_open();
	auto_free char *line = NULL;
	size_t room = 0;
	ssize_t len;

	*a = (struct audit){0};
	assert_int_equal(fseek(file, from, SEEK_SET), 0);
	while ((len = getline(&line, &room, file)) > 0 && line[len - 1] == '\n') {
		cJSON *tree = cJSON_ParseWithLength(line, (size_t)len);

		assert_non_null(tree);
		grow(&a->lines, &a->line_room, a->line_count + 1, sizeof(*a->lines));
		a->lines[a->line_count++] = tree;
		grow(&a->entries, &a->room, a->count + 1, sizeof(*a->entries));
		a->entries[a->count++] = entry_of(tree);
	}
	if (a->count)
		qsort(a->entries, a->count, sizeof(*a->entries), by_time);
}

void audit_free(struct audit *a)
{
	size_t i;

	for (i = 0; i < a->line_count; i++)
		cJSON_Delete(a->lines[i]);
	free(a->lines);
	free(a->entries);
	*a = (struct audit){0};
}

int audit_is_binding(const struct audit_entry *e)
{
	return STREQ(e->verb, "create") && (STREQ(e->subresource, "binding") || STREQ(e->resource, "bindings"));
}

int audit_is_bound(const struct audit_entry *e)
{
	return *e->node && e->code == 201;
}

int audit_may_be_bound(const struct audit_entry *e)
{
	return *e->node && (e->code == 0 || e->code >= 500);
}

char *audit_journal(const struct audit *a)
{
	struct buf out = {0};
	size_t i;

	buf_str(&out, "");
	for (i = 0; i < a->count; i++)
		if (*a->entries[i].node)
			buf_printf(&out, "{\"committed\":%s,\"uid\":\"%s\",\"node\":\"%s\"}\n", audit_is_bound(&a->entries[i]) ? "true" :
				   audit_may_be_bound(&a->entries[i]) ? "null" : "false", a->entries[i].uid, a->entries[i].node);
	return out.data;
}
