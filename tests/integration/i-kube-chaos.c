/*
 * List and watch against a small true server whose answers are spoilt at random: what is seen becomes what is there, and nothing is
 * ever seen going back.
 */
#include "lib/kube/watch.c"

#include <pthread.h>
#include <unistd.h>

#include "tests/testing/scripted.h"
#include "tests/testing/testing.h"

#define WAIT_MS 20000
#define STATUS(code, reason) \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason "\",\"message\":\"says the test\",\"code\":" #code "}"
#define ERROR(code, reason) "{\"type\":\"ERROR\",\"object\":" STATUS(code, reason) "}\n"

enum { NAMES = 12, HISTORY = 4000, SNAPSHOTS = 256, CHANGES = 400 };

struct change {
	int name;
	uint64_t rv;
	enum kube_event event;
};

struct chaos {
	pthread_mutex_t lock;
	uint64_t rv, compacted;		/* a watch at less than compacted is gone */
	uint64_t item[NAMES];		/* resourceVersion, 0: not there */
	struct change history[HISTORY];
	int changes;
	struct {
		uint64_t rv, item[NAMES];
	} snapshot[SNAPSHOTS];		/* of lists in pages, by rv % SNAPSHOTS */
	struct rng rng;
	bool calm;			/* no more faults */
	/* the client's side, of the main thread */
	uint64_t seen[NAMES], next[NAMES];
	bool replacing;
};

static uint32_t chaos_roll(struct chaos *c, uint32_t n)
{
	uint32_t value;

	pthread_mutex_lock(&c->lock);
	value = c->calm ? n - 1 : rng_below(&c->rng, n);
	pthread_mutex_unlock(&c->lock);
	return value;
}

static void chaos_change(struct chaos *c)
{
	int name;
	bool gone;

	pthread_mutex_lock(&c->lock);
	name = (int)rng_below(&c->rng, NAMES);
	gone = c->item[name] && rng_chance(&c->rng, 0.4);
	c->rv += 1 + rng_below(&c->rng, 3);
	c->history[c->changes++] = (struct change){name, c->rv, gone ? KUBE_DELETED : c->item[name] ? KUBE_MODIFIED : KUBE_ADDED};
	c->item[name] = gone ? 0 : c->rv;
	if (rng_chance(&c->rng, 0.05))
		c->compacted = c->rv;
	pthread_mutex_unlock(&c->lock);
}

static void chaos_list(struct scripted_request *r, struct chaos *c)
{
	const char *token = strstr(r->target, "continue=");
	auto_buf struct buf b = {0};
	uint64_t rv = 0;
	int from = 0, i, shown = 0;
	bool known;

	if (token && sscanf(token, "continue=%lu.%d", &rv, &from) != 2)
		abort();
	pthread_mutex_lock(&c->lock);
	if (!token) {
		rv = c->rv;
		c->snapshot[rv % SNAPSHOTS].rv = rv;
		memcpy(c->snapshot[rv % SNAPSHOTS].item, c->item, sizeof(c->item));
	}
	known = c->snapshot[rv % SNAPSHOTS].rv == rv && (c->calm || !token || !rng_chance(&c->rng, 0.1));
	buf_str(&b, "{\"kind\":\"PodList\",\"items\":[");
	for (i = from; i < NAMES && shown < 5; i++)
		if (c->snapshot[rv % SNAPSHOTS].item[i])
			buf_printf(&b, "%s{\"metadata\":{\"name\":\"%d\",\"resourceVersion\":\"%lu\"}}", shown++ ? "," : "", i,
				   c->snapshot[rv % SNAPSHOTS].item[i]);
	pthread_mutex_unlock(&c->lock);
	buf_printf(&b, "],\"metadata\":{\"resourceVersion\":\"%lu\"", rv);
	if (i < NAMES)
		buf_printf(&b, ",\"continue\":\"%lu.%d\"", rv, i);
	buf_str(&b, "}}");
	scripted_reply(r, known ? 200 : 410, NULL, known ? b.data : STATUS(410, "Expired"));
}

