#include "tests/testing/fates.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/mem.h"
#include "tests/testing/standin.h"

uint32_t fates_add(struct fates *f, const char *key)
{
	uint32_t i = names_add(&f->keys, key);

	assert_true(i != NAMES_NONE);
	grow(&f->items, &f->room, i + 1u, sizeof(*f->items));
	f->items[i] = (struct fate){0};
	return i;
}

void fates_free(struct fates *f)
{
	uint32_t i;

	for (i = 0; i < f->keys.count; i++) {
		free(f->items[i].node);
		free(f->items[i].runner_up);
		free(f->items[i].first);
		free(f->items[i].last);
	}
	free(f->items);
	names_free(&f->keys);
	*f = (struct fates){0};
}

static void set(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

static void refused(struct fate *f, const char *reason, int at)
{
	if (!f->first_at) {
		f->first_at = at;
		set(&f->first, reason);
	}
	f->last_at = at;
	set(&f->last, reason);
}

static void take_line(struct fates *fates, const cJSON *line, int at)
{
	const char *msg = text_at(line, "msg");
	uint32_t i = names_find(&fates->keys, text_at(line, "pod"));
	struct fate *f = i == NAMES_NONE ? NULL : &fates->items[i];

	if (STREQ(msg, "configuration loaded")) {
		fates->loads++;
		fates->loaded_at = at;
	} else if (f && STREQ(msg, "binding begun")) {
		fates->decisions++;
		f->placed_at = fates->placed_at = at;
		set(&f->node, text_at(line, "node"));
	} else if (f && STREQ(msg, "pod bound")) {
		set(&f->runner_up, text_at(line, "runner_up"));
	} else if (f && STREQ(msg, "no node fits")) {
		fates->decisions++;
		refused(f, text_at(line, "reason"), at);
	}
}

static void forget(struct fates *f)
{
	uint32_t i;

	for (i = 0; i < f->keys.count; i++)
		f->items[i].placed_at = f->items[i].first_at = f->items[i].last_at = 0;
	f->decisions = f->placed_at = f->loaded_at = f->loads = 0;
}

/* A line that is being written is left for the next time. */
void fates_read(struct fates *f, const char *path)
{
	auto_free char *log = test_read(path);
	char *rest = log, *text;
	int at = 0;

	forget(f);
	while ((text = strsep(&rest, "\n")) != NULL && rest) {
		auto_json cJSON *line = cJSON_Parse(text);

		assert_non_null(line);
		take_line(f, line, ++at);
	}
}
