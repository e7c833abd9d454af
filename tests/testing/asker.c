#include "tests/testing/asker.h"

#include <signal.h>
#include <stdlib.h>

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
