#include "lib/report.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/names.h"

#define INTERVAL_MAX_S 3600.0
#define RATE_MAX 1e13			/* bytes a second: beyond any interface */
#define COUNT_MAX 1e9
#define SEQ_MAX 9007199254740992.0	/* 2^53 */

/* Where a value stands, for messages: `peers.edge-2.loss`. */
struct place {
	const char *section, *name, *key;
};

static int bad_kind(const struct place *at, const cJSON *value, const char *wanted, struct lm_err *err)
{
	return lm_fail(err, LM_DATA, "%s.%s.%s: %s is not %s", at->section, at->name, at->key, json_kind(value), wanted);
}

static int number_in(const struct place *at, const cJSON *value, double max, double *out, struct lm_err *err)
{
	if (!cJSON_IsNumber(value))
		return bad_kind(at, value, "a number", err);
	if (!(value->valuedouble >= 0 && value->valuedouble <= max))
		return lm_fail(err, LM_DATA, "%s.%s.%s: %g is not in 0..%g", at->section, at->name, at->key, value->valuedouble, max);
	*out = value->valuedouble + 0.0; /* -0 becomes 0 */
	return 0;
}

static int number_or_null(const struct place *at, const cJSON *value, double max, double *out, struct lm_err *err)
{
	if (cJSON_IsNull(value)) {
		*out = NAN;
		return 0;
	}
	return number_in(at, value, max, out, err);
}

static int count_in(const struct place *at, const cJSON *value, int64_t *out, struct lm_err *err)
{
	double number;

	if (number_in(at, value, COUNT_MAX, &number, err) < 0)
		return -1;
	if (number != floor(number))
		return lm_fail(err, LM_DATA, "%s.%s.%s: %g is not a whole number", at->section, at->name, at->key, number);
	*out = (int64_t)number;
	return 0;
}

static int address_in(const struct place *at, const cJSON *value, char **out, struct lm_err *err)
{
	const char *text = value->valuestring;
	size_t len = 0;

	if (!cJSON_IsString(value))
		return bad_kind(at, value, "a string", err);
	while ((text[len] >= '.' && text[len] <= ':' && text[len] != '/') || ((text[len] | 0x20) >= 'a' && (text[len] | 0x20) <= 'f'))
		len++;
	if (text[len] == '%') /* the zone of a link-local address: an interface's name */
		len += strspn(text + len, "%0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.@");
	if (text[len] || len > 63)
		return lm_fail(err, LM_DATA, "%s.%s.%s: \"%.80s\" is no numeric address", at->section, at->name, at->key, text);
	free(*out);
	*out = xstrndup(text, len);
	return 0;
}

enum { HAS_RTT = 1, HAS_LOSS = 2 };

/* Which member a key is; a link has nine and a cluster a million of them, so that each is looked at once. Adds to *has. */
static int parse_field(struct place *at, const cJSON *value, struct report_link *link, int *has, struct lm_err *err)
{
	const char *key = at->key;

	switch (key[0]) {
	case 'a':
		return STREQ(key, "addr") ? address_in(at, value, &link->addr, err) : 0;
	case 'r':
		if (STREQ(key, "received"))
			return count_in(at, value, &link->received, err);
		if (!STREQ(key, "rtt_us"))
			return 0;
		*has |= HAS_RTT;
		return number_or_null(at, value, REPORT_RTT_MAX_US, &link->rtt_us, err);
	case 'm':
		return STREQ(key, "min_us") ? number_or_null(at, value, REPORT_RTT_MAX_US, &link->min_us, err) : 0;
	case 'p':
		return STREQ(key, "p95_us") ? number_or_null(at, value, REPORT_RTT_MAX_US, &link->p95_us, err) : 0;
	case 'j':
		return STREQ(key, "jitter_us") ? number_or_null(at, value, REPORT_RTT_MAX_US, &link->jitter_us, err) : 0;
	case 'l':
		if (!STREQ(key, "loss"))
			return 0;
		*has |= HAS_LOSS;
		return number_or_null(at, value, 1, &link->loss, err);
	case 's':
		if (STREQ(key, "silent_s"))
			return number_or_null(at, value, REPORT_SILENT_MAX_S, &link->silent_s, err);
		return STREQ(key, "sent") ? count_in(at, value, &link->sent, err) : 0;
	default:
		return 0;
	}
}

