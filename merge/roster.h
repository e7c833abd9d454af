/*
 * roster.h - who belongs to the mesh: the nodes and clients that are expected, and where to ping them.
 *
 * Nodes come from the first of these that is there: --nodes FILE; the API (--server, --kubeconfig, $KUBECONFIG, or the cluster that the pod runs
 * in), every node, tainted or not, with its InternalIP; else the names of the files in nodes/ (no addresses, has_source false: peers.json
 * is not ours then). Clients come from --clients FILE and, with --client-services, from the annotations of Services (services.h), where the file
 * wins; without both they are those that the reports name.
 *
 * Services that cannot be listed do not hold up the nodes: clients_missing is set, and whoever knows the last list adds it by roster_keep_clients.
 */
#ifndef MERGE_ROSTER_H
#define MERGE_ROSTER_H

#include <stdbool.h>

#include "lib/peers.h"
#include "merge/complaints.h"
#include "merge/settings.h"

struct roster {
	struct peers peers;
	bool has_source;		/* nodes are from a list, not from file names */
	bool has_clients;		/* the list of clients is complete: one that is not in it is gone */
	bool clients_missing;		/* the Services could not be listed: clients are those of the file alone, has_clients is false */
	struct lm_err clients_error;	/* why */
};

/* `stop` (may be NULL) is asked while the API is waited for; true ends the call as a failure of the API. Errors name the source.
 * LM_UNAVAILABLE and LM_PERM: the API. LM_NOINPUT, LM_DATA: a file. What is wrong with single Services goes through `complaints` into the log. */
int roster_load(const struct settings *settings, int nodes_fd, struct complaints *complaints, bool (*stop)(void), struct roster *out, struct lm_err *err);
/* The clients of --clients alone, added to `out`: no API is asked. Without the option nothing. */
int roster_load_clients(const struct settings *settings, struct roster *out, struct lm_err *err);
/* Adds the clients of `last` that the file does not name; the list is complete then. */
void roster_keep_clients(struct roster *roster, const struct peer_list *last);
void roster_free(struct roster *roster);

/* The API's parts of it. Clients are added to `out`; on failure it is as it was. */
int roster_list_nodes(const struct settings *settings, bool (*stop)(void), struct peer_list *out, struct lm_err *err);
int roster_list_clients(const struct settings *settings, struct complaints *complaints, bool (*stop)(void), struct peer_list *out, struct lm_err *err);

#endif
