/*
 * yaml.h - YAML to the same tree that JSON gives, by libyaml. For kubeconfig, configuration and input files.
 *
 * JSON text is YAML and is accepted. Plain scalars follow the YAML 1.2 core schema as Kubernetes reads it: null, true/false,
 * integers and decimals become numbers, everything quoted a string. Anchors and aliases, tags, merge keys, keys that are no
 * strings, duplicate keys and a second document are refused. Limits: 1 MiB, 16 levels, 100,000 nodes. Errors name line and column.
 */
#ifndef LIB_YAML_H
#define LIB_YAML_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "lib/err.h"

/* An empty document gives an empty object. The caller frees with cJSON_Delete. */
cJSON *yaml_parse(const char *text, size_t len, struct lm_err *err);
/* Reads and parses a file that the user named; the error begins with the path. LM_NOINPUT, LM_PERM, LM_DATA. */
cJSON *yaml_load(const char *path, struct lm_err *err);

#endif
