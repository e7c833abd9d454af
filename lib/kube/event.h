/*
 * event.h - one line of a watch: {"type":"MODIFIED","object":{..}}. Private to the watch.
 */
#ifndef LIB_KUBE_EVENT_H
#define LIB_KUBE_EVENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/kube/watch.h"

#define RV_MAX_BYTES 128

struct event {
	cJSON *root;			/* owns what follows */
	enum { EVENT_OBJECT, EVENT_BOOKMARK, EVENT_ERROR, EVENT_UNKNOWN } type;
	enum kube_event change;		/* of an EVENT_OBJECT */
	const cJSON *object;		/* of an EVENT_ERROR: a Status */
	const char *rv;			/* the object's resourceVersion; "" for an EVENT_ERROR */
};

/* LM_DATA for what is no event; the error quotes the beginning of the line. */
int event_read(struct event *e, const char *line, size_t len, struct lm_err *err);
void event_free(struct event *e);

/* What a Status object says. */
int status_code(const cJSON *status);			/* 0: it does not say */
const char *status_message(const cJSON *status);
int64_t status_retry_after_ms(const cJSON *status);	/* at most 60 s; -1: it does not say */
/* The server waited in vain for the resourceVersion to come about: it was restored, or lags behind. */
bool status_is_too_large_rv(const cJSON *status);

/* 0 for what is no number: then there is nothing to compare. */
uint64_t rv_number(const char *rv);

#endif
