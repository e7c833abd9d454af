/* Part of i-client.c: watches, and the reflector of lib/kube on top of them. */
#include "lib/kube/watch.h"

/* Opens a watch of our pods from now on; `more` is further query. */
static void watch_now(struct stream *s, const char *more)
{
	auto_free char *now = version_now();
	auto_free char *rest = xasprintf("?watch=1&resourceVersion=%s%s", now, more);
	auto_free char *path = pods(rest);

	stream_open(s, path);
}

static void set_label(const char *pod, const char *label)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"labels\":{%s}}}", label);

	pod_do(200, "PATCH", pod, body);
}

static void a_watch_tells_what_happens_in_order(void **state)
{
	struct stream s;
	int64_t added, modified, deleted, removed;

	(void)state;
	watch_now(&s, "");
	new_pod("watch-1", "");
	set_label("watch-1", "\"a\":\"1\"");
	drop_pod("watch-1");
	added = stream_expect(&s, "ADDED", "watch-1");
	modified = stream_expect(&s, "MODIFIED", "watch-1");
	deleted = stream_expect(&s, "MODIFIED", "watch-1");	/* gets its deletionTimestamp */
	removed = stream_expect(&s, "DELETED", "watch-1");
	assert_true(added < modified && modified < deleted && deleted < removed);
	stream_close(&s);
}

static void a_watch_goes_on_from_a_version(void **state)
{
	auto_free char *before = NULL, *rest = NULL, *path = NULL;
	struct stream s;

	(void)state;
	new_pod("resume-1", "");
	before = version_now();
	new_pod("resume-2", "");
	drop_pod("resume-1");
	rest = xasprintf("?watch=true&resourceVersion=%s", before);
	path = pods(rest);
	stream_open(&s, path);
	stream_expect(&s, "ADDED", "resume-2");
	stream_expect(&s, "MODIFIED", "resume-1");
	stream_expect(&s, "DELETED", "resume-1");
	stream_close(&s);
}

static void a_watch_without_version_begins_with_what_is_there(void **state)
{
	auto_free char *path = pods("?watch=1");
	struct stream s;

	(void)state;
	new_pod("state-1", "");
	stream_open(&s, path);
	stream_expect(&s, "ADDED", "state-1");
	set_label("state-1", "\"a\":\"1\"");
	stream_expect(&s, "MODIFIED", "state-1");
	stream_close(&s);
}

static void the_initial_state_can_be_marked(void **state)
{
	auto_free char *path = pods("?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
	auto_json cJSON *event = NULL;
	struct stream s;

	(void)state;
	new_pod("initial-1", "");
	stream_open(&s, path);
	stream_expect(&s, "ADDED", "initial-1");
	event = stream_next(&s);
	assert_string_equal(text_at(event, "type"), "BOOKMARK");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item_at(event, "object.metadata.annotations"),
										  "k8s.io/initial-events-end")), "true");
	stream_close(&s);
	drop_pod("initial-1");
	failed(pod_call(422, "GET", "?watch=1&sendInitialEvents=true", NULL), "Invalid", "resourceVersionMatch");
}

/* What enters the selection is ADDED, what leaves it is DELETED, whatever happened to the object. */
static void a_field_selection_is_entered_and_left(void **state)
{
	struct stream pending, placed;

	(void)state;
	watch_now(&pending, "&fieldSelector=spec.nodeName%3D");
	watch_now(&placed, "&fieldSelector=spec.nodeName%3Dno-such-node-2");
	new_pod("select-1", "");
	new_pod("select-2", "");
	bind_to("select-1", "no-such-node-2");
	drop_pod("select-2");
	drop_pod("select-1");
	stream_expect(&pending, "ADDED", "select-1");
	stream_expect(&pending, "ADDED", "select-2");
	stream_expect(&pending, "DELETED", "select-1");
	stream_expect(&pending, "MODIFIED", "select-2");
	stream_expect(&pending, "DELETED", "select-2");
	stream_expect(&placed, "ADDED", "select-1");
	stream_expect(&placed, "MODIFIED", "select-1");
	stream_expect(&placed, "DELETED", "select-1");
	stream_close(&pending);
	stream_close(&placed);
}

static void a_label_selection_is_entered_and_left(void **state)
{
	struct stream s;

	(void)state;
	watch_now(&s, "&labelSelector=color%3Dred");
	new_pod("color-1", "\"color\":\"red\"");
	set_label("color-1", "\"color\":\"blue\"");
	set_label("color-1", "\"size\":\"big\"");
	set_label("color-1", "\"color\":\"red\"");
	set_label("color-1", "\"size\":\"small\"");
	stream_expect(&s, "ADDED", "color-1");
	stream_expect(&s, "DELETED", "color-1");
	stream_expect(&s, "ADDED", "color-1");
	stream_expect(&s, "MODIFIED", "color-1");
	stream_close(&s);
}

/* To a watch that has nothing new to tell there are none. */
static void bookmarks_come_before_the_end(void **state)
{
	int64_t made;
	auto_free char *now = version_now();
	auto_free char *rest = xasprintf("?watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=%s", now);
	auto_free char *path = pods(rest);
	cJSON *event;
	struct stream s;
	int bookmarks = 0;

	(void)state;
	stream_open(&s, path);
	new_pod("marked", "");
	made = stream_expect(&s, "ADDED", "marked");
	while ((event = stream_next(&s))) {
		assert_string_equal(text_at(event, "type"), "BOOKMARK");
		assert_string_equal(text_at(event, "object.kind"), "Pod");
		assert_true(strtoll(text_at(event, "object.metadata.resourceVersion"), NULL, 10) >= made);
		cJSON_Delete(event);
		bookmarks++;
	}
	assert_int_equal(s.status, 200);
	assert_true(bookmarks > 0);
	stream_close(&s);
}

