#include "sched/elect_step.h"

#include <assert.h>
#include <string.h>

#include "lib/mem.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t random_below(struct step *s, int64_t n)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return n > 0 ? (int64_t)((z ^ (z >> 31)) % (uint64_t)n) : 0;
}

void step_init(struct step *s, const struct elect_settings *settings, uint64_t random, int64_t now)
{
	*s = (struct step){.settings = *settings, .random = random, .state = ELECT_STANDBY, .renewed_ms = -1, .next = STEP_GET,
			   .next_ms = now, .observed_ms = now, .out_ms = INT64_MAX};
}

void step_clear(struct step *s)
{
	lease_free(&s->seen);
}

/* --- the record ------------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct step *s)
{
	return s->seen.holder && STREQ(s->seen.holder, s->settings.identity);
}

static int64_t runs_out_ms(const struct step *s)
{
	int64_t duration_ms = s->seen.duration_s > 0 ? s->seen.duration_s * 1000 : s->settings.duration_ms;

	return s->observed_ms + duration_ms;
}

/* Somebody else's, as far as we know. */
static bool is_held(const struct step *s, int64_t now)
{
	return s->seen.holder && *s->seen.holder && !is_ours(s) && now < runs_out_ms(s);
}

static void take_record(struct step *s, const struct lease *lease)
{
	struct lease copy = {
		.holder = xstrdup(lease->holder), .duration_s = lease->duration_s, .transitions = lease->transitions,
		.acquire_time = xstrdup(lease->acquire_time), .spec = xstrdup(lease->spec), .metadata = xstrdup(lease->metadata),
	};

	lease_free(&s->seen);
	s->seen = copy;
	s->absent = false;
}

static void observe(struct step *s, const struct lease *lease, int64_t now)
{
	bool changed = !s->seen.spec || !STREQ(s->seen.spec, lease->spec);

	take_record(s, lease);
	if (!changed)
		return;
	s->observed_ms = now;
	s->out_ms = is_held(s, now) ? runs_out_ms(s) + random_below(s, STEP_SPREAD_MS) : INT64_MAX;
}

/* --- when the next try begins, and with what ---------------------------------------------------------------------------- */

static void try_next(struct step *s, enum step_verb verb, int64_t at_ms)
{
	s->next = verb;
	s->next_ms = at_ms;
}

/* The try is over: the next one begins with a look. */
static void try_later(struct step *s, int64_t now)
{
	int64_t retry_ms = s->settings.retry_ms;

	if (s->state == ELECT_RELEASING)
		retry_ms = STEP_RELEASE_AGAIN_MS;
	else if (s->state == ELECT_STANDBY)
		retry_ms += random_below(s, retry_ms * 6 / 5);
	try_next(s, STEP_GET, now + retry_ms);
	if (s->hinted && s->state == ELECT_STANDBY)
		s->next_ms = now;
	s->hinted = false;
}

static void failed(struct step *s, int64_t now)
{
	s->failures++;
	try_later(s, now);
}

static void lost(struct step *s, enum step_loss why)
{
	s->state = ELECT_LOST;
	s->loss = why;
}

static void ended(struct step *s, bool released)
{
	s->state = ELECT_ENDED;
	s->released = released;
}

/* Once over, over for good: an answer that comes later changes nothing. */
void step_look(struct step *s, int64_t now)
{
	if (s->state == ELECT_LEADING && now >= s->leading_until_ms)
		lost(s, LOSS_OVERDUE);
	else if (s->state == ELECT_RELEASING && now >= s->releasing_until_ms)
		ended(s, false);
}

static bool is_over(const struct step *s)
{
	return s->state == ELECT_LOST || s->state == ELECT_ENDED;
}

/* --- requests ----------------------------------------------------------------------------------------------------------- */

static void fill(const struct step *s, struct lease_write *write)
{
	const struct elect_settings *is = &s->settings;
	bool create = s->open == STEP_CREATE, ours = !create && is_ours(s), release = s->state == ELECT_RELEASING;

	*write = (struct lease_write){
		.namespace_ = is->namespace_, .name = is->name,
		.holder = release ? "" : is->identity,
		.duration_s = release ? 1 : (is->duration_ms + 999) / 1000,
		.transitions = create ? 0 : s->seen.transitions + (ours ? 0 : 1),
		.acquire_time = ours && !release ? s->seen.acquire_time : NULL,
		.metadata = create ? NULL : s->seen.metadata,
	};
}

static int64_t due_ms(const struct step *s)
{
	return s->state == ELECT_STANDBY ? least(s->next_ms, s->out_ms) : s->next_ms;
}

