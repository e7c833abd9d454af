/*
 * window.h - what came back from one address lately: a ring of pings, and the figures that NODE.json says about them.
 *
 * Every ping whose fate is known is added once, in the order of sending, with the time of its pass. Two spans look at the
 * ring: the round-trip window (short, so that a change shows soon) and the loss window (long: 18 pings can't tell 5 % from none).
 *
 *	             |<------------- loss window: sent, received, loss ------------->|
 *	  old  o o x o o o o o o x o o o o o o o o o o o o o o x o o o o o o o o o o o  now
 *	                                                  |<--- RTT window: median, -->|
 *	                                                        min, p95, jitter
 *
 * Times are of the monotonic clock; the ring keeps their low 32 bits, so that an entry is 8 bytes: window_expire must be
 * called more often than every 24 days. Not thread-safe.
 */
#ifndef PROBE_WINDOW_H
#define PROBE_WINDOW_H

#include <stdint.h>

struct window_sample {
	uint32_t at_ms;		/* low bits of the monotonic time */
	float rtt_us;		/* negative: lost */
};

struct window {
	struct window_sample *ring;
	uint32_t room, first, count;
};

/* Unknown is NaN. */
struct window_summary {
	double rtt_us;			/* median of what came back in the RTT window; of an even number the mean of the middle two */
	double min_us, p95_us;		/* 95th percentile by nearest rank */
	double jitter_us;		/* mean |difference| of successive replies; NaN for fewer than two */
	double loss;			/* 0..1 of the loss window; NaN while nothing was sent in it */
	int64_t sent, received;		/* of the loss window */
};

/* `room` is the most pings that the ring holds; when it is full the oldest goes. */
void window_init(struct window *w, uint32_t room);
void window_free(struct window *w);				/* and makes it {0} */
/* NaN: lost. */
void window_add(struct window *w, int64_t at_ms, double rtt_us);
/* Forgets what is `loss_window_ms` old or older. */
void window_expire(struct window *w, int64_t now_ms, int64_t loss_window_ms);
/* A ping belongs to a window when it is younger than the window is long. */
void window_summarise(const struct window *w, int64_t now_ms, int64_t rtt_window_ms, int64_t loss_window_ms, struct window_summary *out);

#endif
