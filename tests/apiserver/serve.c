/* A request from its head to its answer: who asks, what it meets, what it does (api.h). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/apiserver/api.h"
#include "tests/apiserver/watch.h"

static enum verb verb_of(const struct call *call)
{
	const char *m = call->method;
	bool one = *call->target.name;

	if (STREQ(m, "GET") || STREQ(m, "HEAD"))
		return one ? VERB_GET : call_flag(call, "watch") ? VERB_WATCH : VERB_LIST;	/* one object is not watched by its name */
	if (STREQ(m, "POST"))
		return VERB_CREATE;
	if (STREQ(m, "PUT"))
		return VERB_UPDATE;
	if (STREQ(m, "PATCH"))
		return VERB_PATCH;
	if (STREQ(m, "DELETE"))
		return one ? VERB_DELETE : VERB_DELETECOLLECTION;
	return VERB_OTHER;
}

static bool is_write(const struct call *call)
{
	return !STREQ(call->method, "GET") && !STREQ(call->method, "HEAD");
}

static bool authorized(const struct api *api, const struct call *call)
{
	const char *given = call->authorization ? call->authorization : "";

	return !api->token || (strncmp(given, "Bearer ", 7) == 0 && STREQ(given + 7, api->token));
}

/* What the anonymous user is told, who may look at nothing but the plain paths. */
static void forbid(const struct call *call, struct answer *a)
{
	const struct target *t = &call->target;
	char full[QUALIFIED_MAX], object[2 * PART_MAX] = "", where[2 * PART_MAX] = "at the cluster scope", method[16];
	size_t i;

	for (i = 0; i + 1 < sizeof(method) && call->method[i]; i++)
		method[i] = (char)tolower((unsigned char)call->method[i]);
	method[i] = '\0';
	if (!t->resource) {
		answer_error(a, 403, "Forbidden", &(struct about){0}, "forbidden: User \"system:anonymous\" cannot %s path \"%s\"", method, call->path);
		return;
	}
	qualified(t->resource->plural, t->resource->group, full, sizeof(full));
	if (*t->name)
		snprintf(object, sizeof(object), " \"%s\"", t->name);
	if (*t->namespace_)
		snprintf(where, sizeof(where), "in the namespace \"%s\"", t->namespace_);
	answer_error(a, 403, "Forbidden", &(struct about){t->resource->group, t->resource->plural, t->name},
		     "%s%s is forbidden: User \"system:anonymous\" cannot %s resource \"%s%s%s\" in API group \"%s\" %s", full, object,
		     verb_names[call->verb], t->resource->plural, *t->sub ? "/" : "", t->sub, t->resource->group, where);
}

/* "" or anything that JSON fits into. */
static bool takes_json(const struct call *call)
{
	const char *accept = call->accept ? call->accept : "";

	return !*accept || strstr(accept, "*/*") || strstr(accept, "application/*") || strstr(accept, "application/json");
}

static bool answer_plain_path(const struct call *call, struct answer *a)
{
	static const char *const health[] = {"/healthz", "/livez", "/readyz"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(health); i++)
		if (STREQ(call->path, health[i])) {
			answer_text(a, 200, "ok");
			return true;
		}
	if (!STREQ(call->path, "/version"))
		return false;
	a->code = 200;
	buf_str(&a->body, "{\"major\":\"1\",\"minor\":\"36\",\"gitVersion\":\"v1.36.0-standin\",\"platform\":\"linux/amd64\"}\n");
	return true;
}

static void fault_answer(const struct call *call, struct answer *a)
{
	static const struct {
		int status;
		const char *reason, *text;
	} known[] = {{400, "BadRequest", "the request is bad"}, {401, "Unauthorized", "Unauthorized"}, {403, "Forbidden", "forbidden"},
		     {404, "NotFound", "not found"}, {409, "Conflict", "Operation cannot be fulfilled: the object has been modified; please apply "
		      "your changes to the latest version and try again"}, {410, "Expired", "too old resource version"},
		     {500, "InternalError", "Internal error occurred: a fault"},
		     {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
		     {504, "Timeout", "Timeout: request did not complete within the allotted timeout"}};
	const char *reason = "InternalError", *text = "a fault";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].status == call->fault.status) {
			reason = known[i].reason;
			text = known[i].text;
		}
	if (a->stream)
		watch_free(a->stream);
	a->stream = NULL;
	if (call->fault.status == 429)
		answer_text(a, 429, "Too many requests, please try again later.\n");
	else
		answer_error(a, call->fault.status, reason, &(struct about){0}, "%s", text);
	snprintf(a->retry_after, sizeof(a->retry_after), "%s", call->fault.retry_after);
}

static void handle(struct api *api, struct call *call, bool is_api, struct answer *a)
{
	bool known = authorized(api, call);

	if (!known && call->authorization)
		answer_error(a, 401, "Unauthorized", NULL, "Unauthorized");
	else if (call->body_too_large)
		answer_error(a, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %zu", BODY_MAX);
	else if (answer_plain_path(call, a))
		return;
	else if (!known)
		forbid(call, a);
	else if (!is_api)
		answer_text(a, 404, "404 page not found\n");
	else if (!takes_json(call))
		answer_error(a, 406, "NotAcceptable", NULL, "only the following media types are accepted: application/json");
	else
		api_handle(api, call, a);
}

/* Answer lost or replaced, as the fault has it. */
static enum served spoil(struct call *call, struct answer *a)
{
	if (call->fault.action == FAULT_STATUS) {
		fault_answer(call, a);
		return SERVE_ANSWER;
	}
	if (a->stream)
		watch_free(a->stream);
	a->stream = NULL;
	return call->fault.action == FAULT_DROP ? SERVE_DROP : SERVE_RESET;
}

enum served api_serve(struct api *api, struct call *call, struct answer *a)
{
	enum served served = SERVE_ANSWER;
	bool is_api, spoils;

	atomic_fetch_add(&api->requests, 1);
	if (strncmp(call->path, "/standin/", strlen("/standin/")) == 0) {
		control_handle(api, call, a);
		return SERVE_ANSWER;
	}
	atomic_fetch_add(&api->in_flight, 1);
	is_api = target_parse(call->path, &call->target);
	call->verb = verb_of(call);
	call->fault = faults_roll(api->faults, call->method, call->verb, call->path);
	spoils = call->fault.action > FAULT_DELAY;
	if (call->fault.delay_ms)
		faults_sleep(api->faults, call->fault.delay_ms);
	if (!spoils || call->fault.after)
		handle(api, call, is_api, a);
	if (call->note.committed && *call->note.node)
		atomic_fetch_add(&api->binds, 1);
	if (spoils)
		served = spoil(call, a);
	if (is_write(call))
		journal_answered(api->journal, call->method, call->path, fault_names[call->fault.action], &call->note,
				 served == SERVE_ANSWER ? a->code : 0);
	atomic_fetch_sub(&api->in_flight, 1);
	return served;
}
