#include "sched/extender/wire.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/json_plain.h"
#include "lib/mem.h"
#include "lib/names.h"
#include "sched/extender/scan.h"

#define RESTS 4			/* as many as are asked about at a time, about */
#define REST_MAX_BYTES 65536	/* more is not remembered */
#define VALUES_MAX 1500000	/* of a body: a tree of 120 MB. 16 MiB of whole nodes, 1,238 of them, have 620,000 */

/* What no decision reads of a pod: half of it. The archive leaves the same out (archive.c), and is tested to decide alike. */
static const char *const pod_unread[] = {
	"env", "envFrom", "command", "args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "volumeMounts", "volumeDevices",
	"managedFields", NULL,
};

/* --- members --------------------------------------------------------------------------------------------------------- */

int wire_member(const cJSON *object, const char *key, const cJSON **out, struct lm_err *err)
{
	const cJSON *item;

	*out = NULL;
	cJSON_ArrayForEach(item, object) {
		if (strcasecmp(item->string, key) != 0)
			continue;
		if (*out)
			return lm_fail(err, LM_DATA, "%s is there twice, as `%.40s` and `%.40s`", key, (*out)->string, item->string);
		*out = item;
	}
	if (*out && cJSON_IsNull(*out))
		*out = NULL;
	return 0;
}

static int want(const cJSON *value, bool is_it, const char *key, const char *kind, struct lm_err *err)
{
	return !value || is_it ? 0 : lm_fail(err, LM_DATA, "%s: %s is wanted, not %s", key, kind, json_kind(value));
}

static int check_name(const char *name, uint32_t i, const char *list, struct lm_err *err)
{
	if (!name || !*name)
		return lm_fail(err, LM_DATA, "%s[%u]: a node's name is wanted", list, i);
	if (strlen(name) > WIRE_NAME_MAX)
		return lm_fail(err, LM_DATA, "%s[%u]: a node's name has at most %d bytes", list, i, WIRE_NAME_MAX);
	return 0;
}

static const char *name_of(const cJSON *item, bool whole)
{
	return cJSON_GetStringValue(whole ? json_get(json_get(item, "metadata"), "name") : item);
}

/* --- the bytes of a value: the text has passed the strict parser ------------------------------------------------------- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* `at` is its opening quote. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

static const char *skip_value(const char *at)
{
	int depth = 0;

	if (*at == '"')
		return skip_string(at);
	if (*at != '{' && *at != '[')
		return at + strcspn(at, ",]} \t\r\n");
	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		at++;
	} while (depth);
	return at;
}

static const char *skip_key(const char *at)
{
	return *at == '"' ? skip_blanks(skip_blanks(skip_string(at)) + 1) : at;
}

/* From the opening bracket of the parent to a child, by its place: keys may be written with escapes. */
static const char *child_at(const char *parent, bool is_object, const cJSON *tree, const cJSON *child)
{
	const char *at = skip_blanks(parent + 1);
	const cJSON *item = tree->child;

	for (at = is_object ? skip_key(at) : at; item != child; item = item->next) {
		at = skip_blanks(skip_blanks(skip_value(at)) + 1);
		at = is_object ? skip_key(at) : at;
	}
	return at;
}

static void find_raw(struct wire_request *r, const char *items)
{
	const char *at = skip_blanks(items + 1), *end;
	uint32_t i;

	for (i = 0; i < r->count; i++, at = skip_blanks(skip_blanks(end) + 1)) {
		end = skip_value(at);
		r->nodes[i].raw = at;
		r->nodes[i].raw_len = (size_t)(end - at);
	}
}

/* --- the nodes ------------------------------------------------------------------------------------------------------- */

static int fill_nodes(const cJSON *list, struct wire_request *r, struct names *seen, struct lm_err *err)
{
	const char *called = r->whole ? "Nodes.items" : "NodeNames";
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		const char *name = name_of(item, r->whole);

		if (check_name(name, r->count, called, err) < 0)
			return -1;
		if (names_add(seen, name) == NAMES_NONE)
			return lm_fail(err, LM_DATA, "%s[%u]: \"%s\" is there twice", called, r->count, name);
		r->nodes[r->count++] = (struct wire_node){.name = name, .object = r->whole ? item : NULL};
	}
	return 0;
}

