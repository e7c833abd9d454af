/*
 * wire_bind.h - the JSON of a kube-scheduler's extender that binds, version 1: ExtenderBindingArgs in, ExtenderBindingResult out.
 *
 *	struct wire_bind b;
 *	if (wire_bind_parse(body, len, &b, &err) < 0) ...	400, with err.msg
 *	wire_bind_print(NULL, &out);				{"Error":""}: it is bound; else why not
 *	wire_bind_free(&b);
 *
 * Keys are accepted in any case, as by wire.h; all four are wanted; what else is there is ignored. Names must be such as Kubernetes gives, for they go into a
 * path of the API: lower-case letters, digits, `-`, and `.` but in a namespace, with a letter or digit at both ends.
 *
 * No I/O, no clock, no state: any thread.
 */
#ifndef SCHED_EXTENDER_WIRE_BIND_H
#define SCHED_EXTENDER_WIRE_BIND_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/err.h"

#define WIRE_BIND_BYTES ((size_t)16 << 10)	/* of the text: four names */
#define WIRE_BIND_NAME_MAX 253			/* Kubernetes': of a pod, of a node */
#define WIRE_BIND_NAMESPACE_MAX 63
#define WIRE_BIND_UID_MAX 128			/* ours: Kubernetes' have 36 bytes; of visible ASCII */

struct wire_bind {
	char *pod, *namespace_, *uid, *node;
};

/* Refused, with LM_DATA and *out {0}: no strict JSON (lib/json.h), a member that is missing, twice there, no string, or no such name. */
int wire_bind_parse(const char *text, size_t len, struct wire_bind *out, struct lm_err *err);
void wire_bind_free(struct wire_bind *b);		/* and makes it {0} */
void wire_bind_print(const char *error, struct buf *out);

#endif
