#include "tests/e2e/grants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "tests/e2e/audit.h"

#define APPLIED_MS 20000

struct grant grants[64];
size_t grant_count;

/* --- the manifest -------------------------------------------------------------------------------------------------------- */

static const char *the_one(const cJSON *document, const cJSON *rule, const char *key)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(rule, key);

	if (cJSON_GetArraySize(list) > 1)
		fail_msg("%s: several %s in one rule: a rule each, to be taken away each", text_at(document, "metadata.name"), key);
	return list ? cJSON_GetStringValue(cJSON_GetArrayItem(list, 0)) : "";
}

/* Whom the binding of that role names. */
static char *account_of(const char *rules, const char *kind, const char *role)
{
	auto_json cJSON *binding = e2e_document(rules, STREQ(kind, "Role") ? "RoleBinding" : "ClusterRoleBinding", role);

	return xstrdup(text_at(cJSON_GetArrayItem(item_at(binding, "subjects"), 0), "name"));
}

static void add(const char *rules, const cJSON *document, const cJSON *rule, int at, const char *verb)
{
	struct grant *g = &grants[grant_count++];

	assert_true(grant_count <= ARRAY_SIZE(grants));
	*g = (struct grant){
		.rules = rules, .kind = xstrdup(text_at(document, "kind")), .role = xstrdup(text_at(document, "metadata.name")),
		.namespace_ = xstrdup(text_at(document, "metadata.namespace")), .rule = at,
		.group = xstrdup(the_one(document, rule, "apiGroups")), .resource = xstrdup(the_one(document, rule, "resources")),
		.verb = xstrdup(verb), .object = xstrdup(the_one(document, rule, "resourceNames")),
		.account = account_of(rules, text_at(document, "kind"), text_at(document, "metadata.name")),
	};
	g->user = xasprintf("system:serviceaccount:" E2E_NAMESPACE ":%s", g->account);
}

static void collect(void *arg, cJSON *document)
{
	const cJSON *rule, *verb;
	int at = 0;

	cJSON_ArrayForEach(rule, item_at(document, "rules")) {
		cJSON_ArrayForEach(verb, item_at(rule, "verbs"))
			add(arg, document, rule, at, verb->valuestring);
		at++;
	}
}

void grants_collect(struct sched *s, const char *rules)
{
	e2e_apply_edited(s, rules, collect, (void *)(uintptr_t)rules);
}

static void take_away(void *arg, cJSON *document)
{
	const struct grant *g = arg;
	cJSON *rules = cJSON_GetObjectItemCaseSensitive(document, "rules"), *verbs;
	int i;

	if (!STREQ(text_at(document, "kind"), g->kind) || !STREQ(text_at(document, "metadata.name"), g->role))
		return;
	verbs = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(rules, g->rule), "verbs");
	for (i = 0; !STREQ(cJSON_GetStringValue(cJSON_GetArrayItem(verbs, i)), g->verb); i++)
		;
	cJSON_DeleteItemFromArray(verbs, i);
	if (cJSON_GetArraySize(verbs) == 0)	/* the API takes no rule without verbs */
		cJSON_DeleteItemFromArray(rules, g->rule);
}

static void take_all(void *unused, cJSON *document)
{
	(void)unused;
	if (item_at(document, "rules"))
		cJSON_ReplaceItemInObjectCaseSensitive(document, "rules", cJSON_CreateArray());
}

/* --- the authorizer ------------------------------------------------------------------------------------------------------ */

static const char *subresource(const struct grant *g)
{
	const char *slash = strchr(g->resource, '/');

	return slash ? slash + 1 : "";
}

static bool is_allowed(struct standin *account, const struct grant *g)
{
	auto_free char *body = xasprintf("{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":"
					 "{\"resourceAttributes\":{\"verb\":\"%s\",\"group\":\"%s\",\"resource\":\"%.*s\","
					 "\"subresource\":\"%s\",\"namespace\":\"%s\",\"name\":\"%s\"}}}", g->verb, g->group,
					 (int)strcspn(g->resource, "/"), g->resource, subresource(g), g->namespace_, g->object);
	auto_json cJSON *review = standin_want(account, 201, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body);

	return cJSON_IsTrue(item_at(review, "status.allowed"));
}

static void wait_until(struct standin *account, const struct grant *g, bool allowed)
{
	int64_t end = clock_mono_ms() + APPLIED_MS;

	while (is_allowed(account, g) != allowed) {
		if (clock_mono_ms() > end)
			fail_msg("%s %s is still %s", g->verb, g->resource, allowed ? "refused" : "allowed");
		usleep(5000);
	}
}

/* The account is that of the file; all of its rules are allowed or none, but `missing`. */
static void wait_for_authorizer(struct sched *s, const char *rules, const struct grant *missing, bool allowed)
{
	struct standin account;
	size_t i;

	for (i = 0; !STREQ(grants[i].rules, rules); i++)
		;
	s->kubeconfig = e2e_account(s, E2E_NAMESPACE, grants[i].account);
	standin_connect(&account, s->kubeconfig);
	for (; i < grant_count && STREQ(grants[i].rules, rules); i++)
		wait_until(&account, &grants[i], allowed && &grants[i] != missing);
	standin_stop(&account);
}

void grants_apply(struct sched *s, const char *rules, const struct grant *missing)
{
	e2e_apply_edited(s, rules, missing ? take_away : NULL, (void *)(uintptr_t)missing);
	wait_for_authorizer(s, rules, missing, true);
}

void grants_withhold(struct sched *s, const char *rules)
{
	e2e_apply_edited(s, rules, take_all, NULL);
	wait_for_authorizer(s, rules, NULL, false);
}

/* --- the audit log ------------------------------------------------------------------------------------------------------- */

static bool is_by(const struct audit_entry *e, const struct grant *g)
{
	size_t len = strcspn(g->resource, "/");

	if (*g->namespace_ && !STREQ(e->namespace_, g->namespace_))
		return false;
	return STREQ(e->user, g->user) && STREQ(e->verb, g->verb) && strncmp(e->resource, g->resource, len) == 0 && !e->resource[len] &&
	       STREQ(e->subresource, subresource(g)) && (!*g->group || strstr(e->uri, g->group));
}

bool grant_was_answered(const struct grant *g, long from, int least, int most)
{
	struct audit a;
	bool found = false;
	size_t i;

	audit_read(&a, from);
	for (i = 0; i < a.count && !found; i++)
		found = is_by(&a.entries[i], g) && a.entries[i].code >= least && a.entries[i].code <= most;
	audit_free(&a);
	return found;
}

static void must_not_be_refused(const char *user, long from)
{
	struct audit a;
	size_t i;

	audit_read(&a, from);
	for (i = 0; i < a.count; i++)
		if (STREQ(a.entries[i].user, user) && (a.entries[i].code == 401 || a.entries[i].code == 403))
			fail_msg("refused with %d: %s %s", a.entries[i].code, a.entries[i].verb, a.entries[i].uri);
	audit_free(&a);
}

void grants_must_suffice(const char *rules, long from)
{
	size_t i;

	for (i = 0; i < grant_count; i++) {
		if (!STREQ(grants[i].rules, rules))
			continue;
		if (!grant_was_answered(&grants[i], from, 200, 299))
			fail_msg("%s %s was not used", grants[i].verb, grants[i].resource);
		must_not_be_refused(grants[i].user, from);
	}
}

char *grant_refusal(const struct grant *g)
{
	return xasprintf("cannot %s resource \"%s\" in API group \"%s\"", g->verb, g->resource, g->group);
}
