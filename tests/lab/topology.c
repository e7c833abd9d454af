#include "tests/lab/topology.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/mem.h"

#define MAX_WORDS 12
#define MAX_BYTES 65536

int topology_find(const struct topology *t, const char *name)
{
	for (int i = 0; i < t->count; i++)
		if (STREQ(t->host[i].name, name))
			return i;
	return -1;
}

static int number(const char *word, double least, double most, double *out, struct lm_err *err)
{
	char *end;
	double value = strtod(word, &end);

	if (end == word || *end || !(value >= least && value <= most))
		return lm_fail(err, LM_DATA, "`%s` is not a number in %g..%g", word, least, most);
	*out = value;
	return 0;
}

/* host NAME ZONE [pid N] | client NAME [pid N] */
static int host_line(struct topology *t, char **word, int words, struct lm_err *err)
{
	bool client = STREQ(word[0], "client");
	int fixed = client ? 2 : 3;
	struct host *h;
	double pid = 0;

	if (words != fixed && !(words == fixed + 2 && STREQ(word[fixed], "pid")))
		return lm_fail(err, LM_DATA, "`%s` wants a name%s", word[0], client ? "" : " and a zone");
	if (t->count == TOPOLOGY_MAX_HOSTS)
		return lm_fail(err, LM_DATA, "more than %d hosts", TOPOLOGY_MAX_HOSTS);
	if (topology_find(t, word[1]) >= 0)
		return lm_fail(err, LM_DATA, "`%s` is there twice", word[1]);
	if (words > fixed && number(word[fixed + 1], 1, 1e9, &pid, err) < 0)
		return -1;
	h = &t->host[t->count++];
	snprintf(h->name, sizeof(h->name), "%s", word[1]);
	snprintf(h->zone, sizeof(h->zone), "%s", client ? "" : word[2]);
	snprintf(h->addr, sizeof(h->addr), "10.1.0.%d", t->count);
	h->client = client;
	h->pid = (pid_t)pid;
	return 0;
}

/* pair A B MS ... | wire FROM TO MS ... */
static int wire_line(struct topology *t, char **word, int words, struct lm_err *err)
{
	bool pair = STREQ(word[0], "pair");
	struct wire w = {0};
	int a, b;

	if (words < 4 || words % 2 != 0)
		return lm_fail(err, LM_DATA, "`%s` wants two hosts, milliseconds, and pairs of words", word[0]);
	a = topology_find(t, word[1]);
	b = topology_find(t, word[2]);
	if (a < 0 || b < 0 || a == b)
		return lm_fail(err, LM_DATA, "`%s %s`: no two hosts of this laboratory", word[1], word[2]);
	if (number(word[3], 0, 60e3, &w.delay_ms, err) < 0)
		return -1;
	for (int i = 4; i < words; i += 2) {
		bool loss = STREQ(word[i], "loss");

		if (!loss && !STREQ(word[i], "jitter"))
			return lm_fail(err, LM_DATA, "`%s` is neither loss nor jitter", word[i]);
		if (number(word[i + 1], 0, loss ? 1 : 1e3, loss ? &w.loss : &w.jitter_ms, err) < 0)
			return -1;
	}
	if (pair) {
		w.delay_ms /= 2;
		t->wire[b][a] = w;
	}
	t->wire[a][b] = w;
	return 0;
}

static int line(struct topology *t, char *text, struct lm_err *err)
{
	char *word[MAX_WORDS], *rest = NULL;
	int words = 0;

	text[strcspn(text, "#")] = '\0';
	for (char *w = strtok_r(text, " \t", &rest); w && words < MAX_WORDS; w = strtok_r(NULL, " \t", &rest))
		word[words++] = w;
	if (words == 0)
		return 0;
	if (STREQ(word[0], "host") || STREQ(word[0], "client"))
		return host_line(t, word, words, err);
	if (STREQ(word[0], "pair") || STREQ(word[0], "wire"))
		return wire_line(t, word, words, err);
	return lm_fail(err, LM_DATA, "`%s` is none of host, client, pair, wire", word[0]);
}

int topology_load(const char *path, struct topology *t, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	int number_of_line = 0;

	*t = (struct topology){0};
	if (file_read(AT_FDCWD, path, MAX_BYTES, FILE_FOLLOW, &text, err) < 0)
		return lm_wrap(err, "topology");
	for (char *at = text.data, *next; at; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		number_of_line++;
		if (line(t, at, err) < 0)
			return lm_wrap(err, "%s:%d", path, number_of_line);
	}
	return 0;
}

void topology_write(const struct topology *t, struct buf *out)
{
	for (int i = 0; i < t->count; i++) {
		const struct host *h = &t->host[i];

		buf_printf(out, "%s %s%s%s", h->client ? "client" : "host", h->name, h->client ? "" : " ", h->zone);
		if (h->pid)
			buf_printf(out, " pid %d", (int)h->pid);
		buf_char(out, '\n');
	}
	for (int a = 0; a < t->count; a++) {
		for (int b = 0; b < t->count; b++) {
			const struct wire *w = &t->wire[a][b];

			if (a != b)
				buf_printf(out, "wire %s %s %g loss %g jitter %g\n", t->host[a].name, t->host[b].name, w->delay_ms,
					   w->loss, w->jitter_ms);
		}
	}
}

double topology_rtt_ms(const struct topology *t, int a, int b)
{
	return a == b ? 0 : t->wire[a][b].delay_ms + t->wire[b][a].delay_ms;
}

double topology_loss(const struct topology *t, int a, int b)
{
	return a == b ? 0 : 1 - (1 - t->wire[a][b].loss) * (1 - t->wire[b][a].loss);
}
