#include "tests/testing/asker.h"

#include <signal.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/mem.h"

void asker_find(struct asker *a)
{
	struct lm_err err;

	assert_true(sched_log_count(&a->s, "\"extender listening\"", 1) >= 1);
	a->url = xasprintf("http://127.0.0.1:%s", sched_log_field(&a->s, "\"extender listening\"", "port"));
	a->config.server = a->url;
	a->kube = kube_new(&a->config, "kube-scheduler", &err);
	assert_non_null(a->kube);
}

void asker_begin(struct asker *a, const char *const *options)
{
	*a = (struct asker){0};
	sched_begin_abc(&a->s);
	sched_start(&a->s, options);
	asker_find(a);
}

void asker_leave(struct asker *a)
{
	kube_free(a->kube);
	free(a->url);
	free(a->text);
	sched_end(&a->s);
}

void asker_end(struct asker *a)
{
	assert_int_equal(sched_stop(&a->s, SIGTERM), 0);
	asker_leave(a);
}

void asker_send(struct asker *a, const char *method, const char *path, const char *body)
{
	int64_t start_ms = clock_mono_ms();
	struct lm_err err;

	free(a->text);
	a->text = NULL;
	a->status = 0;
	if (kube_call_wait(a->kube, &(struct kube_request){.method = method, .path = path, .body = body, .timeout_ms = 20000}, &a->status, &a->text, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	a->took_ms = clock_mono_ms() - start_ms;
}

const char *asker_ask(struct asker *a, const char *path, const char *metadata, const char *nodes)
{
	auto_free char *body = xasprintf("{\"Pod\":{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"web-1\"%s%s},\"spec\":{\"schedulerName\":"
					 "\"default-scheduler\",\"containers\":[]},\"status\":{}},%s}", *metadata ? "," : "", metadata, nodes);

	asker_send(a, "POST", path, body);
	if (a->status != 200)
		fail_msg("%s: %d %s", path, a->status, a->text);
	return a->text;
}
