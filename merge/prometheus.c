#include "merge/prometheus.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/kube/client.h"
#include "lib/kube/url.h"
#include "lib/mem.h"

#define STOP_MS 100			/* how often it is asked whether to stop */

/* --- the answer ------------------------------------------------------------------------------------------------------ */

/* Each value but the first has one of these before it. */
static int check_amount(const char *text, size_t len, struct lm_err *err)
{
	size_t count = 0, i;

	for (i = 0; i < len; i++)
		count += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return count > PROMETHEUS_VALUES_MAX ? lm_fail(err, LM_DATA, "more than %d values", PROMETHEUS_VALUES_MAX) : 0;
}

/* A JSON number and nothing else: strtod alone would take hexadecimals, blanks and words. */
static bool is_number(const char *text)
{
	size_t len = strlen(text);
	struct lm_err ignored;

	return len > 0 && (isdigit((unsigned char)text[0]) || text[0] == '-') && isdigit((unsigned char)text[len - 1]) &&
	       json_check(text, len, 1, &ignored) == 0;
}

/* NaN for what is no rate: also for the words that Prometheus has. */
static int read_value(const char *text, double *out, struct lm_err *err)
{
	static const char *const words[] = {"NaN", "+Inf", "-Inf"};
	size_t i;

	*out = NAN;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (STREQ(text, words[i]))
			return 0;
	if (!is_number(text))
		return lm_fail(err, LM_DATA, "value: \"%.40s\" is no number", text);
	*out = strtod(text, NULL);
	if (!(*out >= 0 && *out <= SNAPSHOT_RATE_MAX))
		*out = NAN;
	*out += 0.0;	/* -0 */
	return 0;
}

static int add_rate(struct snapshot_entry *rates, const char *node, double rate, struct lm_err *err)
{
	uint32_t at = names_find(&rates->nodes, node);

	if (at != NAMES_NONE) {
		rates->rate[at] = fmin(rates->rate[at] + rate, SNAPSHOT_RATE_MAX);
		return 0;
	}
	return snapshot_entry_add(rates, node, rate) ? 0 : lm_fail(err, LM_DATA, "more than %d nodes", SNAPSHOT_MAX_NODES);
}

static int take_sample(const cJSON *sample, struct prometheus_answer *out, struct lm_err *err)
{
	const cJSON *metric, *pair, *label;
	double rate;

	if (!cJSON_IsObject(sample))
		return lm_fail(err, LM_DATA, "%s is no sample", json_kind(sample));
	if (json_want_object(sample, "metric", &metric, err) < 0 || json_want_array(sample, "value", &pair, err) < 0)
		return -1;
	if (!cJSON_IsNumber(pair->child) || !cJSON_IsString(pair->child->next) || pair->child->next->next)
		return lm_fail(err, LM_DATA, "value: is not [time, \"number\"]");
	if (read_value(pair->child->next->valuestring, &rate, err) < 0)
		return -1;
	label = json_get(metric, "node");
	if (label && !cJSON_IsString(label))
		return lm_fail(err, LM_DATA, "metric.node: %s is no label", json_kind(label));
	if (!label || !name_is_valid(label->valuestring)) {
		out->nameless++;
		return 0;
	}
	if (isnan(rate)) {
		out->refused++;
		return 0;
	}
	return add_rate(&out->rates, label->valuestring, rate, err);
}

static int take_result(const cJSON *result, struct prometheus_answer *out, struct lm_err *err)
{
	const cJSON *sample;
	unsigned at = 0;

	cJSON_ArrayForEach(sample, result) {
		if (take_sample(sample, out, err) < 0)
			return lm_wrap(err, "data.result[%u]", at);
		at++;
	}
	return 0;
}

/* "execution: query timed out", of an answer that says so itself. */
static int fail_by_words(const cJSON *root, const char *status, struct lm_err *err)
{
	const char *type = "", *words = "";

	if (!STREQ(status, "error"))
		return lm_fail(err, LM_DATA, "status: \"%.40s\" is not \"success\"", status);
	if (json_may_string(root, "errorType", &type, err) < 0 || json_may_string(root, "error", &words, err) < 0)
		return -1;
	return lm_fail(err, LM_DATA, "%.40s: %.200s", *type ? type : "error", words);
}

static int take_warning(const cJSON *root, struct prometheus_answer *out, struct lm_err *err)
{
	const cJSON *warnings;
	int found = json_may_array(root, "warnings", &warnings, err);

	if (found > 0 && cJSON_IsString(warnings->child))
		snprintf(out->warning, sizeof(out->warning), "%s", warnings->child->valuestring);
	return found < 0 ? -1 : 0;
}

static int read_answer(const cJSON *root, struct prometheus_answer *out, struct lm_err *err)
{
	const cJSON *data, *result;
	const char *status, *type;

	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is no answer of a Prometheus", json_kind(root));
	if (json_want_string(root, "status", &status, err) < 0)
		return -1;
	if (!STREQ(status, "success"))
		return fail_by_words(root, status, err);
	if (json_want_object(root, "data", &data, err) < 0)
		return -1;
	if (json_want_string(data, "resultType", &type, err) < 0 || json_want_array(data, "result", &result, err) < 0)
		return lm_wrap(err, "data");
	if (!STREQ(type, "vector"))
		return lm_fail(err, LM_DATA, "data.resultType: \"%.40s\" is not \"vector\"", type);
	return take_result(result, out, err) < 0 ? -1 : take_warning(root, out, err);
}

