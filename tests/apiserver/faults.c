#include "tests/apiserver/faults.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/json.h"
#include "lib/mem.h"

const char *const verb_names[] = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "other"};
const char *const fault_names[] = {"", "delay", "drop", "reset", "status"};

struct rule {
	char method[16], path[256];	/* "": any */
	int verb;			/* -1: any */
	struct fault fault;
	double probability;
	int64_t left;			/* -1: no end */
};

struct faults {
	pthread_mutex_t lock;
	pthread_cond_t stop_or_never;
	bool stopped;
	uint64_t random, fired;
	struct rule *rules;
	size_t count;
};

struct faults *faults_new(void)
{
	struct faults *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->stop_or_never, &attr);
	pthread_condattr_destroy(&attr);
	f->random = (uint64_t)time(NULL);
	return f;
}

void faults_free(struct faults *f)
{
	pthread_cond_destroy(&f->stop_or_never);
	pthread_mutex_destroy(&f->lock);
	free(f->rules);
	free(f);
}

static int index_of(const char *word, const char *const *words, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (STREQ(words[i], word))
			return i;
	return -1;
}

static int copy_text(const cJSON *object, const char *key, char *to, size_t size, struct lm_err *err)
{
	const char *text = "";

	if (json_may_string(object, key, &text, err) < 0)
		return -1;
	if (strlen(text) >= size)
		return lm_fail(err, LM_DATA, "%s: longer than %zu bytes", key, size - 1);
	snprintf(to, size, "%s", text);
	return 0;
}

static int parse_action(const cJSON *object, struct rule *rule, struct lm_err *err)
{
	const char *action, *when = "before";
	int64_t status = 0;
	int found;

	if (json_want_string(object, "action", &action, err) < 0 || json_may_string(object, "when", &when, err) < 0 ||
	    json_may_i64(object, "status", 200, 599, &status, err) < 0)
		return -1;
	found = index_of(action, fault_names, ARRAY_SIZE(fault_names));
	if (found <= FAULT_NONE)
		return lm_fail(err, LM_DATA, "action: `%s` is none of delay, drop, reset, status", action);
	if (!STREQ(when, "before") && !STREQ(when, "after"))
		return lm_fail(err, LM_DATA, "when: `%s` is not before or after", when);
	if ((found == FAULT_STATUS) != (status != 0))
		return lm_fail(err, LM_DATA, "action status goes with a status");
	rule->fault.action = (enum fault_action)found;
	rule->fault.after = STREQ(when, "after");
	rule->fault.status = (int)status;
	return 0;
}

static int parse_rule(const cJSON *object, struct rule *rule, struct lm_err *err)
{
	const char *verb = "";

	*rule = (struct rule){.verb = -1, .probability = 1, .left = -1};
	if (!cJSON_IsObject(object))
		return lm_fail(err, LM_DATA, "a rule is an object");
	if (parse_action(object, rule, err) < 0 || copy_text(object, "method", rule->method, sizeof(rule->method), err) < 0 ||
	    copy_text(object, "path", rule->path, sizeof(rule->path), err) < 0 ||
	    copy_text(object, "retryAfter", rule->fault.retry_after, sizeof(rule->fault.retry_after), err) < 0 ||
	    json_may_string(object, "verb", &verb, err) < 0 ||
	    json_may_number(object, "probability", 0, 1, &rule->probability, err) < 0 ||
	    json_may_i64(object, "count", 0, INT64_C(1) << 40, &rule->left, err) < 0 ||
	    json_may_i64(object, "delay_ms", 0, 3600000, &rule->fault.delay_ms, err) < 0)
		return -1;
	if (*verb && (rule->verb = index_of(verb, verb_names, ARRAY_SIZE(verb_names))) < 0)
		return lm_fail(err, LM_DATA, "verb: `%s` is unknown", verb);
	return 0;
}

int faults_set(struct faults *f, const cJSON *document, struct lm_err *err)
{
	const cJSON *list, *item;
	int64_t seed = -1;
	size_t count = 0;
	auto_free struct rule *rules = NULL;

	if (json_want_array(document, "rules", &list, err) < 0 || json_may_i64(document, "seed", 0, INT64_C(1) << 52, &seed, err) < 0)
		return -1;
	rules = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*rules));
	cJSON_ArrayForEach(item, list) {
		if (parse_rule(item, &rules[count], err) < 0)
			return lm_wrap(err, "rules[%zu]", count);
		count++;
	}
	pthread_mutex_lock(&f->lock);
	free(f->rules);
	f->rules = steal(&rules);
	f->count = count;
	if (seed >= 0)
		f->random = (uint64_t)seed;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* SplitMix64 (Steele, Lea, Flood 2014), as a number in [0,1). */
static double roll(struct faults *f)
{
	uint64_t z = (f->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool rule_fires(struct faults *f, struct rule *r, const char *method, enum verb verb, const char *path)
{
	if (!r->left || (*r->method && !STREQ(r->method, method)) || (r->verb >= 0 && r->verb != (int)verb))
		return false;
	if (*r->path && fnmatch(r->path, path, 0) != 0)
		return false;
	if (r->probability < 1 && roll(f) >= r->probability)
		return false;
	if (r->left > 0)
		r->left--;
	f->fired++;
	return true;
}

struct fault faults_roll(struct faults *f, const char *method, enum verb verb, const char *path)
{
	struct fault result = {0};
	int64_t delay_ms = 0;
	size_t i;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->count && result.action <= FAULT_DELAY; i++)
		if (rule_fires(f, &f->rules[i], method, verb, path)) {
			result = f->rules[i].fault;
			delay_ms += result.delay_ms;
		}
	pthread_mutex_unlock(&f->lock);
	result.delay_ms = delay_ms;
	return result;
}

uint64_t faults_fired(struct faults *f)
{
	uint64_t fired;

	pthread_mutex_lock(&f->lock);
	fired = f->fired;
	pthread_mutex_unlock(&f->lock);
	return fired;
}

void faults_sleep(struct faults *f, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&f->lock);
	while (!f->stopped)
		if (pthread_cond_timedwait(&f->stop_or_never, &f->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&f->lock);
}

void faults_stop(struct faults *f)
{
	pthread_mutex_lock(&f->lock);
	f->stopped = true;
	pthread_cond_broadcast(&f->stop_or_never);
	pthread_mutex_unlock(&f->lock);
}
