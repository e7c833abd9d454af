/*
 * kubeconfig.h - the kubeconfig files themselves: private to config.c.
 *
 * Several files are merged as kubectl does: the first file with a current-context has the say, and for each cluster, user and
 * context the first file that has one of that name. Relative paths belong to the folder of the file that they stand in.
 */
#ifndef LIB_KUBE_KUBECONFIG_H
#define LIB_KUBE_KUBECONFIG_H

#include <stddef.h>

#include "lib/kube/config.h"

/* out is {0} before; after a failure the caller frees it too. */
int kubeconfig_load(char *const *paths, size_t count, bool insecure, struct kube_config *out, struct lm_err *err);

/* A PEM file that must be readable and hold PEM text; the error names the path. */
int kubeconfig_check_pem(const char *path, struct lm_err *err);
/* 0 when a token can stand in a header: printable ASCII without blanks, at most 64 KiB. The text is never quoted. */
int kubeconfig_check_token(const char *token, struct lm_err *err);
#define KUBE_TOKEN_MAX_BYTES ((size_t)64 << 10)

#endif
