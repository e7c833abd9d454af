/*
 * yaml.h - YAML to the same tree that JSON gives, by libyaml. For kubeconfig, configuration and input files.
 *
 * JSON text is YAML and is accepted. Plain scalars follow the YAML 1.2 core schema as Kubernetes reads it: null, true/false,
 * integers and decimals become numbers, everything quoted a string. Anchors and aliases, tags, merge keys, keys that are no
 * strings and duplicate keys are refused, and a second document by all but yaml_documents. Limits: 1 MiB, 16 levels, 100,000 nodes, where
 * the caller has no others. Errors name line and column.
 */
#ifndef LIB_YAML_H
#define LIB_YAML_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* An empty document gives an empty object. The caller frees with cJSON_Delete. */
cJSON *yaml_parse(const char *text, size_t len, struct lm_err *err);
/*
 * A stream of documents, as `kubectl apply` takes it: an array of them in their order, without those that are empty (a stray `---`). The caller
 * frees it.
 */
struct yaml_limits {
	size_t bytes;
	int levels;			/* at most 1,000 */
	int64_t nodes;			/* of all documents */
};
cJSON *yaml_documents(const char *text, size_t len, const struct yaml_limits *limits, struct lm_err *err);
/* Reads and parses a file that the user named; the error begins with the path. LM_NOINPUT, LM_PERM, LM_DATA. */
cJSON *yaml_load(const char *path, struct lm_err *err);

#endif
