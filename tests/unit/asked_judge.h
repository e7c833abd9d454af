/*
 * asked_judge.h - the judge of the extender (sched/extender/judge.h) over a world: one request after the other, each kept with its answer until the next.
 */
#ifndef TESTS_UNIT_ASKED_JUDGE_H
#define TESTS_UNIT_ASKED_JUDGE_H

#include <string.h>

#include "lib/buf.h"
#include "sched/extender/judge.h"
#include "tests/testing/world.h"

static struct world w;
static struct judge *judge;
static struct wire_request request;
static struct wire_answer answer;

static inline void drop(void)
{
	wire_answer_free(&answer);
	wire_free(&request);
}

/* The request that is there, once more. */
static inline void ask_again(enum judge_verb verb, bool alone)
{
	struct judge_input in = world_judge_input(&w, alone);

	wire_answer_free(&answer);
	answer = judge_request(judge, &in, verb, &request);
}

/* The text must live until the next request: whole nodes are sent back out of it. */
static inline void ask_text(enum judge_verb verb, bool alone, const char *text)
{
	struct lm_err err;

	drop();
	if (!w.mesh)
		world_take(&w);
	if (wire_parse(text, strlen(text), &request, &err) < 0)
		fail_msg("%s", err.msg);
	ask_again(verb, alone);
}

static inline int end(void **state)
{
	(void)state;
	drop();
	judge_free(judge);
	world_end(&w);
	return 0;
}

/* In the order of the request: "10 0 7". */
static inline void assert_scores(const char *scores)
{
	auto_buf struct buf text = {0};
	uint32_t i;

	for (i = 0; i < request.count; i++)
		buf_printf(&text, "%s%d", i ? " " : "", answer.nodes[i].score);
	assert_string_equal(text.data, scores);
}

#endif
