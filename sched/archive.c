#include "sched/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/cache/table.h"

#define KINDS (CLUSTER_OTHER + OBJECT_KINDS)

struct tap {
	struct archive *archive;
	int kind;
	const struct kube_watch_handlers *handlers;
	void *arg;
	struct tap *next;
};

struct archive {
	struct table items;
	uint64_t round[KINDS];
	size_t bytes;
	struct tap *taps;
};

/* --- to text --------------------------------------------------------------------------------------------------------- */

/* Where in an object a member stands. */
enum where { ROOT, METADATA, ANNOTATIONS, SPEC, CONTAINERS, CONTAINER, ELSEWHERE };

static bool is_one_of(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (STREQ(*keys, key))
			return true;
	return false;
}

static bool is_left_out(enum where where, const char *key)
{
	static const char *const identity[] = {"kind", "apiVersion", NULL};	/* said once, in front */
	static const char *const metadata[] = {"managedFields", NULL};
	static const char *const annotations[] = {"kubectl.kubernetes.io/last-applied-configuration", NULL};
	static const char *const container[] = {"env", "envFrom", "command", "args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
						"volumeMounts", "volumeDevices", NULL};
	static const char *const *const of[] = {[ROOT] = identity, [METADATA] = metadata, [ANNOTATIONS] = annotations, [CONTAINER] = container,
						[ELSEWHERE] = NULL};

	return of[where] && is_one_of(key, of[where]);
}

static enum where below(enum where where, const char *key)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers", NULL};

	if (where == ROOT)
		return STREQ(key, "metadata") ? METADATA : STREQ(key, "spec") ? SPEC : ELSEWHERE;
	if (where == METADATA && STREQ(key, "annotations"))
		return ANNOTATIONS;
	return where == SPEC && is_one_of(key, lists) ? CONTAINERS : ELSEWHERE;
}

static void write_number(double number, struct buf *out)
{
	char text[32];

	snprintf(text, sizeof(text), "%.15g", number);
	if (strtod(text, NULL) < number || strtod(text, NULL) > number)
		snprintf(text, sizeof(text), "%.17g", number);
	buf_str(out, text);
}

static void write_value(const cJSON *value, enum where where, struct buf *out);

static void write_members(const cJSON *object, enum where where, const char *separator, struct buf *out)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, object) {
		if (is_left_out(where, member->string))
			continue;
		buf_str(out, separator);
		buf_json_string(out, member->string);
		buf_char(out, ':');
		write_value(member, below(where, member->string), out);
		separator = ",";
	}
}

static void write_items(const cJSON *array, enum where where, struct buf *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		buf_str(out, item == array->child ? "" : ",");
		write_value(item, where == CONTAINERS ? CONTAINER : ELSEWHERE, out);
	}
}

/* The depth is bounded by the parser that made the tree. */
static void write_value(const cJSON *value, enum where where, struct buf *out)
{
	if (cJSON_IsObject(value)) {
		buf_char(out, '{');
		write_members(value, where, "", out);
		buf_char(out, '}');
	} else if (cJSON_IsArray(value)) {
		buf_char(out, '[');
		write_items(value, where, out);
		buf_char(out, ']');
	} else if (cJSON_IsString(value)) {
		buf_json_string(out, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		write_number(value->valuedouble, out);
	} else {
		buf_str(out, cJSON_IsTrue(value) ? "true" : cJSON_IsFalse(value) ? "false" : "null");
	}
}

static char *text_of(int kind, const cJSON *object)
{
	struct buf out = {0};
	char version[CLUSTER_VERSION_TEXT];
	const char *name = cluster_kind_name(kind, version);

	buf_printf(&out, "{\"apiVersion\":\"%s\",\"kind\":\"%s\"", version, name);
	write_members(object, ROOT, ",", &out);
	buf_char(&out, '}');
	return xrealloc(out.data, out.len + 1, 1);
}

/* --- the table ------------------------------------------------------------------------------------------------------- */

struct key {
	int kind;
	const char *namespace_, *name;
};

static struct key key_of(int kind, const cJSON *object)
{
	const cJSON *metadata = read_member(object, "metadata");

	return (struct key){kind, read_text(metadata, "namespace"), read_text(metadata, "name")};
}

static uint64_t hash_of(const struct key *key)
{
	return hash_text(hash_text(hash_number(HASH_START + (uint64_t)key->kind), key->namespace_), key->name);
}

static bool same(const void *item, const void *key)
{
	const struct archived *a = item;
	const struct key *want = key;

	return a->kind == want->kind && STREQ(a->name, want->name) && STREQ(a->namespace_, want->namespace_);
}

static void item_free(struct archived *item)
{
	free(item->namespace_);
	free(item->name);
	free(item->uid);
	free(item->resource_version);
	free(item->text);
	free(item);
}

static void drop(struct archive *a, struct archived *item)
{
	struct key key = {item->kind, item->namespace_, item->name};

	table_remove(&a->items, hash_of(&key), item);
	a->bytes -= strlen(item->text);
	item_free(item);
}

struct archive *archive_new(void)
{
	return xcalloc(1, sizeof(struct archive));
}

void archive_free(struct archive *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->items.room; i++)
		if (a->items.slots[i].item)
			item_free(a->items.slots[i].item);
	table_free(&a->items);
	while (a->taps) {
		struct tap *tap = a->taps;

		a->taps = tap->next;
		free(tap);
	}
	free(a);
}

