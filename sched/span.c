#include "sched/span.h"

#include <stdlib.h>
#include <string.h>

#include "lib/names.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct span span_trim(struct span s)
{
	while (s.len && is_space(s.at[0]))
		s = (struct span){s.at + 1, s.len - 1};
	while (s.len && is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

bool span_split(struct span s, const char *separator, struct span *before, struct span *after)
{
	size_t len = strlen(separator);
	const char *found = s.len < len ? NULL : memmem(s.at, s.len, separator, len);
	size_t head;

	if (!found)
		return false;
	head = (size_t)(found - s.at);
	*before = span_trim((struct span){s.at, head});
	*after = span_trim((struct span){found + len, s.len - head - len});
	return true;
}

bool span_decimal(struct span s, double *out)
{
	size_t i, points = 0;
	char text[32];

	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	for (i = 0; i < s.len; i++) {
		if (s.at[i] == '.' && i > 0 && i < s.len - 1 && points++ == 0)
			continue;
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	}
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	*out = strtod(text, NULL);
	return true;
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool span_is_label_word(struct span s)
{
	size_t i;

	if (s.len == 0 || s.len > 63 || !alnum(s.at[0]) || !alnum(s.at[s.len - 1]))
		return false;
	for (i = 0; i < s.len; i++)
		if (!alnum(s.at[i]) && s.at[i] != '.' && s.at[i] != '_' && s.at[i] != '-')
			return false;
	return true;
}

bool span_is_dns(struct span s, size_t max_len)
{
	char text[NAME_MAX_BYTES + 1];

	if (s.len > max_len || s.len > NAME_MAX_BYTES || memchr(s.at, '\0', s.len))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	return name_is_valid(text);
}

bool span_is_label_key(struct span s)
{
	const char *slash = memrchr(s.at, '/', s.len);

	if (!slash)
		return span_is_label_word(s);
	return span_is_dns((struct span){s.at, (size_t)(slash - s.at)}, NAME_MAX_BYTES) &&
	       span_is_label_word((struct span){slash + 1, s.len - (size_t)(slash - s.at) - 1});
}

int span_quote(struct span s)
{
	size_t len = s.len > SPAN_QUOTE ? SPAN_QUOTE : s.len;

	while (len < s.len && len > 0 && ((unsigned char)s.at[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}
