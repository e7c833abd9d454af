#include "tests/apiserver/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void qualified(const char *word, const char *group, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s", word, *group ? "." : "", group);
}

void answer_clear(struct answer *a)
{
	buf_clear(&a->body);
	a->code = 0;
	a->content_type = NULL;
	a->retry_after[0] = '\0';
}

static void add_details(struct buf *b, const struct about *about, const char *uid)
{
	const char *sep = "";

	buf_str(b, ",\"details\":{");
	if (about && about->name && *about->name) {
		buf_str(b, "\"name\":");
		buf_json_string(b, about->name);
		sep = ",";
	}
	if (about && about->group && *about->group) {
		buf_printf(b, "%s\"group\":\"%s\"", sep, about->group);
		sep = ",";
	}
	if (about && about->kind) {
		buf_printf(b, "%s\"kind\":\"%s\"", sep, about->kind);
		sep = ",";
	}
	if (uid)
		buf_printf(b, "%s\"uid\":\"%s\"", sep, uid);
}

static void begin_failure(struct answer *a, int code, const char *text)
{
	answer_clear(a);
	a->code = code;
	buf_str(&a->body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":");
	buf_json_string(&a->body, text);
}

static void end_failure(struct answer *a, const char *reason)
{
	if (*reason)
		buf_printf(&a->body, ",\"reason\":\"%s\"", reason);
	buf_printf(&a->body, ",\"code\":%d}\n", a->code);
}

static int failure(struct answer *a, int code, const char *reason, const struct about *about, const char *text)
{
	begin_failure(a, code, text);
	if (about) {
		add_details(&a->body, about, NULL);
		buf_char(&a->body, '}');
	}
	end_failure(a, reason);
	return -1;
}

int answer_error(struct answer *a, int code, const char *reason, const struct about *about, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return failure(a, code, reason, about, text);
}

int answer_bad_request(struct answer *a, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return failure(a, 400, "BadRequest", NULL, text);
}

int answer_not_found(struct answer *a, const struct resource *r, const char *name)
{
	struct about about = {r->group, r->plural, name};
	char full[QUALIFIED_MAX];

	qualified(r->plural, r->group, full, sizeof(full));
	return answer_error(a, 404, "NotFound", &about, "%s \"%s\" not found", full, name);
}

int answer_conflict(struct answer *a, const struct resource *r, const char *name, const char *fmt, ...)
{
	struct about about = {r->group, r->plural, name};
	char full[QUALIFIED_MAX], text[1500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qualified(r->plural, r->group, full, sizeof(full));
	return answer_error(a, 409, "Conflict", &about, "Operation cannot be fulfilled on %s \"%s\": %s", full, name, text);
}

int answer_invalid(struct answer *a, const struct resource *r, const char *name, const char *field, const char *reason,
		   const char *fmt, ...)
{
	struct about about = {r->group, r->kind, name};
	char full[QUALIFIED_MAX], text[1500], message[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qualified(r->kind, r->group, full, sizeof(full));
	snprintf(message, sizeof(message), "%s \"%s\" is invalid: %s: %s", full, name, field, text);
	begin_failure(a, 422, message);
	add_details(&a->body, &about, NULL);
	buf_printf(&a->body, ",\"causes\":[{\"reason\":\"%s\",\"message\":", reason);
	buf_json_string(&a->body, text);
	buf_printf(&a->body, ",\"field\":\"%s\"}]}", field);
	end_failure(a, "Invalid");
	return -1;
}

int answer_too_large(struct answer *a, int64_t version, int64_t current)
{
	char text[128];

	snprintf(text, sizeof(text), "Timeout: Too large resource version: %lld, current: %lld", (long long)version, (long long)current);
	begin_failure(a, 504, text);
	buf_str(&a->body, ",\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}],"
		"\"retryAfterSeconds\":1}");
	end_failure(a, "Timeout");
	snprintf(a->retry_after, sizeof(a->retry_after), "1");
	return -1;
}

int answer_expired(struct answer *a, const char *continue_token, const char *text)
{
	answer_clear(a);
	a->code = 410;
	buf_str(&a->body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
	if (continue_token)
		buf_printf(&a->body, "\"continue\":\"%s\"", continue_token);
	buf_str(&a->body, "},\"status\":\"Failure\",\"message\":");
	buf_json_string(&a->body, text);
	end_failure(a, "Expired");
	return -1;
}

void answer_success(struct answer *a, int code, const struct about *about, const char *uid)
{
	answer_clear(a);
	a->code = code;
	buf_str(&a->body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\"");
	if (about) {
		add_details(&a->body, about, uid);
		buf_char(&a->body, '}');
		buf_str(&a->body, "}\n");
	} else {
		buf_printf(&a->body, ",\"code\":%d}\n", code);
	}
}

void answer_text(struct answer *a, int code, const char *text)
{
	answer_clear(a);
	a->code = code;
	a->content_type = "text/plain; charset=utf-8";
	buf_str(&a->body, text);
}
