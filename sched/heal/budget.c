#include "sched/heal/budget.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define MINUTE_MS 60000
#define HOUR_MS 3600000

void budget_free(struct budget *b)
{
	free(b->spent_ms);
	*b = (struct budget){0};
}

static void prune(struct budget *b, int64_t mono_ms)
{
	size_t old = 0;

	while (old < b->count && b->spent_ms[old] <= mono_ms - HOUR_MS)
		old++;
	if (!old)
		return;
	b->count -= old;
	memmove(b->spent_ms, b->spent_ms + old, b->count * sizeof(*b->spent_ms));
}

/* Until fewer than `most` were spent within that time. */
static int64_t wait_ms(const struct budget *b, int64_t most, int64_t within_ms, int64_t mono_ms)
{
	int64_t since_ms;

	if ((int64_t)b->count < most)
		return 0;
	since_ms = mono_ms - b->spent_ms[(int64_t)b->count - most];
	return since_ms >= within_ms ? 0 : within_ms - since_ms;
}

int64_t budget_wait_ms(struct budget *b, int64_t mono_ms)
{
	int64_t minute, hour;

	prune(b, mono_ms);
	minute = wait_ms(b, b->per_minute, MINUTE_MS, mono_ms);
	hour = wait_ms(b, b->per_hour, HOUR_MS, mono_ms);
	return minute > hour ? minute : hour;
}

static int64_t room_within(const struct budget *b, int64_t most, int64_t within_ms, int64_t mono_ms)
{
	size_t old = 0;
	int64_t room;

	while (old < b->count && b->spent_ms[old] <= mono_ms - within_ms)
		old++;
	room = most - (int64_t)(b->count - old);
	return room > 0 ? room : 0;
}

int64_t budget_room(struct budget *b, int64_t mono_ms)
{
	int64_t minute = room_within(b, b->per_minute, MINUTE_MS, mono_ms), hour = room_within(b, b->per_hour, HOUR_MS, mono_ms);

	return minute < hour ? minute : hour;
}

void budget_spend(struct budget *b, int64_t mono_ms)
{
	budget_add(b, mono_ms, 1);
}

void budget_add(struct budget *b, int64_t spent_ms, int64_t count)
{
	size_t at = b->count, many = (size_t)count, i;

	grow(&b->spent_ms, &b->room, b->count + many, sizeof(*b->spent_ms));
	while (at > 0 && b->spent_ms[at - 1] > spent_ms)
		at--;
	memmove(b->spent_ms + at + many, b->spent_ms + at, (b->count - at) * sizeof(*b->spent_ms));
	for (i = 0; i < many; i++)
		b->spent_ms[at + i] = spent_ms;
	b->count += many;
}

void budget_return(struct budget *b, int64_t spent_ms)
{
	size_t i;

	for (i = b->count; i-- > 0;) {
		if (b->spent_ms[i] != spent_ms)
			continue;
		b->count--;
		memmove(b->spent_ms + i, b->spent_ms + i + 1, (b->count - i) * sizeof(*b->spent_ms));
		return;
	}
}

int64_t budget_left(struct budget *b, int64_t mono_ms)
{
	prune(b, mono_ms);
	return b->per_hour > (int64_t)b->count ? b->per_hour - (int64_t)b->count : 0;
}
