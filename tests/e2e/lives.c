#include "tests/e2e/lives.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/testing/fit.h"
#include "tests/testing/room.h"

#define ACCOUNT "system:serviceaccount:" E2E_NAMESPACE ":latency-sched"
#define PODS "/api/v1/namespaces/default/pods"

int64_t lives_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void lives_begin(struct lives *l, struct sched *s)
{
	*l = (struct lives){.s = s, .from = audit_mark()};
}

void lives_end(struct lives *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		cJSON_Delete(l->items[i].pod);
	free(l->items);
	names_free(&l->uids);
	*l = (struct lives){0};
}

/* --- what the test does ---------------------------------------------------------------------------------------------- */

char *lives_body(const char *name, const struct pod_kind *kind)
{
	const char *scheduler = kind->scheduler ? kind->scheduler : LIVES_OURS;
	auto_free char *named = *scheduler ? xasprintf("\"schedulerName\":\"%s\",", scheduler) : xstrdup("");

	return xasprintf("{\"metadata\":{\"name\":\"%s\"%s},\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":"
			 "{\"cpu\":\"%um\"}}}]%s}}", name, kind->metadata ? kind->metadata : "", named, kind->cpu, kind->spec ? kind->spec : "");
}

static void note_version(struct life *life, const cJSON *pod)
{
	snprintf(life->version, sizeof(life->version), "%s", text_at(pod, "metadata.resourceVersion"));
}

void lives_add(struct lives *l, cJSON *pod, const struct pod_kind *kind, int64_t began_us)
{
	struct life *life;

	grow(&l->items, &l->room, l->count + 1, sizeof(*l->items));
	life = &l->items[l->count++];
	*life = (struct life){.from_us = kind->scheduler || kind->untouchable ? LIVES_NEVER : began_us, .until_us = LIVES_NEVER,
			      .freed_us = LIVES_NEVER, .pod = pod};
	snprintf(life->name, sizeof(life->name), "%s", text_at(pod, "metadata.name"));
	snprintf(life->uid, sizeof(life->uid), "%s", text_at(pod, "metadata.uid"));
	note_version(life, pod);
	assert_int_not_equal(names_add(&l->uids, life->uid), NAMES_NONE);
	l->unlogged += *text_at(pod, "spec.nodeName") != '\0';
}

static void is_gone(struct lives *l, struct life *life, int64_t began_us)
{
	life->freed_us = began_us;
	l->unlogged -= *text_at(life->pod, "spec.nodeName") != '\0';
}

void lives_gone(struct lives *l, struct life *life, int64_t began_us)
{
	life->until_us = lives_now_us();
	if (!item_at(life->pod, "metadata.finalizers"))
		is_gone(l, life, began_us);
}

struct life *lives_last(struct lives *l, const char *name)
{
	size_t i;

	for (i = l->count; i-- > 0;)
		if (STREQ(l->items[i].name, name))
			return &l->items[i];
	fail_msg("no pod %s was made", name);
	return NULL;
}

void lives_make(struct lives *l, const char *name, const struct pod_kind *kind)
{
	auto_free char *body = lives_body(name, kind);
	int64_t began_us = lives_now_us();

	lives_add(l, standin_want(&l->s->api, 201, "POST", PODS, body), kind, began_us);
}

void lives_delete(struct lives *l, const char *name)
{
	auto_free char *path = xasprintf(PODS "/%s", name);
	int64_t began_us = lives_now_us();
	auto_json cJSON *pod = standin_want(&l->s->api, 200, "DELETE", path, "{\"gracePeriodSeconds\":0}");
	struct life *life = lives_last(l, name);

	lives_gone(l, life, began_us);
	note_version(life, pod);
}

void lives_patch(struct lives *l, const char *name, const char *subresource, const char *body)
{
	auto_free char *path = xasprintf(PODS "/%s%s", name, subresource);
	auto_json cJSON *pod = standin_want(&l->s->api, 200, "PATCH", path, body);

	note_version(lives_last(l, name), pod);
}

void lives_release(struct lives *l, const char *name, const char *body)
{
	lives_last(l, name)->from_us = lives_now_us();
	lives_patch(l, name, "", body);
}

