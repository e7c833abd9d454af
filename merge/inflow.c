#include "merge/inflow.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/yaml.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

/* --- a file ---------------------------------------------------------------------------------------------------------- */

static int take_weights(const cJSON *root, struct snapshot_entry *out, struct lm_err *err)
{
	const cJSON *item;

	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is no list of weights by node", json_kind(root));
	cJSON_ArrayForEach(item, root) {
		if (!name_is_valid(item->string))
			return lm_fail(err, LM_DATA, "\"%.80s\" is not a valid node name", item->string);
		if (!cJSON_IsNumber(item))
			return lm_fail(err, LM_DATA, "%.200s: %s is not a number", item->string, json_kind(item));
		if (!(item->valuedouble >= 0 && item->valuedouble <= SNAPSHOT_RATE_MAX))
			return lm_fail(err, LM_DATA, "%.200s: %g is not in 0..%g", item->string, item->valuedouble, SNAPSHOT_RATE_MAX);
		if (!snapshot_entry_add(out, item->string, item->valuedouble + 0.0))
			return lm_fail(err, LM_DATA, "more than %d nodes", SNAPSHOT_MAX_NODES);
	}
	return 0;
}

int inflow_parse_list(const char *text, size_t len, struct snapshot_entry *out, struct lm_err *err)
{
	auto_json cJSON *root = yaml_parse(text, len, err);

	*out = (struct snapshot_entry){.age_s = NAN};
	if (root && take_weights(root, out, err) == 0)
		return 0;
	snapshot_entry_free(out);
	return -1;
}

static void read_list(const char *path, struct inflow_source *source)
{
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, path, FILE_MAX_BYTES, FILE_FOLLOW, &text, &source->error) < 0) {
		source->state = INFLOW_FAILED;
	} else if (inflow_parse_list(text.data, text.len, &source->rates, &source->error) < 0) {
		lm_wrap(&source->error, "%s", path);
		source->state = INFLOW_FAILED;
	} else {
		source->state = INFLOW_OK;
	}
}

/* --- asking ---------------------------------------------------------------------------------------------------------- */

static void take_answer(struct prometheus_query *query, struct inflow_source *source)
{
	struct prometheus_answer *answer = &query->answer;

	if (query->failed) {
		source->state = INFLOW_FAILED;
		source->error = query->error;
	} else {
		source->state = INFLOW_OK;
		source->rates = answer->rates;
		answer->rates = (struct snapshot_entry){.age_s = NAN};
		source->nameless = answer->nameless;
		source->refused = answer->refused;
		memcpy(source->warning, answer->warning, sizeof(source->warning));
	}
	prometheus_query_free(query);
}

static void ask_prometheus(struct inflow *in, const struct settings *s, bool (*stop)(void))
{
	const struct prometheus where = {s->prometheus_url, s->prometheus_token_file, s->prometheus_ca_file};
	struct inflow_source *sources[2];
	struct prometheus_query queries[2];
	size_t count = 0, i;

	if (s->entry_query) {
		queries[count] = (struct prometheus_query){.text = s->entry_query};
		sources[count++] = &in->entry;
	}
	if (s->traffic_query) {
		queries[count] = (struct prometheus_query){.text = s->traffic_query};
		sources[count++] = &in->traffic;
	}
	if (!count)
		return;
	prometheus_ask(&where, queries, count, stop);
	for (i = 0; i < count; i++)
		take_answer(&queries[i], sources[i]);
}

static void notice_silence(struct inflow_source *source)
{
	uint32_t i;

	if (source->state != INFLOW_OK)
		return;
	for (i = 0; i < source->rates.nodes.count; i++)
		if (source->rates.rate[i] > 0)
			return;
	source->state = INFLOW_SILENT;
}

void inflow_ask(struct inflow *in, const struct settings *settings, bool (*stop)(void))
{
	*in = (struct inflow){.entry.rates.age_s = NAN, .traffic.rates.age_s = NAN};
	if (settings->entry_file)
		read_list(settings->entry_file, &in->entry);
	if (settings->prometheus_url)
		ask_prometheus(in, settings, stop);
	notice_silence(&in->entry);
	notice_silence(&in->traffic);
	in->known_mono_ms = clock_mono_ms();
}

void inflow_age(struct inflow *in)
{
	in->entry.rates.age_s = (double)(clock_mono_ms() - in->known_mono_ms) / 1e3;
}

void inflow_free(struct inflow *in)
{
	snapshot_entry_free(&in->entry.rates);
	snapshot_entry_free(&in->traffic.rates);
}

/* --- what is said of it ---------------------------------------------------------------------------------------------- */