static void a_watch_ends_after_its_time(void **state)
{
	int64_t began = clock_mono_ms();
	struct stream s;

	(void)state;
	watch_now(&s, "&timeoutSeconds=1");
	assert_null(stream_next(&s));
	assert_int_equal(s.status, 200);
	assert_true(clock_mono_ms() - began >= 900);
	stream_close(&s);
}

/* Nothing may be missing. A server that started a moment ago remembers everything (e-watch.c takes its memory away). */
static void a_version_that_is_too_old_is_gone_or_whole(void **state)
{
	auto_free char *path = pods("?watch=1&resourceVersion=1&fieldSelector=metadata.name%3Dancient");
	auto_json cJSON *event = NULL;
	struct stream s;

	(void)state;
	new_pod("ancient", "");
	drop_pod("ancient");
	stream_open(&s, path);
	event = stream_next(&s);
	if (event && STREQ(text_at(event, "type"), "ADDED")) {
		stream_expect(&s, "MODIFIED", "ancient");
		stream_expect(&s, "DELETED", "ancient");
	} else if (event) {
		assert_string_equal(text_at(event, "type"), "ERROR");
		assert_string_equal(text_at(event, "object.kind"), "Status");
		assert_string_equal(text_at(event, "object.reason"), "Expired");
		assert_int_equal(cJSON_GetNumberValue(item_at(event, "object.code")), 410);
	} else {
		assert_int_equal(s.status, 410);
	}
	stream_close(&s);
}

/* Not an error: it waits for that version. */
static void a_watch_from_the_future_is_silent(void **state)
{
	auto_free char *path = pods("?watch=1&resourceVersion=99999999&timeoutSeconds=1");
	struct stream s;

	(void)state;
	stream_open(&s, path);
	new_pod("early", "");
	assert_null(stream_next(&s));
	assert_int_equal(s.status, 200);
	stream_close(&s);
}

static void one_object_is_watched_by_a_selector_of_its_name(void **state)
{
	auto_json cJSON *pod = make_pod("one-1", ""), *got = pod_call(200, "GET", "one-1?watch=1&timeoutSeconds=5", NULL);
	struct stream s;

	(void)state;
	assert_string_equal(text_at(got, "kind"), "Pod");	/* the query means nothing here */
	assert_string_equal(text_at(got, "metadata.uid"), text_at(pod, "metadata.uid"));
	watch_now(&s, "&fieldSelector=metadata.name%3Done-1");
	new_pod("one-2", "");
	set_label("one-1", "\"a\":\"1\"");
	stream_expect(&s, "MODIFIED", "one-1");
	stream_close(&s);
}

/* A mirror kept by kube_watch: names of pods. */
struct mirror {
	char names[32][64];
	size_t count;
	bool whole;
};

static void mirror_clear(void *arg)
{
	((struct mirror *)arg)->count = 0;
}

static void mirror_end(void *arg)
{
	((struct mirror *)arg)->whole = true;
}

static void mirror_object(void *arg, enum kube_event event, const cJSON *object)
{
	struct mirror *m = arg;
	const char *name = text_at(object, "metadata.name");
	size_t i;

	for (i = 0; i < m->count && !STREQ(m->names[i], name); i++)
		;
	if (event != KUBE_DELETED) {
		assert_true(i < ARRAY_SIZE(m->names));
		snprintf(m->names[i], sizeof(m->names[i]), "%s", name);
		m->count += i == m->count;
	} else if (i < m->count) {
		memcpy(m->names[i], m->names[--m->count], sizeof(m->names[i]));
	}
}

static void mirror_until(struct mirror *m, struct kube_watch *w, size_t count)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (!m->whole || m->count != count) {
		int64_t due = kube_watch_tick(w, clock_mono_ms());

		if (clock_mono_ms() > end)
			fail_msg("%zu pods instead of %zu", m->count, count);
		kube_run(api.kube, due < 100 ? due : 100, NULL, 0);
	}
}

static void the_reflector_keeps_a_mirror(void **state)
{
	static const struct kube_watch_handlers handlers = {mirror_clear, mirror_object, mirror_end, NULL};
	auto_free char *path = pods("");
	struct mirror m = {.count = 0};
	struct kube_watch *w;

	(void)state;
	make_set("mirror", 5);
	w = kube_watch_new(api.kube, path, "labelSelector=set%3Dmirror", &handlers, &m);
	mirror_until(&m, w, 5);
	new_pod("mirror-5", "\"set\":\"mirror\"");
	mirror_until(&m, w, 6);
	drop_pod("mirror-2");
	mirror_until(&m, w, 5);
	assert_true(kube_watch_synced(w));
	assert_int_equal(kube_watch_stats(w).lists, 1);
	new_pod("mirror-2", "\"set\":\"mirror\"");
	mirror_until(&m, w, 6);
	kube_watch_free(w);
}

#define WATCH_TESTS											\
	CASE(a_watch_tells_what_happens_in_order), CASE(a_watch_goes_on_from_a_version),		\
	CASE(a_watch_without_version_begins_with_what_is_there), CASE(the_initial_state_can_be_marked),	\
	CASE(a_field_selection_is_entered_and_left), CASE(a_label_selection_is_entered_and_left),	\
	CASE(bookmarks_come_before_the_end), CASE(a_watch_ends_after_its_time),				\
	CASE(a_version_that_is_too_old_is_gone_or_whole),	\
	CASE(a_watch_from_the_future_is_silent), CASE(one_object_is_watched_by_a_selector_of_its_name), CASE(the_reflector_keeps_a_mirror)
