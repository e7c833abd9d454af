/*
 * e2e.h - tests against a real control plane: what tests/e2e/cluster.sh started (etcd, kube-apiserver), reached as its administrator, and
 * the real latency-sched with the account and the rules of helm/rbac.
 *
 *	struct sched s;
 *	e2e_begin(&s);				empties the cluster; s is used as in tests/testing/sched.h
 *	e2e_nodes(&s, "n", 200, "4", "8Gi");	n-0 .. n-199
 *	sched_start(&s, NULL);			as the ServiceAccount latency-scheduler/latency-sched, by --kubeconfig
 *	...
 *	e2e_end(&s);
 *
 * A test program is tests/e2e/e-NAME.c (cmocka) and runs by `tests/e2e/cluster.sh build/gcc/tests/e-NAME`. It may leave anything behind:
 * the next e2e_begin empties the cluster. What needs the stand-in's log (sched_bindings) is in audit.h instead.
 */
#ifndef TESTS_E2E_H
#define TESTS_E2E_H

#include "tests/testing/sched.h"

#define E2E_NAMESPACE "latency-scheduler"	/* of the account and the Lease */

void e2e_begin(struct sched *s);
void e2e_end(struct sched *s);
const char *e2e_out(void);			/* cluster.sh's folder; fails the test outside of it */

/* Deletes pods, events, nodes, all of storage, and Leases and ConfigMaps of E2E_NAMESPACE, and waits until they are gone. */
void e2e_clean(struct sched *s);
/* Applies the documents of a YAML file (created, or replaced where they exist). Path from the top of the tree. */
void e2e_apply(struct sched *s, const char *path);
/* The same, each document changed by `edit` first. */
typedef void e2e_edit(void *arg, cJSON *document);
void e2e_apply_edited(struct sched *s, const char *path, e2e_edit *edit, void *arg);
/* Asks for a token of a ServiceAccount (an hour); the path of a kubeconfig with it, which lives until exit. */
const char *e2e_account(struct sched *s, const char *namespace_, const char *name);
/* A document of such a file by kind and name, NULL; the caller deletes. */
cJSON *e2e_document(const char *path, const char *kind, const char *name);
/* What the audit log calls the token of such a kubeconfig (audit_entry.credential); the caller frees. */
char *e2e_credential(const char *kubeconfig);

/* PREFIX-0 .. PREFIX-(count-1) with allocatable cpu, memory and 110 pods; `more` as in standin_node. */
void e2e_nodes(struct sched *s, const char *prefix, int count, const char *cpu, const char *memory, const char *more);
/* Many requests at once, 16 in flight. `make` gives the i-th one: path and body (may stay NULL), both freed; each must be answered 2xx. */
typedef void e2e_make(void *arg, int i, char **path, char **body);
void e2e_all(struct sched *s, const char *method, int count, e2e_make *make, void *arg);
/* Nodes and pods of the API as one List, each with its kind: what fit.h judges. The caller deletes. */
cJSON *e2e_state(struct sched *s);
/* How many pods of a scheduler are on a node; NULL: of any. */
int e2e_bound(struct sched *s, const char *scheduler);
/* Waits until so many are; fails the test after limit_s. */
void e2e_until_bound(struct sched *s, const char *scheduler, int count, int limit_s);

/* tests/e2e/apiserver.sh WORD: start, kill, stop, freeze, thaw, wait. Fails the test when that fails. */
void e2e_apiserver(const char *word);

#endif
