/* What answers mean in words, and how long to wait after them. */
#include "lib/kube/client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define STATUS_MAX_BYTES ((size_t)1 << 20)	/* a larger one is not looked into */
#define LINE_BYTES 200				/* of what came instead of a Status */

static cJSON *status_object(const struct kube_response *response)
{
	auto_json cJSON *root = NULL;
	struct lm_err ignored;
	const char *kind = "";

	if (response->status == 0 || response->len > STATUS_MAX_BYTES)
		return NULL;
	root = json_parse_api(response->body, response->len, 0, &ignored);
	if (!cJSON_IsObject(root) || json_may_string(root, "kind", &kind, &ignored) < 1 || strcmp(kind, "Status") != 0)
		return NULL;
	return steal(&root);
}

static const char *text_or_empty(const cJSON *object, const char *key)
{
	const cJSON *value = json_get(object, key);

	return cJSON_IsString(value) ? value->valuestring : "";
}

/* Cuts what does not fit at a character's end, and makes one line of it. */
static void put(char *text, size_t size, const char *from)
{
	size_t left = strlen(from), used = 0;

	while (left > 0) {
		size_t len = utf8_len(from, left);
		bool strange = len == 0 || (len == 1 && ((unsigned char)*from < 0x20 || *from == 0x7f));

		if (used + (len ? len : 1) >= size)
			break;
		if (strange)
			text[used] = '?';
		else
			memcpy(text + used, from, len);
		used += len ? len : 1;
		from += len ? len : 1;
		left -= len ? len : 1;
	}
	text[used] = '\0';
}

static void first_line(const struct kube_response *response, char *line, size_t size)
{
	const char *body = response->body + strspn(response->body, " \t\r\n");
	size_t len = strcspn(body, "\r\n");

	snprintf(line, size, "%.*s", (int)(len < size ? len : size - 1), body);
}

void kube_status_text(const struct kube_response *response, char *text, size_t size)
{
	auto_json cJSON *status = status_object(response);
	char whole[2048], line[LINE_BYTES + 1];
	const char *reason, *message;

	if (response->status == 0) {
		put(text, size, response->error.msg);
		return;
	}
	if (!status) {
		first_line(response, line, sizeof(line));
		snprintf(whole, sizeof(whole), line[0] ? "%d: %s" : "%d", response->status, line);
	} else {
		reason = text_or_empty(status, "reason");
		message = text_or_empty(status, "message");
		snprintf(whole, sizeof(whole), "%d%s%s%s%s", response->status,
			 *reason ? " " : "", reason, *message ? ": " : "", message);
	}
	put(text, size, whole);
}

void kube_status_reason(const struct kube_response *response, char *reason, size_t size)
{
	auto_json cJSON *status = status_object(response);

	put(reason, size, status ? text_or_empty(status, "reason") : "");
}

static int64_t random_below(int64_t n)
{
	return n <= 1 ? 0 : (int64_t)arc4random_uniform((uint32_t)(n > UINT32_MAX ? UINT32_MAX : n));
}

int64_t kube_backoff_ms(int tries, int64_t base_ms, int64_t cap_ms, int64_t retry_after_ms)
{
	double limit = ldexp((double)base_ms, tries < 0 ? 0 : tries > 60 ? 60 : tries);
	int64_t wait;

	if (limit > (double)cap_ms)
		limit = (double)cap_ms;
	wait = 1 + random_below((int64_t)limit);
	if (wait >= retry_after_ms)
		return wait;
	return retry_after_ms + random_below(retry_after_ms / 4 + 1);
}
