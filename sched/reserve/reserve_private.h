/*
 * reserve_private.h - the reserve's own state. Private to reserve.c (plans, the loop's side), held.c, failed.c and rights.c (covers, dead nodes, who may go
 * where), owner.c and kept.c and keeper.c (the API's objects of one node), and to what reports it.
 */
#ifndef SCHED_RESERVE_RESERVE_PRIVATE_H
#define SCHED_RESERVE_RESERVE_PRIVATE_H

#include "sched/cache/table.h"
#include "sched/reserve/board.h"
#include "sched/reserve/keeper_step.h"
#include "sched/reserve/planner.h"
#include "sched/reserve/reserve.h"
#include "sched/reserve/tell.h"

#define RESERVE_FLIGHT 16		/* requests at a time */
#define RESERVE_GONE_MS 5000		/* a pod went from a node that lives: so long its room waits for who replaces it */
#define RESERVE_AGAIN_MS 30000		/* planned anew without news */
/* So long a guard waits for room to be planned and made: then it goes without, as it keeps everybody off, DaemonSets too. */
#define RESERVE_GUARD_MS 120000
#define RESERVE_REST_MS 600000		/* after that: no new guard only because too much is kept */

/* A placeholder or guard, as last seen. The object is in the cache, while it is there. */
struct kept {
	struct keeper *keeper;
	char *uid, *name;
	enum reserve_role role;
	bool gone;			/* the server said so */
	bool lost;			/* the cache does not have it any more; forgotten when it is gone, too: it may have ended, and is there still */
	bool shown;			/* by the watch; else only an answer told of it */
	int64_t put_ms;
};

/* One node's room. */
struct keeper {
	struct reserve *reserve;
	char *node;
	struct kept **kept;		/* in no order */
	size_t count, room;
	size_t guards;			/* of them: role guard */
	struct held **held;		/* whose room is here, in no order */
	size_t held_count, held_room;
	bool open;			/* see keeper_step.h */
	bool was_open, was_closed;	/* what was said of it: OPEN, and that our own decisions see it closed */
	int64_t opened_ms;
	int64_t came_ms;		/* of an open one: when somebody asked or came last */
	int64_t closed_ms;		/* the last time; 0: it was never open */
	int64_t rest_ms;		/* no guard is made before, but to hand room over */
	bool frozen;			/* in the plan that is being made */
	bool planned;			/* `plan` of the reserve says what it keeps */
	uint64_t plan_from;		/* only plans that were begun as this one or later count */
	char *want_covers;		/* annotation, by the plan; NULL: none */
	size_t calls;			/* in flight; nothing is begun while there are some */
	size_t closing_calls;		/* of them: all but those that write covers */
	int tries;
	char *error;			/* what the server said against the last request; NULL: nothing */
	int losses;			/* placeholders that went by themselves, of late: a kubelet that has no room refuses them */
	int64_t lost_ms;		/* the last one */
	int64_t next_ms;		/* after a failure: not before */
	int64_t look_ms;		/* nothing is due before; 0: something happened */
	unsigned salt;			/* room.h */
};

/* A cover that stands in the cluster, and what became of it. */
struct held {
	struct cover cover;
	struct keeper *keeper;		/* of its refuge */
	int64_t gone_ms;		/* since then its pod is ending, or gone (anew, when one that was ending is), or elsewhere; -1: it is where it was */
	bool ending;			/* it is where it was, and ends */
	char *taken_by;			/* the uid of the pod that goes there; NULL: nobody does */
	bool used;			/* that one is on a node */
	bool read;			/* scratch */
};

struct call;				/* a request in flight (keeper.c) */

/* A node that healing calls dead. */
struct failed_node {
	char *name;
	int64_t since_ms;
	bool tainted;			/* Kubernetes said so too, since */
};

/* The object with which placeholders and guards end. */
struct owner {
	char *name;			/* KIND/NAME; NULL: none is wanted */
	char *uid;			/* NULL: not known */
	struct kube_call *call;		/* in flight */
	bool asked;			/* an answer came, or failed to */
	bool told;			/* people, that it is not known */
	int64_t asked_ms, next_ms;
};

struct reserve {
	struct kube *kube;
	struct cache *cache;
	const struct settings *all;	/* profiles */
	struct reserve_settings settings;	/* as in force: with the namespace */
	char *namespace_;
	struct limit *limit;
	struct events *events;
	struct metrics *stats;
	struct reserve_hooks hooks;

	struct planner *planner;
	struct plan plan;		/* the newest; {0}: none yet */
	bool has_plan;
	uint64_t plan_serial;		/* of the one that was begun last; 0: none */
	int64_t plan_next_ms;		/* not before */
	int64_t planned_ms;		/* when the newest came; -1 */
	bool dirty;			/* something changed since one was begun */
	bool adopted;			/* what a process before us left open was taken up */

