/*
 * relay.h - a line between a scheduler and the API server that can hold what goes one way: a decision that has not arrived yet, an answer
 * that is not known yet. It passes bytes, so TLS and tokens stay as they are.
 *
 *	struct relay *r = relay_start(s.api.url);
 *	s.kubeconfig = ...				with relay_url(r) as its server
 *	relay_set(r, RELAY_NO_REQUESTS);		watches go on, bindings wait on the line
 *	relay_set(r, RELAY_OPEN);			and now they arrive
 *	relay_stop(r);
 *
 * A thread of its own. relay_set returns when nothing passes by the old rule any more. What is held for seconds runs into the scheduler's
 * time-outs.
 */
#ifndef TESTS_E2E_RELAY_H
#define TESTS_E2E_RELAY_H

enum relay_state {
	RELAY_OPEN,
	RELAY_NO_REQUESTS,		/* to the server; whoever calls waits */
	RELAY_NO_ANSWERS,		/* from it, also watches */
	RELAY_CUT,			/* connections end, new ones at once; what was held is lost */
};

struct relay;

struct relay *relay_start(const char *to);		/* "https://127.0.0.1:6443" */
const char *relay_url(const struct relay *r);
void relay_set(struct relay *r, enum relay_state state);
void relay_stop(struct relay *r);

#endif
