/*
 * audit.h - the API server's audit log: who asked for what, when, and what was answered. The judges read it, not what a scheduler says of
 * itself.
 *
 *	long from = audit_mark();
 *	...
 *	struct audit a;
 *	audit_read(&a, from);			entries since then, by the time of their arrival
 *	char *journal = audit_journal(&a);	bindings as fit.h reads them
 *	audit_free(&a);
 *
 * An entry is written before its answer is sent; a request that the server never finished has none.
 */
#ifndef TESTS_E2E_AUDIT_H
#define TESTS_E2E_AUDIT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_CREDENTIAL "authentication.kubernetes.io/credential-id"

struct audit_entry {
	int64_t at_us, done_us;		/* since 1970: the request's arrival, its answer */
	const char *verb, *user, *agent, *uri;
	const char *resource, *subresource, *namespace_, *name;	/* "" when there is none */
	const char *address;		/* of the client, without port */
	const char *credential;		/* of a token: credential-id, as e2e_credential has it; "" when there is none */
	int code;
	const char *uid, *node;		/* of a binding's request; else "" */
	const char *holder;		/* of a Lease's request; else "" */
	const cJSON *body;		/* of a binding's and a Lease's request; else NULL */
};

struct audit {
	struct audit_entry *entries;
	size_t count, room;
	cJSON **lines;			/* own the strings */
	size_t line_count, line_room;
};

long audit_mark(void);
void audit_read(struct audit *a, long from);
void audit_free(struct audit *a);
/* A request for a binding, by either of its two ways, whatever came of it. */
int audit_is_binding(const struct audit_entry *e);
/* A binding that the server carried out (201). */
int audit_is_bound(const struct audit_entry *e);
/* One of which the answer does not tell whether it was carried out (5xx: also one whose client went away). */
int audit_may_be_bound(const struct audit_entry *e);
/* fit_input.log; the caller frees. */
char *audit_journal(const struct audit *a);

#endif
