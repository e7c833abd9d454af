/*
 * token.h - the bearer token: a fixed one, or a file that somebody else renews (the kubelet swaps it by renaming).
 * Private to the client.
 *
 * The file is read again when its last reading is 60 s old, and at once after a 401. A file that is empty, missing or no token
 * keeps the old token.
 */
#ifndef LIB_KUBE_TOKEN_H
#define LIB_KUBE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct token {
	char *path;		/* NULL: a fixed token or none */
	char *text;		/* NULL: none */
	int64_t read_mono_ms;
};

/* path and text may be NULL and are copied. Fails when the file gives no token and there is no text either. */
int token_init(struct token *t, const char *path, const char *text, struct lm_err *err);
/* What to send now; NULL: nothing. Valid until the next call. */
const char *token_current(struct token *t, int64_t mono_ms);
/* After a 401: reads the file at once. True when there is a file to read, so that a second try makes sense. */
bool token_refused(struct token *t, int64_t mono_ms);
void token_free(struct token *t);	/* wipes */

#endif
