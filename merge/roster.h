/*
 * roster.h - who belongs to the mesh: the nodes and clients that are expected, and where to ping them.
 *
 * Nodes come from the first of these that is there: --nodes FILE; the API (--server, --kubeconfig, $KUBECONFIG, or the cluster that the pod runs
 * in), every node, tainted or not, with its InternalIP; else the names of the files in nodes/ (no addresses, has_source false: peers.json
 * is not ours then). Clients come from --clients FILE; without it they are those that the reports name.
 */
#ifndef MERGE_ROSTER_H
#define MERGE_ROSTER_H

#include <stdbool.h>

#include "lib/peers.h"
#include "merge/settings.h"

struct roster {
	struct peers peers;
	bool has_source;		/* nodes are from a list, not from file names */
	bool has_clients;		/* --clients was given */
};

/* `stop` (may be NULL) is asked while the API is waited for; true ends the call as a failure of the API. Errors name the source.
 * LM_UNAVAILABLE and LM_PERM: the API. LM_NOINPUT, LM_DATA: a file. */
int roster_load(const struct settings *settings, int nodes_fd, bool (*stop)(void), struct roster *out, struct lm_err *err);
void roster_free(struct roster *roster);

/* The API's part of it. */
int roster_list_nodes(const struct settings *settings, bool (*stop)(void), struct peer_list *out, struct lm_err *err);

#endif
