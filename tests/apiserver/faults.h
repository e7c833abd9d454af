/*
 * faults.h - rules that spoil requests on demand (README.md has their form).
 */
#ifndef STANDIN_FAULTS_H
#define STANDIN_FAULTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum verb { VERB_GET, VERB_LIST, VERB_WATCH, VERB_CREATE, VERB_UPDATE, VERB_PATCH, VERB_DELETE, VERB_DELETECOLLECTION, VERB_OTHER };
extern const char *const verb_names[];

enum fault_action { FAULT_NONE, FAULT_DELAY, FAULT_DROP, FAULT_RESET, FAULT_STATUS };
extern const char *const fault_names[];

/* What one request meets. */
struct fault {
	enum fault_action action;
	bool after;			/* the request is carried out first */
	int status;
	char retry_after[32];
	int64_t delay_ms;		/* sum of the delays that fired, before anything else */
};

struct faults;

struct faults *faults_new(void);
void faults_free(struct faults *f);
/* Replaces all rules, or none when one is bad. */
int faults_set(struct faults *f, const cJSON *rules, struct lm_err *err);
struct fault faults_roll(struct faults *f, const char *method, enum verb verb, const char *path);
uint64_t faults_fired(struct faults *f);
/* Waits; faults_stop ends all waits, now and later. */
void faults_sleep(struct faults *f, int64_t ms);
void faults_stop(struct faults *f);

#endif
