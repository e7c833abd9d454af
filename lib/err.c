#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

/* Texts that were cut, or come from outside: what is no printable UTF-8 becomes `?` byte by byte. */
static void one_line(char *text)
{
	size_t left = strlen(text), len, control;

	for (; left > 0; text += len, left -= len) {
		len = utf8_len(text, left);
		if (len == 0)
			len = 1;
		else if (!utf8_control(text, &control))
			continue;
		memset(text, '?', len);
	}
}

int lm_fail(struct lm_err *err, enum lm_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	one_line(err->msg);
	err->code = code;
	err->os_errno = 0;
	return -1;
}

static enum lm_code code_of_errno(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return LM_NOINPUT;
	case EACCES:
	case EPERM:
	case EROFS:
		return LM_PERM;
	default:
		return LM_IO;
	}
}

int lm_fail_errno(struct lm_err *err, const char *fmt, ...)
{
	int number = errno;
	size_t used;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(number));
	one_line(err->msg);
	err->code = code_of_errno(number);
	err->os_errno = number;
	return -1;
}

int lm_wrap(struct lm_err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	size_t used;
	va_list ap;

	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
	one_line(err->msg);
	return -1;
}
