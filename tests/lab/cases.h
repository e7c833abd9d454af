/*
 * cases.h - the laboratory's tests. Each gets a running pipeline (cluster.h), leaves the network and the volume as it found them, and
 * returns -1 with the reason when something was not as it should be.
 */
#ifndef TESTS_LAB_CASES_H
#define TESTS_LAB_CASES_H

#include "tests/lab/cluster.h"
#include "tests/lab/pods.h"

typedef int lab_case(struct cluster *c, struct lm_err *err);

/* cases_net.c: what probes measure */
lab_case case_round_trips, case_p1_silent_peer, case_p2_loss_of_30_percent, case_p5_p6_oping, case_p5_p6_socket;
/* cases_clients.c: where users are, and that pods follow them */
lab_case case_clients_move;
/* cases_silence.c: who is lost, by whose word */
lab_case case_icmp_dropped_and_dead, case_one_probe_alone;
/* cases_volume.c: the files on NFS */
lab_case case_mounts, case_reports_everywhere, case_stale_report, case_s6_other_client, case_edit_under_hold, case_unfinished_edit,
	case_s7_server_gone;

/* Both directions of a measured value are as the network is: at most 15 % and 1.5 ms off. */
bool cases_close(double measured_ms, double true_ms);
/* Waits until every pair of the snapshot is. */
int cases_all_close(struct cluster *c, double limit_s, struct lm_err *err);
/* A shell script in the guest, as its root; `lab-on HOST` goes to a host. */
int cases_as_root(const char *command, struct lm_err *err);

#endif
