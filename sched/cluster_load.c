/* Files and folders to objects: formats, lists, limits, and the words of errors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "lib/yaml.h"
#include "sched/cache/read.h"
#include "sched/cluster.h"

static const struct yaml_limits yaml_limits = {.bytes = CLUSTER_MAX_BYTES, .levels = JSON_DEPTH_API, .nodes = 20000000};

struct reading {
	const struct cluster_reader *reader;
	uint32_t objects;
};

/* --- objects --------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && STREQ(text + len - end_len, end);
}

/* Its kind and name in front of an error, as far as it has them. */
static int blame(const cJSON *object, struct lm_err *err)
{
	const cJSON *metadata = read_member(object, "metadata");
	const char *namespace_ = read_text(metadata, "namespace"), *name = read_text(metadata, "name");

	if (!*name)
		return lm_wrap(err, "%.60s", read_text(object, "kind"));
	return lm_wrap(err, "%.60s %.100s%s%.100s", read_text(object, "kind"), namespace_, *namespace_ ? "/" : "", name);
}

static int take_object(struct reading *r, cJSON *object, struct lm_err *err)
{
	if (++r->objects > CLUSTER_MAX_OBJECTS)
		return lm_fail(err, LM_DATA, "more than %d objects", CLUSTER_MAX_OBJECTS);
	if (cluster_kind(object) >= 0 && cluster_complete(object, err) < 0)
		return blame(object, err);
	return r->reader->object(r->reader->arg, object, err) < 0 ? blame(object, err) : 0;
}

/* Some other kind may end like that, too. */
static bool is_list(const cJSON *document, const char *kind)
{
	return STREQ(kind, "List") || STREQ(kind, "PodList") || STREQ(kind, "NodeList") || (ends_with(kind, "List") && json_get(document, "items"));
}

/* An answer of the API says kind and version once for all. */
static void inherit(cJSON *item, const cJSON *list, const char *list_kind)
{
	const char *version = read_text(list, "apiVersion");
	auto_free char *kind = xstrndup(list_kind, strlen(list_kind) - strlen("List"));

	if (!*kind || json_get(item, "kind"))
		return;
	cJSON_AddStringToObject(item, "kind", kind);
	if (*version && !json_get(item, "apiVersion"))
		cJSON_AddStringToObject(item, "apiVersion", version);
}

static int take_document(struct reading *r, cJSON *document, struct lm_err *err);

static int take_list(struct reading *r, const cJSON *list, const char *kind, struct lm_err *err)
{
	const cJSON *items;
	cJSON *item;
	int i = 0, there = json_may_array(list, "items", &items, err);

	if (there < 0 || (!there && !json_get(list, "items")))
		return there < 0 ? -1 : lm_fail(err, LM_DATA, "items: is missing");
	if (read_text(read_member(list, "metadata"), "continue")[0])
		return lm_fail(err, LM_DATA, "metadata.continue: this is a part of a list (ask kubectl with --chunk-size=0)");
	if (r->reader->list && r->reader->list(r->reader->arg, list, err) < 0)
		return -1;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(list, "items")) {
		if (cJSON_IsObject(item))
			inherit(item, list, kind);
		if (take_document(r, item, err) < 0)
			return lm_wrap(err, "items[%d]", i);
		i++;
	}
	return 0;
}

/* A list may hold lists; the parser has bounded how deep. */
static int take_document(struct reading *r, cJSON *document, struct lm_err *err)
{
	const char *kind;

	if (!cJSON_IsObject(document))
		return lm_fail(err, LM_DATA, "is %s, not an object", json_kind(document));
	if (json_want_string(document, "kind", &kind, err) < 0)
		return -1;
	if (!*kind)
		return lm_fail(err, LM_DATA, "kind: is empty");
	return is_list(document, kind) ? take_list(r, document, kind, err) : take_object(r, document, err);
}

/* --- files ----------------------------------------------------------------------------------------------------------- */

static bool is_json(const char *name, const char *text)
{
	if (ends_with(name, ".json"))
		return true;
	return !ends_with(name, ".yaml") && !ends_with(name, ".yml") && text[strspn(text, " \t\r\n")] == '{';
}

/* An array of documents. */
static cJSON *parse(const char *name, const struct file_text *text, struct lm_err *err)
{
	cJSON *root, *documents;

	if (!is_json(name, text->data))
		return yaml_documents(text->data, text->len, &yaml_limits, err);
	root = json_parse_api(text->data, text->len, 0, err);
	if (!root)
		return NULL;
	documents = cJSON_CreateArray();
	cJSON_AddItemToArray(documents, root);
	return documents;
}

static int take_documents(struct reading *r, cJSON *documents, struct lm_err *err)
{
	bool several = documents->child && documents->child->next;
	cJSON *document;
	int i = 0;

	cJSON_ArrayForEach(document, documents) {
		i++;
		if (take_document(r, document, err) < 0)
			return several ? lm_wrap(err, "document %d", i) : -1;
	}
	return i ? 0 : lm_fail(err, LM_DATA, "is empty");
}

static int read_one(struct reading *r, const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	auto_json cJSON *documents = NULL;

	if (file_read(AT_FDCWD, path, CLUSTER_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return -1;
	documents = parse(path, &text, err);
	file_text_free(&text);
	if (!documents || take_documents(r, documents, err) < 0)
		return lm_wrap(err, "%.200s", path);
	return 0;
}

/* --- folders --------------------------------------------------------------------------------------------------------- */

static int is_wanted(const struct dirent *entry)
{
	const char *name = entry->d_name;

	return name[0] != '.' && !STREQ(name, CLUSTER_LATENCY_FILE) &&
	       (ends_with(name, ".json") || ends_with(name, ".yaml") || ends_with(name, ".yml"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_all(struct reading *r, const char *folder, struct dirent **entries, int count, struct lm_err *err)
{
	int i;

	if (!count)
		return lm_fail(err, LM_NOINPUT, "%.200s: no *.json, *.yaml or *.yml in this folder", folder);
	if (count > CLUSTER_MAX_FILES)
		return lm_fail(err, LM_DATA, "%.200s: more than %d files", folder, CLUSTER_MAX_FILES);
	for (i = 0; i < count; i++) {
		auto_free char *path = xasprintf("%s/%s", folder, entries[i]->d_name);

		if (read_one(r, path, err) < 0)
			return -1;
	}
	return 0;
}

static int read_folder(struct reading *r, const char *folder, struct lm_err *err)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_wanted, by_name), failed;

	if (count < 0)
		return lm_fail_errno(err, "open folder `%s`", folder);
	failed = read_all(r, folder, entries, count, err);
	while (count > 0)
		free(entries[--count]);
	free(entries);
	return failed;
}

int cluster_read(const char *path, const struct cluster_reader *reader, struct lm_err *err)
{
	struct reading r = {.reader = reader};
	struct stat st;

	if (stat(path, &st) < 0)
		return lm_fail_errno(err, "open `%s`", path);
	return S_ISDIR(st.st_mode) ? read_folder(&r, path, err) : read_one(&r, path, err);
}

/* --- into a cache ---------------------------------------------------------------------------------------------------- */

struct loading {
	struct cache *cache;
	struct cluster_counts *counts;
};

static int add(void *arg, cJSON *object, struct lm_err *err)
{
	struct loading *l = arg;

	return cluster_add(l->cache, object, l->counts, err);
}

int cluster_load(struct cache *c, const char *path, struct cluster_counts *counts, struct lm_err *err)
{
	struct loading l = {c, counts};

	return cluster_read(path, &(struct cluster_reader){.object = add, .arg = &l}, err);
}
