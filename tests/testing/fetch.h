/*
 * fetch.h - what a program under test answers to a GET.
 *
 *	test_wait(..) until (port = fetch_port(log)) > 0;
 *	auto_free char *url = xasprintf("http://127.0.0.1:%d", port), *text = fetch(url, "/metrics", &status);
 */
#ifndef TESTS_FETCH_H
#define TESTS_FETCH_H

/* The first " port=" of a program's output (a file, text format): where it listens; 0 when that is not there yet. */
int fetch_port(const char *output_path);
/* The body, the caller's; status 0 and NULL when there is no answer within 5 s. Of https any certificate will do. */
char *fetch(const char *url, const char *path, int *status);
/* The same, which must be answered 200. */
char *fetch_ok(int port, const char *path);

#endif
