/*
 * finding.h - one thing that was looked at: a line of the output.
 *
 *	ok       lookupcache    positive: a file that was not there a moment ago is looked for again
 *	verdict  name           text
 */
#ifndef NFS_FINDING_H
#define NFS_FINDING_H

enum verdict {
	VERDICT_OK,
	VERDICT_WARNING,	/* it works, and costs something; the text says what */
	VERDICT_BAD,		/* our files are not safe here; `code` says of which kind it is */
};

struct finding {
	enum verdict verdict;
	int code;		/* enum lm_code of a bad one: LM_CONFIG options, LM_PERM, LM_NOINPUT, LM_IO; else 0 */
	char name[24];
	char text[512];
};

typedef void finding_sink(void *arg, const struct finding *finding);

#endif
