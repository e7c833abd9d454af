/* Reading a snapshot: members by cJSON, matrices by snapshot_rows.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/snapshot_private.h"

#define SLICE_MAX_BYTES ((size_t)64 * 1024 + (size_t)512 * SNAPSHOT_MAX_NODES)	/* of a member that cJSON parses */
#define CELL_MAX_BYTES 48		/* of a number by hand, with its comma and blanks */
#define WHOLE_MAX ((int64_t)1 << 53)
#define PERIOD_MAX_S 86400.0
#define AGE_MAX_S 1e10

struct reader {
	const char *text;
	size_t len;
	struct snapshot_members members;
	cJSON *root;			/* the members that cJSON parses */
	struct lm_err *err;
};

static int slice_at(const struct reader *r, const char *key, const struct snapshot_member *member)
{
	return lm_wrap(r->err, "%.100s (the value at line %ld)", key, snapshot_line(r->text, member->value));
}

/* Unknown members are only checked, so that what they hold costs no memory. */
static int read_member(struct reader *r, const char *key, const struct snapshot_member *member)
{
	static const char *const known[] = {"version", "epoch", "generation", "written", "period_s", "degraded_runs",
					    "nodes", "clients", "age_s", "seen", "load", "lost_s", "witnesses", "entry",
					    "entry_age_s"};
	cJSON *value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known) && !STREQ(known[i], key); i++)
		;
	if (i == ARRAY_SIZE(known))
		return json_check(member->value, member->len, JSON_DEPTH - 1, r->err) < 0 ? slice_at(r, key, member) : 0;
	if (member->len > SLICE_MAX_BYTES)
		return lm_fail(r->err, LM_DATA, "%s: %zu bytes are more than %zu", key, member->len, SLICE_MAX_BYTES);
	value = json_parse(member->value, member->len, JSON_DEPTH - 1, r->err);
	if (!value)
		return slice_at(r, key, member);
	cJSON_AddItemToObject(r->root, key, value);
	return 0;
}

/* The seven matrices, by name: which floats, their columns and range. */
static int matrix_of(struct snapshot *s, const char *key, struct snapshot_matrix *out, float ***cells)
{
	bool client = strncmp(key, "client_", 7) == 0;
	struct snapshot_links *links = client ? &s->client : &s->link;
	const char *what = client ? key + 7 : key;

	*out = (struct snapshot_matrix){key, s->nodes.count, client ? s->clients.count : s->nodes.count, REPORT_RTT_MAX_US, NULL};
	if (STREQ(key, "client_estimate_us")) {
		*cells = &s->client_estimate_us;
	} else if (STREQ(what, "rtt_us")) {
		*cells = &links->rtt_us;
	} else if (STREQ(what, "jitter_us")) {
		*cells = &links->jitter_us;
	} else if (STREQ(what, "loss")) {
		*cells = &links->loss;
		out->max = 1;
	} else {
		return 0;
	}
	return 1;
}

static const char *const matrix_names[] = {"rtt_us", "jitter_us", "loss", "client_rtt_us", "client_jitter_us", "client_loss",
					   "client_estimate_us"};

static int read_matrix(struct reader *r, struct snapshot *out, const char *key)
{
	const struct snapshot_member *member = snapshot_members_find(&r->members, key);
	struct snapshot_matrix matrix;
	size_t count;
	float **cells;

	matrix_of(out, key, &matrix, &cells);
	count = (size_t)matrix.rows * matrix.columns;
	if (member && member->len == 4 && memcmp(member->value, "null", 4) == 0)
		member = NULL;
	if (!member) {
		if (STREQ(key, "rtt_us"))
			return lm_fail(r->err, LM_DATA, "rtt_us: is missing");
		if (STREQ(key, "client_estimate_us"))
			return 0;
		*cells = snapshot_blank_cells(count);
		return 0;
	}
	*cells = matrix.cells = xmalloc(count * sizeof(float));
	return snapshot_rows_scan(r->text, member, &matrix, r->err);
}