/* Lines from `rv` on into b; the new position, 0 when it is gone. */
static uint64_t chaos_events(struct chaos *c, uint64_t rv, struct buf *b)
{
	static const char *const names[] = {[KUBE_ADDED] = "ADDED", [KUBE_MODIFIED] = "MODIFIED", [KUBE_DELETED] = "DELETED"};
	int i;

	pthread_mutex_lock(&c->lock);
	if (rv < c->compacted) {
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	for (i = 0; i < c->changes; i++)
		if (c->history[i].rv > rv)
			buf_printf(b, "{\"type\":\"%s\",\"object\":{\"metadata\":{\"name\":\"%d\",\"resourceVersion\":\"%lu\"}}}\n",
				   names[c->history[i].event], c->history[i].name, c->history[i].rv);
	rv = c->rv;
	pthread_mutex_unlock(&c->lock);
	return rv;
}

static bool chaos_pieces(struct scripted_request *r, struct chaos *c, const struct buf *b, size_t len)
{
	size_t at, part;

	for (at = 0; at < len; at += part) {
		part = 1 + chaos_roll(c, 150);
		if (part > len - at)
			part = len - at;
		if (!scripted_chunk(r, b->data + at, part))
			return false;
	}
	return true;
}

static void chaos_watch(struct scripted_request *r, struct chaos *c)
{
	uint64_t rv = strtoull(strstr(r->target, "resourceVersion=") + strlen("resourceVersion="), NULL, 10), at;
	int quiet = 0;

	scripted_begin(r, 200);
	for (;;) {
		auto_buf struct buf b = {0};
		uint32_t dice = chaos_roll(c, 40);
		size_t len;

		at = chaos_events(c, rv, &b);
		if (!at) {
			scripted_text(r, "%s", ERROR(410, "Expired"));
			break;
		}
		rv = at;
		if (dice == 0)
			buf_printf(&b, "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%lu\"}}}\n", rv);
		else if (dice == 1)
			buf_str(&b, "{\"type\":\"WHATEVER\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\nrub");
		else if (dice == 2)
			buf_str(&b, "rubbish\n");
		else if (dice == 3)
			buf_str(&b, ERROR(500, "InternalError"));
		len = b.len;
		if (dice == 4 && len > 0)
			len -= 1 + rng_below(&(struct rng){rv}, (uint32_t)len);
		if (!chaos_pieces(r, c, &b, len))
			return;
		if (dice == 5)
			scripted_reset(r);
		if (dice < 6 || quiet > 4000)
			break;
		quiet = b.len ? 0 : quiet + 1;
		usleep(2000);
	}
	if (!r->close && chaos_roll(c, 2))
		scripted_end(r);
	r->close = true;
}

static void chaos_answer(struct scripted_request *r)
{
	struct chaos *c = r->arg;

	switch (chaos_roll(c, 12)) {
	case 0:
		scripted_reply(r, 500, NULL, "");
		return;
	case 1:
		scripted_reply(r, 429, NULL, "");
		return;
	case 2:
		scripted_reset(r);
		return;
	default:
		break;
	}
	if (strstr(r->target, "watch=true"))
		chaos_watch(r, c);
	else
		chaos_list(r, c);
}

static void chaos_begin(void *arg)
{
	struct chaos *c = arg;

	c->replacing = true;
	memset(c->next, 0, sizeof(c->next));
}

static void chaos_object(void *arg, enum kube_event event, const cJSON *object)
{
	const cJSON *metadata = json_get(object, "metadata");
	struct chaos *c = arg;
	uint64_t rv = strtoull(json_get(metadata, "resourceVersion")->valuestring, NULL, 10);
	uint64_t *item = &(c->replacing ? c->next : c->seen)[atoi(json_get(metadata, "name")->valuestring)];

	assert_true(rv >= *item);
	*item = event == KUBE_DELETED ? 0 : rv;
}

static void chaos_end(void *arg)
{
	struct chaos *c = arg;

	memcpy(c->seen, c->next, sizeof(c->seen));
	c->replacing = false;
}

static bool chaos_agrees(struct chaos *c)
{
	bool same;

	pthread_mutex_lock(&c->lock);
	same = !c->replacing && memcmp(c->seen, c->item, sizeof(c->item)) == 0;
	pthread_mutex_unlock(&c->lock);
	return same;
}

static void what_is_seen_becomes_what_is_there(void **state)
{
	static const struct kube_watch_handlers chaos_handlers = {chaos_begin, chaos_object, chaos_end, NULL};
	struct chaos *c = xcalloc(1, sizeof(*c));
	struct scripted *s;
	struct kube_watch_stats stats;
	struct kube_watch *w;
	struct lm_err err;
	struct kube *k;
	auto_free char *url = NULL;
	int64_t end = clock_mono_ms() + WAIT_MS;
	int i;

	(void)state;
	pthread_mutex_init(&c->lock, NULL);
	c->rv = 1;
	c->rng = rng_make(test_seed());
	s = scripted_start(chaos_answer, c);
	url = xstrdup(scripted_url(s));
	k = kube_new(&(struct kube_config){.server = url}, "test", &err);
	w = kube_watch_new(k, "/api/v1/pods", NULL, &chaos_handlers, c);
	for (i = 0; i < CHANGES; i++) {
		int64_t left = kube_watch_tick(w, clock_mono_ms());

		kube_run(k, left > 3 ? 3 : left, NULL, 0);
		chaos_change(c);
	}
	pthread_mutex_lock(&c->lock);
	c->calm = true;
	pthread_mutex_unlock(&c->lock);
	while (!chaos_agrees(c) && clock_mono_ms() < end) {
		kube_watch_tick(w, clock_mono_ms());
		kube_run(k, 3, NULL, 0);
	}
	stats = kube_watch_stats(w);
	printf("# %lld lists, %lld watches, %lld events, %lld bookmarks, %lld gone, %lld bad lines, %d requests\n",
	       (long long)stats.lists, (long long)stats.watches, (long long)stats.events, (long long)stats.bookmarks,
	       (long long)stats.gone, (long long)stats.bad_lines, scripted_requests(s));
	assert_true(chaos_agrees(c));
	assert_int_equal(stats.stale, 0);
	kube_watch_free(w);
	kube_free(k);
	scripted_stop(s);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int short_waits(void **state)
{
	(void)state;
	limits.backoff_ms = 10;
	limits.backoff_max_ms = 40;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_seen_becomes_what_is_there),
	};

	return cmocka_run_group_tests_name("kube-chaos", tests, short_waits, NULL);
}
