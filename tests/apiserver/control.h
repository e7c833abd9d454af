/*
 * control.h - the paths under /standin/ and the state file.
 */
#ifndef STANDIN_CONTROL_H
#define STANDIN_CONTROL_H

#include "lib/err.h"
#include "tests/apiserver/api.h"

/* Everything as a List. Takes the lock. */
void state_write(struct api *api, struct buf *out);
/* Objects of a List; LM_DATA names the item. Takes the lock. */
int state_read(struct api *api, const char *text, size_t len, struct lm_err *err);

#endif