static int read_text(const struct reader *r, const char *key, char *out, size_t size)
{
	const char *text;
	int found = json_may_string(r->root, key, &text, r->err);

	if (found <= 0)
		return found;
	if (strlen(text) >= size)
		return lm_fail(r->err, LM_DATA, "%s: longer than %zu characters", key, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int read_scalars(const struct reader *r, struct snapshot *out)
{
	const char *written;
	int64_t version;
	int found;

	if (json_want_i64(r->root, "version", 1, INT32_MAX, &version, r->err) < 0)
		return -1;
	if (version > SNAPSHOT_VERSION)
		return lm_fail(r->err, LM_DATA, "version: %lld is newer than this program (%d)", (long long)version, SNAPSHOT_VERSION);
	if (read_text(r, "epoch", out->epoch, sizeof(out->epoch)) < 0 ||
	    json_may_i64(r->root, "generation", 0, WHOLE_MAX, &out->generation, r->err) < 0 ||
	    json_may_number(r->root, "period_s", 1, PERIOD_MAX_S, &out->period_s, r->err) < 0 ||
	    json_may_i64(r->root, "degraded_runs", 0, WHOLE_MAX, &out->degraded_runs, r->err) < 0)
		return -1;
	found = json_may_string(r->root, "written", &written, r->err);
	if (found > 0 && clock_parse(written, &out->written_ms) < 0)
		return lm_fail(r->err, LM_DATA, "written: \"%.80s\" is not a time like 2026-11-21T21:00:00.000Z", written);
	return found < 0 ? -1 : 0;
}

static int read_names(const struct reader *r, const char *key, uint32_t max, struct names *out)
{
	const cJSON *list, *item;
	int found = json_may_array(r->root, key, &list, r->err);

	if (found <= 0)
		return found;
	cJSON_ArrayForEach(item, list) {
		if (out->count == max)
			return lm_fail(r->err, LM_DATA, "%s: more than %u", key, max);
		if (!cJSON_IsString(item) || !name_is_valid(item->valuestring))
			return lm_fail(r->err, LM_DATA, "%s[%u]: %s \"%.80s\" is not a valid name", key, out->count, json_kind(item),
				       cJSON_IsString(item) ? item->valuestring : "");
		if (names_add(out, item->valuestring) == NAMES_NONE)
			return lm_fail(r->err, LM_DATA, "%s[%u]: \"%s\" is listed twice", key, out->count, item->valuestring);
	}
	return 1;
}

static int read_age(const struct reader *r, const cJSON *item, uint32_t i, struct snapshot *out)
{
	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsNumber(item))
		return lm_fail(r->err, LM_DATA, "age_s[%u]: %s is not a number", i, json_kind(item));
	if (!(item->valuedouble >= 0 && item->valuedouble <= AGE_MAX_S))
		return lm_fail(r->err, LM_DATA, "age_s[%u]: %g is not in 0..%g", i, item->valuedouble, AGE_MAX_S);
	out->age_s[i] = item->valuedouble + 0.0;
	return 0;
}

static int read_seen(const struct reader *r, const cJSON *item, uint32_t i, struct snapshot *out)
{
	const cJSON *boot = item->child, *seq = boot ? boot->next : NULL;
	struct snapshot_seen *seen = &out->seen[i];

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsArray(item) || !cJSON_IsString(boot) || !cJSON_IsNumber(seq) || seq->next)
		return lm_fail(r->err, LM_DATA, "seen[%u]: is not [boot id, sequence number]", i);
	if (strlen(boot->valuestring) >= sizeof(seen->boot_id))
		return lm_fail(r->err, LM_DATA, "seen[%u]: the boot id is longer than %d characters", i, REPORT_BOOT_ID_MAX);
	if (!(seq->valuedouble >= 0 && seq->valuedouble <= (double)WHOLE_MAX) || seq->valuedouble != floor(seq->valuedouble))
		return lm_fail(r->err, LM_DATA, "seen[%u]: %g is no sequence number", i, seq->valuedouble);
	memcpy(seen->boot_id, boot->valuestring, strlen(boot->valuestring) + 1);
	seen->seq = (int64_t)seq->valuedouble;
	return 0;
}

