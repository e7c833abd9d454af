/*
 * settings.h - the command line of latency-merge.
 */
#ifndef MERGE_SETTINGS_H
#define MERGE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/options.h"

struct settings {
	const char *dir;		/* the volume; nodes/ and peers.json are in it */
	const char *snapshot_dir;	/* cluster-latency.json, merge-state.json and hold; NULL: dir */
	bool watch, check;
	int64_t interval_ms;
	const char *nodes_file, *clients_file;
	bool client_services;
	const char *kubeconfig, *server;
	bool insecure;
	const char *listen;		/* NULL: nothing is served */
	const char *prometheus_url, *prometheus_token_file, *prometheus_ca_file;	/* NULL: none */
	const char *entry_query;	/* NULL: where traffic enters is not asked; has a default with prometheus_url */
	const char *entry_file;		/* NULL: none; never together with entry_query */
	const char *traffic_query;	/* NULL: the probes' counts */
	bool observations;
	const char *observations_token_file;	/* NULL: anybody may post */
};

extern const struct options_program settings_program;

/* Parses and checks what options contradict each other. On failure nothing is to be freed. */
int settings_parse(int argc, char **argv, struct settings *settings, struct options *options, struct lm_err *err);

#endif
