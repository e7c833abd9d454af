#include "tests/testing/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "lib/kube/client.h"
#include "lib/mem.h"
#include "tests/testing/testing.h"

int fetch_port(const char *output_path)
{
	static const char word[] = " port=";
	auto_free char *text = test_read(output_path);
	const char *at = text ? strstr(text, word) : NULL;

	return at ? atoi(at + strlen(word)) : 0;
}

char *fetch(const char *url, const char *path, int *status)
{
	auto_free char *server = xstrdup(url);
	struct kube_config config = {.server = server, .insecure = true};
	char *body = NULL;
	struct lm_err err;
	struct kube *k = kube_new(&config, "test", &err);

	if (!k)
		fail_msg("%s: %s", url, err.msg);
	if (kube_call_wait(k, &(struct kube_request){.method = "GET", .path = path, .timeout_ms = 5000}, status, &body, &err) < 0)
		*status = 0;
	kube_free(k);
	return body;
}

char *fetch_ok(int port, const char *path)
{
	auto_free char *url = xasprintf("http://127.0.0.1:%d", port);
	int status;
	char *body = fetch(url, path, &status);

	if (status != 200)
		fail_msg("%s%s: %d %s", url, path, status, body ? body : "");
	return body;
}
