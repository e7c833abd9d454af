#include "nfs/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mem.h"

#define FIELDS_BEFORE 6			/* id parent device root point options; then optional ones, `-`, and 3 more */

static void mount_free(struct mount *m)
{
	free(m->root);
	free(m->point);
	free(m->options);
	free(m->type);
	free(m->source);
	free(m->super);
	*m = (struct mount){0};
}

void mounts_free(struct mounts *m)
{
	for (size_t i = 0; i < m->count; i++)
		mount_free(&m->items[i]);
	free(m->items);
	*m = (struct mounts){0};
}

/* --- one line ------------------------------------------------------------------------------------------------------ */

struct span {
	const char *at;
	size_t len;
};

/* One field and the blank behind it. An empty one is a field too: a source may be empty. False at the end of the line. */
static bool next_field(struct span *line, struct span *field)
{
	const char *blank;

	if (!line->at)
		return false;
	blank = memchr(line->at, ' ', line->len);
	*field = (struct span){line->at, blank ? (size_t)(blank - line->at) : line->len};
	*line = blank ? (struct span){blank + 1, line->len - field->len - 1} : (struct span){NULL, 0};
	return true;
}

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' && at[2] <= '7';
}

/* What is no escape of three digits, or would be a NUL, stays as it is. */
static char *decode(struct span field)
{
	char *text = xmalloc(field.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < field.len; i++) {
		const char *at = field.at + i;

		if (*at == '\\' && field.len - i > 3 && is_octal(at + 1) && memcmp(at + 1, "000", 3) != 0) {
			text[len++] = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			i += 3;
		} else {
			text[len++] = *at;
		}
	}
	text[len] = '\0';
	return text;
}

static bool number(struct span field, int *out)
{
	int64_t value = 0;

	if (field.len == 0 || field.len > 10)
		return false;
	for (size_t i = 0; i < field.len; i++) {
		if (field.at[i] < '0' || field.at[i] > '9')
			return false;
		value = value * 10 + (field.at[i] - '0');
	}
	*out = (int)value;
	return value <= INT_MAX;
}

static bool parse_line(struct span line, struct mount *out)
{
	struct span f[FIELDS_BEFORE], field, type, source, super;

	for (size_t i = 0; i < FIELDS_BEFORE; i++)
		if (!next_field(&line, &f[i]))
			return false;
	do
		if (!next_field(&line, &field))
			return false;
	while (field.len != 1 || *field.at != '-');
	if (!next_field(&line, &type) || !next_field(&line, &source) || !next_field(&line, &super) || line.at)
		return false;
	if (!number(f[0], &out->id) || !number(f[1], &out->parent) || !f[4].len || *f[4].at != '/' || !type.len)
		return false;
	out->root = decode(f[3]);
	out->point = decode(f[4]);
	out->options = decode(f[5]);
	out->type = decode(type);
	out->source = decode(source);
	out->super = decode(super);
	return true;
}

/* --- the table ----------------------------------------------------------------------------------------------------- */

int mounts_parse(const char *text, size_t len, struct mounts *out, struct lm_err *err)
{
	struct mounts m = {0};

	if (memchr(text, '\0', len))
		return lm_fail(err, LM_DATA, "a NUL in the table of mounts");
	for (size_t number = 1; len > 0; number++) {
		const char *end = memchr(text, '\n', len);
		struct span line = {text, end ? (size_t)(end - text) : len};
		struct mount mount = {0};

		if (m.count == MOUNTS_MAX || !parse_line(line, &mount)) {
			lm_fail(err, LM_DATA, m.count == MOUNTS_MAX ? "more than %zu mounts" : "line %zu of the table of mounts: `%.*s`",
				m.count == MOUNTS_MAX ? m.count : number, (int)(line.len < 200 ? line.len : 200), line.at);
			mounts_free(&m);
			return -1;
		}
		grow(&m.items, &m.room, m.count + 1, sizeof(*m.items));
		m.items[m.count++] = mount;
		text += line.len + (end ? 1 : 0);
		len -= line.len + (end ? 1 : 0);
	}
	*out = m;
	return 0;
}

int mounts_load(struct mounts *out, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return -1;
	return mounts_parse(text.data, text.len, out, err);
}

const struct mount *mounts_by_id(const struct mounts *m, int id)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].id == id)
			return &m->items[i];
	return NULL;
}

static bool covers(const char *point, const char *path)
{
	size_t len = strlen(point);

	if (STREQ(point, "/"))
		return true;
	return strncmp(path, point, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* On the whole table's ground stand the mounts whose parent is none of it: the root of a container, or of a chroot. */
static bool stands_on(const struct mounts *m, const struct mount *item, const struct mount *ground)
{
	if (ground)
		return item->parent == ground->id && item != ground;
	return item->parent == item->id || !mounts_by_id(m, item->parent);
}

const struct mount *mounts_of_path(const struct mounts *m, const char *path)
{
	const struct mount *at = NULL;

	/* a table that runs in a circle ends too: no walk has more steps than mounts */
	for (size_t steps = 0; steps < m->count; steps++) {
		const struct mount *next = NULL;

		/* the first folder on the way that is a mount point: what is mounted deeper on the same ground is hidden by it */
		for (size_t i = 0; i < m->count; i++) {
			const struct mount *item = &m->items[i];

			if (covers(item->point, path) && (!next || strlen(item->point) < strlen(next->point)) && stands_on(m, item, at))
				next = item;
		}
		if (!next)
			break;
		at = next;
	}
	return at;
}

char *mounts_clean(const char *path)
{
	char here[PATH_MAX];
	bool relative = *path != '/' && getcwd(here, sizeof(here));
	auto_free char *whole = xasprintf("%s/%s", relative ? here : "", path);
	char *out = xmalloc(strlen(whole) + 2), *save = NULL;
	size_t len = 0;

	for (const char *word = strtok_r(whole, "/", &save); word; word = strtok_r(NULL, "/", &save)) {
		if (STREQ(word, "."))
			continue;
		if (STREQ(word, "..")) {
			while (len > 0 && out[--len] != '/')
				;
			continue;
		}
		out[len++] = '/';
		memcpy(out + len, word, strlen(word));
		len += strlen(word);
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return out;
}

bool mounts_option(const char *list, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	bool has;

	for (const char *at = list, *end; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		if ((size_t)(end - at) < len || strncmp(at, name, len) != 0 || (at + len != end && at[len] != '='))
			continue;
		has = at + len != end;
		if (value && size)
			snprintf(value, size, "%.*s", has ? (int)(end - at - (ptrdiff_t)len - 1) : 0, at + len + has);
		return true;
	}
	return false;
}
