#include "tests/apiserver/watch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/apiserver/api.h"
#include "tests/apiserver/select.h"

#define BATCH_BYTES 65536	/* written at once, so that one slow reader does not hold a whole history in memory */
#define WAIT_MS 1000		/* between looks at the connection */

struct watch {
	struct api *api;
	struct call call;		/* only its target, for call_covers */
	const struct resource *form;
	struct select select;
	int64_t version;		/* everything up to here was looked at */
	int64_t first;			/* where it began: a bookmark says more than that, or nothing */
	int64_t deadline_ms, bookmark_ms;	/* monotonic; bookmark_ms -1: none wanted */
	unsigned closes, cuts;		/* the server's counts when this began */
	int fd;
	bool snapshot, mark_end;	/* the state comes first; then a bookmark that says so */
	bool ended;
	struct buf out;
	size_t sent;
};

static void write_event(struct watch *w, const char *type, const struct revision *r, int64_t version)
{
	buf_printf(&w->out, "{\"type\":\"%s\",\"object\":", type);
	revision_write(r, w->form, version, true, &w->out);
	buf_str(&w->out, "}\n");
}

static void write_bookmark(struct watch *w, bool initial_end)
{
	char api_version[API_VERSION_MAX];

	resource_api_version(w->form, api_version, sizeof(api_version));
	buf_printf(&w->out, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%lld\"",
		   w->form->kind, api_version, (long long)w->version);
	if (initial_end)
		buf_str(&w->out, ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}");
	buf_str(&w->out, "}}}\n");
}

static void write_gone(struct watch *w)
{
	struct answer a = {0};
	char text[96];

	snprintf(text, sizeof(text), "too old resource version: %lld (%lld)", (long long)w->version,
		 (long long)store_version(w->api->store));
	answer_expired(&a, NULL, text);
	buf_str(&w->out, "{\"type\":\"ERROR\",\"object\":");
	buf_add(&w->out, a.body.data, a.body.len - 1);	/* without its newline */
	buf_str(&w->out, "}\n");
	buf_free(&a.body);
	w->ended = true;
}

static bool wanted(const struct watch *w, const struct revision *r)
{
	return r && call_covers(&w->call, r) && select_matches(&w->select, r);
}

static void write_snapshot(struct watch *w)
{
	const struct table *t = store_table(w->api->store, w->form->id);
	size_t i;

	for (i = 0; i < t->count; i++)
		if (wanted(w, t->items[i]))
			write_event(w, "ADDED", t->items[i], t->items[i]->version);
	w->version = store_version(w->api->store);
	w->snapshot = false;
	if (w->mark_end)
		write_bookmark(w, true);
}

static void write_changes(struct watch *w)
{
	struct store *s = w->api->store;
	const struct change *c;
	uint64_t i;

	if (w->version < store_floor(s, w->form->id)) {
		write_gone(w);
		return;
	}
	for (i = store_change_after(s, w->version); w->out.len < BATCH_BYTES && (c = store_change(s, i)); i++) {
		bool before, after;

		w->version = c->version;
		if (c->id != w->form->id)
			continue;
		before = wanted(w, c->before);
		after = wanted(w, c->after);
		if (after)
			write_event(w, before ? "MODIFIED" : "ADDED", c->after, c->version);
		else if (before)
			write_event(w, "DELETED", c->before, c->version);
	}
}

static bool peer_is_gone(const struct watch *w)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLRDHUP};

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* With the lock: fills `out`, or waits, or ends. */
static void advance(struct watch *w)
{
	int64_t now = clock_mono_ms(), wait = WAIT_MS;

	if (w->snapshot)
		write_snapshot(w);
	else
		write_changes(w);
	if (w->out.len || w->ended)
		return;
	if (now >= w->deadline_ms) {
		if (w->bookmark_ms >= 0 && w->version > w->first)
			write_bookmark(w, false);
		w->ended = true;
		return;
	}
	if (w->bookmark_ms >= 0 && now >= w->bookmark_ms) {
		w->bookmark_ms = now + w->api->bookmark_ms;
		if (w->version > w->first)
			write_bookmark(w, false);
		return;
	}
	if (w->bookmark_ms >= 0 && w->bookmark_ms - now < wait)
		wait = w->bookmark_ms - now;
	if (w->deadline_ms - now < wait)
		wait = w->deadline_ms - now;
	store_wait(w->api->store, w->form->id, wait);
}