static int read_list(const cJSON *list, struct wire_request *r, struct lm_err *err)
{
	int length = cJSON_GetArraySize(list), code;
	struct names seen = {0};

	if (length > WIRE_NODES_MAX)
		return lm_fail(err, LM_DATA, "%d nodes, more than %d", length, WIRE_NODES_MAX);
	r->nodes = xcalloc((size_t)length + 1, sizeof(*r->nodes));
	code = fill_nodes(list, r, &seen, err);
	names_free(&seen);
	return code;
}

static int read_nodes(const cJSON *args, const char *text, struct wire_request *r, struct lm_err *err)
{
	const cJSON *names, *nodes, *items = NULL;

	if (wire_member(args, "NodeNames", &names, err) < 0 || want(names, cJSON_IsArray(names), "NodeNames", "an array", err) < 0 ||
	    wire_member(args, "Nodes", &nodes, err) < 0 || want(nodes, cJSON_IsObject(nodes), "Nodes", "an object", err) < 0 ||
	    wire_member(nodes, "items", &items, err) < 0 || want(items, cJSON_IsArray(items), "Nodes.items", "an array", err) < 0)
		return -1;
	if (!names && !nodes)
		return lm_fail(err, LM_DATA, "neither NodeNames nor Nodes: there is nothing to choose from");
	r->whole = !names;
	if (read_list(names ? names : items, r, err) < 0)
		return -1;
	if (r->whole && r->count)
		find_raw(r, child_at(child_at(skip_blanks(text), true, args, nodes), true, nodes, items));
	return 0;
}

/* --- the request ----------------------------------------------------------------------------------------------------- */

static int read_pod(const cJSON *args, struct wire_request *r, struct lm_err *err)
{
	const cJSON *pod;

	if (wire_member(args, "Pod", &pod, err) < 0 || want(pod, cJSON_IsObject(pod), "Pod", "an object", err) < 0)
		return -1;
	if (!pod)
		return lm_fail(err, LM_DATA, "Pod is missing");
	r->pod = r->own_pod = pod_parse_asking(pod, err);
	return r->pod ? 0 : lm_wrap(err, "Pod");
}

static int read_args(const cJSON *args, const char *text, struct wire_request *r, struct lm_err *err)
{
	if (!cJSON_IsObject(args))
		return lm_fail(err, LM_DATA, "an object is wanted, not %s", json_kind(args));
	return read_pod(args, r, err) < 0 || read_nodes(args, text, r, err) < 0 ? -1 : 0;
}

/* Any request, and the reason why it is none. */
static int parse_whole(const char *text, size_t len, struct wire_request *out, struct lm_err *err)
{
	*out = (struct wire_request){0};
	out->tree = json_parse_api(text, len, VALUES_MAX, err);
	if (out->tree && read_args(out->tree, text, out, err) == 0)
		return 0;
	wire_free(out);
	return -1;
}

/* --- the request without its names --------------------------------------------------------------------------------------- */

/* What a request is beside its list, by its bytes, and the pod that was read from them. */
struct wire_rest {
	int shares;			/* under rests_lock */
	struct buf text;
	struct pod *pod;
};

static pthread_mutex_t rests_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire_rest *rests[RESTS];
static unsigned next_rest;

static bool is_last_share(struct wire_rest *rest)
{
	bool last;

	pthread_mutex_lock(&rests_lock);
	last = --rest->shares == 0;
	pthread_mutex_unlock(&rests_lock);
	return last;
}

static void release_rest(struct wire_rest *rest)
{
	if (!rest || !is_last_share(rest))
		return;
	pod_free(rest->pod);
	buf_free(&rest->text);
	free(rest);
}

/* A share of it; NULL: these bytes are new. */
static struct wire_rest *find_rest(const struct buf *text)
{
	struct wire_rest *found = NULL;
	unsigned i;

	pthread_mutex_lock(&rests_lock);
	for (i = 0; i < RESTS && !found; i++)
		if (rests[i] && rests[i]->text.len == text->len && memcmp(rests[i]->text.data, text->data, text->len) == 0)
			found = rests[i];
	if (found)
		found->shares++;
	pthread_mutex_unlock(&rests_lock);
	return found;
}

