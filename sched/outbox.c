#include "sched/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 250
#define BACKOFF_MAX_MS 10000

struct entry {
	struct outbox *box;
	struct letter letter;
	struct entry *next;
	struct kube_call *call;
	int tries;
	int64_t next_ms;
};

struct outbox {
	struct kube *kube;
	struct limit *limit;
	struct entry *first, **end;
	size_t count, flight;
	int64_t sent, dropped;
};

struct outbox *outbox_new(struct kube *k, struct limit *limit)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->kube = k;
	o->limit = limit;
	o->end = &o->first;
	return o;
}

static void free_letter(struct letter *l)
{
	free(l->path);
	free(l->body);
	free(l->uid);
	free(l->reason);
	free(l->message);
}

void outbox_free(struct outbox *o)
{
	struct entry *e, *next;

	if (!o)
		return;
	for (e = o->first; e; e = next) {
		next = e->next;
		if (e->call)
			kube_cancel(o->kube, e->call);
		free_letter(&e->letter);
		free(e);
	}
	free(o);
}

static void forget(struct entry *e)
{
	struct outbox *o = e->box;
	struct entry **link = &o->first;

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	if (o->end == &e->next)
		o->end = link;
	o->count--;
	free_letter(&e->letter);
	free(e);
}

void outbox_put(struct outbox *o, const struct letter *letter)
{
	struct letter given = *letter;
	struct entry *e;

	if (o->count == OUTBOX_MAX) {
		o->dropped++;
		free_letter(&given);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->box = o;
	e->letter = given;
	*o->end = e;
	o->end = &e->next;
	o->count++;
}

struct letter *outbox_find(struct outbox *o, const char *uid)
{
	struct entry *e;

	for (e = o->first; e; e = e->next)
		if (e->letter.prepare && !e->call && STREQ(e->letter.uid, uid))
			return &e->letter;
	return NULL;
}

static bool later(const struct entry *e, const struct kube_response *r)
{
	if (e->tries >= OUTBOX_TRIES)
		return false;
	return r->status == 0 || r->status == 408 || r->status == 429 || r->status >= 500 ||
		((r->status == 409 || r->status == 422) && e->letter.prepare);
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct entry *e = arg;
	struct outbox *o = e->box;
	bool fine = (response->status >= 200 && response->status <= 299) || (response->status == 409 && !e->letter.prepare);

	o->flight--;
	e->call = NULL;
	if (later(e, response) && !fine) {
		e->next_ms = clock_mono_ms() + kube_backoff_ms(e->tries, BACKOFF_MS, BACKOFF_MAX_MS, response->retry_after_ms);
		return;
	}
	*(fine ? &o->sent : &o->dropped) += 1;
	forget(e);
}

static void send(struct entry *e)
{
	struct letter *l = &e->letter;

	if (l->prepare && !l->prepare(l->arg, l)) {
		forget(e);
		return;
	}
	e->tries++;
	e->box->flight++;
	e->call = kube_send(e->box->kube, &(struct kube_request){.method = l->method, .path = l->path, .body = l->body,
			    .content_type = l->content_type, .timeout_ms = TIMEOUT_MS}, on_answer, e);
}

int64_t outbox_tick(struct outbox *o, int64_t mono_ms, int64_t most)
{
	struct entry *e, *next;
	int64_t wait = most, left;

	for (e = o->first; e && o->flight < OUTBOX_FLIGHT; e = next) {
		next = e->next;
		if (e->call)
			continue;
		left = e->next_ms > mono_ms ? e->next_ms - mono_ms : 0;
		if (left == 0) {
			if (limit_take(o->limit, OUTBOX_SPARE_TOKENS, mono_ms)) {
				send(e);
				continue;
			}
			left = limit_wait_ms(o->limit, OUTBOX_SPARE_TOKENS, mono_ms);
		}
		wait = left < wait ? left : wait;
	}
	return wait;
}

size_t outbox_open(const struct outbox *o)
{
	return o->count;
}

int64_t outbox_sent(const struct outbox *o)
{
	return o->sent;
}

int64_t outbox_dropped(const struct outbox *o)
{
	return o->dropped;
}
