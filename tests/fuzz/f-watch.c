/*
 * The bytes of an API server: a list page and a watch stream. The first byte says in what pieces the rest comes; the events must
 * be the same as in one piece.
 */
#include "lib/kube/watch.c"

#include "tests/testing/fuzz.h"

FUZZ_CORPUS("\001{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"x\"},\"items\":["
	    "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"3\"}},{}]}",
	    "\003{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"11\"}}}\n"
	    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"12\"}}}\n"
	    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"13\"}}}\r\n",
	    "0{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":504,\"details\":{\"retryAfterSeconds\":1,"
	    "\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}}\n")


struct sum {
	uint64_t hash;
	int64_t count;
};

static void no_begin_or_end(void *arg)
{
	(void)arg;
}

static void add_object(void *arg, enum kube_event event, const cJSON *object)
{
	struct sum *sum = arg;
	char *text = cJSON_PrintUnformatted(object), *p;

	sum->count++;
	sum->hash = sum->hash * 31 + (uint64_t)event;
	for (p = text; p && *p; p++)
		sum->hash = sum->hash * 31 + (unsigned char)*p;
	free(text);
}

static const struct kube_watch_handlers handlers = {no_begin_or_end, add_object, no_begin_or_end, NULL};

static struct kube_watch_stats run_stream(const char *bytes, size_t len, size_t piece, struct sum *sum)
{
	struct kube_watch *w = xcalloc(1, sizeof(*w));
	struct kube_watch_stats stats;
	size_t at, part;

	w->path = xstrdup("/api/v1/pods");
	w->query = xstrdup("");
	w->rv = xstrdup("10");
	w->handlers = handlers;
	w->arg = sum;
	w->lines.max_bytes = 4096;
	for (at = 0; at < len && !w->stopped; at += part) {
		part = piece < len - at ? piece : len - at;
		on_chunk(w, bytes + at, part);
	}
	stats = w->stats;
	stats.last_heard_mono_ms = 0;
	release(w);
	return stats;
}

static void run_page(const char *bytes, size_t len)
{
	struct page page;
	struct lm_err err;
	int found = 1;

	if (page_open(&page, bytes, len, &err) < 0)
		return;
	if (!page.resource_version || !page.next)
		abort();
	while (found > 0) {
		auto_json cJSON *item = NULL;

		found = page_next(&page, &item, &err);
		if ((found == 1) != (item != NULL))
			abort();
	}
	page_close(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole = {0}, pieces = {0};
	struct kube_watch_stats a, b;
	const char *bytes = (const char *)data + 1;

	if (size < 1)
		return 0;
	a = run_stream(bytes, size - 1, size, &whole);
	b = run_stream(bytes, size - 1, (size_t)data[0] + 1, &pieces);
	if (whole.hash != pieces.hash || whole.count != pieces.count || memcmp(&a, &b, sizeof(a)) != 0)
		abort();
	run_page(bytes, size - 1);
	return 0;
}
