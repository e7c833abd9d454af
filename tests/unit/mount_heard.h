/*
 * mount_heard.h - what a trial of a mount (nfs/trial.h) said, line by line, for tests to look at.
 */
#ifndef TESTS_UNIT_MOUNT_HEARD_H
#define TESTS_UNIT_MOUNT_HEARD_H

#include "lib/buf.h"
#include "nfs/finding.h"

struct heard {
	struct buf text;
	int count[VERDICT_BAD + 1], code, mount;
};

static inline void on_finding(void *arg, const struct finding *f)
{
	struct heard *h = arg;

	h->count[f->verdict]++;
	h->code = f->code ? f->code : h->code;
	buf_printf(&h->text, "%d %s %s\n", (int)f->verdict, f->name, f->text);
}

#endif
