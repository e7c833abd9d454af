#include "lib/kube/watch.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/kube/event.h"
#include "lib/kube/lines.h"
#include "lib/kube/page.h"
#include "lib/mem.h"

#define PAGE_ITEMS 500
#define PAGES_MAX 10000
#define PAGE_MAX_BYTES ((size_t)256 << 20)
#define LINE_MAX_BYTES ((size_t)16 << 20)
#define STUCK_MAX 3		/* ERROR events in a row, without anything between them, until a list is made */
#define OLDER_MAX 20		/* refused lists from the past in a row (minutes) until one is believed: etcd was restored */
#define TICK_MAX_MS 60000

/* Not constants: the tests cannot wait for minutes. */
static struct {
	int64_t page_ms;		/* of one page of a list */
	int64_t timeout_s;		/* timeoutSeconds is this to twice this */
	int64_t silence_ms;		/* a watch may be silent for so long beyond its timeoutSeconds */
	int64_t bookmark_ms;		/* and so long when the server sends bookmarks (each minute) */
	int64_t quick_ms;		/* a watch that brought nothing and ended sooner has failed */
	int64_t backoff_ms, backoff_max_ms;
} limits = {60000, 300, 60000, 180000, 1000, 800, 30000};

enum state { WAITING, LISTING, WATCHING };
enum next { NEXT_LIST, NEXT_WATCH };

struct kube_watch {
	struct kube *k;
	char *path, *query;
	struct kube_watch_handlers handlers;
	void *arg;
	enum state state;
	struct kube_call *call;		/* while LISTING or WATCHING */
	int64_t due_mono_ms;		/* while WAITING */
	enum next next;
	int tries;			/* failures without a success between them */
	bool gone;			/* a 410 was among them */
	char *rv;			/* where the next watch begins */
	uint64_t newest;		/* highest resourceVersion ever seen as a number; 0: none, or they are no numbers */
	char *page_token;		/* of the next page; NULL: the list begins anew */
	int pages;
	bool replacing;			/* between replace_begin and replace_end */
	bool synced;
	struct lines lines;
	int64_t start_mono_ms, heard_mono_ms;	/* of this watch */
	bool opened;			/* this watch was answered with 200 */
	bool progress;			/* this watch brought a newer resourceVersion */
	bool bookmarks;			/* this server sends bookmarks */
	int stuck, older;		/* see STUCK_MAX and OLDER_MAX */
	bool stopped;			/* on_line ended the stream; why and what next: */
	struct lm_err why;
	enum next then;
	int64_t retry_after_ms;
	struct kube_watch_stats stats;
	int depth;			/* of our callbacks: while it is not 0 nothing is freed */
	bool freed;
};

static void start_list(struct kube_watch *w);
static void start_watch(struct kube_watch *w);

static void release(struct kube_watch *w)
{
	free(w->path);
	free(w->query);
	free(w->rv);
	free(w->page_token);
	lines_clear(&w->lines);
	free(w);
}

static void leave(struct kube_watch *w)
{
	if (--w->depth == 0 && w->freed)
		release(w);
}

static void retry(struct kube_watch *w, enum next next, int64_t retry_after_ms, const struct lm_err *err)
{
	int64_t wait_ms = kube_backoff_ms(w->tries++, limits.backoff_ms, limits.backoff_max_ms, retry_after_ms);

	w->state = WAITING;
	w->next = next;
	w->due_mono_ms = clock_mono_ms() + wait_ms;
	if (w->handlers.trouble)
		w->handlers.trouble(w->arg, err, wait_ms);
}

__attribute__((format(printf, 4, 5))) static void retry_because(struct kube_watch *w, enum next next, int64_t retry_after_ms,
								const char *fmt, ...)
{
	char text[400];
	struct lm_err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	lm_fail(&err, LM_UNAVAILABLE, "%s: %s", w->path, text);
	retry(w, next, retry_after_ms, &err);
}

static void rv_take(struct kube_watch *w, const char *rv)
{
	uint64_t number = rv_number(rv);

	if (!w->rv || !STREQ(w->rv, rv)) {
		free(w->rv);
		w->rv = xstrdup(rv);
		w->progress = true;
	}
	if (number > w->newest)
		w->newest = number;
}

static void heard(struct kube_watch *w)
{
	w->heard_mono_ms = w->stats.last_heard_mono_ms = clock_mono_ms();
}

