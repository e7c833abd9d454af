#include "tests/e2e/contract.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"

#define FAULTS_MAX 20
#define NEARLY 1e-3			/* of a score 0..10: the program counts in floats */
#define NEUTRAL 5
#define TIE 0.1				/* of a score 0..10: nodes that are equal to standalone mode */
#define FULL "node(s) had no CPU headroom"

/* What was said of a pod since it was filtered last. */
struct contract_last {
	bool filtered, scored;
	bool passed[WISHES_NODES];
	int score[WISHES_NODES];
};

/* A request, taken apart. */
struct question {
	const struct tap_talk *talk;	/* NULL: it is about a pod's place */
	bool is_filter;
	int pod, count;
	int nodes[WISHES_NODES];	/* in the request's order */
	bool offered[WISHES_NODES];
	char *raw[WISHES_NODES];	/* whole: each node's bytes */
};

__attribute__((format(printf, 3, 4))) static void fault(struct contract *c, const struct question *q, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (c->fault_count++ >= FAULTS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_printf(&c->faults, "p-%d%s%s: %s\n", q->pod, q->talk ? " " : "", q->talk ? q->talk->verb : "", text);
	if (q->talk)
		buf_printf(&c->faults, "\tasked: %.3000s\n\tsaid: %.3000s\n", q->talk->asked, q->talk->said);
}

/* --- the wire ------------------------------------------------------------------------------------------------------------ */

/* Exactly these members, in this order and writing. */
static bool has_keys(const cJSON *object, const char *const *keys)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		if (!*keys || !STREQ(item->string, *keys))
			return false;
		keys++;
	}
	return cJSON_IsObject(object) && !*keys;
}

static int node_of(const char *name)
{
	int node, end = 0;

	return name && sscanf(name, "n-%2d%n", &node, &end) == 1 && !name[end] && node < WISHES_NODES ? node : -1;
}

/* The end of the value at `at`: the text is good JSON. */
static const char *value_end(const char *at)
{
	bool quoted = false;
	int depth = 0;

	for (; *at; at++) {
		if (quoted && *at == '\\')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (!quoted && (*at == '{' || *at == '['))
			depth++;
		else if (!quoted && (*at == '}' || *at == ']') && --depth == 0)
			return at + 1;
	}
	return at;
}

/* The bytes of each object of Nodes.items; how many those are. */
static int raw_nodes(const char *text, char *raw[WISHES_NODES])
{
	const char *at = strstr(text, "\"Nodes\":{"), *end;
	int count = 0;

	at = at ? strstr(at, "\"items\":[") : NULL;
	for (at = at ? at + strlen("\"items\":[") : ""; *at == '{' && count < WISHES_NODES; at = *end == ',' ? end + 1 : end) {
		end = value_end(at);
		raw[count++] = xstrndup(at, (size_t)(end - at));
	}
	return count;
}

static void free_raw(char *raw[WISHES_NODES])
{
	int i;

	for (i = 0; i < WISHES_NODES; i++)
		free(raw[i]);
}

/* The nodes of a request or an answer, in its order; -1: not in the form that it must have. */
static int read_nodes(const struct contract *c, const cJSON *object, int nodes[WISHES_NODES])
{
	const cJSON *list = c->whole ? item_at(object, "Nodes.items") : json_get(object, "NodeNames"), *item;
	int count = 0;

	if (!cJSON_IsNull(json_get(object, c->whole ? "NodeNames" : "Nodes")) || !cJSON_IsArray(list))
		return -1;
	cJSON_ArrayForEach(item, list) {
		int node = node_of(c->whole ? text_at(item, "metadata.name") : cJSON_GetStringValue(item));

		if (node < 0 || count == WISHES_NODES)
			return -1;
		nodes[count++] = node;
	}
	return count;
}

/* --- /filter ------------------------------------------------------------------------------------------------------------- */

