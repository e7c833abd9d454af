#include "sched/heal/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/mem.h"

#define TEXT_MAX 8192
#define VALUES_MAX 20000		/* of the whole object, where people may keep other things */
#define DIGITS_MAX 7			/* of RECORD_MOST */

/* --- text in --------------------------------------------------------------------------------------------------------- */

/* `text` is one line without its end, and may be changed. */
static int parse_line(char *text, struct record_line *out, struct lm_err *err)
{
	char *count = strchr(text, ' ');
	size_t digits;

	*out = (struct record_line){0};
	if (!count)
		return lm_fail(err, LM_DATA, "is no time and count");
	*count++ = '\0';
	if (clock_parse(text, &out->until_ms) < 0 || out->until_ms % RECORD_MINUTE_MS != 0)
		return lm_fail(err, LM_DATA, "has no time of a whole minute");
	digits = strspn(count, "0123456789");
	if (digits < 1 || digits > DIGITS_MAX || count[digits] || *count == '0')
		return lm_fail(err, LM_DATA, "has no count of 1 to %d", RECORD_MOST);
	out->count = strtoll(count, NULL, 10);
	return out->count > RECORD_MOST ? lm_fail(err, LM_DATA, "has no count of 1 to %d", RECORD_MOST) : 0;
}

static int parse_lines(const char *text, struct record *out, struct lm_err *err)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *end;
	int64_t total = 0;

	if (strlen(text) > TEXT_MAX)
		return lm_fail(err, LM_DATA, "data.evictions: more than %d bytes", TEXT_MAX);
	for (; *rest; rest = end + 1) {
		struct record_line *line = &out->lines[out->count];

		end = strchr(rest, '\n');
		if (!end)
			return lm_fail(err, LM_DATA, "data.evictions: its last line has no end");
		*end = '\0';
		if (out->count == RECORD_LINES)
			return lm_fail(err, LM_DATA, "data.evictions: more than %d lines", RECORD_LINES);
		if (parse_line(rest, line, err) < 0)
			return lm_wrap(err, "data.evictions: line %zu", out->count + 1);
		if (out->count && line->until_ms <= line[-1].until_ms)
			return lm_fail(err, LM_DATA, "data.evictions: line %zu is not later than the one before", out->count + 1);
		total += line->count;
		out->count++;
	}
	return total > RECORD_TOTAL ? lm_fail(err, LM_DATA, "data.evictions: more than %d in all", RECORD_TOTAL) : 0;
}

static int copy_text(const char *from, char *to, size_t size, const char *what, struct lm_err *err)
{
	if (strlen(from) >= size)
		return lm_fail(err, LM_DATA, "%s: longer than %zu bytes", what, size - 1);
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int record_parse(const char *json, size_t len, struct record *out, char version[static RECORD_VERSION], struct lm_err *err)
{
	auto_json cJSON *object = json_parse_api(json, len, VALUES_MAX, err);
	const cJSON *metadata, *data;
	const char *text, *by = "", *at;

	*out = (struct record){0};
	if (!object || json_want_object(object, "metadata", &metadata, err) < 0)
		return -1;
	if (json_want_string(metadata, "resourceVersion", &at, err) < 0)
		return lm_wrap(err, "metadata");
	if (copy_text(at, version, RECORD_VERSION, "metadata.resourceVersion", err) < 0)
		return -1;
	if (json_want_object(object, "data", &data, err) < 0)
		return -1;
	if (json_want_string(data, "evictions", &text, err) < 0 || json_may_string(data, "by", &by, err) < 0)
		return lm_wrap(err, "data");
	return copy_text(by, out->by, sizeof(out->by), "data.by", err) < 0 ? -1 : parse_lines(text, out, err);
}

/* --- text out -------------------------------------------------------------------------------------------------------- */

void record_print(const struct record *r, struct buf *out)
{
	auto_buf struct buf text = {0};
	char time[CLOCK_TEXT];
	size_t i;

	buf_str(&text, "");
	for (i = 0; i < r->count; i++) {
		clock_format(r->lines[i].until_ms, time);
		buf_printf(&text, "%s %" PRId64 "\n", time, r->lines[i].count);
	}
	buf_str(out, "{\"by\":");
	buf_json_string(out, r->by);
	buf_str(out, ",\"evictions\":");
	buf_json_string(out, text.len ? text.data : "");
	buf_char(out, '}');
}

/* --- sums ------------------------------------------------------------------------------------------------------------ */

struct record_line *record_at(struct record *r, int64_t until_ms)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (r->lines[i].until_ms == until_ms)
			return &r->lines[i];
	return NULL;
}

int64_t record_unused(const struct record *r)
{
	int64_t unused = 0;
	size_t i;

	for (i = 0; i < r->count; i++)
		unused += r->lines[i].unused;
	return unused;
}

bool record_same(const struct record *a, const struct record *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (a->lines[i].until_ms != b->lines[i].until_ms || a->lines[i].count != b->lines[i].count)
			return false;
	return true;
}

void record_charge(struct record *r, int64_t more, int64_t wall_ms, int64_t usable_ms)
{
	struct record_line last = {.unused = record_unused(r) + more, .usable_ms = usable_ms};
	size_t i, kept = 0;

	last.until_ms = (wall_ms / RECORD_MINUTE_MS + 1) * RECORD_MINUTE_MS + RECORD_AHEAD_MS;
	last.count = last.unused;
	for (i = 0; i < r->count; i++) {
		struct record_line line = r->lines[i];

		line.count -= line.unused;
		line.unused = 0;
		if (line.until_ms <= wall_ms - RECORD_HOUR_MS || line.count <= 0)
			continue;
		if (line.until_ms >= last.until_ms)
			last.count += line.count;
		else
			r->lines[kept++] = line;
	}
	if (kept == RECORD_LINES) { /* of another's making: the two newest become one */
		kept--;
		last.count += r->lines[kept].count;
	}
	if (last.count)
		r->lines[kept++] = last;
	r->count = kept;
}
