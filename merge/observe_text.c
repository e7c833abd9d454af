/* Posts and observations.json: from and to JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/snapshot.h"
#include "merge/observe_private.h"

#define VERSION 1
#define AGE_MAX_S 1e6

/* --- posts --------------------------------------------------------------------------------------------------------- */

/* Not json_want_*: of ten thousand bad items nobody reads the reasons, they are counted. */
static bool parse_item(const cJSON *json, struct observe_item *out)
{
	const cJSON *group = json_get(json, "group"), *node = json_get(json, "node"), *ms = json_get(json, "ms"), *count = json_get(json, "count");

	if (!cJSON_IsObject(json) || !cJSON_IsString(group) || !cJSON_IsString(node) || !cJSON_IsNumber(ms))
		return false;
	if (count && (!cJSON_IsNumber(count) || count->valuedouble != floor(count->valuedouble) || fabs(count->valuedouble) > 1e15))
		return false;
	*out = (struct observe_item){xstrdup(group->valuestring), xstrdup(node->valuestring), ms->valuedouble,
				     count ? (int64_t)count->valuedouble : 1};
	return true;
}

static int parse_items(const cJSON *list, struct observe_post *out, struct observe_tally *tally, struct lm_err *err)
{
	int count = cJSON_GetArraySize(list);
	const cJSON *item;

	if (count > OBSERVE_ITEMS_MAX)
		return lm_fail(err, LM_DATA, "observations: %d are more than %d", count, OBSERVE_ITEMS_MAX);
	cJSON_ArrayForEach(item, list) {
		grow(&out->items, &out->room, out->count + 1, sizeof(*out->items));
		if (parse_item(item, &out->items[out->count]))
			out->count++;
		else
			tally->refused[OBSERVE_MALFORMED]++;
	}
	return 0;
}

int observe_post_parse(const char *text, size_t len, struct observe_post *out, struct observe_tally *tally, struct lm_err *err)
{
	auto_json cJSON *root = NULL;
	const cJSON *list;

	*out = (struct observe_post){0};
	if (len > OBSERVE_POST_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, OBSERVE_POST_BYTES);
	root = json_parse(text, len, JSON_DEPTH, err);
	if (!root)
		return -1;
	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is not an object with observations", json_kind(root));
	if (json_want_array(root, "observations", &list, err) < 0)
		return -1;
	return parse_items(list, out, tally, err);
}

void observe_post_free(struct observe_post *post)
{
	size_t i;

	for (i = 0; i < post->count; i++) {
		free(post->items[i].group);
		free(post->items[i].node);
	}
	free(post->items);
	*post = (struct observe_post){0};
}

/* --- the file ------------------------------------------------------------------------------------------------------ */

/* Index of the next figure of the same group, so that a group is written in one piece without sorting. */
static uint32_t *chains(const struct reporter *r, uint32_t **first)
{
	uint32_t *next = xcalloc(r->count, sizeof(*next)), i;

	*first = xcalloc(r->groups.count, sizeof(**first));
	for (i = r->count; i--;) {
		next[i] = (*first)[r->figures[i].group];
		(*first)[r->figures[i].group] = i + 1;
	}
	return next;
}

static void write_group(const struct observe *o, const struct reporter *r, uint32_t at, const uint32_t *next, int64_t now_ms, struct buf *out)
{
	bool comma = false;

	for (; at; at = next[at - 1]) {
		const struct figure *f = &r->figures[at - 1];

		buf_str(out, comma ? ",\"" : "\"");
		buf_str(out, o->nodes.items[f->node]);
		buf_printf(out, "\":[%.9g,%.6g,", exp(f->log_ms), f->weight);
		buf_decimal(out, fmax(0, (double)(now_ms - f->at_ms) / 1e3), 3);
		buf_char(out, ']');
		comma = true;
	}
}

static void write_reporter(const struct observe *o, const struct reporter *r, int64_t now_ms, struct buf *out)
{
	auto_free uint32_t *first = NULL, *next = chains(r, &first);
	bool comma = false;
	uint32_t i;

	for (i = 0; i < r->groups.count; i++) {
		if (!first[i])
			continue;
		buf_str(out, comma ? ",\n \"" : "\n \"");
		buf_str(out, r->groups.items[i]);
		buf_str(out, "\":{");
		write_group(o, r, first[i], next, now_ms, out);
		buf_char(out, '}');
		comma = true;
	}
}

void observe_write(const struct observe *o, int64_t now_ms, struct buf *out)
{
	bool comma = false;
	uint32_t i;

	buf_printf(out, "{\"version\":%d,\n\"reporters\":{", VERSION);
	for (i = 0; i < o->count; i++) {
		if (!o->reporters[i].count)
			continue;
		buf_str(out, comma ? ",\n" : "\n");
		buf_json_string(out, o->reporters[i].name);
		buf_str(out, ":{");
		write_reporter(o, &o->reporters[i], now_ms, out);
		buf_char(out, '}');
		comma = true;
	}
	buf_str(out, "}}\n");
}

