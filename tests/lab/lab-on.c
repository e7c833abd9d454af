/* lab-on HOST COMMAND...: runs it on a host of the laboratory, as root. Alone: lists the hosts and their addresses. */
#include <stdio.h>
#include <unistd.h>

#include "tests/lab/guest.h"

int main(int argc, char **argv)
{
	struct topology t;
	struct lm_err err;
	int host;

	if (topology_load(TOPOLOGY_LIVE, &t, &err) < 0) {
		fprintf(stderr, "lab-on: %s\n", err.msg);
		return (int)err.code;
	}
	for (int i = 0; argc < 2 && i < t.count; i++)
		printf("%s %s %s\n", t.host[i].name, t.host[i].addr, t.host[i].client ? "client" : t.host[i].zone);
	if (argc < 2)
		return 0;
	host = topology_find(&t, argv[1]);
	if (host < 0 || argc < 3) {
		fprintf(stderr, host < 0 ? "lab-on: no host `%s`\n" : "lab-on: what should run on %s?\n", argv[1]);
		return LM_USAGE;
	}
	if (guest_enter(&t.host[host], &err) < 0) {
		fprintf(stderr, "lab-on: %s\n", err.msg);
		return (int)err.code;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
