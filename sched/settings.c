#include "sched/settings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/settings_profiles.h"
#include "sched/settings_reserve.h"

#define EXTENDER_LISTEN ":8080"
#define AT(field) offsetof(struct settings, field)
#define WEIGHT(name, field, index, fallback, what)					\
	{name, OPT_NUMBER, AT(field) + (index) * sizeof(double), "N", fallback, OPT_FILE_ONLY, 0, 1000, .help = what}

#define WEIGHTS_KUBERNETES(kind, field, whose)										\
	WEIGHT("weights." kind ".nodeAffinity", field, SCORE_NODE_AFFINITY, "0.2", "weight of preferred node affinity " whose),		\
	WEIGHT("weights." kind ".podAffinity", field, SCORE_POD_AFFINITY, "0.2", "weight of preferred pod affinity " whose),		\
	WEIGHT("weights." kind ".taints", field, SCORE_TAINTS, "0.3", "weight of PreferNoSchedule taints " whose),			\
	WEIGHT("weights." kind ".spread", field, SCORE_SPREAD, "0.2", "weight of ScheduleAnyway spreading " whose),			\
	WEIGHT("weights." kind ".images", field, SCORE_IMAGES, "0.1", "weight of images that a node has " whose)

#define BINDINGS 32
#define QPS 2000
#define BURST 4000
#define TEXT_(value) #value
#define TEXT(value) TEXT_(value)

static const char *const modes[] = {"standalone", "extender", NULL};
static const char *const lates[] = {"pass", "error", NULL};
static const char *const no_datas[] = {"neutral", "deny", NULL};