static int parse_link(const char *section, const cJSON *object, struct report_link *link, struct lm_err *err)
{
	struct place at = {section, link->name, NULL};
	const cJSON *value;
	int has = 0;

	if (!cJSON_IsObject(object))
		return lm_fail(err, LM_DATA, "%s.%s: %s is not an object", section, link->name, json_kind(object));
	cJSON_ArrayForEach(value, object) {
		at.key = value->string;
		if (parse_field(&at, value, link, &has, err) < 0)
			return -1;
	}
	if (has != (HAS_RTT | HAS_LOSS))
		return lm_fail(err, LM_DATA, "%s.%s.%s: missing", section, link->name, has & HAS_RTT ? "loss" : "rtt_us");
	if (!link->addr)
		link->addr = xstrdup("");
	if (link->received > link->sent)
		return lm_fail(err, LM_DATA, "%s.%s.received: %lld is more than were sent (%lld)", section, link->name,
			       (long long)link->received, (long long)link->sent);
	return 0;
}

/* Without an address. */
static struct report_link *add_link(struct report_links *links, const char *name)
{
	struct report_link *link;

	grow(&links->items, &links->room, links->count + 1, sizeof(*links->items));
	link = &links->items[links->count++];
	*link = (struct report_link){.name = xstrdup(name), .rtt_us = NAN, .min_us = NAN, .p95_us = NAN, .jitter_us = NAN, .loss = NAN,
				     .silent_s = NAN};
	return link;
}

static int parse_links(const char *section, const cJSON *object, struct report_links *links, struct lm_err *err)
{
	const cJSON *value;

	cJSON_ArrayForEach(value, object) {
		if (!name_is_valid(value->string))
			return lm_fail(err, LM_DATA, "%s: \"%.80s\" is not a valid name", section, value->string);
		if (parse_link(section, value, add_link(links, value->string), err) < 0)
			return -1;
	}
	return 0;
}

static int parse_load(const cJSON *root, struct report *out, struct lm_err *err)
{
	const cJSON *load, *value;
	int found = json_may_object(root, "load", &load, err);

	if (found <= 0)
		return found;
	cJSON_ArrayForEach(value, load) {
		bool cpu = STREQ(value->string, "cpu"), rx = STREQ(value->string, "rx_bytes_per_s");
		double *field = cpu ? &out->cpu : rx ? &out->rx_bytes_per_s : &out->tx_bytes_per_s;
		double max = cpu ? 1 : RATE_MAX;

		if (!cpu && !rx && !STREQ(value->string, "tx_bytes_per_s"))
			continue;
		if (cJSON_IsNull(value))
			continue;
		if (!cJSON_IsNumber(value))
			return lm_fail(err, LM_DATA, "load.%s: %s is not a number", value->string, json_kind(value));
		if (!(value->valuedouble >= 0 && value->valuedouble <= max))
			return lm_fail(err, LM_DATA, "load.%s: %g is not in 0..%g", value->string, value->valuedouble, max);
		*field = value->valuedouble + 0.0;
	}
	return 0;
}

static int parse_boot_id(const cJSON *root, struct report *out, struct lm_err *err)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
	const char *text;
	size_t len;

	if (json_want_string(root, "boot_id", &text, err) < 0)
		return -1;
	len = strlen(text);
	if (len == 0 || len > REPORT_BOOT_ID_MAX || strspn(text, allowed) != len)
		return lm_fail(err, LM_DATA, "boot_id: \"%.80s\" is not 1 to %d letters, digits and `-`", text, REPORT_BOOT_ID_MAX);
	memcpy(out->boot_id, text, len + 1);
	return 0;
}

static int parse_identity(const cJSON *root, const char *node, struct report *out, struct lm_err *err)
{
	int64_t version;
	const char *name;

	if (json_want_i64(root, "version", 1, INT32_MAX, &version, err) < 0 || json_want_string(root, "node", &name, err) < 0)
		return -1;
	if (version > REPORT_VERSION)
		return lm_fail(err, LM_DATA, "version: %lld is newer than this program (%d)", (long long)version, REPORT_VERSION);
	if (!name_is_valid(name))
		return lm_fail(err, LM_DATA, "node: \"%.80s\" is not a valid name", name);
	if (node && !STREQ(name, node))
		return lm_fail(err, LM_DATA, "node: \"%s\" is not the \"%s\" that the file's name says", name, node);
	out->node = xstrdup(name);
	if (parse_boot_id(root, out, err) < 0)
		return -1;
	return json_want_i64(root, "seq", 1, (int64_t)SEQ_MAX, &out->seq, err);
}