/* Takes both; the caller's share, and that of the list. *oldest had to leave the list: its share is the caller's. */
static struct wire_rest *add_rest(struct buf *text, struct pod *pod, struct wire_rest **oldest)
{
	struct wire_rest *rest = xcalloc(1, sizeof(*rest));

	*rest = (struct wire_rest){.shares = 2, .text = *text, .pod = pod};
	*text = (struct buf){0};
	pthread_mutex_lock(&rests_lock);
	*oldest = rests[next_rest];
	rests[next_rest] = rest;
	next_rest = (next_rest + 1) % RESTS;
	pthread_mutex_unlock(&rests_lock);
	return rest;
}

/* As Go writes it. False: *out is {0}, and nothing was said. */
static bool parse_plain(const char *text, size_t len, struct wire_request *out)
{
	struct json_plain plain;
	struct lm_err unsaid;
	bool good;

	*out = (struct wire_request){0};
	if (!json_plain_parse(text, len, pod_unread, &plain))
		return false;
	good = read_args(plain.root, text, out, &unsaid) == 0;
	json_plain_free(&plain);
	if (!good)
		wire_free(out);
	return good;
}

/* NULL: it is no request, or none of names. */
static struct wire_rest *read_rest(struct buf *text, struct wire_rest **oldest)
{
	struct wire_rest *rest = text->len <= REST_MAX_BYTES ? find_rest(text) : NULL;
	struct wire_request r;
	struct lm_err unsaid;

	if (rest || (!parse_plain(text->data, text->len, &r) && parse_whole(text->data, text->len, &r, &unsaid) < 0))
		return rest;
	if (text->len > REST_MAX_BYTES)
		buf_free(text);		/* found by nobody */
	rest = add_rest(text, steal(&r.own_pod), oldest);
	wire_free(&r);
	return rest;
}

/* The names by the scanner, the rest as ever. False: *out is {0}, and parse_whole has the word. */
static bool parse_scanned(const char *text, size_t len, struct wire_request *out)
{
	auto_buf struct buf rest = {0};
	struct scan scan;
	size_t before;

	*out = (struct wire_request){0};
	if (!scan_names(text, len, &scan))
		return false;
	before = (size_t)(scan.list - text);
	buf_add(&rest, text, before);
	buf_add(&rest, "[]", 2);
	buf_add(&rest, scan.list + scan.list_len, len - before - scan.list_len);
	out->rest = read_rest(&rest, &out->oldest_rest);
	if (!out->rest) {
		scan_free(&scan);
		return false;
	}
	out->pod = out->rest->pod;
	out->nodes = scan.nodes;
	out->names = scan.names;
	out->count = scan.count;
	return true;
}

int wire_parse(const char *text, size_t len, struct wire_request *out, struct lm_err *err)
{
	if (parse_scanned(text, len, out))
		return 0;
	if (!len)
		return lm_fail(err, LM_DATA, "the body is empty: ExtenderArgs of a kube-scheduler are wanted");
	return parse_whole(text, len, out, err);
}

