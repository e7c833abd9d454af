#include "merge/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SUFFIX ".json"

/* Counts always, speaks once. A node that has not reported yet is no trouble. */
static void reject(struct scan *s, const char *node, enum meter_reason reason, const char *text)
{
	enum log_level level = reason == REASON_MISSING ? LOG_INFO : LOG_WARN;

	s->rejected[reason]++;
	metrics_add(s->metrics, METER_REJECTED, (int)reason, 1);
	if (!complaints_new(s->complaints, node, text) || ++s->lines > SCAN_LINES_MAX)
		return;
	log_event(level, "report not used", FIELDS(LS("node", node), LS("reason", meter_reasons[reason]), LS("error", text)));
}

static enum meter_reason reason_of_read(const struct lm_err *err)
{
	switch (err->os_errno) {
	case ENOENT:
		return REASON_MISSING;
	case ETIMEDOUT:
		return REASON_TIMEOUT;
	case 0:
		if (err->code == LM_DATA)
			return strstr(err->msg, "limit") || strstr(err->msg, "larger") ? REASON_TOO_LARGE : REASON_NO_FILE;
		return REASON_TIMEOUT; /* too many reads hang */
	default:
		return REASON_UNREADABLE;
	}
}

/* The parser says what is wrong in words; which kind it is matters to the counter alone. */
static enum meter_reason reason_of_parse(const struct file_text *text, const struct lm_err *err)
{
	struct lm_err ignored;

	if (strspn(text->data, " \t\r\n") == text->len)
		return REASON_EMPTY;
	if (json_check(text->data, text->len, JSON_DEPTH, &ignored) < 0)
		return REASON_SYNTAX;
	return strstr(err->msg, "that the file's name says") ? REASON_IDENTITY : REASON_SCHEMA;
}

static double age_of(const struct scan *s, const struct timespec *mtime)
{
	return (double)(s->now.tv_sec - mtime->tv_sec) + (double)(s->now.tv_nsec - mtime->tv_nsec) / 1e9;
}

static void note_skew(struct scan *s, const struct report *report, const struct timespec *mtime)
{
	double skew_s = fabs((double)report->written_ms / 1e3 - ((double)mtime->tv_sec + (double)mtime->tv_nsec / 1e9));

	if (report->written_ms >= 0)
		s->skew_s = fmax(s->skew_s, skew_s);
}

static void take_report(struct scan *s, struct fold *fold, const char *node, const struct file_text *text)
{
	auto_report struct report report = {0};
	struct lm_err err;

	if (report_parse(text->data, text->len, node, &report, &err) < 0) {
		reject(s, node, reason_of_parse(text, &err), err.msg);
		return;
	}
	note_skew(s, &report, &text->st.st_mtim);
	fold_report(fold, &report, age_of(s, &text->st.st_mtim));
}

static void scan_node(struct scan *s, struct fold *fold, const char *node)
{
	size_t limit = REPORT_MAX_BYTES(s->nodes->count + s->clients);
	auto_free char *name = xasprintf("%s" SUFFIX, node);
	auto_file_text struct file_text text = {0};
	int64_t left_ms = s->deadline_mono_ms - clock_mono_ms();
	struct lm_err err;

	if (left_ms <= 0) {
		reject(s, node, REASON_TIMEOUT, "the time for reading reports was over");
		return;
	}
	if (reader_read(s->reader, s->nodes_fd, name, limit, left_ms < SCAN_FILE_MS ? (int)left_ms : SCAN_FILE_MS, &text, &err) < 0) {
		reject(s, node, reason_of_read(&err), err.msg);
		return;
	}
	take_report(s, fold, node, &text);
}

static void look_at_entry(struct scan *s, const char *file)
{
	size_t len = strlen(file), stem = strlen(SUFFIX);
	auto_free char *node = NULL;

	if (file[0] == '.' || len <= stem || !STREQ(file + len - stem, SUFFIX))
		return;
	node = xstrndup(file, len - stem);
	if (names_find(s->nodes, node) == NAMES_NONE)
		reject(s, node, REASON_UNKNOWN_NODE, "no node of this name is known");
}

static void look_for_unknown(struct scan *s)
{
	int fd = openat(s->nodes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), entries = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		cleanup_close(&fd);
		return;
	}
	while (entries++ < SCAN_ENTRIES_MAX && (entry = readdir(dir)) != NULL)
		look_at_entry(s, entry->d_name);
	closedir(dir);
}

int scan_reports(struct scan *s, struct fold *fold)
{
	uint32_t i;

	for (i = 0; i < s->nodes->count; i++) {
		if (s->stop && s->stop())
			return -1;
		scan_node(s, fold, s->nodes->items[i]);
	}
	if (s->look_for_unknown)
		look_for_unknown(s);
	return 0;
}

static void judge_node(struct scan *s, const struct fold *fold, const char *node)
{
	switch (fold_verdict_of(fold, node)) {
	case FOLD_STALE:
		reject(s, node, REASON_STALE, "unchanged for more than 3 periods");
		break;
	case FOLD_REPLAYED:
		reject(s, node, REASON_REPLAYED, "seq went back without a new boot_id");
		break;
	case FOLD_CONFLICT:
		reject(s, node, REASON_CONFLICT, "other content under the seq that was seen before");
		break;
	case FOLD_FRESH:
		if (complaints_over(s->complaints, node))
			log_info("report is used again", FIELDS(LS("node", node)));
		break;
	default:
		break;
	}
}

void scan_judged(struct scan *s, const struct fold *fold)
{
	uint32_t i;

	for (i = 0; i < s->nodes->count; i++)
		judge_node(s, fold, s->nodes->items[i]);
	if (s->lines > SCAN_LINES_MAX)
		log_warn("more reports were not used", FIELDS(LI("count", s->lines - SCAN_LINES_MAX)));
	metrics_set(s->metrics, METER_SKEW, 0, s->skew_s);
}

uint32_t scan_rejected(const struct scan *s)
{
	uint32_t sum = 0, i;

	for (i = 0; i < REASON_COUNT; i++)
		if (i != REASON_MISSING)
			sum += s->rejected[i];
	return sum;
}