static char *escaped(const char *text)
{
	char *there = curl_easy_escape(NULL, text, 0), *copy;

	assert(there);
	copy = xstrdup(there);
	curl_free(there);
	return copy;
}

/* 400 and the like would come again at the same resourceVersion; the others are trouble of the moment. */
static bool is_passing(int status)
{
	return status == 401 || status == 403 || kube_may_pass(&(struct kube_response){.status = status});
}

/* --- list ------------------------------------------------------------------------------------------------------------- */

static void list_again(struct kube_watch *w)
{
	free(steal(&w->page_token));
	w->replacing = false;
}

/* Between the calls of a handler the watch may have been freed: then false. */
static bool give(struct kube_watch *w, enum kube_event event, const cJSON *object)
{
	w->handlers.object(w->arg, event, object);
	return !w->freed;
}

static int give_items(struct kube_watch *w, struct page *page, struct lm_err *err)
{
	for (;;) {
		auto_json cJSON *item = NULL;
		int found = page_next(page, &item, err);

		if (found < 0)
			w->stats.bad_lines++;
		if (found <= 0)
			return found;
		if (!give(w, KUBE_ADDED, item))
			return 0;
	}
}

static int check_page(struct kube_watch *w, const struct page *page, struct lm_err *err)
{
	uint64_t number = rv_number(page->resource_version);

	if (strlen(page->resource_version) > RV_MAX_BYTES)
		return lm_fail(err, LM_DATA, "metadata.resourceVersion: is longer than %d bytes", RV_MAX_BYTES);
	if (!w->replacing && number && number < w->newest && ++w->older <= OLDER_MAX)
		return lm_fail(err, LM_UNAVAILABLE, "the list is of resourceVersion %s, but %llu was seen: this server lags behind",
			       page->resource_version, (unsigned long long)w->newest);
	if (*page->next && w->page_token && STREQ(page->next, w->page_token))
		return lm_fail(err, LM_DATA, "metadata.continue: is that of the page before");
	if (*page->next && w->pages >= PAGES_MAX)
		return lm_fail(err, LM_DATA, "the list has more than %d pages", PAGES_MAX);
	if (!w->replacing && number < w->newest)
		w->newest = number;
	w->older = 0;
	return 0;
}

static void end_list(struct kube_watch *w, const struct page *page)
{
	rv_take(w, page->resource_version);
	list_again(w);
	w->stats.lists++;
	w->stats.opened_mono_ms = clock_mono_ms();
	w->synced = true;
	w->handlers.replace_end(w->arg);
	start_watch(w);
}

static int take_page(struct kube_watch *w, const struct kube_response *response, struct lm_err *err)
{
	__attribute__((cleanup(page_close))) struct page page = {0};

	if (page_open(&page, response->body, response->len, err) < 0) {
		w->stats.bad_lines++;
		return -1;
	}
	if (check_page(w, &page, err) < 0)
		return -1;
	heard(w);
	if (!w->replacing) {
		w->replacing = true;
		w->handlers.replace_begin(w->arg);
	}
	if (w->freed)
		return 0;
	if (give_items(w, &page, err) < 0)
		return -1;
	if (w->freed)
		return 0;
	if (!*page.next) {
		end_list(w, &page);
		return 0;
	}
	free(w->page_token);
	w->page_token = xstrdup(page.next);
	w->pages++;
	start_list(w);
	return 0;
}

static void on_list(void *arg, const struct kube_response *response)
{
	struct kube_watch *w = arg;
	struct lm_err err;
	char text[300];

	w->call = NULL;
	w->depth++;
	w->stats.list_status = response->status;
	if (response->status == 200) {
		if (take_page(w, response, &err) < 0) {
			list_again(w);
			lm_wrap(&err, "list of %s", w->path);
			retry(w, NEXT_LIST, -1, &err);
		}
	} else {
		kube_status_text(response, text, sizeof(text));
		w->stats.gone += response->status == 410;
		if (!is_passing(response->status))
			list_again(w);	/* a page that failed for the moment is asked for again, and the list goes on from there */
		retry_because(w, NEXT_LIST, response->retry_after_ms, "list: %s", text);
	}
	leave(w);
}

