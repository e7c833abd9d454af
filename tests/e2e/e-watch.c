/*
 * The reflector of lib/kube on a real kube-apiserver: while pods come and go and watches end, while the server is killed and started again,
 * after etcd forgot the past. What is seen becomes what the server's own list has.
 */
#include "lib/kube/watch.c"

#include "lib/buf.h"
#include "tests/e2e/e2e.h"
#include "tests/testing/mirror.h"

#define WAIT_MS 30000

enum { CHANGES = 1000, OUTAGE_CHANGES = 150 };

struct rig {
	struct mirror m;
	struct kube *k;			/* of the watch; changes have a client of their own */
	struct kube_watch *w;
};

static struct sched cluster;
static struct standin *const api = &cluster.api;

static void make_pod(void *arg, int i, char **path, char **body)
{
	(void)arg;
	*path = xstrdup(MIRROR_PODS);
	*body = mirror_pod(i);
}

static int begin(void **state)
{
	(void)state;
	e2e_begin(&cluster);
	e2e_all(&cluster, "POST", MIRROR_NAMES, make_pod, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	e2e_end(&cluster);
	return 0;
}

static void step(struct rig *g, int64_t most_ms)
{
	int64_t left = kube_watch_tick(g->w, clock_mono_ms());

	kube_run(g->k, left > most_ms ? most_ms : left, NULL, 0);
}

static void until_equal(struct rig *g, const char *when)
{
	struct kube_watch_stats stats;
	int64_t began = clock_mono_ms();

	mirror_list(&g->m, api);
	while (!mirror_is_equal(&g->m) && clock_mono_ms() < began + WAIT_MS)
		step(g, 20);
	stats = kube_watch_stats(g->w);
	printf("# %s: equal after %lld ms; %lld lists, %lld watches, %lld events, %lld bookmarks, %lld gone, %d troubles, last: %s\n", when,
	       (long long)(clock_mono_ms() - began), (long long)stats.lists, (long long)stats.watches, (long long)stats.events,
	       (long long)stats.bookmarks, (long long)stats.gone, g->m.troubles, g->m.troubles ? g->m.last.msg : "");
	assert_memory_equal(g->m.seen, g->m.listed, sizeof(g->m.seen));
	assert_int_equal(stats.bad_lines, 0);
	assert_int_equal(stats.unknown, 0);
}

static void until_listed(struct rig *g, int64_t lists)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (kube_watch_stats(g->w).lists < lists && clock_mono_ms() < end)
		step(g, 100);
	assert_int_equal(kube_watch_stats(g->w).lists, lists);
}

/* The server ends each watch after timeout_s to twice that. */
static struct rig *rig_begin(int64_t timeout_s)
{
	struct rig *g = xcalloc(1, sizeof(*g));
	struct lm_err err;

	limits.timeout_s = timeout_s;
	standin_renew(api);
	g->k = kube_new(&api->config, "latency-test", &err);
	assert_non_null(g->k);
	g->w = kube_watch_new(g->k, "/api/v1/pods", "fieldSelector=status.phase!%3DFailed", &mirror_handlers, &g->m);
	until_equal(g, "at first");
	assert_int_equal(kube_watch_stats(g->w).lists, 1);
	return g;
}

static void rig_end(struct rig *g)
{
	kube_watch_free(g->w);
	kube_free(g->k);
	free(g);
}

static void change(struct rng *r, bool *is_there)
{
	int i = (int)rng_below(r, MIRROR_NAMES);

	is_there[i] = mirror_change(api, i, is_there[i], r);
}

static void look(struct rig *g, bool *is_there)
{
	int i;

	mirror_list(&g->m, api);
	for (i = 0; i < MIRROR_NAMES; i++)
		is_there[i] = g->m.listed[i];
}

/* Watches live for one or two seconds here: each goes on where the last one ended, and nothing is listed again. */
static void pods_come_and_go_while_watches_end(void **state)
{
	struct rng r = rng_make(test_seed());
	struct rig *g = rig_begin(1);
	bool is_there[MIRROR_NAMES];
	int i;

	(void)state;
	look(g, is_there);
	for (i = 0; i < CHANGES || kube_watch_stats(g->w).watches < 4; i++) {
		change(&r, is_there);
		step(g, 2);
	}
	until_equal(g, "after the changes");
	assert_int_equal(kube_watch_stats(g->w).lists, 1);
	assert_int_equal(kube_watch_stats(g->w).gone, 0);
	assert_int_equal(kube_watch_stats(g->w).stale, 0);
	rig_end(g);
}

/* A restarted server begins its memory at the version of its first list: what other kinds were written after our last pod makes ours too old. */
static void write_other_kinds(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		standin_do(api, 201, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"other\"}}");
		standin_do(api, 200, "DELETE", "/api/v1/nodes/other", NULL);
	}
}

static void outage(struct rig *g, bool too_old)
{
	int64_t lists = kube_watch_stats(g->w).lists, end;
	struct rng r = rng_make(test_seed());
	bool is_there[MIRROR_NAMES];
	int i, before = g->m.troubles;

	if (too_old)
		write_other_kinds();
	e2e_apiserver("kill");
	for (end = clock_mono_ms() + 2000; clock_mono_ms() < end;)
		step(g, 100);
	assert_true(g->m.troubles > before);
	e2e_apiserver("start");
	standin_renew(api);
	look(g, is_there);
	for (i = 0; i < OUTAGE_CHANGES; i++)		/* the watch sees none of these as they happen */
		change(&r, is_there);
	until_equal(g, too_old ? "after an outage, too old" : "after an outage");
	for (i = 0; i < OUTAGE_CHANGES; i++) {
		change(&r, is_there);
		step(g, 2);
	}
	until_equal(g, "and afterwards");
	assert_in_range(kube_watch_stats(g->w).lists, lists + too_old, lists + 1);
}

