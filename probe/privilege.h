/*
 * privilege.h - giving up what the probe does not need.
 *
 * liboping opens raw sockets as it goes: with the first host or ping of an object, and objects come and go with the peers. So the one
 * capability that it needs, CAP_NET_RAW, has to stay for the life of the process; with ping sockets, which are opened at the
 * start, none stays. All other capabilities go (root keeps those that let it write to another user's folder), and
 * no_new_privs keeps a later exec from getting them back. Threads share one memory, so that taking the capability from
 * single threads would protect nothing. Call it once, after pinger_open and before there are threads.
 */
#ifndef PROBE_PRIVILEGE_H
#define PROBE_PRIVILEGE_H

#include <stdbool.h>

void privilege_drop(bool keep_raw);

#endif
