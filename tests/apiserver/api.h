/*
 * api.h - one request through the server: what came in, what the verbs share.
 *
 *	serve.c      authentication, faults, then api_handle
 *	api.c        the path and the method choose a verb
 *	write.c      create, update, patch
 *	delete.c     delete, deletecollection
 *	list.c       get, list
 *	watch.c      watch
 *	binding.c    pods/binding
 *	eviction.c   pods/eviction
 */
#ifndef STANDIN_API_H
#define STANDIN_API_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/apiserver/answer.h"
#include "tests/apiserver/faults.h"
#include "tests/apiserver/journal.h"
#include "tests/apiserver/store.h"

#define BODY_MAX ((size_t)3 << 20)	/* as kube-apiserver */
#define ARGS_MAX 32

struct api {
	struct store *store;
	struct faults *faults;
	struct journal *journal;
	const char *token;			/* NULL: everybody */
	int64_t bookmark_ms;
	atomic_bool stopping;
	atomic_uint closes, cuts;		/* counts of POST /standin/close */
	atomic_llong watches, in_flight;		/* open now; requests between their last byte and their answer */
	atomic_llong requests, binds;		/* since the start */
};

struct call {
	const char *method, *path;		/* path without the query, unescaped */
	struct { char *name, *value; } args[ARGS_MAX];
	unsigned arg_count;
	char *content_type, *accept, *authorization;	/* NULL: none */
	struct buf body;
	bool body_too_large;
	int fd;					/* of the connection */
	struct target target;
	enum verb verb;
	struct fault fault;
	struct journal_note note;		/* for the journal: what is known of this write */
};

const char *call_arg(const struct call *call, const char *name);	/* NULL when absent */
bool call_flag(const struct call *call, const char *name);
/* A whole number; -1 when absent. A bad one is 400. */
int call_number(const struct call *call, const char *name, int64_t *out, struct answer *a);
/* The JSON object of the body, of this kind where it says so. NULL after 400, 413 or 415. The caller deletes it. */
cJSON *call_body(const struct call *call, const char *kind, const char *api_version, struct answer *a);
/* Under the store's lock, after each commit. */
void call_committed(struct api *api, struct call *call, int64_t version);
void call_free(struct call *call);
void call_key(const struct call *call, char key[static KEY_MAX]);

int api_handle(struct api *api, struct call *call, struct answer *a);
/* The verbs: 0, or -1; the answer is filled either way. */
int object_create(struct api *api, struct call *call, struct answer *a);
int object_update(struct api *api, struct call *call, struct answer *a);
int object_patch(struct api *api, struct call *call, struct answer *a);
int object_delete(struct api *api, struct call *call, struct answer *a);
/* With the lock: the same with options (a DeleteOptions; NULL: none) that came in another way. */
int delete_with(struct api *api, struct call *call, struct revision *found, const cJSON *options, struct answer *a);
int object_delete_collection(struct api *api, struct call *call, struct answer *a);
int object_get(struct api *api, struct call *call, struct answer *a);
int object_list(struct api *api, struct call *call, struct answer *a);
int object_watch(struct api *api, struct call *call, struct answer *a);

extern const struct resource list_options;	/* what a bad query is about */
/* The first members of a list, and no `}` of its metadata yet. */
void list_begin(const struct resource *form, int64_t version, struct buf *out);
/* Whether an object is one that the call's path and name mean (selectors apart). */
bool call_covers(const struct call *call, const struct revision *r);
/* A resourceVersion of a query. */
int parse_version(const char *text, int64_t *out, struct answer *a);
/* default, kube-system and the like. */
void api_make_namespaces(struct api *api);

/* For the control paths: POST /standin/... */
void control_handle(struct api *api, struct call *call, struct answer *a);

/* A whole request: faults around api_handle. SERVE_DROP and SERVE_RESET: no answer. */
enum served { SERVE_ANSWER, SERVE_DROP, SERVE_RESET };
enum served api_serve(struct api *api, struct call *call, struct answer *a);

#endif