static void start_list(struct kube_watch *w)
{
	auto_buf struct buf url = {0};

	if (w->freed)
		return;
	buf_printf(&url, "%s?%s%slimit=%d", w->path, w->query, *w->query ? "&" : "", PAGE_ITEMS);
	if (w->page_token) {
		auto_free char *token = escaped(w->page_token);

		buf_printf(&url, "&continue=%s", token);
	}
	if (!w->page_token)
		w->pages = 0;
	w->state = LISTING;
	w->call = kube_send(w->k, &(struct kube_request){.method = "GET", .path = url.data, .timeout_ms = limits.page_ms,
							 .max_bytes = PAGE_MAX_BYTES}, on_list, w);
}

/* --- watch ------------------------------------------------------------------------------------------------------------ */

/* What we have is too old, as after an outage: the server is there again, so the first list is not held back as long as that was. */
static void take_gone(struct kube_watch *w)
{
	w->stats.gone++;
	if (!w->gone)
		w->tries = 0;
	w->gone = true;
}

static bool stop(struct kube_watch *w, enum next then, int64_t retry_after_ms)
{
	w->stopped = true;
	w->then = then;
	w->retry_after_ms = retry_after_ms;
	return false;
}

static bool on_error_event(struct kube_watch *w, const cJSON *status)
{
	int code = status_code(status);

	lm_fail(&w->why, LM_UNAVAILABLE, "%s: watch: ERROR event %d: %.200s", w->path, code, status_message(status));
	if (code == 410)
		take_gone(w);
	if (code == 429)
		return stop(w, NEXT_WATCH, status_retry_after_ms(status));
	if (!is_passing(code) || status_is_too_large_rv(status) || ++w->stuck >= STUCK_MAX)
		return stop(w, NEXT_LIST, -1);
	return stop(w, NEXT_WATCH, -1);
}

static bool on_object(struct kube_watch *w, const struct event *e)
{
	uint64_t number = rv_number(e->rv), last = rv_number(w->rv);

	if (number && last && number < last) {
		w->stats.stale++;
		return true;
	}
	w->stats.events++;
	rv_take(w, e->rv);
	return give(w, e->change, e->object);
}

static void on_bookmark(struct kube_watch *w, const struct event *e)
{
	w->stats.bookmarks++;
	w->bookmarks = true;
	if (rv_number(e->rv) >= rv_number(w->rv))
		rv_take(w, e->rv);
}

static bool on_event(struct kube_watch *w, const struct event *e)
{
	if (e->type == EVENT_ERROR)
		return on_error_event(w, e->object);
	w->stuck = 0;
	if (e->type == EVENT_OBJECT)
		return on_object(w, e);
	if (e->type == EVENT_BOOKMARK)
		on_bookmark(w, e);
	else
		w->stats.unknown++;
	return true;
}

static bool on_line(void *arg, const char *line, size_t len)
{
	struct kube_watch *w = arg;
	__attribute__((cleanup(event_free))) struct event e;

	if (event_read(&e, line, len, &w->why) < 0) {
		w->stats.bad_lines++;
		lm_wrap(&w->why, "%s: watch", w->path);
		return stop(w, NEXT_LIST, -1);
	}
	heard(w);
	return on_event(w, &e);
}

static bool on_chunk(void *arg, const char *bytes, size_t len)
{
	struct kube_watch *w = arg;
	enum lines_result result;

	w->depth++;
	result = lines_feed(&w->lines, bytes, len, on_line, w);
	if (result == LINES_TOO_LONG) {
		w->stats.bad_lines++;
		lm_fail(&w->why, LM_DATA, "%s: watch: a line is longer than %zu bytes", w->path, LINE_MAX_BYTES);
		stop(w, NEXT_LIST, -1);
	}
	leave(w);
	return result == LINES_OK;
}

static enum next after_status(const struct kube_response *response)
{
	auto_json cJSON *status = NULL;
	struct lm_err ignored;

	if (!is_passing(response->status))
		return NEXT_LIST;
	if (response->status == 504)
		status = json_parse_api(response->body, response->len, 0, &ignored);
	return status_is_too_large_rv(status) ? NEXT_LIST : NEXT_WATCH;
}

static void on_watch(void *arg, const struct kube_response *response)
{
	struct kube_watch *w = arg;
	bool good = w->progress || (response->status == 200 && clock_mono_ms() - w->start_mono_ms >= limits.quick_ms);
	char text[300];

	w->call = NULL;
	w->depth++;
	lines_clear(&w->lines);
	if (good) {
		w->tries = 0;
		w->gone = false;
	}
	if (w->stopped) {
		retry(w, w->then, w->retry_after_ms, &w->why);
	} else if (response->status == 200 && good) {
		start_watch(w);	/* each ends by itself after its timeoutSeconds */
	} else if (response->status == 200) {
		retry_because(w, NEXT_WATCH, -1, "watch: ended at once and brought nothing");
	} else {
		kube_status_text(response, text, sizeof(text));
		if (response->status == 410)
			take_gone(w);
		retry_because(w, after_status(response), response->retry_after_ms, "watch: %s", text);
	}
	leave(w);
}

