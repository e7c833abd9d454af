/* A kubeconfig of any bytes: refused with a reason, or a configuration that the client can use. */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kube/kubeconfig.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("current-context: lab\ncontexts: [{name: lab, context: {cluster: c, user: u, namespace: n}}]\n"
	    "clusters: [{name: c, cluster: {server: 'https://h:1/x', tls-server-name: n, proxy-url: 'http://p',\n"
	    "  certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=}}]\n"
	    "users: [{name: u, user: {token: abc, tokenFile: x}}]\n",
	    "{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
	    "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://h\",\"insecure-skip-tls-verify\":false}}]}")

static void check(const struct kube_config *c)
{
	struct lm_err err;

	if (!c->server || strncmp(c->server, "http", 4) != 0 || strpbrk(c->server, "@ \r\n?#"))
		abort();
	if (c->token && kubeconfig_check_token(c->token, &err) < 0)
		abort();
	if ((c->ca_file && c->ca_data) || (c->cert_file && c->cert_data) || (c->key_file && c->key_data) || c->insecure)
		abort();
	if ((c->cert_file || c->cert_data) != (c->key_file || c->key_data))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	char path[64], *paths[] = {path};
	struct kube_config c = {0};
	struct lm_err err = {0};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kubeconfig_load(paths, 1, false, &c, &err) == 0)
		check(&c);
	else if (!err.code || !err.msg[0] || strchr(err.msg, '\n'))
		abort();
	kube_config_free(&c);
	close(fd);
	return 0;
}
