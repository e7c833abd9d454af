#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/report.h"
#include "sched/simulate_private.h"

#define WORDS_MAX 4

static const char forms[] = "a step is `fail NODE`, `recover NODE`, `drift FROM TO TIME` or `matrix FILE`";

/* At most WORDS_MAX + 1 words, in place. */
static int split(char *text, char *words[WORDS_MAX + 1])
{
	char *save = NULL, *word;
	int n = 0;

	for (word = strtok_r(text, " \t\n", &save); word && n <= WORDS_MAX; word = strtok_r(NULL, " \t\n", &save))
		words[n++] = word;
	return n;
}

static int take_node(const char *word, char **out, struct lm_err *err)
{
	if (!name_is_valid(word))
		return lm_fail(err, LM_USAGE, "\"%.100s\" is no name of a node", word);
	*out = xstrdup(word);
	return 0;
}

static int take_drift(char *const *words, struct sim_step *out, struct lm_err *err)
{
	if (take_node(words[1], &out->node, err) < 0 || take_node(words[2], &out->to, err) < 0)
		return -1;
	if (STREQ(out->node, out->to))
		return lm_fail(err, LM_USAGE, "\"%.100s\" is there twice", out->to);
	out->rtt_us = NAN;
	if (STREQ(words[3], "lost"))
		return 0;
	if (ask_parse_limit("TIME", words[3], &out->rtt_us, err) < 0 || out->rtt_us > REPORT_RTT_MAX_US)
		return lm_fail(err, LM_USAGE, "\"%.60s\" is no round trip (12ms, 0.5ms, at most 60s, or lost)", words[3]);
	return 0;
}

/* A file's name is all that follows, so that it may have blanks. */
static int take_file(const char *text, struct sim_step *out)
{
	const char *at = strstr(text, "matrix") + strlen("matrix");

	out->path = xstrdup(at + strspn(at, " \t\n"));
	return 0;
}

static int take(char *const *words, int count, struct sim_step *out, struct lm_err *err)
{
	static const struct {
		const char *word;
		enum step_kind kind;
		int words;
	} kinds[] = {{"fail", STEP_FAIL, 2}, {"recover", STEP_RECOVER, 2}, {"drift", STEP_DRIFT, 4}, {"matrix", STEP_MATRIX, 2}};
	size_t i;

	for (i = 0; count && i < ARRAY_SIZE(kinds); i++) {
		if (!STREQ(words[0], kinds[i].word))
			continue;
		out->kind = kinds[i].kind;
		if (count < kinds[i].words || (count > kinds[i].words && kinds[i].kind != STEP_MATRIX))
			break;
		return kinds[i].kind == STEP_MATRIX ? take_file(out->text, out) : kinds[i].kind == STEP_DRIFT ? take_drift(words, out, err) :
		       take_node(words[1], &out->node, err);
	}
	return lm_fail(err, LM_USAGE, "%s", forms);
}

int sim_step_wrap(const struct sim_step *s, struct lm_err *err)
{
	return lm_wrap(err, "step %u \"%.150s\"", s->number, s->text);
}

int sim_step_parse(const char *text, uint32_t number, struct sim_step *out, struct lm_err *err)
{
	auto_free char *copy = xstrdup(text);
	char *words[WORDS_MAX + 1];
	int count = split(copy, words);

	*out = (struct sim_step){.text = text, .number = number};
	if (take(words, count, out, err) == 0)
		return 0;
	sim_step_wrap(out, err);
	sim_step_free(out);
	return -1;
}

void sim_step_free(struct sim_step *s)
{
	free(s->node);
	free(s->to);
	free(s->path);
	*s = (struct sim_step){0};
}
