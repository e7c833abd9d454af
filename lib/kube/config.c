#include "lib/kube/config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/url.h"
#include "lib/mem.h"

#define KUBECONFIG_FILES_MAX 64

/* Where the kubelet puts a pod's credentials. A variable, so that the test of this file can put its own there. */
static const char *service_account = "/var/run/secrets/kubernetes.io/serviceaccount";

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* A pod's environment always names the API, but a pod that is not to use it has no token (kubectl decides alike). */
static bool is_in_cluster(void)
{
	auto_free char *token = xasprintf("%s/token", service_account);

	return environment("KUBERNETES_SERVICE_HOST") && access(token, F_OK) == 0;
}

bool kube_config_present(const struct kube_source *source)
{
	return source->server || source->kubeconfig || environment("KUBECONFIG") || is_in_cluster();
}

static int load_url(const struct kube_source *source, struct kube_config *out, struct lm_err *err)
{
	out->insecure = source->insecure;	/* a URL can say it nowhere else */
	return url_check(source->server, URL_SERVER, LM_USAGE, &out->server, err) < 0 ? lm_wrap(err, "--server") : 0;
}

static int load_file(const struct kube_source *source, struct kube_config *out, struct lm_err *err)
{
	auto_free char *path = xstrdup(source->kubeconfig);

	return kubeconfig_load(&path, 1, source->insecure, out, err);
}

struct path_list {
	char *items[KUBECONFIG_FILES_MAX];
	size_t count;
};

static void path_list_free(struct path_list *list)
{
	while (list->count)
		free(list->items[--list->count]);
}

/* $KUBECONFIG is a list; what does not exist is skipped (as kubectl does), unless nothing does. */
static int load_environment(const struct kube_source *source, struct kube_config *out, struct lm_err *err)
{
	const char *list = environment("KUBECONFIG"), *at = list;
	__attribute__((cleanup(path_list_free))) struct path_list paths = {.count = 0};

	for (;;) {
		size_t len = strcspn(at, ":");
		auto_free char *path = xstrndup(at, len);

		if (len > 0 && (access(path, F_OK) == 0)) {
			if (paths.count == KUBECONFIG_FILES_MAX)
				return lm_fail(err, LM_CONFIG, "KUBECONFIG: more than %d files", KUBECONFIG_FILES_MAX);
			paths.items[paths.count++] = steal(&path);
		}
		if (!at[len])
			break;
		at += len + 1;
	}
	if (paths.count == 0)
		return lm_fail(err, LM_NOINPUT, "KUBECONFIG: no such file: `%.300s`", list);
	return kubeconfig_load(paths.items, paths.count, source->insecure, out, err);
}

static int in_cluster_url(struct kube_config *out, struct lm_err *err)
{
	const char *host = environment("KUBERNETES_SERVICE_HOST"), *port = environment("KUBERNETES_SERVICE_PORT");
	struct in6_addr address;
	auto_free char *url = NULL;

	if (!port)
		return lm_fail(err, LM_CONFIG, "KUBERNETES_SERVICE_PORT: is not set, but KUBERNETES_SERVICE_HOST is");
	url = xasprintf(inet_pton(AF_INET6, host, &address) == 1 ? "https://[%s]:%s" : "https://%s:%s", host, port);
	if (url_check(url, URL_SERVER, LM_CONFIG, &out->server, err) < 0)
		return lm_wrap(err, "KUBERNETES_SERVICE_HOST and _PORT");
	return 0;
}

static int load_in_cluster(struct kube_config *out, struct lm_err *err)
{
	auto_free char *namespace_file = xasprintf("%s/namespace", service_account);
	auto_file_text struct file_text text = {0};
	struct lm_err ignored;

	if (in_cluster_url(out, err) < 0)
		return -1;
	out->ca_file = xasprintf("%s/ca.crt", service_account);
	out->token_file = xasprintf("%s/token", service_account);
	if (kubeconfig_check_pem(out->ca_file, err) < 0)
		return lm_wrap(err, "in-cluster configuration");
	if (access(out->token_file, R_OK) < 0) {
		lm_fail_errno(err, "read `%s`", out->token_file);
		return lm_wrap(err, "in-cluster configuration");
	}
	if (file_read(AT_FDCWD, namespace_file, 1024, FILE_FOLLOW, &text, &ignored) == 0)
		text.data[strcspn(text.data, " \t\r\n")] = '\0';
	out->namespace_ = xstrdup(text.data && *text.data ? text.data : NULL);
	return 0;
}

static int load(const struct kube_source *source, struct kube_config *out, struct lm_err *err)
{
	if (source->server)
		return load_url(source, out, err);
	if (source->kubeconfig)
		return load_file(source, out, err);
	if (environment("KUBECONFIG"))
		return load_environment(source, out, err);
	if (environment("KUBERNETES_SERVICE_HOST"))
		return load_in_cluster(out, err);
	return lm_fail(err, LM_USAGE, "no API server: give --server URL or --kubeconfig FILE, set KUBECONFIG, or run in a pod");
}

int kube_config_load(const struct kube_source *source, struct kube_config *out, struct lm_err *err)
{
	struct kube_config loaded = {0};

	if (load(source, &loaded, err) < 0) {
		kube_config_free(&loaded);
		return -1;
	}
	*out = loaded;
	return 0;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void kube_config_free(struct kube_config *config)
{
	free(config->server);
	free(config->ca_file);
	free(config->ca_data);
	free(config->cert_file);
	free(config->cert_data);
	free(config->key_file);
	wipe(config->key_data);
	wipe(config->token);
	free(config->token_file);
	free(config->tls_server_name);
	free(config->proxy_url);
	free(config->namespace_);
	*config = (struct kube_config){0};
}
