#include "probe/window.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "lib/mem.h"

void window_init(struct window *w, uint32_t room)
{
	assert(room > 0);
	*w = (struct window){.ring = xcalloc(room, sizeof(*w->ring)), .room = room};
}

void window_free(struct window *w)
{
	free(w->ring);
	*w = (struct window){0};
}

static const struct window_sample *sample_at(const struct window *w, uint32_t i)
{
	uint32_t at = w->first + i;

	return &w->ring[at >= w->room ? at - w->room : at];
}

static void drop_oldest(struct window *w)
{
	w->first = w->first + 1 == w->room ? 0 : w->first + 1;
	w->count--;
}

void window_add(struct window *w, int64_t at_ms, double rtt_us)
{
	uint32_t at;

	if (w->count == w->room)
		drop_oldest(w);
	at = w->first + w->count++;
	w->ring[at >= w->room ? at - w->room : at] = (struct window_sample){(uint32_t)at_ms, isnan(rtt_us) ? -1.0f : (float)rtt_us};
}

/* Right across the wrap of the low 32 bits. */
static int64_t age_ms(const struct window_sample *s, int64_t now_ms)
{
	return (int32_t)((uint32_t)now_ms - s->at_ms);
}

void window_expire(struct window *w, int64_t now_ms, int64_t loss_window_ms)
{
	while (w->count > 0 && age_ms(sample_at(w, 0), now_ms) >= loss_window_ms)
		drop_oldest(w);
}

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Windows are short: up to a few dozen values an insertion sort is several times faster than qsort. */
static void sort(float *values, uint32_t n)
{
	uint32_t i, j;

	if (n > 64) {
		qsort(values, n, sizeof(*values), by_value);
		return;
	}
	for (i = 1; i < n; i++) {
		float v = values[i];

		for (j = i; j > 0 && values[j - 1] > v; j--)
			values[j] = values[j - 1];
		values[j] = v;
	}
}

/* The figures of the n replies, which are in the order of sending. */
static void summarise_replies(float *replies, uint32_t n, struct window_summary *out)
{
	double steps = 0;
	uint32_t i;

	if (n == 0)
		return;
	for (i = 1; i < n; i++)
		steps += fabs((double)replies[i] - (double)replies[i - 1]);
	if (n > 1)
		out->jitter_us = steps / (n - 1);
	sort(replies, n);
	out->rtt_us = ((double)replies[(n - 1) / 2] + (double)replies[n / 2]) / 2;
	out->min_us = (double)replies[0];
	out->p95_us = (double)replies[(95 * (uint64_t)n + 99) / 100 - 1];
}

void window_summarise(const struct window *w, int64_t now_ms, int64_t rtt_window_ms, int64_t loss_window_ms, struct window_summary *out)
{
	auto_free float *replies = xmalloc(w->count * sizeof(*replies));
	uint32_t i, n = 0;

	*out = (struct window_summary){NAN, NAN, NAN, NAN, NAN, 0, 0};
	for (i = 0; i < w->count; i++) {
		const struct window_sample *s = sample_at(w, i);
		int64_t age = age_ms(s, now_ms);

		if (age >= loss_window_ms)
			continue;
		out->sent++;
		if (s->rtt_us < 0)
			continue;
		out->received++;
		if (age < rtt_window_ms)
			replies[n++] = s->rtt_us;
	}
	if (out->sent > 0)
		out->loss = (double)(out->sent - out->received) / (double)out->sent;
	summarise_replies(replies, n, out);
}
