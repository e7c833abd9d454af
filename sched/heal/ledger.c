#include "sched/heal/ledger.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/heal/budget.h"
#include "sched/heal/record.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define BYTES_MAX ((size_t)2 << 20)	/* of an object's 1 MiB, escaped */
#define SAY_AGAIN_MS 60000

struct ledger {
	struct kube *kube;
	struct limit *limit;
	char *namespace_, *name;
	bool (*may_send)(void *arg);
	void *arg;
	struct budget budget;
	struct record record, pending;	/* as it stands there for all we know; as an open write, or one of unknown fate, would have it */
	char version[RECORD_VERSION];	/* "": it is not there */
	bool read;			/* `record` may be built upon */
	bool known;			/* it was read once */
	uint64_t process, writes;	/* data.by */
	uint64_t epoch;			/* what was charged in another one is not ours to use any more */
	struct kube_call *call;
	int64_t next_ms;
	int tries;			/* since the last write that succeeded */
	struct log_gate gate;
};

struct ledger *ledger_new(struct kube *k, struct limit *limit, const struct ledger_settings *settings)
{
	struct ledger *l = xcalloc(1, sizeof(*l));

	*l = (struct ledger){.kube = k, .limit = limit, .may_send = settings->may_send, .arg = settings->arg, .namespace_ = xstrdup(settings->namespace_),
			     .name = xasprintf("%s-evictions", settings->lease)};
	arc4random_buf(&l->process, sizeof(l->process));
	ledger_set_rates(l, settings->per_minute, settings->per_hour);
	return l;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	if (l->call)
		kube_cancel(l->kube, l->call);
	budget_free(&l->budget);
	free(l->namespace_);
	free(l->name);
	free(l);
}

void ledger_set_rates(struct ledger *l, int64_t per_minute, int64_t per_hour)
{
	l->budget.per_minute = per_minute;
	l->budget.per_hour = per_hour;
}

/* --- what is read ---------------------------------------------------------------------------------------------------- */

/* `text` is what is wrong; NULL: the answer says it. */
static void misfire(struct ledger *l, const char *what, const char *text, const struct kube_response *r)
{
	auto_free char *key = xasprintf("%s/%s", l->namespace_, l->name);
	char answer[300];
	int64_t held_back;

	l->read = false;
	l->next_ms = clock_mono_ms() + kube_backoff_ms(l->tries++, BACKOFF_MS, BACKOFF_MAX_MS, r->retry_after_ms);
	if (!what || !l->may_send(l->arg) || !log_gate_open(&l->gate, SAY_AGAIN_MS, &held_back))
		return;
	kube_status_text(r, answer, sizeof(answer));
	log_warn(what, FIELDS(LS("configmap", key), LS("error", text ? text : answer), LI("held_back", held_back)));
}

/* What it has and we did not know of was spent by somebody. */
static void spend_unknown(struct ledger *l, const struct record *seen, struct record *known)
{
	int64_t mono_ms = clock_mono_ms(), wall_ms = clock_wall_ms();
	size_t i;

	for (i = 0; i < seen->count; i++) {
		const struct record_line *line = &seen->lines[i], *ours = record_at(known, line->until_ms);
		int64_t more = line->count - (ours ? ours->count : 0), age_ms = wall_ms - line->until_ms;

		if (more > 0 && age_ms < RECORD_HOUR_MS)
			budget_add(&l->budget, mono_ms - (age_ms > 0 ? age_ms : 0), more);
	}
}

static void take_up(struct ledger *l, const struct record *seen)
{
	struct record *known = *seen->by && STREQ(seen->by, l->pending.by) ? &l->pending : &l->record;

	spend_unknown(l, seen, known);
	if (record_same(seen, known)) {
		l->record = *known;
	} else {
		l->record = *seen;
		l->pending = (struct record){0};
		l->epoch++;
	}
	memcpy(l->record.by, seen->by, sizeof(seen->by));
}

/* Nothing more is sent by what is not there any more. */
static void lose(struct ledger *l)
{
	size_t i;

	l->version[0] = '\0';
	for (i = 0; i < l->record.count; i++)
		l->record.lines[i].usable_ms = 0;
}

static void on_read(void *arg, const struct kube_response *r)
{
	struct ledger *l = arg;
	struct record seen;
	struct lm_err err;

	l->call = NULL;
	if (r->status == 404) {
		lose(l);
	} else if (!kube_success(r)) {
		misfire(l, "no pod is evicted: the record of evictions cannot be read", NULL, r);
		return;
	} else if (record_parse(r->body, r->len, &seen, l->version, &err) < 0) {
		misfire(l, "no pod is evicted: the record of evictions is not understood; deleting it begins anew", err.msg, r);
		return;
	} else {
		take_up(l, &seen);
	}
	l->read = l->known = true;
}

static char *path_of(const struct ledger *l, bool named)
{
	return xasprintf("/api/v1/namespaces/%s/configmaps%s%s", l->namespace_, named ? "/" : "", named ? l->name : "");
}

