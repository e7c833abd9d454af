/*
 * guest.h - what programs inside the laboratory use: run things on hosts, reach a host's volume, change the network. Only in the
 * guest, as its root.
 */
#ifndef TESTS_LAB_GUEST_H
#define TESTS_LAB_GUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "tests/lab/topology.h"

#define GUEST_UID 65532			/* what pods run as */

/* This process goes to a host: its network and its mounts. For a process about to exec. */
int guest_enter(const struct host *host, struct lm_err *err);

/*
 * Starts a program with its output into a file. With `host` on that host as uid and gid 65532 with CAP_NET_RAW, as a pod would run;
 * NULL: here, as root. It ends with the caller (parent-death signal). Returns the process, or -1.
 */
pid_t guest_spawn(const struct host *host, const char *const *argv, const char *log_path, struct lm_err *err);
/* Signal, wait, SIGKILL after 5 s. The exit code, or 128 + signal. */
int guest_stop(pid_t pid, int signal);

/* The path, seen from here, of a file on a host's own mount of the volume. */
void guest_path(const struct host *host, const char *name, char *path, size_t size);

/* One direction, or both alike: changes the network and the file in force. */
int guest_wire(struct topology *t, int from, int to, struct wire wire, bool both, struct lm_err *err);

#endif
