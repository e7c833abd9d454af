/*
 * Our scheduler and a real kube-scheduler on the same nodes, with less room than their pods ask for together. Two schedulers that do not
 * speak with each other race: each sees the other's pods only when its watch shows them, and the API server takes any binding. What can
 * be promised is that we bind nothing onto room that our watch had shown to be taken; the rest is counted. Shown twice: by the order of
 * our own log, to the event; and from outside, by the audit log, for all that was bound longer ago than a watch may lag.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/rival.h"
#include "tests/testing/crowd.h"
#include "tests/testing/room.h"

#define OURS "my-latency-scheduler"
#define THEIRS "default-scheduler"
#define NODES 20
#define PODS 600			/* of each scheduler: 180 cpu together with the other's, on 160 */
#define LAG_US 1000000			/* what a watch may lag, and a binding may take to the server: more than either does */
#define LIMIT_MS 90000

struct rivals {
	struct sched s;
	struct rival rival;
	struct crowd crowd;
	long from;			/* of the audit log */
	cJSON *state;			/* at the end */
	struct audit audit;
	struct names names;		/* of the pods */
	const char **uids;		/* by name */
};

/* --- the cluster --- */

static void make_pod(void *arg, int i, char **path, char **body)
{
	struct rivals *v = arg;
	bool ours = i % 2 == 0;

	*path = xstrdup("/api/v1/namespaces/default/pods");
	*body = xasprintf("{\"metadata\":{\"name\":\"%s-%d\",\"labels\":{\"app\":\"app-%u\"},\"annotations\":{%s}},\"spec\":{\"schedulerName\":\"%s\","
			  "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%um\",\"memory\":\"16Mi\"}}}]}}",
			  ours ? "pod" : "rival", i / 2, rng_below(&v->crowd.rng, 10),
			  ours && rng_chance(&v->crowd.rng, 0.3) ? "\"latency-mesh.io/near\":\"app=app-1\"" : "", ours ? OURS : THEIRS,
			  50 + rng_below(&v->crowd.rng, 200));
}

static void begin(struct rivals *v)
{
	*v = (struct rivals){.crowd = {.rng = rng_make(test_seed()), .nodes = NODES}};
	e2e_begin(&v->s);
	e2e_nodes(&v->s, "node", NODES, "8", "64Gi", "");
	crowd_write_matrix(&v->crowd, v->s.file);
	v->from = audit_mark();
	rival_start(&v->rival, NULL);
	sched_start(&v->s, NULL);
	e2e_all(&v->s, "POST", 2 * PODS, make_pod, v);
}

static const char *refusal_of(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, item_at(pod, "status.conditions"))
		if (STREQ(text_at(condition, "type"), "PodScheduled") && STREQ(text_at(condition, "status"), "False"))
			return text_at(condition, "message");
	return "";
}

/* Pods that are on no node, and those of them of which a scheduler said why. */
static void count_waiting(const cJSON *state, int *waiting, int *told)
{
	const cJSON *item;

	*waiting = *told = 0;
	cJSON_ArrayForEach(item, item_at(state, "items"))
		if (STREQ(text_at(item, "kind"), "Pod") && !*text_at(item, "spec.nodeName")) {
			++*waiting;
			*told += *refusal_of(item) != '\0';
		}
}

/* Until nothing happens any more: each pod that is left has been told, and no more were bound for two seconds. */
static void until_settled(struct rivals *v)
{
	int64_t end = clock_mono_ms() + LIMIT_MS, since = clock_mono_ms();
	int waiting, told, before = -1;

	for (;;) {
		cJSON_Delete(v->state);
		v->state = e2e_state(&v->s);
		count_waiting(v->state, &waiting, &told);
		if (waiting != before || told < waiting)
			since = clock_mono_ms();
		before = waiting;
		if (clock_mono_ms() - since > 2000)
			return;
		if (clock_mono_ms() > end)
			fail_msg("%d pods wait, %d of them without a word", waiting, waiting - told);
		usleep(300000);
	}
}

static void finish(struct rivals *v)
{
	assert_int_equal(sched_stop(&v->s, SIGTERM), 0);
	rival_stop(&v->rival);
	names_free(&v->names);
	free(v->uids);
	audit_free(&v->audit);
	cJSON_Delete(v->state);
	e2e_end(&v->s);
}

