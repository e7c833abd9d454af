/*
 * links.h - what this probe knows of each peer: the list of links with their windows, and the addresses to ping.
 *
 *	peers.json --links_update--> links, targets --a round--> links_record --> links_report --> NODE.json
 *
 * A link is a peer with an address: a node (but ourselves) or a client. Its history belongs to its name and address together;
 * either changed, it starts empty. Peers that share an address share one ping. Owned and used by the probing thread.
 *
 * Silence counts what we listened for: from the last reply on, round by round, and of what lies between the ends of two rounds no more than step_ms
 * (the clock runs on while a machine is suspended). So a machine or a probe that was stopped for an hour has not been listening for an hour, and a
 * round whose pings have no known fate adds nothing. A peer that never answered has no silence.
 */
#ifndef PROBE_LINKS_H
#define PROBE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/log.h"
#include "lib/peers.h"
#include "lib/report.h"
#include "probe/pinger.h"
#include "probe/window.h"

struct link {
	char *name;
	bool is_client;
	uint32_t target;			/* index into targets */
	struct window window;
	struct window_summary now, published;	/* published: in the last report; sent 0 before */
	int64_t silent_ms;			/* since the last reply, as of the last round; -1: nothing ever came back */
	uint32_t missed;			/* rounds in a row in which pings were lost and none was answered */
	bool published_silent;			/* links_is_silent in the last report */
};

struct links {
	struct link *items;			/* nodes first, each sorted as in the peer list */
	size_t count;
	struct ping_target *targets;		/* distinct addresses */
	size_t target_count;
	uint32_t room;				/* pings that a window holds */
	int64_t recorded_ms;			/* end of the last round; 0: none yet */
	bool changed;				/* links came or went since the last report */
	struct log_gate gate;
	bool incomplete;			/* an address could not be used: update again later with the same list */
};

struct link_spans {
	int64_t rtt_ms, loss_ms;
	int64_t step_ms;			/* most that one round adds to a silence: two intervals; rounds of who runs lie no farther apart */
};

#define LINKS_SILENT_ROUNDS 2			/* one round may be lost to a busy moment */
#define LINKS_TOLD_MS 120000			/* so long a silence is told in each round: who judges deaths sees it grow */

/*
 * Follows the peer list. `self` is skipped. An address that cannot be used now (its zone is not there) is left out, logged now
 * and then, and makes the list incomplete.
 */
void links_update(struct links *l, const struct peers *peers, const char *self, uint32_t room);
/* Adds the results of a round to the windows and computes `now` of each. */
void links_record(struct links *l, const struct ping_results *results, const struct link_spans *spans, int64_t now_ms);
/* A node that answered before, and to LINKS_SILENT_ROUNDS rounds in a row did not. Clients come and go. */
bool links_is_silent(const struct link *k);
/*
 * Something is worth a report before its time: a pair moved since the last one, by 20 % and 0.5 ms, or its loss by 0.1, or its window became empty or
 * is so no more; a node fell silent (above) or came back, or is silent for less than LINKS_TOLD_MS; or the list changed.
 */
bool links_moved(const struct links *l);
/* Appends all to the report; they count as published. */
void links_report(struct links *l, struct report *report);
void links_free(struct links *l);		/* and makes it {0} */

#endif
