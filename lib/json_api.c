/*
 * Text of the Kubernetes API. Two things that any user may put into an object would else stop who lists it: a string with a NUL, and a managedFields as deep as
 * its fields are. The check lets both through and says where they are, and cJSON is given a copy without them.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json_check.h"
#include "lib/mem.h"

#define NUL_ESCAPE "\\u0000"
#define REPLACEMENT_ESCAPE "\\ufffd"	/* as long: U+FFFD stands for what cannot be shown */

static void copy_without_cuts(const char *text, size_t len, const struct json_found *found, struct buf *out)
{
	size_t i, from = 0;

	for (i = 0; i < found->count; i++) {
		buf_add(out, text + from, found->cuts[i].from - from);
		buf_str(out, "null");
		from = found->cuts[i].from + found->cuts[i].len;
	}
	buf_add(out, text + from, len - from);
}

/* A backslash that another one escapes begins nothing. */
static bool is_escaped(const char *begin, const char *backslash)
{
	const char *at = backslash;

	while (at > begin && at[-1] == '\\')
		at--;
	return (backslash - at) % 2;
}

static void replace_nuls(struct buf *b)
{
	char *at = b->data, *end = b->data + b->len;

	while ((at = memmem(at, (size_t)(end - at), NUL_ESCAPE, strlen(NUL_ESCAPE))) != NULL) {
		if (!is_escaped(b->data, at))
			memcpy(at, REPLACEMENT_ESCAPE, strlen(REPLACEMENT_ESCAPE));
		at += strlen(NUL_ESCAPE);
	}
}

static cJSON *parse_copy(const char *text, size_t len, const struct json_found *found, struct lm_err *err)
{
	auto_buf struct buf copy = {0};

	copy_without_cuts(text, len, found, &copy);
	if (found->nul)
		replace_nuls(&copy);
	return json_build(copy.data, copy.len, err);
}

cJSON *json_parse_api(const char *text, size_t len, size_t max_values, struct lm_err *err)
{
	struct json_found found = {0};
	cJSON *root = NULL;

	if (json_find(text, len, &found, err) == 0) {
		if (max_values && found.values > max_values)
			lm_fail(err, LM_DATA, "%zu values: more than %zu", found.values, max_values);
		else if (found.nul || found.count)
			root = parse_copy(text, len, &found, err);
		else
			root = json_build(text, len, err);
	}
	free(found.cuts);
	return root;
}

int json_check_api(const char *text, size_t len, struct lm_err *err)
{
	struct json_found found = {0};
	int code = json_find(text, len, &found, err);

	free(found.cuts);
	return code;
}
