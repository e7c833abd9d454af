#include "sched/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/cache/read.h"
#include "sched/expected.h"

/* --- texts ----------------------------------------------------------------------------------------------------------- */

static void print_time(const char *key, int64_t wall_ms, struct buf *out)
{
	char text[CLOCK_TEXT];

	clock_format(wall_ms, text);
	buf_printf(out, "\"%s\":\"%s\"", key, text);
}

/*
 * From which a reader of the file gets the ages that this scheduler has: what it adds to those of the file. Under hold they say when loads were
 * measured.
 */
static int64_t written_ms(const struct dump_input *in)
{
	if (matrix_is_plain(in->mesh->matrix))
		return in->wall_ms;
	return in->wall_ms - (in->mono_ms - in->mesh->seen_mono_ms) - (int64_t)(in->mesh->base_s * 1e3 + 0.5);
}

static void print_classes(const struct mesh *mesh, struct buf *out)
{
	const char *separator = "";
	uint32_t i;

	buf_str(out, "{");
	for (i = 0; i < matrix_nodes(mesh->matrix); i++) {
		if (mesh->load[i] == mesh_class(mesh, i))
			continue;
		buf_str(out, separator);
		buf_json_string(out, matrix_node_name(mesh->matrix, i));
		buf_printf(out, ":\"%s\"", load_class_name((enum load_class)mesh->load[i]));
		separator = ",";
	}
	buf_char(out, '}');
}

/* 9 digits tell any two floats apart. */
static void print_entry(const struct entries *entry, struct buf *out)
{
	uint32_t i;

	buf_str(out, "{");
	for (i = 0; i < entry->count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, entry->shares[i].node);
		buf_printf(out, ":%.9g", (double)entry->shares[i].share);
	}
	buf_char(out, '}');
}

static void print_past(const struct dump_input *in, struct buf *out)
{
	buf_str(out, "{\"epoch\":");
	buf_json_string(out, matrix_epoch(in->mesh->matrix));
	buf_printf(out, ",\"generation\":%lld,", (long long)matrix_generation(in->mesh->matrix));
	print_time("written", written_ms(in), out);
	buf_char(out, ',');
	print_time("taken", in->wall_ms - (in->mono_ms - in->mesh->taken_mono_ms), out);
	buf_printf(out, ",\"hold\":%s,\"classes\":", in->mesh->hold || matrix_is_plain(in->mesh->matrix) ? "true" : "false");
	print_classes(in->mesh, out);
	buf_str(out, ",\"entry\":");
	print_entry(&in->mesh->entry, out);
	buf_char(out, '}');
}

/* What the cache holds of it; NULL: nothing, so that it is no part of the dump. */
static const struct cached_pod *pod_of(const struct cache *c, const struct archived *a)
{
	const struct cached_pod *pod = cache_find_pod_named(c, a->namespace_, a->name);

	return pod && STREQ(pod->pod->uid, a->uid) ? pod : NULL;
}

static bool is_cached(const struct cache *c, const struct archived *a)
{
	if (a->kind == CLUSTER_NODE)
		return cache_find_node(c, a->name) >= 0;
	if (a->kind == CLUSTER_POD)
		return pod_of(c, a) != NULL;
	return cache_find_object(c, (enum object_kind)(a->kind - CLUSTER_OTHER), a->namespace_, a->name) != NULL;
}

static const char *assumed_on(const struct dump_input *in, const struct archived *a, const struct view *view)
{
	const struct cached_pod *pod = a->kind == CLUSTER_POD ? pod_of(in->cache, a) : NULL;

	return pod && pod->assumed && pod->node >= 0 ? view->nodes[pod->node].node->name : NULL;
}

/* With the node that it is assumed on, as if the server had said so already. */
static void print_assumed(const struct archived *a, const char *node, struct buf *out)
{
	struct lm_err err;
	auto_json cJSON *object = json_parse_api(a->text, strlen(a->text), 0, &err);
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(object, "spec");
	char *text;

	cJSON_DeleteItemFromObjectCaseSensitive(spec, "nodeName");
	cJSON_AddStringToObject(spec, "nodeName", node);
	text = cJSON_PrintUnformatted(object);
	buf_str(out, text ? text : a->text);
	cJSON_free(text);
}

