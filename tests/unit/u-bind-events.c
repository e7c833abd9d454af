/* Events and the condition of a pod, against a server that answers as each case says. */
#include "tests/unit/bind_server.h"

static void until_sent(struct world *w)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (events_open(w->events) && clock_mono_ms() < until)
		turn(w);
	assert_int_equal(events_open(w->events), 0);
}

static void an_equal_failure_is_one_event_and_a_series(void **state)
{
	struct world w;
	const struct pod *pod;
	int i;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	for (i = 0; i < 50; i++)
		events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 1000 + i * 1000);
	until_sent(&w);
	assert_int_equal(w.server.events, 1);
	events_failed(w.events, pod, "0/2 nodes are available: 2 Too many pods.", 60000);
	until_sent(&w);
	assert_int_equal(w.server.events, 2);
	for (i = 0; i < 300; i++) /* five minutes more: one patch each three */
		events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 61000 + i * 1000);
	until_sent(&w);
	assert_int_equal(w.server.events, 3);
	assert_non_null(strstr(w.server.last_body, "\"series\":{\"count\":"));
	events_failed(w.events, pod, "0/2 nodes are available: 2 Insufficient cpu.", 61000 + 300000 + EVENTS_SERIES_MS);
	until_sent(&w);
	assert_int_equal(w.server.events, 4); /* long after: a new one */
	assert_non_null(strstr(w.server.last_body, "\"reason\":\"FailedScheduling\""));
	end_world(&w);
}

/* The name of the last event; the caller frees. */
static char *event_name(const struct world *w)
{
	cJSON *event = cJSON_Parse(w->server.last_body);
	char *name;

	assert_non_null(event);
	name = xstrdup(cJSON_GetStringValue(json_get(json_get(event, "metadata"), "name")));
	cJSON_Delete(event);
	return name;
}

/* What may have been said by another process has the same name; what is news has not. */
static void cover_is_told_by_an_event_on_the_pod(void **state)
{
	auto_free char *first = NULL, *repeated = NULL, *other = NULL, *again = NULL;
	struct world w;
	const struct pod *pod;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_cover(w.events, pod, true, "room on b if a fails", false);
	until_sent(&w);
	assert_non_null(strstr(w.server.last_body, "\"reportingController\":\"s\""));
	assert_non_null(strstr(w.server.last_body, "\"type\":\"Normal\",\"reason\":\"Covered\",\"action\":\"Reserving\""));
	assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
	assert_non_null(strstr(w.server.last_body, "\"note\":\"room on b if a fails\""));
	first = event_name(&w);
	events_cover(w.events, pod, true, "room on b if a fails", false);
	until_sent(&w);
	repeated = event_name(&w);
	assert_string_equal(first, repeated);
	events_cover(w.events, pod, false, "room on b if a fails", false);
	until_sent(&w);
	assert_non_null(strstr(w.server.last_body, "\"type\":\"Warning\",\"reason\":\"Uncovered\""));
	other = event_name(&w);
	assert_string_not_equal(first, other);
	events_cover(w.events, pod, true, "room on b if a fails", true);
	until_sent(&w);
	again = event_name(&w);
	assert_string_not_equal(first, again);
	end_world(&w);
}

static void a_note_is_cut_at_the_limit_between_characters(void **state)
{
	struct world w;
	char note[3000];
	cJSON *event;
	size_t i, len;

	(void)state;
	begin(&w);
	for (i = 0; i + 2 < sizeof(note); i += 2)
		memcpy(note + i, "\xc3\xa9", 2);
	note[i] = '\0';
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", note);
	until_sent(&w);
	event = cJSON_Parse(w.server.last_body);
	assert_non_null(event);
	len = strlen(cJSON_GetStringValue(json_get(event, "note")));
	assert_in_range(len, EVENTS_NOTE_MAX - 4, EVENTS_NOTE_MAX);
	cJSON_Delete(event);
	end_world(&w);
}

static void events_are_tried_again_and_then_dropped(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.server.event_status = 400;
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	until_sent(&w);
	assert_int_equal(w.server.events, 1);
	assert_int_equal(events_dropped(w.events), 1);
	w.server.event_status = 409; /* AlreadyExists: it is there */
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 1);
	w.server.event_status = 503;
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (w.server.events < 4)
		turn(&w);
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 2);
	w.server.event_status = 403; /* an API server that has just started does not know our rights yet */
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (w.server.events < 6)
		turn(&w);
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 3);
	end_world(&w);
}