static int parse_times(const cJSON *root, struct report *out, struct lm_err *err)
{
	const char *written;
	int found = json_may_string(root, "written", &written, err);

	if (found < 0)
		return -1;
	if (found && clock_parse(written, &out->written_ms) < 0)
		return lm_fail(err, LM_DATA, "written: \"%.80s\" is not a time like 2026-11-21T21:00:00.000Z", written);
	if (json_may_number(root, "publish_s", 0.001, INTERVAL_MAX_S, &out->publish_s, err) < 0)
		return -1;
	return json_may_number(root, "interval_s", 0.001, INTERVAL_MAX_S, &out->interval_s, err);
}

static int parse_root(const cJSON *root, const char *node, struct report *out, struct lm_err *err)
{
	const cJSON *peers, *clients;
	int has_clients;

	if (!cJSON_IsObject(root))
		return lm_fail(err, LM_DATA, "%s is not a report", json_kind(root));
	if (parse_identity(root, node, out, err) < 0 || parse_times(root, out, err) < 0 || parse_load(root, out, err) < 0)
		return -1;
	if (json_want_object(root, "peers", &peers, err) < 0 || parse_links("peers", peers, &out->peers, err) < 0)
		return -1;
	has_clients = json_may_object(root, "clients", &clients, err);
	if (has_clients > 0)
		return parse_links("clients", clients, &out->clients, err);
	return has_clients;
}

int report_parse(const char *text, size_t len, const char *node, struct report *out, struct lm_err *err)
{
	auto_json cJSON *root = json_parse(text, len, JSON_DEPTH, err);

	*out = (struct report){.written_ms = -1, .interval_s = 10, .publish_s = NAN, .cpu = NAN, .rx_bytes_per_s = NAN, .tx_bytes_per_s = NAN};
	if (!root)
		return -1;
	if (parse_root(root, node, out, err) < 0) {
		report_free(out);
		return -1;
	}
	return 0;
}

static void write_number(struct buf *out, const char *key, double value, int decimals)
{
	buf_str(out, key);
	buf_decimal(out, value, decimals);
}

static void write_links(struct buf *out, const struct report_links *links)
{
	size_t i;

	for (i = 0; i < links->count; i++) {
		const struct report_link *link = &links->items[i];

		buf_str(out, i ? ",\n" : "\n");
		buf_json_string(out, link->name);
		buf_str(out, ":{\"addr\":");
		buf_json_string(out, link->addr);
		write_number(out, ",\"rtt_us\":", link->rtt_us, 1);
		write_number(out, ",\"min_us\":", link->min_us, 1);
		write_number(out, ",\"p95_us\":", link->p95_us, 1);
		write_number(out, ",\"jitter_us\":", link->jitter_us, 1);
		write_number(out, ",\"loss\":", link->loss, 4);
		buf_str(out, ",\"sent\":");
		buf_i64(out, link->sent);
		buf_str(out, ",\"received\":");
		buf_i64(out, link->received);
		write_number(out, ",\"silent_s\":", link->silent_s, 3);
		buf_char(out, '}');
	}
}

void report_write(const struct report *report, struct buf *out)
{
	char written[CLOCK_TEXT];

	buf_printf(out, "{\"version\":%d,\"node\":", REPORT_VERSION);
	buf_json_string(out, report->node);
	buf_str(out, ",\"boot_id\":");
	buf_json_string(out, report->boot_id);
	buf_str(out, ",\"seq\":");
	buf_i64(out, report->seq);
	if (report->written_ms >= 0) {
		clock_format(report->written_ms, written);
		buf_printf(out, ",\"written\":\"%s\"", written);
	}
	write_number(out, ",\"interval_s\":", report->interval_s, 3);
	write_number(out, ",\"publish_s\":", report->publish_s, 3);
	write_number(out, ",\n\"load\":{\"cpu\":", report->cpu, 4);
	write_number(out, ",\"rx_bytes_per_s\":", report->rx_bytes_per_s, 0);
	write_number(out, ",\"tx_bytes_per_s\":", report->tx_bytes_per_s, 0);
	buf_str(out, "},\n\"peers\":{");
	write_links(out, &report->peers);
	buf_str(out, "},\n\"clients\":{");
	write_links(out, &report->clients);
	buf_str(out, "}}\n");
}

struct report_link *report_links_add(struct report_links *links, const char *name)
{
	struct report_link *link = add_link(links, name);

	link->addr = xstrdup("");
	return link;
}

static void free_links(struct report_links *links)
{
	size_t i;

	for (i = 0; i < links->count; i++) {
		free(links->items[i].name);
		free(links->items[i].addr);
	}
	free(links->items);
}

void report_free(struct report *report)
{
	free(report->node);
	free_links(&report->peers);
	free_links(&report->clients);
	*report = (struct report){0};
}
