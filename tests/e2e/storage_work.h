/*
 * storage_work.h - work that needs what the scheduler watches beside nodes and pods, one piece for each kind, and the two that bind volumes.
 */
#ifndef TESTS_E2E_STORAGE_WORK_H
#define TESTS_E2E_STORAGE_WORK_H

#include "tests/e2e/e2e.h"
#include "tests/e2e/work.h"

/* The cluster in which the work is done; before any of it. */
void storage_work_in(struct sched *s);

extern const struct work work_claim, work_volume, work_class, work_limit, work_driver, work_capacity, work_attachment, work_namespace,
	work_provision, work_match;

#endif