static int parse_figure(const cJSON *cell, double values[static 3], struct lm_err *err)
{
	static const struct {
		double least, most;
	} range[3] = {{OBSERVE_MS_MIN * 0.999, OBSERVE_MS_MAX * 1.001}, {0, OBSERVE_WEIGHT_MAX}, {0, AGE_MAX_S}};
	const cJSON *value = cJSON_IsArray(cell) ? cell->child : NULL;
	int i;

	for (i = 0; i < 3; i++, value = value->next) {
		if (!value || !cJSON_IsNumber(value) || !(value->valuedouble >= range[i].least && value->valuedouble <= range[i].most))
			return lm_fail(err, LM_DATA, "%.80s: is not [milliseconds, weight, age]", cell->string);
		values[i] = value->valuedouble;
	}
	return value ? lm_fail(err, LM_DATA, "%.80s: is not [milliseconds, weight, age]", cell->string) : 0;
}

/* Where all of the file's nodes are gone by now its figures are just not taken. */
static int read_cells(struct observe *o, struct reporter *r, const cJSON *group, int64_t read_ms, struct lm_err *err)
{
	const cJSON *cell;

	cJSON_ArrayForEach(cell, group) {
		enum observe_reason ignored;
		struct figure *f;
		double values[3];

		if (!name_is_valid(cell->string))
			return lm_fail(err, LM_DATA, "\"%.80s\" is not a valid name", cell->string);
		if (parse_figure(cell, values, err) < 0)
			return -1;
		f = observe_find_figure(o, r, group->string, cell->string, &ignored);
		if (f)
			*f = (struct figure){f->group, f->node, log(values[0]), values[1], read_ms - llround(values[2] * 1e3)};
	}
	return 0;
}

static int read_reporter(struct observe *o, const cJSON *json, int64_t now_ms, int64_t read_ms, struct lm_err *err)
{
	char name[OBSERVE_REPORTER_BYTES];
	size_t len = strcspn(json->string, "/");
	auto_free char *address = xstrndup(json->string, len);
	struct reporter *r;
	const cJSON *group;

	if (!observe_reporter(address, name) || !STREQ(name, json->string))
		return lm_fail(err, LM_DATA, "\"%.80s\" is no reporter's address", json->string);
	if (!cJSON_IsObject(json))
		return lm_fail(err, LM_DATA, "%s: is %s, not an object", name, json_kind(json));
	r = observe_find_reporter(o, name, now_ms);
	if (!r)
		return lm_fail(err, LM_DATA, "more than %d reporters", OBSERVE_REPORTERS_MAX);
	cJSON_ArrayForEach(group, json) {
		if (!name_is_valid(group->string) || !cJSON_IsObject(group))
			return lm_fail(err, LM_DATA, "%s: \"%.80s\" is not a group with its nodes", name, group->string);
		if (read_cells(o, r, group, read_ms, err) < 0)
			return lm_wrap(err, "%s: %.80s", name, group->string);
	}
	return 0;
}

static const cJSON *reporters_of(const cJSON *root, struct lm_err *err)
{
	const cJSON *list = NULL;
	int64_t version;

	if (!cJSON_IsObject(root)) {
		lm_fail(err, LM_DATA, "%s is not a list of observations", json_kind(root));
		return NULL;
	}
	if (json_want_i64(root, "version", 1, INT32_MAX, &version, err) < 0)
		return NULL;
	if (version > VERSION) {
		lm_fail(err, LM_DATA, "version: %lld is newer than this program (%d)", (long long)version, VERSION);
		return NULL;
	}
	return json_want_object(root, "reporters", &list, err) < 0 ? NULL : list;
}

/* heard_ms of the future is none. */
static void forget_all(struct observe *o)
{
	observe_prune(o, INT64_MAX, 0);
}

int observe_read(struct observe *o, const char *text, size_t len, int64_t now_ms, int64_t elapsed_ms, struct lm_err *err)
{
	auto_json cJSON *root = NULL;
	const cJSON *list, *reporter;

	if (len > OBSERVE_FILE_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, OBSERVE_FILE_BYTES);
	root = json_parse(text, len, JSON_DEPTH, err);
	list = root ? reporters_of(root, err) : NULL;
	if (!list)
		return -1;
	cJSON_ArrayForEach(reporter, list)
		if (read_reporter(o, reporter, now_ms, now_ms - (elapsed_ms > 0 ? elapsed_ms : 0), err) < 0) {
			forget_all(o);
			return lm_wrap(err, "reporters");
		}
	return 0;
}

/* Every node that is named is expected, as far as there can be so many. */
static void expect_all(struct observe *o, const cJSON *list)
{
	const cJSON *reporter, *group, *cell;
	struct names nodes = {0};

	cJSON_ArrayForEach(reporter, list)
		cJSON_ArrayForEach(group, reporter)
			cJSON_ArrayForEach(cell, group)
				if (cell->string && name_is_valid(cell->string) && nodes.count < SNAPSHOT_MAX_NODES)
					names_add(&nodes, cell->string);
	observe_expect(o, &nodes, NULL);
	names_free(&nodes);
}

int observe_check(const char *text, size_t len, uint32_t *reporters, uint32_t *cells, struct lm_err *err)
{
	auto_json cJSON *root = len > OBSERVE_FILE_BYTES ? NULL : json_parse(text, len, JSON_DEPTH, err);
	const cJSON *list = root ? reporters_of(root, err) : NULL;
	struct observe *o;
	int failed;

	if (len > OBSERVE_FILE_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, OBSERVE_FILE_BYTES);
	if (!list)
		return -1;
	o = observe_new();
	expect_all(o, list);
	failed = observe_read(o, text, len, 0, 0, err);
	*reporters = observe_reporters(o);
	*cells = observe_cells(o);
	observe_free(o);
	return failed;
}
