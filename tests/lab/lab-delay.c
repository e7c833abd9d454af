/*
 * lab-delay A B MS [loss SHARE] [jitter MS]: changes the round trip between two hosts; loss (0..1) and jitter are of each direction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/lab/guest.h"

static int usage(void)
{
	fprintf(stderr, "usage: lab-delay A B MS [loss SHARE] [jitter MS]\n");
	return LM_USAGE;
}

int main(int argc, char **argv)
{
	struct topology t;
	struct lm_err err;
	struct wire w = {0};
	int a, b;

	if (argc < 4 || argc % 2 != 0)
		return usage();
	if (topology_load(TOPOLOGY_LIVE, &t, &err) < 0) {
		fprintf(stderr, "lab-delay: %s\n", err.msg);
		return (int)err.code;
	}
	a = topology_find(&t, argv[1]);
	b = topology_find(&t, argv[2]);
	w.delay_ms = strtod(argv[3], NULL) / 2;
	for (int i = 4; i < argc; i += 2) {
		if (STREQ(argv[i], "loss"))
			w.loss = strtod(argv[i + 1], NULL);
		else if (STREQ(argv[i], "jitter"))
			w.jitter_ms = strtod(argv[i + 1], NULL);
		else
			return usage();
	}
	if (a < 0 || b < 0 || a == b)
		return usage();
	if (guest_wire(&t, a, b, w, true, &err) < 0) {
		fprintf(stderr, "lab-delay: %s\n", err.msg);
		return (int)err.code;
	}
	return 0;
}