static void start_watch(struct kube_watch *w)
{
	auto_free char *rv = NULL;
	auto_buf struct buf url = {0};
	int64_t timeout_s = limits.timeout_s + (int64_t)arc4random_uniform((uint32_t)limits.timeout_s + 1);
	struct kube_request request = {.method = "GET", .idle_ms = timeout_s * 1000 + limits.silence_ms};

	if (w->freed)
		return;
	rv = escaped(w->rv);
	buf_printf(&url, "%s?%s%swatch=true&allowWatchBookmarks=true&timeoutSeconds=%lld&resourceVersion=%s", w->path, w->query,
		   *w->query ? "&" : "", (long long)timeout_s, rv);
	w->state = WATCHING;
	w->stats.watches++;
	w->start_mono_ms = w->heard_mono_ms = clock_mono_ms();
	w->progress = w->stopped = w->opened = false;
	request.path = url.data;
	w->call = kube_stream(w->k, &request, on_chunk, on_watch, w);
}

/* --- from outside ----------------------------------------------------------------------------------------------------- */

struct kube_watch *kube_watch_new(struct kube *k, const char *path, const char *query, const struct kube_watch_handlers *handlers,
				  void *arg)
{
	struct kube_watch *w = xcalloc(1, sizeof(*w));

	w->k = k;
	w->path = xstrdup(path);
	w->query = xstrdup(query ? query : "");
	w->handlers = *handlers;
	w->arg = arg;
	w->lines.max_bytes = LINE_MAX_BYTES;
	w->stats.last_heard_mono_ms = w->stats.opened_mono_ms = -1;
	start_list(w);
	return w;
}

void kube_watch_free(struct kube_watch *w)
{
	if (!w)
		return;
	w->freed = true;
	if (w->call)
		kube_cancel(w->k, w->call);
	w->call = NULL;
	if (w->depth == 0)
		release(w);
}

/* A connection can look alive while nothing stands behind it: a proxy that answers for a server that is gone. */
static void check_silence(struct kube_watch *w, int64_t mono_ms)
{
	if (!w->bookmarks || mono_ms - w->heard_mono_ms < limits.bookmark_ms)
		return;
	kube_cancel(w->k, w->call);
	w->call = NULL;
	lines_clear(&w->lines);
	retry_because(w, NEXT_WATCH, -1, "watch: neither event nor bookmark for %lld s", (long long)limits.bookmark_ms / 1000);
}

/* Long before the first event, or bookmark. */
static void check_opened(struct kube_watch *w, int64_t mono_ms)
{
	if (w->opened || kube_call_status(w->call) != 200)
		return;
	w->opened = true;
	w->stats.opened_mono_ms = mono_ms;
}

int64_t kube_watch_tick(struct kube_watch *w, int64_t mono_ms)
{
	int64_t left = TICK_MAX_MS;

	w->depth++;
	if (w->state == WATCHING)
		check_opened(w, mono_ms);
	if (w->state == WATCHING)
		check_silence(w, mono_ms);
	if (w->state == WAITING && mono_ms >= w->due_mono_ms) {
		if (w->next == NEXT_LIST)
			start_list(w);
		else
			start_watch(w);
	}
	if (w->state == WAITING)
		left = w->due_mono_ms - mono_ms;
	else if (w->state == WATCHING && w->bookmarks)
		left = w->heard_mono_ms + limits.bookmark_ms - mono_ms;
	leave(w);
	return left < 1 ? 1 : left > TICK_MAX_MS ? TICK_MAX_MS : left;
}

void kube_watch_relist(struct kube_watch *w)
{
	assert(w->depth == 0);
	if (w->call)
		kube_cancel(w->k, w->call);
	lines_clear(&w->lines);
	list_again(w);
	start_list(w);
}

bool kube_watch_synced(const struct kube_watch *w)
{
	return w->synced;
}

struct kube_watch_stats kube_watch_stats(const struct kube_watch *w)
{
	return w->stats;
}
