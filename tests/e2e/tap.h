/*
 * tap.h - on the line between kube-schedulers and their extender: writes down what was asked and what was answered, and spoils answers on demand. It
 * passes whole HTTP messages with the bytes that they have, and for each connection to it makes one to the extender, so both ends see what they would
 * see of each other.
 *
 *	struct tap *t = tap_start("http://127.0.0.1:8080");
 *	... urlPrefix: tap_url(t)
 *	tap_set(t, &(struct tap_rule){.way = TAP_500});		for requests that come from now on
 *	tap_set(t, &(struct tap_rule){0});			as the extender has it
 *	struct tap_talk *talks = tap_talks(t, &count);		in the order of the answers
 *	tap_stop(t);
 *
 * Threads of its own. What was said is kept until tap_stop.
 */
#ifndef TESTS_E2E_TAP_H
#define TESTS_E2E_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tap_way {
	TAP_PASS,
	TAP_500,			/* the extender is not asked */
	TAP_NO_JSON,			/* 200 with a page of HTML */
	TAP_HALF,			/* half of its answer, then the connection ends */
};

struct tap_rule {
	enum tap_way way;
	int delay_ms;			/* before the answer goes on */
	const char *verb;		/* "prioritize": of this one alone; NULL: of all. A constant */
};

struct tap_talk {
	char verb[16];			/* "filter" */
	char *asked, *said;		/* bodies, NUL-terminated, as they came from either end */
	size_t asked_len, said_len;
	int status;
	bool spoiled;			/* by a way or a delay */
};

struct tap;

struct tap *tap_start(const char *to);			/* "http://127.0.0.1:8080"; need not listen yet */
const char *tap_url(const struct tap *t);
void tap_set(struct tap *t, const struct tap_rule *rule);
/* A copy of the list as it is now, which the caller frees; its texts stay the tap's. */
struct tap_talk *tap_talks(struct tap *t, size_t *count);
void tap_stop(struct tap *t);				/* NULL is fine */

#endif
