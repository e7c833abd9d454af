/*
 * tls.h - TLS of the extender's port: http_tls.h with the program's options, its log and its metrics.
 *
 * Clients that are refused are counted by reason, and logged with address and reason, at most one line a reason each TLS_LOG_MS. Files that changed are taken
 * or refused within TLS_PICK_UP_MS; what cannot be read for a reason that may pass is tried at each look. A certificate
 * that has ended is served all the same, for the clients are the ones to judge it, with a warning; there was another TLS_END_NEAR_S before.
 */
#ifndef SCHED_EXTENDER_TLS_H
#define SCHED_EXTENDER_TLS_H

#include "lib/http_tls.h"
#include "lib/metrics.h"
#include "sched/settings.h"

#define TLS_LOG_MS 10000
#define TLS_SAY_AGAIN_MS 60000		/* that files cannot be read */
#define TLS_END_NEAR_S (INT64_C(7) * 86400)	/* before its end: a warning, and the chart's alert */
#define TLS_PICK_UP_MS 60000		/* the most; HTTP_TLS_LOOK_MS and two seconds when the loop runs freely */

struct tls;

/* *out is NULL when the options name no certificate. `stats` must outlive it; `settings` need not. */
int tls_open(const struct settings *settings, struct metrics *stats, struct tls **out, struct lm_err *err);
struct http_tls *tls_http(struct tls *tls);		/* NULL of NULL; for http_start */
void tls_look(struct tls *tls, int64_t mono_ms);	/* each second or so; NULL is fine */
void tls_close(struct tls *tls);			/* after the server's; NULL is fine */

#endif
