#include "sched/heal/outofservice.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TIMEOUT_MS 10000
#define BACKOFF_MS 500
#define BACKOFF_MAX_MS 10000
#define SEEN_MS 5000			/* after a 200: until the watch has to show it */
#define SAY_AGAIN_MS 60000

struct patch {
	struct outofservice *of;
	char *node;
	bool set;
	struct kube_call *call;
	int64_t next_ms;
	int tries;
};

struct outofservice {
	struct kube *kube;
	struct limit *limit;
	bool (*may_send)(void *arg);
	void *arg;
	struct patch **items;
	size_t count, room;
	struct log_gate gate;
};

struct outofservice *outofservice_new(struct kube *k, struct limit *limit, bool (*may_send)(void *arg), void *arg)
{
	struct outofservice *o = xcalloc(1, sizeof(*o));

	*o = (struct outofservice){.kube = k, .limit = limit, .may_send = may_send, .arg = arg};
	return o;
}

static void release(struct patch *p)
{
	if (p->call)
		kube_cancel(p->of->kube, p->call);
	free(p->node);
	free(p);
}

void outofservice_free(struct outofservice *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->count; i++)
		release(o->items[i]);
	free(o->items);
	free(o);
}

/* --- what a node has ------------------------------------------------------------------------------------------------- */

bool outofservice_is_set(const struct node *node)
{
	return node_find_taint(node, OUTOFSERVICE_KEY) >= 0;
}

bool outofservice_is_ours(const struct node *node)
{
	int64_t at = node_find_taint(node, OUTOFSERVICE_KEY);

	return at >= 0 && STREQ(node->taints[at].value, OUTOFSERVICE_VALUE);
}

bool node_is_unreachable(const struct node *node)
{
	return node_find_taint(node, UNREACHABLE_KEY) >= 0;
}

/* --- patches --------------------------------------------------------------------------------------------------------- */

/* The one of that node, or a new one. Those whose time is over go. */
static struct patch *find(struct outofservice *o, const char *node, int64_t mono_ms)
{
	struct patch *p = NULL;
	size_t i, kept = 0;

	for (i = 0; i < o->count; i++) {
		struct patch *each = o->items[i];

		if (STREQ(each->node, node))
			p = each;
		if (STREQ(each->node, node) || each->call || mono_ms < each->next_ms + SAY_AGAIN_MS)
			o->items[kept++] = each;
		else
			release(each);
	}
	o->count = kept;
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	*p = (struct patch){.of = o, .node = xstrdup(node)};
	grow(&o->items, &o->room, o->count + 1, sizeof(struct patch *));
	o->items[o->count++] = p;
	return p;
}

static void on_patched(void *arg, const struct kube_response *r)
{
	struct patch *p = arg;
	int64_t now = clock_mono_ms();
	char text[300];

	p->call = NULL;
	if (kube_success(r)) {
		p->tries = 0;
		p->next_ms = now + SEEN_MS;
		log_info(p->set ? "node is out of service: its volumes can be detached" : "node is back in service", FIELDS(LS("node", p->node)));
		return;
	}
	p->next_ms = now + kube_backoff_ms(p->tries++, BACKOFF_MS, BACKOFF_MAX_MS, r->retry_after_ms);
	if (r->status == 409 || r->status == 422 || !log_gate_open(&p->of->gate, SAY_AGAIN_MS, NULL)) /* somebody else wrote the node */
		return;
	kube_status_text(r, text, sizeof(text));
	log_warn("the out-of-service taint of a node cannot be changed", FIELDS(LS("node", p->node), LS("error", text)));
}

static void test(struct buf *b, const char *path, const char *value)
{
	buf_str(b, "{\"op\":\"test\",\"path\":");
	buf_json_string(b, path);
	buf_str(b, ",\"value\":");
	buf_json_string(b, value);
	buf_str(b, "},");
}

static void set_body(const struct node *node, struct buf *b)
{
	static const char taint[] = "{\"key\":\"" OUTOFSERVICE_KEY "\",\"value\":\"" OUTOFSERVICE_VALUE "\",\"effect\":\"NoExecute\"}";

	buf_char(b, '[');
	test(b, "/metadata/resourceVersion", node->resource_version);
	if (node->taint_count)
		buf_printf(b, "{\"op\":\"add\",\"path\":\"/spec/taints/-\",\"value\":%s}]", taint);
	else
		buf_printf(b, "{\"op\":\"add\",\"path\":\"/spec/taints\",\"value\":[%s]}]", taint);
}

/* The tests of key and value are for a list that has taints which node_parse does not know. */
static void clear_body(const struct node *node, struct buf *b)
{
	int64_t at = node_find_taint(node, OUTOFSERVICE_KEY);
	auto_free char *path = xasprintf("/spec/taints/%lld", (long long)at);
	auto_free char *key = xasprintf("%s/key", path), *value = xasprintf("%s/value", path);

	buf_char(b, '[');
	test(b, "/metadata/resourceVersion", node->resource_version);
	test(b, key, OUTOFSERVICE_KEY);
	test(b, value, OUTOFSERVICE_VALUE);
	buf_printf(b, "{\"op\":\"remove\",\"path\":\"%s\"}]", path);
}

static void send(struct outofservice *o, const struct node *node, bool set, int64_t mono_ms)
{
	struct patch *p = find(o, node->name, mono_ms);
	auto_free char *path = xasprintf("/api/v1/nodes/%s", node->name);
	auto_buf struct buf body = {0};

	if (p->call)
		return;
	if (p->set != set) {
		p->set = set;
		p->tries = 0;
		p->next_ms = 0;
	}
	if (p->next_ms > mono_ms || !o->may_send(o->arg) || !limit_take(o->limit, 0, mono_ms))
		return;
	(set ? set_body : clear_body)(node, &body);
	p->call = kube_send(o->kube, &(struct kube_request){.method = "PATCH", .path = path, .body = body.data,
			    .content_type = "application/json-patch+json", .timeout_ms = TIMEOUT_MS, .may_send = o->may_send,
			    .may_send_arg = o->arg}, on_patched, p);
}

void outofservice_set(struct outofservice *o, const struct node *node, int64_t mono_ms)
{
	if (!outofservice_is_set(node))
		send(o, node, true, mono_ms);
}

void outofservice_clear(struct outofservice *o, const struct node *node, int64_t mono_ms)
{
	if (outofservice_is_ours(node))
		send(o, node, false, mono_ms);
}
