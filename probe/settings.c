#include "probe/settings.h"

#include <stddef.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/names.h"
#include "probe/pinger.h"

#define AT(field) offsetof(struct settings, field)
#define HOUR_MS 3600e3

static const struct option_spec specs[] = {
	{"node", OPT_STRING, AT(node), "NAME", NULL, OPT_REQUIRED, 0, 0, NULL, "this node's name in the cluster; the report is NAME.json"},
	{"peers", OPT_STRING, AT(peers), "FILE", NULL, OPT_REQUIRED, 0, 0, NULL, "whom to ping: peers.json, looked at before each round"},
	{"output", OPT_STRING, AT(output), "DIR", NULL, OPT_REQUIRED, 0, 0, NULL, "folder of the reports (nodes/ of the volume)"},
	{"interval", OPT_DURATION, AT(interval_ms), "TIME", "10s", 0, 50, HOUR_MS, NULL, "from one round to the next"},
	{"pings", OPT_INTEGER, AT(pings), "N", "3", 0, 1, 20, NULL, "pings to each peer in a round, spaced"},
	{"timeout", OPT_DURATION, AT(timeout_ms), "TIME", "1s", 0, 10, 60e3, NULL, "a reply that takes longer counts as lost"},
	{"window", OPT_DURATION, AT(window_ms), "TIME", "60s", 0, 100, HOUR_MS, NULL,
	 "span of the round-trip figures; also the time constant of the load average"},
	{"loss-window", OPT_DURATION, AT(loss_window_ms), "TIME", "10m", 0, 100, 24 * HOUR_MS, NULL, "span of the loss figures"},
	{"publish", OPT_DURATION, AT(publish_ms), "TIME", "30s", 0, 50, HOUR_MS, NULL,
	 "longest time between reports; sooner when a peer moved, fell silent or came back"},
	{"pinger", OPT_CHOICE, AT(pinger), "KIND", "auto", 0, 0, 0, pinger_names,
	 "oping (liboping, needs NET_RAW), socket (needs ping_group_range), auto (oping where permitted, else socket)"},
	{"interface", OPT_LIST, AT(interfaces), "IF", NULL, 0, 0, 0, NULL, "count the traffic of IF (default: of the default routes)"},
	{"listen", OPT_STRING, AT(listen), "ADDR:PORT", NULL, 0, 0, 0, NULL, "serve /metrics, /healthz and /scores, for example :3000"},
	{"metrics-peers", OPT_FLAG, AT(metrics_peers), NULL, NULL, 0, 0, 0, NULL, "also a metric for each peer"},
	{"once", OPT_FLAG, AT(once), NULL, NULL, OPT_FLAG_ONLY, 0, 0, NULL, "one round, one report, end"},
};

const struct options_program probe_program = {
	.name = "latency-probe",
	.summary = "pings every peer of this node and reports the round trips to a shared folder",
	.usage = "--node NAME --peers FILE --output DIR [options]",
	.environment = "LATENCY_PROBE",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.epilogue = "Exit codes: 0 done, 64 usage, 65 bad peers (--once), 66 no peers (--once), 69 cannot listen, 74 cannot write (--once),\n"
		    "77 not permitted to ping.\n",
};

static int check(const struct settings *s, struct lm_err *err)
{
	if (strlen(s->node) > NAME_MAX_BYTES)
		return lm_fail(err, LM_USAGE, "--node: %zu bytes are more than %d", strlen(s->node), NAME_MAX_BYTES);
	if (!name_is_valid(s->node))
		return lm_fail(err, LM_USAGE, "--node: \"%s\" is no node name (lower-case letters, digits, `-` and `.`)", s->node);
	if (s->loss_window_ms < s->window_ms)
		return lm_fail(err, LM_USAGE, "--loss-window: shorter than --window");
	return 0;
}

int probe_settings_parse(int argc, char **argv, struct settings *out, struct options *options, struct lm_err *err)
{
	*out = (struct settings){0};
	if (options_parse(&probe_program, argc, argv, out, options, err) < 0)
		return -1;
	if (options->done)
		return 0;
	if (check(out, err) < 0) {
		options_free(options);
		return -1;
	}
	return 0;
}
