#include "sched/intake.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sched/reader.h"
#include "sched/stats.h"

#define REPEAT_MS 60000			/* what lasts is logged once a minute */
#define EDIT_MAX_MS 60000		/* an older mtime is of a file that was moved here, not written */

enum entry_state { ENTRY_NONE, ENTRY_USED, ENTRY_OLD };

struct intake {
	struct reader *reader;
	struct metrics *stats;
	struct mesh *mesh;
	struct matrix *latest;		/* what the file holds, in use or refused; NULL: none yet */
	bool hold, accept_any;		/* accept_any: `hold` went, and no other file came since */
	bool usable;			/* the last look gave a matrix */
	int64_t started_ms;
	enum entry_state entry;
	struct log_gate hold_gate, failed_gate, older_gate, died_gate;
	char failed_text[512];		/* the reason that was logged last */
};

int intake_start(const char *file, int64_t poll_ms, struct metrics *stats, struct intake **out, struct lm_err *err)
{
	struct intake *i = xcalloc(1, sizeof(*i));

	i->stats = stats;
	i->started_ms = clock_mono_ms();
	if (reader_start(&(struct reader_settings){.file = file, .poll_ms = poll_ms}, &i->reader, err) < 0) {
		free(i);
		return -1;
	}
	metrics_set(stats, STAT_MATRIX_AGE_SECONDS, 0, NAN);
	metrics_set(stats, STAT_MATRIX_GENERATION, 0, NAN);
	metrics_set(stats, STAT_ENTRY_AGE_SECONDS, 0, NAN);
	*out = i;
	return 0;
}

void intake_free(struct intake *i)
{
	if (!i)
		return;
	reader_end(i->reader);
	if (i->mesh)
		mesh_free(i->mesh);
	matrix_unref(i->latest);
	free(i);
}

int intake_fd(const struct intake *i)
{
	return reader_fd(i->reader);
}

const struct mesh *intake_mesh(const struct intake *i)
{
	return i->mesh;
}

bool intake_ready(const struct intake *i, int64_t mono_ms)
{
	return reader_looked(i->reader) || mono_ms - i->started_ms >= INTAKE_FIRST_MS;
}

/* --- what is said --- */

/* From the change to now: by the file's time where that can be (one machine, or clocks that agree), else by when it was noticed. */
static double edit_to_use_ms(const struct reader_news *news)
{
	int64_t now = clock_wall_ms(), by_file = now - news->mtime_ms;

	return (double)(by_file >= 0 && by_file <= EDIT_MAX_MS ? by_file : now - news->noticed_ms);
}

static void log_taken(struct intake *i, const struct reader_news *news, bool first)
{
	const struct matrix *m = i->mesh->matrix;
	double edit_ms = news && !first ? edit_to_use_ms(news) : NAN; /* what lay there at the start was not edited now */

	if (news && !first)
		metrics_observe(i->stats, STAT_EDIT_TO_USE_SECONDS, 0, edit_ms / 1e3);
	log_info("matrix in use", FIELDS(LI("nodes", matrix_nodes(m)), LI("clients", matrix_clients(m)),
					 LS("epoch", matrix_epoch(m)), LI("generation", matrix_generation(m)),
					 LB("plain", matrix_is_plain(m)), LB("hold", i->hold),
					 LF("edit_to_use_ms", edit_ms),
					 LS("seen_by", news ? (news->by_event ? "inotify" : "poll") : NULL)));
}

static void log_older(struct intake *i, const struct matrix *refused)
{
	if (log_gate_open(&i->older_gate, REPEAT_MS, NULL))
		log_warn("latency file refused: its generation is lower than the one in use (a file `hold` allows it)",
			 FIELDS(LI("generation", matrix_generation(refused)), LI("in_use", matrix_generation(i->mesh->matrix))));
}

static void note_failed(struct intake *i, const struct lm_err *error)
{
	bool other = !STREQ(i->failed_text, error->msg);
	int64_t held_back;

	metrics_add(i->stats, STAT_RELOADS, RELOAD_FAILED, 1);
	i->usable = false;
	if (other)
		i->failed_gate = (struct log_gate){0};
	memcpy(i->failed_text, error->msg, sizeof(i->failed_text));
	if (!log_gate_open(&i->failed_gate, REPEAT_MS, &held_back))
		return;
	if (i->mesh)
		log_warn("latency file cannot be used: the last good one stays",
			 FIELDS(LS("error", error->msg), LI("held_back", held_back)));
	else
		log_warn("no latency data: pods are placed without it", FIELDS(LS("error", error->msg),
									       LI("held_back", held_back)));
}

static void note_usable(struct intake *i)
{
	i->usable = true;
	i->failed_text[0] = '\0';
}

static void note_hold(struct intake *i)
{
	metrics_set(i->stats, STAT_HOLD, 0, i->hold);
	if (i->hold && log_gate_open(&i->hold_gate, REPEAT_MS, NULL))
		log_warn("hold: the latency file is used as it is, at any generation and without aging", NULL);
}

/* --- what is used --- */

static enum stat_reload reload_of(enum mesh_verdict verdict)
{
	if (verdict == MESH_OLDER)
		return RELOAD_OLDER;
	return verdict == MESH_SAME ? RELOAD_SAME : RELOAD_TAKEN;
}

