#include "lib/kube/base64.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static int value_of(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

static int decode(const char *text, char *out, struct lm_err *err)
{
	uint32_t bits = 0;
	unsigned have = 0, digits = 0, pads = 0;
	const char *p;

	for (p = text; *p; p++) {
		int value = value_of(*p);

		if (*p == '\n' || *p == '\r')
			continue;
		if (*p == '=' && digits % 4 + pads >= 2 && pads < 2) {
			pads++;
			continue;
		}
		if (value < 0 || pads)
			return lm_fail(err, LM_CONFIG, "is not base64 (byte %td)", p - text + 1);
		digits++;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		*out++ = (char)(bits >> have & 0xff);
		if (out[-1] == '\0')
			return lm_fail(err, LM_CONFIG, "holds a NUL byte (byte %td)", p - text + 1);
	}
	*out = '\0';
	if ((digits + pads) % 4 != 0)
		return lm_fail(err, LM_CONFIG, "is not base64: it is cut off");
	return 0;
}

int base64_decode(const char *text, char **out, struct lm_err *err)
{
	size_t room = strlen(text) / 4 * 3 + 4;
	char *bytes = xcalloc(room, 1);

	if (decode(text, bytes, err) < 0) {
		explicit_bzero(bytes, room);
		free(bytes);
		return -1;
	}
	*out = bytes;
	return 0;
}
