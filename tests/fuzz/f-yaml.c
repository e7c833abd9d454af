/*
 * YAML of any bytes: refused in one line that names the place, or a tree that can be printed as JSON and comes out the same by both
 * parsers. JSON is YAML: what json_parse accepts must give the same tree, where libyaml can read it at all.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/yaml.h"
#include "tests/testing/fuzz.h"

FUZZ_CORPUS("a: 1\nb: [x, 'y', \"z\"]\nc:\n- d: ~\n  e: true\n- -1.5e3\n", "a: |\n  x\n  y\nb: >-\n  z\n", "{\"a\": [1, 2, {\"b\": null}]}",
	    "a: 0x1f\nb: 0o17\nc: 1.2.3\nd: .inf\ne: yes\nf: 1_000\ng: 007\n", "---\na: &x 1\nb: *x\n...\n", "a: !!str 1\n<<: {}\n? k\n: v\n", "\"\\u00e9\\t\\\"\"\n")

static void check_tree(const cJSON *root)
{
	char *printed = cJSON_PrintUnformatted(root);
	struct lm_err err;
	cJSON *again;

	if (!printed)
		abort();
	again = json_parse(printed, strlen(printed), JSON_DEPTH + 1, &err);
	if (!again || !cJSON_Compare(root, again, true))
		abort();
	cJSON_Delete(again);
	cJSON_free(printed);
}

/* Flow style is all that JSON has; its tabs and its surrogate pairs are beyond libyaml. */
static void check_same(const char *text, size_t size, const cJSON *yaml)
{
	struct lm_err err;
	cJSON *json = json_parse(text, size, JSON_DEPTH, &err);

	if (json && !cJSON_IsNull(json) && yaml && !cJSON_Compare(json, yaml, true))
		abort();
	cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct lm_err err = {0};
	cJSON *root = yaml_parse(text, size, &err);

	if (root)
		check_tree(root);
	else if (err.code != LM_DATA || !err.msg[0] || strchr(err.msg, '\n'))
		abort();
	check_same(text, size, root);
	cJSON_Delete(root);
	return 0;
}
