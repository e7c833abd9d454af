/*
 * simulate_steps.h - steps of simulate on the small cluster of tests/data/simulate, and what they must print.
 */
#ifndef TESTS_UNIT_SIMULATE_STEPS_H
#define TESTS_UNIT_SIMULATE_STEPS_H

#include "tests/unit/simulate_run.h"

#define DATA "tests/data/simulate/"

/* The small cluster with up to four steps: what stands in its tables below the time. */
static inline void prints_with(const char *pods, const char *config, const char *const steps[4], int code, const char *want)
{
	const char *words[WORDS_MAX] = {"x", "--cluster", DATA "cluster.yaml", "--matrix", DATA "cluster-latency.json", "--now", NOW};
	int n = 7, i, got;
	auto_free char *text = NULL;
	const char *part;

	for (i = 0; i < 4 && steps[i]; i++) {
		words[n++] = "--step";
		words[n++] = steps[i];
	}
	if (config) {
		words[n++] = "--config";
		words[n++] = config;
	}
	if (pods) {
		words[n++] = "--pods";
		words[n++] = pods;
	}
	text = run_words(words, &got);
	part = strstr(text, "time: " NOW "\n\n");
	assert_non_null(part);
	assert_string_equal(part + strlen("time: " NOW "\n\n"), want);
	assert_int_equal(got, code);
}

static inline void prints(const char *config, const char *const steps[4], int code, const char *want)
{
	prints_with(NULL, config, steps, code, want);
}

#endif
