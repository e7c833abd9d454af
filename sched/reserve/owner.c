/*
 * The object with which placeholders and guards end (reserve.owner): Kubernetes' garbage collector deletes what names it as an owner once it is gone. They have
 * to name its uid, which is asked for: at first, each minute (more often while it is not known), and when placeholders go by themselves. For an owner that was
 * deleted and made anew has another one, and pods that name the old one are deleted as soon as they are made.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reserve/reserve_private.h"
#include "sched/reserve/words.h"

#define TIMEOUT_MS 10000
#define AGAIN_MS 60000
#define UNKNOWN_MS 5000			/* it may be on its way, or the right to read it */
#define SOON_MS 1000			/* between two, whatever happens */

static void set_uid(struct reserve *r, const char *uid)
{
	char *mine = xstrdup(uid);

	free(r->owner.uid);
	r->owner.uid = mine;
	r->settings.owner_uid = mine;
}

/* Without an owner they do all that they do with one. It is said once. */
static void is_unknown(struct reserve *r, const char *why)
{
	set_uid(r, NULL);
	r->owner.next_ms = r->owner.asked_ms + UNKNOWN_MS;
	if (!r->owner.told)
		log_warn("reserve.owner is not known: what keeps room will have no owner, and stays when it is deleted",
			 FIELDS(LS("owner", r->owner.name), LS("namespace", r->namespace_), LS("error", why)));
	r->owner.told = true;
}

static void take_answer(struct reserve *r, const struct kube_response *response)
{
	struct lm_err err;
	auto_json cJSON *object = json_parse_api(response->body, response->len, 0, &err);
	const char *uid;

	if (!object || word_want(json_get(object, "metadata"), "uid", UID_MOST, &uid, &err) < 0) {
		is_unknown(r, err.msg);
		return;
	}
	r->owner.told = false;
	if (!r->owner.uid || !STREQ(r->owner.uid, uid))
		set_uid(r, uid);
}

static void on_answer(void *arg, const struct kube_response *response)
{
	struct reserve *r = arg;
	char text[300];

	r->owner.call = NULL;
	r->owner.asked = true;
	if (kube_success(response)) {
		take_answer(r, response);
	} else if (!kube_may_pass(response)) {
		kube_status_text(response, text, sizeof(text));
		is_unknown(r, text);
	} else {
		r->owner.next_ms = r->owner.asked_ms + SOON_MS; /* what was known still holds */
	}
}

static void ask(struct reserve *r, int64_t mono_ms)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/%s/%s", r->namespace_, reserve_owner_plural(r->owner.name), strchr(r->owner.name, '/') + 1);
	const struct kube_request request = {.method = "GET", .path = path, .timeout_ms = TIMEOUT_MS};

	r->owner.asked_ms = mono_ms;
	r->owner.next_ms = mono_ms + AGAIN_MS;
	r->owner.call = kube_send(r->kube, &request, on_answer, r);
}

void owner_set(struct reserve *r, const char *name)
{
	bool same = name && r->owner.name && STREQ(name, r->owner.name);

	if (!same) {
		owner_free(r);
		r->owner = (struct owner){.name = xstrdup(name)};
	}
	r->settings.owner = r->owner.name;
	r->settings.owner_uid = r->owner.uid;
}

int64_t owner_tick(struct reserve *r, int64_t mono_ms, int64_t until)
{
	if (!r->owner.name || r->owner.call)
		return until;
	if (r->owner.next_ms <= mono_ms)
		ask(r, mono_ms);
	return r->owner.next_ms < until ? r->owner.next_ms : until;
}

bool owner_is_awaited(const struct reserve *r)
{
	return r->owner.name && !r->owner.asked;
}

void owner_doubt(struct reserve *r)
{
	if (r->owner.next_ms > r->owner.asked_ms + SOON_MS)
		r->owner.next_ms = r->owner.asked_ms + SOON_MS;
}

void owner_free(struct reserve *r)
{
	if (r->owner.call)
		kube_cancel(r->kube, r->owner.call);
	free(r->owner.name);
	free(r->owner.uid);
	r->owner = (struct owner){0};
	r->settings.owner = r->settings.owner_uid = NULL;
}