/* `news` NULL: the same file under another `hold`. */
static bool use_latest(struct intake *i, const struct reader_news *news)
{
	struct mesh *next = NULL;
	bool first = !i->mesh;
	enum mesh_verdict verdict = mesh_take(matrix_ref(i->latest), i->mesh, i->hold, i->accept_any, clock_mono_ms(),
					      clock_wall_ms(), &next);

	if (verdict == MESH_OLDER)
		log_older(i, i->latest);
	if (news)
		metrics_add(i->stats, STAT_RELOADS, (int)reload_of(verdict), 1);
	if (verdict != MESH_TAKEN)
		return false;
	if (i->mesh)
		mesh_free(i->mesh);
	i->mesh = next;
	if (news && !i->hold)
		i->accept_any = false;
	metrics_set(i->stats, STAT_MATRIX_NODES, 0, matrix_nodes(next->matrix));
	metrics_set(i->stats, STAT_MATRIX_GENERATION, 0,
		    matrix_is_plain(next->matrix) ? NAN : (double)matrix_generation(next->matrix));
	log_taken(i, news, first);
	return true;
}

static bool set_hold(struct intake *i, bool hold)
{
	if (hold == i->hold)
		return false;
	i->hold = hold;
	i->accept_any = !hold;
	i->hold_gate = (struct log_gate){0};
	note_hold(i);
	if (!hold)
		log_info("hold is gone: the next latency file is accepted at any generation", NULL);
	return true;
}

static bool take_matrix(struct intake *i, const struct reader_news *news)
{
	matrix_unref(i->latest);
	i->latest = news->matrix;
	note_usable(i);
	return use_latest(i, news);
}

static bool take_news(struct intake *i, const struct reader_news *news)
{
	bool hold_changed;

	if (news->kind == READER_NEWS_DIED) {
		if (log_gate_open(&i->died_gate, 10000, NULL))
			log_error("the reader of the latency file died", FIELDS(LS("error", news->error.msg)));
		return false;
	}
	hold_changed = set_hold(i, news->hold);
	if (news->kind == READER_NEWS_MATRIX)
		return take_matrix(i, news);
	if (news->kind == READER_NEWS_FAILED)
		note_failed(i, &news->error);
	if (news->kind == READER_NEWS_SAME)
		note_usable(i);
	return hold_changed && i->latest && use_latest(i, NULL);
}

static bool take_all(struct intake *i)
{
	struct reader_news news;
	bool changed = false;

	while (reader_take(i->reader, &news))
		changed |= take_news(i, &news);
	return changed;
}

/* Once each time they drop out, and when they are there again. */
static void note_entry(struct intake *i, int64_t mono_ms)
{
	const struct mesh *mesh = i->mesh;
	enum entry_state before = i->entry;

	i->entry = !mesh || !mesh->entry.count ? ENTRY_NONE : mesh_entry_usable(mesh, mono_ms) ? ENTRY_USED : ENTRY_OLD;
	if (i->entry == before)
		return;
	if (i->entry == ENTRY_USED)
		log_info("entry: where traffic enters is known", FIELDS(LI("nodes", mesh->entry.count), LF("age_s", mesh_entry_age_s(mesh, mono_ms))));
	else if (i->entry == ENTRY_OLD)
		log_warn("entry: the data of where traffic enters are too old: `near entry` counts no more, a limit to it follows latency-mesh.io/missing",
			 FIELDS(LF("age_s", mesh_entry_age_s(mesh, mono_ms)), LF("max_s", mesh_dead_s(mesh))));
	else if (before == ENTRY_USED)
		log_warn("entry: the latency file says no more where traffic enters: `near entry` counts no more, a limit to it follows "
			 "latency-mesh.io/missing", NULL);
}

static void set_gauges(struct intake *i, int64_t mono_ms)
{
	double age_s = NAN;

	if (i->mesh && !i->hold && !matrix_is_plain(i->mesh->matrix))
		age_s = i->mesh->base_s + (double)(mono_ms - i->mesh->seen_mono_ms) / 1e3;
	metrics_set(i->stats, STAT_MATRIX_AGE_SECONDS, 0, i->mesh && isnan(age_s) ? 0 : age_s);
	metrics_set(i->stats, STAT_ENTRY_AGE_SECONDS, 0, i->mesh ? mesh_entry_age_s(i->mesh, mono_ms) : NAN);
	metrics_set(i->stats, STAT_MATRIX_USABLE, 0, i->usable);
	metrics_set(i->stats, STAT_READER_STARTS, 0, (double)reader_starts(i->reader));
	metrics_set(i->stats, STAT_READER_SILENT_SECONDS, 0, (double)(mono_ms - reader_heard_mono_ms(i->reader)) / 1e3);
}

bool intake_poll(struct intake *i, int64_t mono_ms, int64_t *wait_ms)
{
	bool changed = take_all(i);

	*wait_ms = reader_tick(i->reader, mono_ms);
	changed |= take_all(i);
	note_hold(i);
	note_entry(i, mono_ms);
	set_gauges(i, mono_ms);
	return changed;
}

bool intake_settle(struct intake *i)
{
	if (!reader_settle(i->reader, INTAKE_SETTLE_MS))
		metrics_add(i->stats, STAT_SETTLE_TIMEOUTS, 0, 1);
	return take_all(i);
}

bool intake_is_settled(const struct intake *i)
{
	return reader_is_settled(i->reader);
}