static int read_load(const struct reader *r, const cJSON *item, uint32_t i, struct snapshot *out)
{
	struct snapshot_load *load = &out->load[i];

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsObject(item))
		return lm_fail(r->err, LM_DATA, "load[%u]: %s is not an object", i, json_kind(item));
	if (json_may_number(item, "cpu", 0, 1, &load->cpu, r->err) < 0 ||
	    json_may_number(item, "rx_bytes_per_s", 0, SNAPSHOT_RATE_MAX, &load->rx_bytes_per_s, r->err) < 0 ||
	    json_may_number(item, "tx_bytes_per_s", 0, SNAPSHOT_RATE_MAX, &load->tx_bytes_per_s, r->err) < 0)
		return lm_wrap(r->err, "load[%u]", i);
	return 0;
}

static int read_lost(const struct reader *r, const cJSON *item, uint32_t i, struct snapshot *out)
{
	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsNumber(item))
		return lm_fail(r->err, LM_DATA, "lost_s[%u]: %s is not a number", i, json_kind(item));
	if (!(item->valuedouble >= 0 && item->valuedouble <= AGE_MAX_S))
		return lm_fail(r->err, LM_DATA, "lost_s[%u]: %g is not in 0..%g", i, item->valuedouble, AGE_MAX_S);
	out->lost_s[i] = item->valuedouble + 0.0;
	return 0;
}

/* Nobody is a witness of itself. */
static int read_witnesses(const struct reader *r, const cJSON *item, uint32_t i, struct snapshot *out)
{
	double most = out->nodes.count - 1.0;

	if (!cJSON_IsNumber(item))
		return lm_fail(r->err, LM_DATA, "witnesses[%u]: %s is not a number", i, json_kind(item));
	if (!(item->valuedouble >= 0 && item->valuedouble <= most) || item->valuedouble != floor(item->valuedouble))
		return lm_fail(r->err, LM_DATA, "witnesses[%u]: %g is not a whole number in 0..%g", i, item->valuedouble, most);
	out->witnesses[i] = (uint32_t)item->valuedouble;
	return 0;
}

static int read_entry(const struct reader *r, struct snapshot *out)
{
	const cJSON *list, *item;
	int found = json_may_object(r->root, "entry", &list, r->err);

	if (found < 0 || json_may_number(r->root, "entry_age_s", 0, AGE_MAX_S, &out->entry.age_s, r->err) < 0)
		return -1;
	if (!found)
		return 0;
	cJSON_ArrayForEach(item, list) {
		if (out->entry.nodes.count == SNAPSHOT_MAX_NODES)
			return lm_fail(r->err, LM_DATA, "entry: more than %d", SNAPSHOT_MAX_NODES);
		if (!name_is_valid(item->string))
			return lm_fail(r->err, LM_DATA, "entry: \"%.80s\" is not a valid name", item->string);
		if (!cJSON_IsNumber(item))
			return lm_fail(r->err, LM_DATA, "entry: %s: %s is not a number", item->string, json_kind(item));
		if (!(item->valuedouble >= 0 && item->valuedouble <= SNAPSHOT_RATE_MAX))
			return lm_fail(r->err, LM_DATA, "entry: %s: %g is not in 0..%g", item->string, item->valuedouble, SNAPSHOT_RATE_MAX);
		snapshot_entry_add(&out->entry, item->string, item->valuedouble + 0.0);
	}
	return 0;
}

/* One list with an item a node; a missing list leaves everything unknown. */
static int read_by_node(const struct reader *r, const char *key, struct snapshot *out,
			int (*read)(const struct reader *, const cJSON *, uint32_t, struct snapshot *))
{
	const cJSON *list, *item;
	int found = json_may_array(r->root, key, &list, r->err);
	uint32_t i = 0;

	if (found <= 0)
		return found;
	cJSON_ArrayForEach(item, list) {
		if (i < out->nodes.count && read(r, item, i, out) < 0)
			return -1;
		i++;
	}
	if (i != out->nodes.count)
		return lm_fail(r->err, LM_DATA, "%s: has %u items for %u nodes", key, i, out->nodes.count);
	return 0;
}

size_t snapshot_max_bytes(uint32_t nodes, uint32_t clients)
{
	return ((size_t)3 << 20) + (size_t)1024 * nodes + (size_t)CELL_MAX_BYTES * nodes * (3 * (size_t)nodes + 4 * (size_t)clients);
}

