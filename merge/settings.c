#include "merge/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kube/url.h"
#include "lib/mem.h"
#include "merge/prometheus.h"

#define ENTRY_QUERY "sum by (node) (rate(traefik_entrypoint_requests_total[1m]))"
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
	{"client-services", OPT_FLAG, FIELD(client_services), NULL, NULL, 0,
	 .help = "also those that Services of the API name by the annotation latency-mesh.io/client: NAME or NAME=ADDRESS"},
	{"listen", OPT_STRING, FIELD(listen), "ADDR:PORT", NULL, 0, .help = "with --watch: serve /metrics and /healthz"},
	{"prometheus-url", OPT_STRING, FIELD(prometheus_url), "URL", NULL, 0, .help = "ask this Prometheus at each merge where traffic enters"},
	{"prometheus-token-file", OPT_STRING, FIELD(prometheus_token_file), "FILE", NULL, 0, .help = "the bearer token for it, read at each merge"},
	{"prometheus-ca-file", OPT_STRING, FIELD(prometheus_ca_file), "FILE", NULL, 0, .help = "the CA of its certificate, instead of the system's"},
	{"entry-query", OPT_STRING, FIELD(entry_query), "PROMQL", ENTRY_QUERY, 0, .help = "requests a second by the label `node`; \"none\": not asked"},
	{"entry-file", OPT_STRING, FIELD(entry_file), "FILE", NULL, 0,
	 .help = "where traffic enters, {\"edge-1\":3,\"edge-2\":1}, read at each merge, instead of a Prometheus"},
	{"traffic-query", OPT_STRING, FIELD(traffic_query), "PROMQL", NULL, 0,
	 .help = "bytes a second by the label `node`, instead of what the probes count"},
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
		    "Where traffic enters comes from a Prometheus or from a file. While neither says anything, the last word of it stays for 10 periods.\n"
		    "A file `hold` beside cluster-latency.json keeps that file as it is: touch hold, edit, test, rm hold.\n"
		    "\n"
		    "Exit codes: 0 done, also when degraded; 64 usage; 65 a file given by name (or to --check) is bad; 66 it is not there;\n"
		    "69 the API cannot be used and no earlier node list is known; 70 our bug; 74 input or output failed, or took too long;\n"
		    "77 not permitted; 78 a kubeconfig is wrong.\n",
};

static int refuse_query(const char *option, const char *query, struct lm_err *err)
{
	return query && strlen(query) > PROMETHEUS_QUERY_MAX ? lm_fail(err, LM_USAGE, "--%s: is longer than %d bytes", option, PROMETHEUS_QUERY_MAX) : 0;
}

static int refuse_prometheus(const struct settings *s, const struct options *o, struct lm_err *err)
{
	static const char *const needing[] = {"prometheus-token-file", "prometheus-ca-file", "entry-query", "traffic-query"};
	auto_free char *url = NULL;
	size_t i;

	for (i = 0; !s->prometheus_url && i < ARRAY_SIZE(needing); i++)
		if (options_given(o, needing[i]))
			return lm_fail(err, LM_USAGE, "--%s: needs --prometheus-url", needing[i]);
	if (s->entry_file && options_given(o, "entry-query"))
		return lm_fail(err, LM_USAGE, "--entry-file: cannot be given with --entry-query");
	if (s->entry_file && s->prometheus_url && !s->traffic_query)
		return lm_fail(err, LM_USAGE, "--entry-file: cannot be given with --prometheus-url, unless that is for --traffic-query");
	if (s->prometheus_url && url_check(s->prometheus_url, URL_SERVER, LM_USAGE, &url, err) < 0)
		return lm_wrap(err, "--prometheus-url");
	return refuse_query("entry-query", s->entry_query, err) < 0 ? -1 : refuse_query("traffic-query", s->traffic_query, err);
}

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
	if (s->nodes_file && (s->kubeconfig || s->server) && !s->client_services)
		return lm_fail(err, LM_USAGE, "--nodes: cannot be given with --%s", s->kubeconfig ? "kubeconfig" : "server");
	if (s->kubeconfig && s->server)
		return lm_fail(err, LM_USAGE, "--kubeconfig: cannot be given with --server");
	if (s->listen && !s->watch)
		return lm_fail(err, LM_USAGE, "--listen: needs --watch");
	if (refuse_observations(s, err) < 0)
		return -1;
	return s->check ? 0 : refuse_prometheus(s, o, err);
}

/* The default query is none without a Prometheus; "none" is how it is told not to ask. */
static void drop_unasked(struct settings *s)
{
	if (!s->prometheus_url || s->entry_file || STREQ(s->entry_query, "none"))
		s->entry_query = NULL;
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
	drop_unasked(settings);
	if (!settings->snapshot_dir)
		settings->snapshot_dir = settings->dir;
	return 0;
}