	struct keeper **keepers;	/* sorted by node */
	size_t keeper_count, keeper_room;
	struct table kept;		/* struct kept by uid */
	struct table held;		/* struct held by the uid of the pod that is covered */
	size_t taken;			/* of them: taken_by, not used */
	size_t gone;			/* of them: gone_ms is not -1; mostly none, and then nobody has a right */
	bool torn;			/* two annotations had the same pod, and one was not heard */
	char **denied;			/* uids of pods whose right ended */
	size_t denied_count, denied_room;
	struct failed_node *failed;
	size_t failed_count, failed_room;
	struct owner owner;

	int64_t plan_took_ms;
	char *plan_error;		/* why the one after it failed; NULL: none did */
	struct board *board;
	struct tell *tell;
	int64_t standing_ms;		/* when people are told how it stands next */

	struct call **calls;
	size_t call_count, call_room;
	struct log_gate request_gate, plan_gate, text_gate, guard_gate;

	bool *closed;			/* what reserve_closed and reserve_enter gave last */
	size_t closed_room;
	struct lifted *lifted;		/* between reserve_enter and reserve_leave */
	size_t lifted_count, lifted_room;
};

/* --- kept.c --- */
struct keeper *keeper_find(const struct reserve *r, const char *node);	/* NULL: none */
struct keeper *keeper_need(struct reserve *r, const char *node);
/* The pod is a placeholder or guard: of this keeper, from now on. `shown`: by the watch. */
void keeper_saw(struct reserve *r, const struct pod *pod, enum reserve_role role, bool shown);
void keeper_lost(struct kept *kept);				/* the cache does not have it any more */
void keepers_tidy(struct reserve *r);				/* frees those whose nodes are gone, and nothing of theirs is left */
void keepers_free(struct reserve *r);

/* --- keeper.c --- */
struct keeper_facts keeper_facts(const struct keeper *k, int64_t mono_ms, struct room_change *change);	/* `change` is to be freed */
bool keeper_guarded(const struct keeper *k);
bool keeper_closed(const struct keeper *k);			/* for our own decisions */
/* Begins what is due. Returns when it has to be looked at again. */
int64_t keeper_tick(struct keeper *k, int64_t mono_ms);

const struct plan_room *keeper_wanted(const struct keeper *k);	/* by the newest plan; NULL: nothing */

/* --- standing.c: how it stands, for people --- */
void standing_open(struct reserve *r);
void standing_close(struct reserve *r);
void standing_planned(struct reserve *r, int64_t took_ms, const struct lm_err *err);	/* how a plan ended; NULL: well */
int64_t standing_tick(struct reserve *r, int64_t mono_ms);	/* about once a second; when it is due again */

/* --- reserve.c --- */
void reserve_opened(struct keeper *k);				/* who waits for it may come */

/* --- held.c: the covers that stand in the cluster --- */
struct held *held_find(const struct reserve *r, const char *uid);
void held_read(struct keeper *k);				/* the annotations of its pods, anew */
void held_print(const struct keeper *k, struct buf *out);	/* an annotation of what is held there and not used */
void held_look(struct reserve *r, struct held *h, int64_t mono_ms);	/* is its pod where it was? */
void held_untake(struct held *h);				/* whoever was to go there does not */
/* Plans keep room for it: its pod is there, or ends on a node that has failed, and who takes its place may come when it is gone. */
bool held_stands(const struct held *h, int64_t mono_ms);
void held_free(struct reserve *r);				/* before the keepers */

/* --- failed.c: nodes that are dead --- */
bool reserve_node_is_dead(const struct reserve *r, const char *name);	/* gone, tainted as such by Kubernetes, or said so by healing */
bool reserve_node_is_usable(const struct reserve *r, const char *name);	/* by who comes for room there */
struct failed_node *failed_find(const struct reserve *r, const char *name);	/* said so by healing; NULL: not */
bool failed_add(struct reserve *r, const char *name, int64_t mono_ms);	/* false: it was said before, and now again */
bool failed_remove(struct reserve *r, const char *name);	/* false: it was not said */
void failed_tick(struct reserve *r, int64_t mono_ms);		/* those that are back are forgotten */
void failed_free(struct reserve *r);

/* --- owner.c --- */
void owner_set(struct reserve *r, const char *name);		/* by the settings; into those in force */
int64_t owner_tick(struct reserve *r, int64_t mono_ms, int64_t until);	/* asks for it; when it is due again */
bool owner_is_awaited(const struct reserve *r);			/* the first answer: no room is made before */
void owner_doubt(struct reserve *r);				/* a placeholder went by itself: its owner may have gone */
void owner_free(struct reserve *r);

/* --- rights.c: who comes for room --- */
void rights_seen(struct reserve *r, const char *uid);		/* the pod was added, changed or removed */
/* Its room stays as it is: it is handed over, or somebody may come for it. */
bool keeper_frozen(const struct keeper *k, int64_t mono_ms);
void rights_adopt(struct reserve *r, int64_t mono_ms);		/* once, when everything was listed */
void rights_tick(struct reserve *r, int64_t mono_ms);		/* ends what is over; keepers may be freed */
void rights_free(struct reserve *r);

#endif
