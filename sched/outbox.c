#include "sched/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 250
#define BACKOFF_REFUSED_MS 1000
#define BACKOFF_MAX_MS 10000
#define SAY_AGAIN_MS 60000

struct entry {
	struct outbox *box;
	struct line *line;		/* where it stands */
	struct letter letter;
	struct entry *next;
	struct kube_call *call;
	int tries;
	int64_t put_ms, next_ms;
};

struct line {
	struct entry *first, **end;
	size_t count, flight;
};

struct outbox {
	struct kube *kube;
	struct limit *limit;
	struct line prompt, others;	/* prompt: those that were not answered once */
	size_t prompt_flight;
	int64_t sent, dropped;
	struct log_gate refusal_gates[LETTER_KINDS];
};

struct outbox *outbox_new(struct kube *k, struct limit *limit)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->kube = k;
	o->limit = limit;
	o->prompt.end = &o->prompt.first;
	o->others.end = &o->others.first;
	o->prompt_flight = 1;
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

static void free_line(struct line *line)
{
	struct entry *e, *next;

	for (e = line->first; e; e = next) {
		next = e->next;
		if (e->call)
			kube_cancel(e->box->kube, e->call);
		free_letter(&e->letter);
		free(e);
	}
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	free_line(&o->prompt);
	free_line(&o->others);
	free(o);
}

void outbox_set_flight(struct outbox *o, size_t flight)
{
	o->prompt_flight = flight;
}

static void line_add(struct line *line, struct entry *e)
{
	e->line = line;
	e->next = NULL;
	*line->end = e;
	line->end = &e->next;
	line->count++;
}

static void line_remove(struct entry *e)
{
	struct line *line = e->line;
	struct entry **link = &line->first;

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	if (line->end == &e->next)
		line->end = link;
	line->count--;
}

static void forget(struct entry *e)
{
	line_remove(e);
	free_letter(&e->letter);
	free(e);
}

void outbox_put(struct outbox *o, const struct letter *letter)
{
	struct letter given = *letter;
	struct entry *e;

	if (outbox_open(o) == OUTBOX_MAX) {
		o->dropped++;
		free_letter(&given);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->box = o;
	e->letter = given;
	e->put_ms = clock_mono_ms();
	line_add(given.prompt ? &o->prompt : &o->others, e);
}

struct letter *outbox_find(struct outbox *o, const char *uid)
{
	struct entry *e;

	for (e = o->others.first; e; e = e->next)
		if (e->letter.prepare && !e->call && STREQ(e->letter.uid, uid))
			return &e->letter;
	return NULL;
}

size_t outbox_prompt(const struct outbox *o, int64_t mono_ms)
{
	const struct entry *oldest = o->prompt.first;

	return oldest && mono_ms - oldest->put_ms <= OUTBOX_PROMPT_MS ? o->prompt.count : 0;
}

static bool is_refusal(const struct kube_response *r)
{
	return r->status == 401 || r->status == 403;
}

static void say_refused(struct outbox *o, const struct letter *l, const struct kube_response *r)
{
	static const char *const names[] = {"an event is refused", "the count of an event is refused", "a pod's condition is refused"};
	int64_t held_back;
	char text[300];

	if (!log_gate_open(&o->refusal_gates[l->kind], SAY_AGAIN_MS, &held_back))
		return;
	kube_status_text(r, text, sizeof(text));
	log_warn(names[l->kind], FIELDS(LS("path", l->path), LS("error", text), LI("held_back", held_back)));
}

static bool later(const struct entry *e, const struct kube_response *r)
{
	if (is_refusal(r))
		return e->tries < OUTBOX_TRIES_REFUSED;
	if (e->tries >= OUTBOX_TRIES)
		return false;
	return kube_may_pass(r) || ((r->status == 409 || r->status == 422) && e->letter.prepare);
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct entry *e = arg;
	struct outbox *o = e->box;
	bool fine = kube_success(response) || (response->status == 409 && !e->letter.prepare);
	int64_t base_ms = is_refusal(response) ? BACKOFF_REFUSED_MS : BACKOFF_MS;

	e->line->flight--;
	e->call = NULL;
	if (is_refusal(response))
		say_refused(o, &e->letter, response);
	if (fine || !later(e, response)) {
		*(fine ? &o->sent : &o->dropped) += 1;
		forget(e);
		return;
	}
	e->next_ms = clock_mono_ms() + kube_backoff_ms(e->tries, base_ms, BACKOFF_MAX_MS, response->retry_after_ms);
	line_remove(e);
	line_add(&o->others, e);
}

static void send(struct entry *e)
{
	struct letter *l = &e->letter;

	if (l->prepare && !l->prepare(l->arg, l)) {
		forget(e);
		return;
	}
	e->tries++;
	e->line->flight++;
	e->call = kube_send(e->box->kube, &(struct kube_request){.method = l->method, .path = l->path, .body = l->body,
			    .content_type = l->content_type, .timeout_ms = TIMEOUT_MS}, on_answer, e);
}

static void send_prompt(struct outbox *o, int64_t mono_ms)
{
	struct entry *e, *next;

	for (e = o->prompt.first; e && o->prompt.flight < o->prompt_flight; e = next) {
		next = e->next;
		if (e->call)
			continue;
		limit_charge(o->limit, mono_ms);
		send(e);
	}
}

void outbox_hurry(struct outbox *o)
{
	struct entry *e;

	for (e = o->others.first; e; e = e->next)
		e->next_ms = 0;
}

int64_t outbox_tick(struct outbox *o, int64_t mono_ms, int64_t most)
{
	struct entry *e, *next;
	int64_t wait = most, left;

	send_prompt(o, mono_ms);
	for (e = o->others.first; e && o->others.flight < OUTBOX_FLIGHT; e = next) {
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
	return o->prompt.count + o->others.count;
}

int64_t outbox_sent(const struct outbox *o)
{
	return o->sent;
}

int64_t outbox_dropped(const struct outbox *o)
{
	return o->dropped;
}