void lives_unpin(struct lives *l, const char *name)
{
	int64_t began_us = lives_now_us();

	lives_patch(l, name, "", "{\"metadata\":{\"finalizers\":null}}");
	is_gone(l, lives_last(l, name), began_us);
}

/* --- the judge ------------------------------------------------------------------------------------------------------- */

static struct life *find(struct lives *l, const char *uid)
{
	uint32_t at = names_find(&l->uids, uid);

	return at == NAMES_NONE ? NULL : &l->items[at];
}

static void judge_binding(struct lives *l, const struct audit_entry *e, struct buf *faults)
{
	struct life *life = find(l, e->uid);

	if (!life) {
		buf_printf(faults, "%s: a binding (%d) with the uid \"%s\" of no pod\n", e->name, e->code, e->uid);
		return;
	}
	if (life->from_us > e->done_us)
		buf_printf(faults, "%s: a binding (%d) was asked for, and it was not to be touched\n", e->name, e->code);
	if (!STREQ(life->name, e->name))
		buf_printf(faults, "%s: a binding (%d) with the uid of %s\n", e->name, e->code, life->name);
	if (!audit_is_bound(e)) {
		l->refused++;
		life->refusals++;
		return;
	}
	l->bound++;
	if (life->bindings++)
		buf_printf(faults, "%s: uid %s was bound %d times\n", e->name, e->uid, life->bindings);
	if (e->at_us > life->until_us)
		buf_printf(faults, "%s: bound after the end of uid %s\n", e->name, e->uid);
}

/* By its name and its time alone: the audit log does not have a patch's uid. */
static void judge_status(struct lives *l, const struct audit_entry *e, struct buf *faults)
{
	bool once = false, now = false;
	size_t i;

	for (i = 0; i < l->count; i++) {
		const struct life *life = &l->items[i];

		if (!STREQ(life->name, e->name) || life->from_us > e->done_us)
			continue;
		once = true;
		now = now || life->until_us >= e->at_us;
	}
	l->status_writes++;
	l->status_refused += e->code > 299;
	if (!once)
		buf_printf(faults, "%s: its status was written (%d), and it was not to be touched\n", e->name, e->code);
	else if (!now && e->code < 300)
		buf_printf(faults, "%s: its status was written after its time\n", e->name);
}

static bool is_read(const char *verb)
{
	return STREQ(verb, "get") || STREQ(verb, "list") || STREQ(verb, "watch");
}

static void judge_writes(struct lives *l, const struct audit *a, struct buf *faults)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];

		if (!STREQ(e->user, ACCOUNT) || is_read(e->verb) || STREQ(e->resource, "events"))
			continue;
		if (audit_is_binding(e))
			judge_binding(l, e, faults);
		else if (STREQ(e->resource, "pods") && STREQ(e->subresource, "status") && STREQ(e->verb, "patch"))
			judge_status(l, e, faults);
		else
			buf_printf(faults, "%s of %s was asked for (%d)\n", e->verb, e->uri, e->code);
	}
}

static void judge_events(struct lives *l, struct buf *faults)
{
	auto_json cJSON *list = standin_want(&l->s->api, 200, "GET", "/apis/events.k8s.io/v1/events", NULL);
	const cJSON *event;

	cJSON_ArrayForEach(event, item_at(list, "items")) {
		const char *reason = text_at(event, "reason");
		struct life *life = find(l, text_at(event, "regarding.uid"));

		if (!life || life->from_us == LIVES_NEVER || !STREQ(life->name, text_at(event, "regarding.name")))
			buf_printf(faults, "an event %s about %s, uid \"%s\"\n", reason, text_at(event, "regarding.name"),
				   text_at(event, "regarding.uid"));
		else
			life->events += STREQ(reason, "Scheduled");
	}
}

/* As the server has it. */
static void judge_living(const struct life *life, const cJSON *pod, struct buf *faults)
{
	if (life->from_us == LIVES_NEVER && !STREQ(text_at(pod, "metadata.resourceVersion"), life->version))
		buf_printf(faults, "%s: changed by somebody\n", life->name);
	if (life->from_us != LIVES_NEVER && life->until_us == LIVES_NEVER && (life->bindings != 1 || life->events != 1))
		buf_printf(faults, "%s: bound %d times, with %d Scheduled events\n", life->name, life->bindings, life->events);
}

