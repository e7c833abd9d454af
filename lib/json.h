/*
 * json.h - strict JSON on cJSON.
 *
 * cJSON accepts trailing garbage, 1e999, 01, raw control characters, bad UTF-8, a BOM, duplicate keys and a thousand levels.
 * json_parse accepts none of these: the text is checked byte by byte before cJSON sees it (grammar of numbers and strings,
 * UTF-8, lone surrogates, depth, finite numbers), and duplicate keys of every object are refused after. Errors name the place
 * as line:column, and a member as a path: `peers.edge-2.loss: 7 is not in 0..1`.
 *
 * Members are read with json_want_* (missing is an error) or json_may_* (missing or null leaves *out and returns 0; present
 * returns 1). Keys are case-sensitive. Unknown members are ignored. Getters are linear in the number of members: where an
 * object has many (peers, nodes), walk it once with cJSON_ArrayForEach.
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define JSON_DEPTH 16		/* of our own files */
#define JSON_DEPTH_API 64	/* of API objects */

/* One document, exactly `len` bytes. The caller frees with cJSON_Delete. */
cJSON *json_parse(const char *text, size_t len, int max_depth, struct lm_err *err);
/* The byte check alone, without building anything: what json_parse runs first, and what the row scanner of snapshot.c relies on. */
int json_check(const char *text, size_t len, int max_depth, struct lm_err *err);

/*
 * The same for text of the Kubernetes API, where two things of json_parse would let any user stop who lists his object: \u0000 in a string becomes U+FFFD, and
 * the value of a member managedFields, which may be as deep as its writer likes and which nobody reads, becomes null. max_values bounds what the tree costs (80
 * bytes for each, whose text may be 2); 0: no bound.
 */
cJSON *json_parse_api(const char *text, size_t len, size_t max_values, struct lm_err *err);
int json_check_api(const char *text, size_t len, struct lm_err *err);

static inline const cJSON *json_get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

int json_want_object(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err);
int json_want_array(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err);
int json_want_string(const cJSON *object, const char *key, const char **out, struct lm_err *err);
int json_want_number(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err);
/* Whole numbers up to 2^53. */
int json_want_i64(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out, struct lm_err *err);
/* A number or null; null gives NaN. */
int json_want_number_or_null(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err);

int json_may_object(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err);
int json_may_array(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err);
int json_may_string(const cJSON *object, const char *key, const char **out, struct lm_err *err);
int json_may_number(const cJSON *object, const char *key, double min, double max, double *out, struct lm_err *err);
int json_may_i64(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out, struct lm_err *err);
int json_may_bool(const cJSON *object, const char *key, bool *out, struct lm_err *err);

/* What a value is, for messages: "a string", "null", "an object". */
const char *json_kind(const cJSON *value);

void cleanup_json(cJSON **value);
#define auto_json __attribute__((cleanup(cleanup_json)))

#endif