int prometheus_parse(const char *text, size_t len, struct prometheus_answer *out, struct lm_err *err)
{
	auto_json cJSON *root = NULL;

	*out = (struct prometheus_answer){.rates.age_s = NAN};
	if (len > PROMETHEUS_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, PROMETHEUS_MAX_BYTES);
	if (check_amount(text, len, err) < 0)
		return -1;
	root = json_parse(text, len, JSON_DEPTH, err);
	if (root && read_answer(root, out, err) == 0)
		return 0;
	prometheus_answer_free(out);
	return -1;
}

void prometheus_answer_free(struct prometheus_answer *answer)
{
	snapshot_entry_free(&answer->rates);
	answer->nameless = answer->refused = 0;
	answer->warning[0] = '\0';
}

/* --- asking ---------------------------------------------------------------------------------------------------------- */

struct asked {
	const struct prometheus *where;
	struct prometheus_query *query;
	bool done;
};

static int fail_query(struct prometheus_query *query, const char *url, const struct lm_err *why)
{
	query->failed = true;
	query->error = *why;
	return url ? lm_wrap(&query->error, "%s", url) : -1;
}

/* Bad requests and overload come with the words of the Prometheus in JSON, all else (a proxy's page, a redirect) with the status alone. */
static void refuse_status(struct prometheus_query *query, const char *url, const struct kube_response *response)
{
	bool redirect = response->status / 100 == 3, json = !redirect && response->len && response->body[0] == '{';
	struct lm_err words, err;

	if (json && prometheus_parse(response->body, response->len, &query->answer, &words) < 0)
		lm_fail(&err, LM_UNAVAILABLE, "HTTP status %d: %.300s", response->status, words.msg);
	else
		lm_fail(&err, LM_UNAVAILABLE, "HTTP status %d%s", response->status, redirect ? ": redirects are not followed" : "");
	prometheus_answer_free(&query->answer);
	fail_query(query, url, &err);
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct asked *a = arg;
	struct lm_err err;

	a->done = true;
	if (!response->status)
		fail_query(a->query, NULL, &response->error);
	else if (response->status != 200)
		refuse_status(a->query, a->where->url, response);
	else if (prometheus_parse(response->body, response->len, &a->query->answer, &err) < 0)
		fail_query(a->query, a->where->url, &err);
}

static void send_query(struct kube *k, struct asked *a)
{
	auto_buf struct buf path = {0};

	buf_printf(&path, "/api/v1/query?timeout=%ds&query=", PROMETHEUS_LIMIT_MS / 1000);
	url_escape(a->query->text, &path);
	kube_send(k, &(struct kube_request){.method = "GET", .path = path.data, .timeout_ms = PROMETHEUS_LIMIT_MS,
					    .max_bytes = PROMETHEUS_MAX_BYTES}, on_answer, a);
}

static bool is_waiting(const struct asked *asked, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!asked[i].done)
			return true;
	return false;
}

/* What is in the air when it is asked to stop is cancelled by kube_free. */
static void ask_all(struct kube *k, struct asked *asked, size_t count, bool (*stop)(void))
{
	struct lm_err stopped;
	size_t i;

	for (i = 0; i < count; i++)
		send_query(k, &asked[i]);
	while (is_waiting(asked, count) && !(stop && stop()))
		kube_run(k, STOP_MS, NULL, 0);
	lm_fail(&stopped, LM_UNAVAILABLE, "asked to stop");
	for (i = 0; i < count; i++)
		if (!asked[i].done)
			fail_query(asked[i].query, asked[i].where->url, &stopped);
}

static struct kube *client(const struct prometheus *where, struct lm_err *err)
{
	struct kube_config config = {.token_file = xstrdup(where->token_file), .ca_file = xstrdup(where->ca_file)};
	struct kube *k = NULL;

	if (url_check(where->url, URL_SERVER, LM_USAGE, &config.server, err) == 0)
		k = kube_new(&config, "latency-merge", err);
	kube_config_free(&config);
	return k;
}

void prometheus_ask(const struct prometheus *where, struct prometheus_query *queries, size_t count, bool (*stop)(void))
{
	auto_free struct asked *asked = xcalloc(count, sizeof(*asked));
	struct lm_err err;
	struct kube *k = client(where, &err);
	size_t i;

	for (i = 0; i < count; i++) {
		queries[i] = (struct prometheus_query){.text = queries[i].text, .answer.rates.age_s = NAN};
		asked[i] = (struct asked){.where = where, .query = &queries[i]};
		if (!k)
			fail_query(&queries[i], NULL, &err);
	}
	if (!k)
		return;
	ask_all(k, asked, count, stop);
	kube_free(k);
}

void prometheus_query_free(struct prometheus_query *query)
{
	prometheus_answer_free(&query->answer);
}
