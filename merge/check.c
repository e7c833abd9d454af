#include "merge/check.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/peers.h"
#include "lib/report.h"
#include "lib/snapshot.h"
#include "lib/snapshot_rows.h"
#include "merge/inflow.h"
#include "merge/observe.h"

static int check_report(const char *path, const struct file_text *text, struct buf *words, struct lm_err *err)
{
	auto_report struct report report = {0};
	const char *base = strrchr(path, '/');
	auto_free char *wanted = NULL;

	if (text->len > REPORT_MAX_BYTES(PEERS_MAX))
		return lm_fail(err, LM_DATA, "%zu bytes are too many for a report", text->len);
	if (report_parse(text->data, text->len, NULL, &report, err) < 0)
		return -1;
	buf_printf(words, "report of %s, %zu peers", report.node, report.peers.count);
	if (report.clients.count)
		buf_printf(words, ", %zu clients", report.clients.count);
	base = base ? base + 1 : path;
	wanted = xasprintf("%s.json", report.node);
	if (!STREQ(base, wanted))
		buf_printf(words, "; as nodes/%s it would be used", wanted);
	return 0;
}

/* Whom somebody heard once, and who is silent for longest. */
static void tell_silence(const struct snapshot *s, struct buf *words)
{
	uint32_t known = 0, worst = 0, i;

	for (i = 0; i < s->nodes.count; i++) {
		if (isnan(s->lost_s[i]))
			continue;
		worst = !known || s->lost_s[i] > s->lost_s[worst] ? i : worst;
		known++;
	}
	if (known)
		buf_printf(words, ", silence of %u nodes, %s the longest: %.0f s to %u others", known, s->nodes.items[worst], s->lost_s[worst],
			   s->witnesses[worst]);
}

static int check_matrix(const struct file_text *text, struct buf *words, struct lm_err *err)
{
	auto_snapshot struct snapshot s = {0};

	if (snapshot_parse(text->data, text->len, &s, err) < 0)
		return -1;
	if (s.is_plain)
		buf_printf(words, "plain matrix of %u nodes", s.nodes.count);
	else
		buf_printf(words, "matrix of %u nodes and %u clients, generation %lld", s.nodes.count, s.clients.count,
			   (long long)s.generation);
	tell_silence(&s, words);
	if (s.entry.nodes.count)
		buf_printf(words, ", traffic enters at %u nodes", s.entry.nodes.count);
	if (s.entry.nodes.count && !isnan(s.entry.age_s))
		buf_printf(words, ", %.0f s ago", s.entry.age_s);
	return 0;
}

static int check_peers(const struct file_text *text, struct buf *words, struct lm_err *err)
{
	struct peers peers;

	if (peers_parse(text->data, text->len, &peers, err) < 0)
		return -1;
	buf_printf(words, "peers: %u nodes, %u clients", peers.nodes.names.count, peers.clients.names.count);
	peers_free(&peers);
	return 0;
}

static int check_entry(const char *path, const struct file_text *text, struct buf *words, struct lm_err *err)
{
	struct snapshot_entry entry;

	if (inflow_parse_list(text->data, text->len, &entry, err) < 0)
		return lm_wrap(err, "%s", path);
	buf_printf(words, "weights of %u entry nodes", entry.nodes.count);
	snapshot_entry_free(&entry);
	return 0;
}

static int check_list(const char *path, const struct file_text *text, struct buf *words, struct lm_err *err)
{
	struct peer_list list;

	if (peers_parse_list(text->data, text->len, path, &list, err) < 0)
		return -1;
	buf_printf(words, "list of %u names", list.names.count);
	peer_list_free(&list);
	return 0;
}

static int check_observations(const struct file_text *text, struct buf *words, struct lm_err *err)
{
	uint32_t reporters, cells;

	if (observe_check(text->data, text->len, &reporters, &cells, err) < 0)
		return -1;
	buf_printf(words, "observations of %u reporters, %u figures", reporters, cells);
	return 0;
}

static bool begins(const struct snapshot_members *members, const char *key, char bracket)
{
	const struct snapshot_member *member = snapshot_members_find(members, key);

	return member && member->len && *member->value == bracket;
}

static int check_content(const char *path, const struct file_text *text, struct buf *words, struct lm_err *err)
{
	struct snapshot_members members;
	bool report, peers, list, entry, observations;

	if (snapshot_members_scan(text->data, text->len, &members, err) < 0)
		return -1;
	report = snapshot_members_find(&members, "peers") && !snapshot_members_find(&members, "rtt_us");
	peers = begins(&members, "nodes", '{') && snapshot_members_find(&members, "version");
	list = members.keys.count && *members.items[0].value == '[' && !snapshot_members_find(&members, "version") &&
	       !snapshot_members_find(&members, "rtt_us");
	entry = members.keys.count && (*members.items[0].value == '-' || isdigit((unsigned char)*members.items[0].value)) &&
		!snapshot_members_find(&members, "version") && !snapshot_members_find(&members, "rtt_us");
	observations = begins(&members, "reporters", '{') && !snapshot_members_find(&members, "rtt_us");
	snapshot_members_free(&members);
	if (observations)
		return check_observations(text, words, err);
	if (report)
		return check_report(path, text, words, err);
	if (peers)
		return check_peers(text, words, err);
	if (list)
		return check_list(path, text, words, err);
	if (entry)
		return check_entry(path, text, words, err);
	return check_matrix(text, words, err);
}

static int check_file(const char *path, struct lm_err *err)
{
	auto_file_text struct file_text text = {0};
	auto_buf struct buf words = {0};

	if (file_read(AT_FDCWD, path, SNAPSHOT_MAX_BYTES, FILE_FOLLOW, &text, err) < 0 ||
	    check_content(path, &text, &words, err) < 0) {
		printf("%s: %s\n", path, err->msg);
		return -1;
	}
	printf("%s: ok (%s)\n", path, words.data);
	return 0;
}

int check_files(const char *const *paths, size_t count)
{
	int worst = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		struct lm_err err;

		if (check_file(paths[i], &err) < 0 && worst != LM_DATA)
			worst = err.code == LM_DATA || !worst ? (int)err.code : worst;
	}
	return worst;
}
