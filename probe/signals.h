/*
 * signals.h - being asked to stop, without handlers: SIGTERM and SIGINT are blocked in every thread and taken where we wait.
 *
 * liboping's select() ends a whole round on EINTR, which is one more reason to block them. signals_block is called once, before
 * there are threads; the rest by the probing thread only.
 */
#ifndef PROBE_SIGNALS_H
#define PROBE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

void signals_block(void);
/* Waits until clock_mono_us() reaches until_us (a past time: looks only). True, at once and from then on, when asked to stop. */
bool signals_wait(int64_t until_us);
static inline bool signals_stop(void) { return signals_wait(0); }

#endif
