/*
 * Cluster files of any bytes, as JSON and as YAML: refused in one line that begins with the file, or a cache. What was taken is counted right, can be
 * looked at, and is archived and read again as the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/archive.h"
#include "sched/cluster.h"
#include "tests/testing/fuzz.h"

#define POD "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web\",\"labels\":{\"app\":\"x\",\"delay_a\":\"5\"}},\"spec\":{\"nodeName\":\"a\",\"hostNetwork\":true," \
	"\"containers\":[{\"ports\":[{\"containerPort\":80}],\"env\":[{\"name\":\"A\",\"value\":\"secret\"}],\"resources\":{\"limits\":{\"cpu\":\"1\"}}}],"	\
	"\"tolerations\":[{\"key\":\"a\",\"operator\":\"Exists\"}],\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":["	\
	"{\"topologyKey\":\"zone\",\"labelSelector\":{\"matchLabels\":{\"app\":\"x\"}}}]}}}}"
#define NODE "{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"managedFields\":[{}]},\"spec\":{\"taints\":[{\"key\":\"a\",\"effect\":\"NoSchedule\"}]}," \
	"\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"9\"}}}"

FUZZ_CORPUS("{\"kind\":\"List\",\"items\":[" NODE "," POD ",{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"x\"}},{\"kind\":\"Secret\"}]}",
	    "kind: Node\nmetadata: {name: a}\n---\nkind: Pod\nmetadata:\n  name: web\nspec: {containers: [{resources: {requests: {cpu: 5m}}}]}\n",
	    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"continue\":\"\"},\"items\":[{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}]}", POD, NODE)

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Without what is left out a pod or a node decides the same: at least it can be read, and is archived as the same text. */
static int archive_object(void *arg, cJSON *object, struct lm_err *err)
{
	struct archive *once = archive_new(), *again = archive_new();
	struct archived **items;
	size_t count;
	int kind = cluster_kind(object);
	auto_json cJSON *copy = NULL;

	if (kind >= 0) {
		archive_put(once, kind, object);
		items = archive_sorted(once, &count);
		require(count == 1 && archive_bytes(once) == strlen(items[0]->text));
		copy = json_parse(items[0]->text, strlen(items[0]->text), JSON_DEPTH_API, err);
		require(copy && cluster_kind(copy) == kind && cluster_complete(copy, err) == 0);
		archive_put(again, kind, copy);
		require(archive_bytes(once) == archive_bytes(again));
		free(items);
	}
	archive_free(once);
	archive_free(again);
	++*(uint32_t *)arg;
	return 0;
}

static void check(const char *path)
{
	struct cluster_counts counts = {0};
	struct cache *c = cache_new();
	struct lm_err err = {0};
	uint32_t objects = 0;

	if (cluster_load(c, path, &counts, &err) < 0) {
		require(err.code == LM_DATA && strncmp(err.msg, path, strlen(path)) == 0 && !strchr(err.msg, '\n'));
	} else {
		require(cache_view(c)->count == counts.nodes && cache_pods(c) == counts.pods);
		require(cluster_read(path, &(struct cluster_reader){.object = archive_object, .arg = &objects}, &err) == 0);
		require(objects == counts.nodes + counts.pods + counts.others + counts.passed_over);
	}
	cache_free(c);
}

static char folder[] = "/tmp/lm-fuzz-XXXXXX", *made;

static void remove_folder(void)
{
	rmdir(folder);
}

static bool atexit_once(void)
{
	static bool done;

	if (!done)
		atexit(remove_folder);
	return done = true;
}

/* Under a name of its own: a file in memory has none that ends in .json. */
static void check_as(const char *suffix, const uint8_t *data, size_t size)
{
	auto_free char *path = NULL;
	FILE *file;

	if (!made)
		made = mkdtemp(folder);
	require(made && atexit_once());
	path = xasprintf("%s/c.%s", made, suffix);
	file = fopen(path, "we");
	require(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
	check(path);
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_as("json", data, size);
	check_as("yaml", data, size);
	return 0;
}
