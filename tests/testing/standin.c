#include "tests/testing/standin.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define OPTIONS_MAX 24
#define READY_MS 15000

static bool port_is_there(void *path)
{
	auto_free char *text = test_read(path);

	return text && strchr(text, '\n');
}

static void begin(struct standin *s, const char *const *options, const char *port_path)
{
	const char *argv[OPTIONS_MAX + 4] = {test_program("standin"), "--port-file", port_path};
	auto_free char *log_path = xasprintf("%s.log", port_path);
	size_t i;

	for (i = 0; options && options[i]; i++) {
		assert_true(i < OPTIONS_MAX);
		argv[3 + i] = options[i];
	}
	s->pid = test_spawn(argv, NULL, log_path);
	if (!test_wait(port_is_there, (void *)(uintptr_t)port_path, READY_MS)) {
		auto_free char *log = test_read(log_path);

		fail_msg("standin does not start: %s", log ? log : "no output");
	}
}

static void open_client(struct standin *s, const struct kube_source *source)
{
	struct lm_err err;

	if (kube_config_load(source, &s->config, &err) < 0)
		fail_msg("%s", err.msg);
	s->kube = kube_new(&s->config, "latency-test", &err);
	if (!s->kube)
		fail_msg("%s", err.msg);
}

void standin_start(struct standin *s, const char *const *options)
{
	auto_free char *port_path = xasprintf("%s/port", test_folder());
	auto_free char *port = NULL;

	*s = (struct standin){0};
	begin(s, options, port_path);
	port = test_read(port_path);
	s->url = xasprintf("http://127.0.0.1:%d", atoi(port));
	open_client(s, &(struct kube_source){.server = s->url});
}

void standin_connect(struct standin *s, const char *where)
{
	*s = (struct standin){0};
	if (strncmp(where, "http", 4) == 0)
		open_client(s, &(struct kube_source){.server = where});
	else
		open_client(s, &(struct kube_source){.kubeconfig = where});
	s->url = xstrdup(s->config.server);
}

void standin_renew(struct standin *s)
{
	struct lm_err err;

	kube_free(s->kube);
	s->kube = kube_new(&s->config, "latency-test", &err);
	if (!s->kube)
		fail_msg("%s", err.msg);
}

void standin_stop(struct standin *s)
{
	kube_free(s->kube);
	kube_config_free(&s->config);
	if (s->pid)
		assert_int_equal(test_stop(s->pid, SIGTERM), 0);
	free(s->url);
	*s = (struct standin){0};
}

static char *call(struct standin *s, const char *method, const char *path, const char *content_type, const char *body, int *status)
{
	struct lm_err err;
	char *answer = NULL;

	if (kube_call_wait(s->kube, &(struct kube_request){.method = method, .path = path, .body = body, .content_type = content_type,
							   .timeout_ms = 60000, .max_bytes = (size_t)256 << 20},
			   status, &answer, &err) < 0)
		fail_msg("%s %s: %s", method, path, err.msg);
	return answer;
}

cJSON *standin_call_as(struct standin *s, const char *method, const char *path, const char *content_type, const char *body, int *status)
{
	auto_free char *text = call(s, method, path, content_type, body, status);

	return text ? cJSON_Parse(text) : NULL;
}

cJSON *standin_call(struct standin *s, const char *method, const char *path, const char *body, int *status)
{
	const char *type = STREQ(method, "PATCH") ? "application/strategic-merge-patch+json" : NULL;

	return standin_call_as(s, method, path, type, body, status);
}

cJSON *standin_want(struct standin *s, int status, const char *method, const char *path, const char *body)
{
	int got;
	cJSON *answer = standin_call(s, method, path, body, &got);

	if (got != status) {
		auto_free char *text = answer ? cJSON_PrintUnformatted(answer) : NULL;

		fail_msg("%s %s: %d instead of %d: %.1500s", method, path, got, status, text ? text : "");
	}
	return answer;
}

void standin_do(struct standin *s, int status, const char *method, const char *path, const char *body)
{
	cJSON_Delete(standin_want(s, status, method, path, body));
}

char *standin_text(struct standin *s, const char *path)
{
	int status;
	char *text = call(s, "GET", path, NULL, NULL, &status);

	if (status != 200)
		fail_msg("GET %s: %d", path, status);
	return text;
}

void standin_faults(struct standin *s, const char *rules)
{
	standin_do(s, 200, "POST", "/standin/faults", rules);
}

void standin_node(struct standin *s, const char *name, const char *cpu, const char *memory, const char *more)
{
	auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"}},\"status\":{\"allocatable\":"
					 "{\"cpu\":\"%s\",\"memory\":\"%s\",\"pods\":\"110\"}}%s}", name, name, cpu, memory, more);

	standin_do(s, 201, "POST", "/api/v1/nodes", body);
}

const cJSON *item_at(const cJSON *object, const char *path)
{
	char part[64];

	while (object) {
		size_t len = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		object = cJSON_GetObjectItemCaseSensitive(object, part);
		if (!path[len])
			return object;
		path += len + 1;
	}
	return NULL;
}

const char *text_at(const cJSON *object, const char *path)
{
	const cJSON *found = item_at(object, path);

	return cJSON_IsString(found) ? found->valuestring : "";
}