/* Where a node stands in the answer, and why. */
struct verdict {
	bool passed;
	const char *failed, *unresolvable;
};

/* NULL, or what the answer has that this generation does not say. */
static char *differs(const struct contract *c, const struct question *q, const struct wishes *m, const struct verdict *said)
{
	const struct wish *a = &c->wish[q->pod];
	bool feasible[WISHES_NODES];
	int i, item;

	wishes_feasible(m, a, feasible);
	for (i = 0; i < WISHES_NODES; i++) {
		const char *why = wishes_refusal(m, a, i, &item);
		auto_free char *reason = why ? xasprintf("%s%s", why, a->within[item].called) : NULL;

		if (!q->offered[i])
			continue;
		if (said[i].passed != feasible[i])
			return xasprintf("n-%02d is %s", i, said[i].passed ? "passed" : "refused");
		if (!!said[i].unresolvable != !!why || (why && !STREQ(said[i].unresolvable, reason)))
			return xasprintf("n-%02d: \"%s\" instead of \"%s\"", i, said[i].unresolvable, reason);
		if (!!said[i].failed != (!feasible[i] && !why) || (said[i].failed && !STREQ(said[i].failed, FULL)))
			return xasprintf("n-%02d: failed by \"%s\"", i, said[i].failed);
	}
	return NULL;
}

static void judge_verdicts(struct contract *c, const struct question *q, const struct verdict *said)
{
	auto_free char *first = NULL;
	int i, explains = 0, by = 0;

	for (i = 0; i < c->model_count; i++) {
		char *why = differs(c, q, &c->models[i], said);

		explains += !why;
		by = why ? by : i;
		if (first)
			free(why);
		else
			first = why;
	}
	if (!explains)
		fault(c, q, "no generation says so, the first differs at %s", first);
	else if (explains == 1)
		c->of_model[by]++;
}

/* Names of one of the answer's two maps. Each is a node of the request. */
static void read_failed(struct contract *c, const struct question *q, const cJSON *map, bool unresolvable, struct verdict *said)
{
	const cJSON *item;

	if (!cJSON_IsObject(map))
		fault(c, q, "a map is %s", json_kind(map));
	cJSON_ArrayForEach(item, map) {
		int node = node_of(item->string);

		if (node < 0 || !q->offered[node])
			fault(c, q, "it refuses %s, which it was not asked about", item->string);
		else
			*(unresolvable ? &said[node].unresolvable : &said[node].failed) = cJSON_GetStringValue(item);
	}
}

/* In the order of the request, each with the bytes that it came with. */
static void read_passed(struct contract *c, const struct question *q, const cJSON *answer, struct verdict *said)
{
	int nodes[WISHES_NODES], count = read_nodes(c, answer, nodes), i, at = 0;
	char *raw[WISHES_NODES] = {0};

	if (count < 0 || (c->whole && raw_nodes(q->talk->said, raw) != count))
		fault(c, q, "it has not the form of the request");
	for (i = 0; i < count; i++) {
		while (at < q->count && q->nodes[at] != nodes[i])
			at++;
		if (at == q->count) {
			fault(c, q, "n-%02d is not in the request, or in another place", nodes[i]);
			break;
		}
		if (c->whole && !STREQ(raw[i], q->raw[at]))
			fault(c, q, "n-%02d is not as it came", nodes[i]);
		said[nodes[i]].passed = true;
	}
	free_raw(raw);
}

