#include "sched/cache/pod_volumes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sched/cache/in_tree.h"
#include "sched/cache/read.h"

/* --- inline disks that two pods cannot share --- */

static const struct disk_kind {
	const char *source, *id;
	enum inline_kind kind;
} disk_kinds[] = {
	{"gcePersistentDisk", "pdName", INLINE_GCE},
	{"awsElasticBlockStore", "volumeID", INLINE_AWS},
	{"iscsi", "iqn", INLINE_ISCSI},
	{"rbd", "image", INLINE_RBD},
};

static void read_monitors(const cJSON *source, struct inline_disk *disk)
{
	const cJSON *list = read_list(source, "monitors"), *item;

	disk->monitors = xcalloc(read_count(list) + 1, sizeof(*disk->monitors));
	cJSON_ArrayForEach(item, list)
		if (cJSON_IsString(item))
			disk->monitors[disk->monitor_count++] = xstrdup(item->valuestring);
}

static struct inline_disk *disk_parse(const struct disk_kind *kind, const cJSON *source)
{
	struct inline_disk *disk = xcalloc(1, sizeof(*disk));
	const char *pool = read_text(source, "pool");

	disk->kind = kind->kind;
	disk->read_only = read_true(source, "readOnly");
	if (kind->kind != INLINE_RBD) {
		disk->id = xstrdup(read_text(source, kind->id));
		return disk;
	}
	disk->id = xasprintf("%s/%s", pool[0] ? pool : "rbd", read_text(source, kind->id));
	read_monitors(source, disk);
	return disk;
}

static struct inline_disk *read_disk(const cJSON *volume)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(disk_kinds); i++)
		if (read_object(volume, disk_kinds[i].source))
			return disk_parse(&disk_kinds[i], read_object(volume, disk_kinds[i].source));
	return NULL;
}

/* --- volumes --- */

static void read_handle(const cJSON *volume, struct pod_volume *out)
{
	const struct in_tree *in_tree = in_tree_of_source(volume);

	if (in_tree && in_tree->counts)
		out->handle = in_tree_handle(in_tree, volume, NULL);
	out->driver = xstrdup(out->handle ? in_tree->driver : "");
	if (!out->handle)
		out->handle = xstrdup("");
}

/* False: no filter asks about it. */
static bool volume_parse(const cJSON *volume, const struct pod *pod, struct pod_volume *out)
{
	const cJSON *claim = read_object(volume, "persistentVolumeClaim");

	*out = (struct pod_volume){0};
	if (claim) {
		out->claim = xstrdup(read_text(claim, "claimName"));
		out->of_claim = true;
	} else if (read_object(volume, "ephemeral")) {
		out->claim = xasprintf("%s-%s", pod->name, read_text(volume, "name"));
		out->of_claim = out->ephemeral = true;
	} else {
		out->claim = xstrdup("");
		out->disk = read_disk(volume);
	}
	read_handle(volume, out);
	return out->of_claim || out->disk || out->driver[0];
}

static void volume_free(struct pod_volume *v)
{
	uint32_t i;

	free(v->claim);
	free(v->driver);
	free(v->handle);
	if (!v->disk)
		return;
	for (i = 0; i < v->disk->monitor_count; i++)
		free(v->disk->monitors[i]);
	free(v->disk->monitors);
	free(v->disk->id);
	free(v->disk);
}

static char *name_of(const cJSON *volume, const struct pod_volume *v, unsigned at)
{
	if (v->of_claim)
		return xasprintf("spec.volumes[%u].%s", at, v->ephemeral ? "ephemeral" : "persistentVolumeClaim");
	return xasprintf("spec.volumes[%u].%s", at, in_tree_of_source(volume)->source);
}

void pod_volumes_parse(const cJSON *list, struct pod *pod)
{
	const cJSON *volume;
	size_t room = 0;
	unsigned at = 0;

	cJSON_ArrayForEach(volume, list) {
		struct pod_volume parsed;

		if (!volume_parse(volume, pod, &parsed)) {
			volume_free(&parsed);
		} else {
			if (!pod->needs_storage && (parsed.of_claim || parsed.driver[0]))
				pod->needs_storage = name_of(volume, &parsed, at);
			grow(&pod->volumes, &room, pod->volume_count + 1, sizeof(*pod->volumes));
			pod->volumes[pod->volume_count++] = parsed;
		}
		at++;
	}
}

void pod_volumes_free(struct pod *pod)
{
	uint32_t i;

	for (i = 0; i < pod->volume_count; i++)
		volume_free(&pod->volumes[i]);
	free(pod->volumes);
	free(pod->needs_storage);
}
