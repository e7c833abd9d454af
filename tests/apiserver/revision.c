/* Revisions: an object as text with room for the version, and what selectors look at (store.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/mem.h"
#include "tests/apiserver/revision.h"

/* What every stored text begins with; the version and `rest` follow. */
static const char head[] = "{\"metadata\":{\"resourceVersion\":\"";

void make_uid(char text[static 37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
		 b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void time_text(char text[static 32])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* metadata first, resourceVersion first in it and empty, no kind and apiVersion. */
static void normalize(cJSON *object)
{
	cJSON *meta = cJSON_DetachItemFromObjectCaseSensitive(object, "metadata");
	char uid[37], now[32];

	if (!cJSON_IsObject(meta)) {
		cJSON_Delete(meta);
		meta = cJSON_CreateObject();
	}
	cJSON_DeleteItemFromObjectCaseSensitive(object, "kind");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "apiVersion");
	cJSON_DeleteItemFromObjectCaseSensitive(meta, "resourceVersion");
	cJSON_InsertItemInArray(meta, 0, cJSON_CreateString(""));
	meta->child->string = xstrdup("resourceVersion");
	make_uid(uid);
	json_default_text(meta, "uid", uid);
	time_text(now);
	json_default_text(meta, "creationTimestamp", now);
	cJSON_InsertItemInArray(object, 0, meta);
	if (!meta->string)
		meta->string = xstrdup("metadata");
}

static char *field_value(const cJSON *object, const struct field *f)
{
	const cJSON *value = json_at(object, f->path);

	if (cJSON_IsString(value))
		return xstrdup(value->valuestring);
	if (cJSON_IsBool(value))
		return xstrdup(cJSON_IsTrue(value) ? "true" : "false");
	return xstrdup(f->fallback);
}

struct revision *revision_new(const struct resource *resource, const char *key, cJSON *object, int64_t version)
{
	struct revision *r = xcalloc(1, sizeof(*r));
	const cJSON *labels;
	char *text;
	unsigned i;

	normalize(object);
	text = cJSON_PrintUnformatted(object);
	r->refs = 1;
	r->version = version;
	r->key = xstrdup(key);
	r->uid = xstrdup(json_text_at(object, "metadata.uid"));
	r->rest = xstrdup(text + sizeof(head) - 1);
	r->rest_len = strlen(r->rest);
	free(text);
	labels = json_at(object, "metadata.labels");
	r->labels = labels ? cJSON_Duplicate(labels, true) : NULL;
	for (i = 0; i < FIELDS_MAX && resource->fields[i].name; i++)
		r->fields[i] = field_value(object, &resource->fields[i]);
	return r;
}

void revision_ref(struct revision *r)
{
	r->refs++;
}

void revision_unref(struct revision *r)
{
	unsigned i;

	if (!r || --r->refs > 0)
		return;
	for (i = 0; i < FIELDS_MAX; i++)
		free(r->fields[i]);
	cJSON_Delete(r->labels);
	free(r->key);
	free(r->uid);
	free(r->rest);
	free(r);
}

static void write_stored(const struct revision *r, const struct resource *form, int64_t version, bool with_kind, struct buf *out)
{
	char api_version[API_VERSION_MAX];

	if (with_kind) {
		resource_api_version(form, api_version, sizeof(api_version));
		buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", form->kind, api_version);
		buf_str(out, head + 1);
	} else {
		buf_str(out, head);
	}
	buf_i64(out, version);
	buf_add(out, r->rest, r->rest_len);
}

void revision_write(const struct revision *r, const struct resource *form, int64_t version, bool with_kind, struct buf *out)
{
	auto_buf struct buf stored = {0};
	cJSON *tree;
	char *text;

	if (!form->from_stored) {
		write_stored(r, form, version, with_kind, out);
		return;
	}
	write_stored(r, form, version, with_kind, &stored);
	tree = cJSON_ParseWithLength(stored.data, stored.len);
	form->from_stored(tree);
	text = cJSON_PrintUnformatted(tree);
	buf_str(out, text);
	free(text);
	cJSON_Delete(tree);
}

cJSON *revision_tree(const struct revision *r)
{
	auto_buf struct buf text = {0};

	write_stored(r, NULL, r->version, false, &text);
	return cJSON_ParseWithLength(text.data, text.len);
}
