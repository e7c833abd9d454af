/*
 * config.h - how to reach the Kubernetes API: a kubeconfig, the in-cluster files, or a plain URL.
 *
 * Precedence: --server URL > --kubeconfig FILE > $KUBECONFIG (the first file of the list that exists wins each key; relative paths
 * are relative to their file) > in-cluster (KUBERNETES_SERVICE_HOST/_PORT and /var/run/secrets/kubernetes.io/serviceaccount).
 * Fields: server, certificate-authority(-data), tls-server-name, insecure-skip-tls-verify (refused unless `insecure`),
 * proxy-url, client-certificate(-data), client-key(-data), token, tokenFile, namespace. exec and auth-provider are refused by name.
 * as, username and password are refused too. A --server URL comes without credentials. `insecure` permits, it does not command: with a
 * kubeconfig certificates go unchecked only where that asks for it, in a pod never, and with --server always.
 * Errors name the file and the field (LM_CONFIG; LM_NOINPUT when a named file is missing; LM_USAGE for a bad URL, or no source).
 * A URL must be http:// or https:// with a host, without user, query or fragment.
 */
#ifndef LIB_KUBE_CONFIG_H
#define LIB_KUBE_CONFIG_H

#include <stdbool.h>

#include "lib/err.h"

struct kube_config {
	char *server;			/* "https://10.0.0.1:6443", no trailing slash */
	char *ca_file, *ca_data;	/* PEM; at most one of each pair */
	char *cert_file, *cert_data, *key_file, *key_data;
	char *token;
	char *token_file;		/* re-read (60 s; at once after a 401); while there is no token in it the old one stays */
	char *tls_server_name, *proxy_url;
	char *namespace_;		/* the pod's or the context's; NULL: none is named */
	bool insecure;
};

struct kube_source {
	const char *server;		/* --server; NULL */
	const char *kubeconfig;		/* --kubeconfig; NULL */
	bool insecure;			/* --insecure */
};

/* True when any source is there: an option, $KUBECONFIG, or the in-cluster environment together with a token. */
bool kube_config_present(const struct kube_source *source);
int kube_config_load(const struct kube_source *source, struct kube_config *out, struct lm_err *err);
void kube_config_free(struct kube_config *config);	/* wipes secrets; makes it {0} */

#endif