void archive_put(struct archive *a, int kind, const cJSON *object)
{
	struct key key = key_of(kind, object);
	struct archived *item = table_find(&a->items, hash_of(&key), same, &key);
	const cJSON *metadata = read_member(object, "metadata");

	if (!key.name[0])
		return;
	if (item)
		drop(a, item);
	item = xcalloc(1, sizeof(*item));
	*item = (struct archived){.kind = kind, .namespace_ = xstrdup(key.namespace_), .name = xstrdup(key.name), .text = text_of(kind, object),
				  .uid = xstrdup(read_text(metadata, "uid")), .round = a->round[kind],
				  .resource_version = xstrdup(read_text(metadata, "resourceVersion"))};
	a->bytes += strlen(item->text);
	table_put(&a->items, hash_of(&key), item);
}

void archive_delete(struct archive *a, int kind, const cJSON *object)
{
	struct key key = key_of(kind, object);
	struct archived *item = table_find(&a->items, hash_of(&key), same, &key);

	if (item && STREQ(item->uid, read_text(read_member(object, "metadata"), "uid")))
		drop(a, item);
}

void archive_begin(struct archive *a, int kind)
{
	a->round[kind]++;
}

static int by_name(const void *x, const void *y)
{
	const struct archived *a = *(const struct archived *const *)x, *b = *(const struct archived *const *)y;
	int order = a->kind - b->kind;

	order = order ? order : strcmp(a->namespace_, b->namespace_);
	return order ? order : strcmp(a->name, b->name);
}

static struct archived **all_items(const struct archive *a)
{
	struct archived **items = xcalloc(a->items.count + 1, sizeof(*items));
	size_t i, count = 0;

	for (i = 0; i < a->items.room; i++)
		if (a->items.slots[i].item)
			items[count++] = a->items.slots[i].item;
	return items;
}

void archive_end(struct archive *a, int kind)
{
	size_t i, count = a->items.count;
	auto_free struct archived **items = all_items(a);

	for (i = 0; i < count; i++)
		if (items[i]->kind == kind && items[i]->round != a->round[kind])
			drop(a, items[i]);
}

struct archived **archive_sorted(const struct archive *a, size_t *count)
{
	struct archived **items = all_items(a);

	*count = a->items.count;
	qsort(items, *count, sizeof(struct archived *), by_name);
	return items;
}

size_t archive_bytes(const struct archive *a)
{
	return a->bytes;
}

/* --- taps ------------------------------------------------------------------------------------------------------------ */

static void tap_begin(void *arg)
{
	struct tap *t = arg;

	archive_begin(t->archive, t->kind);
	t->handlers->replace_begin(t->arg);
}

static void tap_object(void *arg, enum kube_event event, const cJSON *object)
{
	struct tap *t = arg;

	if (event == KUBE_DELETED)
		archive_delete(t->archive, t->kind, object);
	else
		archive_put(t->archive, t->kind, object);
	t->handlers->object(t->arg, event, object);
}

static void tap_end(void *arg)
{
	struct tap *t = arg;

	archive_end(t->archive, t->kind);
	t->handlers->replace_end(t->arg);
}

static void tap_trouble(void *arg, const struct lm_err *err, int64_t retry_in_ms)
{
	struct tap *t = arg;

	if (t->handlers->trouble)
		t->handlers->trouble(t->arg, err, retry_in_ms);
}

const struct kube_watch_handlers archive_tap_handlers = {tap_begin, tap_object, tap_end, tap_trouble};

void *archive_tap(struct archive *a, int kind, const struct kube_watch_handlers *handlers, void *arg)
{
	struct tap *tap = xcalloc(1, sizeof(*tap));

	*tap = (struct tap){a, kind, handlers, arg, a->taps};
	a->taps = tap;
	return tap;
}