static uint32_t print_items(const struct dump_input *in, struct archived *const *items, size_t count, struct buf *out)
{
	const struct view *view = cache_view(in->cache);
	const char *separator = "\n";
	uint32_t printed = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		const char *node;

		if (!is_cached(in->cache, items[i]))
			continue;
		buf_str(out, separator);
		separator = ",\n";
		node = assumed_on(in, items[i], view);
		if (node)
			print_assumed(items[i], node, out);
		else
			buf_str(out, items[i]->text);
		printed++;
	}
	return printed;
}

static void print_assumptions(const struct dump_input *in, struct archived *const *items, size_t count, struct buf *out)
{
	const char *separator = "";
	size_t i;

	for (i = 0; i < count; i++) {
		const struct cached_pod *pod = items[i]->kind == CLUSTER_POD ? pod_of(in->cache, items[i]) : NULL;
		auto_free char *key = NULL;

		if (!pod || !pod->assumed)
			continue;
		key = xasprintf("%s/%s", items[i]->namespace_, items[i]->name);
		buf_str(out, separator);
		buf_json_string(out, key);
		separator = ",";
	}
}

/* Does a part of its load count as expected? */
static bool is_expected(const struct dump_input *in, const struct cached_pod *pod, const struct view *view)
{
	uint32_t row = in->mesh && pod->node >= 0 ? matrix_find_node(in->mesh->matrix, view->nodes[pod->node].node->name) : NAMES_NONE;

	return row != NAMES_NONE && expected_share(pod->placed_mono_ms, mesh_load_ms(in->mesh, row)) > 0;
}

/* Of the archived pods that were just placed: how long ago. */
static void print_placed(const struct dump_input *in, struct archived *const *items, size_t count, struct buf *out)
{
	const struct view *view = cache_view(in->cache);
	const char *separator = "";
	size_t i;

	for (i = 0; i < count; i++) {
		const struct cached_pod *pod = items[i]->kind == CLUSTER_POD ? pod_of(in->cache, items[i]) : NULL;
		auto_free char *key = NULL;

		if (!pod || !is_expected(in, pod, view))
			continue;
		key = xasprintf("%s/%s", items[i]->namespace_, items[i]->name);
		buf_str(out, separator);
		buf_json_string(out, key);
		buf_printf(out, ":%lld", (long long)(in->mono_ms - pod->placed_mono_ms));
		separator = ",";
	}
}

static void print_matrix(const struct dump_input *in, struct buf *out)
{
	struct snapshot snapshot;
	uint32_t i;

	matrix_unfold(in->mesh->matrix, &snapshot);
	snapshot.written_ms = written_ms(in);
	for (i = 0; matrix_is_plain(in->mesh->matrix) && i < snapshot.nodes.count; i++)
		snapshot.age_s[i] = 0;
	if (matrix_is_plain(in->mesh->matrix))
		snapshot.entry.age_s = NAN;
	snapshot_write_exact(&snapshot, out);
	snapshot_free(&snapshot);
}

uint32_t dump_text(const struct dump_input *in, struct buf *cluster, struct buf *latency)
{
	size_t count;
	auto_free struct archived **items = archive_sorted(in->archive, &count);
	uint32_t printed;

	if (in->mesh)
		print_matrix(in, latency);
	buf_str(cluster, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"},\n\"" DUMP_NOTE "\":{\"version\":1,");
	print_time("now", in->wall_ms, cluster);
	buf_str(cluster, ",\"assumed\":[");
	print_assumptions(in, items, count, cluster);
	buf_str(cluster, "],\"placed_ms_ago\":{");
	print_placed(in, items, count, cluster);
	buf_str(cluster, "},\"matrix\":");
	if (in->mesh)
		print_past(in, cluster);
	else
		buf_str(cluster, "null");
	buf_str(cluster, "},\n\"items\":[");
	printed = print_items(in, items, count, cluster);
	buf_str(cluster, "\n]}\n");
	return printed;
}

/* --- files ----------------------------------------------------------------------------------------------------------- */