static const struct option_spec specs[] = {
	{"mode", OPT_CHOICE, AT(mode), "MODE", "standalone", 0, .choices = modes,
	 .help = "standalone: watches pods, decides and binds; extender: answers a kube-scheduler's /filter and /prioritize, and by itself writes nothing"},
	{"latency-file", OPT_STRING, AT(latency_file), "FILE", NULL, OPT_REQUIRED,
	 .help = "cluster-latency.json; a file `hold` beside it keeps it as it is edited by hand"},
	{"scheduler-name", OPT_LIST, AT(scheduler_names), "NAME", "my-latency-scheduler", 0,
	 .help = "pods with this spec.schedulerName are ours; may be given several times"},
	{"kubeconfig", OPT_STRING, AT(kubeconfig), "FILE", NULL, 0,
	 .help = "how to reach the API; default: $KUBECONFIG, then the pod's own"},
	{"server", OPT_STRING, AT(server), "URL", NULL, 0, .help = "the API server's URL, instead of a kubeconfig"},
	{"insecure", OPT_FLAG, AT(insecure), NULL, NULL, 0, .help = "allow insecure-skip-tls-verify of a kubeconfig"},
	{"listen", OPT_STRING, AT(listen), "ADDR:PORT", NULL, 0, .help = "serve /healthz, /livez, /readyz, /metrics and /reserve there"},
	{"extender-listen", OPT_STRING, AT(extender_listen), "ADDR:PORT", NULL, 0,
	 .help = "with --mode extender: serve /filter and /prioritize there, and what --listen serves; default: " EXTENDER_LISTEN},
	{"extender-late", OPT_CHOICE, AT(extender_late), "ANSWER", "pass", 0, .choices = lates,
	 .help = "when there is no decision within 1 s (or not yet): /filter passes all nodes, limits unchecked, or answers an error; /prioritize "
		 "gives equal scores"},
	{"extender-alone", OPT_FLAG, AT(extender_alone), NULL, "false", 0,
	 .help = "the kube-scheduler has no scores of its own: /prioritize gives 10 to the node that standalone mode would take, and less to others"},
	{"extender-tls-cert", OPT_STRING, AT(extender_tls_cert), "FILE", NULL, 0,
	 .help = "the extender's port speaks TLS with this certificate (PEM, with those between it and its CA); read again when it changes"},
	{"extender-tls-key", OPT_STRING, AT(extender_tls_key), "FILE", NULL, 0, .help = "its key, without passphrase"},
	{"extender-client-ca", OPT_STRING, AT(extender_client_ca), "FILE", NULL, 0,
	 .help = "only clients with a certificate of this CA are let in; without it any client is"},
	{"extender-client-name", OPT_LIST, AT(extender_client_names), "NAME", NULL, 0,
	 .help = "and only with this name in it (CN, DNS or URI: system:kube-scheduler); may be given several times"},
	{"extender-bind", OPT_FLAG, AT(extender_bind), NULL, NULL, 0,
	 .help = "with --mode extender: answer /bind too, and make the Binding (bindVerb: bind; needs the right to create pods/binding)"},
	{"dump", OPT_STRING, AT(dump), "FOLDER", NULL, 0,
	 .help = "SIGUSR1 writes there what is known, for `explain`; keeps the API's objects in memory, about 2 KB a pod"},
	{"bindings", OPT_INTEGER, AT(bindings), "N", TEXT(BINDINGS), 0, 1, 256, .help = "bindings in flight at a time, each until its event was sent"},
	{"qps", OPT_NUMBER, AT(qps), "N", TEXT(QPS), 0, 0.1, 1e6, .help = "requests a second to the API, on average"},
	{"burst", OPT_INTEGER, AT(burst), "N", TEXT(BURST), 0, 1, 1000000, .help = "requests at once after a pause"},
	{"poll", OPT_DURATION, AT(poll_ms), "TIME", "1s", 0, 50, 60000,
	 .help = "how often the latency file is looked at (inotify does not see what another NFS client wrote)"},
	{"leader-elect", OPT_FLAG, AT(leader_elect), NULL, "true", 0,
	 .help = "of several replicas one decides; false: this is the only one. With --mode extender all answer"},
	{"leader-elect-resource-name", OPT_STRING, AT(lease_name), "NAME", NULL, 0,
	 .help = "the Lease by which they agree; default: the first scheduler name"},
	{"leader-elect-resource-namespace", OPT_STRING, AT(lease_namespace), "NAMESPACE", NULL, 0,
	 .help = "its namespace; default: the pod's or the kubeconfig's, else kube-system"},
	{"leader-elect-lease-duration", OPT_DURATION, AT(lease_duration_ms), "TIME", ELECT_DURATION, 0, 1000, 3600000,
	 .help = "how long a standby waits without seeing a renewal"},
	{"leader-elect-renew-deadline", OPT_DURATION, AT(renew_deadline_ms), "TIME", ELECT_DEADLINE, 0, 500, 3600000,
	 .help = "a leader that cannot renew for so long ends, with exit code 75"},
	{"leader-elect-retry-period", OPT_DURATION, AT(retry_period_ms), "TIME", ELECT_RETRY, 0, 100, 3600000,
	 .help = "between renewals, and between a standby's looks"},
	WEIGHT("weights.near.latency", weight_near, SCORE_LATENCY, "0.7", "weight of latency for a pod with `near` or a limit"),
	WEIGHT("weights.near.cpu", weight_near, SCORE_CPU, "0.3", "weight of idle CPU for such a pod"),
	WEIGHT("weights.near.traffic", weight_near, SCORE_TRAFFIC, "0", "weight of little traffic on the node's network for such a pod"),
	WEIGHT("weights.near.free", weight_near, SCORE_FREE, "0", "weight of free resources for such a pod"),
	WEIGHTS_KUBERNETES("near", weight_near, "for such a pod"),
	WEIGHT("weights.plain.latency", weight_plain, SCORE_LATENCY, "0.5", "weight of latency for any other pod"),
	WEIGHT("weights.plain.cpu", weight_plain, SCORE_CPU, "0.2", "weight of idle CPU for any other pod"),
	WEIGHT("weights.plain.traffic", weight_plain, SCORE_TRAFFIC, "0", "weight of little traffic on the node's network for any other pod"),
	WEIGHT("weights.plain.free", weight_plain, SCORE_FREE, "0.3", "weight of free resources for any other pod"),
	WEIGHTS_KUBERNETES("plain", weight_plain, "for any other pod"),
	{"defaultNear", OPT_STRING, AT(default_near), "LIST", "mesh", OPT_FILE_ONLY,
	 .help = "what a pod that asks for nothing is placed near, as in the annotation latency-mesh.io/near"},
	{"defaultClients", OPT_LIST, AT(default_clients), "NAME", NULL, OPT_FILE_ONLY,
	 .help = "clients of the annotations hard_max_latency and soft_max_latency"},
	{"maxLatency", OPT_STRING, AT(max_latency), "TIME", "none", OPT_FILE_ONLY,
	 .help = "pods without a limit of their own are refused on nodes whose median to defaultNear is above it (50ms, 0.5ms); none: no limit"},
	{"noData", OPT_CHOICE, AT(no_data), "ANSWER", "neutral", OPT_FILE_ONLY, .choices = no_datas,
	 .help = "a node without current latency data to what a pod is placed near: neutral passes it, deny refuses it; the pod's own "
		 "latency-mesh.io/missing wins"},
	{"strict", OPT_FLAG, AT(strict), NULL, "false", OPT_FILE_ONLY,
	 .help = "refuse a node of full CPU even where there is no other"},
	{"refusals.latency", OPT_FLAG, AT(refuse_latency), NULL, "true", OPT_FILE_ONLY, .help = "latency limits refuse nodes"},
	{"refusals.cpu", OPT_FLAG, AT(refuse_cpu), NULL, "true", OPT_FILE_ONLY, .help = "full CPU refuses nodes"},
	{"cloudLabels", OPT_LIST, AT(cloud_labels), "LABEL", CLOUD_LABELS, OPT_FILE_ONLY | OPT_MAY_BE_EMPTY,
	 .help = "nodes with one of these labels (KEY=VALUE, or KEY for any value) take the pods that ask for no latency, if one is feasible; []: off"},
	{"reserve.enabled", OPT_FLAG, AT(reserve.enabled), NULL, "false", OPT_FILE_ONLY,
	 .help = "keep room for the pods of a node that fails, for pods with the label latency-mesh.io/reserve: \"true\""},
	{"reserve.allow", OPT_LIST, AT(reserve.allowed), "NAMESPACE", "*", OPT_FILE_ONLY,
	 .help = "only pods of these namespaces are covered, by label or by default; \"*\": of all. The room is outside of a namespace's quota"},
	{"reserve.default", OPT_LIST, AT(reserve.defaults), "NAMESPACE", NULL, OPT_FILE_ONLY,
	 .help = "namespaces whose pods with a latency limit are covered without that label; \"*\": all that reserve.allow names"},
	{"reserve.most", OPT_STRING, AT(reserve.most_text), "PERCENT", NULL, OPT_FILE_ONLY,
	 .help = "the part of the cluster that is kept at most (30%): beyond it pods of the lowest priority are uncovered; default: no limit"},
	{"reserve.namespace", OPT_STRING, AT(reserve.namespace_), "NAMESPACE", NULL, OPT_FILE_ONLY,
	 .help = "of the pods that keep the room; default: the pod's or the kubeconfig's, else default"},
	{"reserve.priorityClass", OPT_STRING, AT(reserve.priority_class), "NAME", "latency-mesh-reserve", OPT_FILE_ONLY,
	 .help = "their priority class, above those of who must not take the room"},
	{"reserve.image", OPT_STRING, AT(reserve.image), "IMAGE", "registry.k8s.io/pause:3.10", OPT_FILE_ONLY, .help = "their image, which only sleeps"},
	{"reserve.owner", OPT_STRING, AT(reserve.owner), "KIND/NAME", NULL, OPT_FILE_ONLY,
	 .help = "a ConfigMap or ServiceAccount of that namespace, with which they are deleted; default: they stay until somebody does it"},
	{"healing.enabled", OPT_FLAG, AT(healing.enabled), NULL, "false", OPT_FILE_ONLY,
	 .help = "evict the pods of a node that its Lease and the mesh both call dead"},
	{"healing.after", OPT_DURATION, AT(healing.after_ms), "TIME", "20s", OPT_FILE_ONLY, 1000, 3600000,
	 .help = "how long both must have been without it"},
	{"healing.perMinute", OPT_INTEGER, AT(healing.per_minute), "N", "60", OPT_FILE_ONLY, 1, 100000, .help = "evictions a minute at most"},
	{"healing.perHour", OPT_INTEGER, AT(healing.per_hour), "N", "300", OPT_FILE_ONLY, 1, 1000000, .help = "evictions an hour at most"},
	{"healing.statefulSets", OPT_FLAG, AT(healing.stateful_sets), NULL, "false", OPT_FILE_ONLY,
	 .help = "pods of StatefulSets too, which may still run on a node that is only cut off"},
};

