/*
 * dump.h - what the scheduler knew, as files that `explain` and `simulate` replay: each decision comes out the same.
 *
 *	FOLDER/cluster.json		a List of the objects in the cache, each in a line: as the API sent it (archive.h), an assumed pod on its node
 *	FOLDER/cluster-latency.json	the matrix in use; not there without one
 *
 * The list has a member DUMP_NOTE beside its items, which kubectl ignores:
 *
 *	"latencyMesh":{"version":1, "now":"2026-11-21T21:00:00.000Z", "assumed":["default/web"], "placed_ms_ago":{"default/web":1200},
 *		"matrix":{"epoch":"..", "generation":4182, "written":"..", "taken":"..", "hold":false, "classes":{"edge-1":"busy"},
 *			"entry":{"edge-1":0.75,"edge-2":0.25}}}
 *
 * now: the time of the dump; placed_ms_ago: pods of which a part of the load was expected (expected.h), with the time since they were placed;
 * taken: when the matrix was taken into use (means over the mesh are as of then); hold: it does not age (the plain form never does); classes: nodes
 * whose load alone would put them into another class; entry: the shares of traffic in use (entries.h; a dump of before there were any has none).
 *
 * `written` of the matrix is not that of the file, but what gives the ages that the scheduler went by: its clock
 * decides, not the writer's. Both files are published atomically, the matrix first.
 *
 * The note holds for the matrix of the same epoch, generation and `written` alone: with another one (--matrix) it is as if there were none.
 */
#ifndef SCHED_DUMP_H
#define SCHED_DUMP_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "sched/archive.h"
#include "sched/cache/cache.h"
#include "sched/mesh.h"

#define DUMP_NOTE "latencyMesh"
#define DUMP_CLUSTER_FILE "cluster.json"

struct dump_input {
	struct cache *cache;		/* to be looked at alone */
	const struct archive *archive;
	const struct mesh *mesh;	/* NULL: none */
	int64_t mono_ms, wall_ms;	/* now */
};

/* The texts of the files; `latency` stays empty without a mesh. How many objects of the cache are in it. */
uint32_t dump_text(const struct dump_input *in, struct buf *cluster, struct buf *latency);
/* Makes the folder when it is not there. */
int dump_write(const char *folder, const struct dump_input *in, struct lm_err *err);

/* --- on request, from a scheduler that goes on --- */

/*
 * A child process writes (a copy of the memory, as fork gives it), so that neither a large cluster nor a volume that hangs holds up a decision. One
 * at a time; it ends with the scheduler, and after DUMP_MAX_S. Who asks while one is written gets another one after it: that one may not know what
 * he wants to see.
 */
#define DUMP_MAX_S 300
struct dumper;
struct dumper *dumper_new(const char *folder);
void dumper_free(struct dumper *d);		/* NULL is fine */
void dumper_start(struct dumper *d, const struct dump_input *in);	/* logs what keeps it from starting */
bool dumper_poll(struct dumper *d);		/* logs how it ended. True: the next one is due, to be started. NULL is fine */

/* --- reading the note --- */

struct dump_past {
	int64_t taken_ms;
	bool hold;
};
int dump_note_check(const cJSON *note, struct lm_err *err);
/* These want a note that was checked. */
int64_t dump_note_now(const cJSON *note);
bool dump_note_past(const cJSON *note, const struct matrix *matrix, struct dump_past *out);	/* false: of another matrix */
void dump_note_classes(const cJSON *note, struct mesh *mesh);
void dump_note_placed(const cJSON *note, struct cache *cache);	/* pods that are not in the cache are passed over */
void dump_note_entry(const cJSON *note, struct mesh *mesh);

#endif
