#include "tests/lab/module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mem.h"

#define MAX_BYTES ((size_t)4 << 20)

static int insert(int dir, const char *path, struct lm_err *err)
{
	auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return lm_fail_errno(err, "module %s", path);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return lm_fail_errno(err, "module %s", path);
	return 0;
}

/* The line "kernel/fs/nfs/nfsv4.ko: needs needs ..." of a module; NULL when there is none. Not terminated. */
static const char *find(const char *table, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = table; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *colon = strchr(line, ':');

		if (colon && (size_t)(colon - line) > len + 4 && colon[-(ptrdiff_t)len - 4] == '/' &&
		    strncmp(colon - len - 3, name, len) == 0)
			return line;
	}
	return NULL;
}

/* Last in the line is what all others need: insert from the back to the front. */
static int load(int dir, const char *table, const char *name, struct lm_err *err)
{
	const char *line = find(table, name);
	auto_free char *copy = NULL;
	char *word;

	if (!line)
		return lm_fail(err, LM_NOINPUT, "no kernel module `%s`", name);
	copy = xstrndup(line, strcspn(line, "\n"));
	while ((word = strrchr(copy, ' '))) {
		*word = '\0';
		if (word[1] && insert(dir, word + 1, err) < 0)
			return -1;
	}
	copy[strlen(copy) - 1] = '\0';
	return insert(dir, copy, err);
}

int module_load(const char *folder, const char *const *names, struct lm_err *err)
{
	auto_close int dir = file_open_dir(folder, err);
	auto_file_text struct file_text table = {0};

	if (dir < 0 || file_read(dir, "modules.dep", MAX_BYTES, FILE_NO_LINKS, &table, err) < 0)
		return lm_wrap(err, "%s", folder);
	for (; *names; names++)
		if (load(dir, table.data, *names, err) < 0)
			return -1;
	return 0;
}
