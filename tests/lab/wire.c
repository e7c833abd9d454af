#include "tests/lab/wire.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"

/* Runs `tool -batch -` with the text as its input. What it complains about goes to our standard error. */
static int batch(const char *tool, const struct buf *text, struct lm_err *err)
{
	int in[2], status;
	pid_t child;

	if (pipe(in) < 0 || (child = fork()) < 0)
		return lm_fail_errno(err, "%s", tool);
	if (child == 0) {
		dup2(in[0], 0);
		close(in[0]);
		close(in[1]);
		execlp(tool, tool, "-batch", "-", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	if (write(in[1], text->data, text->len) != (ssize_t)text->len)
		kill(child, SIGKILL);
	close(in[1]);
	if (waitpid(child, &status, 0) < 0)
		return lm_fail_errno(err, "%s", tool);
	if (status != 0)
		return lm_fail(err, LM_UNAVAILABLE, "%s -batch: status %#x", tool, (unsigned)status);
	return 0;
}

int wire_links(const struct topology *t, struct lm_err *err)
{
	auto_buf struct buf text = {0};

	buf_str(&text, "link add br0 type bridge\naddr add 10.1.0.254/24 dev br0\nlink set br0 up\nlink set lo up\n");
	for (int i = 0; i < t->count; i++)
		buf_printf(&text, "link add v%d type veth peer name eth0 netns %d\nlink set v%d master br0 up\n", i,
			   (int)t->host[i].pid, i);
	return batch("ip", &text, err);
}

static void netem(const struct topology *t, int from, int to, struct buf *text)
{
	const struct wire *w = &t->wire[from][to];

	/* tc reads class numbers as hexadecimal; band 1 is for everything else */
	buf_printf(text, "qdisc replace dev v%d parent 1:%x handle %x0: netem limit 10000 delay %gms", to, (unsigned)from + 2,
		   (unsigned)from + 2, w->delay_ms);
	if (w->jitter_ms > 0)
		buf_printf(text, " %gms", w->jitter_ms);
	if (w->loss > 0)
		buf_printf(text, " loss %g%%", w->loss * 100);
	buf_char(text, '\n');
}

int wire_all(const struct topology *t, struct lm_err *err)
{
	auto_buf struct buf text = {0};

	for (int to = 0; to < t->count; to++) {
		buf_printf(&text, "qdisc add dev v%d root handle 1: prio bands 16 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", to);
		for (int from = 0; from < t->count; from++) {
			if (from == to)
				continue;
			buf_printf(&text, "filter add dev v%d parent 1: protocol ip prio 1 u32 match ip src %s/32 flowid 1:%x\n", to,
				   t->host[from].addr, (unsigned)from + 2);
			netem(t, from, to, &text);
		}
	}
	return batch("tc", &text, err);
}

int wire_change(const struct topology *t, int from, int to, bool both, struct lm_err *err)
{
	auto_buf struct buf text = {0};

	netem(t, from, to, &text);
	if (both)
		netem(t, to, from, &text);
	return batch("tc", &text, err);
}
