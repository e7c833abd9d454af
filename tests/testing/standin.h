/*
 * standin.h - for integration tests: start the stand-in API server, or use a server that is there, and talk to it through
 * lib/kube/client.h.
 *
 *	struct standin api;
 *	standin_start(&api, (const char *const[]){"--bookmark-interval", "1s", NULL});
 *	standin_node(&api, "edge-1", "4", "8Gi", "");
 *	cJSON *pod = standin_want(&api, 201, "POST", "/api/v1/namespaces/default/pods", body);
 *	standin_faults(&api, "{\"rules\":[...]}");
 *	standin_stop(&api);
 *
 * Everything fails the test when it cannot do what it says. Answers are trees that the caller deletes. One thread.
 */
#ifndef TESTS_STANDIN_H
#define TESTS_STANDIN_H

#include <cjson/cJSON.h>

#include "lib/kube/client.h"
#include "tests/testing/testing.h"

struct standin {
	pid_t pid;			/* 0: somebody else's server */
	char *url;			/* "http://127.0.0.1:41873" */
	struct kube_config config;
	struct kube *kube;
};

/* `options` is NULL-terminated, or NULL. */
void standin_start(struct standin *s, const char *const *options);
/* A URL (http...), or the path of a kubeconfig. */
void standin_connect(struct standin *s, const char *where);
/* A new client in place of the old one, which may have calls in flight: their callbacks never come. */
void standin_renew(struct standin *s);
/* SIGTERM for what standin_start made, which must end with 0. */
void standin_stop(struct standin *s);

/* Any answer; NULL when the body is no JSON. A PATCH is sent as strategic merge patch. */
cJSON *standin_call(struct standin *s, const char *method, const char *path, const char *body, int *status);
cJSON *standin_call_as(struct standin *s, const char *method, const char *path, const char *content_type, const char *body, int *status);
/* The same; another status fails the test and shows the answer. */
cJSON *standin_want(struct standin *s, int status, const char *method, const char *path, const char *body);
void standin_do(struct standin *s, int status, const char *method, const char *path, const char *body);	/* without the answer */
/* A text answer (log, stats), freed by the caller. */
char *standin_text(struct standin *s, const char *path);

void standin_faults(struct standin *s, const char *rules);
/* A node with allocatable cpu, memory and 110 pods; `more` is further JSON members: ",\"spec\":{...}". */
void standin_node(struct standin *s, const char *name, const char *cpu, const char *memory, const char *more);

/* Text by a path with dots, "" when it is not there. */
const char *text_at(const cJSON *object, const char *path);
const cJSON *item_at(const cJSON *object, const char *path);

#endif