static void a_binding_holds_its_place_until_its_event_was_answered(void **state)
{
	struct world w;
	int64_t now_ms = clock_mono_ms();
	int i;

	(void)state;
	begin(&w);
	for (i = 0; i < 4; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	assert_int_equal(events_pressing(w.events, now_ms), 4);
	assert_true(binder_ready(w.binder, 3, now_ms));
	assert_false(binder_ready(w.binder, 4, now_ms));
	assert_int_equal(events_pressing(w.events, now_ms + 2 * OUTBOX_PROMPT_MS), 0); /* a slow server of events delays no binding */
	w.server.event_status = 503;
	while (events_pressing(w.events, clock_mono_ms()))
		turn(&w);
	assert_int_equal(events_open(w.events), 4); /* they were answered, and are tried again like others */
	w.server.event_status = 201;
	until_sent(&w);
	assert_int_equal(events_sent(w.events), 4);
	end_world(&w);
}

static void at_the_end_nothing_waits_for_its_next_try(void **state)
{
	struct world w;
	int64_t begun_ms = clock_mono_ms();
	int i;

	(void)state;
	begin(&w);
	w.server.event_status = 403;
	for (i = 0; i < 50; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (events_pressing(w.events, begun_ms)) /* each was refused once, and is tried again within 2 s */
		turn(&w);
	assert_int_equal(events_open(w.events), 50);
	w.server.event_status = 201;
	events_hurry(w.events);
	for (i = 0; i < 1000 && events_open(w.events) > 0; i++) {
		events_tick(w.events, 0, 0); /* by a clock that stands still */
		kube_run(w.kube, 1000, NULL, 0);
	}
	assert_int_equal(events_sent(w.events), 50);
	end_world(&w);
}

static void scheduled_events_go_out_at_once_and_count_for_the_limiter(void **state)
{
	struct world w;
	char note[32];
	int i;

	(void)state;
	begin(&w);
	w.limit = (struct limit){0};
	limit_set(&w.limit, 0.001, 1, clock_mono_ms());
	assert_true(limit_take(&w.limit, 0, clock_mono_ms()));
	for (i = 0; i < 100; i++) {
		snprintf(note, sizeof(note), "note %d", i);
		events_failed(w.events, cache_find_pod(w.cache, "uid-web")->pod, note, 1000);
	}
	events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	while (events_pressing(w.events, clock_mono_ms()))
		turn(&w);
	assert_int_equal(events_sent(w.events), 1);
	assert_int_equal(w.server.events, 1);
	assert_non_null(strstr(w.server.last_body, "\"reason\":\"Scheduled\""));
	assert_int_equal(limit_wait_ms(&w.limit, 0, clock_mono_ms()) / 100000, 19); /* two to wait for: its own, and the one that it took */
	end_world(&w);
}

static void the_box_of_events_is_bounded(void **state)
{
	struct world w;
	int i;

	(void)state;
	begin(&w);
	for (i = 0; i < OUTBOX_MAX + 500; i++)
		events_scheduled(w.events, "s", "default", "web", "uid-web", "a", "note");
	assert_int_equal(events_open(w.events), OUTBOX_MAX);
	assert_int_equal(events_dropped(w.events), 500);
	end_world(&w);
}

static void the_condition_is_sent_when_it_differs_and_never_overtakes_a_binding(void **state)
{
	struct world w;
	const struct pod *pod;

	(void)state;
	begin(&w);
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_condition(w.events, pod, "Unschedulable", "no");
	events_condition(w.events, pod, "Unschedulable", "no, really"); /* instead of the one that waits */
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	assert_non_null(strstr(w.server.last_body, "no, really"));
	assert_non_null(strstr(w.server.last_body, "\"uid\":\"uid-web\""));
	assert_non_null(strstr(w.server.last_body, "\"lastTransitionTime\":"));

	/* The watch shows it: the same is not sent again, and another message keeps the time. */
	cache_put_pod(w.cache, pod_of("{'metadata':{'name':'web','namespace':'default','uid':'uid-web','resourceVersion':'7'},'spec':{'schedulerName':'s'},"
				      "'status':{'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'no, really'}]}}"));
	pod = cache_find_pod(w.cache, "uid-web")->pod;
	events_condition(w.events, pod, "Unschedulable", "no, really");
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	events_condition(w.events, pod, "Unschedulable", "other");
	until_sent(&w);
	assert_int_equal(w.server.patches, 2);
	assert_null(strstr(w.server.last_body, "lastTransitionTime"));
	assert_non_null(strstr(w.server.last_body, "\"resourceVersion\":\"7\""));

	/* Refused because of the uid or version that it names (409, 422): with the newest ones again. */
	w.server.patch_status = 422;
	events_condition(w.events, pod, "Unschedulable", "again");
	while (w.server.patches < 3)
		turn(&w);
	w.server.patch_status = 409;
	while (w.server.patches < 4 && events_open(w.events))
		turn(&w);
	w.server.patch_status = 0;
	until_sent(&w);
	assert_int_equal(w.server.patches, 5);
	assert_int_equal(events_dropped(w.events), 0);

	/* Assumed before it was sent: dropped. */
	events_condition(w.events, pod, "Unschedulable", "late");
	assert_true(cache_assume(w.cache, "uid-web", 0));
	until_sent(&w);
	assert_int_equal(w.server.patches, 5);
	end_world(&w);
}

static void a_message_is_cut_at_the_limit(void **state)
{
	struct world w;
	auto_free char *message = xmalloc(200001);

	(void)state;
	begin(&w);
	memset(message, 'x', 200000);
	message[200000] = '\0';
	events_condition(w.events, cache_find_pod(w.cache, "uid-web")->pod, "Unschedulable", message);
	until_sent(&w);
	assert_int_equal(w.server.patches, 1);
	assert_in_range(strlen(w.server.last_body), EVENTS_CONDITION_MAX - 4, EVENTS_CONDITION_MAX + 500);
	assert_non_null(strstr(w.server.last_body, "xxx ..."));
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_equal_failure_is_one_event_and_a_series),
		cmocka_unit_test(cover_is_told_by_an_event_on_the_pod),
		cmocka_unit_test(a_note_is_cut_at_the_limit_between_characters),
		cmocka_unit_test(events_are_tried_again_and_then_dropped),
		cmocka_unit_test(a_binding_holds_its_place_until_its_event_was_answered),
		cmocka_unit_test(at_the_end_nothing_waits_for_its_next_try),
		cmocka_unit_test(scheduled_events_go_out_at_once_and_count_for_the_limiter),
		cmocka_unit_test(the_box_of_events_is_bounded),
		cmocka_unit_test(a_message_is_cut_at_the_limit),
		cmocka_unit_test(the_condition_is_sent_when_it_differs_and_never_overtakes_a_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
