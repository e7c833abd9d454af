#include "sched/trouble.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define REPEAT_MS 60000
#define AGAIN_MS 10000

/* Without the path, so that all watches of a server that is gone have the same one. */
static const char *cause_of(const char *text)
{
	const char *list = strstr(text, ": list: "), *watch = strstr(text, ": watch: ");

	return list ? list + strlen(": list: ") : watch ? watch + strlen(": watch: ") : text;
}

/* Another reason at once; the same one after a time of peace, but not each second where it comes and goes; and each minute. */
static bool worth_saying(const struct trouble *t, const char *cause, int64_t mono_ms)
{
	int64_t said_mono_ms = -1;
	bool lasts = false;
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++) {
		if (!STREQ(t->of[i].cause, cause))
			continue;
		lasts |= t->of[i].since_mono_ms != 0;
		if (t->of[i].said_mono_ms > said_mono_ms)
			said_mono_ms = t->of[i].said_mono_ms;
	}
	return said_mono_ms < 0 || mono_ms - said_mono_ms >= (lasts ? REPEAT_MS : AGAIN_MS);
}

static int64_t take_held_back(struct trouble *t)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < RESOURCE_COUNT; i++) {
		sum += t->of[i].held_back;
		t->of[i].held_back = 0;
	}
	return sum;
}

void trouble_meet(struct trouble *t, enum stat_resource which, const struct lm_err *err, int64_t retry_in_ms)
{
	int64_t now = clock_mono_ms();
	char cause[sizeof(t->of[which].cause)];
	bool say;

	snprintf(cause, sizeof(cause), "%s", cause_of(err->msg));
	say = worth_saying(t, cause, now);
	if (!t->of[which].since_mono_ms)
		t->of[which].since_mono_ms = now;
	if (!say) {
		t->of[which].held_back++;
		return;
	}
	log_warn("watch interrupted", FIELDS(LS("resource", stat_resource_names[which]), LS("error", err->msg),
					     LI("retry_in_ms", retry_in_ms), LI("held_back", take_held_back(t))));
	snprintf(t->of[which].cause, sizeof(t->of[which].cause), "%s", cause);
	t->of[which].said_mono_ms = now;
}

void trouble_end(struct trouble *t, enum stat_resource which, int64_t opened_mono_ms)
{
	int64_t *since = &t->of[which].since_mono_ms;

	if (!*since || opened_mono_ms <= *since)
		return;
	log_info("watch goes on", FIELDS(LS("resource", stat_resource_names[which]), LI("after_ms", opened_mono_ms - *since)));
	*since = 0;
}
