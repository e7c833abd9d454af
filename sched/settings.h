/*
 * settings.h - what the scheduler was told: command line, environment and configuration file, in one value.
 *
 *	struct settings *s = settings_load(argc, argv, &err);
 *	if (!s) ...						// err says what and where
 *	if (s->options.done) ...				// --help or --version was answered
 *
 * A reload (SIGHUP) loads a second value from the same command line and swaps it in whole, or keeps the first:
 * settings_may_replace says which options would need a restart. Everything is owned by the value and lives until settings_free.
 */
#ifndef SCHED_SETTINGS_H
#define SCHED_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/options.h"
#include "sched/elect.h"
#include "sched/heal/heal.h"
#include "sched/profile.h"
#include "sched/reserve/who.h"

#define SETTINGS_HOLD "hold"		/* beside the latency file: a person edits it */

enum mode { MODE_STANDALONE, MODE_EXTENDER };

struct settings {
	int mode;			/* enum mode */
	const char *latency_file;
	struct option_list scheduler_names;
	const char *kubeconfig, *server;
	bool insecure;
	const char *listen;		/* NULL: no HTTP */
	const char *extender_listen;	/* NULL: settings_extender_listen */
	int extender_late;		/* 0: /filter passes all nodes, 1: says an error */
	bool extender_alone;		/* nothing else ranks: one node is the best */
	const char *extender_tls_cert, *extender_tls_key, *extender_client_ca;	/* NULL: no TLS; no certificates of clients */
	struct option_list extender_client_names;
	bool extender_bind;
	const char *dump;		/* folder; NULL: none can be asked for */
	int64_t bindings;		/* in flight at a time, each until its Scheduled event was sent */
	double qps;			/* requests a second to the API, and how many at once after a pause */
	int64_t burst;
	int64_t poll_ms;
	bool leader_elect;
	const char *lease_name, *lease_namespace;	/* NULL: by settings_election */
	int64_t lease_duration_ms, renew_deadline_ms, retry_period_ms;
	/* Of the configuration file only: the base that each of `profiles` starts from. */
	double weight_near[SCORE_COUNT], weight_plain[SCORE_COUNT];
	const char *default_near;
	struct option_list default_clients;
	const char *max_latency;	/* as in the file; "none" */
	int no_data;			/* 0 neutral, 1 deny */
	struct option_list cloud_labels;	/* of all profiles */
	bool strict, refuse_latency, refuse_cpu;
	struct reserve_settings reserve;	/* namespace_ NULL: the pod's or the kubeconfig's, else default */
	struct heal_settings healing;

	struct profile *profiles;	/* one for each name that is served */
	uint32_t profile_count;
	struct options options;
};

extern const struct options_program sched_program;

struct settings *settings_load(int argc, char **argv, struct lm_err *err);
/* --print-config: the settings in force, as a configuration file that gives the same. */
void settings_print(const struct settings *s, FILE *to);
void settings_free(struct settings *s);			/* NULL is fine */
const char *settings_extender_listen(const struct settings *s);
/* The profile of a scheduler name; NULL: this name is not ours. */
const struct profile *settings_profile(const struct settings *s, const char *scheduler_name);
/*
 * The Lease is named after the first scheduler name, so that replicas of one Deployment meet and those of two do not. Its namespace is that of the
 * option, else `default_namespace` (of the pod or the kubeconfig), else kube-system. Valid as long as `s`; without identity.
 */
struct elect_settings settings_election(const struct settings *s, const char *default_namespace);
/* 0, or LM_CONFIG that names an option that cannot change while the program runs. */
int settings_may_replace(const struct settings *old, const struct settings *new, struct lm_err *err);

#endif