static const char *const sections[] = {"profiles", NULL};

const struct options_program sched_program = {
	.name = "latency-sched",
	.summary = "places pods where the network is fast",
	.usage = "--latency-file FILE [--scheduler-name NAME]... [--kubeconfig FILE | --server URL] [options]\n"
		 "latency-sched --mode extender --latency-file FILE [--extender-listen ADDR:PORT] [--kubeconfig FILE | --server URL] [options]\n"
		 "latency-sched explain --cluster FILE --pod POD [--matrix FILE] [options]\n"
		 "latency-sched simulate --cluster FILE [--pods FILE] [--step STEP]... [--matrix FILE] [options]\n"
		 "latency-sched dump [--pid PID] [options]\n"
		 "latency-sched selftest --pod-uid UID [options]",
	.environment = "LATENCY_SCHED",
	.specs = specs,
	.spec_count = ARRAY_SIZE(specs),
	.config = true,
	.sections = sections,
	.epilogue = "The configuration file has, besides the options, a list `profiles`, for scheduler names with their own:\n"
		    "  profiles:\n"
		    "  - schedulerName: near-clients\n"
		    "    weights: {near: {latency: 1, cpu: 0}, plain: {latency: 1, free: 0, cpu: 0}}\n"
		    "    defaultNear: client/milan\n"
		    "and any of defaultClients, maxLatency, noData, strict, refusals. It is read again when it changes (looked at each 2 s; not on\n"
		    "NFS) and after SIGHUP, whole or not at all.\n"
		    "SIGTERM ends within 10 s, and hands over to another replica.\n"
		    "\n"
		    "Exit codes: 0 done, 64 usage, 65 bad data, 66 no input, 69 no API, 70 our bug, 74 I/O,\n"
		    "75 leadership lost (start it again), 77 permission, 78 configuration.\n",
};

