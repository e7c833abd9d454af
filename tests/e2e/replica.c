#include "tests/e2e/replica.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/crowd.h"
#include "tests/testing/fit.h"

#define FLOW_US 100000
#define SETTLE_S 60
#define TURNS_MAX 8

/* --- one --- */

void replica_new(struct replica *r, struct sched *s)
{
	*r = (struct replica){.s = {.folder = s->folder, .file = s->file, .elect = true}};
	r->s.kubeconfig = e2e_account(s, E2E_NAMESPACE, "latency-sched");
	r->credential = e2e_credential(r->s.kubeconfig);
}

void replica_free(struct replica *r)
{
	if (r->s.pid)
		sched_stop(&r->s, SIGKILL);
	free(r->s.log);
	free(r->credential);
	*r = (struct replica){0};
}

static void show_log(struct replica *r, const char *what)
{
	auto_free char *log = test_read(r->s.log);
	size_t len = log ? strlen(log) : 0;

	fail_msg("%s; the end of its log:\n%s", what, len > 6000 ? log + len - 6000 : log);
}

void replica_leads(struct replica *r)
{
	if (!sched_log_count(&r->s, "\"msg\":\"leading\"", 1))
		show_log(r, "it does not lead");
}

void replica_must_give_up(struct replica *r)
{
	int code = sched_stop(&r->s, 0);

	if (code != 75)
		show_log(r, code == 128 + SIGKILL ? "it does not end" : "it ended with another exit code");
	if (sched_log_count(&r->s, "\"msg\":\"lease lost\"", 1) != 1)
		show_log(r, "it does not say why");
}

/* --- two --- */

void pair_begin(struct pair *p)
{
	struct crowd crowd = {.nodes = PAIR_NODES};

	replica_free(&p->a);
	replica_free(&p->b);
	*p = (struct pair){0};
	e2e_begin(&p->s);
	p->from = audit_mark();
	e2e_nodes(&p->s, "node", PAIR_NODES, "11", "64Gi", "");
	crowd_write_matrix(&crowd, p->s.file);
	replica_new(&p->a, &p->s);
	replica_new(&p->b, &p->s);
	sched_start(&p->a.s, NULL);
	replica_leads(&p->a);
	sched_start(&p->b.s, NULL);
	if (!sched_log_count(&p->b.s, "\"msg\":\"standing by\"", 1))
		show_log(&p->b, "it does not stand by");
}

static void make_pod(void *arg, int i, char **path, char **body)
{
	const struct pair *p = arg;

	*path = xstrdup("/api/v1/namespaces/default/pods");
	*body = xasprintf("{\"metadata\":{\"name\":\"flow-%d\"},\"spec\":{\"schedulerName\":\"my-latency-scheduler\",\"containers\":"
			  "[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}]}}", p->made + i);
}

void pair_pods(struct pair *p, int count)
{
	e2e_all(&p->s, "POST", count, make_pod, p);
	p->made += count;
}

void pair_flow(struct pair *p, int limit_s)
{
	int64_t end = clock_mono_ms() + limit_s * 1000;
	auto_free char *first = xasprintf("flow-%d", p->made);

	do {
		if (clock_mono_ms() > end) {
			auto_free char *what = xasprintf("%s is not bound after %d s", first, limit_s);

			show_log(p->a.s.pid ? &p->a : &p->b, what);
		}
		pair_pods(p, 1);
		usleep(FLOW_US);
	} while (!*sched_node_now(&p->s, first));
}

void pair_flow_for(struct pair *p, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end) {
		pair_pods(p, 1);
		usleep(FLOW_US);
	}
}

void pair_settle(struct pair *p, int limit_s)
{
	e2e_until_bound(&p->s, "my-latency-scheduler", p->made, limit_s);
}

/* --- what the server saw --- */

const struct audit *pair_audit(struct pair *p)
{
	audit_free(&p->audit);
	audit_read(&p->audit, p->from);
	return &p->audit;
}

int64_t pair_first_us(struct pair *p, const struct replica *r)
{
	const struct audit *a = pair_audit(p);
	size_t i;

	for (i = 0; i < a->count; i++)
		if (audit_is_bound(&a->entries[i]) && STREQ(a->entries[i].credential, r->credential))
			return a->entries[i].at_us;
	fail_msg("this replica has bound nothing");
	return 0;
}

int pair_bindings(struct pair *p, const struct replica *r)
{
	const struct audit *a = pair_audit(p);
	int count = 0;
	size_t i;

	for (i = 0; i < a->count; i++)
		count += audit_is_binding(&a->entries[i]) && STREQ(a->entries[i].credential, r->credential);
	return count;
}

/* Who bound, in the order in which they began. */
struct turns {
	struct {
		const char *credential;
		int64_t first_us;
	} of[TURNS_MAX];
	size_t count;
};

static size_t turn_of(struct turns *t, const struct audit_entry *e)
{
	size_t i;

	for (i = 0; i < t->count && !STREQ(t->of[i].credential, e->credential); i++)
		;
	if (i < t->count)
		return i;
	assert_true(t->count < TURNS_MAX);
	t->of[t->count].credential = e->credential;
	t->of[t->count++].first_us = e->at_us;
	return i;
}

static void judge_one(const struct turns *t, size_t turn, const struct audit_entry *e)
{
	int64_t successor_us = turn + 1 < t->count ? t->of[turn + 1].first_us : INT64_MAX;

	if (e->at_us >= successor_us || (audit_is_bound(e) && e->done_us > successor_us))
		fail_msg("two binders at once: %s of %s (%d) came %g ms after its successor's first and was done %g ms after it", e->uri,
			 e->credential, e->code, (double)(e->at_us - successor_us) / 1e3, (double)(e->done_us - successor_us) / 1e3);
}

static void judge_turns(const struct audit *a)
{
	struct turns t = {.count = 0};
	size_t i;

	for (i = 0; i < a->count; i++)
		if (audit_is_binding(&a->entries[i]))
			turn_of(&t, &a->entries[i]);
	for (i = 0; i < a->count; i++)
		if (audit_is_binding(&a->entries[i]))
			judge_one(&t, turn_of(&t, &a->entries[i]), &a->entries[i]);
}

static void judge_places(struct pair *p)
{
	auto_json cJSON *objects = e2e_state(&p->s);
	auto_free char *journal = audit_journal(&p->audit);
	auto_buf struct buf faults = {0};
	struct fit_input in = {.state = objects, .log = journal, .unlogged = p->unlogged, .scheduler = "my-latency-scheduler"};

	if (fit_check(&in, &faults))
		fail_msg("%.4000s", faults.data);
}

void pair_end(struct pair *p)
{
	pair_settle(p, SETTLE_S);
	judge_turns(pair_audit(p));
	judge_places(p);
	audit_free(&p->audit);
	replica_free(&p->a);
	replica_free(&p->b);
	e2e_end(&p->s);
}
