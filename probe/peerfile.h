/*
 * peerfile.h - follows peers.json. Each look reads the file anew (on NFS it is open that revalidates) and compares it with the last one;
 * only another content is parsed. What is bad or missing is told once, and the last good list stays with whoever took it.
 */
#ifndef PROBE_PEERFILE_H
#define PROBE_PEERFILE_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/peers.h"

enum peerfile_state { PEERFILE_MISSING, PEERFILE_BAD, PEERFILE_GOOD };

struct peerfile {
	const char *path;		/* borrowed */
	struct file_text text;		/* as last read */
	enum peerfile_state state;
	bool looked;
};

/*
 * 1: another good list, in *out, which the caller owns. 0: as before. -1: missing or bad; *is_new tells whether that was
 * already so with the same content. LM_NOINPUT, LM_IO, LM_PERM: the file cannot be read; LM_DATA: its content is bad.
 */
int peerfile_look(struct peerfile *f, struct peers *out, bool *is_new, struct lm_err *err);
void peerfile_free(struct peerfile *f);

#endif
