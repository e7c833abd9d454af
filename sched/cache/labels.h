/*
 * labels.h - label sets, label selectors and node selectors with Kubernetes' semantics.
 */
#ifndef SCHED_CACHE_LABELS_H
#define SCHED_CACHE_LABELS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label {
	char *key, *value;
};

struct labels {				/* sorted by key; owns its strings */
	struct label *items;
	uint32_t count;
};

void labels_parse(const cJSON *object, struct labels *out);	/* of a metadata.labels or similar; members that are no strings are dropped */
const char *labels_get(const struct labels *set, const char *key);	/* NULL when absent */
bool labels_equal(const struct labels *a, const struct labels *b);
void labels_free(struct labels *set);

enum label_op { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_DOES_NOT_EXIST, LABEL_GT, LABEL_LT, LABEL_NEVER /* could not be parsed */ };

struct requirement {
	char *key;
	enum label_op op;
	char **values;			/* sorted */
	uint32_t value_count;
};

/* A metav1.LabelSelector. Nil matches nothing, empty matches everything. */
struct selector {
	bool is_nil;
	bool invalid;			/* a requirement could not be parsed: it matches nothing */
	struct requirement *items;	/* AND */
	uint32_t count;
};

void selector_parse(const cJSON *selector, struct selector *out);	/* NULL or null: nil */
/* One more requirement: key=value. No effect on nil, which goes on matching nothing. */
void selector_add(struct selector *selector, const char *key, const char *value);
/* A requirement key=value, for which the cache has an index (view_pods_matching); NULL: there is none. */
const struct requirement *selector_equality(const struct selector *selector);
bool selector_matches(const struct selector *selector, const struct labels *labels);
void selector_free(struct selector *selector);

bool requirement_matches(const struct requirement *r, const struct labels *labels);

/* A required node affinity: OR of terms, each an AND of expressions on labels and fields (metadata.name). An empty term matches nothing. */
struct node_term {
	struct requirement *expressions, *fields;
	uint32_t expression_count, field_count;
	bool invalid;			/* a term with a parse error is skipped */
};

struct node_selector {
	bool present;			/* absent matches every node */
	struct node_term *terms;
	uint32_t count;
};

void node_selector_parse(const cJSON *required, struct node_selector *out);	/* requiredDuringSchedulingIgnoredDuringExecution */
void node_selector_parse_term(const cJSON *term, struct node_selector *out);	/* of that one term */
/* Without a name ("") fields are not looked at: so does kube-scheduler with the affinity of volumes. */
bool node_selector_matches(const struct node_selector *selector, const struct labels *labels, const char *node_name);
uint32_t node_selector_size(const struct node_selector *selector);	/* terms and what is in them: what a look at one node may cost */
void node_selector_free(struct node_selector *selector);

#endif