static void index_names(struct rivals *v)
{
	const cJSON *item;

	v->uids = xcalloc((size_t)cJSON_GetArraySize(item_at(v->state, "items")) + 1, sizeof(*v->uids));
	cJSON_ArrayForEach(item, item_at(v->state, "items"))
		if (STREQ(text_at(item, "kind"), "Pod"))
			v->uids[names_add(&v->names, text_at(item, "metadata.name"))] = text_at(item, "metadata.uid");
}

/* --- what happened, by the audit log --- */

static bool is_ours(const struct audit_entry *e)
{
	return strncmp(e->name, "pod-", 4) == 0;
}

/*
 * The bindings of one scheduler (of ours, or of the other) that had no room beside its own that arrived before and the other's that were
 * answered `lag_us` before.
 */
static int without_room(const struct rivals *v, bool ours, int64_t lag_us, struct buf *faults)
{
	auto_free struct room_step *steps = xcalloc(v->audit.count + 1, sizeof(*steps));
	size_t count = 0, i;

	for (i = 0; i < v->audit.count; i++) {
		const struct audit_entry *e = &v->audit.entries[i];
		bool judged = is_ours(e) == ours;

		if (audit_is_bound(e))
			steps[count++] = (struct room_step){judged ? e->at_us : e->done_us + lag_us, e->uid, e->node, judged};
	}
	return room_walk(v->state, steps, count, faults);
}

static void count_races(const struct rivals *v)
{
	static const int64_t lags_us[] = {0, 5000, 20000, 100000, 300000, LAG_US};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lags_us); i++)
		printf("# bound without room, beside the other's of %4d ms before: %3d of ours, %3d of kube-scheduler's\n", (int)(lags_us[i] / 1000),
		       without_room(v, true, lags_us[i], NULL), without_room(v, false, lags_us[i], NULL));
	fflush(stdout);
}

/* --- what we knew, by our own log --- */

struct line {
	char msg[32], pod[64], node[64];
	int64_t at_ms;
};

static bool read_line(const char *text, size_t len, struct line *out)
{
	auto_json cJSON *line = cJSON_ParseWithLength(text, len);
	const char *pod = text_at(line, "pod"), *name = strchr(pod, '/');

	*out = (struct line){.msg = ""};
	if (!line || !name || clock_parse(text_at(line, "time"), &out->at_ms) < 0)
		return false;
	snprintf(out->msg, sizeof(out->msg), "%s", text_at(line, "msg"));
	snprintf(out->pod, sizeof(out->pod), "%s", name + 1);
	snprintf(out->node, sizeof(out->node), "%s", text_at(line, "node"));
	return true;
}

static const struct audit_entry *binding_of(const struct rivals *v, const char *pod)
{
	size_t i;

	for (i = 0; i < v->audit.count; i++)
		if (audit_is_bound(&v->audit.entries[i]) && STREQ(v->audit.entries[i].name, pod))
			return &v->audit.entries[i];
	return NULL;
}

struct knowledge {
	struct room room;
	int begun, seen, wrong;
	double lag_sum_ms, lag_max_ms;		/* from the answer to a rival's binding to our line about it */
	double sent_sum_ms, sent_max_ms;	/* from our line about a binding to its arrival at the server */
};

static void add_time(double *sum_ms, double *max_ms, double ms)
{
	*sum_ms += ms;
	*max_ms = ms > *max_ms ? ms : *max_ms;
}

static void learn(const struct rivals *v, struct knowledge *k, const struct line *l)
{
	uint32_t at = names_find(&v->names, l->pod);
	const char *uid = at == NAMES_NONE ? NULL : v->uids[at];

	assert_non_null(uid);
	if (STREQ(l->msg, "binding begun")) {
		const struct audit_entry *e = binding_of(v, l->pod);

		k->begun++;
		add_time(&k->sent_sum_ms, &k->sent_max_ms, e ? (double)e->at_us / 1e3 - (double)l->at_ms : 0);
		if (!room_fits(&k->room, uid, l->node)) {
			printf("# %s was bound to %s, which was full\n", l->pod, l->node);
			k->wrong++;
		}
		room_take(&k->room, uid, l->node);
	} else if (STREQ(l->msg, "pod seen on a node") && strncmp(l->pod, "rival-", 6) == 0) {
		const struct audit_entry *e = binding_of(v, l->pod);

		k->seen++;
		add_time(&k->lag_sum_ms, &k->lag_max_ms, e ? (double)l->at_ms - (double)e->done_us / 1e3 : 0);
		room_take(&k->room, uid, l->node);
	} else if (STREQ(l->msg, "binding failed") || STREQ(l->msg, "binding lost")) {
		room_give(&k->room, uid, l->node);
	}
}

