#include "merge/settings.h"

#include <stddef.h>

#include "lib/mem.h"

#define FIELD(name) offsetof(struct settings, name)

static const struct option_spec specs[] = {
	{"dir", OPT_STRING, FIELD(dir), "DIR", NULL, 0, .help = "the volume: reads DIR/nodes/*.json, writes DIR/peers.json"},
	{"snapshot-dir", OPT_STRING, FIELD(snapshot_dir), "DIR", NULL, 0,
	 .help = "where cluster-latency.json, merge-state.json and hold are (default: that of --dir)"},
	{"watch", OPT_FLAG, FIELD(watch), NULL, NULL, 0, .help = "stay up and merge every interval; else merge once"},
	{"interval", OPT_DURATION, FIELD(interval_ms), "TIME", "60s", 0, .min = 1000, .max = 3600000,
	 .help = "time between merges, also of a CronJob: ages and periods follow from it"},
	{"nodes", OPT_STRING, FIELD(nodes_file), "FILE", NULL, 0, .help = "the nodes, {\"edge-1\":[\"10.0.0.1\"]}, instead of the API's"},
	{"kubeconfig", OPT_STRING, FIELD(kubeconfig), "FILE", NULL, 0, .help = "take the nodes from this cluster's API"},
	{"server", OPT_STRING, FIELD(server), "URL", NULL, 0, .help = "take the nodes from the API at this URL"},
	{"insecure", OPT_FLAG, FIELD(insecure), NULL, NULL, 0, .help = "allow a kubeconfig that skips the check of the server's certificate"},
	{"clients", OPT_STRING, FIELD(clients_file), "FILE", NULL, 0, .help = "the clients, {\"milan\":[\"203.0.113.7\"]}"},
	{"listen", OPT_STRING, FIELD(listen), "ADDR:PORT", NULL, 0, .help = "with --watch: serve /metrics and /healthz"},
	{"observations", OPT_FLAG, FIELD(observations), NULL, NULL, 0,
	 .help = "with --watch and --listen: take what users saw by POST /observations"},
	{"observations-token-file", OPT_STRING, FIELD(observations_token_file), "FILE", NULL, 0,
	 .help = "the bearer token that posts must have; without it anybody who reaches the port may post"},
	{"check", OPT_FLAG, FIELD(check), NULL, NULL, OPT_FLAG_ONLY,
	 .help = "validate files: reports, cluster-latency.json, peers.json, observations.json; one line each"},
};

const struct options_program settings_program = {
	.name = "latency-merge",
	.summary = "folds the probes' reports into one matrix, cluster-latency.json, and writes whom to ping, peers.json",
	.usage = "--dir DIR [options]\nlatency-merge --check FILE...",
	.environment = "LATENCY_MERGE",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.operands = true,
	.epilogue = "Without --nodes, --kubeconfig and --server the nodes come from the cluster that the pod runs in ($KUBECONFIG is used\n"
		    "too); without any of these from the names of the files in DIR/nodes, and then peers.json is left alone.\n"
		    "A file `hold` beside cluster-latency.json keeps that file as it is: touch hold, edit, test, rm hold.\n"
		    "\n"
		    "Exit codes: 0 done, also when degraded; 64 usage; 65 a file given by name (or to --check) is bad; 66 it is not there;\n"
		    "69 the API cannot be used and no earlier node list is known; 70 our bug; 74 input or output failed, or took too long;\n"
		    "77 not permitted; 78 a kubeconfig is wrong.\n",
};

static int refuse_observations(const struct settings *s, struct lm_err *err)
{
	if (s->observations && (!s->watch || !s->listen))
		return lm_fail(err, LM_USAGE, "--observations: needs --watch and --listen");
	if (s->observations_token_file && !s->observations)
		return lm_fail(err, LM_USAGE, "--observations-token-file: needs --observations");
	return 0;
}

static int refuse_contradictions(const struct settings *s, const struct options *o, struct lm_err *err)
{
	if (s->check && !o->operand_count)
		return lm_fail(err, LM_USAGE, "--check: no file is given");
	if (s->check && (s->dir || s->watch))
		return lm_fail(err, LM_USAGE, "--check: takes files, not --%s", s->dir ? "dir" : "watch");
	if (!s->check && o->operand_count)
		return lm_fail(err, LM_USAGE, "\"%s\": takes no operands without --check", o->operands[0]);
	if (!s->check && !s->dir)
		return lm_fail(err, LM_USAGE, "--dir: is required");
	if (s->nodes_file && (s->kubeconfig || s->server))
		return lm_fail(err, LM_USAGE, "--nodes: cannot be given with --%s", s->kubeconfig ? "kubeconfig" : "server");
	if (s->kubeconfig && s->server)
		return lm_fail(err, LM_USAGE, "--kubeconfig: cannot be given with --server");
	if (s->listen && !s->watch)
		return lm_fail(err, LM_USAGE, "--listen: needs --watch");
	return refuse_observations(s, err);
}

int settings_parse(int argc, char **argv, struct settings *settings, struct options *options, struct lm_err *err)
{
	*settings = (struct settings){0};
	if (options_parse(&settings_program, argc, argv, settings, options, err) < 0)
		return -1;
	if (!options->done && refuse_contradictions(settings, options, err) < 0) {
		options_free(options);
		return -1;
	}
	if (!settings->snapshot_dir)
		settings->snapshot_dir = settings->dir;
	return 0;
}