static void judge_ends(struct lives *l, const cJSON *state, struct buf *faults)
{
	const cJSON *item;
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->items[i].events > l->items[i].bindings)
			buf_printf(faults, "%s: %d Scheduled events of uid %s, bound %d times\n", l->items[i].name, l->items[i].events,
				   l->items[i].uid, l->items[i].bindings);
	cJSON_ArrayForEach(item, item_at(state, "items")) {
		const struct life *life = find(l, text_at(item, "metadata.uid"));

		if (life && STREQ(text_at(item, "kind"), "Pod"))
			judge_living(life, item, faults);
	}
}

/* --- room at all times --- */

struct step {
	int64_t at_us;
	const char *uid, *node;
	bool gives;
};

static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us > y->at_us ? 1 : -1;
	return y->gives - x->gives;
}

/* A pod is on its node from the answer to its binding on until its deletion was asked for: no longer than it really was. */
static size_t steps_of(struct lives *l, const struct audit *a, struct step *steps)
{
	size_t count = 0, i;

	for (i = 0; i < a->count; i++) {
		const struct audit_entry *e = &a->entries[i];
		const struct life *life = find(l, e->uid);

		if (!audit_is_bound(e) || !life || life->freed_us <= e->done_us)
			continue;
		steps[count++] = (struct step){e->done_us, e->uid, e->node, false};
		if (life->freed_us != LIVES_NEVER)
			steps[count++] = (struct step){life->freed_us, e->uid, e->node, true};
	}
	return count;
}

/* All nodes, and all pods that ever were. */
static cJSON *everything(struct lives *l, const cJSON *state)
{
	cJSON *all = cJSON_CreateObject(), *items = cJSON_AddArrayToObject(all, "items"), *item;
	size_t i;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "items"))
		if (STREQ(text_at(item, "kind"), "Node"))
			cJSON_AddItemReferenceToArray(items, item);
	for (i = 0; i < l->count; i++)
		cJSON_AddItemReferenceToArray(items, l->items[i].pod);
	return all;
}

static void judge_room(struct lives *l, const struct audit *a, const cJSON *state, struct buf *faults)
{
	auto_free struct step *steps = xcalloc(2 * a->count + 1, sizeof(*steps));
	auto_json cJSON *all = everything(l, state);
	size_t count = steps_of(l, a, steps), i;
	struct room room;

	qsort(steps, count, sizeof(*steps), by_time);
	room_init(&room, all);
	for (i = 0; i < count; i++) {
		if (steps[i].gives) {
			room_give(&room, steps[i].uid, steps[i].node);
			continue;
		}
		if (!room_fits(&room, steps[i].uid, steps[i].node))
			buf_printf(faults, "%s: no room on %s\n", find(l, steps[i].uid)->name, steps[i].node);
		room_take(&room, steps[i].uid, steps[i].node);
	}
	room_free(&room);
}

void lives_finish(struct lives *l)
{
	auto_json cJSON *state = NULL;
	auto_free char *journal = NULL;
	auto_buf struct buf faults = {0};
	struct audit audit;

	assert_int_equal(sched_stop(l->s, SIGTERM), 0);
	state = e2e_state(l->s);
	audit_read(&audit, l->from);
	journal = audit_journal(&audit);
	judge_writes(l, &audit, &faults);
	judge_events(l, &faults);
	judge_ends(l, state, &faults);
	judge_room(l, &audit, state, &faults);
	fit_check(&(struct fit_input){.state = state, .log = journal, .unlogged = l->unlogged, .scheduler = LIVES_OURS}, &faults);
	audit_free(&audit);
	printf("# %zu pods, %d bindings carried out, %d refused; %d writes of status, %d refused\n", l->count, l->bound, l->refused,
	       l->status_writes, l->status_refused);
	if (faults.len)
		fail_msg("the judge says:\n%.4000s", faults.data);
}
