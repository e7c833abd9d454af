/*
 * peers.h - peers.json, whom to ping, and the bare node and client lists (--nodes, --clients). Written by the merger or by hand.
 *
 *	{"version":1, "nodes":{"edge-1":["10.0.0.1"]}, "clients":{"milan":["203.0.113.7"]}}		peers.json
 *	{"edge-1":["10.0.0.1"], "edge-2":[]}								a bare list
 *
 * Addresses are numeric, IPv4 or IPv6 (a link-local one with %zone); the first is measured; a name without one is listed but
 * not pinged. Anything else is an error that names the member.
 */
#ifndef LIB_PEERS_H
#define LIB_PEERS_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/names.h"

#define PEERS_MAX_BYTES ((size_t)4 << 20)
#define PEERS_MAX 10000			/* nodes and clients together */

struct peer_list {
	struct names names;
	char **addr;			/* by index: the first address in inet_ntop's form, NULL when there is none */
};

struct peers {
	struct peer_list nodes, clients;
};

int peers_parse(const char *text, size_t len, struct peers *out, struct lm_err *err);
/* A bare list, JSON or YAML. `what` names it in errors: "--clients clients.json". */
int peers_parse_list(const char *text, size_t len, const char *what, struct peer_list *out, struct lm_err *err);
/* Sorted by name; equal lists give equal bytes, so that the writer can leave an unchanged file alone. */
void peers_write(const struct peers *peers, struct buf *out);
/* 0 or LM_DATA: a name twice, an invalid name or address. addr may be NULL. */
int peer_list_add(struct peer_list *list, const char *name, const char *addr, struct lm_err *err);
void peer_list_free(struct peer_list *list);
void peers_free(struct peers *peers);

#endif
