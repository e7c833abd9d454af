#include "sched/reserve/who.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/reserve/words.h"

#define NAMESPACE_MOST 63
#define COVERS_DEPTH 3

enum reserve_role reserve_role(const struct reserve_settings *s, const struct pod *pod)
{
	const char *role = labels_get(&pod->labels, RESERVE_ROLE);

	if (!role || !s->namespace_ || !STREQ(pod->namespace_, s->namespace_))
		return RESERVE_NONE;
	return STREQ(role, "placeholder") ? RESERVE_PLACEHOLDER : STREQ(role, "guard") ? RESERVE_GUARD : RESERVE_NONE;
}

static bool names(const struct option_list *list, const char *namespace_)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (STREQ(list->items[i], "*") || STREQ(list->items[i], namespace_))
			return true;
	return false;
}

bool reserve_allows(const struct reserve_settings *s, const char *namespace_)
{
	return !s->allowed.count || names(&s->allowed, namespace_);
}

const char *reserve_owner_plural(const char *owner)
{
	static const char *const kinds[][2] = {{"ConfigMap/", "configmaps"}, {"ServiceAccount/", "serviceaccounts"}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(owner, kinds[i][0], strlen(kinds[i][0])) == 0)
			return kinds[i][1];
	return NULL;
}

/* Who did not ask himself is not told that he may not. */
static bool by_default(const struct reserve_settings *s, const char *namespace_)
{
	return names(&s->defaults, namespace_) && reserve_allows(s, namespace_);
}

bool reserve_wants(const struct reserve_settings *s, const struct pod *pod)
{
	const char *label = labels_get(&pod->labels, RESERVE_LABEL);

	if (!pod->ask.within_count || pod->terminal || reserve_role(s, pod) != RESERVE_NONE)
		return false;
	if (label && STREQ(label, "true"))
		return true;
	return !(label && STREQ(label, "false")) && by_default(s, pod->namespace_);
}

const char *reserve_unfit(const struct pod *pod)
{
	if (!pod->owner_uid[0])
		return "no controller would recreate it";
	if (STREQ(pod->owner_kind, "DaemonSet"))
		return "its DaemonSet would not recreate it on another node";
	if (STREQ(pod->owner_kind, "Node"))
		return "it is a static pod of its node";
	return NULL;
}

const char *reserve_barred(const struct reserve_settings *s, const struct pod *pod)
{
	return reserve_allows(s, pod->namespace_) ? NULL : "reserve.allow does not name its namespace";
}

/* --- covers ----------------------------------------------------------------------------------------------------------- */

struct cover *covers_add(struct covers *c, const struct cover *cover)
{
	grow(&c->items, &c->room, c->count + 1, sizeof(*c->items));
	c->items[c->count] = (struct cover){
		.uid = xstrdup(cover->uid), .namespace_ = xstrdup(cover->namespace_), .name = xstrdup(cover->name),
		.owner_uid = xstrdup(cover->owner_uid), .node = xstrdup(cover->node), .refuge = xstrdup(cover->refuge),
	};
	return &c->items[c->count++];
}

void covers_free(struct covers *c)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		free(c->items[i].uid);
		free(c->items[i].namespace_);
		free(c->items[i].name);
		free(c->items[i].owner_uid);
		free(c->items[i].node);
		free(c->items[i].refuge);
	}
	free(c->items);
	*c = (struct covers){0};
}

static int by_uid(const void *a, const void *b)
{
	return strcmp((*(const struct cover *const *)a)->uid, (*(const struct cover *const *)b)->uid);
}

void covers_print(const struct covers *c, const char *node, struct buf *out)
{
	auto_free const struct cover **mine = xcalloc(c->count + 1, sizeof(*mine));
	size_t count = 0, i;

	for (i = 0; i < c->count; i++)
		if (STREQ(c->items[i].refuge, node))
			mine[count++] = &c->items[i];
	if (count)
		qsort(mine, count, sizeof(*mine), by_uid);
	buf_char(out, '[');
	for (i = 0; i < count; i++)
		buf_printf(out, "%s{\"pod\":\"%s/%s\",\"uid\":\"%s\",\"owner\":\"%s\",\"node\":\"%s\"}", i ? "," : "", mine[i]->namespace_,
			   mine[i]->name, mine[i]->uid, mine[i]->owner_uid, mine[i]->node);
	buf_char(out, ']');
}