/* A matrix of an earlier dump would be taken for this one's. */
static int publish_latency(int dir, const struct buf *latency, struct lm_err *err)
{
	if (latency->len)
		return file_publish(dir, CLUSTER_LATENCY_FILE, latency->data, latency->len, NULL, err);
	if (unlinkat(dir, CLUSTER_LATENCY_FILE, 0) < 0 && errno != ENOENT)
		return lm_fail_errno(err, "remove `%s`", CLUSTER_LATENCY_FILE);
	return 0;
}

int dump_write(const char *folder, const struct dump_input *in, struct lm_err *err)
{
	auto_buf struct buf cluster = {0}, latency = {0};
	auto_close int dir = -1;

	dump_text(in, &cluster, &latency);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return lm_fail_errno(err, "make folder `%s`", folder);
	dir = file_open_dir(folder, err);
	if (dir < 0 || publish_latency(dir, &latency, err) < 0 ||
	    file_publish(dir, DUMP_CLUSTER_FILE, cluster.data, cluster.len, NULL, err) < 0)
		return lm_wrap(err, "%.200s", folder);
	return 0;
}

/* --- on request ------------------------------------------------------------------------------------------------------ */

struct dumper {
	char *folder;
	pid_t pid;			/* 0: none writes */
	int error;			/* what went wrong, one line; -1 */
	int64_t begun_mono_ms;
	bool again;			/* asked for while it writes */
};

struct dumper *dumper_new(const char *folder)
{
	struct dumper *d = xcalloc(1, sizeof(*d));

	*d = (struct dumper){.folder = xstrdup(folder), .error = -1};
	return d;
}

void dumper_free(struct dumper *d)
{
	if (!d)
		return;
	if (d->pid) {
		kill(d->pid, SIGKILL);	/* may hang in a write for ever: not waited for */
		waitpid(d->pid, NULL, WNOHANG);
	}
	cleanup_close(&d->error);
	free(d->folder);
	free(d);
}

/* No thread but this one is here, and no lock that another one held is touched: glibc's fork sees to malloc's, and nothing logs. */
static _Noreturn void write_and_end(const struct dumper *d, const struct dump_input *in, int error, pid_t parent)
{
	struct lm_err err;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(error, 3) < 0)
		_exit(LM_SOFTWARE);
	close_range(4, ~0u, 0);		/* connections end when the scheduler closes them, not when this does */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(DUMP_MAX_S);
	if (dump_write(d->folder, in, &err) == 0)
		_exit(0);
	_exit(write(3, err.msg, strlen(err.msg)) < 0 ? LM_IO : (int)err.code);
}

void dumper_start(struct dumper *d, const struct dump_input *in)
{
	pid_t self = getpid(), pid;
	int ends[2];

	dumper_poll(d);
	d->again = d->pid != 0;
	if (d->again)
		return;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		log_warn("dump failed", FIELDS(LS("error", strerror(errno))));
		return;
	}
	pid = fork();
	if (pid == 0)
		write_and_end(d, in, ends[1], self);
	close(ends[1]);
	d->error = ends[0];
	d->begun_mono_ms = in->mono_ms;
	if (pid > 0) {
		d->pid = pid;
		return;
	}
	log_warn("dump failed", FIELDS(LS("error", strerror(errno))));
	cleanup_close(&d->error);
	d->error = -1;
}

static void say(const struct dumper *d, int status)
{
	char text[sizeof(((struct lm_err *)NULL)->msg)] = "";
	ssize_t len = read(d->error, text, sizeof(text) - 1);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		log_info("dump written", FIELDS(LS("folder", d->folder), LI("took_ms", clock_mono_ms() - d->begun_mono_ms)));
	else if (len > 0)
		log_warn("dump failed", FIELDS(LS("error", text)));
	else
		log_warn("dump failed", FIELDS(LS("folder", d->folder), LI("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0)));
}

bool dumper_poll(struct dumper *d)
{
	int status;

	if (!d || !d->pid || waitpid(d->pid, &status, WNOHANG) != d->pid)
		return false;
	say(d, status);
	cleanup_close(&d->error);
	d->error = -1;
	d->pid = 0;
	return d->again;
}