enum step_verb step_next(struct step *s, int64_t now, struct lease_write *write)
{
	step_look(s, now);
	if (is_over(s) || s->open != STEP_NOTHING || now < due_ms(s))
		return STEP_NOTHING;
	s->open = s->next;
	s->open_ms = now;
	if (now >= s->out_ms)
		s->out_ms = INT64_MAX;
	if (s->open == STEP_GET) {
		s->has_read = true;
		s->hinted = s->overtaken = false;
		return STEP_GET;
	}
	assert(s->state != ELECT_STANDBY || !is_held(s, now));
	s->maybe_ours = true;
	fill(s, write);
	return s->open;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static void on_record(struct step *s, int64_t now)
{
	s->maybe_ours = is_ours(s);
	if (s->state == ELECT_RELEASING && !is_ours(s))
		ended(s, !*s->seen.holder);
	else if (s->state == ELECT_LEADING && !is_ours(s))
		lost(s, LOSS_TAKEN);
	else if (s->state == ELECT_STANDBY && is_held(s, now))
		try_later(s, now);
	else
		try_next(s, STEP_UPDATE, now);
}

static void on_absent(struct step *s, int64_t now)
{
	s->absent = true;
	if (s->state == ELECT_RELEASING)
		ended(s, false);
	else if (s->state == ELECT_STANDBY && is_held(s, now))
		try_later(s, now);
	else
		try_next(s, STEP_CREATE, now);
}

static void on_written(struct step *s, const struct lease *lease, int64_t now)
{
	if (s->state == ELECT_RELEASING) {
		ended(s, true);
		return;
	}
	observe(s, lease, now);
	if (!is_ours(s)) {
		failed(s, now); /* somebody between us and the server has changed it */
		return;
	}
	s->has_read = s->hinted = false;
	s->renewed_ms = s->open_ms;
	s->leading_until_ms = s->open_ms + s->settings.deadline_ms;
	if (now >= s->leading_until_ms) { /* a standby that was stopped: ours, but for too short a time */
		try_next(s, STEP_GET, now);
		return;
	}
	s->state = ELECT_LEADING;
	try_next(s, STEP_UPDATE, now + s->settings.retry_ms);
}

static void on_not_written(struct step *s, int status, int64_t now)
{
	bool refused = status == 409 || status == 404;

	if (refused)
		s->maybe_ours = false;
	if (s->state == ELECT_LEADING && !s->has_read)
		try_next(s, STEP_GET, now); /* the same try goes on with a look, as in client-go */
	else if (s->state == ELECT_STANDBY && refused)
		try_later(s, now); /* another one was quicker */
	else
		failed(s, now);
}

void step_answer(struct step *s, int status, const struct lease *lease, int64_t now)
{
	enum step_verb verb = s->open;
	bool success = status >= 200 && status <= 299;

	assert(verb != STEP_NOTHING);
	s->open = STEP_NOTHING;
	if (s->state == ELECT_LEADING)
		step_look(s, now);
	if (is_over(s))
		return;
	if (verb != STEP_GET && success && lease) { /* without one it was not the API server that said yes */
		on_written(s, lease, now);
	} else if (verb != STEP_GET) {
		on_not_written(s, status, now);
	} else if (s->overtaken && s->state == ELECT_STANDBY) {
		try_later(s, now);
	} else if (success && lease) {
		observe(s, lease, now);
		on_record(s, now);
	} else if (status == 404) {
		on_absent(s, now);
	} else {
		failed(s, now);
	}
}

/* What the watch shows may be old: it steers nothing but when we look, and for how long we hold back. */
void step_seen(struct step *s, const struct lease *lease, int64_t now)
{
	bool ours = lease && STREQ(lease->holder, s->settings.identity);

	step_look(s, now);
	if (s->state == ELECT_LEADING && !ours && s->open == STEP_NOTHING)
		try_next(s, STEP_GET, now);
	if (s->state != ELECT_STANDBY)
		return;
	if (lease)
		observe(s, lease, now);
	s->overtaken = s->open == STEP_GET;
	if (s->open == STEP_NOTHING && s->next != STEP_GET)
		try_next(s, STEP_GET, now); /* the record that we were about to write over is another one now */
	if (lease && *lease->holder && !ours)
		return;
	if (s->open != STEP_NOTHING)
		s->hinted = true;
	else
		s->next_ms = now;
}

void step_release(struct step *s, int64_t now)
{
	step_look(s, now);
	if (is_over(s) || s->state == ELECT_RELEASING)
		return;
	s->open = STEP_NOTHING;
	if (s->state == ELECT_STANDBY && !s->maybe_ours) {
		ended(s, false);
		return;
	}
	s->state = ELECT_RELEASING;
	s->releasing_until_ms = now + s->settings.retry_ms;
	try_next(s, STEP_GET, now);
}

/* --- questions ---------------------------------------------------------------------------------------------------------- */

bool step_leading(const struct step *s, int64_t now)
{
	return s->state == ELECT_LEADING && now < s->leading_until_ms;
}

int64_t step_wait(const struct step *s, int64_t now, int64_t most)
{
	int64_t wait = most;

	if (is_over(s))
		return most;
	if (s->open == STEP_NOTHING)
		wait = least(wait, due_ms(s) - now);
	if (s->state == ELECT_LEADING)
		wait = least(wait, s->leading_until_ms - now);
	if (s->state == ELECT_RELEASING)
		wait = least(wait, s->releasing_until_ms - now);
	return wait > 0 ? wait : 0;
}