/* Every binding that we began had room beside all that our watch had shown until then, and our own: else `wrong`. */
static struct knowledge read_log(const struct rivals *v)
{
	auto_free char *log = test_read(v->s.log);
	struct knowledge k = {0};
	const char *at = log;
	struct line line;

	assert_non_null(log);
	room_init(&k.room, v->state);
	for (; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (read_line(at, strcspn(at, "\n"), &line))
			learn(v, &k, &line);
	room_free(&k.room);
	printf("# by our log: %d rivals seen, on average %.1f ms (at most %.0f) after the answer to their binding\n", k.seen,
	       k.lag_sum_ms / (k.seen ? k.seen : 1), k.lag_max_ms);
	printf("# and %d bindings begun, %.1f ms (at most %.0f) before they reached the server\n", k.begun, k.sent_sum_ms / (k.begun ? k.begun : 1),
	       k.sent_max_ms);
	assert_true(k.begun > PODS / 4 && k.seen > PODS / 4);
	return k;
}

/* --- the end --- */

static bool fits_anywhere(const struct rivals *v, const struct room *room, const char *uid)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, item_at(v->state, "items"))
		if (STREQ(text_at(item, "kind"), "Node") && room_fits(room, uid, text_at(item, "metadata.name")))
			return true;
	return false;
}

/* What fits somewhere is bound; what does not waits with kube-scheduler's words, whosever it is. */
static void check_waiting(const struct rivals *v)
{
	const char *words = "0/20 nodes are available: 20 Insufficient cpu.";
	int waiting[2] = {0}, bound[2] = {0};
	struct room room;
	const cJSON *item;

	room_init(&room, v->state);
	cJSON_ArrayForEach(item, item_at(v->state, "items"))
		if (*text_at(item, "spec.nodeName"))
			room_take(&room, text_at(item, "metadata.uid"), text_at(item, "spec.nodeName"));
	cJSON_ArrayForEach(item, item_at(v->state, "items")) {
		bool ours = STREQ(text_at(item, "spec.schedulerName"), OURS);

		if (!STREQ(text_at(item, "kind"), "Pod"))
			continue;
		(*text_at(item, "spec.nodeName") ? bound : waiting)[ours]++;
		if (*text_at(item, "spec.nodeName"))
			continue;
		if (fits_anywhere(v, &room, text_at(item, "metadata.uid")))
			fail_msg("%s waits, and there is room", text_at(item, "metadata.name"));
		if (strncmp(refusal_of(item), words, strlen(words)) != 0)
			fail_msg("%s waits with \"%s\"", text_at(item, "metadata.name"), refusal_of(item));
	}
	room_free(&room);
	printf("# bound: %d of ours, %d of kube-scheduler's; wait, as there is no room: %d and %d\n", bound[1], bound[0], waiting[1], waiting[0]);
	fflush(stdout);
	assert_true(waiting[0] + waiting[1] > 0);
}

static void we_bind_nothing_onto_room_that_our_watch_had_shown_to_be_taken(void **state)
{
	auto_buf struct buf faults = {0};
	struct knowledge k;
	struct rivals v;
	int64_t lag_us;
	int late;

	(void)state;
	begin(&v);
	until_settled(&v);
	audit_read(&v.audit, v.from);
	index_names(&v);
	check_waiting(&v);
	k = read_log(&v);
	count_races(&v);
	lag_us = (int64_t)((k.lag_max_ms + k.sent_max_ms + 2) * 1000); /* two times in whole ms */
	late = without_room(&v, true, lag_us > LAG_US ? lag_us : LAG_US, &faults);
	if (k.wrong || late)
		fail_msg("without room: %d by our log, %d by the audit log\n%s", k.wrong, late, late ? faults.data : "");
	finish(&v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(we_bind_nothing_onto_room_that_our_watch_had_shown_to_be_taken),
	};

	return cmocka_run_group_tests_name("rivals", tests, NULL, NULL);
}