static int check_rest(const struct settings *s, struct lm_err *err)
{
	size_t len = strlen(s->latency_file);

	if (s->server && s->kubeconfig)
		return lm_fail(err, LM_USAGE, "--server and --kubeconfig: only one of them");
	if (s->latency_file[len - 1] == '/')
		return lm_fail(err, LM_USAGE, "--latency-file: \"%s\" is a directory", s->latency_file);
	return 0;
}

struct elect_settings settings_election(const struct settings *s, const char *default_namespace)
{
	return (struct elect_settings){
		.namespace_ = s->lease_namespace ? s->lease_namespace : default_namespace ? default_namespace : "kube-system",
		.name = s->lease_name ? s->lease_name : s->profiles[0].scheduler_name,
		.duration_ms = s->lease_duration_ms, .deadline_ms = s->renew_deadline_ms, .retry_ms = s->retry_period_ms,
	};
}

const char *settings_extender_listen(const struct settings *s)
{
	return s->extender_listen ? s->extender_listen : EXTENDER_LISTEN;
}

/* Options of the other mode. Their defaults may stand there: --print-config prints them. */
static int check_mode(const struct settings *s, struct lm_err *err)
{
	int binds = s->extender_bind ? s->mode : MODE_STANDALONE;
	const struct {
		const char *name;
		int mode;		/* whose option it is */
		bool set;
	} options[] = {
		{"extender-listen", MODE_EXTENDER, s->extender_listen != NULL},
		{"extender-late", MODE_EXTENDER, s->extender_late != 0},
		{"extender-alone", MODE_EXTENDER, s->extender_alone},
		{"extender-tls-cert", MODE_EXTENDER, s->extender_tls_cert != NULL},
		{"extender-tls-key", MODE_EXTENDER, s->extender_tls_key != NULL},
		{"extender-client-ca", MODE_EXTENDER, s->extender_client_ca != NULL},
		{"extender-client-name", MODE_EXTENDER, s->extender_client_names.count != 0},
		{"extender-bind", MODE_EXTENDER, s->extender_bind},
		{"dump", MODE_STANDALONE, s->dump != NULL},
		{"bindings", binds, s->bindings != BINDINGS},
		{"qps", binds, s->qps < QPS || s->qps > QPS},
		{"burst", binds, s->burst != BURST},
		{"leader-elect-resource-name", MODE_STANDALONE, s->lease_name != NULL},
		{"leader-elect-resource-namespace", MODE_STANDALONE, s->lease_namespace != NULL},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].set && options[i].mode != s->mode)
			return lm_fail(err, LM_USAGE, "--%s: not with --mode %s", options[i].name, modes[s->mode]);
	return 0;
}

static int check_tls(const struct settings *s, struct lm_err *err)
{
	if (s->extender_tls_cert && !s->extender_tls_key)
		return lm_fail(err, LM_USAGE, "--extender-tls-cert: --extender-tls-key is missing");
	if (s->extender_tls_key && !s->extender_tls_cert)
		return lm_fail(err, LM_USAGE, "--extender-tls-key: --extender-tls-cert is missing");
	if (s->extender_client_ca && !s->extender_tls_cert)
		return lm_fail(err, LM_USAGE, "--extender-client-ca: --extender-tls-cert and --extender-tls-key are missing");
	if (s->extender_client_names.count && !s->extender_client_ca)
		return lm_fail(err, LM_USAGE, "--extender-client-name: --extender-client-ca is missing");
	return 0;
}