static void judge_filter(struct contract *c, const struct question *q, const cJSON *answer)
{
	static const char *const keys[] = {"Nodes", "NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error", NULL};
	struct contract_last *last = &c->last[q->pod];
	struct verdict said[WISHES_NODES] = {0};
	int i;

	for (i = 0; i < WISHES_NODES; i++)
		if (q->offered[i] != wishes_fits(c->models, &c->wish[q->pod], i))
			fault(c, q, "kube-scheduler %s n-%02d", q->offered[i] ? "offers" : "does not offer", i);
	if (!has_keys(answer, keys) || !STREQ(text_at(answer, "Error"), ""))
		fault(c, q, "no ExtenderFilterResult without an error");
	read_passed(c, q, answer, said);
	read_failed(c, q, json_get(answer, "FailedNodes"), false, said);
	read_failed(c, q, json_get(answer, "FailedAndUnresolvableNodes"), true, said);
	judge_verdicts(c, q, said);
	*last = (struct contract_last){.filtered = true};
	for (i = 0; i < WISHES_NODES; i++)
		last->passed[i] = said[i].passed;
	c->filtered++;
}

/* --- /prioritize --------------------------------------------------------------------------------------------------------- */

static bool is_score(int score, double points)
{
	return score == lround(points) || score == lround(points - NEARLY) || score == lround(points + NEARLY);
}

/* Of --extender-alone: 10 for one of the best, and for no other. */
static bool singles_out(const struct question *q, const double points[WISHES_NODES], const int *score)
{
	double best = 0, single = -1;
	int i, count = 0;

	for (i = 0; i < WISHES_NODES; i++) {
		if (!q->offered[i])
			continue;
		best = fmax(best, points[i]);
		single = score[i] == 10 ? points[i] : single;
		count += score[i] == 10;
		if (score[i] != 10 && !is_score(score[i], points[i]) && !(score[i] == 9 && is_score(10, points[i])))
			return false;
	}
	return count == (q->count > 0) && (!count || single >= best - TIE - NEARLY);
}

static bool ranks_so(const struct contract *c, const struct question *q, const struct wishes *m, const int *score)
{
	double points[WISHES_NODES];
	bool any = wishes_rank(m, &c->wish[q->pod], q->offered, points);
	int i;

	if (any && c->single)
		return singles_out(q, points, score);
	for (i = 0; i < WISHES_NODES; i++)
		if (q->offered[i] && (any ? !is_score(score[i], points[i]) : score[i] != NEUTRAL))
			return false;
	return true;
}

/* Written as a whole number: kube-scheduler throws away the whole list for 7.5 and for 1e1. */
static bool scores_are_whole(const char *text)
{
	const char *key = "\"Score\":";

	while ((text = strstr(text, key)) != NULL) {
		text += strlen(key);
		if (text[strspn(text, "0123456789")] != '}' || *text == '}')
			return false;
	}
	return true;
}

static bool read_scores(const struct question *q, const cJSON *answer, int score[WISHES_NODES])
{
	static const char *const keys[] = {"Host", "Score", NULL};
	const cJSON *item;
	int i = 0;

	if (!cJSON_IsArray(answer) || cJSON_GetArraySize(answer) != q->count || !scores_are_whole(q->talk->said))
		return false;
	cJSON_ArrayForEach(item, answer) {
		const cJSON *value = json_get(item, "Score");

		if (!has_keys(item, keys) || node_of(text_at(item, "Host")) != q->nodes[i] || !cJSON_IsNumber(value) || value->valueint < 0 ||
		    value->valueint > 10)
			return false;
		score[q->nodes[i++]] = value->valueint;
	}
	return true;
}

static void judge_prioritize(struct contract *c, const struct question *q, const cJSON *answer)
{
	struct contract_last *last = &c->last[q->pod];
	int i, explains = 0, by = 0;

	c->prioritized++;
	if (!last->filtered || memcmp(last->passed, q->offered, sizeof(q->offered)) != 0)
		fault(c, q, "these are not the nodes that /filter passed before");
	if (!read_scores(q, answer, last->score)) {
		fault(c, q, "no HostPriorityList of these nodes with whole numbers 0 to 10");
		return;
	}
	last->scored = true;
	if (!c->wish[q->pod].near_count)
		return;
	c->ranked++;
	for (i = 0; i < c->model_count; i++)
		if (ranks_so(c, q, &c->models[i], last->score)) {
			explains++;
			by = i;
		}
	if (!explains)
		fault(c, q, "no generation ranks them so");
	else if (explains == 1)
		c->of_model[by]++;
}

