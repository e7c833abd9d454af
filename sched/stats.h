/*
 * stats.h - the scheduler's metrics: one enum, one table (stats.c). Values are set by the scheduling thread and printed by
 * HTTP's.
 */
#ifndef SCHED_STATS_H
#define SCHED_STATS_H

#include "lib/kube/client.h"
#include "lib/metrics.h"
#include "sched/cache/object.h"

enum stat {
	STAT_DECISIONS,			/* by enum stat_decision */
	STAT_DECISION_SECONDS,
	STAT_BAD_REQUESTS,
	STAT_BINDINGS,			/* by enum bind_end */
	STAT_BIND_SECONDS,
	STAT_WAIT_SECONDS,
	STAT_PENDING,			/* by enum queue_state */
	STAT_PENDING_SECONDS,
	STAT_ASSUMED,
	STAT_ASSUMED_SECONDS,
	STAT_BINDINGS_OPEN,
	STAT_BINDINGS_UNKNOWN,
	STAT_VOLUMES,			/* by enum volumes_end */
	STAT_VOLUMES_OPEN,
	STAT_EVENTS_SENT,
	STAT_EVENTS_DROPPED,
	STAT_RELOADS,			/* by enum stat_reload */
	STAT_EDIT_TO_USE_SECONDS,
	STAT_MATRIX_AGE_SECONDS, STAT_ENTRY_AGE_SECONDS,
	STAT_MATRIX_GENERATION,
	STAT_MATRIX_NODES,
	STAT_MATRIX_USABLE,
	STAT_HOLD,
	STAT_READER_STARTS,
	STAT_READER_SILENT_SECONDS,
	STAT_SETTLE_TIMEOUTS,
	STAT_SYNCED,
	STAT_NODES,
	STAT_PODS,
	STAT_BAD_OBJECTS,		/* by enum stat_resource, as are the next five */
	STAT_LISTS,
	STAT_WATCHES,
	STAT_WATCH_EVENTS,
	STAT_WATCH_GONE,
	STAT_WATCH_SILENT_SECONDS,
	STAT_CONFIG_RELOADS,		/* by enum stat_config */
	STAT_CONFIG_GOOD,
	STAT_CONFIG_LOADED_SECONDS,
	STAT_API_REQUESTS,		/* set by stats_request, as is the next */
	STAT_API_SECONDS,
	STAT_LEADER,			/* set by leader.h, as are the next three */
	STAT_LEASE_TRANSITIONS,
	STAT_LEASE_FAILURES,
	STAT_LEASE_RENEWED_SECONDS,
	STAT_EXTENDER,			/* by stat_extender; hidden in another mode */
	STAT_TLS_REFUSED,		/* by http_tls_reason; hidden without TLS, as are the next two */
	STAT_TLS_RELOADS,		/* by stat_config */
	STAT_TLS_END_SECONDS,
	STAT_RESERVE_PODS,		/* by stat_reserve_pod; hidden without a reserve, as are the next five */
	STAT_RESERVE_OVERHEAD,
	STAT_RESERVE_NODES,		/* by stat_reserve_node */
	STAT_RESERVE_PLANS,		/* by stat_reserve_plan */
	STAT_RESERVE_PLAN_SECONDS,
	STAT_RESERVE_HANDOVERS,		/* by stat_handover */
	STAT_HEAL_NODES,		/* by enum life; hidden without healing, as are the next three */
	STAT_HEAL_EVICTIONS,		/* by enum evict_result */
	STAT_HEAL_WAITING,
	STAT_HEAL_LEFT,
	STAT_COUNT,
};

enum stat_decision { DECISION_PLACED, DECISION_NO_NODE, DECISION_POD_REFUSED };
enum stat_reload { RELOAD_TAKEN, RELOAD_SAME, RELOAD_OLDER, RELOAD_FAILED };
enum stat_resource { RESOURCE_NODES, RESOURCE_PODS, RESOURCE_OBJECTS /* + enum object_kind */, RESOURCE_COUNT = RESOURCE_OBJECTS + OBJECT_KINDS };
/* How a request of a kube-scheduler ended; of /filter, then the same of /prioritize and of /bind. */
enum stat_extender { EXTENDER_DECIDED, EXTENDER_BAD, EXTENDER_DECLINED, EXTENDER_LATE, EXTENDER_ENDS };
enum stat_config { CONFIG_LOADED, CONFIG_REFUSED };
enum stat_reserve_pod { RESERVE_POD_COVERED, RESERVE_POD_UNCOVERED, RESERVE_POD_OWED, RESERVE_POD_STATES };
enum stat_reserve_node { RESERVE_NODE_STEADY, RESERVE_NODE_OPENING, RESERVE_NODE_OPEN, RESERVE_NODE_REFILLING, RESERVE_NODE_STATES };
enum stat_reserve_plan { RESERVE_PLAN_MADE, RESERVE_PLAN_FAILED };
/* What became of a pod's right to its refuge: it went there; it did not fit there, and went where any pod goes; nobody came for it in time. */
enum stat_handover { HANDOVER_PLACED, HANDOVER_MISFIT, HANDOVER_EXPIRED };

extern const char *const stat_resource_names[];	/* as the API's paths have them: "nodes"; NULL at the end */
extern const char *const stat_reserve_nodes[];	/* "steady"; NULL at the end */

struct metrics *stats_new(void);
/* STAT_EXTENDER is shown from now on. */
void stats_show_extender(struct metrics *stats);
/* So are those of TLS. */
void stats_show_tls(struct metrics *stats);
/* And those of the reserve. */
void stats_show_reserve(struct metrics *stats);
/* So are those of healing. */
void stats_show_heal(struct metrics *stats);
/* The label of STAT_LEADER, at most 253 bytes: before anything is printed. */
void stats_name_lease(const char *name);
/* The kube_observer that counts requests. */
void stats_request(void *stats, const struct kube_outcome *outcome);

#endif
