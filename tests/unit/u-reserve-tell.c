/* What users hear of room for their pods: each change that lasts, once, and never many at a time. */
#include <string.h>

#include "sched/events.h"
#include "tests/unit/objects.h"

struct message {
	char uid[40], note[100];
	bool covered, again;
	int64_t mono_ms;
};

static struct message messages[10000];
static size_t message_count;
static int64_t now_ms;

static void heard_cover(struct events *e, const struct pod *pod, bool covered, const char *note, bool again)
{
	struct message *m = &messages[message_count++];

	(void)e;
	assert_true(message_count < ARRAY_SIZE(messages));
	*m = (struct message){.covered = covered, .again = again, .mono_ms = now_ms};
	snprintf(m->uid, sizeof(m->uid), "%s", pod->uid);
	snprintf(m->note, sizeof(m->note), "%s", note);
}

#define events_cover heard_cover
#include "sched/reserve/tell.c"
#undef events_cover

struct stage {
	struct cache *cache;
	struct tell *tell;
	struct standing_pod pods[300];
	struct standing standing;
};

static void begin(struct stage *s, size_t pods)
{
	static char uids[300][40], names[300][40];
	size_t i;

	*s = (struct stage){.cache = cache_new()};
	s->tell = tell_new(NULL, s->cache);
	for (i = 0; i < pods; i++) {
		snprintf(names[i], sizeof(names[i]), "web-%03zu", i);
		snprintf(uids[i], sizeof(uids[i]), "uid-web-%03zu", i);
		cache_put_pod(s->cache, pod_with(names[i], "'schedulerName':'s'"));
		s->pods[i] = (struct standing_pod){RESERVE_POD_UNCOVERED, uids[i], "default", names[i], "edge-1", NULL, "no room"};
	}
	s->standing = (struct standing){.leading = true, .pods = s->pods, .pod_count = pods};
	message_count = 0;
	now_ms = 1000000;
}

static void end(struct stage *s)
{
	tell_free(s->tell);
	tell_free(NULL);
	cache_free(s->cache);
}

static void cover(struct stage *s, size_t i, const char *refuge)
{
	s->pods[i].state = RESERVE_POD_COVERED;
	s->pods[i].refuge = refuge;
	s->pods[i].reason = NULL;
}

static void uncover(struct stage *s, size_t i, const char *reason)
{
	s->pods[i].state = RESERVE_POD_UNCOVERED;
	s->pods[i].refuge = NULL;
	s->pods[i].reason = reason;
}

/* As the loop does it: when it is due, a turn of a second at most. */
static void pass(struct stage *s, int64_t ms)
{
	int64_t until_ms = now_ms + ms, wait = 0;

	do {
		now_ms += wait;
		wait = tell_now(s->tell, &s->standing, now_ms, 1000);
		assert_true(wait > 0 && wait <= 1000);
	} while (now_ms + wait <= until_ms);
	now_ms = until_ms;
	tell_now(s->tell, &s->standing, now_ms, 1000);
}

static void expect(size_t count, bool covered, bool again, const char *note)
{
	const struct message *m = &messages[count - 1];

	assert_int_equal(message_count, count);
	assert_string_equal(m->note, note);
	assert_int_equal(m->covered, covered);
	assert_int_equal(m->again, again);
}

static void what_lasts_is_told_once(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, 1);
	pass(&s, TELL_UNCOVERED_MS - 1);
	assert_int_equal(message_count, 0);
	pass(&s, 1);
	expect(1, false, false, "no room");
	pass(&s, 3600000);
	assert_int_equal(message_count, 1);
	cover(&s, 0, "edge-2");
	pass(&s, TELL_COVERED_MS);
	expect(2, true, true, "room on edge-2 if edge-1 fails");
	pass(&s, 3600000);
	assert_int_equal(message_count, 2);
	cover(&s, 0, "edge-3");
	pass(&s, TELL_COVERED_MS);
	expect(3, true, true, "room on edge-3 if edge-1 fails");
	end(&s);
}

/* Nothing of it is told too early, and of what passed nothing at all. */
static void what_passes_is_no_news(void **state)
{
	struct stage s;
	int i;

	(void)state;
	begin(&s, 1);
	cover(&s, 0, "edge-2");
	pass(&s, 3600000);
	assert_int_equal(message_count, 0);	/* so it was before */
	uncover(&s, 0, "its room is being made");
	pass(&s, TELL_UNCOVERED_MS - 1);
	cover(&s, 0, "edge-2");
	pass(&s, 3600000);
	assert_int_equal(message_count, 0);
	for (i = 0; i < 1000; i++) {
		uncover(&s, 0, "no room");
		pass(&s, TELL_UNCOVERED_MS / 2);
		cover(&s, 0, "edge-2");
		pass(&s, TELL_COVERED_MS / 2);
	}
	assert_int_equal(message_count, 0);
	uncover(&s, 0, "no room");
	pass(&s, TELL_UNCOVERED_MS);
	expect(1, false, true, "no room");
	end(&s);
}