bool word_is(const char *text, size_t len, size_t most)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
			return false;
	}
	return len > 0 && len <= most;
}

int word_want(const cJSON *object, const char *key, size_t most, const char **out, struct lm_err *err)
{
	if (json_want_string(object, key, out, err) < 0)
		return -1;
	if (!word_is(*out, strlen(*out), most))
		return lm_fail(err, LM_DATA, "%s: \"%.100s\" is no such name", key, *out);
	return 0;
}

int word_want_pod(const cJSON *object, const char *key, char **namespace_, char **name, struct lm_err *err)
{
	const char *pod, *slash;

	if (json_want_string(object, key, &pod, err) < 0)
		return -1;
	slash = strchr(pod, '/');
	if (!slash || !word_is(pod, (size_t)(slash - pod), NAMESPACE_MOST) || !word_is(slash + 1, strlen(slash + 1), NODE_MOST))
		return lm_fail(err, LM_DATA, "%s: \"%.100s\" is not NAMESPACE/NAME", key, pod);
	*namespace_ = xstrndup(pod, (size_t)(slash - pod));
	*name = xstrdup(slash + 1);
	return 0;
}

static int parse_cover(const cJSON *item, const char *refuge, struct covers *to, struct lm_err *err)
{
	auto_free char *namespace_ = NULL, *name = NULL;
	const char *uid, *owner, *node;

	if (!cJSON_IsObject(item))
		return lm_fail(err, LM_DATA, "%s, not an object", json_kind(item));
	if (word_want_pod(item, "pod", &namespace_, &name, err) < 0 || word_want(item, "uid", UID_MOST, &uid, err) < 0 ||
	    word_want(item, "owner", UID_MOST, &owner, err) < 0 || word_want(item, "node", NODE_MOST, &node, err) < 0)
		return -1;
	if (STREQ(node, refuge))
		return lm_fail(err, LM_DATA, "pod %s has its room on its own node", name);
	covers_add(to, &(struct cover){(char *)(uintptr_t)uid, namespace_, name, (char *)(uintptr_t)owner, (char *)(uintptr_t)node,
				       (char *)(uintptr_t)refuge});
	return 0;
}

static int refuse_twice(const struct covers *c, struct lm_err *err)
{
	auto_free const struct cover **sorted = xcalloc(c->count + 1, sizeof(*sorted));
	size_t i;

	for (i = 0; i < c->count; i++)
		sorted[i] = &c->items[i];
	if (c->count)
		qsort(sorted, c->count, sizeof(*sorted), by_uid);
	for (i = 1; i < c->count; i++)
		if (STREQ(sorted[i - 1]->uid, sorted[i]->uid))
			return lm_fail(err, LM_DATA, "uid %s stands there twice", sorted[i]->uid);
	return 0;
}

static void move_all(struct covers *from, struct covers *to)
{
	if (!from->count)
		return;
	grow(&to->items, &to->room, to->count + from->count, sizeof(*to->items));
	memcpy(to->items + to->count, from->items, from->count * sizeof(*from->items));
	to->count += from->count;
	from->count = 0;
}

int covers_parse(const char *text, const char *node, struct covers *out, struct lm_err *err)
{
	auto_covers struct covers found = {0};
	auto_json cJSON *root = NULL;
	const cJSON *item;
	size_t len = strlen(text), i = 0;

	if (len > COVERS_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %d", len, COVERS_MAX_BYTES);
	root = json_parse(text, len, COVERS_DEPTH, err);
	if (!root)
		return -1;
	if (!cJSON_IsArray(root))
		return lm_fail(err, LM_DATA, "%s, not an array", json_kind(root));
	cJSON_ArrayForEach(item, root) {
		if (parse_cover(item, node, &found, err) < 0)
			return lm_wrap(err, "[%zu]", i);
		i++;
	}
	if (refuse_twice(&found, err) < 0)
		return -1;
	move_all(&found, out);
	return 0;
}
