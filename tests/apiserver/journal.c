#include "tests/apiserver/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define PENDING (-1)

struct line {
	char *method, *path, *pod, *uid, *node;
	const char *fault;		/* a constant */
	int code;
	bool committed;
	int64_t version;
};

struct journal {
	pthread_mutex_t lock;
	struct line *lines;		/* line seq is lines[seq - 1] */
	size_t count, room;
};

struct journal *journal_new(void)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	pthread_mutex_init(&j->lock, NULL);
	return j;
}

void journal_free(struct journal *j)
{
	size_t i;

	for (i = 0; i < j->count; i++) {
		free(j->lines[i].method);
		free(j->lines[i].path);
		free(j->lines[i].pod);
		free(j->lines[i].uid);
		free(j->lines[i].node);
	}
	free(j->lines);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

static char *text_or_null(const char *text)
{
	return *text ? xstrdup(text) : NULL;
}

static void add_line(struct journal *j, const char *method, const char *path, const char *fault, struct journal_note *note, int code)
{
	grow(&j->lines, &j->room, j->count + 1, sizeof(*j->lines));
	j->lines[j->count++] = (struct line){
		.method = xstrdup(method), .path = xstrdup(path), .fault = fault, .code = code, .committed = note->committed,
		.version = note->version, .pod = text_or_null(note->pod), .uid = text_or_null(note->uid), .node = text_or_null(note->node)};
	note->seq = (int64_t)j->count;
}

void journal_commit(struct journal *j, const char *method, const char *path, const char *fault, struct journal_note *note)
{
	pthread_mutex_lock(&j->lock);
	note->committed = true;
	if (note->seq)
		j->lines[note->seq - 1].version = note->version;
	else
		add_line(j, method, path, fault, note, PENDING);
	pthread_mutex_unlock(&j->lock);
}

void journal_answered(struct journal *j, const char *method, const char *path, const char *fault, struct journal_note *note, int code)
{
	pthread_mutex_lock(&j->lock);
	if (note->seq)
		j->lines[note->seq - 1].code = code;
	else
		add_line(j, method, path, fault, note, code);
	pthread_mutex_unlock(&j->lock);
}

static void write_member(struct buf *out, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(out, ",\"%s\":", key);
	buf_json_string(out, value);
}

static void write_line(const struct line *l, size_t seq, struct buf *out)
{
	buf_printf(out, "{\"seq\":%zu", seq);
	write_member(out, "method", l->method);
	write_member(out, "path", l->path);
	if (l->code == PENDING)
		buf_str(out, ",\"code\":null");
	else
		buf_printf(out, ",\"code\":%d", l->code);
	buf_printf(out, ",\"committed\":%s", l->committed ? "true" : "false");
	if (l->committed)
		buf_printf(out, ",\"resourceVersion\":\"%lld\"", (long long)l->version);
	write_member(out, "fault", l->fault);
	write_member(out, "pod", l->pod);
	write_member(out, "uid", l->uid);
	write_member(out, "node", l->node);
	buf_str(out, "}\n");
}

void journal_write(struct journal *j, int64_t since, struct buf *out)
{
	size_t i;

	pthread_mutex_lock(&j->lock);
	for (i = since > 0 ? (size_t)since : 0; i < j->count; i++)
		write_line(&j->lines[i], i + 1, out);
	pthread_mutex_unlock(&j->lock);
}
