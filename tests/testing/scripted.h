/*
 * scripted.h - an HTTP server that misbehaves as told: a thread a connection, plain sockets, and a function of the test that writes
 * the answer to each request byte by byte if it likes. It is no API server (that is tests/apiserver); it is what stands between a
 * client and trouble.
 *
 *	struct scripted *s = scripted_start(answer, &my_state);
 *	... http://127.0.0.1:scripted_port(s) ...
 *	scripted_stop(s);			// closes everything and waits for the threads
 *
 * `answer` runs on the connection's thread: what it shares with the test is atomic or locked by it.
 */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scripted;

struct scripted_request {
	struct scripted *server;
	void *arg;
	int fd;
	int number;		/* 0, 1, 2, ... over all connections, in the order of their arrival */
	int connection;		/* 0, 1, 2, ... */
	char method[16];
	char target[4096];	/* "/api/v1/pods?watch=true" */
	char token[1024];	/* of `Authorization: Bearer`; "" without */
	char head[16384];	/* all header lines */
	char body[65536];
	size_t body_len;
	bool close;		/* set by a function that did not answer in full: the connection ends */
};

typedef void scripted_answer(struct scripted_request *request);

struct scripted *scripted_start(scripted_answer *answer, void *arg);
int scripted_port(const struct scripted *s);
const char *scripted_url(const struct scripted *s);	/* "http://127.0.0.1:PORT" */
int scripted_requests(struct scripted *s);		/* so far */
void scripted_stop(struct scripted *s);

/* A whole answer; `headers` are further lines, each with \r\n, or NULL. */
void scripted_reply(struct scripted_request *r, int status, const char *headers, const char *body);
/* Raw bytes; false when the client is gone. */
bool scripted_send(struct scripted_request *r, const void *bytes, size_t len);
/* A chunked stream: begin, any number of chunks, end. */
void scripted_begin(struct scripted_request *r, int status);
bool scripted_chunk(struct scripted_request *r, const char *bytes, size_t len);
bool scripted_text(struct scripted_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* one chunk */
void scripted_end(struct scripted_request *r);
/* Ends the connection with a RST. */
void scripted_reset(struct scripted_request *r);
/* Says nothing until the client goes or the server stops, at most 20 s. */
void scripted_silence(struct scripted_request *r);

#endif
