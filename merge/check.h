/*
 * check.h - `latency-merge --check FILE...`: is this a file that the others would take? By hand, in an editor's hook, in CI.
 *
 * What a file is meant to be is told by its content: a report (it has `peers`), a matrix (`rtt_us`), peers.json (`nodes` with
 * addresses), observations.json (`reporters`), a bare list of nodes or clients, weights of entry nodes (numbers by
 * node), or the predecessors' plain matrix. One line a file on standard output:
 *
 *	nodes/edge-1.json: ok (report of edge-1, 5 peers)
 *	cluster-latency.json: rtt_us[3][7]: line 12: not a number or null
 */
#ifndef MERGE_CHECK_H
#define MERGE_CHECK_H

#include <stddef.h>

/* 0, or the exit code of the worst: LM_DATA before what could not be read. */
int check_files(const char *const *paths, size_t count);

#endif
