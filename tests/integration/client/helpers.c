/* Part of i-client.c and i-standin.c: short ways to say a request, and a watch that is read event by event. */
#define POD_SPEC "\"spec\":{\"schedulerName\":\"nobody\",\"nodeSelector\":{\"no-such\":\"node\"},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}"
#define OTHER_UID "00000000-0000-4000-8000-000000000000"	/* nobody's */
#define DEADLINE_MS 20000

/* /api/v1/namespaces/NS/pods with more of a path behind it; the caller frees. */
static char *pods(const char *rest)
{
	return xasprintf("/api/v1/namespaces/%s/pods%s%s", ns, *rest && *rest != '?' ? "/" : "", rest);
}

/* A request under pods(rest) that must have this status. */
static cJSON *pod_call(int status, const char *method, const char *rest, const char *body)
{
	auto_free char *path = pods(rest);

	return standin_want(&api, status, method, path, body);
}

static void pod_do(int status, const char *method, const char *rest, const char *body)
{
	cJSON_Delete(pod_call(status, method, rest, body));
}

/* A pod with labels as JSON members; returns it as the server answered. */
static cJSON *make_pod(const char *name, const char *labels)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}}," POD_SPEC "}", name, labels);

	return pod_call(201, "POST", "", body);
}

static void new_pod(const char *name, const char *labels)
{
	cJSON_Delete(make_pod(name, labels));
}

static cJSON *get_pod(const char *name)
{
	return pod_call(200, "GET", name, NULL);
}

static void drop_pod(const char *name)
{
	auto_free char *rest = xasprintf("%s?gracePeriodSeconds=0", name);

	pod_do(200, "DELETE", rest, NULL);
}

/* After each case, however it ended: a failure may leave a watch open whose buffer is gone, and pods. */
static int tidy(void **state)
{
	(void)state;
	standin_renew(&api);
	pod_do(200, "DELETE", "?gracePeriodSeconds=0", NULL);
	return 0;
}
#define CASE(test) cmocka_unit_test_teardown(test, tidy)

/* A watch that is read one event at a time. */
struct stream {
	struct kube_call *call;
	struct buf bytes;
	size_t at;			/* what was read of them */
	bool done;
	int status;
};

static bool on_bytes(void *arg, const char *bytes, size_t len)
{
	struct stream *s = arg;

	if (s->at == s->bytes.len) {
		buf_clear(&s->bytes);
		s->at = 0;
	}
	buf_add(&s->bytes, bytes, len);
	return true;
}

static void on_end(void *arg, const struct kube_response *response)
{
	struct stream *s = arg;

	s->done = true;
	s->status = response->status;
}

static void stream_open(struct stream *s, const char *path)
{
	*s = (struct stream){0};
	s->call = kube_stream(api.kube, &(struct kube_request){.method = "GET", .path = path}, on_bytes, on_end, s);
	assert_non_null(s->call);
}

static void stream_close(struct stream *s)
{
	if (!s->done)
		kube_cancel(api.kube, s->call);
	buf_free(&s->bytes);
}

static char *end_of_line(const struct stream *s)
{
	return s->at < s->bytes.len ? memchr(s->bytes.data + s->at, '\n', s->bytes.len - s->at) : NULL;
}

/* The next event, or NULL when the stream ended. The caller deletes it. */
static cJSON *stream_next(struct stream *s)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;
	char *newline;
	cJSON *event;

	while (!(newline = end_of_line(s))) {
		if (s->done)
			return NULL;
		if (clock_mono_ms() > end)
			fail_msg("no event in %d ms", DEADLINE_MS);
		kube_run(api.kube, 100, NULL, 0);
	}
	event = cJSON_ParseWithLength(s->bytes.data + s->at, (size_t)(newline - s->bytes.data) - s->at);
	assert_non_null(event);
	s->at = (size_t)(newline + 1 - s->bytes.data);
	return event;
}

/* The next event must be this; bookmarks in between are passed over. Returns its resourceVersion. */
static int64_t stream_expect(struct stream *s, const char *type, const char *name)
{
	for (;;) {
		auto_json cJSON *event = stream_next(s);

		assert_non_null(event);
		if (STREQ(text_at(event, "type"), "BOOKMARK"))
			continue;
		if (!STREQ(text_at(event, "type"), type) || !STREQ(text_at(event, "object.metadata.name"), name))
			fail_msg("%s %s instead of %s %s", text_at(event, "type"), text_at(event, "object.metadata.name"), type, name);
		return strtoll(text_at(event, "object.metadata.resourceVersion"), NULL, 10);
	}
}

/* The pods' resourceVersion now; the caller frees. */
static char *version_now(void)
{
	auto_json cJSON *list = pod_call(200, "GET", "", NULL);

	return xstrdup(text_at(list, "metadata.resourceVersion"));
}
