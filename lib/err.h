/*
 * err.h - errors are values.
 *
 * A function that can fail takes `struct lm_err *err` as its last argument and returns 0 or a pointer on success, -1 or
 * NULL on failure. On success *err is untouched; on failure it holds a code and one line of text. Failing and returning is
 * one statement:
 *
 *	if (fd < 0)
 *		return lm_fail_errno(err, "open `%s`", path);
 *
 * A caller adds where it happened on the way up, and only main() prints and exits:
 *
 *	if (report_parse(text, len, &report, err) < 0)
 *		return lm_wrap(err, "%s", file_name);		// "edge-1.json: peers.edge-2.loss: 7 is not in 0..1"
 *
 * The caller owns the struct (on its stack); nothing is to be freed and it works when memory is short. `err` is never NULL.
 * The text is one line of UTF-8: control characters that come from input, and what a limit cut in two, are replaced by `?`.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

/* Codes are the exit codes of the programs (sysexits.h), so that main() can return them. */
enum lm_code {
	LM_USAGE = 64,		/* the command line is wrong */
	LM_DATA = 65,		/* an input is there and its content is bad */
	LM_NOINPUT = 66,	/* an input is not there */
	LM_UNAVAILABLE = 69,	/* the API server or another service cannot be used */
	LM_SOFTWARE = 70,	/* our own bug */
	LM_IO = 74,		/* a read or write failed */
	LM_TEMPFAIL = 75,	/* not now: whoever started it should do so again */
	LM_PERM = 77,		/* not allowed */
	LM_CONFIG = 78,		/* a configuration file is wrong */
};

struct lm_err {
	enum lm_code code;
	int os_errno;		/* errno of the failed call; 0 where none was involved */
	char msg[512];
};

/* All return -1, and set code and text. */
int lm_fail(struct lm_err *err, enum lm_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Appends ": " and the text of errno. Code: ENOENT and ENOTDIR no input; EACCES, EPERM and EROFS permission; else I/O. */
int lm_fail_errno(struct lm_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts context and ": " before the text; code and os_errno stay. */
int lm_wrap(struct lm_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