static int check_election(const struct settings *s, struct lm_err *err)
{
	struct elect_settings election = settings_election(s, NULL);

	return s->leader_elect && s->mode == MODE_STANDALONE ? elect_check(&election, err) : 0;
}

struct settings *settings_load(int argc, char **argv, struct lm_err *err)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	if (options_parse(&sched_program, argc, argv, s, &s->options, err) < 0) {
		free(s);
		return NULL;
	}
	if (s->options.done)
		return s;
	if (check_rest(s, err) < 0 || check_mode(s, err) < 0 || check_tls(s, err) < 0 || settings_read_profiles(s, err) < 0 ||
	    settings_read_reserve(s, err) < 0 || check_election(s, err) < 0) {
		if (err->code == LM_CONFIG && s->options.config_path)
			lm_wrap(err, "configuration: %s", s->options.config_path);
		settings_free(s);
		return NULL;
	}
	return s;
}

void settings_free(struct settings *s)
{
	uint32_t i;

	if (!s)
		return;
	for (i = 0; i < s->profile_count; i++)
		profile_free(&s->profiles[i]);
	free(s->profiles);
	options_free(&s->options);
	free(s);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && STREQ(a, b));
}

static bool same_list(const struct option_list *a, const struct option_list *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count && STREQ(a->items[i], b->items[i]); i++)
		;
	return i == a->count && i == b->count;
}

int settings_may_replace(const struct settings *old, const struct settings *new, struct lm_err *err)
{
	const struct {
		const char *name;
		bool stays;
	} fixed[] = {
		{"latency-file", same(old->latency_file, new->latency_file)},
		{"kubeconfig", same(old->kubeconfig, new->kubeconfig)},
		{"server", same(old->server, new->server)},
		{"insecure", old->insecure == new->insecure},
		{"listen", same(old->listen, new->listen)},
		{"extender-listen", same(old->extender_listen, new->extender_listen)},
		{"extender-late", old->extender_late == new->extender_late},
		{"extender-tls-cert", same(old->extender_tls_cert, new->extender_tls_cert)},
		{"extender-tls-key", same(old->extender_tls_key, new->extender_tls_key)},
		{"extender-client-ca", same(old->extender_client_ca, new->extender_client_ca)},
		{"extender-client-name", same_list(&old->extender_client_names, &new->extender_client_names)},
		{"extender-bind", old->extender_bind == new->extender_bind},
		{"dump", same(old->dump, new->dump)},
		{"poll", old->poll_ms == new->poll_ms},
		{"mode", old->mode == new->mode},
		{"reserve.enabled", old->reserve.enabled == new->reserve.enabled},
		{"reserve.namespace", same(old->reserve.namespace_, new->reserve.namespace_)},
		{"healing.enabled", old->healing.enabled == new->healing.enabled},
		{"leader-elect", old->leader_elect == new->leader_elect},
		{"leader-elect-resource-name", !old->leader_elect || same(settings_election(old, NULL).name, settings_election(new, NULL).name)},
		{"leader-elect-resource-namespace", same(old->lease_namespace, new->lease_namespace)},
		{"leader-elect-lease-duration", old->lease_duration_ms == new->lease_duration_ms},
		{"leader-elect-renew-deadline", old->renew_deadline_ms == new->renew_deadline_ms},
		{"leader-elect-retry-period", old->retry_period_ms == new->retry_period_ms},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!fixed[i].stays)
			return lm_fail(err, LM_CONFIG, "`%s` cannot change while the scheduler runs", fixed[i].name);
	for (i = 0; i < old->profile_count; i++)
		if (!settings_profile(new, old->profiles[i].scheduler_name))
			return lm_fail(err, LM_CONFIG, "scheduler name \"%.100s\" cannot go while the scheduler runs",
				       old->profiles[i].scheduler_name);
	if (new->profile_count != old->profile_count)
		return lm_fail(err, LM_CONFIG, "scheduler names cannot change while the scheduler runs");
	return 0;
}

void settings_print(const struct settings *s, FILE *to)
{
	options_print(&s->options, to);
	if (json_get(s->options.file, "profiles"))
		settings_print_profiles(s, to);
}
