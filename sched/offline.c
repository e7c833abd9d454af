#include "sched/offline.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/dump.h"

const char *const offline_formats[] = {"table", "json", NULL};

/* --- settings and time ----------------------------------------------------------------------------------------------- */

/* The scheduler's own, as it would read them. */
static struct settings *load_settings(const char *config, struct lm_err *err)
{
	char program[] = "latency-sched", file[] = "--latency-file=none";
	auto_free char *flag = config ? xasprintf("--config=%s", config) : NULL;
	char *argv[] = {program, file, flag, NULL};

	return settings_load(config ? 3 : 2, argv, err);
}

int offline_open(struct offline *o, const struct offline_options *options, struct lm_err *err)
{
	*o = (struct offline){.options = *options, .now_ms = clock_wall_ms(), .now_given = options->now != NULL};
	o->cache = cache_new();
	cache_know_storage(o->cache);	/* what a dump does not have is not there */
	o->decider = decider_new();
	if (options->now && clock_parse(options->now, &o->now_ms) < 0)
		return lm_fail(err, LM_USAGE, "--now: \"%.60s\" is no time (example: 2026-11-21T21:00:00Z)", options->now);
	o->settings = load_settings(options->config, err);
	if (!o->settings)
		return -1;
	if (options->profile && !settings_profile(o->settings, options->profile))
		return lm_fail(err, LM_USAGE, "--profile: \"%.100s\" is no scheduler name of the configuration", options->profile);
	return 0;
}

void offline_close(struct offline *o)
{
	uint32_t i;

	for (i = 0; i < o->keys.count; i++) {
		cJSON_Delete(o->pods[i].object);
		free(o->pods[i].was_on);
	}
	free(o->pods);
	names_free(&o->keys);
	for (i = 0; i < o->node_names.count; i++)
		cJSON_Delete(o->node_objects[i]);
	free(o->node_objects);
	names_free(&o->node_names);
	cJSON_Delete(o->dump);
	mesh_free(o->mesh);
	free(o->matrix_path);
	decider_free(o->decider);
	cache_free(o->cache);
	settings_free(o->settings);
	*o = (struct offline){0};
}

/* --- the pods that are asked about ----------------------------------------------------------------------------------- */

/* NULL: it is in the list already. */
static struct offline_pod *add_key(struct offline *o, const char *namespace_, const char *name)
{
	auto_free char *key = xasprintf("%s/%s", namespace_, name);
	uint32_t i = names_add(&o->keys, key);

	if (i == NAMES_NONE)
		return NULL;
	grow(&o->pods, &o->room, i + 1u, sizeof(*o->pods));
	o->pods[i] = (struct offline_pod){0};
	return &o->pods[i];
}

static void keep(struct offline_pod *p, const cJSON *object)
{
	const char *node = read_text(read_member(object, "spec"), "nodeName");

	p->object = cJSON_Duplicate(object, true);
	if (*node && !p->was_on)
		p->was_on = xstrdup(node);
}

static int want_object(void *arg, cJSON *object, struct lm_err *err)
{
	const cJSON *metadata = read_member(object, "metadata");
	struct offline_pod *p;

	if (cluster_kind(object) != CLUSTER_POD)
		return 0;
	p = add_key(arg, read_text(metadata, "namespace"), read_text(metadata, "name"));
	if (!p)
		return lm_fail(err, LM_DATA, "is there twice");
	keep(p, object);
	return 0;
}

int offline_want_file(struct offline *o, const char *path, struct lm_err *err)
{
	uint32_t before = o->keys.count;

	if (cluster_read(path, &(struct cluster_reader){.object = want_object, .arg = o}, err) < 0)
		return -1;
	if (o->keys.count == before)
		return lm_fail(err, LM_DATA, "%.200s: there is no pod in it", path);
	return (int)(o->keys.count - before);
}

void offline_want_name(struct offline *o, const char *namespace_, const char *name)
{
	add_key(o, namespace_, name);
}

/* --- nodes whose objects are kept ------------------------------------------------------------------------------------ */

void offline_keep_node(struct offline *o, const char *name)
{
	uint32_t i = names_add(&o->node_names, name);

	if (i == NAMES_NONE)
		return;
	grow(&o->node_objects, &o->node_room, i + 1u, sizeof(*o->node_objects));
	o->node_objects[i] = NULL;
}

const cJSON *offline_node(const struct offline *o, const char *name)
{
	uint32_t i = names_find(&o->node_names, name);

	return i == NAMES_NONE ? NULL : o->node_objects[i];
}

static void see_node(struct offline *o, const cJSON *object)
{
	uint32_t i = names_find(&o->node_names, read_text(read_member(object, "metadata"), "name"));

	if (i == NAMES_NONE)
		return;
	cJSON_Delete(o->node_objects[i]);
	o->node_objects[i] = cJSON_Duplicate(object, true);
}

/* --- the cluster ----------------------------------------------------------------------------------------------------- */

/* The list of a dump says what time it was, and more of the matrix. */
static int see_list(void *arg, const cJSON *list, struct lm_err *err)
{
	struct offline *o = arg;
	const cJSON *note;
	int there = json_may_object(list, DUMP_NOTE, &note, err);

	if (there <= 0)
		return there;
	cJSON_Delete(o->dump);
	o->dump = cJSON_Duplicate(note, true);
	if (dump_note_check(note, err) < 0)
		return lm_wrap(err, DUMP_NOTE);
	if (!o->now_given)
		o->now_ms = dump_note_now(note);
	return 0;
}

