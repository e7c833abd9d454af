#include "lib/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/utf8.h"

const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};
const char *const log_format_names[] = {"text", "json", NULL};

static _Atomic(enum log_level) least_level = LOG_INFO;
static _Atomic(enum log_format) line_format = LOG_TEXT;
static atomic_bool colour;

void log_setup(enum log_level least, enum log_format format)
{
	least_level = least;
	line_format = format;
	colour = format == LOG_TEXT && isatty(STDERR_FILENO) && !getenv("NO_COLOR");
}

/* A JSON string; what is not UTF-8 becomes `?` byte by byte. */
static void add_quoted(struct buf *b, const char *text)
{
	auto_buf struct buf clean = {0};
	size_t left = strlen(text), len;

	for (; left > 0; text += len, left -= len) {
		len = utf8_len(text, left);
		if (len == 0) {
			buf_char(&clean, '?');
			len = 1;
		} else {
			buf_add(&clean, text, len);
		}
	}
	buf_json_string(b, clean.data ? clean.data : "");
}

static bool is_plain(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || *text == '"' || *text == '\\' || *text == '=')
			return false;
	return true;
}

static void add_value(struct buf *b, const struct log_field *field)
{
	switch (field->type) {
	case LOG_STRING:
		if (!field->v.string)
			buf_str(b, "null");
		else if (line_format == LOG_TEXT && is_plain(field->v.string))
			buf_str(b, field->v.string);
		else
			add_quoted(b, field->v.string);
		break;
	case LOG_INTEGER:
		buf_i64(b, field->v.integer);
		break;
	case LOG_NUMBER:
		buf_decimal(b, field->v.number, 6);
		break;
	case LOG_BOOL:
		buf_str(b, field->v.boolean ? "true" : "false");
		break;
	}
}

static void text_line(struct buf *b, enum log_level level, const char *msg, const struct log_field *fields)
{
	static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
	static const char *const colours[] = {"\033[2m", "", "\033[33m", "\033[31m"};

	if (colour && *colours[level])
		buf_printf(b, " %s%s\033[0m %s", colours[level], names[level], msg);
	else
		buf_printf(b, " %s %s", names[level], msg);
	for (; fields && fields->key; fields++) {
		buf_printf(b, " %s=", fields->key);
		add_value(b, fields);
	}
}

static void json_line(struct buf *b, enum log_level level, const char *msg, const struct log_field *fields)
{
	buf_printf(b, "\",\"level\":\"%s\",\"msg\":", log_level_names[level]);
	add_quoted(b, msg);
	for (; fields && fields->key; fields++) {
		buf_char(b, ',');
		add_quoted(b, fields->key);
		buf_char(b, ':');
		add_value(b, fields);
	}
	buf_char(b, '}');
}

bool log_wants(enum log_level level)
{
	return level >= least_level;
}

void log_event(enum log_level level, const char *msg, const struct log_field *fields)
{
	auto_buf struct buf b = {0};
	char time[CLOCK_TEXT];
	ssize_t ignored;

	if (level < least_level)
		return;
	clock_format(clock_wall_ms(), time);
	if (line_format == LOG_JSON) {
		buf_printf(&b, "{\"time\":\"%s", time);
		json_line(&b, level, msg, fields);
	} else {
		buf_str(&b, time);
		text_line(&b, level, msg, fields);
	}
	buf_char(&b, '\n');
	ignored = write(STDERR_FILENO, b.data, b.len);
	(void)ignored;
}

bool log_gate_open(struct log_gate *gate, int64_t interval_ms, int64_t *held_back)
{
	int64_t now = clock_mono_ms();

	if (now < gate->next_mono_ms) {
		gate->held_back++;
		return false;
	}
	if (held_back)
		*held_back = gate->held_back;
	gate->held_back = 0;
	gate->next_mono_ms = now + interval_ms;
	return true;
}