/* Before anything is allocated by it. */
static int check_size(const struct reader *r, const struct snapshot *s)
{
	size_t limit = snapshot_max_bytes(s->nodes.count, s->clients.count);

	if (r->len <= limit)
		return 0;
	return lm_fail(r->err, LM_DATA, "%zu bytes are more than %zu, the limit for %u nodes and %u clients", r->len, limit,
		       s->nodes.count, s->clients.count);
}

static int read_ours(struct reader *r, struct snapshot *out)
{
	int found;
	size_t i;

	if (read_scalars(r, out) < 0)
		return -1;
	found = read_names(r, "nodes", SNAPSHOT_MAX_NODES, &out->nodes);
	if (found == 0)
		return lm_fail(r->err, LM_DATA, "nodes: is missing");
	if (found < 0 || read_names(r, "clients", SNAPSHOT_MAX_CLIENTS, &out->clients) < 0 || check_size(r, out) < 0)
		return -1;
	snapshot_blank_nodes(out);
	if (read_by_node(r, "age_s", out, read_age) < 0 || read_by_node(r, "seen", out, read_seen) < 0 ||
	    read_by_node(r, "load", out, read_load) < 0 || read_by_node(r, "lost_s", out, read_lost) < 0 ||
	    read_by_node(r, "witnesses", out, read_witnesses) < 0 || read_entry(r, out) < 0)
		return -1;
	for (i = 0; i < ARRAY_SIZE(matrix_names); i++)
		if (read_matrix(r, out, matrix_names[i]) < 0)
			return -1;
	snapshot_zero_diagonal(out);
	return 0;
}

static bool is_ours(const struct reader *r)
{
	const struct snapshot_member *version = snapshot_members_find(&r->members, "version");

	return version && version->len && (*version->value == '-' || (*version->value >= '0' && *version->value <= '9'));
}

static int read_members(struct reader *r)
{
	struct snapshot_matrix unused;
	struct snapshot none = {0};
	float **cells;
	uint32_t i;

	for (i = 0; i < r->members.keys.count; i++) {
		const char *key = r->members.keys.items[i];

		if (!matrix_of(&none, key, &unused, &cells) && read_member(r, key, &r->members.items[i]) < 0)
			return -1;
	}
	return 0;
}

static int read_plain(struct reader *r, struct snapshot *out)
{
	out->is_plain = true;
	return snapshot_plain_read(r->text, &r->members, out, r->err);
}

int snapshot_parse(const char *text, size_t len, struct snapshot *out, struct lm_err *err)
{
	struct reader r = {.text = text, .len = len, .err = err};
	int failed;

	snapshot_blank(out);
	if (len > SNAPSHOT_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %zu", len, SNAPSHOT_MAX_BYTES);
	if (snapshot_members_scan(text, len, &r.members, err) < 0)
		return -1;
	if (is_ours(&r)) {
		r.root = cJSON_CreateObject();
		failed = read_members(&r) < 0 || read_ours(&r, out) < 0;
	} else {
		failed = read_plain(&r, out) < 0;
	}
	cJSON_Delete(r.root);
	snapshot_members_free(&r.members);
	if (failed)
		snapshot_free(out);
	return failed ? -1 : 0;
}

/* As the full reader would, but other members are not looked at. */
static int peek(struct reader *r, struct snapshot *head)
{
	static const char *const wanted[] = {"version", "epoch", "generation"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct snapshot_member *member = snapshot_members_find(&r->members, wanted[i]);

		if (member && read_member(r, wanted[i], member) < 0)
			return -1;
	}
	return read_scalars(r, head);
}

int snapshot_peek(const char *text, size_t len, char epoch[SNAPSHOT_EPOCH_MAX + 1], int64_t *generation, struct lm_err *err)
{
	struct reader r = {.text = text, .len = len, .err = err};
	struct snapshot head;
	int failed = 0;

	snapshot_blank(&head);
	if (snapshot_members_scan(text, len, &r.members, err) < 0)
		return -1;
	if (is_ours(&r)) {
		r.root = cJSON_CreateObject();
		failed = peek(&r, &head);
	}
	cJSON_Delete(r.root);
	snapshot_members_free(&r.members);
	if (failed < 0)
		return -1;
	if (epoch)
		memcpy(epoch, head.epoch, sizeof(head.epoch));
	*generation = head.generation;
	return 0;
}
