#include "lib/kube/kubeconfig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/json.h"
#include "lib/kube/base64.h"
#include "lib/kube/url.h"
#include "lib/mem.h"
#include "lib/yaml.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

struct document {
	const char *path;
	cJSON *root;
};

struct documents {
	struct document *items;
	size_t count;
};

/* One named entry, such as the cluster "lab", and where it stands. */
struct entry {
	const char *path, *list, *name;		/* "/home/u/.kube/config", "clusters", "lab" */
	const cJSON *object;			/* what stands under "cluster", "user" or "context" */
};

static void wipe_tree(cJSON *value)
{
	cJSON *child;

	if (cJSON_IsString(value))
		explicit_bzero(value->valuestring, strlen(value->valuestring));
	cJSON_ArrayForEach(child, value)
		wipe_tree(child);
}

static void documents_free(struct documents *d)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		wipe_tree(d->items[i].root);
		cJSON_Delete(d->items[i].root);
	}
	free(d->items);
}

/* What goes wrong inside a kubeconfig is a wrong configuration; a file that is missing or not to be read stays what it is. */
static int as_config(struct lm_err *err)
{
	if (err->code == LM_DATA || err->code == LM_USAGE)
		err->code = LM_CONFIG;
	return -1;
}

static int fail_at(const struct entry *e, const char *field, struct lm_err *err)
{
	as_config(err);
	if (!*field)
		return lm_wrap(err, "%s: %s.%.100s", e->path, e->list, e->name);
	return lm_wrap(err, "%s: %s.%.100s.%s", e->path, e->list, e->name, field);
}

static int document_load(const char *path, struct document *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	cJSON *root;

	if (file_read(AT_FDCWD, path, FILE_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return as_config(err);
	root = yaml_parse(text.data, text.len, err);
	explicit_bzero(text.data, text.len);
	if (root && !cJSON_IsObject(root)) {
		lm_fail(err, LM_CONFIG, "is %s, not an object", json_kind(root));
		cJSON_Delete(root);
		root = NULL;
	}
	if (!root) {
		as_config(err);
		return lm_wrap(err, "%s", path);
	}
	*out = (struct document){path, root};
	return 0;
}

/* The entry of this name in one file: 1 found, 0 not, -1 the list is wrong. */
static int find_in(const struct document *d, const char *list, const char *kind, const char *name, const cJSON **out,
		   struct lm_err *err)
{
	const cJSON *items = NULL, *item;
	const char *its_name;
	int found = 0;

	if (json_may_array(d->root, list, &items, err) < 0)
		return lm_wrap(err, "%s", d->path);
	cJSON_ArrayForEach(item, items) {
		if (!cJSON_IsObject(item)) {
			lm_fail(err, LM_CONFIG, "%s: an entry is %s, not an object", list, json_kind(item));
			return lm_wrap(err, "%s", d->path);
		}
		if (json_want_string(item, "name", &its_name, err) < 0)
			return lm_wrap(err, "%s: %s", d->path, list);
		if (!STREQ(its_name, name))
			continue;
		if (found)
			return lm_fail(err, LM_CONFIG, "%s: %s: two entries are named `%.100s`", d->path, list, name);
		if (json_want_object(item, kind, out, err) < 0)
			return lm_wrap(err, "%s: %s.%.100s", d->path, list, name);
		found = 1;
	}
	return found;
}

static int find_entry(const struct documents *d, const char *list, const char *kind, const char *name, const char *asked_in,
		      struct entry *out, struct lm_err *err)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		int found = find_in(&d->items[i], list, kind, name, &out->object, err);

		if (found < 0)
			return as_config(err);
		if (!found)
			continue;
		out->path = d->items[i].path;
		out->list = list;
		out->name = name;
		return 0;
	}
	return lm_fail(err, LM_CONFIG, "%s: %s `%.100s` is not among the %s", asked_in, kind, name, list);
}

