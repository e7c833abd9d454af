/*
 * elect_step.h - the rules of leader election (elect.h) without clock, network or log: what is to be sent, and what an answer means.
 *
 *	verb = step_next(&s, now, &write);		what is due, if anything; one request is open at a time
 *	step_answer(&s, status, &lease, now);		its answer
 *	step_seen(&s, &lease, now);			the watch; NULL: there is no such Lease
 *
 * A try is one pass of client-go's order: a leader that knows the record PUTs; else GET, then POST where there is none, PUT where it is
 * free, expired or ours. What remains of a refused try is made in the next one, so that nothing turns in a circle.
 *
 * Where this is more careful than client-go: a Lease that someone deletes or that names no duration still counts as held for the time that we
 * knew, or for our own duration. All times are CLOCK_BOOTTIME milliseconds of this process. `now` never goes back.
 */
#ifndef SCHED_ELECT_STEP_H
#define SCHED_ELECT_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/elect.h"
#include "sched/lease.h"

#define STEP_SPREAD_MS 200		/* standbys try within so long after a lease ran out, not all at once */
#define STEP_RELEASE_AGAIN_MS 50	/* between the tries of a release */

enum step_verb { STEP_NOTHING, STEP_GET, STEP_CREATE, STEP_UPDATE };
enum step_loss { LOSS_NONE, LOSS_OVERDUE /* no renewal within the deadline */, LOSS_TAKEN /* another holder was seen */ };

struct step {
	struct elect_settings settings;	/* the caller's strings */
	uint64_t random;		/* any seed */
	enum elect_state state;
	enum step_loss loss;		/* of ELECT_LOST */
	bool released;			/* of ELECT_ENDED: the server took it */
	struct lease seen;		/* as last read or written; zeroed: never */
	bool absent;			/* the server said that there is none */
	int64_t observed_ms;		/* when it changed last, for us */
	int64_t out_ms;			/* a try of a standby: it has run out by then; INT64_MAX: none */
	int64_t leading_until_ms;	/* of LEADING */
	int64_t renewed_ms;		/* when the last write that succeeded was sent; -1: never */
	int64_t releasing_until_ms;
	enum step_verb open, next;	/* in flight; what the next try begins with */
	int64_t open_ms, next_ms;
	bool has_read;			/* this try began with a GET */
	bool overtaken;			/* the watch spoke while a GET was open: its answer may be older than what is known */
	bool hinted;			/* and what it said calls for another try at once */
	bool maybe_ours;		/* a write of unknown fate may have made it ours */
	int64_t failures;		/* tries to take or renew that the server did not let through, since the start */
};

void step_init(struct step *s, const struct elect_settings *settings, uint64_t random, int64_t now);
void step_clear(struct step *s);
/* What is to be sent now. STEP_CREATE and STEP_UPDATE fill `write`, all but renew_wall_us; its strings live until the next call. */
enum step_verb step_next(struct step *s, int64_t now, struct lease_write *write);
/* `lease` is what a 2xx brought; NULL: nothing that can be read, which is no yes. status 0: no answer. */
void step_answer(struct step *s, int status, const struct lease *lease, int64_t now);
void step_seen(struct step *s, const struct lease *lease, int64_t now);
/* The open request, if any, is given up: its fate is unknown. */
void step_release(struct step *s, int64_t now);

/* Notices that the time is over: of a leader that did not renew, of a release that nobody answered. */
void step_look(struct step *s, int64_t now);
bool step_leading(const struct step *s, int64_t now);
/* Milliseconds until step_next is needed, at most `most`. */
int64_t step_wait(const struct step *s, int64_t now, int64_t most);

#endif
