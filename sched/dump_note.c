/* What a dump says of the time and of the matrix's past, read back. */
#include <math.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "sched/dump.h"

static int check_time(const cJSON *object, const char *key, struct lm_err *err)
{
	const char *text;
	int64_t ignored;

	if (json_want_string(object, key, &text, err) < 0)
		return -1;
	return clock_parse(text, &ignored) < 0 ? lm_fail(err, LM_DATA, "%s: \"%.60s\" is no time", key, text) : 0;
}

static int check_entry(const cJSON *past, struct lm_err *err)
{
	const cJSON *shares, *item;
	int there = json_may_object(past, "entry", &shares, err);

	if (there <= 0)
		return there;
	if (cJSON_GetArraySize(shares) > SNAPSHOT_MAX_NODES)
		return lm_fail(err, LM_DATA, "entry: more than %d", SNAPSHOT_MAX_NODES);
	cJSON_ArrayForEach(item, shares)
		if (!name_is_valid(item->string) || !cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble <= 1))
			return lm_fail(err, LM_DATA, "entry: %.100s: is no share of a node", item->string);
	return 0;
}

static int check_past(const cJSON *past, struct lm_err *err)
{
	const char *epoch;
	const cJSON *classes;
	int64_t generation;
	bool hold;

	if (json_want_string(past, "epoch", &epoch, err) < 0 || json_want_i64(past, "generation", 0, INT64_C(1) << 53, &generation, err) < 0 ||
	    check_time(past, "written", err) < 0 || check_time(past, "taken", err) < 0 || json_may_bool(past, "hold", &hold, err) < 0)
		return -1;
	return json_want_object(past, "classes", &classes, err) < 0 ? -1 : check_entry(past, err);
}

/* Below 0: in the turn of the loop in which the dump was asked for, and after that. */
static int check_placed(const cJSON *placed, struct lm_err *err)
{
	const double most = 9e15;
	const cJSON *item;

	cJSON_ArrayForEach(item, placed)
		if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= most) || floor(item->valuedouble) < item->valuedouble)
			return lm_fail(err, LM_DATA, "placed_ms_ago: %.300s: is no whole number", item->string);
	return 0;
}

int dump_note_check(const cJSON *note, struct lm_err *err)
{
	const cJSON *past = NULL, *placed = NULL;
	int64_t version;

	if (json_want_i64(note, "version", 1, 1, &version, err) < 0 || check_time(note, "now", err) < 0 ||
	    json_may_object(note, "matrix", &past, err) < 0 || json_may_object(note, "placed_ms_ago", &placed, err) < 0 ||
	    check_placed(placed, err) < 0)
		return -1;
	return past && check_past(past, err) < 0 ? lm_wrap(err, "matrix") : 0;
}

static int64_t time_of(const cJSON *object, const char *key)
{
	int64_t wall_ms = 0;

	clock_parse(cJSON_GetStringValue(json_get(object, key)), &wall_ms);
	return wall_ms;
}

int64_t dump_note_now(const cJSON *note)
{
	return time_of(note, "now");
}

bool dump_note_past(const cJSON *note, const struct matrix *matrix, struct dump_past *out)
{
	const cJSON *past = json_get(note, "matrix");

	if (!cJSON_IsObject(past) || !STREQ(cJSON_GetStringValue(json_get(past, "epoch")), matrix_epoch(matrix)) ||
	    (int64_t)cJSON_GetNumberValue(json_get(past, "generation")) != matrix_generation(matrix) ||
	    time_of(past, "written") != matrix_written_ms(matrix))
		return false;
	*out = (struct dump_past){.taken_ms = time_of(past, "taken"), .hold = cJSON_IsTrue(json_get(past, "hold"))};
	return true;
}

static enum load_class class_of(const char *name)
{
	enum load_class as;

	for (as = LOAD_FULL; as > LOAD_UNKNOWN; as--)
		if (name && STREQ(name, load_class_name(as)))
			return as;
	return LOAD_UNKNOWN;
}

void dump_note_classes(const cJSON *note, struct mesh *mesh)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(json_get(note, "matrix"), "classes")) {
		uint32_t node = matrix_find_node(mesh->matrix, item->string);

		if (node != NAMES_NONE)
			mesh_set_class(mesh, node, class_of(cJSON_GetStringValue(item)));
	}
}

void dump_note_placed(const cJSON *note, struct cache *cache)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(note, "placed_ms_ago")) {
		const char *slash = strchr(item->string, '/');
		auto_free char *namespace_ = slash ? xstrndup(item->string, (size_t)(slash - item->string)) : NULL;
		const struct cached_pod *pod = slash ? cache_find_pod_named(cache, namespace_, slash + 1) : NULL;

		if (pod)
			cache_set_placed(cache, pod->pod->uid, dump_note_now(note) - (int64_t)item->valuedouble);
	}
}

void dump_note_entry(const cJSON *note, struct mesh *mesh)
{
	const cJSON *shares = json_get(json_get(note, "matrix"), "entry"), *item;
	auto_free struct entry_share *read = NULL;
	uint32_t count = 0;

	if (!cJSON_IsObject(shares))
		return;
	read = xcalloc((size_t)cJSON_GetArraySize(shares) + 1, sizeof(*read));
	cJSON_ArrayForEach(item, shares)
		read[count++] = (struct entry_share){item->string, (float)item->valuedouble};
	entries_set(&mesh->entry, read, count);
}
