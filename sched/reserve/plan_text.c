#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "sched/reserve/plan.h"
#include "sched/reserve/words.h"

#define PLAN_DEPTH 5
#define TEXT_MOST 320			/* names of resources (253 + 1 + 63 bytes), addresses, protocols */

/* --- out ------------------------------------------------------------------------------------------------------------------ */

static void print_covers(const struct covers *c, struct buf *out)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		buf_printf(out, "%s{\"pod\":\"%s/%s\",\"uid\":\"%s\",\"owner\":\"%s\",\"node\":\"%s\",\"refuge\":\"%s\"}", i ? ",\n" : "",
			   c->items[i].namespace_, c->items[i].name, c->items[i].uid, c->items[i].owner_uid, c->items[i].node, c->items[i].refuge);
}

static void print_uncovered(const struct plan *p, struct buf *out)
{
	size_t i;

	for (i = 0; i < p->uncovered_count; i++) {
		const struct uncovered *u = &p->uncovered[i];

		buf_printf(out, "%s{\"pod\":\"%s/%s\",\"uid\":\"%s\",\"node\":\"%s\",\"reason\":", i ? ",\n" : "", u->namespace_, u->name, u->uid, u->node);
		buf_json_string(out, u->reason);
		buf_char(out, '}');
	}
}

/* Amounts are text: a number of JSON is exact up to 2^53 alone. */
static void print_room(const struct plan_room *r, struct buf *out)
{
	uint32_t i;

	buf_printf(out, "{\"node\":\"%s\",\"cpu_milli\":\"%" PRId64 "\",\"memory_bytes\":\"%" PRId64 "\",\"ephemeral_bytes\":\"%" PRId64 "\",\"pods\":%u",
		   r->node, r->need.cpu_milli, r->need.memory_bytes, r->need.ephemeral_bytes, r->pods);
	buf_printf(out, ",\"for_failure\":\"%s\",\"scalars\":[", r->for_failure);
	for (i = 0; i < r->need.scalar_count; i++) {
		buf_str(out, i ? ",{\"name\":" : "{\"name\":");
		buf_json_string(out, r->need.scalars[i].name);
		buf_printf(out, ",\"amount\":\"%" PRId64 "\"}", r->need.scalars[i].amount);
	}
	buf_str(out, "],\"ports\":[");
	for (i = 0; i < r->port_count; i++) {
		buf_str(out, i ? ",{\"ip\":" : "{\"ip\":");
		buf_json_string(out, r->ports[i].ip);
		buf_str(out, ",\"protocol\":");
		buf_json_string(out, r->ports[i].protocol);
		buf_printf(out, ",\"port\":%d}", r->ports[i].port);
	}
	buf_str(out, "]}");
}

void plan_print(const struct plan *p, struct buf *out)
{
	size_t i;

	buf_printf(out, "{\"overhead\":%.17g,\"overhead_cpu\":%.17g,\"overhead_memory\":%.17g,\n\"covers\":[", p->overhead, p->overhead_cpu,
		   p->overhead_memory);
	print_covers(&p->covers, out);
	buf_str(out, "],\n\"uncovered\":[");
	print_uncovered(p, out);
	buf_str(out, "],\n\"rooms\":[");
	for (i = 0; i < p->room_count; i++) {
		buf_str(out, i ? ",\n" : "");
		print_room(&p->rooms[i], out);
	}
	buf_str(out, "]}\n");
}

/* --- back ----------------------------------------------------------------------------------------------------------------- */

static int want_text(const cJSON *object, const char *key, size_t least, size_t most, char **out, struct lm_err *err)
{
	const char *text;

	if (json_want_string(object, key, &text, err) < 0)
		return -1;
	if (strlen(text) < least || strlen(text) > most)
		return lm_fail(err, LM_DATA, "%s: %zu bytes", key, strlen(text));
	*out = xstrdup(text);
	return 0;
}

static int want_word(const cJSON *object, const char *key, size_t most, char **out, struct lm_err *err)
{
	const char *word;

	if (word_want(object, key, most, &word, err) < 0)
		return -1;
	*out = xstrdup(word);
	return 0;
}

static int want_amount(const cJSON *object, const char *key, int64_t *out, struct lm_err *err)
{
	const char *text;
	char *end;

	if (json_want_string(object, key, &text, err) < 0)
		return -1;
	errno = 0;
	*out = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		return lm_fail(err, LM_DATA, "%s: \"%.40s\" is no amount", key, text);
	return 0;
}

static int parse_cover(const cJSON *item, struct plan *p, struct lm_err *err)
{
	auto_free char *namespace_ = NULL, *name = NULL, *uid = NULL, *owner = NULL, *node = NULL, *refuge = NULL;

	if (word_want_pod(item, "pod", &namespace_, &name, err) < 0 || want_word(item, "uid", UID_MOST, &uid, err) < 0 ||
	    want_word(item, "owner", UID_MOST, &owner, err) < 0 || want_word(item, "node", NODE_MOST, &node, err) < 0 ||
	    want_word(item, "refuge", NODE_MOST, &refuge, err) < 0)
		return -1;
	if (p->covers.count && strcmp(p->covers.items[p->covers.count - 1].uid, uid) >= 0)
		return lm_fail(err, LM_DATA, "uid %s is not after the one before it", uid);
	covers_add(&p->covers, &(struct cover){uid, namespace_, name, owner, node, refuge});
	return 0;
}