/* --- all ----------------------------------------------------------------------------------------------------------------- */

static bool asks_here(const struct contract *c, const struct wish *a)
{
	return STREQ(a->scheduler, c->alone) || STREQ(a->scheduler, c->among);
}

static bool read_question(struct contract *c, const cJSON *asked, struct question *q)
{
	static const char *const keys[] = {"Pod", "Nodes", "NodeNames", NULL};
	int i;

	q->is_filter = STREQ(q->talk->verb, "filter");
	if (sscanf(text_at(asked, "Pod.metadata.name"), "p-%d", &q->pod) != 1 || q->pod < 0 || q->pod >= c->count || !asks_here(c, &c->wish[q->pod]))
		fail_msg("a request for \"%s\"", text_at(asked, "Pod.metadata.name"));
	q->count = has_keys(asked, keys) ? read_nodes(c, asked, q->nodes) : -1;
	if (q->count < 0 || (c->whole && raw_nodes(q->talk->asked, q->raw) != q->count)) {
		fault(c, q, "no ExtenderArgs in the configured form");
		return false;
	}
	for (i = 0; i < q->count; i++)
		q->offered[q->nodes[i]] = true;
	return true;
}

void contract_judge(struct contract *c, const struct tap_talk *talks, size_t count)
{
	size_t i;

	if (!c->last)
		c->last = xcalloc((size_t)c->count + 1, sizeof(*c->last));
	for (i = 0; i < count; i++) {
		struct question q = {.talk = &talks[i], .pod = -1};
		auto_json cJSON *asked = NULL, *said = NULL;
		struct lm_err err;

		if (talks[i].spoiled)
			continue;
		asked = json_parse(talks[i].asked, talks[i].asked_len, JSON_DEPTH_API, &err);
		said = json_parse(talks[i].said, talks[i].said_len, JSON_DEPTH_API, &err);
		if (!asked || !said || talks[i].status != 200)
			fault(c, &q, "status %d, %s", talks[i].status, asked && said ? "JSON" : err.msg);
		else if (read_question(c, asked, &q))
			(q.is_filter ? judge_filter : judge_prioritize)(c, &q, said);
		free_raw(q.raw);
	}
}

static void judge_pod(struct contract *c, int i, int node)
{
	const struct contract_last *last = &c->last[i];
	struct question about = {.pod = i};
	int k, best = 0, least = 10, bests = 0;

	if (!last->filtered || !last->passed[node])
		fault(c, &about, "it is on n-%02d, which the extender did not pass last", node);
	for (k = 0; k < WISHES_NODES; k++)
		if (last->scored && last->passed[k]) {
			best = last->score[k] > best ? last->score[k] : best;
			least = last->score[k] < least ? last->score[k] : least;
		}
	for (k = 0; k < WISHES_NODES; k++)
		bests += last->scored && last->passed[k] && last->score[k] == best;
	c->chosen += least < best;
	if (c->single && least < best && bests != 1)
		fault(c, &about, "%d nodes have the highest score, %d", bests, best);
	if (last->scored && last->score[node] != best && STREQ(c->wish[i].scheduler, c->alone))
		fault(c, &about, "it is on n-%02d with a score of %d, the best is %d", node, last->score[node], best);
}

void contract_judge_placed(struct contract *c, const cJSON *pods)
{
	const cJSON *pod;
	int i;

	cJSON_ArrayForEach(pod, json_get(pods, "items")) {
		int node = node_of(text_at(pod, "spec.nodeName"));

		if (sscanf(text_at(pod, "metadata.name"), "p-%d", &i) == 1 && node >= 0 && asks_here(c, &c->wish[i]))
			judge_pod(c, i, node);
	}
}

void contract_free(struct contract *c)
{
	buf_free(&c->faults);
	free(c->last);
}
