/*
 * base64.h - the base64 of the -data fields of a kubeconfig (RFC 4648, with padding; line ends are skipped).
 */
#ifndef LIB_KUBE_BASE64_H
#define LIB_KUBE_BASE64_H

#include "lib/err.h"

/* Text without NUL bytes, NUL-terminated; the caller frees. Errors do not quote the input (it may be a key). */
int base64_decode(const char *text, char **out, struct lm_err *err);

#endif
