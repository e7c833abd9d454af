/*
 * log.h - one line an event on standard error, text or JSON.
 *
 *	log_info("pod bound", FIELDS(LS("pod", "default/web"), LS("node", node), LF("rtt_ms", 0.41)));
 *	log_info("stopped", NULL);
 *
 *	2026-11-21T21:00:00.000Z INFO pod bound pod=default/web node=edge-1 rtt_ms=0.41
 *	{"time":"2026-11-21T21:00:00.000Z","level":"info","msg":"pod bound","pod":"default/web","node":"edge-1","rtt_ms":0.41}
 *
 * Text values with blanks or quotes are quoted; control characters and bytes that are not UTF-8 never reach the output raw.
 * One write(2) a line, so that lines of threads and processes do not mix. Colour only for levels on a terminal, and not when
 * NO_COLOR is set. Only main() and the parts that run under it log; parsers and the decision return errors instead.
 * Both may be called by any thread: a reload may change level and format.
 *
 * What can repeat for ever is damped by its caller with a log_gate: at once, then at most once an interval with the number
 * of times it was held back.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	const char *key;	/* NULL ends the list */
	enum { LOG_STRING, LOG_INTEGER, LOG_NUMBER, LOG_BOOL } type;
	union {
		const char *string;	/* NULL is written as null */
		int64_t integer;
		double number;		/* NaN is written as null */
		bool boolean;
	} v;
};

#define LS(k, value) {.key = (k), .type = LOG_STRING, .v.string = (value)}
#define LI(k, value) {.key = (k), .type = LOG_INTEGER, .v.integer = (int64_t)(value)}
#define LF(k, value) {.key = (k), .type = LOG_NUMBER, .v.number = (value)}
#define LB(k, value) {.key = (k), .type = LOG_BOOL, .v.boolean = (value)}
#define FIELDS(...) (const struct log_field[]){__VA_ARGS__, {.key = NULL}}

/* Names of the options --log-level and --log-format, in the order of the enums, NULL at the end. */
extern const char *const log_level_names[];	/* debug info warn error */
extern const char *const log_format_names[];	/* text json */

void log_setup(enum log_level least, enum log_format format);
bool log_wants(enum log_level level);		/* false: log_event would write nothing */
void log_event(enum log_level level, const char *msg, const struct log_field *fields);
static inline void log_debug(const char *msg, const struct log_field *fields) { log_event(LOG_DEBUG, msg, fields); }
static inline void log_info(const char *msg, const struct log_field *fields) { log_event(LOG_INFO, msg, fields); }
static inline void log_warn(const char *msg, const struct log_field *fields) { log_event(LOG_WARN, msg, fields); }
static inline void log_error(const char *msg, const struct log_field *fields) { log_event(LOG_ERROR, msg, fields); }

/* One place that may repeat. {0} is ready. Not thread-safe: one gate a thread. */
struct log_gate {
	int64_t next_mono_ms;
	int64_t held_back;	/* since the last true */
};
/* True when the caller may log now; *held_back (if not NULL) is how many were not logged since. */
bool log_gate_open(struct log_gate *gate, int64_t interval_ms, int64_t *held_back);

#endif
