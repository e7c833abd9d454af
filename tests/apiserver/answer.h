/*
 * answer.h - what a request is answered with, and Status objects worded as kube-apiserver words them.
 *
 * The functions that make an error return -1, so that failing is one statement:
 *
 *	if (!found)
 *		return answer_not_found(answer, resource, name);
 */
#ifndef STANDIN_ANSWER_H
#define STANDIN_ANSWER_H

#include "lib/buf.h"
#include "tests/apiserver/resource.h"

struct watch;

struct answer {
	int code;			/* HTTP; 0: nothing yet */
	struct buf body;
	const char *content_type;	/* NULL: application/json; a string constant */
	char retry_after[32];		/* "": none */
	struct watch *stream;		/* not NULL: the body is this watch (code 200) */
};

/* What a Status is about; NULL members are left out. */
struct about {
	const char *group, *kind, *name;
};

int answer_error(struct answer *a, int code, const char *reason, const struct about *about, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
int answer_bad_request(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int answer_not_found(struct answer *a, const struct resource *r, const char *name);
/* `Operation cannot be fulfilled on pods "web": TEXT` */
int answer_conflict(struct answer *a, const struct resource *r, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* `Pod "web" is invalid: FIELD: TEXT` with one cause; reason is FieldValueInvalid, FieldValueRequired or FieldValueForbidden. */
int answer_invalid(struct answer *a, const struct resource *r, const char *name, const char *field, const char *reason,
		   const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* 504 with Retry-After: a resourceVersion that this server has not seen yet. */
int answer_too_large(struct answer *a, int64_t version, int64_t current);
int answer_expired(struct answer *a, const char *continue_token, const char *text);
void answer_success(struct answer *a, int code, const struct about *about, const char *uid);
void answer_text(struct answer *a, int code, const char *text);		/* text/plain */
void answer_clear(struct answer *a);

/* "leases.coordination.k8s.io", "pods" */
void qualified(const char *word, const char *group, char *text, size_t size);
#define QUALIFIED_MAX 128

#endif
