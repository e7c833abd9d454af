/*
 * storage.h - claims, volumes and what CSI drivers say, on a real API server without controllers: makes them, and takes the turns of the volume
 * controller and of a provisioner. Everything is of namespace default, node "a" and driver STORAGE_DRIVER.
 */
#ifndef TESTS_E2E_STORAGE_H
#define TESTS_E2E_STORAGE_H

#include "tests/e2e/e2e.h"

#define STORAGE_DRIVER "driver.e2e.test"

/* Classes that wait for the first pod. */
void storage_make_class(struct sched *s, const char *name, const char *provisioner);
void storage_make_claim(struct sched *s, const char *name, const char *class);		/* unbound, 1Gi */
void storage_make_bound_claim(struct sched *s, const char *name, const char *volume);
void storage_make_volume(struct sched *s, const char *name, const char *class);		/* 1Gi of STORAGE_DRIVER, Available */
void storage_make_csi_node(struct sched *s, int limit);					/* so many volumes on node "a" */
void storage_make_csi_driver(struct sched *s);						/* which keeps count of its capacity */
void storage_make_capacity(struct sched *s, const char *class);				/* 10Gi, everywhere */
void storage_make_attachment(struct sched *s, const char *name, const char *volume);
void storage_drop(struct sched *s, const char *plural, const char *name);		/* one of storage.k8s.io */

/* The scheduler asks for a volume of the claim on some node. */
bool storage_is_asked(struct sched *s, const char *claim);
/* A volume that is asked for is made, and one that names a claim is bound to it. */
void storage_turn(struct sched *s);

#endif