ssize_t watch_read(struct watch *w, char *to, size_t room)
{
	size_t len;

	if (w->sent == w->out.len) {
		buf_clear(&w->out);
		w->sent = 0;
		store_lock(w->api->store);
		while (!w->out.len && !w->ended) {
			if (atomic_load(&w->api->stopping) || atomic_load(&w->api->closes) != w->closes)
				w->ended = true;
			else if (atomic_load(&w->api->cuts) != w->cuts || peer_is_gone(w))
				break;
			else
				advance(w);
		}
		store_unlock(w->api->store);
	}
	len = w->out.len - w->sent;
	if (!len)
		return w->ended ? WATCH_END : WATCH_CUT;
	len = len < room ? len : room;
	memcpy(to, w->out.data + w->sent, len);
	w->sent += len;
	return (ssize_t)len;
}

void watch_free(struct watch *w)
{
	atomic_fetch_sub(&w->api->watches, 1);
	select_free(&w->select);
	buf_free(&w->out);
	free(w);
}

/* Where the stream begins: resourceVersion, and sendInitialEvents with its rules. */
static int parse_start(const struct call *call, struct watch *w, struct answer *a)
{
	const char *text = call_arg(call, "resourceVersion"), *match = call_arg(call, "resourceVersionMatch");
	bool initial = call_flag(call, "sendInitialEvents"), not_older = match && STREQ(match, "NotOlderThan");

	if (parse_version(text, &w->version, a) < 0)
		return -1;
	if (call_arg(call, "sendInitialEvents") && !not_older)
		return answer_invalid(a, &list_options, "", "resourceVersionMatch", "FieldValueForbidden",
				      "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
	if (match && *match && !call_arg(call, "sendInitialEvents"))
		return answer_invalid(a, &list_options, "", "resourceVersionMatch", "FieldValueForbidden",
				      "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
	w->snapshot = initial || (w->version == 0 && !call_arg(call, "sendInitialEvents"));
	w->mark_end = initial && call_flag(call, "allowWatchBookmarks");
	return 0;
}

static int parse_watch(struct api *api, const struct call *call, struct watch *w, struct answer *a)
{
	int64_t timeout_s, now = clock_mono_ms();

	if (call_number(call, "timeoutSeconds", &timeout_s, a) < 0 || parse_start(call, w, a) < 0 ||
	    select_parse(w->form, call_arg(call, "fieldSelector"), call_arg(call, "labelSelector"), &w->select, a) < 0)
		return -1;
	w->deadline_ms = now + (timeout_s > 0 ? timeout_s : 1800) * 1000;
	w->bookmark_ms = call_flag(call, "allowWatchBookmarks") ? now + api->bookmark_ms : -1;
	return 0;
}

int object_watch(struct api *api, struct call *call, struct answer *a)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	*w = (struct watch){.api = api, .call.target = call->target, .form = call->target.resource, .fd = call->fd,
			    .closes = atomic_load(&api->closes), .cuts = atomic_load(&api->cuts)};
	atomic_fetch_add(&api->watches, 1);
	if (parse_watch(api, call, w, a) < 0) {
		watch_free(w);
		return -1;
	}
	if (!w->snapshot && !w->version) {	/* sendInitialEvents=false at no version: from now on */
		store_lock(api->store);
		w->version = store_version(api->store);
		store_unlock(api->store);
	}
	w->first = w->version;
	a->code = 200;
	a->stream = w;
	return 0;
}