static int see_object(void *arg, cJSON *object, struct lm_err *err)
{
	struct offline *o = arg;
	const cJSON *metadata = read_member(object, "metadata");
	struct offline_pod *p;
	uint32_t i;

	if (cluster_kind(object) == CLUSTER_NODE)
		see_node(o, object);
	if (cluster_kind(object) != CLUSTER_POD)
		return cluster_add(o->cache, object, &o->counts, err);
	{
		auto_free char *key = xasprintf("%s/%s", read_text(metadata, "namespace"), read_text(metadata, "name"));

		i = names_find(&o->keys, key);
	}
	if (i == NAMES_NONE)
		return cluster_add(o->cache, object, &o->counts, err);
	p = &o->pods[i];
	if (p->in_cluster)
		return lm_fail(err, LM_DATA, "is there twice");
	p->in_cluster = true;
	o->counts.pods++;
	if (!p->object)
		keep(p, object);
	else if (!p->was_on && read_text(read_member(object, "spec"), "nodeName")[0])
		p->was_on = xstrdup(read_text(read_member(object, "spec"), "nodeName"));
	return 0;
}

/* As it was before it was placed. What has been allocated to it since is of the status. */
static void take_off(cJSON *object)
{
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(object, "spec");

	if (!read_text(spec, "nodeName")[0])
		return;
	cJSON_DeleteItemFromObjectCaseSensitive(spec, "nodeName");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "status");
}

static int put_pods(struct offline *o, struct lm_err *err)
{
	struct cluster_counts ignored = {0};
	uint32_t i;

	for (i = 0; i < o->keys.count; i++) {
		struct offline_pod *p = &o->pods[i];

		if (!p->object)
			return lm_fail(err, LM_NOINPUT, "no pod %s in %s", o->keys.items[i], o->options.cluster);
		take_off(p->object);
		if (cluster_add(o->cache, p->object, &ignored, err) < 0)
			return lm_wrap(err, "Pod %s", o->keys.items[i]);
		p->pod = cache_find_pod(o->cache, read_text(read_member(p->object, "metadata"), "uid"))->pod;
	}
	return 0;
}

/* --- the matrix ------------------------------------------------------------------------------------------------------ */

static char *matrix_path(const struct offline *o)
{
	auto_free char *beside = xasprintf("%s/%s", o->options.cluster, CLUSTER_LATENCY_FILE);

	if (o->options.matrix)
		return xstrdup(o->options.matrix);
	return access(beside, F_OK) == 0 ? steal(&beside) : NULL;
}

static bool is_held(const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *hold = xasprintf("%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, SETTINGS_HOLD);

	return access(hold, F_OK) == 0;
}

struct matrix *offline_read_matrix(const char *path, bool *hold, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	struct snapshot snapshot;
	struct matrix *matrix;

	if (file_read(AT_FDCWD, path, SNAPSHOT_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return NULL;
	if (snapshot_parse(text.data, text.len, &snapshot, err) < 0) {
		lm_wrap(err, "%.200s", path);
		return NULL;
	}
	matrix = matrix_build(&snapshot);
	snapshot_free(&snapshot);
	*hold = is_held(path);
	return matrix;
}

static int load_matrix(struct offline *o, struct lm_err *err)
{
	struct dump_past past = {.taken_ms = o->now_ms};
	bool known, hold;
	struct matrix *matrix;

	o->matrix_path = matrix_path(o);
	if (!o->matrix_path)
		return 0;
	matrix = offline_read_matrix(o->matrix_path, &hold, err);
	if (!matrix)
		return -1;
	known = o->dump && dump_note_past(o->dump, matrix, &past);
	if (!known)
		past.hold = hold;
	if (past.taken_ms > o->now_ms)
		past.taken_ms = o->now_ms;
	mesh_take(matrix, NULL, past.hold, false, past.taken_ms, past.taken_ms, &o->mesh);
	if (known) {
		dump_note_classes(o->dump, o->mesh);
		dump_note_entry(o->dump, o->mesh);
	}
	return 0;
}

int offline_load(struct offline *o, struct lm_err *err)
{
	if (cluster_read(o->options.cluster, &(struct cluster_reader){.object = see_object, .list = see_list, .arg = o}, err) < 0)
		return -1;
	cache_set_time(o->cache, o->now_ms);	/* of what is placed from now on */
	if (o->dump)
		dump_note_placed(o->dump, o->cache);
	return load_matrix(o, err) < 0 ? -1 : put_pods(o, err);
}

/* --- decisions ------------------------------------------------------------------------------------------------------- */

const struct profile *offline_profile(const struct offline *o, const struct pod *pod)
{
	const struct profile *profile = settings_profile(o->settings, o->options.profile ? o->options.profile : pod->scheduler_name);

	return profile ? profile : &o->settings->profiles[0];
}

void offline_decide(struct offline *o, uint32_t pod, struct decision_input *in, struct decision *out)
{
	*in = (struct decision_input){.view = cache_view(o->cache), .mesh = o->mesh, .pod = o->pods[pod].pod, .mono_ms = o->now_ms};
	in->profile = offline_profile(o, in->pod);
	decide(o->decider, in, out);
}