/* What was deleted while nobody looked is gone from the mirror, what was made is in it. */
static void the_server_is_killed_and_comes_back(void **state)
{
	struct rig *g = rig_begin(300);

	(void)state;
	outage(g, false);
	outage(g, true);
	rig_end(g);
}

/* --- what etcd has forgotten --- */

struct answer {
	struct buf bytes;
	int status;
};

static bool on_answer_bytes(void *arg, const char *bytes, size_t len)
{
	buf_add(&((struct answer *)arg)->bytes, bytes, len);
	return true;
}

static void on_answer_end(void *arg, const struct kube_response *response)
{
	((struct answer *)arg)->status = response->status ? response->status : -1;
}

/* The first event of a watch from a version, which is short. */
static cJSON *first_event(const char *version)
{
	auto_free char *path = xasprintf(MIRROR_PODS "?watch=1&timeoutSeconds=5&resourceVersion=%s", version);
	struct answer a = {0};
	cJSON *event;

	kube_stream(api->kube, &(struct kube_request){.method = "GET", .path = path, .timeout_ms = 20000}, on_answer_bytes, on_answer_end, &a);
	while (!a.status)
		kube_run(api->kube, 1000, NULL, 0);
	assert_int_equal(a.status, 200);
	event = cJSON_ParseWithLength(a.bytes.data, a.bytes.len);
	buf_free(&a.bytes);
	return event;
}

/* etcd's own API, to which the API server is a client too: everything before this revision is forgotten. */
static void compact_etcd(const char *revision)
{
	auto_free char *body = xasprintf("{\"revision\":\"%s\",\"physical\":true}", revision);
	struct standin etcd;

	standin_connect(&etcd, "http://127.0.0.1:2379");
	standin_do(&etcd, 200, "POST", "/v3/kv/compaction", body);
	standin_stop(&etcd);
}

static void expired(cJSON *status)
{
	assert_string_equal(text_at(status, "kind"), "Status");
	assert_string_equal(text_at(status, "reason"), "Expired");
	assert_int_equal(cJSON_GetNumberValue(item_at(status, "code")), 410);
}

static const char *last_name(const cJSON *list)
{
	const cJSON *items = item_at(list, "items");

	return text_at(cJSON_GetArrayItem(items, cJSON_GetArraySize(items) - 1), "metadata.name");
}

/* Whether a list has all pods behind this name, as the server lists them now. */
static bool is_rest_after(const cJSON *rest, const char *name)
{
	auto_json cJSON *all = standin_want(api, 200, "GET", MIRROR_PODS, NULL);
	const cJSON *item, *mine = cJSON_GetArrayItem(item_at(rest, "items"), 0);

	cJSON_ArrayForEach(item, item_at(all, "items")) {
		if (strcmp(text_at(item, "metadata.name"), name) <= 0)
			continue;
		if (!mine || !STREQ(text_at(mine, "metadata.uid"), text_at(item, "metadata.uid")))
			return false;
		mine = mine->next;
	}
	return !mine;
}

static void what_etcd_has_forgotten_is_410(void **state)
{
	auto_json cJSON *page = NULL, *now = NULL, *event = NULL, *past = NULL, *refused = NULL, *rest = NULL;
	auto_free char *exact = NULL, *next = NULL, *inconsistent = NULL;
	struct rig *g = rig_begin(300);
	struct rng r = rng_make(test_seed());
	bool is_there[MIRROR_NAMES];
	int i;

	(void)state;
	page = standin_want(api, 200, "GET", MIRROR_PODS "?limit=3", NULL);
	look(g, is_there);
	for (i = 0; i < OUTAGE_CHANGES; i++)
		change(&r, is_there);
	write_other_kinds();
	now = standin_want(api, 200, "GET", MIRROR_PODS "?limit=1", NULL);
	compact_etcd(text_at(now, "metadata.resourceVersion"));
	e2e_apiserver("kill");		/* its own memory reaches further back */
	e2e_apiserver("start");
	standin_renew(api);
	event = first_event(text_at(page, "metadata.resourceVersion"));
	assert_string_equal(text_at(event, "type"), "ERROR");
	expired(cJSON_GetObjectItemCaseSensitive(event, "object"));
	exact = xasprintf(MIRROR_PODS "?resourceVersionMatch=Exact&resourceVersion=%s", text_at(page, "metadata.resourceVersion"));
	past = standin_want(api, 410, "GET", exact, NULL);
	expired(past);
	next = xasprintf(MIRROR_PODS "?limit=3&continue=%s", text_at(page, "metadata.continue"));
	refused = standin_want(api, 410, "GET", next, NULL);
	expired(refused);
	inconsistent = xasprintf(MIRROR_PODS "?continue=%s", text_at(refused, "metadata.continue"));
	rest = standin_want(api, 200, "GET", inconsistent, NULL);
	assert_true(is_rest_after(rest, last_name(page)));
	until_listed(g, 2);
	until_equal(g, "after a compaction");
	assert_true(kube_watch_stats(g->w).gone >= 1);
	rig_end(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_come_and_go_while_watches_end),
		cmocka_unit_test(the_server_is_killed_and_comes_back),
		cmocka_unit_test(what_etcd_has_forgotten_is_410),
	};

	return cmocka_run_group_tests_name("watch", tests, begin, end);
}
