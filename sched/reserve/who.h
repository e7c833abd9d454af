/*
 * who.h - which pods room is kept for, which pods keep it, and the words by which they are known.
 *
 * A pod opts in by the label latency-mesh.io/reserve: "true", and out by "false"; without the label the configuration's reserve.default decides, for
 * pods that have a latency limit (constrained). Of those only pods are covered that one of our names schedules, that are on a node, and that somebody
 * recreates: with a controller that is not a DaemonSet. And only in namespaces that reserve.allow names: what is kept is outside of all quotas.
 *
 * Room is kept by real pods of the reserve's namespace, so that every scheduler sees it:
 *	role placeholder	requests what is kept; bound to its node; of a priority above the tenants'
 *	role guard		requests nothing, and by a required anti-affinity to all pods keeps everybody else's pods off its node while placeholders
 *				make way for the pods that they were for. Pods come by one watch, in order: a scheduler that knows that a placeholder is
 *				gone knows that the guard is there. (A nomination would not do: kube-scheduler looks at those of its own pods alone.)
 * One of each node's, the oldest by name, says for whom it is, in the annotation latency-mesh.io/covers; the guard takes that over.
 */
#ifndef SCHED_RESERVE_WHO_H
#define SCHED_RESERVE_WHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/options.h"
#include "sched/cache/pod.h"

#define RESERVE_LABEL "latency-mesh.io/reserve"
#define RESERVE_ROLE "latency-mesh.io/role"
#define RESERVE_COVERS "latency-mesh.io/covers"

struct reserve_settings {
	bool enabled;
	struct option_list allowed;	/* namespaces whose pods may be covered; none, or "*": all */
	struct option_list defaults;	/* of these: whose constrained pods are covered without the label; "*": all */
	const char *most_text;		/* "30%"; NULL: no limit */
	double most;			/* the same as a part, 0.3: the plan's overhead is never above it; 0: no limit */
	const char *namespace_;		/* of placeholders and guards */
	const char *priority_class, *image;
	const char *owner;		/* KIND/NAME of an object of that namespace with which placeholders and guards end; NULL: none */
	const char *owner_uid;		/* in force: what the API says of it; NULL: not known */
};

enum reserve_role { RESERVE_NONE, RESERVE_PLACEHOLDER, RESERVE_GUARD };

/* RESERVE_NONE also for a pod of another namespace: labels alone give nobody that role. */
enum reserve_role reserve_role(const struct reserve_settings *s, const struct pod *pod);
bool reserve_allows(const struct reserve_settings *s, const char *namespace_);
/* "ConfigMap/latency-sched": "configmaps", of API version v1. NULL: no such kind is taken as an owner. */
const char *reserve_owner_plural(const char *owner);
/* Does room have to be kept for it? Whether it is ours and on a node is the caller's to know. */
bool reserve_wants(const struct reserve_settings *s, const struct pod *pod);	/* nor is it asked whether the pod ends */
/* NULL: somebody recreates it; else why not, for people: "no controller would recreate it". */
const char *reserve_unfit(const struct pod *pod);
/* NULL: its namespace may have room kept; else that it may not, for people. */
const char *reserve_barred(const struct reserve_settings *s, const struct pod *pod);

/* Who has room where. */
struct cover {
	char *uid, *namespace_, *name;	/* of the pod that is covered */
	char *owner_uid;		/* a pod of this owner takes its place */
	char *node;			/* where it is: the node whose failure is meant */
	char *refuge;			/* where its room is */
};

struct covers {
	struct cover *items;
	size_t count, room;
};

struct cover *covers_add(struct covers *c, const struct cover *cover);		/* copies the strings */
void covers_free(struct covers *c);						/* and makes it {0} */
#define auto_covers __attribute__((cleanup(covers_free)))

#define COVERS_MAX_BYTES (128 * 1024)	/* of an annotation; an API server takes 256 KiB of them together */

/* The annotation: those whose refuge is `node`, [{"pod":"default/web-1","uid":"..","owner":"..","node":"edge-1"}], sorted by uid. */
void covers_print(const struct covers *c, const char *node, struct buf *out);
/* Adds them, with that refuge. Nothing is added when something is wrong with the text: other people write annotations too. */
int covers_parse(const char *text, const char *node, struct covers *out, struct lm_err *err);

#endif
