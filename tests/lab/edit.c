#include "tests/lab/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/lab/guest.h"

int edit_hold(struct cluster *c, int host, bool on, struct lm_err *err)
{
	char path[128];
	int fd;

	guest_path(&c->t.host[host], "hold", path, sizeof(path));
	if (!on)
		return unlink(path) < 0 && errno != ENOENT ? lm_fail_errno(err, "rm hold") : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || close(fd) < 0)
		return lm_fail_errno(err, "touch hold");
	return 0;
}

static void set(struct snapshot_links *l, size_t cell, double ms)
{
	l->rtt_us[cell] = (float)(ms * 1e3);
	l->jitter_us[cell] = 0;
	l->loss[cell] = 0;
}

static int change(struct snapshot *s, const struct edit *e, struct lm_err *err)
{
	uint32_t row = names_find(&s->nodes, e->from), column = names_find(&s->nodes, e->to), client = names_find(&s->clients, e->to);

	if (row == NAMES_NONE || (column == NAMES_NONE && client == NAMES_NONE))
		return lm_fail(err, LM_DATA, "%s - %s is not in the file", e->from, e->to);
	if (column == NAMES_NONE) {
		set(&s->client, row * s->clients.count + client, e->ms);
	} else {
		set(&s->link, row * s->nodes.count + column, e->ms);
		set(&s->link, column * s->nodes.count + row, e->ms);
	}
	return 0;
}

static int write_in_place(const char *path, const struct buf *text, struct lm_err *err)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return lm_fail_errno(err, "%s", path);
	written = write(fd, text->data, text->len);
	if (close(fd) < 0 || written != (ssize_t)text->len)
		return lm_fail_errno(err, "%s", path);
	return 0;
}

static void tell_truth(struct topology *truth, const struct edit *e)
{
	int a = topology_find(truth, e->from), b = topology_find(truth, e->to);

	truth->wire[a][b] = truth->wire[b][a] = (struct wire){.delay_ms = e->ms / 2};
}

int edit_apply(struct cluster *c, int host, const struct edit *edit, struct topology *truth, int64_t *done_us, struct lm_err *err)
{
	auto_snapshot struct snapshot s = {0};
	auto_buf struct buf text = {0};
	auto_close int dir = -1;
	char folder[128], path[128];

	if (cluster_snapshot(c, host, &s, err) < 0)
		return -1;
	for (const struct edit *e = edit; e; e = e->also)
		if (change(&s, e, err) < 0)
			return -1;
	snapshot_write(&s, &text);
	guest_path(&c->t.host[host], "", folder, sizeof(folder));
	guest_path(&c->t.host[host], CLUSTER_FILE, path, sizeof(path));
	dir = file_open_dir(folder, err);
	if (dir < 0)
		return -1;
	if (edit->in_place ? write_in_place(path, &text, err) < 0 : file_publish(dir, CLUSTER_FILE, text.data, text.len, NULL, err) < 0)
		return -1;
	*done_us = clock_mono_us();
	for (const struct edit *e = edit; e && truth; e = e->also)
		tell_truth(truth, e);
	return 0;
}
