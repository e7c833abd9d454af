/*
 * offline.h - what `explain` and `simulate` share: a cluster, a matrix, the settings and a time, from files.
 *
 *	struct offline o;
 *	if (offline_open(&o, &options, &err) < 0) ...			settings and time
 *	offline_want_file(&o, "pod.yaml", &err);			the pods that are asked about: of a file, or by name
 *	offline_load(&o, &err);						the cluster without them, the matrix; then the pods, on no node
 *	offline_decide(&o, i, &in, &decision);
 *	offline_close(&o);						in any case
 *
 * The pods that are asked about are taken off the nodes where they are, so that the question is the one that the scheduler had.
 *
 * Time. Nothing here looks at a clock but offline_open, and only when neither --now nor a dump says what time it is. The monotonic clock of the
 * decision is this wall clock. The matrix counts as taken then, unless a dump says when and how it was (dump.h), and has the age that its
 * `written` gives.
 */
#ifndef SCHED_OFFLINE_H
#define SCHED_OFFLINE_H

#include "lib/names.h"
#include "sched/cluster.h"
#include "sched/decide.h"
#include "sched/settings.h"

#define OFFLINE_NOWHERE 1		/* exit code: a pod that was asked about fits nowhere */

enum offline_format { OFFLINE_TABLE, OFFLINE_JSON };
extern const char *const offline_formats[];

struct offline_options {
	const char *cluster, *matrix, *config, *profile, *now;	/* all but the first may be NULL */
};

/* The lines of an option table: a struct with a member `offline` of struct offline_options, and `format`, an int. */
#define OFFLINE_OPTIONS(type)											\
	{"cluster", OPT_STRING, offsetof(type, offline.cluster), "FILE", NULL, OPT_REQUIRED,				\
	 .help = "file or folder, as `kubectl get nodes,pods,... -A -o json` prints it, or a dump (YAML too)"},		\
	{"matrix", OPT_STRING, offsetof(type, offline.matrix), "FILE", NULL, 0,					\
	 .help = "cluster-latency.json; default: that of the --cluster folder, else no latency data"},		\
	{"config", OPT_STRING, offsetof(type, offline.config), "FILE", NULL, 0,					\
	 .help = "configuration file of the scheduler: weights, defaults, profiles"},					\
	{"profile", OPT_STRING, offsetof(type, offline.profile), "NAME", NULL, 0,					\
	 .help = "decide as the scheduler of that name; default: the pod's, else the first"},				\
	{"now", OPT_STRING, offsetof(type, offline.now), "TIME", NULL, 0,						\
	 .help = "RFC 3339, for the ages of data; default: when the dump was made, else now"},				\
	{"format", OPT_CHOICE, offsetof(type, format), "FORMAT", "table", 0, .choices = offline_formats,		\
	 .help = "table for people, json for programs"}

/* A pod that is asked about. */
struct offline_pod {
	cJSON *object;			/* NULL until it was found */
	char *was_on;			/* the node where it is, in the pod's file or the cluster's; NULL: none */
	bool in_cluster;
	const struct pod *pod;		/* of the cache, after offline_load */
};

struct offline {
	struct offline_options options;
	struct settings *settings;
	struct cache *cache;
	struct decider *decider;
	struct cluster_counts counts;
	struct mesh *mesh;		/* NULL: no latency data */
	char *matrix_path;		/* NULL without */
	int64_t now_ms;
	bool now_given;
	cJSON *dump;			/* what a dump says of the matrix's past (dump.h); NULL */
	struct names keys;		/* NAMESPACE/NAME of `pods` */
	struct offline_pod *pods;
	size_t room;
	struct names node_names;	/* of nodes whose objects are kept */
	cJSON **node_objects;		/* by their index there; NULL: the cluster has no such node */
	size_t node_room;
};

int offline_open(struct offline *o, const struct offline_options *options, struct lm_err *err);
void offline_close(struct offline *o);

/* All pods of a file or folder; other objects in it are passed over. How many; -1: an error, or none. */
int offline_want_file(struct offline *o, const char *path, struct lm_err *err);
void offline_want_name(struct offline *o, const char *namespace_, const char *name);
/* Before offline_load: keeps this node's object as the cluster has it, for offline_node; its name may come twice. */
void offline_keep_node(struct offline *o, const char *name);
int offline_load(struct offline *o, struct lm_err *err);
const cJSON *offline_node(const struct offline *o, const char *name);	/* NULL: no such node, or not kept */
/* A matrix from a file. *hold: a file `hold` beside it keeps it from ageing. */
struct matrix *offline_read_matrix(const char *path, bool *hold, struct lm_err *err);

const struct profile *offline_profile(const struct offline *o, const struct pod *pod);
void offline_decide(struct offline *o, uint32_t pod, struct decision_input *in, struct decision *out);

/* --- pieces of the output --- */

/* Members with a comma at their end: "now", "cluster", "matrix". */
void offline_print_head(const struct offline *o, struct buf *out);
/* "node":..,"runner_up":..,"total":..,"rtt_us":..,"estimate":..,"message":..,"note":.. of a decision, without braces. */
void offline_print_verdict(const struct offline *o, const struct decision_input *in, const struct decision *decision, struct buf *out);
/* For people: what data there are, how old. One line, or several. */
void offline_print_data(const struct offline *o, struct buf *out);
/* "0.41 ms"; "-" when it is unknown. */
void offline_print_rtt(double rtt_us, struct buf *out);
/* Of an estimate, with the bound that limits look at: "<= 0.41 ms ~". */
void offline_print_bound(double rtt_us, bool estimate, struct buf *out);
/* "3 s", "12 min", "5 h", "2 d"; "-" when it is unknown. */
void offline_print_age(double age_s, struct buf *out);

#endif