static int find_context(const struct documents *d, struct entry *out, struct lm_err *err)
{
	const char *name = "", *path = d->items[0].path;
	size_t i;

	for (i = 0; i < d->count && !*name; i++) {
		path = d->items[i].path;
		if (json_may_string(d->items[i].root, "current-context", &name, err) < 0) {
			as_config(err);
			return lm_wrap(err, "%s", path);
		}
	}
	if (!*name)
		return lm_fail(err, LM_CONFIG, "%s: current-context: is missing", d->items[0].path);
	return find_entry(d, "contexts", "context", name, path, out, err);
}

/* A string member that is there and not empty: 1. */
static int text_of(const struct entry *e, const char *field, const char **out, struct lm_err *err)
{
	int found = json_may_string(e->object, field, out, err);

	if (found < 0)
		return fail_at(e, "", err);
	return found == 1 && **out;
}

static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (path[0] == '/' || !slash)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

int kubeconfig_check_pem(const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	bool pem;

	if (file_read(AT_FDCWD, path, FILE_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return -1;
	pem = strstr(text.data, "-----BEGIN ") != NULL;
	explicit_bzero(text.data, text.len);
	return pem ? 0 : lm_fail(err, LM_CONFIG, "`%s` holds no PEM text (-----BEGIN ...)", path);
}

int kubeconfig_check_token(const char *token, struct lm_err *err)
{
	size_t len = strlen(token), i;

	if (len > KUBE_TOKEN_MAX_BYTES)
		return lm_fail(err, LM_CONFIG, "the token is larger than %zu bytes", KUBE_TOKEN_MAX_BYTES);
	for (i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] >= 0x7f)
			return lm_fail(err, LM_CONFIG, "the token has a byte that no header may have, like a blank (byte %zu)", i + 1);
	return 0;
}

/* `field` is a path, `field`-data the same in base64, which wins when both are there (as kubectl has it). */
static int take_pem(const struct entry *e, const char *field, char **file, char **data, struct lm_err *err)
{
	auto_free char *data_field = xasprintf("%s-data", field);
	const char *text = NULL;
	int found = text_of(e, data_field, &text, err);

	if (found < 0)
		return -1;
	if (found) {
		if (base64_decode(text, data, err) < 0)
			return fail_at(e, data_field, err);
		if (strstr(*data, "-----BEGIN "))
			return 0;
		lm_fail(err, LM_CONFIG, "holds no PEM text (-----BEGIN ...)");
		return fail_at(e, data_field, err);
	}
	found = text_of(e, field, &text, err);
	if (found <= 0)
		return found;
	*file = beside(e->path, text);
	return kubeconfig_check_pem(*file, err) < 0 ? fail_at(e, field, err) : 0;
}

static int refuse_fields(const struct entry *e, const char *const *fields, const char *why, struct lm_err *err)
{
	for (; *fields; fields++) {
		const cJSON *value = json_get(e->object, *fields);

		if (!value || cJSON_IsNull(value))
			continue;
		lm_fail(err, LM_CONFIG, "is not supported: %s", why);
		return fail_at(e, *fields, err);
	}
	return 0;
}

static int take_url(const struct entry *e, const char *field, enum url_kind kind, char **out, struct lm_err *err)
{
	const char *text = NULL;
	int found = text_of(e, field, &text, err);

	if (found == 1 && url_check(text, kind, LM_CONFIG, out, err) < 0)
		return fail_at(e, field, err);
	return found;
}

static int take_cluster(const struct entry *e, bool insecure, struct kube_config *out, struct lm_err *err)
{
	const char *name = NULL;
	bool skip = false;
	int found = take_url(e, "server", URL_SERVER, &out->server, err);

	if (found < 0)
		return -1;
	if (!found) {
		lm_fail(err, LM_CONFIG, "is missing");
		return fail_at(e, "server", err);
	}
	if (take_url(e, "proxy-url", URL_PROXY, &out->proxy_url, err) < 0 ||
	    take_pem(e, "certificate-authority", &out->ca_file, &out->ca_data, err) < 0)
		return -1;
	if (json_may_bool(e->object, "insecure-skip-tls-verify", &skip, err) < 0)
		return fail_at(e, "", err);
	if (skip && !insecure) {
		lm_fail(err, LM_CONFIG, "is refused unless --insecure is given");
		return fail_at(e, "insecure-skip-tls-verify", err);
	}
	out->insecure = skip;
	found = text_of(e, "tls-server-name", &name, err);
	if (found < 0)
		return -1;
	if (found && name[strcspn(name, " /:@?#\t\r\n")]) {
		lm_fail(err, LM_CONFIG, "`%.100s` is no host name", name);
		return fail_at(e, "tls-server-name", err);
	}
	out->tls_server_name = found ? xstrdup(name) : NULL;
	return 0;
}

static int take_token(const struct entry *e, struct kube_config *out, struct lm_err *err)
{
	const char *text = NULL;
	int found = text_of(e, "token", &text, err);

	if (found < 0)
		return -1;
	if (found) {
		if (kubeconfig_check_token(text, err) < 0)
			return fail_at(e, "token", err);
		out->token = xstrdup(text);
	}
	found = text_of(e, "tokenFile", &text, err);
	if (found == 1)
		out->token_file = beside(e->path, text);
	return found < 0 ? -1 : 0;
}

static int take_user(const struct entry *e, struct kube_config *out, struct lm_err *err)
{
	static const char *const plugins[] = {"exec", "auth-provider", NULL};
	static const char *const basic[] = {"username", "password", NULL};
	static const char *const others[] = {"as", "as-uid", "as-groups", "as-user-extra", NULL};
	bool has_cert, has_key;

	if (refuse_fields(e, plugins, "no program is run for credentials: use token, tokenFile or client-certificate", err) < 0 ||
	    refuse_fields(e, basic, "Kubernetes has no passwords: use token, tokenFile or client-certificate", err) < 0 ||
	    refuse_fields(e, others, "acting as somebody else", err) < 0 ||
	    take_token(e, out, err) < 0 ||
	    take_pem(e, "client-certificate", &out->cert_file, &out->cert_data, err) < 0 ||
	    take_pem(e, "client-key", &out->key_file, &out->key_data, err) < 0)
		return -1;
	has_cert = out->cert_file || out->cert_data;
	has_key = out->key_file || out->key_data;
	if (has_cert == has_key)
		return 0;
	lm_fail(err, LM_CONFIG, "is missing, but there is a %s", has_cert ? "client-certificate" : "client-key");
	return fail_at(e, has_cert ? "client-key" : "client-certificate", err);
}

static int take_context(const struct documents *d, const struct entry *context, bool insecure, struct kube_config *out,
			struct lm_err *err)
{
	const char *cluster = NULL, *user = NULL, *namespace = "";
	struct entry e;
	int has_user;

	if (text_of(context, "namespace", &namespace, err) < 0)
		return -1;
	out->namespace_ = xstrdup(*namespace ? namespace : NULL);
	switch (text_of(context, "cluster", &cluster, err)) {
	case -1:
		return -1;
	case 0:
		lm_fail(err, LM_CONFIG, "is missing");
		return fail_at(context, "cluster", err);
	default:
		break;
	}
	if (find_entry(d, "clusters", "cluster", cluster, context->path, &e, err) < 0 || take_cluster(&e, insecure, out, err) < 0)
		return -1;
	has_user = text_of(context, "user", &user, err);
	if (has_user <= 0)
		return has_user;
	if (find_entry(d, "users", "user", user, context->path, &e, err) < 0)
		return -1;
	return take_user(&e, out, err);
}

int kubeconfig_load(char *const *paths, size_t count, bool insecure, struct kube_config *out, struct lm_err *err)
{
	__attribute__((cleanup(documents_free))) struct documents d = {0};
	struct entry context;

	d.items = xcalloc(count, sizeof(*d.items));
	for (; d.count < count; d.count++)
		if (document_load(paths[d.count], &d.items[d.count], err) < 0)
			return -1;
	if (find_context(&d, &context, err) < 0)
		return -1;
	return take_context(&d, &context, insecure, out, err);
}