/* One line when it goes and one when it is back, however its words change in between ("timed out after 5001 ms"). */
static void say_state(const char *what, const struct inflow_source *source, struct complaints *complaints)
{
	auto_free char *gone = xasprintf("%s is not known now: what was known stays for a while", what);
	auto_free char *silent = xasprintf("%s: nothing is there, what was known stays for a while", what);
	auto_free char *back = xasprintf("%s is known again", what);

	if (source->state == INFLOW_FAILED && complaints_new(complaints, what, "failed"))
		log_warn(gone, FIELDS(LS("error", source->error.msg)));
	else if (source->state == INFLOW_SILENT && complaints_new(complaints, what, "silent"))
		log_warn(silent, FIELDS(LI("samples", source->rates.nodes.count), LI("without_node", source->nameless), LI("refused", source->refused)));
	else if (source->state == INFLOW_OK && complaints_over(complaints, what))
		log_info(back, FIELDS(LI("nodes", source->rates.nodes.count)));
}

static void say_samples(const char *what, const struct inflow_source *source, struct complaints *complaints)
{
	auto_free char *key = xasprintf("%s: samples", what), *warning = xasprintf("%s: warning", what);

	if (source->state == INFLOW_UNASKED || source->state == INFLOW_FAILED)
		return;
	if (!source->nameless && !source->refused)
		complaints_over(complaints, key);
	else if (complaints_new(complaints, key, source->nameless ? "without a node" : "refused"))
		log_warn("samples of the Prometheus are not used", FIELDS(LS("query", what), LI("without_node", source->nameless), LI("refused", source->refused)));
	if (!source->warning[0])
		complaints_over(complaints, warning);
	else if (complaints_new(complaints, warning, source->warning))
		log_warn("the Prometheus warns", FIELDS(LS("query", what), LS("warning", source->warning)));
}

static void say_strangers(const char *what, const struct inflow_source *source, const struct snapshot *next, struct complaints *complaints)
{
	const struct names *nodes = &source->rates.nodes;
	int lines = 0;
	uint32_t i;

	for (i = 0; i < nodes->count && lines < INFLOW_STRANGERS_MAX; i++) {
		auto_free char *key = xasprintf("%s: node %s", what, nodes->items[i]);

		if (names_find(&next->nodes, nodes->items[i]) != NAMES_NONE)
			complaints_over(complaints, key);
		else if (complaints_new(complaints, key, "unknown") && ++lines)
			log_warn("traffic of a node that does not belong to the mesh", FIELDS(LS("query", what), LS("node", nodes->items[i])));
	}
}

static void say(const char *what, const struct inflow_source *source, const struct snapshot *next, struct complaints *complaints)
{
	say_state(what, source, complaints);
	say_samples(what, source, complaints);
	say_strangers(what, source, next, complaints);
}

static void count_source(const struct inflow_source *source, int which, int samples, struct metrics *metrics)
{
	static const int results[] = {[INFLOW_OK] = METER_QUERY_OK, [INFLOW_SILENT] = METER_QUERY_SILENT, [INFLOW_FAILED] = METER_QUERY_FAILED};

	if (source->state == INFLOW_UNASKED)
		return;
	metrics_add(metrics, which, results[source->state], 1);
	metrics_add(metrics, samples, METER_SAMPLE_NAMELESS, source->nameless);
	metrics_add(metrics, samples, METER_SAMPLE_VALUE, source->refused);
}

void inflow_judged(const struct inflow *in, const struct fold_summary *summary, const struct snapshot *next, struct complaints *complaints,
		   struct metrics *metrics)
{
	say("where traffic enters", &in->entry, next, complaints);
	say("traffic by node", &in->traffic, next, complaints);
	if (summary->entry_dropped)
		log_warn("where traffic enters is dropped: nobody told for 10 periods, or its nodes are gone; near `entry` is not followed", NULL);
	count_source(&in->entry, METER_ENTRY_QUERIES, METER_ENTRY_UNUSED, metrics);
	count_source(&in->traffic, METER_TRAFFIC_QUERIES, METER_TRAFFIC_UNUSED, metrics);
	metrics_add(metrics, METER_ENTRY_UNUSED, METER_SAMPLE_STRANGER, summary->strangers_entry);
	metrics_add(metrics, METER_TRAFFIC_UNUSED, METER_SAMPLE_STRANGER, summary->strangers_traffic);
	metrics_set(metrics, METER_ENTRY_NODES, 0, summary->entry_nodes);
	metrics_set(metrics, METER_ENTRY_AGE, 0, summary->entry_age_s);
	metrics_add(metrics, METER_ENTRY_DROPPED, 0, summary->entry_dropped);
}