void wire_free(struct wire_request *r)
{
	pod_free(r->own_pod);
	release_rest(r->rest);
	release_rest(r->oldest_rest);
	free(r->nodes);
	free(r->names);
	cJSON_Delete(r->tree);
	*r = (struct wire_request){0};
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

struct wire_answer wire_answer_of(uint32_t count)
{
	struct wire_answer a = {.count = count, .neutral = true, .nodes = xcalloc((size_t)count + 1, sizeof(*a.nodes))};
	uint32_t i;

	for (i = 0; i < count; i++)
		a.nodes[i].score = WIRE_SCORE_NEUTRAL;
	return a;
}

void wire_answer_free(struct wire_answer *a)
{
	size_t i;

	for (i = 0; i < a->reason_count; i++)
		free(a->reasons[i]);
	free(a->reasons);
	free(a->nodes);
	free(a->error);
	*a = (struct wire_answer){0};
}

const char *wire_reason(struct wire_answer *a, const char *text)
{
	size_t i;

	for (i = a->reason_count; i-- > 0;)	/* neighbours mostly have the same */
		if (STREQ(a->reasons[i], text))
			return a->reasons[i];
	grow(&a->reasons, &a->reason_room, a->reason_count + 1, sizeof(*a->reasons));
	return a->reasons[a->reason_count++] = xstrdup(text);
}

static void print_name(const struct wire_request *r, uint32_t i, struct buf *out)
{
	const struct wire_node *node = &r->nodes[i];

	if (node->raw && !r->whole)
		buf_add(out, node->raw, node->raw_len);
	else
		buf_json_string(out, node->name);
}

/* From node i on: how many stand in the text one behind the other, with a comma between, and go back so. */
static uint32_t run_of(const struct wire_request *r, const struct wire_answer *a, uint32_t i)
{
	const struct wire_node *node = &r->nodes[i];
	uint32_t n = 1;

	if (!node->raw)
		return 1;
	for (; i + n < r->count && a->nodes[i + n].verdict == WIRE_PASSED; n++, node++)
		if (node[1].raw != node->raw + node->raw_len + 1)
			break;
	return n;
}

static void print_passed(const struct wire_request *r, const struct wire_answer *a, struct buf *out)
{
	const char *separator = "";
	uint32_t i, n;

	for (i = 0; i < r->count; i += n) {
		const struct wire_node *first = &r->nodes[i], *last;

		n = 1;
		if (a->nodes[i].verdict != WIRE_PASSED)
			continue;
		n = run_of(r, a, i);
		last = &r->nodes[i + n - 1];
		buf_str(out, separator);
		separator = ",";
		if (first->raw)
			buf_add(out, first->raw, (size_t)(last->raw - first->raw) + last->raw_len);
		else
			print_name(r, i, out);
	}
}

static void print_failed(const struct wire_request *r, const struct wire_answer *a, enum wire_verdict which, struct buf *out)
{
	const char *separator = "";
	uint32_t i;

	for (i = 0; i < r->count; i++) {
		if (a->nodes[i].verdict != which)
			continue;
		buf_str(out, separator);
		separator = ",";
		print_name(r, i, out);
		buf_char(out, ':');
		buf_json_string(out, a->nodes[i].reason ? a->nodes[i].reason : "");
	}
}

void wire_print_filter(const struct wire_request *r, const struct wire_answer *a, struct buf *out)
{
	if (a->error) {
		buf_str(out, "{\"Nodes\":null,\"NodeNames\":null,\"FailedNodes\":{},\"FailedAndUnresolvableNodes\":{},\"Error\":");
		buf_json_string(out, a->error);
		buf_str(out, "}\n");
		return;
	}
	buf_str(out, r->whole ? "{\"Nodes\":{\"metadata\":{},\"items\":[" : "{\"Nodes\":null,\"NodeNames\":[");
	print_passed(r, a, out);
	buf_str(out, r->whole ? "]},\"NodeNames\":null,\"FailedNodes\":{" : "],\"FailedNodes\":{");
	print_failed(r, a, WIRE_FAILED, out);
	buf_str(out, "},\"FailedAndUnresolvableNodes\":{");
	print_failed(r, a, WIRE_UNRESOLVABLE, out);
	buf_str(out, "},\"Error\":\"\"}\n");
}

static int clamped(int score)
{
	return score < 0 ? 0 : score > WIRE_SCORE_MAX ? WIRE_SCORE_MAX : score;
}

void wire_print_priorities(const struct wire_request *r, const struct wire_answer *a, struct buf *out)
{
	static const char scores[WIRE_SCORE_MAX + 1][16] = {",\"Score\":0}", ",\"Score\":1}", ",\"Score\":2}", ",\"Score\":3}", ",\"Score\":4}", ",\"Score\":5}",
							    ",\"Score\":6}", ",\"Score\":7}", ",\"Score\":8}", ",\"Score\":9}", ",\"Score\":10}"};
	uint32_t i;

	buf_char(out, '[');
	for (i = 0; i < r->count; i++) {
		int score = clamped(a->nodes[i].score);

		buf_add(out, &",{\"Host\":"[!i], i ? 9 : 8);
		print_name(r, i, out);
		buf_add(out, scores[score], score < 10 ? 11 : 12);
	}
	buf_str(out, "]\n");
}