static void read_it(struct ledger *l)
{
	auto_free char *path = path_of(l, true);

	l->call = kube_send(l->kube, &(struct kube_request){.method = "GET", .path = path, .timeout_ms = TIMEOUT_MS, .max_bytes = BYTES_MAX}, on_read, l);
}

int64_t ledger_tick(struct ledger *l, int64_t mono_ms, int64_t most)
{
	if (l->read || l->call || !l->may_send(l->arg))
		return most;
	if (mono_ms < l->next_ms)
		return l->next_ms - mono_ms < most ? l->next_ms - mono_ms : most;
	if (!limit_take(l->limit, 0, mono_ms))
		return limit_wait_ms(l->limit, 0, mono_ms);
	read_it(l);
	return most;
}

/* --- what is written ------------------------------------------------------------------------------------------------- */

/* What became of it is looked up, if it is not known; by our own data.by, where it was carried out. */
static void on_written(void *arg, const struct kube_response *r)
{
	struct ledger *l = arg;
	struct record stored;
	struct lm_err ignored;

	l->call = NULL;
	if (r->status == 409 || r->status == 404) { /* somebody else wrote it, or made it, or took it away */
		misfire(l, NULL, NULL, r);
	} else if (!kube_success(r) || record_parse(r->body, r->len, &stored, l->version, &ignored) < 0) {
		misfire(l, "no pod is evicted: the record of evictions cannot be written", NULL, r);
	} else {
		l->record = l->pending;
		l->tries = 0;
	}
}

static void body_of(const struct ledger *l, struct buf *b)
{
	if (*l->version) {
		buf_str(b, "{\"metadata\":{\"resourceVersion\":");
		buf_json_string(b, l->version);
	} else {
		buf_str(b, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":");
		buf_json_string(b, l->name);
	}
	buf_str(b, "},\"data\":");
	record_print(&l->pending, b);
	buf_char(b, '}');
}

static void write_pending(struct ledger *l)
{
	bool there = *l->version != '\0';
	auto_free char *path = path_of(l, there);
	auto_buf struct buf body = {0};

	body_of(l, &body);
	l->call = kube_send(l->kube, &(struct kube_request){.method = there ? "PATCH" : "POST", .path = path, .body = body.data,
			    .content_type = there ? "application/merge-patch+json" : NULL, .timeout_ms = TIMEOUT_MS, .max_bytes = BYTES_MAX,
			    .may_send = l->may_send, .may_send_arg = l->arg}, on_written, l);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void charge(struct ledger *l, int64_t waiting, int64_t mono_ms)
{
	int64_t wanted = least(least(waiting, LEDGER_BLOCK), budget_room(&l->budget, mono_ms)), unused = record_unused(&l->record);

	l->pending = l->record;
	record_charge(&l->pending, wanted > unused ? wanted - unused : 0, clock_wall_ms(), clock_mono_ms() + LEDGER_LIFE_MS);
	snprintf(l->pending.by, sizeof(l->pending.by), "%016" PRIx64 "-%" PRIu64, l->process, ++l->writes);
	write_pending(l);
}

/* --- what is spent --------------------------------------------------------------------------------------------------- */

int64_t ledger_wait_ms(struct ledger *l, int64_t mono_ms)
{
	return budget_wait_ms(&l->budget, mono_ms);
}

static struct record_line *usable(struct ledger *l, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < l->record.count; i++)
		if (l->record.lines[i].unused > 0 && mono_ms < l->record.lines[i].usable_ms)
			return &l->record.lines[i];
	return NULL;
}

int64_t ledger_cover_ms(struct ledger *l, size_t waiting, int64_t mono_ms)
{
	if (l->call || !l->read)
		return INT64_MAX;
	if (usable(l, mono_ms))
		return 0;
	if (mono_ms < l->next_ms)
		return l->next_ms - mono_ms;
	if (!limit_take(l->limit, 0, mono_ms))
		return limit_wait_ms(l->limit, 0, mono_ms);
	charge(l, (int64_t)waiting, mono_ms);
	return INT64_MAX;
}

struct ledger_spent ledger_spend(struct ledger *l, int64_t mono_ms)
{
	struct record_line *line = usable(l, mono_ms);

	line->unused--;
	budget_spend(&l->budget, mono_ms);
	return (struct ledger_spent){mono_ms, line->until_ms, l->epoch};
}

static void return_to(struct record *r, int64_t until_ms)
{
	struct record_line *line = record_at(r, until_ms);

	if (line)
		line->unused++;
}

/* A write that is open may have left it where it was: there it is unused from now on, too. */
void ledger_return(struct ledger *l, struct ledger_spent *spent)
{
	if (!spent->at_ms)
		return;
	budget_return(&l->budget, spent->at_ms);
	if (spent->epoch == l->epoch) {
		return_to(&l->record, spent->until_ms);
		return_to(&l->pending, spent->until_ms);
	}
	*spent = (struct ledger_spent){0};
}

double ledger_left(struct ledger *l, int64_t mono_ms)
{
	return l->known ? (double)budget_left(&l->budget, mono_ms) : NAN;
}
