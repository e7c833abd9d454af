#include "lib/kube/token.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/kube/kubeconfig.h"
#include "lib/mem.h"

/* Not a constant: the tests cannot wait for a minute. */
static int64_t reread_ms = 60000;

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static char *trimmed(char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	for (len = strlen(text); len > 0 && strchr(" \t\r\n", text[len - 1]); len--)
		;
	text[len] = '\0';
	return text;
}

static int read_file(struct token *t, int64_t mono_ms, struct lm_err *err)
{
	auto_file_text struct file_text file = {0};
	char *text;
	int result = -1;

	t->read_mono_ms = mono_ms;
	if (file_read(AT_FDCWD, t->path, KUBE_TOKEN_MAX_BYTES, FILE_FOLLOW, &file, err) < 0)
		return -1;
	text = trimmed(file.data);
	if (!*text)
		lm_fail(err, LM_CONFIG, "`%s` is empty", t->path);
	else if (kubeconfig_check_token(text, err) < 0)
		lm_wrap(err, "`%s`", t->path);
	else
		result = 0;
	if (result == 0 && (!t->text || !STREQ(t->text, text))) {
		wipe(t->text);
		t->text = xstrdup(text);
	}
	explicit_bzero(file.data, file.len);
	return result;
}

int token_init(struct token *t, const char *path, const char *text, struct lm_err *err)
{
	*t = (struct token){.path = xstrdup(path), .text = xstrdup(text)};
	if (!path || read_file(t, clock_mono_ms(), err) == 0 || text)
		return 0;
	token_free(t);
	return lm_wrap(err, "token file");
}

const char *token_current(struct token *t, int64_t mono_ms)
{
	struct lm_err ignored;

	if (t->path && mono_ms - t->read_mono_ms >= reread_ms)
		read_file(t, mono_ms, &ignored);
	return t->text;
}

bool token_refused(struct token *t, int64_t mono_ms)
{
	struct lm_err ignored;

	return t->path && read_file(t, mono_ms, &ignored) == 0;
}

void token_free(struct token *t)
{
	free(t->path);
	wipe(t->text);
	*t = (struct token){0};
}