static void another_reason_waits_for_long(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, 1);
	pass(&s, TELL_UNCOVERED_MS);
	uncover(&s, 0, "1 Insufficient cpu");
	pass(&s, TELL_REASON_MS - 1);
	assert_int_equal(message_count, 1);
	uncover(&s, 0, "2 Insufficient cpu");
	pass(&s, TELL_UNCOVERED_MS - 1);
	assert_int_equal(message_count, 1);
	pass(&s, 1);
	expect(2, false, true, "2 Insufficient cpu");	/* as it is then */
	cover(&s, 0, "edge-2");
	pass(&s, TELL_GAP_MS - 1);
	assert_int_equal(message_count, 2);
	pass(&s, 1);
	expect(3, true, true, "room on edge-2 if edge-1 fails");
	end(&s);
}

static void who_starts_takes_what_is_covered_as_told(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, 3);
	cover(&s, 0, "edge-2");
	cover(&s, 1, "edge-2");
	pass(&s, 10000);
	cover(&s, 1, "edge-3");		/* after the first look: news */
	cover(&s, 2, "edge-3");
	pass(&s, 3600000);
	assert_int_equal(message_count, 2);
	assert_string_equal(messages[0].uid, "uid-web-001");
	assert_true(messages[0].again);
	assert_string_equal(messages[1].uid, "uid-web-002");
	assert_false(messages[1].again);
	end(&s);
}

/* All at once, and each is told all the same. */
static void many_are_told_a_few_at_a_time(void **state)
{
	struct stage s;
	size_t i, k, pods = 300;

	(void)state;
	begin(&s, pods);
	pass(&s, 10000);
	for (i = 1; i < pods; i++)
		cover(&s, i, "edge-2");
	pass(&s, 600000);
	assert_int_equal(message_count, pods);
	for (i = 0; i < message_count; i++) {
		for (k = i; k < message_count && messages[k].mono_ms < messages[i].mono_ms + 10000; k++)
			;
		assert_true(k - i <= TELL_AT_ONCE + 10 * TELL_A_SECOND + 1);
		for (k = 0; k < i; k++)
			assert_string_not_equal(messages[k].uid, messages[i].uid);
	}
	end(&s);
}

static void who_is_owed_or_ends_hears_nothing(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, 3);
	cover(&s, 0, "edge-2");
	pass(&s, 1000);
	s.pods[0].state = RESERVE_POD_OWED;
	cache_delete_pod(s.cache, "uid-web-001");
	cache_put_pod(s.cache, pod_of("{'metadata':{'name':'web-002','namespace':'default','uid':'uid-web-002','deletionTimestamp':'2026-11-21T21:00:00Z'},"
				      "'spec':{'containers':[]}}"));
	pass(&s, 3600000);
	assert_int_equal(message_count, 0);
	s.pods[0].state = RESERVE_POD_COVERED;
	pass(&s, 3600000);
	assert_int_equal(message_count, 0);	/* nothing became of it */
	end(&s);
}

/* Whatever comes and goes: what was told last of a pod that is as it is for long is the truth, and each pod's news keep their distance. */
static void what_was_told_last_is_true(void **state)
{
	static const char *const refuges[] = {"edge-2", "edge-3"}, *const reasons[] = {"1 Insufficient cpu", "2 Insufficient cpu", "no room"};
	struct rng r = rng_make(test_seed());
	struct stage s;
	bool covered_first[20];
	size_t i, k, step;

	(void)state;
	begin(&s, 20);
	for (i = 0; i < 20; i++) {
		covered_first[i] = rng_chance(&r, 0.5);
		if (covered_first[i])
			cover(&s, i, refuges[0]);
	}
	for (step = 0; step < 200; step++) {
		i = rng_below(&r, 20);
		if (rng_chance(&r, 0.5))
			cover(&s, i, refuges[rng_below(&r, 2)]);
		else
			uncover(&s, i, reasons[rng_below(&r, 3)]);
		pass(&s, rng_below(&r, 100000));
	}
	pass(&s, 2 * TELL_REASON_MS);
	for (i = 0; i < 20; i++) {
		const struct message *last = NULL;
		auto_free char *truth = s.pods[i].refuge ? xasprintf("room on %s if edge-1 fails", s.pods[i].refuge) : xstrdup(s.pods[i].reason);

		for (k = 0; k < message_count; k++)
			if (STREQ(messages[k].uid, s.pods[i].uid)) {
				if (last)
					assert_true(messages[k].mono_ms - last->mono_ms >= TELL_GAP_MS && strcmp(messages[k].note, last->note) != 0);
				last = &messages[k];
			}
		if (last)
			assert_string_equal(last->note, truth);
		else
			assert_true(covered_first[i] && STREQ(truth, "room on edge-2 if edge-1 fails"));
	}
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lasts_is_told_once),
		cmocka_unit_test(what_passes_is_no_news),
		cmocka_unit_test(another_reason_waits_for_long),
		cmocka_unit_test(who_starts_takes_what_is_covered_as_told),
		cmocka_unit_test(many_are_told_a_few_at_a_time),
		cmocka_unit_test(who_is_owed_or_ends_hears_nothing),
		cmocka_unit_test(what_was_told_last_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