static int parse_uncovered(const cJSON *item, struct plan *p, struct lm_err *err)
{
	struct uncovered *u = &p->uncovered[p->uncovered_count++];	/* what is half there is freed with the plan */

	if (word_want_pod(item, "pod", &u->namespace_, &u->name, err) < 0 || want_word(item, "uid", UID_MOST, &u->uid, err) < 0 ||
	    want_word(item, "node", NODE_MOST, &u->node, err) < 0)
		return -1;
	return want_text(item, "reason", 1, SIZE_MAX, &u->reason, err);
}

static int parse_scalars(const cJSON *list, struct resources *out, struct lm_err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list) {
		auto_free char *name = NULL;
		int64_t amount;

		if (want_text(item, "name", 1, TEXT_MOST, &name, err) < 0 || want_amount(item, "amount", &amount, err) < 0)
			return -1;
		if (out->scalar_count && strcmp(out->scalars[out->scalar_count - 1].name, name) >= 0)
			return lm_fail(err, LM_DATA, "%s is not after the one before it", name);
		resources_set_scalar(out, name, amount);
	}
	return 0;
}

static int parse_ports(const cJSON *list, struct plan_room *room, struct lm_err *err)
{
	const cJSON *item;

	room->ports = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*room->ports));
	cJSON_ArrayForEach(item, list) {
		struct host_port *port = &room->ports[room->port_count++];
		int64_t number;

		if (want_text(item, "ip", 0, TEXT_MOST, &port->ip, err) < 0 || want_text(item, "protocol", 1, TEXT_MOST, &port->protocol, err) < 0 ||
		    json_want_i64(item, "port", 1, 65535, &number, err) < 0)
			return -1;
		port->port = (int32_t)number;
	}
	return 0;
}

static int parse_room(const cJSON *item, struct plan *p, struct lm_err *err)
{
	struct plan_room *room = &p->rooms[p->room_count++];
	const cJSON *scalars, *ports;
	int64_t pods;

	if (want_word(item, "node", NODE_MOST, &room->node, err) < 0 || want_word(item, "for_failure", NODE_MOST, &room->for_failure, err) < 0 ||
	    want_amount(item, "cpu_milli", &room->need.cpu_milli, err) < 0 ||
	    want_amount(item, "memory_bytes", &room->need.memory_bytes, err) < 0 ||
	    want_amount(item, "ephemeral_bytes", &room->need.ephemeral_bytes, err) < 0 || json_want_i64(item, "pods", 1, UINT32_MAX, &pods, err) < 0 ||
	    json_want_array(item, "scalars", &scalars, err) < 0 || json_want_array(item, "ports", &ports, err) < 0)
		return -1;
	room->pods = (uint32_t)pods;
	if (parse_scalars(scalars, &room->need, err) < 0 || parse_ports(ports, room, err) < 0)
		return -1;
	if (p->room_count > 1 && strcmp(room[-1].node, room->node) >= 0)
		return lm_fail(err, LM_DATA, "node %s is not after the one before it", room->node);
	return 0;
}

static int parse_each(const cJSON *root, const char *key, int (*parse)(const cJSON *item, struct plan *p, struct lm_err *err), struct plan *p,
		      struct lm_err *err)
{
	const cJSON *list = json_get(root, key), *item;
	size_t i = 0;

	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsObject(item))
			return lm_fail(err, LM_DATA, "%s[%zu]: %s, not an object", key, i, json_kind(item));
		if (parse(item, p, err) < 0)
			return lm_wrap(err, "%s[%zu]", key, i);
		i++;
	}
	return 0;
}

static int parse(const cJSON *root, struct plan *p, struct lm_err *err)
{
	const cJSON *covers, *uncovered, *rooms;

	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s, not an object", json_kind(root));
	if (json_want_number(root, "overhead", 0, HUGE_VAL, &p->overhead, err) < 0 ||
	    json_want_number(root, "overhead_cpu", 0, HUGE_VAL, &p->overhead_cpu, err) < 0 ||
	    json_want_number(root, "overhead_memory", 0, HUGE_VAL, &p->overhead_memory, err) < 0 ||
	    json_want_array(root, "covers", &covers, err) < 0 || json_want_array(root, "uncovered", &uncovered, err) < 0 ||
	    json_want_array(root, "rooms", &rooms, err) < 0)
		return -1;
	p->uncovered = xcalloc((size_t)cJSON_GetArraySize(uncovered) + 1, sizeof(*p->uncovered));
	p->rooms = xcalloc((size_t)cJSON_GetArraySize(rooms) + 1, sizeof(*p->rooms));
	if (parse_each(root, "covers", parse_cover, p, err) < 0 || parse_each(root, "uncovered", parse_uncovered, p, err) < 0 ||
	    parse_each(root, "rooms", parse_room, p, err) < 0)
		return -1;
	return 0;
}

int plan_parse(const char *text, size_t len, struct plan *out, struct lm_err *err)
{
	auto_plan struct plan p = {0};
	auto_json cJSON *root = NULL;

	*out = (struct plan){0};
	if (len > PLAN_MAX_BYTES)
		return lm_fail(err, LM_DATA, "%zu bytes are more than %d", len, PLAN_MAX_BYTES);
	root = json_parse(text, len, PLAN_DEPTH, err);
	if (!root || parse(root, &p, err) < 0)
		return -1;
	*out = p;
	p = (struct plan){0};
	return 0;
}
