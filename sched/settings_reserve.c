#include "sched/settings_reserve.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define NAMESPACE_MOST 63
#define NAME_MOST 253

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* As Kubernetes has names: of a namespace, or (with dots) of an object. */
static bool is_name(const char *text, size_t most, bool dots)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		if (!is_plain(text[i]) && text[i] != '-' && !(dots && text[i] == '.'))
			return false;
	return len && len <= most && is_plain(text[0]) && is_plain(text[len - 1]);
}

static bool has(const struct option_list *list, const char *name, size_t before)
{
	size_t i;

	for (i = 0; i < before; i++)
		if (STREQ(list->items[i], name))
			return true;
	return false;
}

static int check_namespaces(const char *option, const struct option_list *list, struct lm_err *err)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		const char *name = list->items[i];

		if (STREQ(name, "*") && list->count > 1)
			return lm_fail(err, LM_CONFIG, "%s: \"*\" is all namespaces; nothing else beside it", option);
		if (!STREQ(name, "*") && !is_name(name, NAMESPACE_MOST, false))
			return lm_fail(err, LM_CONFIG, "%s: \"%.100s\" is no name of a namespace", option, name);
		if (has(list, name, i))
			return lm_fail(err, LM_CONFIG, "%s: \"%.100s\" stands there twice", option, name);
	}
	return 0;
}

/* "*" of reserve.default is those that reserve.allow names. */
static int check_both(const struct reserve_settings *r, struct lm_err *err)
{
	size_t i;

	for (i = 0; i < r->defaults.count; i++)
		if (!STREQ(r->defaults.items[i], "*") && !reserve_allows(r, r->defaults.items[i]))
			return lm_fail(err, LM_CONFIG, "reserve.default: \"%.100s\" is not in reserve.allow", r->defaults.items[i]);
	return 0;
}

/* "30%" or "12.5%": digits alone, so that nobody's locale and no "inf" is asked. */
static int read_most(struct reserve_settings *r, struct lm_err *err)
{
	const char *text = r->most_text, *digits = "0123456789";
	size_t whole, part = 0, len;
	double percent;

	if (!text)
		return 0;
	len = whole = strspn(text, digits);
	if (text[len] == '.') {
		part = strspn(text + len + 1, digits);
		len += 1 + part;
	}
	if (!whole || (len > whole && !part) || !STREQ(text + len, "%"))
		return lm_fail(err, LM_CONFIG, "reserve.most: \"%.100s\" is no percentage (examples: 30%%, 12.5%%)", text);
	percent = strtod(text, NULL);
	if (!(percent > 0 && percent <= 100))
		return lm_fail(err, LM_CONFIG, "reserve.most: \"%.100s\" is not above 0%% and at most 100%%", text);
	r->most = percent / 100;
	return 0;
}

static int check_owner(const struct reserve_settings *r, struct lm_err *err)
{
	const char *slash = r->owner ? strchr(r->owner, '/') : NULL;

	if (!r->owner)
		return 0;
	if (!slash || !is_name(slash + 1, NAME_MOST, true))
		return lm_fail(err, LM_CONFIG, "reserve.owner: \"%.100s\" is not KIND/NAME (example: ConfigMap/latency-sched)", r->owner);
	if (!reserve_owner_plural(r->owner))
		return lm_fail(err, LM_CONFIG, "reserve.owner: \"%.100s\" is neither a ConfigMap nor a ServiceAccount", r->owner);
	return 0;
}

int settings_read_reserve(struct settings *s, struct lm_err *err)
{
	struct reserve_settings *r = &s->reserve;

	if (check_namespaces("reserve.allow", &r->allowed, err) < 0 || check_namespaces("reserve.default", &r->defaults, err) < 0 ||
	    check_both(r, err) < 0 || read_most(r, err) < 0)
		return -1;
	return check_owner(r, err);
}
