/*
 * lease.h - the record of a coordination.k8s.io/v1 Lease that leader election reads and writes: JSON in, JSON out, nothing else.
 *
 * What stands in a Lease comes from outside: every field may be absent or nonsense. Only `holder` and `duration_s` steer us. Times of
 * other machines are carried on and never compared.
 */
#ifndef SCHED_LEASE_H
#define SCHED_LEASE_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define LEASE_HOLDER_MAX 300		/* bytes; a longer one is cut: it is nobody of ours */
#define LEASE_BYTES_MAX ((size_t)1 << 20)

struct lease {
	char *holder;			/* "" for nobody; never NULL */
	int64_t duration_s;		/* 0: absent, or no positive number */
	int64_t transitions;		/* 0 where it is nonsense */
	char *acquire_time;		/* as it stands there; NULL: absent */
	char *spec;			/* all that leader election writes, as one text: it changes with every renewal */
	char *metadata;			/* JSON, without managedFields: labels and the like, uid and resourceVersion are written back */
};

/* An answer of the API, or an object of a watch. LM_DATA when it is no Lease. */
int lease_parse(const char *json, struct lease *out, struct lm_err *err);
int lease_read(const cJSON *object, struct lease *out, struct lm_err *err);
void lease_free(struct lease *l);	/* makes it {0} */

struct lease_write {
	const char *namespace_, *name, *holder;
	int64_t duration_s, transitions;
	int64_t renew_wall_us;		/* microseconds since 1970: six decimals are the API's form */
	const char *acquire_time;	/* kept from the record; NULL: the same as the renewal */
	const char *metadata;		/* that of the record: a PUT is refused when another version stands there; NULL: to create it */
};
void lease_print(const struct lease_write *w, struct buf *out);

#endif
