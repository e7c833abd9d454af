/*
 * grants.h - what helm/rbac permits, verb by verb, and what becomes of a program that lacks one of them.
 *
 *	grants_collect(&s, "helm/rbac/scheduler.yaml");		adds to `grants`
 *	grants_apply(&s, "helm/rbac/scheduler.yaml", &grants[i]);	all of the file but this one; waits until the authorizer has it
 *	...
 *	grant_was_answered(&grants[i], from, 403, 403)		by the audit log
 */
#ifndef TESTS_E2E_GRANTS_H
#define TESTS_E2E_GRANTS_H

#include "tests/e2e/e2e.h"

/* One verb of one rule. */
struct grant {
	const char *rules;		/* the file */
	char *kind, *role, *namespace_;	/* of the document; namespace_ "": the whole cluster */
	int rule;			/* its place there */
	char *group, *resource, *verb;	/* resource: "pods/status" too */
	char *object;			/* resourceNames; "": any */
	char *account, *user;		/* the ServiceAccount that has it, and what the API calls that */
};

extern struct grant grants[64];
extern size_t grant_count;

/* Fails the test where a rule has several resources, so that a verb of it could be idle for one of them. */
void grants_collect(struct sched *s, const char *rules);
/* missing NULL: the whole file. s->kubeconfig is that of the account afterwards. */
void grants_apply(struct sched *s, const char *rules, const struct grant *missing);

/* The opposite: none of the file, whatever was applied before. */
void grants_withhold(struct sched *s, const char *rules);

/* A request by this grant since `from` (audit_mark), with a status in that range. */
bool grant_was_answered(const struct grant *g, long from, int least, int most);
/* Each grant of the file was used since then, and the account was refused nothing; else fails the test. */
void grants_must_suffice(const char *rules, long from);
/* The API's words: cannot list resource "nodes" in API group "". The caller frees. */
char *grant_refusal(const struct grant *g);

#endif
