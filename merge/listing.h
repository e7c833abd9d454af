/*
 * listing.h - a whole list of the API, in pages, one item at a time.
 *
 *	struct listing nodes = {.what = "the nodes", .path = "/api/v1/nodes", .begin = forget, .item = take, .arg = list};
 *	listing_read(settings, stop, &nodes, &err);
 *
 * The API is that of --server, --kubeconfig, $KUBECONFIG or the pod's cluster. A list whose continue token expired is begun anew, at most LISTING_TRIES
 * times: `begin` is called before each first page, so that what came of the try before can be forgotten. What was taken before a failure is
 * the caller's to forget too.
 */
#ifndef MERGE_LISTING_H
#define MERGE_LISTING_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "lib/err.h"
#include "merge/settings.h"

#define LISTING_TRIES 3
#define LISTING_PAGE 500		/* items */

struct listing {
	const char *what;		/* in errors: "list WHAT: ..." */
	const char *path;		/* without a query */
	void (*begin)(void *arg);
	void (*item)(void *arg, const cJSON *item);
	void *arg;
};

/* `stop` (may be NULL) is asked while the API is waited for; true ends the call as LM_UNAVAILABLE. LM_UNAVAILABLE, LM_PERM: the API; LM_DATA: what it said. */
int listing_read(const struct settings *settings, bool (*stop)(void), const struct listing *l, struct lm_err *err);

#endif
